//! Any stateright model as something that the engine explores.

use super::fingerprint::{Width, of_bytes};
use super::found::Found;
use super::{Explore, JournalError};
use crate::packed::Packed;
use crate::protocol::Kind;
use stateright::{Expectation, Model, Property};

/// A stateright model whose states can be packed.
pub struct Plain<'m, M: Model> {
    model: &'m M,
    representative: fn(&M::State) -> M::State,
    properties: Vec<Property<M>>,
    names: Vec<(&'static str, Kind)>,
}

/// A property says `eventually`, which a search like this cannot decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEventually {
    /// The property.
    pub property: &'static str,
}

impl std::fmt::Display for RefusedEventually {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let property = self.property;
        write!(
            f,
            "property {property:?} is an `eventually`: the engine decides `always` and `sometimes`; \
             state it as a goal for the search for traps"
        )
    }
}

impl std::error::Error for RefusedEventually {}

impl<'m, M: Model<State: Packed + Clone>> Plain<'m, M> {
    /// Explores every state of `model`.
    ///
    /// # Errors
    ///
    /// If a property says `eventually`.
    pub fn new(model: &'m M) -> Result<Self, RefusedEventually> {
        Self::with_representative(model, M::State::clone)
    }

    /// Explores one state of each orbit: the one that `representative` names for all its members.
    ///
    /// # Errors
    ///
    /// If a property says `eventually`.
    pub fn with_representative(
        model: &'m M,
        representative: fn(&M::State) -> M::State,
    ) -> Result<Self, RefusedEventually> {
        let properties = model.properties();
        let kind = |property: &Property<M>| match property.expectation {
            Expectation::Always => Ok((property.name, Kind::Always)),
            Expectation::Sometimes => Ok((property.name, Kind::Sometimes)),
            Expectation::Eventually => Err(RefusedEventually { property: property.name }),
        };
        let names = properties.iter().map(kind).collect::<Result<_, _>>()?;
        Ok(Self { model, representative, properties, names })
    }

    fn put(&self, state: &M::State, place: usize, width: Width, found: &mut Found) {
        let start = found.raw.len();
        (self.representative)(state).pack(&mut found.raw);
        let fingerprint = of_bytes(&found.raw[start..], width);
        found.push(fingerprint, u32::try_from(place).expect("fewer than 2^32 actions"));
    }
}

/// What a thread keeps between two states of a plain model.
pub struct Worker<A> {
    width: Width,
    actions: Vec<A>,
}

impl<M> Explore for Plain<'_, M>
where
    M: Model<State: Packed + Clone, Action: Send> + Sync,
{
    type Worker<'w>
        = Worker<M::Action>
    where
        Self: 'w;

    fn worker(&self, width: Width) -> Worker<M::Action> {
        Worker { width, actions: Vec::new() }
    }

    fn start<'w>(&'w self, worker: &mut Self::Worker<'w>, found: &mut Found) {
        let states = self.model.init_states();
        let within = states.iter().filter(|state| self.model.within_boundary(state));
        within.enumerate().for_each(|(at, state)| self.put(state, at, worker.width, found));
    }

    fn expand<'w>(&'w self, worker: &mut Self::Worker<'w>, packed: &[u8], found: &mut Found) {
        let state = M::State::unpack(packed).expect("packed by this model");
        self.model.actions(&state, &mut worker.actions);
        for (place, action) in worker.actions.drain(..).enumerate() {
            let next = self.model.next_state(&state, action);
            if let Some(next) = next.filter(|next| self.model.within_boundary(next)) {
                self.put(&next, place, worker.width, found);
            }
        }
    }

    fn finish<'w>(&'w self, _: &mut Self::Worker<'w>, raw: &[u8], packed: &mut Vec<u8>) -> u32 {
        packed.extend_from_slice(raw);
        let state = M::State::unpack(raw).expect("packed by this model");
        let numbered = self.properties.iter().enumerate();
        numbered.fold(0, |bits, (bit, property)| {
            bits | u32::from((property.condition)(self.model, &state)) << bit
        })
    }

    fn properties(&self) -> &[(&'static str, Kind)] {
        &self.names
    }

    fn coverage(&self, _: &[u64]) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    fn accepts(&self, packed: &[u8]) -> bool {
        M::State::unpack(packed).is_some()
    }

    /// Packed states mean the same in every process.
    fn journal(&self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn repeat(&self, journal: &[u8]) -> Result<(), JournalError> {
        if journal.is_empty() { Ok(()) } else { Err(JournalError) }
    }
}
