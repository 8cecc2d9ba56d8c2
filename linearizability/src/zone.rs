//! Decides registers whose written values are distinct, in the time of a sort.
//!
//! Source: Gibbons and Korach, "Testing shared memories" (1997), section 4 (zones), extended by
//! compare-and-sets, unknown outcomes and the value before the first write. The lemma and its proof
//! stand in `docs/decisions/zones.md`; a test enumerates all histories of up to five operations.
//!
//! A *block* is a write with the reads of its value; a compare-and-set extends the block of the
//! value it found. With distinct values, nothing of another block can take effect inside a block. For
//! a block let `first` be the earliest return and `last` the latest invocation in it. Block A must
//! come before block B exactly when `first` of A is before `last` of B; so the history is illegal
//! exactly when two blocks must each come before the other, or a block contradicts itself.
//!
//! # Beyond the class
//! Some keys do not belong to the class: values written twice, reads of absence after a delete
//! (which write of absence did they see?), refusals that do not tell the old value. Where leaving out
//! such reads and conditions gives a history of the class (`Ease`), an illegal rest makes the whole
//! illegal, and a linearization of the rest that happens to fit the whole makes it legal. Everything
//! else is left to the [search](crate::search).

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::history::Operation;
use crate::meter::Share;
use crate::model::{Access, Model};
use crate::token::Token;

mod blocks;
mod evidence;
mod values;

use blocks::Blocks;
pub(crate) use values::Mixer;
use values::Values;

/// No cluster.
const NONE: u32 = u32::MAX;

/// What zones say about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is legal.
    Legal,
    /// It is illegal.
    Illegal,
    /// What was left out decides; if not even a linearization of the rest fits, a search must.
    Eased,
    /// It is not of the class.
    Unsuitable,
}

/// One written value: the write, and the reads of it.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    /// The earliest return; the end of time if none returned.
    first: u64,
    /// The latest invocation.
    last: u64,
    /// The position of the write.
    write: u32,
    /// The key's number.
    key: u32,
    /// The cluster of the compare-and-set that found this value.
    next: u32,
    /// What is known about it.
    status: Status,
}

/// What is known about a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// The outcome of the write is unknown, and nobody saw the value: it need not have happened.
    Unseen,
    /// The write surely happened, and depends on nothing.
    Head,
    /// It surely happened, as a compare-and-set; its block starts elsewhere.
    Swap,
}

/// A compare-and-set.
#[derive(Clone, Copy, Debug)]
struct Swap {
    cluster: u32,
    /// The cluster of the value that it found; [`NONE`] if that had not been met yet, or is absence.
    found: u32,
}

/// What is known about a key.
#[derive(Clone, Copy, Debug)]
struct KeyState {
    /// The latest invocation in the block of the value before the first write.
    reach: u64,
    /// The compare-and-set that found that value.
    next: u32,
    /// The earliest invocation of a delete.
    deleted: u64,
    finding: Finding,
}

/// A history, sorted into clusters.
pub(crate) struct Zones<'a, M: Model> {
    history: &'a [Operation<M::Action>],
    model: &'a M,
    keys: HashMap<M::Key, u32, BuildHasherDefault<Mixer>>,
    states: Vec<KeyState>,
    clusters: Vec<Cluster>,
    values: Values,
    /// Compare-and-sets, in the order of the history.
    swaps: Vec<Swap>,
    /// Reads of a value whose write had not been met yet, or long ago.
    early: Vec<u32>,
    /// Positions of operations that found absence.
    absences: Vec<u32>,
    /// Keys and positions of operations that the class does not allow, and that change nothing.
    left_out: Vec<(u32, u32)>,
    /// Whether reads are to be remembered with their cluster, for a linearization.
    remembers: bool,
    /// Cluster and position of each read that counts; [`NONE`] for the value before the first
    /// write.
    reads: Vec<(u32, u32)>,
}

impl<'a, M: Model> Zones<'a, M> {
    /// Sorts a history into blocks and decides each key.
    ///
    /// Nothing if no key is of the class, or the memory does not allow it.
    pub(crate) fn decide(
        history: &'a [Operation<M::Action>],
        model: &'a M,
        remembers: bool,
        memory: &mut Share<'_>,
    ) -> Option<Decided<'a, M>> {
        u32::try_from(history.len()).ok().filter(|count| *count < NONE / 2)?;
        if !history.iter().take(64).any(|one| model.access(&one.action) != Access::Other) {
            return None;
        }
        // Told before it is taken: what the tables come to at most, and a linearization.
        let per_operation = if remembers { 128 } else { 64 };
        if !memory.has_room_for(history.len() * per_operation) {
            return None;
        }
        let mut zones = Self {
            history,
            model,
            keys: HashMap::default(),
            states: Vec::new(),
            clusters: Vec::new(),
            values: Values::for_operations(history.len()),
            swaps: Vec::new(),
            early: Vec::new(),
            absences: Vec::new(),
            left_out: Vec::new(),
            remembers,
            reads: Vec::new(),
        };
        zones.read();
        let peak = zones.bytes() - zones.values.bytes() + zones.values.bytes_at_settling();
        zones.settle_values();
        zones.settle_early();
        zones.settle_absences();
        let swaps = std::mem::take(&mut zones.swaps);
        zones.chain(&swaps);
        let blocks = Blocks::new(&mut zones.clusters, &mut zones.states, &swaps);
        blocks.scan(&zones.clusters, &mut zones.states);
        let fits = memory.holds(peak.max(zones.bytes() + blocks.bytes()));
        fits.then_some(Decided { zones, blocks })
    }

    fn bytes(&self) -> usize {
        self.clusters.capacity() * size_of::<Cluster>()
            + self.values.bytes()
            + self.states.capacity() * (size_of::<KeyState>() + size_of::<(M::Key, u32)>())
            + self.swaps.capacity() * size_of::<Swap>()
            + (self.early.capacity() + self.absences.capacity()) * 4
            + (self.reads.capacity() + self.left_out.capacity()) * size_of::<(u32, u32)>()
    }

    /// One pass over the history.
    fn read(&mut self) {
        let mut last: Option<(M::Key, u32)> = None;
        for (at, operation) in self.history.iter().enumerate() {
            let key = self.model.key(&operation.action);
            let number = match &last {
                Some((same, number)) if *same == key => *number,
                _ => {
                    let number = self.key_number(&key);
                    last = Some((key, number));
                    number
                }
            };
            self.take(position(at), operation, number);
        }
    }

    fn key_number(&mut self, key: &M::Key) -> u32 {
        if let Some(number) = self.keys.get(key) {
            return *number;
        }
        let number = position(self.states.len());
        self.keys.insert(key.clone(), number);
        let fresh = KeyState { reach: 0, next: NONE, deleted: u64::MAX, finding: Finding::Legal };
        self.states.push(fresh);
        number
    }

    fn take(&mut self, at: u32, operation: &Operation<M::Action>, key: u32) {
        if self.states[key as usize].finding == Finding::Unsuitable {
            return; // a search will look at it
        }
        let access = self.model.access(&operation.action);
        let known = operation.returned.is_some();
        match access {
            Access::Read(_) | Access::Check | Access::Never if !known => {}
            Access::Read(Some(value)) => {
                if !self.observe(at, operation, key, value) {
                    self.early.push(at);
                }
            }
            Access::Read(None) => self.absences.push(at),
            Access::Check => self.leave_out(at, key),
            Access::Never => self.states[key as usize].refute(),
            Access::Write(Some(value)) => self.write(at, operation, key, value, Status::Head),
            Access::Overwrite(value) => {
                self.states[key as usize].ease();
                self.write(at, operation, key, value, Status::Head);
            }
            Access::Write(None) => {
                let state = &mut self.states[key as usize];
                state.deleted = state.deleted.min(operation.invoked);
                if known {
                    self.cluster(at, operation, key, Status::Head);
                }
            }
            Access::Swap { from, to } => {
                let found = from.and_then(|from| self.find(key, from)).unwrap_or(NONE);
                self.swaps.push(Swap { cluster: position(self.clusters.len()), found });
                self.write(at, operation, key, to, Status::Swap);
            }
            Access::Other => self.states[key as usize].finding = Finding::Unsuitable,
        }
    }

    /// Adds the cluster of a write.
    fn cluster(&mut self, at: u32, operation: &Operation<M::Action>, key: u32, status: Status) {
        let first = operation.returned.unwrap_or(u64::MAX);
        let status = if operation.is_known() { status } else { Status::Unseen };
        let last = operation.invoked;
        self.clusters.push(Cluster { first, last, write: at, key, next: NONE, status });
    }

    fn write(
        &mut self,
        at: u32,
        operation: &Operation<M::Action>,
        key: u32,
        value: Token,
        status: Status,
    ) {
        let (history, model, clusters) = (self.history, self.model, &self.clusters);
        let key_of = |cluster: u32| clusters[cluster as usize].key;
        let fresh = self.values.insert(key, value, position(clusters.len()), key_of, |cluster| {
            written(history, model, &clusters[cluster as usize]) == Some((key, value))
        });
        if !fresh {
            self.states[key as usize].finding = Finding::Unsuitable;
        }
        self.cluster(at, operation, key, status);
    }

    /// The cluster of a value, if its write has been met.
    fn find(&self, key: u32, value: Token) -> Option<u32> {
        let key_of = |cluster: u32| self.clusters[cluster as usize].key;
        self.values.get(key, value, key_of, |cluster| {
            let cluster = &self.clusters[cluster as usize];
            written(self.history, self.model, cluster) == Some((key, value))
        })
    }

    /// Adds a read that surely happened to the cluster of its value; false if the write has not
    /// been met yet.
    fn observe(
        &mut self,
        at: u32,
        operation: &Operation<M::Action>,
        key: u32,
        value: Token,
    ) -> bool {
        let Some(found) = self.find(key, value) else { return false };
        let returned = operation.returned.unwrap_or(u64::MAX);
        let cluster = &mut self.clusters[found as usize];
        if returned < self.history[cluster.write as usize].invoked {
            self.states[key as usize].refute();
        }
        cluster.first = cluster.first.min(returned);
        cluster.last = cluster.last.max(operation.invoked);
        if cluster.status == Status::Unseen {
            self.clusters[found as usize].status = self.status_of_write(found);
        }
        if self.remembers {
            self.reads.push((found, at));
        }
        true
    }

    /// The status of a cluster whose write surely happened.
    fn status_of_write(&self, cluster: u32) -> Status {
        let write = &self.history[self.clusters[cluster as usize].write as usize];
        match self.model.access(&write.action) {
            Access::Swap { .. } => Status::Swap,
            Access::Read(_)
            | Access::Write(_)
            | Access::Overwrite(_)
            | Access::Check
            | Access::Never
            | Access::Other => Status::Head,
        }
    }

    /// Finds out which values were written twice.
    fn settle_values(&mut self) {
        let (history, model, clusters) = (self.history, self.model, &self.clusters);
        let value_of = |cluster: u32| written(history, model, &clusters[cluster as usize]);
        let is_same = |one: u32, other: u32| value_of(one) == value_of(other);
        let states = &mut self.states;
        self.values.settle(is_same, |cluster| {
            let key = clusters[cluster as usize].key;
            states[key as usize].finding = Finding::Unsuitable;
        });
    }

    /// Reads whose writes stood behind them in the slice, or too far before them, or nowhere.
    fn settle_early(&mut self) {
        for at in std::mem::take(&mut self.early) {
            let operation = &self.history[at as usize];
            let Access::Read(Some(value)) = self.model.access(&operation.action) else { continue };
            let key = self.keys[&self.model.key(&operation.action)];
            if !self.observe(at, operation, key, value) {
                self.states[key as usize].refute();
            }
        }
    }

    /// Absence was there before the first write, and after each delete. Whoever returned before the
    /// first delete was invoked saw the first; of others one cannot tell.
    fn settle_absences(&mut self) {
        for at in std::mem::take(&mut self.absences) {
            let operation = &self.history[at as usize];
            let key = self.keys[&self.model.key(&operation.action)];
            let state = &mut self.states[key as usize];
            if operation.returned.is_some_and(|returned| returned < state.deleted) {
                state.reach = state.reach.max(operation.invoked);
                if self.remembers {
                    self.reads.push((NONE, at));
                }
            } else {
                self.leave_out(at, key);
            }
        }
    }

    /// Leaves out an operation that changes nothing.
    fn leave_out(&mut self, at: u32, key: u32) {
        self.states[key as usize].ease();
        self.left_out.push((key, at));
    }

    /// Links each compare-and-set that happened to the cluster of the value it found.
    fn chain(&mut self, swaps: &[Swap]) {
        let happened = |swap: &&Swap| self.clusters[swap.cluster as usize].status == Status::Swap;
        let mut happened: Vec<Swap> = swaps.iter().filter(happened).copied().collect();
        while let Some(swap) = happened.pop() {
            let Some(found) = self.link(swap) else { continue };
            if self.clusters[found as usize].status == Status::Unseen {
                let status = self.status_of_write(found);
                self.clusters[found as usize].status = status;
                if status == Status::Swap
                    && let Ok(at) = swaps.binary_search_by_key(&found, |swap| swap.cluster)
                {
                    happened.push(swaps[at]);
                }
            }
        }
    }

    /// Links a compare-and-set to the cluster of the value it found; nothing if there is none, or
    /// if that value is absence.
    fn link(&mut self, Swap { cluster: number, mut found }: Swap) -> Option<u32> {
        let Cluster { write, key, .. } = self.clusters[number as usize];
        if found == NONE {
            let operation = &self.history[write as usize];
            let state = &mut self.states[key as usize];
            let Access::Swap { from, .. } = self.model.access(&operation.action) else {
                return None;
            };
            let Some(from) = from else {
                // From absence: before the first write, or after some delete.
                if state.deleted == u64::MAX
                    || operation.returned.is_some_and(|returned| returned < state.deleted)
                {
                    if state.next != NONE {
                        state.refute();
                    }
                    state.next = number;
                } else {
                    state.ease();
                    self.clusters[number as usize].status = Status::Head;
                }
                return None;
            };
            let Some(late) = self.find(key, from) else {
                self.states[key as usize].refute();
                return None;
            };
            found = late;
        }
        let cluster = &mut self.clusters[found as usize];
        if cluster.next != NONE {
            self.states[key as usize].refute();
        }
        cluster.next = number;
        Some(found)
    }
}

/// The decisions on all keys, and what is needed to linearize the legal ones.
pub(crate) struct Decided<'a, M: Model> {
    zones: Zones<'a, M>,
    blocks: Blocks,
}

impl<M: Model> Decided<'_, M> {
    /// Whether every key is legal, nothing left out.
    pub(crate) fn is_legal(&self) -> bool {
        self.zones.states.iter().all(|state| state.finding == Finding::Legal)
    }

    /// Whether no key is of the class.
    pub(crate) fn is_of_no_use(&self) -> bool {
        self.zones.states.iter().all(|state| state.finding == Finding::Unsuitable)
    }

    /// Whether every key is legal, what was left out fits included: after
    /// [`linearize`](Self::linearize).
    pub(crate) fn all_fit(&self) -> bool {
        let fits = |state: &KeyState| matches!(state.finding, Finding::Legal | Finding::Eased);
        self.zones.states.iter().all(fits)
    }

    /// The least key that is illegal.
    pub(crate) fn illegal(&self) -> Option<&M::Key> {
        let states = &self.zones.states;
        let illegal = self
            .zones
            .keys
            .iter()
            .filter(|(_, number)| states[**number as usize].finding == Finding::Illegal);
        illegal.map(|(key, _)| key).min()
    }

    /// What was found about a key of the history.
    pub(crate) fn finding(&self, key: &M::Key) -> Finding {
        self.zones.states[self.zones.keys[key] as usize].finding
    }
}

impl KeyState {
    /// The key is illegal, if it is of the class.
    fn refute(&mut self) {
        if self.finding != Finding::Unsuitable {
            self.finding = Finding::Illegal;
        }
    }

    /// Something about the key was left out.
    fn ease(&mut self) {
        if self.finding == Finding::Legal {
            self.finding = Finding::Eased;
        }
    }
}

/// The key and the value that the write of a cluster writes.
fn written<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
    cluster: &Cluster,
) -> Option<(u32, Token)> {
    let value = match model.access(&history[cluster.write as usize].action) {
        Access::Write(value) => value,
        Access::Overwrite(value) | Access::Swap { to: value, .. } => Some(value),
        Access::Read(_) | Access::Check | Access::Never | Access::Other => None,
    };
    value.map(|value| (cluster.key, value))
}

fn position(at: usize) -> u32 {
    u32::try_from(at).expect("longer histories were refused")
}
