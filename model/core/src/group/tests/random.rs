//! Long runs in a random world: messages are lost, doubled and reordered, disks are slow, replicas
//! are cut off, crash and lose what they had not flushed. After each step everything that the
//! group promises is checked; in the end the world heals, and the group has to make progress.
//!
//! A failure prints its seed, and the seed is the whole run.

use super::world::{Event, World, config};
use crate::group::invariant::{
    Committed, at_most_one_leader_per_term, commits_agree, committed_are_durable,
    leader_is_complete, logs_match,
};
use crate::group::{
    AnnounceCommit, AtElection, Config, Drift, Lease, Payload, Request, Timer, Timing,
};
use crate::ids::{LogIndex, ReplicaId, RequestId, Tick};
use crate::quorum::ReplicaSet;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

const STEPS: usize = 3_000;

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// A world, and what an observer that sees everything remembers of it.
struct Run {
    random: Random,
    world: World<u64>,
    voters: ReplicaSet,
    /// The one that nobody reaches, and that reaches nobody.
    cut_off: Option<ReplicaId>,
    /// What any replica ever took for committed.
    committed: Vec<Committed<u64>>,
    /// The commit index of each replica's present incarnation.
    commits: Vec<LogIndex>,
    requests: u64,
    /// The command of each open write; commands are unique.
    writes: BTreeMap<RequestId, u64>,
    /// For each open read, the last index that was answered before it was asked.
    reads: BTreeMap<RequestId, LogIndex>,
    last_answered: LogIndex,
    /// Requests that were answered: none is answered twice.
    ended: BTreeSet<RequestId>,
    seen: Seen,
}

/// What makes a run worth running.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    elections: u32,
    writes: u32,
    reads: u32,
    unknown: u32,
    crashes: u32,
    ranges: u32,
    /// Entries that a later leader replaced.
    overwrites: u32,
    /// Steps after which some leader could read alone.
    leases: u32,
}

/// Every rule about time, for clocks of which one may be twice as fast as another.
fn timing() -> Timing {
    let drift = Drift { parts: 1, of: 3 };
    Timing {
        evidence: Some(Tick(60)),
        quorum_timeout: Some(Tick(300)),
        lease: Some(Lease { span: Tick(40), drift }),
    }
}

fn options(seed: u64, replicas: u8) -> Config {
    Config {
        voters: ReplicaSet::first(replicas),
        append_entries_max: 1 + seed % 3,
        inflight_entries_max: 2 + seed % 5,
        at_election: [AtElection::AppendNoOp, AtElection::Wait][usize::from(seed % 4 == 3)],
        announce_commit: [AnnounceCommit::WithNextAppend, AnnounceCommit::AtOnce]
            [usize::from(seed % 2 == 1)],
        timing: if seed % 3 == 1 { timing() } else { Timing::default() },
        ..config()
    }
}

impl Run {
    fn new(seed: u64, replicas: u8) -> Self {
        let config = options(seed, replicas);
        Self {
            random: Random(seed),
            world: World::new(&config),
            voters: config.voters,
            cut_off: None,
            committed: Vec::new(),
            commits: config.voters.iter().map(|_| LogIndex::ZERO).collect(),
            requests: 0,
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            last_answered: LogIndex::ZERO,
            ended: BTreeSet::new(),
            seen: Seen::default(),
        }
    }

    /// One random thing happens.
    fn step(&mut self) {
        let id = ReplicaId(u8::try_from(self.random.below(self.world.nodes.len())).unwrap());
        let on_the_way = self.world.network.len();
        for id in self.voters.iter() {
            let ticks = 1 + self.random.next() % 2;
            self.world.pass(id, ticks);
        }
        match self.random.below(100) {
            0..50 if on_the_way > 0 => {
                // Mostly in order, sometimes not; sometimes a copy stays.
                let position =
                    if self.random.one_in(4) { self.random.below(on_the_way) } else { 0 };
                let keep = self.random.one_in(20);
                self.deliver(position, keep);
            }
            50..55 if on_the_way > 0 => {
                let lost = self.random.below(on_the_way);
                self.world.network.remove(lost);
            }
            55..75 => self.persist_some(id),
            75..76 if self.world.is_armed(id, Timer::Election) => {
                self.world.fire(id, Timer::Election);
            }
            76..80 if self.world.is_armed(id, Timer::Heartbeat) => {
                self.world.fire(id, Timer::Heartbeat);
            }
            80..81 if self.world.is_armed(id, Timer::Quorum) => self.world.fire(id, Timer::Quorum),
            81..88 => {
                let id = self.contact(id);
                self.write(id);
            }
            88..94 => {
                let id = self.contact(id);
                self.read(id);
            }
            94..97 => self.world.report_applied(id),
            97 => self.world.checkpoint(id),
            98 if self.random.one_in(3) => {
                self.world.crash(id);
                self.commits[usize::from(id.0)] = LogIndex::ZERO;
                self.seen.crashes += 1;
            }
            99 => self.cut_off = self.random.one_in(2).then_some(id),
            _ => {}
        }
    }

    /// A message arrives, unless its sender or receiver is cut off.
    fn deliver(&mut self, position: usize, keep: bool) {
        let envelope = &self.world.network[position];
        if self.cut_off.is_some_and(|id| id == envelope.from || id == envelope.to) {
            self.world.network.remove(position);
        } else {
            self.world.deliver(position, keep);
        }
    }

    /// The disk gets some way: not always to the end.
    fn persist_some(&mut self, id: ReplicaId) {
        let pending = self.world.pending(id);
        if !pending.is_empty() {
            let upto = pending[self.random.below(pending.len())];
            self.world.persist(id, upto);
        }
    }

    /// Clients mostly ask somebody who leads, or thinks so.
    fn contact(&mut self, any: ReplicaId) -> ReplicaId {
        let leads = |id: &ReplicaId| self.world.nodes[usize::from(id.0)].replica.is_leader();
        let leaders: Vec<_> = self.voters.iter().filter(leads).collect();
        if leaders.is_empty() || self.random.one_in(4) {
            return any;
        }
        leaders[self.random.below(leaders.len())]
    }

    fn write(&mut self, id: ReplicaId) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.writes.insert(request, self.requests);
        self.world.ask(id, request, Request::Write(self.requests));
        request
    }

    fn read(&mut self, id: ReplicaId) {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.reads.insert(request, self.last_answered);
        self.world.ask(id, request, Request::Read);
    }

    /// Checks everything that the last step may have broken.
    fn observe(&mut self) {
        self.observe_commits();
        let events: Vec<_> = self.world.events.drain(..).collect();
        for (_, event) in events {
            self.observe_event(&event);
        }
        let world = &self.world;
        let replicas: Vec<_> = world.nodes.iter().map(|node| &node.replica).collect();
        assert!(at_most_one_leader_per_term(&replicas), "ELECTION-1");
        let durable = |id: ReplicaId| world.nodes[usize::from(id.0)].disk.log.clone();
        assert!(committed_are_durable(&self.committed, self.voters, durable), "COMMIT-1");
        let holds = |id: &ReplicaId| {
            let node = &world.nodes[usize::from(id.0)];
            node.replica.holds_lease(node.clock)
        };
        for holder in self.voters.iter().filter(holds) {
            let term = |id: ReplicaId| world.nodes[usize::from(id.0)].replica.term();
            let leads_later = |id: ReplicaId| {
                world.nodes[usize::from(id.0)].replica.is_leader() && term(id) > term(holder)
            };
            assert!(!self.voters.iter().any(leads_later), "LEASE-1");
            self.seen.leases += 1;
        }
        for (position, node) in world.nodes.iter().enumerate() {
            let (replica, log) = (&node.replica, &node.memory);
            assert!(commits_agree(&self.committed, replica.commit(), log), "COMMIT-3");
            if replica.is_leader() {
                assert!(leader_is_complete(&self.committed, replica.term(), log), "COMMIT-2");
            }
            for other in &world.nodes[position + 1..] {
                assert!(logs_match(log, &other.memory), "LOG-4");
            }
        }
    }

    fn observe_commits(&mut self) {
        for (position, node) in self.world.nodes.iter().enumerate() {
            let commit = node.replica.commit();
            assert!(commit >= self.commits[position], "a commit index went back");
            self.commits[position] = commit;
            for index in self.committed.len() as u64 + 1..=commit.0 {
                let entry = node.memory.entry(LogIndex(index)).expect("within the log");
                self.committed.push(Committed { entry, in_term: node.replica.term() });
            }
        }
    }

    fn observe_event(&mut self, event: &Event<u64>) {
        match *event {
            Event::Answers(id, index) => {
                let command = self.writes.remove(&id).expect("a write, answered once");
                let entry = &self.committed[usize::try_from(index.0).unwrap() - 1].entry;
                assert_eq!(entry.payload, Payload::Command(command), "answered from another entry");
                self.last_answered = self.last_answered.max(index);
                assert!(self.ended.insert(id), "answered twice");
                self.seen.writes += 1;
            }
            Event::Reads(id, index) => {
                let answered_before = self.reads.remove(&id).expect("a read, answered once");
                assert!(index >= answered_before, "READ-1: {id:?} misses a write");
                assert!(self.ended.insert(id), "answered twice");
                self.seen.reads += 1;
            }
            Event::Refuses(id, answer) => {
                assert!(self.ended.insert(id), "answered twice");
                self.seen.unknown += u32::from(answer == crate::group::Answer::Unknown);
            }
            Event::Halts(invariant) => panic!("halted: {invariant}"),
            Event::Leads(_) => self.seen.elections += 1,
            Event::SendsRange(..) => self.seen.ranges += 1,
            Event::Stages(..) | Event::Installs(_) => unreachable!("nothing is trimmed"),
            Event::Writes(..) | Event::Holds(..) | Event::Sends(..) | Event::Applies(..) => {}
        }
    }

    /// The world heals: somebody leads, what was lost is found, and a write gets through.
    fn heal(&mut self) {
        let ids: Vec<_> = self.voters.iter().collect();
        for &id in ids.iter().cycle().take(8 * ids.len()) {
            self.settle();
            let leader = self.leader().unwrap_or(id);
            for id in self.voters.iter() {
                self.world.pass(id, 1_000);
            }
            let led = self.world.is_armed(leader, Timer::Heartbeat);
            self.world.fire(leader, if led { Timer::Heartbeat } else { Timer::Election });
        }
        self.settle();
        let leader = self.leader().expect("somebody leads");
        let request = self.write(leader);
        self.settle();
        assert!(self.ended.contains(&request), "a write is answered");
        self.world.fire(leader, Timer::Heartbeat);
        self.settle();
        for node in &self.world.nodes {
            assert_eq!(node.replica.commit(), LogIndex(self.committed.len() as u64));
            assert_eq!(node.applied, self.world.nodes[0].applied, "all apply the same");
            assert_eq!(node.memory, node.disk.log);
        }
    }

    fn settle(&mut self) {
        self.world.settle();
        self.observe();
    }

    /// Who leads the latest term.
    fn leader(&self) -> Option<ReplicaId> {
        let replica = |id: ReplicaId| &self.world.nodes[usize::from(id.0)].replica;
        let leaders = self.voters.iter().filter(|&id| replica(id).is_leader());
        leaders.max_by_key(|&id| replica(id).term())
    }
}

fn run(seed: u64, replicas: u8) -> Seen {
    let mut run = Run::new(seed, replicas);
    for _ in 0..STEPS {
        run.step();
        run.observe();
    }
    run.heal();
    Seen { overwrites: run.world.overwrites, ..run.seen }
}

/// Names the seed of a run that fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if super::std::thread::panicking() {
            super::std::eprintln!("the run of seed {} broke", self.0);
        }
    }
}

#[test]
fn three_replicas_keep_every_promise() {
    let seen: Vec<_> = (0..24).map(Seed).map(|named| run(named.0, 3)).collect();
    // Runs in which nothing happens would keep every promise, too.
    let total = |count: fn(&Seen) -> u32| seen.iter().map(count).sum::<u32>();
    for (what, count, least) in [
        ("elections", total(|it| it.elections), 100),
        ("answered writes", total(|it| it.writes), 300),
        ("answered reads", total(|it| it.reads), 100),
        ("unknown writes", total(|it| it.unknown), 100),
        ("crashes", total(|it| it.crashes), 100),
        ("reads of released entries", total(|it| it.ranges), 100),
        ("replaced entries", total(|it| it.overwrites), 20),
        ("leases", total(|it| it.leases), 1_000),
    ] {
        assert!(count >= least, "only {count} {what}");
    }
}

/// An even group needs more than half.
#[test]
fn four_replicas_keep_every_promise() {
    for seed in 100..104 {
        let named = Seed(seed);
        run(named.0, 4);
    }
}
