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
pub const ALL: [Nemesis; 25] = [
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
        let process = |nemesis: &&&Nemesis| {
            matches!(nemesis.harm, Harm::Kill | Harm::Restart | Harm::RestartEach | Harm::Pause)
        };
        let stopping: Vec<_> = parts.iter().filter(process).collect();
        if stopping.len() > 1 && stopping.iter().any(|nemesis| nemesis.victim == Victim::All) {
            return Err(format!("the fault {text} stops all nodes and then some of them again"));
        }
        Ok(Self(parts))
    }
}

/// Reads a list of faults, separated by commas; `none` is the empty one.
///
/// # Errors
///
/// If one of them does not exist; the text names those that do.
pub fn faults(text: &str) -> Result<Vec<Fault>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    if text == "all" {
        return Ok(ALL.iter().map(|nemesis| Fault(vec![nemesis])).collect());
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
        assert_eq!(super::faults("all").unwrap().len(), ALL.len());
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
