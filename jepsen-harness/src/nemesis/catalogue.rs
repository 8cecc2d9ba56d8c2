//! Every nemesis by name: whom it hits, what it does to them, and how its effect is measured.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::proxy::Condition;

/// One way to hurt a cluster. Several compose into a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nemesis {
    /// The name on the command line, in the history and in the report.
    pub name: &'static str,
    /// Whom it hits.
    pub victim: Victim,
    /// What it does.
    pub harm: Harm,
    /// What it does, in a few words.
    pub does: &'static str,
    /// What must be measured while it holds; without that the run is void.
    pub measured: &'static str,
}

impl Nemesis {
    fn is_beyond(&self) -> bool {
        match self.harm {
            Harm::Injected(Order::ClockRate(ppm)) => ppm.abs() > 100_000,
            Harm::Injected(Order::ClockJump(_)) => true,
            Harm::Injected(_)
            | Harm::Kill
            | Harm::Restart
            | Harm::RestartEach
            | Harm::Pause
            | Harm::Links(..)
            | Harm::Clients(_)
            | Harm::Files(_) => false,
        }
    }

    /// Whether it ends processes and starts them again.
    fn stops(&self) -> bool {
        match self.harm {
            Harm::Kill | Harm::Restart | Harm::RestartEach | Harm::Pause | Harm::Files(_) => true,
            Harm::Injected(order) => {
                matches!(order, Order::FullDisk | Order::FailingSync | Order::PowerLoss)
            }
            Harm::Links(..) | Harm::Clients(_) => false,
        }
    }
}

/// Whom a nemesis hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// One node, by the seed.
    One,
    /// Whoever leads when it strikes.
    Leader,
    /// A node that does not lead when it strikes, by the seed.
    Follower,
    /// All nodes.
    All,
}

/// What a nemesis does to its victims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// `kill -9`, and a restart.
    Kill,
    /// Asked to stop, and a restart.
    Restart,
    /// Asked to stop and started again, one after the other, the leader last.
    RestartEach,
    /// `SIGSTOP`, and `SIGCONT`.
    Pause,
    /// A condition on links between nodes.
    Links(Reach, Condition),
    /// A condition on the way from the clients to the victims.
    Clients(Condition),
    /// What the node itself does wrong when told to.
    Injected(Order),
    /// Bytes on its disk change while it is down.
    Files(Damage),
}

/// What a node is told to do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Its clock gains so many millionths.
    ClockRate(i32),
    /// Its clock jumps ahead by so many milliseconds.
    ClockJump(u64),
    /// Its time of day is off by so many milliseconds.
    WallOffset(i64),
    /// Each sync takes so many milliseconds longer.
    SlowDisk(u64),
    /// There is no room for any write.
    FullDisk,
    /// Every sync fails.
    FailingSync,
    /// What no sync covered is gone when the process is killed, and it is.
    PowerLoss,
}

/// How bytes on a disk change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One bit in the middle of the log.
    FlipLog,
    /// The second half of what is in the log.
    CutLog,
    /// The last block that was written to the log.
    TearLog,
    /// One bit of the tree.
    FlipTree,
}

/// Which links between nodes a nemesis hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those from and to the victim.
    Around,
    /// Those on which the victim speaks.
    From,
    /// Those on which the victim hears.
    To,
    /// Those between the others: only the victim still reaches both.
    Between,
    /// Those against the direction of a ring: each node hears one other, a different majority each.
    AgainstRing,
    /// Every one.
    Every,
}

impl Reach {
    /// Whether it hits the link `from -> to` of a cluster of `nodes`.
    #[must_use]
    pub fn hits(self, victim: Option<usize>, from: usize, to: usize, nodes: usize) -> bool {
        let is_victim = |node: usize| victim.is_none_or(|victim| victim == node);
        match self {
            Self::Around => is_victim(from) || is_victim(to),
            Self::From => is_victim(from),
            Self::To => is_victim(to),
            Self::Between => Some(from) != victim && Some(to) != victim,
            Self::AgainstRing => to != (from + 1) % nodes,
            Self::Every => true,
        }
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const CUT: Condition = Condition::CUT;
const LATE: Condition = Condition { delay: ms(15), jitter: ms(25), ..Condition::WHOLE };
const LOSSY: Condition = Condition { lost: 80, ..Condition::WHOLE };
const DOUBLING: Condition = Condition { doubled: 300, ..Condition::WHOLE };
const MIXING: Condition = Condition { swapped: 200, ..Condition::WHOLE };
const NARROW: Condition = Condition { bytes_per_second: Some(48 << 10), ..Condition::WHOLE };

const DIED: &str = "died of signal 9 and did not answer";
const CLOSED: &str = "connections closed or refused, and nothing carried";

/// Every nemesis, in the order of the documentation.
pub const ALL: [Nemesis; 39] = [
    Nemesis {
        name: "kill",
        victim: Victim::One,
        harm: Harm::Kill,
        does: "kill -9 of one node, then a restart",
        measured: DIED,
    },
    Nemesis {
        name: "kill-leader",
        victim: Victim::Leader,
        harm: Harm::Kill,
        does: "kill -9 of the leader, then a restart",
        measured: DIED,
    },
    Nemesis {
        name: "kill-all",
        victim: Victim::All,
        harm: Harm::Kill,
        does: "kill -9 of all nodes at once, then a restart of all",
        measured: DIED,
    },
    Nemesis {
        name: "restart",
        victim: Victim::One,
        harm: Harm::Restart,
        does: "one node is asked to stop, and started again",
        measured: "ended with exit code 0 and did not answer",
    },
    Nemesis {
        name: "restart-leader",
        victim: Victim::Leader,
        harm: Harm::Restart,
        does: "the leader is asked to stop, and started again",
        measured: "ended with exit code 0 and did not answer",
    },
    Nemesis {
        name: "rolling-restart",
        victim: Victim::All,
        harm: Harm::RestartEach,
        does: "each node is stopped and started, one after the other, the leader last",
        measured: "each ended with exit code 0 and came back",
    },
    Nemesis {
        name: "pause",
        victim: Victim::One,
        harm: Harm::Pause,
        does: "one node stops (SIGSTOP) and later goes on",
        measured: "did not answer",
    },
    Nemesis {
        name: "pause-leader",
        victim: Victim::Leader,
        harm: Harm::Pause,
        does: "the leader stops (SIGSTOP) and later goes on, still believing that it leads",
        measured: "did not answer",
    },
    Nemesis {
        name: "pause-all",
        victim: Victim::All,
        harm: Harm::Pause,
        does: "all nodes stop (SIGSTOP) and later go on",
        measured: "none answered",
    },
    Nemesis {
        name: "isolate",
        victim: Victim::One,
        harm: Harm::Links(Reach::Around, CUT),
        does: "one node is cut off from the others, clients still reach it",
        measured: CLOSED,
    },
    Nemesis {
        name: "isolate-leader",
        victim: Victim::Leader,
        harm: Harm::Links(Reach::Around, CUT),
        does: "the leader is the minority: cut off from the others, clients still reach it",
        measured: CLOSED,
    },
    Nemesis {
        name: "isolate-follower",
        victim: Victim::Follower,
        harm: Harm::Links(Reach::Around, CUT),
        does: "the leader keeps a majority, the other node is cut off",
        measured: CLOSED,
    },
    Nemesis {
        name: "mute",
        victim: Victim::One,
        harm: Harm::Links(Reach::From, CUT),
        does: "one node's messages no longer arrive, it still hears the others",
        measured: CLOSED,
    },
    Nemesis {
        name: "deafen-leader",
        victim: Victim::Leader,
        harm: Harm::Links(Reach::To, CUT),
        does: "the leader hears nobody, the others still hear it",
        measured: CLOSED,
    },
    Nemesis {
        name: "bridge",
        victim: Victim::One,
        harm: Harm::Links(Reach::Between, CUT),
        does: "two nodes reach each other only through the third",
        measured: CLOSED,
    },
    Nemesis {
        name: "ring",
        victim: Victim::All,
        harm: Harm::Links(Reach::AgainstRing, CUT),
        does: "each node speaks to one other: a ring of majorities",
        measured: CLOSED,
    },
    Nemesis {
        name: "shatter",
        victim: Victim::All,
        harm: Harm::Links(Reach::Every, CUT),
        does: "every node is cut off from every other, clients reach all",
        measured: CLOSED,
    },
    Nemesis {
        name: "cut-clients",
        victim: Victim::One,
        harm: Harm::Clients(CUT),
        does: "clients no longer reach one node, the others do",
        measured: "connections of clients closed or refused, and nothing carried",
    },
    Nemesis {
        name: "cut-clients-leader",
        victim: Victim::Leader,
        harm: Harm::Clients(CUT),
        does: "clients no longer reach the leader, the others do",
        measured: "connections of clients closed or refused, and nothing carried",
    },
    Nemesis {
        name: "stall",
        victim: Victim::One,
        harm: Harm::Links(Reach::Around, Condition::STALLED),
        does: "one node's links hold everything back and deliver it late",
        measured: "bytes held back, and nothing carried",
    },
    Nemesis {
        name: "delay",
        victim: Victim::All,
        harm: Harm::Links(Reach::Every, LATE),
        does: "everything between nodes arrives 15 to 40 ms late",
        measured: "frames delayed",
    },
    Nemesis {
        name: "lose",
        victim: Victim::All,
        harm: Harm::Links(Reach::Every, LOSSY),
        does: "8 % of the frames between nodes never arrive",
        measured: "frames lost",
    },
    Nemesis {
        name: "repeat",
        victim: Victim::All,
        harm: Harm::Links(Reach::Every, DOUBLING),
        does: "30 % of the messages between replicas arrive twice, 5 to 10 ms apart",
        measured: "messages repeated",
    },
    Nemesis {
        name: "reorder",
        victim: Victim::All,
        harm: Harm::Links(Reach::Every, MIXING),
        does: "20 % of the messages between replicas are overtaken by later ones",
        measured: "messages overtaken",
    },
    Nemesis {
        name: "narrow",
        victim: Victim::One,
        harm: Harm::Links(Reach::Around, NARROW),
        does: "one node's links carry at most 48 KiB/s each",
        measured: "frames that waited for the line",
    },
    Nemesis {
        name: "slow-clock",
        victim: Victim::One,
        harm: Harm::Injected(Order::ClockRate(-80_000)),
        does: "one node's clock loses 8 %: within the tenth that leases allow for",
        measured: "the rate of the clock, from outside",
    },
    Nemesis {
        name: "fast-clock",
        victim: Victim::One,
        harm: Harm::Injected(Order::ClockRate(80_000)),
        does: "one node's clock gains 8 %: within the tenth that leases allow for",
        measured: "the rate of the clock, from outside",
    },
    Nemesis {
        name: "wall-clock",
        victim: Victim::One,
        harm: Harm::Injected(Order::WallOffset(-3_600_000)),
        does: "one node's time of day is an hour behind",
        measured: "the node says so",
    },
    Nemesis {
        name: "stopping-clock-leader",
        victim: Victim::Leader,
        harm: Harm::Injected(Order::ClockRate(-990_000)),
        does: "the leader's clock all but stops: beyond what leases allow for",
        measured: "the rate of the clock, from outside",
    },
    Nemesis {
        name: "clock-jump",
        victim: Victim::Follower,
        harm: Harm::Injected(Order::ClockJump(10_000)),
        does: "a follower's clock jumps ahead by 10 s: beyond what leases allow for",
        measured: "how far the clock came, from outside",
    },
    Nemesis {
        name: "slow-disk",
        victim: Victim::One,
        harm: Harm::Injected(Order::SlowDisk(30)),
        does: "each sync of one node takes 30 ms longer",
        measured: "syncs delayed",
    },
    Nemesis {
        name: "slow-disk-leader",
        victim: Victim::Leader,
        harm: Harm::Injected(Order::SlowDisk(30)),
        does: "each sync of the leader takes 30 ms longer",
        measured: "syncs delayed",
    },
    Nemesis {
        name: "full-disk",
        victim: Victim::One,
        harm: Harm::Injected(Order::FullDisk),
        does: "one node's disk has no room for any write, then it has",
        measured: "ended with exit code 4",
    },
    Nemesis {
        name: "failing-sync-leader",
        victim: Victim::Leader,
        harm: Harm::Injected(Order::FailingSync),
        does: "a sync of the leader fails",
        measured: "ended with exit code 4",
    },
    Nemesis {
        name: "power-loss",
        victim: Victim::All,
        harm: Harm::Injected(Order::PowerLoss),
        does: "all nodes lose what no sync covered: kept in memory, and killed",
        measured: DIED,
    },
    Nemesis {
        name: "flip-log",
        victim: Victim::One,
        harm: Harm::Files(Damage::FlipLog),
        does: "a bit flips in one node's log while it is down; mended later",
        measured: "the node refuses to start, with exit code 4",
    },
    Nemesis {
        name: "cut-log",
        victim: Victim::One,
        harm: Harm::Files(Damage::CutLog),
        does: "one node's log loses its second half while it is down; mended later",
        measured: "the node refuses to start, with exit code 4",
    },
    Nemesis {
        name: "tear-log",
        victim: Victim::One,
        harm: Harm::Files(Damage::TearLog),
        does: "one node's log loses the last block that was synced, which the others hold",
        measured: "bytes lost, and the node starts without them",
    },
    Nemesis {
        name: "flip-tree",
        victim: Victim::One,
        harm: Harm::Files(Damage::FlipTree),
        does: "a bit flips in one node's tree while it is down; mended later",
        measured: "the node refuses to start, with exit code 4",
    },
];

/// The nemesis of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Nemesis> {
    ALL.iter().find(|nemesis| nemesis.name == name)
}

/// What strikes at one time: one nemesis or several together, written `kill-leader+delay`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(Vec<&'static Nemesis>);

impl Fault {
    /// What strikes together, in this order; it is healed in the opposite one.
    #[must_use]
    pub fn parts(&self) -> &[&'static Nemesis] {
        &self.0
    }

    /// Whether it needs the clients' connections to go through the harness.
    #[must_use]
    pub fn concerns_clients(&self) -> bool {
        self.0.iter().any(|nemesis| matches!(nemesis.harm, Harm::Clients(_)))
    }

    /// Whether it can be done to servers that somebody else started.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.0.iter().all(|nemesis| {
            matches!(nemesis.harm, Harm::Clients(_)) && nemesis.victim != Victim::Leader
        })
    }

    /// Whether the nodes themselves have to do something wrong.
    #[must_use]
    pub fn is_injected(&self) -> bool {
        self.0.iter().any(|nemesis| matches!(nemesis.harm, Harm::Injected(_)))
    }

    /// Whether it goes beyond what the clocks of a cluster with leases may do: stale reads are then
    /// to be expected, and without leases none.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        self.0.iter().any(|nemesis| nemesis.is_beyond())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|nemesis| nemesis.name).collect();
        f.pad(&names.join("+"))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts: Vec<&'static Nemesis> = Vec::new();
        for name in text.split('+') {
            let name = name.trim();
            let Some(nemesis) = named(name) else {
                let names: Vec<_> = ALL.iter().map(|nemesis| nemesis.name).collect();
                return Err(format!("no fault is called {name:?}; there are {}", names.join(", ")));
            };
            if parts.contains(&nemesis) {
                return Err(format!("the fault {text} names {name} twice"));
            }
            parts.push(nemesis);
        }
        let stopping: Vec<_> = parts.iter().filter(|nemesis| nemesis.stops()).collect();
        if stopping.len() > 1 && stopping.iter().any(|nemesis| nemesis.victim == Victim::All) {
            return Err(format!("the fault {text} stops all nodes and then some of them again"));
        }
        // The others must hold what a damaged disk loses, and nobody may fail beside it.
        let damages = |nemesis: &&Nemesis| matches!(nemesis.harm, Harm::Files(_));
        if parts.len() > 1 && parts.iter().any(damages) {
            return Err(format!("the fault {text} damages a disk, which it may only do alone"));
        }
        Ok(Self(parts))
    }
}

/// Reads a list of faults, separated by commas; `none` is the empty one, `all` each nemesis that does
/// not go beyond what is promised.
///
/// # Errors
///
/// If one of them does not exist; the text names those that do.
pub fn faults(text: &str) -> Result<Vec<Fault>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    if text == "all" {
        let promised = ALL.iter().filter(|nemesis| !nemesis.is_beyond());
        return Ok(promised.map(|nemesis| Fault(vec![nemesis])).collect());
    }
    text.split(',').map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_unknown_ones_are_refused() {
        for (position, nemesis) in ALL.iter().enumerate() {
            let fault: Fault = nemesis.name.parse().unwrap();
            assert_eq!(fault.parts(), [nemesis]);
            assert_eq!(fault.to_string(), nemesis.name);
            assert!(ALL[..position].iter().all(|other| other.name != nemesis.name));
        }
        for (text, complaint) in [
            ("flood", "no fault is called \"flood\"; there are kill, "),
            ("kill+kill", "names kill twice"),
            ("flip-log+delay", "damages a disk, which it may only do alone"),
            ("kill-all+pause", "stops all nodes and then some of them again"),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn faults_compose() {
        let faults = faults("kill-leader+delay+lose, pause").unwrap();
        assert_eq!(faults[0].to_string(), "kill-leader+delay+lose");
        assert_eq!(faults[1].parts().len(), 1);
        assert!(!faults[0].concerns_clients());
        assert_eq!(super::faults("none"), Ok(Vec::new()));
        assert_eq!(super::faults("all").unwrap().len(), ALL.len() - 2);
        assert!(super::faults("pause-leader+clock-jump").unwrap()[0].is_beyond());
    }

    #[test]
    fn each_shape_of_a_cut_hits_the_links_it_is_named_for() {
        let links = |reach: Reach, victim| {
            let all = (0..3).flat_map(|from| (0..3).map(move |to| (from, to)));
            let hit = all.filter(|(from, to)| from != to && reach.hits(victim, *from, *to, 3));
            hit.collect::<Vec<_>>()
        };
        assert_eq!(links(Reach::Around, Some(1)), [(0, 1), (1, 0), (1, 2), (2, 1)]);
        assert_eq!(links(Reach::From, Some(1)), [(1, 0), (1, 2)]);
        assert_eq!(links(Reach::To, Some(1)), [(0, 1), (2, 1)]);
        assert_eq!(links(Reach::Between, Some(1)), [(0, 2), (2, 0)]);
        assert_eq!(links(Reach::AgainstRing, None), [(0, 2), (1, 0), (2, 1)]);
        assert_eq!(links(Reach::Every, None).len(), 6);
    }
}
