//! One pass of the search over the events; see the [module above](super) for the rules and why they
//! are right.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::antichain::Antichain;
use super::automaton::{Automaton, Stepper};
use super::front::{Front, Pending, Width};
use super::rules::Rules;
use super::schedule::{Event, Schedule};
use super::witness::{Deed, ROOT, Witnesses};
use crate::meter::Share;
use crate::model::Nature;

/// When to give up.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Model steps.
    pub steps: u64,
    /// Time of day.
    pub deadline: Option<Instant>,
    /// Set when nobody waits for the outcome any more.
    pub stop: Option<&'a AtomicBool>,
}

/// What a search had too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shortage {
    /// Model steps.
    Steps,
    /// Time.
    Time,
    /// Memory.
    Memory,
    /// Slots for operations on one key that are pending at once; there are 4096.
    Slots,
    /// Room for configurations.
    Configurations,
    /// Interest: another key was found to be illegal.
    Stopped,
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Steps => "steps",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Slots => "slots for 4096 operations pending at once",
            Self::Configurations => "room for configurations",
            Self::Stopped => "interest, after another key was found illegal,",
        })
    }
}

/// One operation of a linearization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its position in the input of the search.
    pub position: usize,
    /// A moment in its interval at which it can have taken effect.
    pub point: u64,
}

/// What the search found out about one partition.
#[derive(Clone, Debug)]
pub enum Outcome<S> {
    /// It is legal, in this order.
    Legal(Vec<Placed>),
    /// Nothing survives the return of an operation.
    Illegal {
        /// The position of that operation.
        position: usize,
        /// The states that were possible just before that return.
        states: Vec<S>,
    },
    /// The limits ran out.
    Undecided {
        /// The position of the operation whose return could not be decided.
        position: usize,
        /// What ran out.
        reason: Shortage,
    },
}

/// Configurations expanded between two looks at the clock, the stop flag and the memory.
const EXPANSIONS_PER_LOOK: u32 = 256;

/// Steps of witnesses at which those that nobody needs are forgotten for the first time.
pub(crate) const WITNESS_STEPS_FIRST: usize = 1 << 18;

/// The limits ran out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exhausted(pub(crate) Shortage);

/// How a pass over some events ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Something survives all of them.
    Survived,
    /// Nothing survives the return of the next event.
    Dead,
}

/// What all passes of a search share.
pub(crate) struct Search<'a, S, const W: usize> {
    pub(crate) automaton: Automaton<S>,
    pub(crate) rules: Rules,
    limits: Limits<'a>,
    /// Bytes held, told to the meter.
    memory: Option<Share<'a>>,
    /// Model steps so far.
    pub(crate) steps: u64,
    expansions: u32,
    /// The action of each kind of unknown operations.
    pub(crate) kinds: Vec<u32>,
    /// The unknown operations of each kind, in the order of invocation.
    pub(crate) offers: Vec<Vec<u32>>,
    /// The kinds, partial ones first.
    pub(crate) kinds_in_order: Vec<u32>,
    /// Which kinds are counted: the others count as unlimited.
    pub(crate) counted: Vec<bool>,
    /// What the use of a kind costs when only the cheapest configurations are kept.
    pub(crate) weights: Vec<u32>,
    /// Whether steps are recorded.
    pub(crate) records: bool,
    pub(crate) witnesses: Witnesses,
    pub(crate) frontier: Antichain<W>,
    pub(crate) next: Antichain<W>,
    /// For one expansion: how many of each kind were used, and the states that kinds reached.
    pub(crate) used: Vec<u32>,
    pub(crate) reached: Vec<u32>,
    /// Bytes held by others than the tables here, told by the portfolio.
    pub(crate) bytes_elsewhere: usize,
}

impl<'a, S: Stepper, const W: usize> Search<'a, S, W> {
    /// A search for unknown operations of these kinds, with these offers of each.
    pub(crate) fn new(
        automaton: Automaton<S>,
        (kinds, offers): (Vec<u32>, Vec<Vec<u32>>),
        rules: Rules,
        limits: Limits<'a>,
        memory: Option<Share<'a>>,
    ) -> Self {
        // Without hiding a write keeps what an idle step did; without eager writes a step that
        // changes nothing may still meet an obligation.
        let rules = Rules {
            idle_steps: rules.idle_steps && rules.hiding,
            no_loops: rules.no_loops && rules.eager_writes,
            ..rules
        };
        let mut search = Self {
            automaton,
            rules,
            limits,
            memory,
            steps: 0,
            expansions: 0,
            kinds,
            offers,
            kinds_in_order: Vec::new(),
            counted: Vec::new(),
            weights: Vec::new(),
            records: true,
            witnesses: Witnesses::default(),
            frontier: Antichain::new(0, rules.dominance),
            next: Antichain::new(0, rules.dominance),
            used: Vec::new(),
            reached: Vec::new(),
            bytes_elsewhere: 0,
        };
        search.kinds_changed();
        search
    }

    /// Fits everything that depends on the kinds of unknown operations to them.
    pub(crate) fn kinds_changed(&mut self) {
        let kinds = self.kinds.len();
        let (automaton, actions) = (&self.automaton, &self.kinds);
        let is_partial = |kind: &u32| automaton.nature(actions[*kind as usize]) == Nature::Partial;
        let numbers = || 0..u32::try_from(kinds).expect("no more kinds than operations");
        let others = numbers().filter(|kind| !is_partial(kind));
        self.kinds_in_order = numbers().filter(is_partial).chain(others).collect();
        self.counted = vec![true; kinds];
        let scarcity = |offers: &Vec<u32>| 1 + 256 / (1 + offers.len() as u64);
        let weight = |offers| u32::try_from(scarcity(offers)).expect("at most 257");
        self.weights = self.offers.iter().map(weight).collect();
        self.frontier = Antichain::new(kinds, self.rules.dominance);
        self.next = Antichain::new(kinds, self.rules.dominance);
    }

    /// Takes the events of a schedule from where the front stands up to that number.
    pub(crate) fn advance(
        &mut self,
        schedule: &Schedule,
        front: &mut Front<W>,
        end: usize,
        width: Width,
    ) -> Result<Pass, Exhausted> {
        while front.event < end {
            match schedule.events[front.event] {
                Event::Call { operation } => {
                    let at = operation as usize;
                    let action = schedule.actions[at];
                    let nature = self.automaton.nature(action);
                    let deadline = schedule.deadlines[at];
                    let pending = Pending { operation, action, nature, deadline };
                    self.call(front, usize::from(schedule.slots[at]), pending);
                }
                Event::Offer { kind, .. } => front.offered[kind as usize] += 1,
                Event::Return { operation } => {
                    let slot = usize::from(schedule.slots[operation as usize]);
                    if !self.return_of(front, slot, width)? {
                        return Ok(Pass::Dead);
                    }
                }
            }
            front.event += 1;
        }
        Ok(Pass::Survived)
    }

    /// A model step.
    pub(crate) fn step(&mut self, state: u32, action: u32) -> u32 {
        self.steps += 1;
        self.automaton.step(state, action)
    }

    /// Records a step of a witness.
    pub(crate) fn trace(&mut self, parent: u32, operation: u32, event: usize, deed: Deed) -> u32 {
        if self.records { self.witnesses.push(parent, operation, event, deed) } else { ROOT }
    }

    /// Looks at the limits, now and then.
    pub(crate) fn tick(&mut self) -> Result<(), Exhausted> {
        if self.steps >= self.limits.steps {
            return Err(Exhausted(Shortage::Steps));
        }
        self.expansions += 1;
        if self.expansions < EXPANSIONS_PER_LOOK {
            return Ok(());
        }
        self.look()
    }

    /// Looks at the clock, the stop flag and the memory.
    pub(crate) fn look(&mut self) -> Result<(), Exhausted> {
        self.expansions = 0;
        if self.limits.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(Exhausted(Shortage::Stopped));
        }
        if self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Exhausted(Shortage::Time));
        }
        let bytes = self.bytes_elsewhere
            + self.frontier.bytes()
            + self.next.bytes()
            + self.witnesses.bytes()
            + self.automaton.bytes();
        let fits = self.memory.as_mut().is_none_or(|memory| memory.holds(bytes));
        if fits { Ok(()) } else { Err(Exhausted(Shortage::Memory)) }
    }
}
