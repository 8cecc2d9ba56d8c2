//! The interpreter of one replica's effects.

use crate::action::{Action, Event, Outcome, Refusal, Role, Status};
use crate::limits::{APPLY_ENTRIES_MAX, CHECKPOINT_BYTES, OPEN_REQUESTS_MAX};
use crate::log_batch::{Extent, LogBatch};
use crate::outbox::Outbox;
use crate::recovery::{OnDisk, RecoverError, fold};
use crate::state::{ReplicatedState, StateError};
use crate::stored::Stored;
use ringleader_core::group::{
    Answer, Ask, Config, Group, Message, Payload, Request, Told, invariant,
};
use ringleader_core::ids::{IoNumber, LogEnd, LogIndex, ReplicaId, RequestId, Term, Tick};
use ringleader_core::machine::{Effect, Effects, Input, Machine, Recovered};
use ringleader_storage::wal::{Lsn, ReadError, Record};
use ringleader_wire::Command;
use ringleader_wire::limits::COMMAND_LENGTH_MAX;
use std::collections::{BTreeMap, VecDeque};

/// A request that has not ended.
#[derive(Debug)]
enum Open {
    Write,
    Read { query: Command },
    Transfer,
}

/// An effect that waits for the disk.
#[derive(Debug)]
enum Held {
    Send { to: ReplicaId, message: Message<Command> },
    Answer { id: RequestId, answer: Answer },
}

/// One replica: the machine, the state machine below it, and everything that waits.
pub struct Replica<S> {
    group: Group<Command>,
    state: S,
    effects: Effects<Group<Command>>,
    /// Every I/O up to this one is durable.
    durable: IoNumber,
    /// Effects that wait for an I/O. Invariant: every key is above `durable`.
    held: BTreeMap<IoNumber, Vec<Held>>,
    /// Requests that have not ended. Invariant: at most `OPEN_REQUESTS_MAX`.
    open: BTreeMap<RequestId, Open>,
    /// Which request is answered by applying which entry. Invariant: indexes above `applied`.
    answers: BTreeMap<LogIndex, RequestId>,
    /// Reads that wait for an entry to be applied. Invariant: indexes above `applied`.
    reads: BTreeMap<LogIndex, Vec<RequestId>>,
    /// The last entry that the state machine has applied, no-ops included.
    applied: LogIndex,
    /// The last entry that it is to apply. Invariant: at least `applied`.
    apply_upto: LogIndex,
    /// Bytes of commands applied since the last checkpoint.
    uncheckpointed_bytes: usize,
    stored: Stored,
    /// What the records on their way to the disk do to the log, oldest first.
    records: VecDeque<(IoNumber, Extent)>,
    outbox: Outbox,
    log_batch: LogBatch,
    actions: Vec<Action>,
    /// What the machine is to be told about what it asked.
    told: VecDeque<Told>,
    halted: Option<&'static str>,
}

impl<S: ReplicatedState> Replica<S> {
    /// Starts a replica from the records of its log and a state machine that holds a prefix of it.
    ///
    /// # Errors
    /// When the log cannot be read, does not make sense, or lacks what the state machine holds.
    pub fn recover(
        config: &Config,
        state: S,
        records: impl IntoIterator<Item = Result<Record, ReadError>>,
        stream: u64,
        now: Tick,
    ) -> Result<Self, RecoverError> {
        let checkpointed = state.applied();
        let OnDisk { durable, positions } = fold(records, stream, checkpointed)?;
        let mut effects = Effects::new();
        let group = Group::recover(
            config,
            Recovered { durable, checkpointed, wiped: false },
            now,
            &mut effects,
        );
        let mut replica = Self {
            group,
            state,
            effects,
            durable: IoNumber::NONE,
            held: BTreeMap::new(),
            open: BTreeMap::new(),
            answers: BTreeMap::new(),
            reads: BTreeMap::new(),
            applied: checkpointed,
            apply_upto: checkpointed,
            // Replicas apply the same bytes: with different beginnings they do not all stop at once
            // to write their trees.
            uncheckpointed_bytes: usize::from(config.id.0 % 3) * (CHECKPOINT_BYTES / 3),
            stored: Stored::recovered(checkpointed, positions),
            records: VecDeque::new(),
            outbox: Outbox::default(),
            log_batch: LogBatch::default(),
            actions: Vec::new(),
            told: VecDeque::new(),
            halted: None,
        };
        replica.carry_out_all();
        Ok(replica)
    }

    /// Handles one event. Any number of them may come before [`Replica::take_actions`].
    ///
    /// # Errors
    /// When the state machine's storage fails. The replica must not be used any more.
    ///
    /// # Panics
    /// In debug builds, when an invariant of the machine is broken.
    pub fn step(&mut self, now: Tick, event: Event) -> Result<(), StateError> {
        match event {
            Event::Timer(timer) => self.feed(now, Input::Timer(timer)),
            Event::Receive { from, message } => self.feed(now, Input::Receive { from, message }),
            Event::Write { id, command } => self.write(now, id, command),
            Event::Read { id, query } => self.read(now, id, query, Request::Read),
            Event::ReadEventual { id, query } => self.read(now, id, query, Request::ReadEventual),
            Event::Transfer { id, to } => self.transfer(now, id, to),
            Event::Durable { io, positions } => self.on_durable(now, io, &positions),
        }
        self.answer_reads()
    }

    /// Applies a bounded number of the entries that wait for it. Returns whether some are left.
    ///
    /// # Errors
    /// When the state machine's storage fails. The replica must not be used any more.
    pub fn apply(&mut self, now: Tick) -> Result<bool, StateError> {
        if self.applied == self.apply_upto || self.halted.is_some() {
            return Ok(false);
        }
        let upto = LogIndex(self.apply_upto.0.min(self.applied.0 + APPLY_ENTRIES_MAX));
        while self.applied < upto {
            self.apply_next()?;
        }
        self.feed(now, Input::Told(Told::Applied(upto)));
        self.answer_reads()?;
        if self.uncheckpointed_bytes >= CHECKPOINT_BYTES {
            self.checkpoint()?;
        }
        Ok(self.applied < self.apply_upto)
    }

    /// Moves everything that is to be done to `actions`.
    pub fn take_actions(&mut self, actions: &mut Vec<Action>) {
        actions.extend(self.outbox.drain().map(|(to, message)| Action::Send { to, message }));
        for (record, extent) in self.log_batch.drain() {
            self.records.push_back((record.io, extent));
            actions.push(Action::Log(record));
        }
        actions.append(&mut self.actions);
    }

    /// Makes what is applied durable, so that a restart need not apply it again.
    ///
    /// # Errors
    /// When the state machine's storage fails. The replica must not be used any more.
    pub fn checkpoint(&mut self) -> Result<(), StateError> {
        self.state.checkpoint()?;
        self.uncheckpointed_bytes = 0;
        Ok(())
    }

    /// Where the replica stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let group = &self.group;
        let role = match self.halted {
            Some(_) => Role::Halted,
            None if group.is_leader() => Role::Leader,
            None if group.is_candidate() => Role::Candidate,
            None => Role::Follower,
        };
        Status {
            term: group.term(),
            role,
            leader: self.leader(),
            commit: group.commit(),
            applied: self.applied,
            last: group.log().last(),
        }
    }

    /// Who leads, as far as this replica knows; nobody once it has stopped.
    #[must_use]
    pub fn leader(&self) -> Option<ReplicaId> {
        if self.halted.is_some() { None } else { self.group.leader() }
    }

    /// The machine, for whoever checks invariants over a whole group.
    #[must_use]
    pub fn group(&self) -> &Group<Command> {
        &self.group
    }

    /// The state machine.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.state
    }

    fn write(&mut self, now: Tick, id: RequestId, command: Command) {
        if command.len() > COMMAND_LENGTH_MAX {
            self.refuse(id, Refusal::TooLong);
        } else if self.admits(id) {
            self.open.insert(id, Open::Write);
            self.feed(now, Input::Request { id, request: Request::Write(command) });
        }
    }

    fn read(&mut self, now: Tick, id: RequestId, query: Command, request: Request<Command>) {
        if self.admits(id) {
            self.open.insert(id, Open::Read { query });
            self.feed(now, Input::Request { id, request });
        }
    }

    fn transfer(&mut self, now: Tick, id: RequestId, to: ReplicaId) {
        if self.admits(id) {
            self.open.insert(id, Open::Transfer);
            self.feed(now, Input::Request { id, request: Request::Transfer { to } });
        }
    }

    /// Whether a new request may be opened; if not, it is refused.
    fn admits(&mut self, id: RequestId) -> bool {
        assert!(!self.open.contains_key(&id), "request {} is open already", id.0);
        if let Some(invariant) = self.halted {
            self.refuse(id, Refusal::Halted(invariant));
            return false;
        }
        if self.open.len() >= OPEN_REQUESTS_MAX {
            self.refuse(id, Refusal::Overloaded);
            return false;
        }
        true
    }

    fn refuse(&mut self, id: RequestId, refusal: Refusal) {
        self.actions.push(Action::Reply { id, outcome: Outcome::Refused(refusal) });
    }

    /// Gives the machine one input and carries out what follows.
    fn feed(&mut self, now: Tick, input: Input<Group<Command>>) {
        self.group.step(now, input, &mut self.effects);
        self.carry_out_all();
        while let Some(told) = self.told.pop_front() {
            self.group.step(now, Input::Told(told), &mut self.effects);
            self.carry_out_all();
        }
        debug_assert_eq!(invariant::replica_is_sound(&self.group), Ok(()));
    }

    fn carry_out_all(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain() {
            self.carry_out(effect);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, effect: Effect<Group<Command>>) {
        match effect {
            Effect::Write { io, write } => self.log_batch.push(io, write),
            Effect::Send { to, message, after } => {
                self.when_durable(after, Held::Send { to, message });
            }
            Effect::Answer { id, answer, after } => {
                self.when_durable(after, Held::Answer { id, answer });
            }
            Effect::Arm { timer, delay, jitter } => {
                self.actions.push(Action::Arm { timer, delay, jitter });
            }
            Effect::Disarm { timer } => self.actions.push(Action::Disarm { timer }),
            Effect::Ask(ask) => self.on_ask(&ask),
            Effect::Halt { invariant } => self.halt(invariant),
        }
    }

    fn when_durable(&mut self, after: IoNumber, held: Held) {
        if after <= self.durable {
            self.release(held);
        } else {
            self.held.entry(after).or_default().push(held);
        }
    }

    fn release(&mut self, held: Held) {
        match held {
            Held::Send { to, message } => self.outbox.push(to, message),
            Held::Answer { id, answer: Answer::Unknown } => self.reply(id, Outcome::Unknown),
            Held::Answer { id, answer: Answer::NotLeader { leader } } => {
                self.reply(id, Outcome::NotLeader { leader });
            }
            Held::Answer { id, answer: Answer::GivesWay } => self.reply(id, Outcome::GivesWay),
            Held::Answer { id, answer: Answer::Refused } => {
                self.reply(id, Outcome::Refused(Refusal::NoTransfer));
            }
            Held::Answer { answer: Answer::ChangeRefused(why), .. } => {
                unreachable!("nobody asks this replica for a change of the group: {why:?}")
            }
        }
    }

    fn on_ask(&mut self, ask: &Ask<Command>) {
        match *ask {
            Ask::Apply { upto } => self.apply_upto = upto,
            Ask::AnswerFrom { id, index } => {
                let before = self.answers.insert(index, id);
                assert!(before.is_none(), "entry {} answers two requests", index.0);
            }
            Ask::ReadReady { id, index } => self.reads.entry(index).or_default().push(id),
            Ask::SendRange { to, term, prev, last, commit } => {
                self.send_stored(to, term, (prev, last), commit);
            }
            // Snapshots are not switched on: no log is trimmed (`Trim::Never`), so nobody needs one,
            // and what a stranger sends is not kept.
            Ask::SendSnapshot { to, .. } => self.told.push_back(Told::Gone(to)),
            Ask::Stage { mark, last, .. } => {
                if last {
                    self.told.push_back(Told::Failed(mark));
                }
            }
            Ask::Install { .. } => unreachable!("recovery refuses a log with a snapshot in it"),
        }
    }

    fn send_stored(
        &mut self,
        to: ReplicaId,
        term: Term,
        (prev, last): (LogEnd, LogEnd),
        commit: LogIndex,
    ) {
        if let Some(entries) = self.stored.in_memory(prev.index, last.index) {
            assert_eq!(entries.last().map(|it| it.term), Some(last.term), "applied entries stay");
            self.outbox.push(to, Message::Append { term, prev, entries, commit });
        } else {
            let range = self.stored.range(to, term, (prev, last), commit);
            self.actions.push(Action::SendStored(range));
        }
    }

    fn on_durable(&mut self, now: Tick, io: IoNumber, positions: &[Lsn]) {
        for &position in positions {
            let (of, extent) = self.records.pop_front().expect("only issued records are durable");
            assert!(of <= io, "record of I/O {} is durable, {} is not", io.0, of.0);
            if let Extent::Entries { after, count } = extent {
                self.stored.positions.record(after, count, position);
            }
        }
        self.durable = self.durable.max(io);
        let later = self.held.split_off(&IoNumber(self.durable.0 + 1));
        for held in std::mem::replace(&mut self.held, later).into_values().flatten() {
            self.release(held);
        }
        self.feed(now, Input::Persisted(io));
    }

    fn apply_next(&mut self) -> Result<(), StateError> {
        let index = self.applied.next();
        let entry = self.group.log().entry(index).expect("entries are held until applied");
        match &entry.payload {
            // A configuration is in effect since it is in the log.
            Payload::NoOp | Payload::Members(_) => {}
            Payload::Command(command) => {
                let answer = self.state.apply(index, command)?;
                self.uncheckpointed_bytes += command.len();
                if let Some(id) = self.answers.remove(&index) {
                    self.reply(id, Outcome::Done(answer));
                }
            }
        }
        self.applied = index;
        self.stored.keep(index, entry);
        Ok(())
    }

    /// Answers every read whose entry is applied.
    fn answer_reads(&mut self) -> Result<(), StateError> {
        while let Some(first) = self.reads.first_entry().filter(|it| *it.key() <= self.applied) {
            for id in first.remove() {
                let Some(Open::Read { query }) = self.open.get(&id) else {
                    panic!("request {} is answered as a read and is none", id.0);
                };
                let outcome = Outcome::Done(self.state.read(query)?);
                self.reply(id, outcome);
            }
        }
        Ok(())
    }

    fn reply(&mut self, id: RequestId, outcome: Outcome) {
        let open = self.open.remove(&id);
        assert!(open.is_some(), "request {} is answered twice", id.0);
        self.actions.push(Action::Reply { id, outcome });
    }

    /// Ends everything that is open: what was read has no effect, what was written may have one.
    fn halt(&mut self, invariant: &'static str) {
        self.halted = Some(invariant);
        self.held.clear();
        self.answers.clear();
        self.reads.clear();
        for (id, open) in std::mem::take(&mut self.open) {
            let outcome = match open {
                Open::Write => Outcome::Unknown,
                Open::Read { .. } | Open::Transfer => Outcome::Refused(Refusal::Halted(invariant)),
            };
            self.actions.push(Action::Reply { id, outcome });
        }
        self.actions.push(Action::Halted { invariant });
    }
}
