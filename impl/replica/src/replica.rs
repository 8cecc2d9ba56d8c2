//! The interpreter of one replica's effects.

use crate::action::{Action, Event, LogRecord, Outcome, Refusal, Role, Status};
use crate::base::Bases;
use crate::limits::{
    APPLY_ENTRIES_MAX, BASE_INTERVAL_BYTES, CHECKPOINT_BYTES, HELD_BACK_BYTES, OPEN_REQUESTS_MAX,
};
use crate::log_batch::{Extent, LogBatch};
use crate::outbox::Outbox;
use crate::recovery::{FoundLog, OnDisk, RecoverError, fold};
use crate::snapshots::Snapshots;
use crate::state::{ReplicatedState, StateError};
use crate::stored::Stored;
use ringleader_core::group::{
    Answer, Ask, Change, Config, Durable, Group, Message, Payload, Request, Told, Trim, Write,
    invariant,
};
use ringleader_core::ids::{IoNumber, LogEnd, LogIndex, ReplicaId, RequestId, Term, Tick};
use ringleader_core::machine::{Effect, Effects, Input, Machine, Recovered};
use ringleader_storage::wal::{Lsn, ReadError, Record};
use ringleader_wire::limits::COMMAND_LENGTH_MAX;
use ringleader_wire::{Command, record};
use std::collections::{BTreeMap, VecDeque};

/// A request that has not ended.
#[derive(Debug)]
enum Open {
    Write,
    Read { query: Command },
    Transfer,
    Change,
}

/// An effect that waits for the disk.
#[derive(Debug)]
enum Held {
    Send { to: ReplicaId, message: Message<Command> },
    Answer { id: RequestId, answer: Answer },
}

/// When a replica does what no rule of the protocol asks for at a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// A checkpoint is begun after so many bytes of applied commands.
    pub checkpoint_bytes: usize,
    /// The log says after so many bytes of records what it led to.
    pub base_interval_bytes: usize,
    /// For so many bytes of applied commands logs are not trimmed because a newcomer catches up.
    pub held_back_bytes: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            checkpoint_bytes: CHECKPOINT_BYTES,
            base_interval_bytes: BASE_INTERVAL_BYTES,
            held_back_bytes: HELD_BACK_BYTES,
        }
    }
}

/// One replica: the machine, the state machine below it, and everything that waits.
pub struct Replica<S: ReplicatedState> {
    pub(crate) group: Group<Command>,
    pub(crate) state: S,
    pub(crate) tuning: Tuning,
    trim: Trim,
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
    pub(crate) applied: LogIndex,
    /// The last entry that it is to apply. Invariant: at least `applied`.
    pub(crate) apply_upto: LogIndex,
    pub(crate) snapshots: Snapshots<S::Snapshot>,
    pub(crate) stored: Stored,
    bases: Bases,
    /// Where the log begins on the disk.
    start: LogIndex,
    /// What the records on their way to the disk do to the log, oldest first.
    records: VecDeque<(IoNumber, Extent)>,
    pub(crate) outbox: Outbox,
    log_batch: LogBatch,
    actions: Vec<Action>,
    /// What the machine is to be told about what it asked.
    pub(crate) told: VecDeque<Told>,
    halted: Option<&'static str>,
}

impl<S: ReplicatedState> Replica<S> {
    /// Starts a replica from the records of its log and a state machine that holds a prefix of it.
    ///
    /// # Errors
    /// When the log cannot be read, does not make sense, or lacks what the state machine holds.
    pub fn recover<R: IntoIterator<Item = Result<Record, ReadError>>>(
        config: &Config,
        tuning: Tuning,
        state: S,
        log: FoundLog<R>,
        now: Tick,
    ) -> Result<Self, RecoverError> {
        let checkpointed = state.applied();
        let OnDisk { durable, positions, bases } = fold(log, checkpointed)?;
        let start = durable.log.start().index;
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
            tuning,
            trim: config.trim,
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
            snapshots: Snapshots::new(
                checkpointed,
                usize::from(config.id.0 % 3) * (tuning.checkpoint_bytes / 3),
            ),
            stored: Stored::recovered(checkpointed, positions),
            bases,
            start,
            records: VecDeque::new(),
            outbox: Outbox::default(),
            log_batch: LogBatch::default(),
            actions: Vec::new(),
            told: VecDeque::new(),
            halted: None,
        };
        replica.carry_out_all()?;
        replica.tell(now)?;
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
            Event::Change { id, change } => self.change(now, id, change),
            Event::Durable { io, positions } => self.on_durable(now, io, &positions),
        }?;
        self.answer_reads()
    }

    /// Applies a bounded number of the entries that wait for it. Returns whether some are left.
    ///
    /// # Errors
    /// When the state machine's storage fails. The replica must not be used any more.
    pub fn apply(&mut self, now: Tick) -> Result<bool, StateError> {
        if self.halted.is_some() {
            return Ok(false);
        }
        if self.applied < self.apply_upto {
            let upto = LogIndex(self.apply_upto.0.min(self.applied.0 + APPLY_ENTRIES_MAX));
            while self.applied < upto {
                self.apply_next()?;
            }
            self.feed(now, Input::Told(Told::Applied(upto)))?;
            self.answer_reads()?;
        }
        self.poll_checkpoint(now)?;
        Ok(self.applied < self.apply_upto)
    }

    /// Moves everything that is to be done to `actions`.
    pub fn take_actions(&mut self, actions: &mut Vec<Action>) {
        actions.extend(self.outbox.drain().map(|(to, message)| Action::Send { to, message }));
        let mut base_after = None;
        for (record, extent) in self.log_batch.drain() {
            let interval = self.tuning.base_interval_bytes;
            if self.bases.is_due_after(record.bytes.len(), interval) && self.trim != Trim::Never {
                base_after = Some(record.io);
            }
            self.records.push_back((record.io, extent));
            actions.push(Action::Log(record));
        }
        // Behind all records, which led to what the machine now holds.
        if let Some(io) = base_after {
            let (term, vote, log) = (self.group.term(), self.group.vote(), self.group.log());
            let bytes = record::encode_base(Durable { term, vote, log: log.clone() });
            let io = self.records.back().map_or(io, |(last, _)| *last);
            self.records.push_back((io, Extent::Base));
            actions.push(Action::Log(LogRecord { io, bytes }));
        }
        actions.append(&mut self.actions);
    }

    /// Makes what is applied durable, so that a restart need not apply it again.
    ///
    /// # Errors
    /// When the state machine's storage fails. The replica must not be used any more.
    pub fn checkpoint(&mut self) -> Result<(), StateError> {
        self.snapshots.unbegun_bytes = 0;
        self.state.checkpoint()
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
            start: group.log().start().index,
            voters: group.voters(),
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

    fn write(&mut self, now: Tick, id: RequestId, command: Command) -> Result<(), StateError> {
        if command.len() > COMMAND_LENGTH_MAX {
            self.refuse(id, Refusal::TooLong);
            return Ok(());
        }
        self.request(now, id, Open::Write, Request::Write(command))
    }

    fn read(
        &mut self,
        now: Tick,
        id: RequestId,
        query: Command,
        request: Request<Command>,
    ) -> Result<(), StateError> {
        self.request(now, id, Open::Read { query }, request)
    }

    fn transfer(&mut self, now: Tick, id: RequestId, to: ReplicaId) -> Result<(), StateError> {
        self.request(now, id, Open::Transfer, Request::Transfer { to })
    }

    fn change(&mut self, now: Tick, id: RequestId, change: Change) -> Result<(), StateError> {
        self.request(now, id, Open::Change, Request::Change(change))
    }

    fn request(
        &mut self,
        now: Tick,
        id: RequestId,
        open: Open,
        request: Request<Command>,
    ) -> Result<(), StateError> {
        if self.admits(id) {
            self.open.insert(id, open);
            self.feed(now, Input::Request { id, request })?;
        }
        Ok(())
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
    pub(crate) fn feed(
        &mut self,
        now: Tick,
        input: Input<Group<Command>>,
    ) -> Result<(), StateError> {
        self.group.step(now, input, &mut self.effects);
        self.carry_out_all()?;
        self.tell(now)
    }

    /// Tells the machine what it asked for, and what that led to.
    fn tell(&mut self, now: Tick) -> Result<(), StateError> {
        while let Some(told) = self.told.pop_front() {
            self.group.step(now, Input::Told(told), &mut self.effects);
            self.carry_out_all()?;
        }
        debug_assert_eq!(invariant::replica_is_sound(&self.group), Ok(()));
        Ok(())
    }

    fn carry_out_all(&mut self) -> Result<(), StateError> {
        let mut effects = std::mem::take(&mut self.effects);
        let done = effects.drain().try_for_each(|effect| self.carry_out(effect));
        self.effects = effects;
        done
    }

    fn carry_out(&mut self, effect: Effect<Group<Command>>) -> Result<(), StateError> {
        match effect {
            Effect::Write { io, write } => {
                if matches!(write, Write::Install { .. }) {
                    // The state is to be replaced: what it was to apply is not in the log any more.
                    self.apply_upto = self.applied;
                }
                self.log_batch.push(io, write);
            }
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
            Effect::Ask(ask) => return self.on_ask(ask),
            Effect::Halt { invariant } => self.halt(invariant),
        }
        Ok(())
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
            Held::Answer { id, answer: Answer::ChangeRefused(why) } => {
                self.reply(id, Outcome::Refused(Refusal::Change(why)));
            }
        }
    }

    fn on_ask(&mut self, ask: Ask<Command>) -> Result<(), StateError> {
        match ask {
            Ask::Apply { upto } => self.apply_upto = upto,
            Ask::AnswerFrom { id, index } => {
                let before = self.answers.insert(index, id);
                assert!(before.is_none(), "entry {} answers two requests", index.0);
            }
            Ask::ReadReady { id, index } => self.reads.entry(index).or_default().push(id),
            Ask::SendRange { to, term, prev, last, commit } => {
                self.send_stored(to, term, (prev, last), commit);
            }
            Ask::SendSnapshot { to, term, mark, part } => {
                return self.send_snapshot((to, term), (mark, part));
            }
            Ask::Stage { mark, part, content, last } => {
                return self.stage((mark, part), (&content, last));
            }
            Ask::Install { mark } => return self.install(mark),
        }
        Ok(())
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

    fn on_durable(&mut self, now: Tick, io: IoNumber, positions: &[Lsn]) -> Result<(), StateError> {
        for &position in positions {
            let (of, extent) = self.records.pop_front().expect("only issued records are durable");
            assert!(of <= io, "record of I/O {} is durable, {} is not", io.0, of.0);
            self.note_record(extent, position);
        }
        self.durable = self.durable.max(io);
        let later = self.held.split_off(&IoNumber(self.durable.0 + 1));
        for held in std::mem::replace(&mut self.held, later).into_values().flatten() {
            self.release(held);
        }
        self.feed(now, Input::Persisted(io))
    }

    /// A record is durable at this position.
    fn note_record(&mut self, extent: Extent, position: Lsn) {
        let positions = &mut self.stored.positions;
        match extent {
            Extent::None => return,
            Extent::Entries { after, count } => {
                positions.record(after, count, position);
                return;
            }
            Extent::Trim(start) => {
                positions.trim(start);
                self.start = start;
            }
            Extent::Install(start) => {
                positions.begin_after(start);
                self.start = start;
            }
            Extent::Base => self.bases.found(position),
        }
        if self.start > LogIndex::ZERO {
            let needed = self.stored.positions.needed_after(self.start);
            if let Some(below) = self.bases.begin(needed) {
                self.actions.push(Action::TrimLog { below });
            }
        }
    }

    fn apply_next(&mut self) -> Result<(), StateError> {
        let index = self.applied.next();
        let entry = self.group.log().entry(index).expect("entries are held until applied");
        match &entry.payload {
            Payload::NoOp => {}
            // A configuration is in effect since it is in the log.
            Payload::Members(_) => {
                if let Some(id) = self.answers.remove(&index) {
                    self.reply(id, Outcome::Done(Command::default()));
                }
            }
            Payload::Command(command) => {
                let answer = self.state.apply(index, command)?;
                self.snapshots.applied(command.len());
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
                Open::Write | Open::Change => Outcome::Unknown,
                Open::Read { .. } | Open::Transfer => Outcome::Refused(Refusal::Halted(invariant)),
            };
            self.actions.push(Action::Reply { id, outcome });
        }
        self.actions.push(Action::Halted { invariant });
    }
}
