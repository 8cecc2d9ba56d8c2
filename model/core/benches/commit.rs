//! What the pure core costs: three replicas in memory, no disk, no network, one thread.
//!
//! ```text
//! cargo bench -p ringleader-core --bench commit
//! ```
//!
//! Each round hands 64 commands to the leader and carries everything out until all three replicas
//! have applied them. Printed per committed entry, over all three replicas, driver included: the
//! CPU time (minimum and median over rounds of rounds) and the number of allocations.
#![expect(clippy::disallowed_types, reason = "a bench measures time")]

use ringleader_core::group::{
    AnnounceCommit, Ask, AtElection, Config, Durable, Group, Request, Timer, Timing, Told, Trim,
};
use ringleader_core::ids::{IoNumber, LogIndex, ReplicaId, RequestId, Tick};
use ringleader_core::machine::{Effect, Effects, Input, Machine, Recovered};
use ringleader_core::quorum::ReplicaSet;
use std::collections::VecDeque;
use std::time::Instant;

type Replica = Group<u64>;
type Inputs = VecDeque<(usize, Input<Replica>)>;

const BATCH: u64 = 64;

struct Cluster {
    replicas: Vec<Replica>,
    effects: Effects<Replica>,
    /// What is to be fed, in order.
    inputs: Inputs,
    /// Writes of this step, per replica: made durable together, after the messages of the step.
    written: [IoNumber; 3],
    applied: [LogIndex; 3],
}

impl Cluster {
    fn start() -> Self {
        let mut effects = Effects::new();
        let config = |id| Config {
            id: ReplicaId(id),
            voters: ReplicaSet::first(3),
            election_timeout: Tick(300),
            heartbeat_interval: Tick(50),
            append_entries_max: 1_024,
            inflight_entries_max: 65_536,
            at_election: AtElection::AppendNoOp,
            announce_commit: AnnounceCommit::WithNextAppend,
            timing: Timing::default(),
            trim: Trim::Never,
            log_replicas: ReplicaSet::default(),
        };
        let start = |id| {
            let disk =
                Recovered { durable: Durable::default(), checkpointed: LogIndex(0), wiped: false };
            Replica::recover(&config(id), disk, Tick(0), &mut effects)
        };
        let replicas = (0..3).map(start).collect();
        effects.drain().for_each(drop);
        let mut cluster = Self {
            replicas,
            effects,
            inputs: VecDeque::new(),
            written: [IoNumber::NONE; 3],
            applied: [LogIndex(0); 3],
        };
        cluster.inputs.push_back((0, Input::Timer(Timer::Election)));
        cluster.settle();
        assert!(cluster.replicas[0].is_leader(), "nobody else campaigned");
        cluster
    }

    /// Feeds inputs until none is left. A disk is as fast as memory, and syncs after each batch of
    /// inputs.
    fn settle(&mut self) {
        loop {
            while let Some((id, input)) = self.inputs.pop_front() {
                self.replicas[id].step(Tick(0), input, &mut self.effects);
                self.carry_out(id);
            }
            for (id, written) in self.written.iter_mut().enumerate() {
                let io = core::mem::take(written);
                if io != IoNumber::NONE {
                    self.inputs.push_back((id, Input::Persisted(io)));
                }
            }
            if self.inputs.is_empty() {
                return;
            }
        }
    }

    fn carry_out(&mut self, id: usize) {
        let from = ReplicaId(u8::try_from(id).expect("three replicas"));
        for effect in self.effects.drain() {
            match effect {
                // Sends that wait for it come later in the queue than the Persisted would: here
                // nothing ever crashes.
                Effect::Write { io, .. } => self.written[id] = io,
                Effect::Send { to, message, .. } => {
                    self.inputs.push_back((usize::from(to.0), Input::Receive { from, message }));
                }
                Effect::Ask(Ask::Apply { upto }) => {
                    self.applied[id] = upto;
                    self.inputs.push_back((id, Input::Told(Told::Applied(upto))));
                }
                Effect::Halt { invariant } => panic!("{invariant}"),
                Effect::Ask(_)
                | Effect::Answer { .. }
                | Effect::Arm { .. }
                | Effect::Disarm { .. } => {}
            }
        }
    }

    fn round(&mut self, first: u64) {
        let request = Request::WriteAll((first..first + BATCH).collect());
        self.inputs.push_back((0, Input::Request { id: RequestId(first), request }));
        self.settle();
    }
}

fn main() {
    let mut cluster = Cluster::start();
    let rounds = 2_000;
    let mut samples = Vec::new();
    for sample in 0..21_u64 {
        let start = Instant::now();
        for round in 0..rounds {
            cluster.round((sample * rounds + round) * BATCH);
        }
        let entries = f64::from(u32::try_from(rounds * BATCH).expect("small"));
        samples.push(start.elapsed().as_secs_f64() * 1e9 / entries);
    }
    let expected = LogIndex(21 * rounds * BATCH + 1);
    println!("applied {:?} of {}", cluster.applied, expected.0);
    samples.sort_by(f64::total_cmp);
    println!("ns per committed entry: min {:.0}, median {:.0}", samples[0], samples[10]);
}
