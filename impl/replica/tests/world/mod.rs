//! Replicas in memory: a network that loses, repeats and reorders, a disk per replica whose writes
//! complete whenever the schedule says so, and crashes that lose what had not completed. Logs are
//! trimmed, replicas lose their disks for good, and others take their places.

pub(crate) mod list;
pub(crate) mod random;

use list::{Kept, List};
use random::Random;
use ringleader_core::group::invariant::at_most_one_leader_per_term;
use ringleader_core::group::{
    AnnounceCommit, AtElection, Change, Config, Message, Timer, Timing, Trim,
};
use ringleader_core::ids::{ReplicaId, RequestId, Tick};
use ringleader_core::quorum::ReplicaSet;
use ringleader_replica::{
    Action, Event, FoundLog, LogRecord, Outcome, Refusal, Replica, StoredReader, Tuning,
};
use ringleader_storage::disk::{Disk, SimulatedDisk};
use ringleader_storage::wal::{Options, Wal};
use ringleader_wire::Command;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The first members.
const REPLICAS: u8 = 3;
/// Those, and all that may come later.
const IDS: u8 = 9;
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
    pub(crate) trims: u64,
    pub(crate) snapshot_parts: u64,
    pub(crate) disks_lost: u64,
    pub(crate) joined: u64,
    pub(crate) left: u64,
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
    Change(Change),
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) counts: Counts,
    nodes: BTreeMap<ReplicaId, Node>,
    network: Vec<(ReplicaId, ReplicaId, Message<Command>)>,
    /// A replica that nothing reaches and that reaches nobody.
    pub(crate) cut: Option<ReplicaId>,
    /// Whether replicas come and go.
    pub(crate) changes: bool,
    /// The id of the last replica that was started.
    last_id: ReplicaId,
    /// A member whose disk is gone, until it has left the group.
    dead: Option<ReplicaId>,
    /// Members that were asked to leave, or have left.
    leaving: BTreeSet<ReplicaId>,
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
        trim: Trim::BelowEveryCheckpoint,
        log_replicas: ReplicaSet::default(),
    }
}

/// Messages on their way where replicas come and go; others are lost.
const NETWORK_MAX: usize = 24;

/// Two or three groups in a segment, so that segments go all the time.
fn options(id: ReplicaId) -> Options {
    Options { segment_length: 4 * 4096, ..Options::new(u64::from(id.0)) }
}

/// A few entries per checkpoint, a few records per base.
const TUNING: Tuning =
    Tuning { checkpoint_bytes: 80, base_interval_bytes: 300, held_back_bytes: 1_000 };

fn node(id: ReplicaId, disk: Arc<dyn Disk>, kept: Kept) -> Node {
    let (wal, recovered) = Wal::open_or_create(&disk, options(id)).unwrap();
    let state = List::restart(&kept);
    let log = FoundLog { records: recovered.records(), stream: STREAM, trimmed: recovered.trimmed };
    let replica = Replica::recover(&config(id), TUNING, state, log, NOW).unwrap();
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
            changes: seed % 2 == 1,
            last_id: ReplicaId(REPLICAS - 1),
            dead: None,
            leaving: BTreeSet::new(),
            asked: BTreeMap::new(),
            last_request: 0,
            last_value: 0,
            acknowledged: BTreeMap::new(),
            refused: BTreeSet::new(),
        };
        ids.for_each(|id| world.carry_out(id));
        world
    }

    /// What keeps a newcomer from ever getting in happens less often where there are some: once in so
    /// many times.
    pub(crate) fn rarely(&mut self, times: u64) -> bool {
        !self.changes || self.random.below(times) == 0
    }

    pub(crate) fn lacks_leader(&self) -> bool {
        self.leader().is_none_or(|leader| self.cut == Some(leader))
    }

    /// Those that run.
    pub(crate) fn ids(&self) -> Vec<ReplicaId> {
        self.nodes.keys().copied().collect()
    }

    pub(crate) fn any_id(&mut self) -> ReplicaId {
        let ids = self.ids();
        ids[self.random.index(ids.len())]
    }

    fn leader(&self) -> Option<ReplicaId> {
        // Of several the one of the latest term leads.
        let leaders = self.nodes.values().filter(|node| node.replica.group().is_leader());
        let latest = leaders.max_by_key(|node| node.replica.group().term());
        latest.map(|node| node.replica.group().id())
    }

    /// The leader if there is one and the schedule wants it, else anybody.
    pub(crate) fn likely_leader(&mut self) -> ReplicaId {
        let wanted = self.random.below(8) > 0;
        self.leader().filter(|_| wanted).unwrap_or_else(|| self.any_id())
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
                Action::Send { to, message } => {
                    let is_part = matches!(message, Message::SnapshotPart { .. });
                    self.counts.snapshot_parts += u64::from(is_part);
                    self.network.push((id, to, message));
                }
                Action::TrimLog { below } => {
                    let start = self.node(id).wal.trimmer().trim(below).unwrap();
                    assert!(start <= below);
                    self.counts.trims += 1;
                }
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
        // A newcomer needs many messages in a row: none may wait for long.
        while self.changes && self.network.len() > NETWORK_MAX {
            let lost = self.random.index(self.network.len());
            self.network.swap_remove(lost);
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
        if self.cut == Some(from) || self.cut == Some(to) || !self.nodes.contains_key(&to) {
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

    /// A new replica is to take part.
    pub(crate) fn ask_join(&mut self, leader: ReplicaId) {
        let group = self.nodes[&leader].replica.group();
        let busy = group.newcomer().is_some() || group.voters().size() > u32::from(REPLICAS);
        if self.last_id.0 + 1 < IDS && group.is_leader() && !busy {
            // One that was started and never got in may still get in.
            if self.nodes.values().any(|node| node.replica.group().id() == self.last_id)
                && !self.nodes[&leader].replica.group().voters().contains(self.last_id)
            {
                self.ask_change(leader, Change::Add(self.last_id));
                return;
            }
            self.last_id = ReplicaId(self.last_id.0 + 1);
            let id = self.last_id;
            self.nodes.insert(id, node(id, Arc::new(SimulatedDisk::new()), Kept::default()));
            self.carry_out(id);
            self.ask_change(leader, Change::Add(id));
        }
    }

    /// The one whose disk is gone is to leave, or anybody if there are more than three.
    pub(crate) fn ask_leave(&mut self, leader: ReplicaId) {
        let voters = self.nodes[&leader].replica.group().voters();
        let dead = self.dead.filter(|&id| voters.contains(id));
        if voters.size() > u32::from(REPLICAS) {
            let others: Vec<_> = voters.iter().filter(|&id| id != leader).collect();
            let other = others[self.random.index(others.len())];
            self.ask_change(leader, Change::Remove(dead.unwrap_or(other)));
        }
    }

    fn ask_change(&mut self, to: ReplicaId, change: Change) {
        let id = self.open(to, Asked::Change(change));
        self.step(to, Event::Change { id, change });
    }

    /// A member's disk is gone, and with it what it promised: it never comes back.
    pub(crate) fn lose_disk(&mut self) {
        let Some(leader) = self.leader() else { return };
        let group = self.nodes[&leader].replica.group();
        let voters = group.voters();
        if self.dead.is_some_and(|id| !voters.contains(id)) {
            self.dead = None; // It has left.
        }
        let here = voters.iter().all(|id| self.nodes.contains_key(&id));
        let members: Vec<_> = voters.iter().collect();
        let victim = members[self.random.index(members.len())];
        let group = self.nodes[&leader].replica.group();
        let settled = group.members_index() <= group.commit() && group.newcomer().is_none();
        if self.dead.is_none() && settled && here && self.last_id.0 + 1 < IDS {
            self.counts.disks_lost += 1;
            self.dead = Some(victim);
            self.nodes.remove(&victim);
            self.asked.retain(|&(at, _), _| at != victim);
        }
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
            (Asked::Read { .. }, Outcome::Unknown) => panic!("a read has no unknown outcome"),
            (Asked::Change(Change::Add(_)), Outcome::Done(_)) => self.counts.joined += 1,
            (Asked::Change(change), Outcome::Done(_)) => {
                self.counts.left += 1;
                let Change::Remove(id) = change else { panic!("{change:?} was asked for") };
                self.leaving.insert(id);
            }
            (Asked::Read { .. }, Outcome::NotLeader { .. } | Outcome::Refused(_))
            | (
                Asked::Change(_),
                Outcome::NotLeader { .. } | Outcome::Unknown | Outcome::Refused(Refusal::Change(_)),
            ) => {}
            (Asked::Change(change), other) => panic!("{change:?} ended as {other:?}"),
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
            match self.leader() {
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
                    // A leader whose majority is gone, and one that was voted for meanwhile.
                    if round % 100 == 99 {
                        let id = self.any_id();
                        self.fire(id, Timer::Election);
                        self.carry_out(id);
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
            let ids = self.ids();
            let writing = ids.iter().copied().find(|id| !self.nodes[id].writing.is_empty());
            match (writing, self.network.is_empty()) {
                (Some(id), _) => self.write(id),
                (None, false) => self.deliver(Fate::Once),
                (None, true) => return,
            }
            for id in ids {
                self.carry_out(id);
            }
        }
    }

    /// Those that run and take part, as the leader sees it.
    fn members(&self) -> Vec<&Node> {
        let voters = self.leader().map(|id| self.nodes[&id].replica.group().voters());
        let nodes = self.nodes.iter().filter(|(id, _)| voters.is_some_and(|it| it.contains(**id)));
        nodes.map(|(_, node)| node).collect()
    }

    fn is_quiet(&self) -> bool {
        let status = |node: &&Node| {
            let status = node.replica.status();
            (status.applied, status.last)
        };
        let members = self.members();
        let mut all = members.iter().map(status);
        let first = all.next();
        first.is_some_and(|(applied, last)| applied == last) && all.all(|it| Some(it) == first)
    }

    /// What was promised to clients, and that replicas agree.
    pub(crate) fn check_end(&self) {
        let of = |node: &'_ Node| node.replica.state().values.clone();
        let lists: Vec<Vec<u64>> = self.members().into_iter().map(of).collect();
        assert!(lists.windows(2).all(|pair| pair[0] == pair[1]), "replicas differ: {lists:?}");
        let list = &lists[0];
        for node in self.nodes.values() {
            assert!(list.starts_with(&of(node)), "one that left, or never came, differs");
        }
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
