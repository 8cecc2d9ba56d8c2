//! What is to happen in a run, before it runs: made from a seed, and small enough to take things out
//! of it one by one.
//!
//! Each seed switches on its own choice of faults, at its own rates: a run with every fault at once
//! hides what one of them alone would show (Groce et al., "Swarm testing", ISSTA 2012).

use crate::clock::{RATE_MAX, RATE_MIN};
use crate::random::Random;

/// One millisecond of virtual time, in microseconds.
pub const MS: u64 = 1_000;

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Operations of clients in the phase with faults.
    pub operations: u32,
    /// Faults that are planned, at least; what the network does to single messages comes on top.
    pub faults: u32,
}

impl Default for Size {
    /// What the gate runs.
    fn default() -> Self {
        Self { operations: 600, faults: 8 }
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed of everything that is decided while it runs.
    pub seed: u64,
    /// Replicas: 3 or 5.
    pub nodes: u8,
    /// Clients, each with one operation at a time.
    pub clients: u8,
    /// Items.
    pub keys: u8,
    /// What the network does to messages.
    pub network: Network,
    /// How long the log's disk takes.
    pub disk: Latency,
    /// Limits of the group and of its storage.
    pub limits: Limits,
    /// What goes wrong, by time.
    pub faults: Vec<Planned>,
    /// What clients do, by time.
    pub operations: Vec<PlannedOperation>,
}

/// A least time, and the bound of a random addition, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// At least this.
    pub least: u64,
    /// And up to this more.
    pub jitter: u64,
}

impl Latency {
    pub(crate) fn draw(self, random: &mut Random) -> u64 {
        self.least + random.below(self.jitter + 1)
    }
}

/// What the network does to messages; shares are parts of a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// How long a message takes.
    pub delay: Latency,
    /// Lost.
    pub loss: u32,
    /// Delivered twice.
    pub duplicate: u32,
    /// Held back, so that later ones overtake it.
    pub reorder: u32,
    /// Delivered with a flipped bit.
    pub corrupt: u32,
}

/// Limits that decide which paths of the code a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the group's configuration.
    pub append_entries_max: u64,
    /// Of the group's configuration.
    pub inflight_entries_max: u64,
    /// Of the log.
    pub segment_length: u64,
    /// Of the tree.
    pub delta_bytes_max: usize,
    /// Of the tree.
    pub fold_keys_max: usize,
}

/// A fault and when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Microseconds since the start.
    pub at: u64,
    /// What happens.
    pub fault: Fault,
}

/// Something that goes wrong, or that somebody does to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing reaches these nodes or leaves them, except among themselves.
    Cut {
        /// Bits of node numbers.
        nodes: u8,
        /// How long.
        span: u64,
    },
    /// Nothing that one node says reaches another.
    OneWayCut {
        /// The speaker.
        from: u8,
        /// Who does not hear it.
        to: u8,
        /// How long.
        span: u64,
    },
    /// A process ends, and starts again after a while.
    Kill {
        /// Whose.
        node: Target,
        /// How long it is down.
        span: u64,
    },
    /// A node loses power, and starts again after a while.
    PowerLoss {
        /// Which.
        node: Target,
        /// How long it is down.
        span: u64,
    },
    /// All nodes lose power.
    AllDown {
        /// How long the first of them is down.
        span: u64,
    },
    /// A process stands still.
    Pause {
        /// Whose.
        node: Target,
        /// How long.
        span: u64,
    },
    /// A clock goes at another rate from now on.
    ClockRate {
        /// Whose.
        node: u8,
        /// Parts of a million.
        rate: u64,
    },
    /// Each write of a log takes longer.
    SlowDisk {
        /// Whose.
        node: Target,
        /// How much longer.
        extra: u64,
        /// For how long.
        span: u64,
    },
    /// The log's next write, or its sync, fails.
    LogError {
        /// Whose.
        node: Target,
        /// Which operation from now on: writes and syncs take turns.
        operation: u64,
    },
    /// The disk under the log takes no more.
    DiskFull {
        /// Whose.
        node: Target,
        /// For how long.
        span: u64,
    },
    /// A durable record of the log changes while the node is down. Once in a run: it is not coming
    /// back.
    LogDamage {
        /// Whose.
        node: u8,
    },
    /// A bit of the tree changes while the node is down.
    TreeDamage {
        /// Whose.
        node: Target,
    },
    /// An operation of the disk under the tree fails in a checkpoint.
    TreeError {
        /// Whose.
        node: Target,
        /// Which operation from now on.
        operation: u64,
    },
    /// A node makes its state durable. No fault; stalls it for a while.
    Checkpoint {
        /// Which.
        node: Target,
    },
    /// A node loses power in the middle of a checkpoint.
    CrashInCheckpoint {
        /// Which.
        node: Target,
        /// After so many operations of its disk.
        operation: u64,
    },
    /// The leader is asked to let another lead. No fault.
    Transfer,
}

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This node.
    Node(u8),
    /// Whoever leads when it comes; nobody if nobody does.
    Leader,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedOperation {
    /// Not before this; microseconds since the start.
    pub at: u64,
    /// Who.
    pub client: u8,
    /// To which item.
    pub key: u8,
    /// What.
    pub kind: OperationKind,
}

/// An operation of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// A strong read.
    Get,
    /// A read of whatever the node that is asked has applied.
    GetEventual,
    /// A write of a value that nobody has written.
    Put,
    /// A write if the item is absent.
    PutIfAbsent,
    /// A write if the item has the value that this client saw last.
    PutIfSeen,
    /// A removal.
    Delete,
}

impl Plan {
    /// The run of a seed.
    #[must_use]
    pub fn of_seed(seed: u64, size: Size) -> Self {
        let mut random = Random::fork(seed, 1);
        let nodes = if random.chance(200_000) { 5 } else { 3 };
        let clients = random.pick(&[3, 5, 8]);
        let mut plan = Self {
            seed,
            nodes,
            clients,
            keys: random.pick(&[2, 5, 12]),
            network: network(&mut random),
            disk: random.pick(&[
                Latency { least: 60, jitter: 60 },
                Latency { least: 100, jitter: 2 * MS },
                Latency { least: 3 * MS, jitter: 5 * MS },
            ]),
            limits: limits(&mut random),
            faults: Vec::new(),
            operations: Vec::new(),
        };
        let length = plan.draw_operations(&mut random, size.operations);
        plan.draw_faults(&mut random, size.faults, length);
        plan
    }

    /// Operations in bursts, so that they meet; returns when the last burst begins.
    fn draw_operations(&mut self, random: &mut Random, count: u32) -> u64 {
        let burst = random.pick(&[4, 12, 40]);
        let pause = random.pick(&[20, 60, 250]) * MS;
        let writes = random.pick(&[300_000, 500_000, 800_000]);
        let mut at = 700 * MS;
        for number in 0..count {
            if number % burst == 0 {
                at += random.below(2 * pause);
            }
            let kind = match random.chance(writes) {
                true => match random.below(100) {
                    0..45 => OperationKind::Put,
                    45..60 => OperationKind::PutIfAbsent,
                    60..96 => OperationKind::PutIfSeen,
                    _ => OperationKind::Delete,
                },
                false if random.below(8) == 0 => OperationKind::GetEventual,
                false => OperationKind::Get,
            };
            let client = small(random.below(u64::from(self.clients)));
            let key = small(random.below(u64::from(self.keys)));
            let at = at + random.below(5 * MS);
            self.operations.push(PlannedOperation { at, client, key, kind });
        }
        self.operations.sort_by_key(|operation| operation.at);
        at
    }

    fn draw_faults(&mut self, random: &mut Random, least: u32, length: u64) {
        let enabled: Vec<u64> = (0..DRAWN).filter(|_| random.chance(500_000)).collect();
        let count = least + small32(random.below(u64::from(least) * 3 + 1));
        let mut damaged = false;
        while self.faults.len() < count as usize {
            let which = match enabled[..] {
                [] => random.below(DRAWN),
                _ => random.pick(&enabled),
            };
            let at = 300 * MS + random.below(length);
            let fault = self.draw_fault(random, which, &mut damaged);
            self.faults.push(Planned { at, fault });
        }
        self.faults.sort_by_key(|planned| planned.at);
    }

    fn draw_fault(&self, random: &mut Random, which: u64, damaged: &mut bool) -> Fault {
        let nodes = u64::from(self.nodes);
        let any = small(random.below(nodes));
        let node = if random.chance(400_000) { Target::Leader } else { Target::Node(any) };
        let span = random.pick(&[20 * MS, 150 * MS, 600 * MS, 1500 * MS]);
        let span = span / 2 + random.below(span);
        match which {
            0 => Fault::Cut { nodes: small(random.between(1, (1 << nodes) - 2)), span },
            1 => {
                let to = small((u64::from(any) + random.between(1, nodes - 1)) % nodes);
                Fault::OneWayCut { from: any, to, span }
            }
            2 => Fault::Kill { node, span },
            3 => Fault::PowerLoss { node, span },
            4 => Fault::AllDown { span },
            5 => Fault::Pause { node, span },
            6 => {
                let between = random.between(RATE_MIN, RATE_MAX);
                let rate = random.pick(&[RATE_MIN, RATE_MAX, between]);
                Fault::ClockRate { node: any, rate }
            }
            7 => Fault::SlowDisk { node, extra: random.pick(&[5, 40, 200]) * MS, span },
            8 => Fault::LogError { node, operation: random.below(4) },
            9 => Fault::DiskFull { node, span },
            10 if !*damaged => {
                *damaged = true;
                Fault::LogDamage { node: any }
            }
            10 | 11 => Fault::TreeDamage { node },
            12 => Fault::TreeError { node, operation: random.below(12) },
            13 => Fault::CrashInCheckpoint { node, operation: random.below(16) },
            14 | 15 => Fault::Checkpoint { node },
            _ => Fault::Transfer,
        }
    }
}

/// How many things [`Plan::draw_fault`] chooses from.
const DRAWN: u64 = 17;

fn network(random: &mut Random) -> Network {
    let delay = random.pick(&[
        Latency { least: 30, jitter: 30 },
        Latency { least: 100, jitter: 900 },
        Latency { least: MS, jitter: 20 * MS },
    ]);
    let mut share = |most: u64| {
        let on = random.chance(500_000);
        if on { small32(random.below(most)) } else { 0 }
    };
    Network {
        delay,
        loss: share(50_000),
        duplicate: share(50_000),
        reorder: share(100_000),
        corrupt: share(5_000),
    }
}

fn limits(random: &mut Random) -> Limits {
    // A batch of appends is one record, and fits in a segment: each entry takes some 150 bytes.
    let (segment_length, inflight) = random.pick(&[
        (16 << 10, [1, 4, 16]),
        (64 << 10, [1, 16, 128]),
        (256 << 10, [1, 64, 1024]),
    ]);
    let inflight_entries_max = random.pick(&inflight);
    Limits {
        append_entries_max: random.pick(&[1, 4, 64]).min(4 * inflight_entries_max),
        inflight_entries_max,
        segment_length,
        delta_bytes_max: random.pick(&[1 << 10, 1 << 14, 4 << 20]),
        fold_keys_max: random.pick(&[1, 3, 20_000]),
    }
}

fn small(number: u64) -> u8 {
    u8::try_from(number).expect("drawn below a small bound")
}

fn small32(number: u64) -> u32 {
    u32::try_from(number).expect("drawn below a small bound")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_plan_and_seeds_differ() {
        let plan = |seed| Plan::of_seed(seed, Size::default());
        assert_eq!(plan(3), plan(3));
        assert_ne!(plan(3).operations, plan(4).operations);
    }

    #[test]
    fn plans_have_the_size_that_was_asked_for_and_one_damaged_log_at_most() {
        let size = Size { operations: 50, faults: 5 };
        let mut damages = 0;
        for seed in 0..300 {
            let plan = Plan::of_seed(seed, size);
            assert_eq!(plan.operations.len(), 50);
            assert!((5..=20).contains(&plan.faults.len()), "{}", plan.faults.len());
            assert!(plan.faults.is_sorted_by_key(|it| it.at));
            let damage = |it: &&Planned| matches!(it.fault, Fault::LogDamage { .. });
            let count = plan.faults.iter().filter(damage).count();
            assert!(count <= 1, "seed {seed}");
            damages += count;
        }
        assert!(damages > 10, "{damages}");
    }
}
