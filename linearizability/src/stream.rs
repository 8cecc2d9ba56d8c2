//! Checks a history while it is being recorded.
//!
//! Events go in as they happen; the verdict is that of [`check`](crate::check) on the whole, as soon as
//! it can be known. What a pending operation will have seen is unknown, so the events of a key wait until
//! the outcome of the oldest open operation on it is known, and are then searched in the order of
//! time by the same code as offline, without rule 4, which asks when equal operations will return.
//!
//! Memory: the open operations, the events behind the oldest of them on each key, and the unknown
//! operations, which may take effect at any later time. With an expiry the latter are forgotten, and the
//! verdict is about histories in which nothing takes effect later than that.
//!
//! A legal verdict comes without linearization: that would take memory for the whole history.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use crate::history::{Event, EventError, Operation};
use crate::model::{Model, Nature};
use crate::search::streaming::{Automaton, Front, Living, Pending, Search, Width};
use crate::search::{Limits, Rules, Shortage};
use crate::zone::Mixer;

/// Configurations of a key at most; beyond that the cheapest ones are kept.
const WIDTH: usize = 4096;

/// States and actions of a key that have numbers, before those that nobody needs lose theirs.
const NUMBERS_MAX: usize = 1 << 12;

/// Operations on one key that are pending at once, at most.
const SLOTS: usize = 256;

/// What a stream has decided so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamVerdict<M: Model> {
    /// Everything decided so far is legal.
    Legal,
    /// No order survives this return.
    Illegal {
        /// The key.
        key: M::Key,
        /// The index of the operation: the line given with its invocation.
        index: usize,
        /// The states possible just before.
        states: Vec<M::State>,
    },
    /// A key was too hard.
    Undecided {
        /// The key.
        key: M::Key,
        /// The index of the operation whose return could not be decided.
        index: usize,
        /// What was short.
        reason: Shortage,
    },
}

/// What a stream keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamLoad {
    /// Operations that have been invoked and not returned.
    pub open: usize,
    /// Events that wait for the outcome of an operation before them.
    pub waiting: usize,
    /// Unknown operations that may still take effect.
    pub unknown: usize,
}

/// A check while the history goes on.
pub struct Stream<M: Model + Clone> {
    model: M,
    expiry: Option<u64>,
    now: u64,
    /// The open operation of each process: its key's number, and its own number in that key.
    open: HashMap<u64, (u32, u64), BuildHasherDefault<Mixer>>,
    keys: HashMap<M::Key, u32, BuildHasherDefault<Mixer>>,
    lanes: Vec<Lane<M>>,
    verdict: StreamVerdict<M>,
}

/// An operation on a key that has not been searched.
struct Waiting<A> {
    operation: Operation<A>,
    outcome: Outcome,
    /// Its slot in the search, once it is pending there.
    slot: Option<usize>,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Open,
    Returned,
    Unknown,
    Failed,
}

/// An event that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Call(u64),
    Return(u64, u64),
}

/// The search on one key.
struct Lane<M: Model> {
    key: M::Key,
    /// Operations by number, from `first` on; those that have been searched to the end are gone.
    operations: VecDeque<Option<Waiting<M::Action>>>,
    first: u64,
    due: VecDeque<Due>,
    search: Search<'static, Living<M>, 4>,
    front: Front<4>,
    free: Vec<usize>,
    slots: usize,
    /// Unknown operations in the order of invocation: that time, their action and their index.
    expiring: VecDeque<(u64, u32, usize)>,
    unknown: usize,
}

impl<M: Model + Clone> Stream<M> {
    /// A stream before its first event. With an expiry, an operation whose outcome is unknown
    /// takes effect at most that long after its invocation, or never.
    #[must_use]
    pub fn new(model: M, expiry: Option<u64>) -> Self {
        Self {
            model,
            expiry,
            now: 0,
            open: HashMap::default(),
            keys: HashMap::default(),
            lanes: Vec::new(),
            verdict: StreamVerdict::Legal,
        }
    }

    /// Takes the next event; `line` names the operation, if it is an invocation.
    ///
    /// # Errors
    /// When no client could have done that; see [`EventError`].
    pub fn event(
        &mut self,
        process: u64,
        time: u64,
        line: usize,
        event: Event<M::Action>,
    ) -> Result<(), EventError> {
        if time < self.now {
            return Err(EventError::ClockGoesBack { time, before: self.now });
        }
        self.now = time;
        if let Event::Invoke(action) = event {
            if let Some((key, number)) = self.open.get(&process) {
                let open = self.lanes[*key as usize].index(*number);
                return Err(EventError::TwoOpen { process, open });
            }
            let key = self.key_number(self.model.key(&action));
            let operation =
                Operation { process, action, invoked: time, returned: None, index: line };
            let number = self.lanes[key as usize].invoke(operation);
            self.open.insert(process, (key, number));
            return Ok(());
        }
        let Some((key, number)) = self.open.remove(&process) else {
            return Err(EventError::ReturnWithoutInvoke { process });
        };
        let search = &mut self.lanes[key as usize];
        search.settle(number, time, event);
        if matches!(self.verdict, StreamVerdict::Legal)
            && let Err(verdict) = search.advance(Some(time), self.expiry)
        {
            self.verdict = *verdict;
        }
        Ok(())
    }

    /// What is known so far. A verdict that is not legal is final.
    #[must_use]
    pub const fn verdict(&self) -> &StreamVerdict<M> {
        &self.verdict
    }

    /// What is kept now.
    #[must_use]
    pub fn load(&self) -> StreamLoad {
        StreamLoad {
            open: self.open.len(),
            waiting: self.lanes.iter().map(|lane| lane.due.len()).sum(),
            unknown: self.lanes.iter().map(|lane| lane.unknown).sum(),
        }
    }

    /// Ends the history: what is open now is unknown.
    #[must_use]
    pub fn finish(mut self) -> StreamVerdict<M> {
        for (key, number) in self.open.values() {
            self.lanes[*key as usize].settle(*number, self.now, Event::Unknown);
        }
        for lane in &mut self.lanes {
            if matches!(self.verdict, StreamVerdict::Legal)
                && let Err(verdict) = lane.advance(None, self.expiry)
            {
                self.verdict = *verdict;
            }
        }
        self.verdict
    }

    fn key_number(&mut self, key: M::Key) -> u32 {
        if let Some(number) = self.keys.get(&key) {
            return *number;
        }
        let number = u32::try_from(self.lanes.len()).expect("2^32 keys do not fit in memory");
        self.lanes.push(Lane::new(self.model.clone(), key.clone()));
        self.keys.insert(key, number);
        number
    }
}

impl<M: Model> Lane<M> {
    fn new(model: M, key: M::Key) -> Self {
        // When equal operations will return is not known.
        let rules = Rules { earliest_first: false, ..Rules::ALL };
        let limits = Limits { steps: u64::MAX, deadline: None, stop: None };
        let automaton = Automaton::open(Living::new(model));
        let mut search = Search::new(automaton, (Vec::new(), Vec::new()), rules, limits, None);
        search.records = false;
        Self {
            key,
            operations: VecDeque::new(),
            first: 0,
            due: VecDeque::new(),
            search,
            front: Front::new(0, true),
            free: Vec::new(),
            slots: 0,
            expiring: VecDeque::new(),
            unknown: 0,
        }
    }

    fn at(&self, number: u64) -> usize {
        usize::try_from(number - self.first).expect("as many as fit in memory")
    }

    fn waiting(&mut self, number: u64) -> &mut Waiting<M::Action> {
        let at = self.at(number);
        self.operations[at].as_mut().expect("an operation stays until its last event")
    }

    /// The line of an operation that is open.
    fn index(&self, number: u64) -> usize {
        self.operations[self.at(number)].as_ref().map_or(0, |waiting| waiting.operation.index)
    }

    fn invoke(&mut self, operation: Operation<M::Action>) -> u64 {
        let number = self.first + self.operations.len() as u64;
        let time = operation.invoked;
        let waiting = Waiting { operation, outcome: Outcome::Open, slot: None };
        self.operations.push_back(Some(waiting));
        // Closed intervals that touch are concurrent: before returns at the same time.
        let is_later = |due: &Due| !matches!(due, Due::Return(_, at) if *at == time);
        let place = self.due.iter().rposition(is_later).map_or(0, |last| last + 1);
        self.due.insert(place, Due::Call(number));
        number
    }

    fn settle(&mut self, number: u64, time: u64, event: Event<M::Action>) {
        let waiting = self.waiting(number);
        waiting.outcome = match event {
            Event::Return(action) => {
                waiting.operation.action = action;
                waiting.operation.returned = Some(time);
                Outcome::Returned
            }
            Event::Fail => Outcome::Failed,
            Event::Unknown | Event::Invoke(_) => Outcome::Unknown,
        };
        if waiting.outcome == Outcome::Returned {
            self.due.push_back(Due::Return(number, time));
        }
    }

    /// Searches all events that wait for nothing, and that happened before `now`.
    fn advance(
        &mut self,
        now: Option<u64>,
        expiry: Option<u64>,
    ) -> Result<(), Box<StreamVerdict<M>>> {
        while let Some(due) = self.due.front().copied() {
            match due {
                Due::Call(number) => {
                    if self.waiting(number).outcome == Outcome::Open {
                        break;
                    }
                    if let Some(expiry) = expiry {
                        let invoked = self.waiting(number).operation.invoked;
                        self.expire(invoked, expiry)?;
                    }
                    self.call(number)?;
                }
                Due::Return(number, time) => {
                    if now.is_some_and(|now| time >= now) {
                        break; // somebody may yet be invoked at the same time
                    }
                    if let Some(expiry) = expiry {
                        self.expire(time, expiry)?;
                    }
                    self.return_of(number)?;
                }
            }
            self.due.pop_front();
            while self.operations.front().is_some_and(Option::is_none) {
                self.operations.pop_front();
                self.first += 1;
            }
        }
        Ok(())
    }

    fn call(&mut self, number: u64) -> Result<(), Box<StreamVerdict<M>>> {
        let at = self.at(number);
        let Some(waiting) = &self.operations[at] else { return Ok(()) };
        let Operation { invoked, index, .. } = waiting.operation;
        let outcome = waiting.outcome;
        if outcome == Outcome::Failed {
            self.operations[at] = None;
            return Ok(());
        }
        if self.search.automaton.stepper().numbers() > NUMBERS_MAX {
            self.renumber();
        }
        let automaton = &mut self.search.automaton;
        let Some(waiting) = &self.operations[at] else { return Ok(()) };
        let (action, new) = automaton.stepper_mut().action_number(&waiting.operation.action);
        if let Some(manner) = new {
            automaton.add(manner);
        }
        let nature = automaton.nature(action);
        if outcome == Outcome::Unknown {
            self.operations[at] = None;
            if nature != Nature::Pure {
                self.offer(action);
                self.expiring.push_back((invoked, action, index));
                self.unknown += 1;
            }
            return Ok(());
        }
        let slot = self.free_slot(index)?;
        self.waiting(number).slot = Some(slot);
        let pending = Pending { operation: 0, action, nature, deadline: u32::MAX };
        self.search.call(&mut self.front, slot, pending);
        Ok(())
    }

    fn return_of(&mut self, number: u64) -> Result<(), Box<StreamVerdict<M>>> {
        let at = self.at(number);
        let waiting = self.operations[at].take().expect("it returns once");
        let slot = waiting.slot.expect("its call was before");
        self.force(slot, waiting.operation.index)
    }

    /// What is in the slot takes effect now or never.
    fn force(&mut self, slot: usize, index: usize) -> Result<(), Box<StreamVerdict<M>>> {
        let key = || self.key.clone();
        let survives = self
            .search
            .return_of(&mut self.front, slot, Width::of(WIDTH))
            .map_err(|short| StreamVerdict::Undecided { key: key(), index, reason: short.0 })?;
        if survives {
            self.free.push(slot);
            return Ok(());
        }
        if !self.front.exact {
            let reason = Shortage::Configurations;
            return Err(Box::new(StreamVerdict::Undecided { key: key(), index, reason }));
        }
        let mut numbers: Vec<u32> = self.front.now.iter().map(|(_, one)| one.state).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let stepper = self.search.automaton.stepper();
        let states = numbers.into_iter().map(|number| stepper.state(number).clone()).collect();
        Err(Box::new(StreamVerdict::Illegal { key: key(), index, states }))
    }

    /// A slot for an operation; undecided if there are none.
    fn free_slot(&mut self, index: usize) -> Result<usize, Box<StreamVerdict<M>>> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        if self.slots == SLOTS {
            let key = self.key.clone();
            let reason = Shortage::Slots;
            return Err(Box::new(StreamVerdict::Undecided { key, index, reason }));
        }
        self.slots += 1;
        Ok(self.slots - 1)
    }

    /// An unknown operation may take effect from now on.
    fn offer(&mut self, action: u32) {
        let known = self.search.kinds.iter().position(|kind| *kind == action);
        let kind = known.unwrap_or_else(|| {
            self.search.kinds.push(action);
            self.search.offers.push(Vec::new());
            self.front.add_kind(action);
            self.search.kinds_changed();
            self.search.kinds.len() - 1
        });
        self.front.offered[kind] += 1;
    }

    /// Unknown operations that were invoked too long before `now` take effect no more: now is their
    /// last moment, as if they returned, but without an obligation.
    fn expire(&mut self, now: u64, expiry: u64) -> Result<(), Box<StreamVerdict<M>>> {
        let mut gone = false;
        while let Some((invoked, action, index)) = self.expiring.front().copied() {
            if invoked.saturating_add(expiry) >= now {
                break;
            }
            self.expiring.pop_front();
            self.unknown -= 1;
            let kind = self.search.kinds.iter().position(|kind| *kind == action);
            let kind = kind.expect("the kind of an unknown operation stays until it expires");
            let slot = self.free_slot(index)?;
            let nature = self.search.automaton.nature(action);
            let pending = Pending { operation: 0, action, nature, deadline: u32::MAX };
            self.search.take_back(&mut self.front, kind, slot, pending);
            self.force(slot, index)?;
            gone |= self.front.offered[kind] == 0;
        }
        if gone {
            let keep: Vec<bool> = self.front.offered.iter().map(|offered| *offered > 0).collect();
            self.front.keep_kinds(&keep);
            let mut kept = keep.iter();
            self.search.kinds.retain(|_| kept.next() == Some(&true));
            let mut kept = keep.iter();
            self.search.offers.retain(|_| kept.next() == Some(&true));
            self.search.kinds_changed();
        }
        Ok(())
    }

    /// Gives new numbers to the states and actions that are needed.
    fn renumber(&mut self) {
        let mut states: Vec<u32> = self.front.now.iter().map(|(_, one)| one.state).collect();
        states.sort_unstable();
        states.dedup();
        let pending = self.front.taken.iter().map(|slot| self.front.pending[slot].action);
        let mut actions: Vec<u32> = pending.chain(self.search.kinds.iter().copied()).collect();
        actions.sort_unstable();
        actions.dedup();
        let manners = self.search.automaton.stepper_mut().keep(&states, &actions);
        self.search.automaton.renumbered(manners);
        let new: BTreeMap<u32, u32> = actions.into_iter().zip(0..).collect();
        let renumbered = |action: &mut u32| *action = new[action];
        for slot in self.front.taken.iter() {
            renumbered(&mut self.front.pending[slot].action);
        }
        self.search.kinds.iter_mut().for_each(renumbered);
        self.expiring.iter_mut().for_each(|(_, action, _)| renumbered(action));
        let place = |state| states.binary_search(&state).expect("every state is kept");
        self.front.now.renumber(|state| u32::try_from(place(state)).expect("fewer than before"));
    }
}
