//! The models of every protocol in one list, whatever their protocol's types are.

use crate::catalog::{self, Entry};
use crate::ladder;
use crate::narrate::{ReplayError, Replayed, replay};
use crate::protocol::Bounded;
use crate::search::{Options, Progress, Report};
use crate::{keyspace_catalog, quorum_catalog};
use ringleader_trace::Trace;
use stateright::Model;
use std::net::SocketAddr;

/// A model by name, without its types.
pub trait Listed {
    /// Its name.
    fn name(&self) -> &'static str;
    /// The question it answers.
    fn question(&self) -> &'static str;
    /// Its bounds in one line.
    fn describe_bounds(&self) -> String;
    /// The names of what must hold.
    fn properties(&self) -> Vec<&'static str>;
    /// The property that must fail, if the model shows what goes wrong without a rule.
    fn expected(&self) -> Option<&'static str>;
    /// How many states it has; 0 where a violation ends the search early.
    fn pinned(&self) -> usize;
    /// How many nodes its traces have.
    fn nodes(&self) -> u8;
    /// Whether this property is about single states, so that a trace's last state shows it.
    fn judges_states(&self, property: &str) -> bool;
    /// Explores it. With `property`, looks for a violation of that one alone.
    fn check(
        &self,
        property: Option<&str>,
        options: Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Report;
    /// Takes the steps of a trace again.
    ///
    /// # Errors
    ///
    /// When a step names something that cannot happen there.
    fn replay(&self, trace: &Trace) -> Result<Replayed, ReplayError>;
    /// Serves stateright's explorer at `address`, states told apart by names, until the process
    /// ends.
    ///
    /// # Panics
    ///
    /// If the address cannot be used.
    fn explore(&self, address: SocketAddr);
}

impl<P: Bounded> Listed for Entry<P> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn question(&self) -> &'static str {
        self.question
    }

    fn describe_bounds(&self) -> String {
        Self::describe_bounds(self)
    }

    fn properties(&self) -> Vec<&'static str> {
        Self::properties(self)
    }

    fn expected(&self) -> Option<&'static str> {
        self.expected
    }

    fn pinned(&self) -> usize {
        self.pinned
    }

    fn nodes(&self) -> u8 {
        self.protocol.nodes()
    }

    fn judges_states(&self, property: &str) -> bool {
        self.world().property_names().iter().any(|(name, _)| *name == property)
    }

    fn check(
        &self,
        property: Option<&str>,
        options: Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Report {
        Self::check(self, property, options, progress)
    }

    fn replay(&self, trace: &Trace) -> Result<Replayed, ReplayError> {
        replay(&self.world_with_names(), trace)
    }

    fn explore(&self, address: SocketAddr) {
        let _ = self.world_with_names().checker().serve(address);
    }
}

/// Every model that has a name: those that hold, and those that must not.
#[must_use]
pub fn all() -> Vec<Box<dyn Listed>> {
    [quick(), standard(), deep()].into_iter().flatten().collect()
}

/// The models of the `quick` tier, in the order in which they are run.
#[must_use]
pub fn quick() -> Vec<Box<dyn Listed>> {
    let holding = listed(catalog::quick()).chain(listed(quorum_catalog::quick()));
    let holding = holding.chain(listed(keyspace_catalog::quick()));
    let holding = holding.chain(listed(ladder::quick()));
    holding.chain(listed(quorum_catalog::refuted())).collect()
}

/// The models of the `standard` tier: minutes.
#[must_use]
pub fn standard() -> Vec<Box<dyn Listed>> {
    let others = listed(quorum_catalog::standard()).chain(listed(keyspace_catalog::standard()));
    let others = others.chain(listed(catalog::standard()));
    others.chain(listed(ladder::standard())).collect()
}

/// The models of the `deep` tier: hours.
#[must_use]
pub fn deep() -> Vec<Box<dyn Listed>> {
    listed(ladder::deep()).collect()
}

fn listed<P: Bounded>(entries: Vec<Entry<P>>) -> impl Iterator<Item = Box<dyn Listed>> {
    entries.into_iter().map(|entry| Box::new(entry) as Box<dyn Listed>)
}
