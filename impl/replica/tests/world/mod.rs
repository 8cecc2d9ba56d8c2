//! Three replicas in memory: a network that loses, repeats and reorders, a disk per replica whose
//! writes complete whenever the schedule says so, and crashes that lose what had not completed.

pub(crate) mod list;
pub(crate) mod random;

use list::{Kept, List};
use random::Random;
use ringleader_core::group::invariant::at_most_one_leader_per_term;
use ringleader_core::group::{AnnounceCommit, AtElection, Config, Message, Timer, Timing, Trim};
use ringleader_core::ids::{ReplicaId, RequestId, Tick};
use ringleader_core::quorum::ReplicaSet;
use ringleader_replica::{Action, Event, LogRecord, Outcome, Replica, StoredReader};
use ringleader_storage::disk::{Disk, SimulatedDisk};
use ringleader_storage::wal::{Options, Wal};
use ringleader_wire::Command;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

const REPLICAS: u8 = 3;
const STREAM: u64 = 0;
const NOW: Tick = Tick(0);

/// What a schedule led to, so that a test can say that it was worth something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    pub(crate) reads: u64,
    pub(crate) crashes: u64,
    pub(crate) stored_reads: u64,
    pub(crate) elections: u64,
}

/// One replica and its disk.
struct Node {
    disk: Arc<dyn Disk>,
    wal: Wal,
    reader: StoredReader,
    replica: Replica<List>,
    /// What the state machine has checkpointed; survives crashes.
    kept: Kept,
    /// Records on their way to the disk.
    writing: VecDeque<LogRecord>,
    armed: BTreeSet<Timer>,
}

/// What was asked and has not ended.
enum Asked {
    Write {
        value: u64,
    },
    /// Everything that was acknowledged when the read was asked for.
    Read {
        acknowledged: u64,
    },
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) counts: Counts,
    nodes: BTreeMap<ReplicaId, Node>,
    network: Vec<(ReplicaId, ReplicaId, Message<Command>)>,
    /// A replica that nothing reaches and that reaches nobody.
    pub(crate) cut: Option<ReplicaId>,
    asked: BTreeMap<(ReplicaId, RequestId), Asked>,
    last_request: u64,
    last_value: u64,
    /// Acknowledged values, by their position in the list.
    acknowledged: BTreeMap<u64, u64>,
    /// Values that must never be in the list.
    refused: BTreeSet<u64>,
}

fn config(id: ReplicaId) -> Config {
    Config {
        id,
        voters: ReplicaSet::first(REPLICAS),
        election_timeout: Tick(100),
        heartbeat_interval: Tick(10),
        append_entries_max: 4,
        inflight_entries_max: 8,
        at_election: AtElection::AppendNoOp,
        announce_commit: AnnounceCommit::WithNextAppend,
        timing: Timing::default(),
        trim: Trim::Never,
        log_replicas: ReplicaSet::default(),
    }
}

fn options(id: ReplicaId) -> Options {
    Options { segment_length: 1 << 16, ..Options::new(u64::from(id.0)) }
}

fn node(id: ReplicaId, disk: Arc<dyn Disk>, kept: Kept) -> Node {
    let (wal, recovered) = Wal::open_or_create(&disk, options(id)).unwrap();
    let state = List::restart(&kept);
    let replica = Replica::recover(&config(id), state, recovered.records(), STREAM, NOW).unwrap();
    let reader = StoredReader::new(wal.reader(), STREAM);
    Node { disk, wal, reader, replica, kept, writing: VecDeque::new(), armed: BTreeSet::new() }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let ids = (0..REPLICAS).map(ReplicaId);
        let fresh = |id| (id, node(id, Arc::new(SimulatedDisk::new()), Kept::default()));
        let mut world = Self {
            random: Random::new(seed),
            counts: Counts::default(),
            nodes: ids.clone().map(fresh).collect(),
            network: Vec::new(),
            cut: None,
            asked: BTreeMap::new(),
            last_request: 0,
            last_value: 0,
            acknowledged: BTreeMap::new(),
            refused: BTreeSet::new(),
        };
        ids.for_each(|id| world.carry_out(id));
        world
    }

    pub(crate) fn ids() -> impl Iterator<Item = ReplicaId> {
        (0..REPLICAS).map(ReplicaId)
    }

    pub(crate) fn any_id(&mut self) -> ReplicaId {
        ReplicaId(u8::try_from(self.random.below(u64::from(REPLICAS))).unwrap())
    }

    /// The leader if there is one and the schedule wants it, else anybody.
    pub(crate) fn likely_leader(&mut self) -> ReplicaId {
        let leader = Self::ids().find(|id| self.nodes[id].replica.group().is_leader());
        let wanted = self.random.below(8) > 0;
        leader.filter(|_| wanted).unwrap_or_else(|| self.any_id())
    }

    fn node(&mut self, id: ReplicaId) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    fn step(&mut self, id: ReplicaId, event: Event) {
        self.node(id).replica.step(NOW, event).unwrap();
    }

    /// Lets a replica apply what it may, and carries out what it asks for.
    pub(crate) fn carry_out(&mut self, id: ReplicaId) {
        let mut actions = Vec::new();
        let node = self.node(id);
        while node.replica.apply(NOW).unwrap() {}
        node.replica.take_actions(&mut actions);
        for action in actions {
            match action {
                Action::Send { to, message } => self.network.push((id, to, message)),
                Action::SendStored(range) => {
                    self.counts.stored_reads += 1;
                    let messages = self.node(id).reader.read(&range).unwrap();
                    self.network.extend(messages.into_iter().map(|it| (id, range.to, it)));
                }
                Action::Log(record) => self.node(id).writing.push_back(record),
                Action::Reply { id: request, outcome } => self.on_reply(id, request, outcome),
                Action::Arm { timer, .. } => drop(self.node(id).armed.insert(timer)),
                Action::Disarm { timer } => drop(self.node(id).armed.remove(&timer)),
                Action::Halted { invariant } => panic!("{id:?} halted: {invariant}"),
            }
        }
        let groups: Vec<_> = self.nodes.values().map(|node| node.replica.group()).collect();
        assert!(at_most_one_leader_per_term(&groups), "ELECTION-1");
    }

    /// Delivers one of the messages on their way.
    pub(crate) fn deliver(&mut self, fate: Fate) {
        if self.network.is_empty() {
            return;
        }
        let at = self.random.index(self.network.len());
        let (from, to, message) = match fate {
            Fate::Lost => {
                self.network.swap_remove(at);
                return;
            }
            Fate::Repeated => self.network[at].clone(),
            Fate::Once => self.network.swap_remove(at),
        };
        if self.cut == Some(from) || self.cut == Some(to) {
            return;
        }
        self.step(to, Event::Receive { from, message });
    }

    /// Completes some of the writes on their way, as one group.
    pub(crate) fn write(&mut self, id: ReplicaId) {
        let count = self.node(id).writing.len();
        let count = 1 + self.random.index(count.max(1));
        let node = self.node(id);
        let mut positions = Vec::new();
        let mut io = None;
        for _ in 0..count {
            let Some(record) = node.writing.pop_front() else { break };
            positions.push(node.wal.append(STREAM, &record.bytes));
            io = Some(record.io);
        }
        node.wal.commit().unwrap();
        if let Some(io) = io {
            self.step(id, Event::Durable { io, positions });
        }
    }

    pub(crate) fn fire(&mut self, id: ReplicaId, timer: Timer) {
        if self.node(id).armed.remove(&timer) {
            self.counts.elections += u64::from(timer == Timer::Election);
            self.step(id, Event::Timer(timer));
        }
    }

    pub(crate) fn ask_write(&mut self, to: ReplicaId) {
        self.last_value += 1;
        let value = self.last_value;
        let id = self.open(to, Asked::Write { value });
        self.step(to, Event::Write { id, command: list::append(value) });
    }

    pub(crate) fn ask_read(&mut self, to: ReplicaId) {
        let acknowledged = self.acknowledged.last_key_value().map_or(0, |(&at, _)| at + 1);
        let id = self.open(to, Asked::Read { acknowledged });
        self.step(to, Event::Read { id, query: Command::default() });
    }

    fn open(&mut self, to: ReplicaId, asked: Asked) -> RequestId {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.asked.insert((to, id), asked);
        id
    }

    fn on_reply(&mut self, from: ReplicaId, id: RequestId, outcome: Outcome) {
        let asked = self.asked.remove(&(from, id)).expect("a request ends once");
        match (asked, outcome) {
            (Asked::Write { value }, Outcome::Done(answer)) => {
                self.counts.acknowledged += 1;
                let before = self.acknowledged.insert(list::position(&answer), value);
                assert_eq!(before, None, "two writes at one position");
            }
            (Asked::Write { value }, Outcome::NotLeader { .. } | Outcome::Refused(_)) => {
                self.counts.refused += 1;
                self.refused.insert(value);
            }
            (Asked::Write { .. }, Outcome::Unknown) => self.counts.unknown += 1,
            (Asked::Read { acknowledged }, Outcome::Done(answer)) => {
                self.counts.reads += 1;
                let length = list::position(&answer);
                assert!(length >= acknowledged, "READ-1: {length} of {acknowledged} values");
            }
            (Asked::Read { .. }, Outcome::NotLeader { .. } | Outcome::Refused(_)) => {}
            (Asked::Read { .. }, Outcome::Unknown) => panic!("a read has no unknown outcome"),
            (_, Outcome::GivesWay) => panic!("no transfer was asked for"),
        }
    }

    /// Power fails: what had not been written is gone. Then the node starts again.
    pub(crate) fn crash(&mut self, id: ReplicaId) {
        self.counts.crashes += 1;
        self.asked.retain(|&(at, _), _| at != id);
        let crashed = self.nodes.remove(&id).unwrap();
        self.nodes.insert(id, node(id, crashed.disk, crashed.kept));
    }

    pub(crate) fn checkpoint(&mut self, id: ReplicaId) {
        self.node(id).replica.checkpoint().unwrap();
    }

    /// Everything works from now on, and the group must make progress: a write is acknowledged,
    /// and all replicas apply all that the leader's log holds.
    pub(crate) fn heal(&mut self) {
        self.cut = None;
        let before = self.counts.acknowledged;
        for round in 0.. {
            assert!(round < 10_000, "no progress: {self:?}");
            self.settle();
            let leader = Self::ids().find(|id| self.nodes[id].replica.group().is_leader());
            match leader {
                None => {
                    let id = self.any_id();
                    self.fire(id, Timer::Election);
                    self.carry_out(id);
                }
                Some(_) if self.counts.acknowledged > before && self.is_quiet() => return,
                Some(leader) => {
                    if round % 100 == 50 && self.counts.acknowledged == before {
                        self.ask_write(leader);
                    }
                    self.fire(leader, Timer::Heartbeat);
                    self.carry_out(leader);
                }
            }
        }
    }

    /// Delivers and writes until nothing is on its way.
    fn settle(&mut self) {
        loop {
            let writing = Self::ids().find(|id| !self.nodes[id].writing.is_empty());
            match (writing, self.network.is_empty()) {
                (Some(id), _) => self.write(id),
                (None, false) => self.deliver(Fate::Once),
                (None, true) => return,
            }
            Self::ids().for_each(|id| self.carry_out(id));
        }
    }

    fn is_quiet(&self) -> bool {
        let status = |node: &Node| {
            let status = node.replica.status();
            (status.applied, status.last)
        };
        let mut all = self.nodes.values().map(status);
        let first = all.next();
        first.is_some_and(|(applied, last)| applied == last) && all.all(|it| Some(it) == first)
    }

    /// What was promised to clients, and that replicas agree.
    pub(crate) fn check_end(&self) {
        let lists: Vec<&[u64]> =
            self.nodes.values().map(|node| &node.replica.state().values[..]).collect();
        assert!(lists.windows(2).all(|pair| pair[0] == pair[1]), "replicas differ: {lists:?}");
        let list = lists[0];
        for (&at, &value) in &self.acknowledged {
            let found = list.get(usize::try_from(at).unwrap());
            assert_eq!(found, Some(&value), "acknowledged value {value} is not at {at}");
        }
        let distinct: BTreeSet<_> = list.iter().collect();
        assert_eq!(distinct.len(), list.len(), "a value was applied twice");
        let ghost = list.iter().find(|value| self.refused.contains(value));
        assert_eq!(ghost, None, "a refused write had an effect");
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<_> = self.nodes.values().map(|node| node.replica.status()).collect();
        write!(f, "{all:?}, {} messages on their way", self.network.len())
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Once,
    Repeated,
    Lost,
}
