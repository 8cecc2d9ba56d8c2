//! A few replicas with their disks, a network and state machines: a driver that keeps every
//! promise of [`crate::machine`], and carries out only what it is told to, when it is told to.

use crate::group::invariant::{promise_is_durable, replica_is_sound};
use crate::group::{
    AnnounceCommit, Answer, Ask, AtElection, Config, Durable, Entry, Group, Log, Message, Payload,
    Request, SnapshotMark, Timer, Timing, Told, Trim, Write,
};
use crate::ids::{IoNumber, LogEnd, LogIndex, ReplicaId, RequestId, Term, Tick};
use crate::machine::{Effect, Effects, Input, Machine, Recovered};
use crate::quorum::ReplicaSet;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;
use core::mem::take;

/// A three-replica group's first member, with limits that no test reaches by accident.
pub(super) fn config() -> Config {
    Config {
        id: ReplicaId(0),
        voters: ReplicaSet::first(3),
        election_timeout: Tick(300),
        heartbeat_interval: Tick(50),
        append_entries_max: 8,
        inflight_entries_max: 8,
        at_election: AtElection::AppendNoOp,
        announce_commit: AnnounceCommit::WithNextAppend,
        timing: Timing::default(),
        trim: Trim::Never,
        log_replicas: ReplicaSet::default(),
    }
}

/// What a log of these terms holds, and the disk of a replica whose term is `term`.
pub(super) fn disk<C: Clone>(term: u64, entries: &[(u64, C)]) -> Durable<C> {
    let mut durable = Durable { term: Term(term), ..Durable::default() };
    for (of_entry, command) in entries {
        let payload = Payload::Command(command.clone());
        durable.log.append(Entry { term: Term(*of_entry), payload });
    }
    durable
}

/// What happened, in order.
#[derive(Clone, Debug)]
pub(super) enum Event<C> {
    Writes(IoNumber, Write<C>),
    /// A send that its I/O holds back.
    Holds(IoNumber, ReplicaId, Message<C>),
    Sends(ReplicaId, Message<C>),
    Refuses(RequestId, Answer),
    Applies(LogIndex, Payload<C>),
    /// A write's answer comes out of applying this entry.
    Answers(RequestId, LogIndex),
    /// A read's answer is the state after this entry, or a later one.
    Reads(RequestId, LogIndex),
    SendsRange(ReplicaId, LogEnd, LogEnd),
    /// Sets aside a part of a snapshot.
    Stages(SnapshotMark, u32),
    /// The state is that of a snapshot from now on.
    Installs(SnapshotMark),
    Leads(Term),
    Halts(&'static str),
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(super) struct Envelope<C> {
    pub(super) from: ReplicaId,
    pub(super) to: ReplicaId,
    pub(super) message: Message<C>,
}

/// A send or an answer that waits for an I/O.
enum Outgoing<C> {
    Send(ReplicaId, Message<C>),
    Refuse(RequestId, Answer),
}

/// One replica and everything around it.
pub(super) struct Node<C: Clone + Debug + Eq + Ord + Hash> {
    config: Config,
    pub(super) replica: Group<C>,
    /// What a crash leaves.
    pub(super) disk: Durable<C>,
    /// The log with every write that was issued, never released: a twin of the replica's.
    pub(super) memory: Log<C>,
    pending: VecDeque<(IoNumber, Write<C>)>,
    persisted: IoNumber,
    held: Vec<(IoNumber, Outgoing<C>)>,
    armed: BTreeSet<Timer>,
    /// What its clock shows.
    pub(super) clock: Tick,
    /// The state machine: all that was applied.
    pub(super) applied: Vec<Payload<C>>,
    /// How much of it survives a crash.
    checkpointed: LogIndex,
    /// Writes that applying an entry will answer.
    promised: BTreeMap<LogIndex, RequestId>,
    /// Reads that wait until an entry is applied.
    reads: Vec<(LogIndex, RequestId)>,
    /// A snapshot that is set aside: a part for each entry.
    staged: Vec<C>,
    /// Which snapshot that is.
    last_staged: Option<SnapshotMark>,
    /// A swap that a crash prevented, asked for again at the start.
    swap: Option<SnapshotMark>,
}

/// All replicas, and the network between them.
pub(super) struct World<C: Clone + Debug + Eq + Ord + Hash> {
    pub(super) nodes: Vec<Node<C>>,
    pub(super) network: Vec<Envelope<C>>,
    pub(super) events: Vec<(ReplicaId, Event<C>)>,
    /// How often a write replaced entries.
    pub(super) overwrites: u32,
}

impl<C: Clone + Debug + Eq + Ord + Hash> World<C> {
    /// Replicas with empty disks, all configured like `config` but for their id.
    pub(super) fn new(config: &Config) -> Self {
        Self::with_disks(config, |_| Durable::default())
    }

    /// Replicas that start from these disks.
    pub(super) fn with_disks(config: &Config, disk: impl Fn(ReplicaId) -> Durable<C>) -> Self {
        Self::with_nodes(config, u8::try_from(config.voters.size()).unwrap(), disk)
    }

    /// So many replicas, members or not, that start from these disks.
    pub(super) fn with_nodes(
        config: &Config,
        nodes: u8,
        disk: impl Fn(ReplicaId) -> Durable<C>,
    ) -> Self {
        let ids = (0..nodes).map(ReplicaId);
        let nodes = ids.map(|id| Node::start(Config { id, ..config.clone() }, disk(id)));
        Self { nodes: nodes.collect(), network: Vec::new(), events: Vec::new(), overwrites: 0 }
    }

    pub(super) fn node(&mut self, id: ReplicaId) -> &mut Node<C> {
        &mut self.nodes[usize::from(id.0)]
    }

    pub(super) fn is_armed(&self, id: ReplicaId, timer: Timer) -> bool {
        self.nodes[usize::from(id.0)].armed.contains(&timer)
    }

    /// An armed timer fires.
    pub(super) fn fire(&mut self, id: ReplicaId, timer: Timer) {
        assert!(self.node(id).armed.remove(&timer), "{timer:?} of {id:?} is not armed");
        self.step(id, Input::Timer(timer));
    }

    /// Time passes on one clock.
    pub(super) fn pass(&mut self, id: ReplicaId, ticks: u64) {
        self.node(id).clock.0 += ticks;
    }

    /// A client asks.
    pub(super) fn ask(&mut self, to: ReplicaId, id: RequestId, request: Request<C>) {
        self.step(to, Input::Request { id, request });
    }

    /// The message at this place in the network arrives; a copy may stay.
    pub(super) fn deliver(&mut self, position: usize, keep: bool) {
        let Envelope { from, to, message } =
            if keep { self.network[position].clone() } else { self.network.remove(position) };
        self.step(to, Input::Receive { from, message });
    }

    /// Where the oldest message between two replicas is.
    pub(super) fn oldest(&self, from: ReplicaId, to: ReplicaId) -> Option<usize> {
        self.network.iter().position(|it| it.from == from && it.to == to)
    }

    /// The last I/O that this replica issued and that is not durable.
    pub(super) fn unpersisted(&self, id: ReplicaId) -> Option<IoNumber> {
        self.pending(id).last().copied()
    }

    /// The I/Os that this replica issued and that are not durable.
    pub(super) fn pending(&self, id: ReplicaId) -> Vec<IoNumber> {
        self.nodes[usize::from(id.0)].pending.iter().map(|&(io, _)| io).collect()
    }

    /// I/Os up to `io` become durable; what waited for them leaves before the replica hears of it.
    pub(super) fn persist(&mut self, id: ReplicaId, io: IoNumber) {
        let node = self.node(id);
        let done = node.pending.iter().take_while(|&&(number, _)| number <= io).count();
        for (_, write) in node.pending.drain(..done) {
            Group::fold(&mut node.disk, &write);
        }
        node.persisted = io;
        let (ready, held) = take(&mut node.held).into_iter().partition(|(after, _)| *after <= io);
        node.held = held;
        for (_, outgoing) in ready {
            self.release(id, outgoing);
        }
        self.step(id, Input::Persisted(io));
    }

    /// The host says that it has applied what it was asked to.
    pub(super) fn report_applied(&mut self, id: ReplicaId) {
        let index = LogIndex(self.node(id).applied.len() as u64);
        self.step(id, Input::Told(Told::Applied(index)));
    }

    /// The host says that its storage holds what it has applied.
    pub(super) fn report_checkpoint(&mut self, id: ReplicaId) {
        let index = self.node(id).checkpointed;
        self.step(id, Input::Told(Told::Checkpointed(index)));
    }

    /// The host says that a snapshot is staged, durably.
    pub(super) fn report_staged(&mut self, id: ReplicaId) {
        let staged = self.node(id).last_staged.expect("a snapshot is being staged");
        self.step(id, Input::Told(Told::Staged(staged)));
    }

    /// The host says that the state is that of the snapshot.
    pub(super) fn report_installed(&mut self, id: ReplicaId) {
        let index = self.node(id).checkpointed;
        self.step(id, Input::Told(Told::Installed(index)));
    }

    /// The state machine makes durable what it has applied.
    pub(super) fn checkpoint(&mut self, id: ReplicaId) {
        let node = self.node(id);
        node.checkpointed = LogIndex(node.applied.len() as u64);
    }

    /// The replica loses what is not durable, and starts again.
    pub(super) fn crash(&mut self, id: ReplicaId) {
        let node = self.node(id);
        let (disk, checkpointed) = (take(&mut node.disk), node.checkpointed);
        let survives = usize::try_from(checkpointed.0).unwrap();
        let applied = node.applied.drain(..survives).collect();
        let staged = take(&mut node.staged);
        *node = Node::recover(node.config.clone(), disk, checkpointed, node.clock);
        (node.applied, node.staged) = (applied, staged);
        if let Some(mark) = node.swap.take() {
            self.host(id, &Ask::Install { mark });
        }
    }

    /// Everything that was started ends: I/Os, messages, and what comes of them. No timer fires.
    pub(super) fn settle(&mut self) {
        loop {
            let ids = (0..self.nodes.len()).map(|id| ReplicaId(u8::try_from(id).unwrap()));
            let busy: Vec<_> = ids.filter_map(|id| Some((id, self.unpersisted(id)?))).collect();
            for &(id, io) in &busy {
                self.persist(id, io);
            }
            if !self.network.is_empty() {
                self.deliver(0, false);
            } else if busy.is_empty() {
                return;
            }
        }
    }

    /// One input, and all that comes of it.
    pub(super) fn step(&mut self, id: ReplicaId, input: Input<Group<C>>) {
        let mut effects = Effects::new();
        let node = self.node(id);
        let led = node.replica.is_leader();
        node.replica.step(node.clock, input, &mut effects);
        if node.replica.is_leader() && !led {
            let term = node.replica.term();
            self.events.push((id, Event::Leads(term)));
        }
        for effect in effects.drain() {
            self.carry_out(id, effect);
        }
        let node = self.node(id);
        assert_eq!(replica_is_sound(&node.replica), Ok(()), "{id:?}");
        assert_eq!(
            node.replica.log().end(),
            node.memory.end(),
            "the log is the fold of its writes"
        );
        self.answer_reads(id);
    }

    fn carry_out(&mut self, id: ReplicaId, effect: Effect<Group<C>>) {
        let node = &mut self.nodes[usize::from(id.0)];
        match effect {
            Effect::Write { io, write } => {
                let last = node.pending.back().map_or(node.persisted, |&(last, _)| last);
                assert_eq!(io.0, last.0 + 1, "I/Os are numbered without gaps");
                if let Write::Append { after, entries } = &write {
                    self.overwrites += u32::from(*after < node.memory.last());
                    node.memory.truncate(*after);
                    for entry in entries {
                        node.memory.append(entry.clone());
                    }
                }
                if let Write::Install { mark } = &write {
                    node.memory.install(*mark);
                }
                node.pending.push_back((io, write.clone()));
                self.events.push((id, Event::Writes(io, write)));
            }
            Effect::Send { to, message, after } if after > node.persisted => {
                node.held.push((after, Outgoing::Send(to, message.clone())));
                self.events.push((id, Event::Holds(after, to, message)));
            }
            Effect::Send { to, message, .. } => self.release(id, Outgoing::Send(to, message)),
            Effect::Answer { id: request, answer, after } => {
                let answer = Outgoing::Refuse(request, answer);
                if after > node.persisted {
                    node.held.push((after, answer));
                } else {
                    self.release(id, answer);
                }
            }
            Effect::Arm { timer, .. } => {
                node.armed.insert(timer);
            }
            Effect::Disarm { timer } => {
                node.armed.remove(&timer);
            }
            Effect::Ask(ask) => self.host(id, &ask),
            Effect::Halt { invariant } => self.events.push((id, Event::Halts(invariant))),
        }
    }

    /// Hands to the network, or to the client, what waits for nothing any more.
    fn release(&mut self, from: ReplicaId, outgoing: Outgoing<C>) {
        match outgoing {
            Outgoing::Send(to, message) => {
                let kept = promise_is_durable(&self.node(from).disk, to, &message);
                assert!(kept, "ELECTION-2: {from:?} says {message:?} to {to:?}");
                self.events.push((from, Event::Sends(to, message.clone())));
                self.network.push(Envelope { from, to, message });
            }
            Outgoing::Refuse(id, answer) => self.events.push((from, Event::Refuses(id, answer))),
        }
    }

    fn host(&mut self, id: ReplicaId, ask: &Ask<C>) {
        let node = self.node(id);
        match *ask {
            Ask::Apply { upto } => self.apply(id, upto),
            Ask::AnswerFrom { id: request, index } => {
                assert!(index.0 > node.applied.len() as u64, "asked before it is applied");
                node.promised.insert(index, request);
            }
            Ask::ReadReady { id: request, index } => node.reads.push((index, request)),
            Ask::SendRange { to, term, prev, last, commit } => {
                let log = &node.disk.log;
                let holds = |end: LogEnd| log.term_at(end.index) == Some(end.term);
                assert!(holds(prev) && holds(last), "released entries are durable");
                let entries = log.entries_after(prev.index, last.index.0 - prev.index.0);
                self.events.push((id, Event::SendsRange(to, prev, last)));
                let message = Message::Append { term, prev, entries, commit };
                self.release(id, Outgoing::Send(to, message));
            }
            Ask::SendSnapshot { .. } | Ask::Stage { .. } | Ask::Install { .. } => {
                self.snapshot(id, ask);
            }
        }
    }

    /// A part of a snapshot is one entry; whole ones only, of entries that hold commands.
    fn snapshot(&mut self, id: ReplicaId, ask: &Ask<C>) {
        let node = &mut self.nodes[usize::from(id.0)];
        match ask {
            Ask::SendSnapshot { to, term, mark, part } => {
                assert_eq!(mark.end.index, node.checkpointed, "what is offered is checkpointed");
                let state = &node.applied[..usize::try_from(mark.end.index.0).unwrap()];
                let commands: Vec<_> = state.iter().filter_map(command).collect();
                let (term, mark, part) = (*term, *mark, *part);
                let content = commands[part as usize].clone();
                let last = part as usize + 1 == commands.len();
                let content = Vec::from([content]);
                let message = Message::SnapshotPart { term, mark, part, last, content };
                self.release(id, Outgoing::Send(*to, message));
            }
            Ask::Stage { mark, part, content, .. } => {
                node.staged.truncate(*part as usize);
                node.staged.extend(content.iter().cloned());
                node.last_staged = Some(*mark);
                self.events.push((id, Event::Stages(*mark, *part)));
            }
            Ask::Install { mark } => {
                // What is not a command leaves no trace in a state.
                let others = usize::try_from(mark.end.index.0).unwrap() - node.staged.len();
                let no_ops = (0..others).map(|_| Payload::NoOp);
                node.applied = no_ops.chain(node.staged.drain(..).map(Payload::Command)).collect();
                node.checkpointed = mark.end.index;
                self.events.push((id, Event::Installs(*mark)));
            }
            Ask::Apply { .. }
            | Ask::AnswerFrom { .. }
            | Ask::ReadReady { .. }
            | Ask::SendRange { .. } => unreachable!("not about snapshots"),
        }
    }

    /// The state machine applies at once; that the replica hears of it is another matter.
    fn apply(&mut self, id: ReplicaId, upto: LogIndex) {
        let node = &mut self.nodes[usize::from(id.0)];
        assert!(upto <= node.disk.log.last(), "APPLY-1: {upto:?} of {id:?} is not durable");
        for index in (node.applied.len() as u64 + 1..=upto.0).map(LogIndex) {
            let payload = node.replica.log().payload(index).expect("LOG-3").clone();
            node.applied.push(payload.clone());
            self.events.push((id, Event::Applies(index, payload)));
            if let Some(request) = node.promised.remove(&index) {
                self.events.push((id, Event::Answers(request, index)));
            }
        }
    }

    fn answer_reads(&mut self, id: ReplicaId) {
        let node = self.node(id);
        let applied = LogIndex(node.applied.len() as u64);
        let (ready, waiting) =
            take(&mut node.reads).into_iter().partition(|&(index, _)| index <= applied);
        node.reads = waiting;
        let answers = |(index, request)| (id, Event::Reads(request, index));
        self.events.extend(Vec::into_iter(ready).map(answers));
    }
}

impl<C: Clone + Debug + Eq + Ord + Hash> Node<C> {
    fn start(config: Config, disk: Durable<C>) -> Self {
        Self::recover(config, disk, LogIndex::ZERO, Tick(0))
    }

    fn recover(config: Config, disk: Durable<C>, checkpointed: LogIndex, clock: Tick) -> Self {
        let mut effects = Effects::new();
        let recovered = Recovered { durable: disk.clone(), checkpointed, wiped: false };
        let replica = Group::recover(&config, recovered, clock, &mut effects);
        assert_eq!(replica_is_sound(&replica), Ok(()), "after recovery");
        let mut armed = BTreeSet::new();
        let mut swap = None;
        for effect in effects.drain() {
            if let Effect::Arm { timer, .. } = effect {
                armed.insert(timer);
            } else if let Effect::Ask(Ask::Install { mark }) = effect {
                swap = Some(mark);
            } else {
                panic!("{effect:?} at the start");
            }
        }
        Self {
            clock,
            armed,
            swap,
            config,
            replica,
            memory: disk.log.clone(),
            disk,
            pending: VecDeque::new(),
            persisted: IoNumber::NONE,
            held: Vec::new(),
            applied: Vec::new(),
            checkpointed,
            promised: BTreeMap::new(),
            reads: Vec::new(),
            staged: Vec::new(),
            last_staged: None,
        }
    }
}

fn command<C: Clone>(payload: &Payload<C>) -> Option<C> {
    match payload {
        Payload::Command(command) => Some(command.clone()),
        Payload::NoOp | Payload::Members(_) => None,
    }
}
