//! What can be wrong with transactions, by the names of the literature, and in words.

use std::fmt::Write as _;

use super::{NEVER, Transactions};

/// The kinds of anomalies, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnomalyClass {
    /// A read of something that nobody wrote.
    Garbage,
    /// A transaction did not see what it had seen or written itself just before.
    Internal,
    /// One version was installed twice, or one value stands twice in a list.
    DuplicateWrite,
    /// Reads of one list that are not prefixes of one another (Elle, section 4.2).
    IncompatibleOrder,
    /// G1a, aborted read: a read of what an aborted transaction wrote (Adya, section 4.2.3).
    G1a,
    /// G1b, intermediate read: a read of what its transaction overwrote itself.
    G1b,
    /// G0, write cycle: `ww` edges only.
    G0,
    /// G1c, circular information flow: `ww` and `wr` edges.
    G1c,
    /// Lost update: two transactions read one version and both installed a next one.
    LostUpdate,
    /// G-single, read skew and its like: exactly one `rw` edge.
    GSingle,
    /// G2, write skew and its like: several `rw` edges.
    G2,
    /// As G0, but only together with real time.
    G0RealTime,
    /// As G1c, but only together with real time: a read from the future.
    G1cRealTime,
    /// As G-single, but only together with real time: a stale read.
    GSingleRealTime,
    /// As G2, but only together with real time.
    G2RealTime,
}

impl AnomalyClass {
    /// Its name, as on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage-read",
            Self::Internal => "internal",
            Self::DuplicateWrite => "duplicate-write",
            Self::IncompatibleOrder => "incompatible-order",
            Self::G1a => "G1a",
            Self::G1b => "G1b",
            Self::G0 => "G0",
            Self::G1c => "G1c",
            Self::LostUpdate => "lost-update",
            Self::GSingle => "G-single",
            Self::G2 => "G2",
            Self::G0RealTime => "G0-realtime",
            Self::G1cRealTime => "G1c-realtime",
            Self::GSingleRealTime => "G-single-realtime",
            Self::G2RealTime => "G2-realtime",
        }
    }
}

/// Why one transaction comes before another, or what is wrong between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The second installed the version after the one that the first installed.
    WriteWrite {
        /// The key.
        key: u32,
        /// The version that the first installed.
        version: u64,
    },
    /// The second read what the first installed.
    WriteRead {
        /// The key.
        key: u32,
        /// The version that the first installed.
        version: u64,
    },
    /// The second installed the version after the one that the first read.
    ReadWrite {
        /// The key.
        key: u32,
        /// The version that the first read.
        version: u64,
    },
    /// The first returned strictly before the second was invoked.
    RealTime,
    /// No order: both have to do with this version.
    Version {
        /// The key.
        key: u32,
        /// The version.
        version: u64,
    },
}

/// One transaction and another, and what is between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The position of the first.
    pub from: u32,
    /// The position of the second; the same if there is only one.
    pub to: u32,
    /// What is between them.
    pub reason: Reason,
}

impl Dependency {
    /// About one transaction.
    #[must_use]
    pub const fn alone(transaction: u32, reason: Reason) -> Self {
        Self { from: transaction, to: transaction, reason }
    }
}

/// Something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Its class.
    pub class: AnomalyClass,
    /// For a cycle its edges, each from where the one before led to; otherwise what was seen.
    pub evidence: Vec<Dependency>,
}

/// The words in which an anomaly is told.
pub trait TransactionSpeech {
    /// A key: `x`.
    fn key(&self, key: u32) -> String;
    /// A version of a key, after "version" or alone: `version 3`, `[1 2 3]`.
    fn version(&self, key: u32, version: u64) -> String;
    /// All that the transaction did, in its order: `append x 3, read y -> [1 2]`.
    fn transaction(&self, at: u32) -> String;
}

impl Anomaly {
    /// Whether the evidence is a cycle.
    #[must_use]
    pub fn is_cycle(&self) -> bool {
        self.class == AnomalyClass::LostUpdate && self.evidence.len() > 1
            || (self.class >= AnomalyClass::G0 && self.class != AnomalyClass::LostUpdate)
    }

    /// The positions of the transactions in it, each once.
    #[must_use]
    pub fn transactions(&self) -> Vec<u32> {
        let mut found = Vec::new();
        for edge in &self.evidence {
            for at in [edge.from, edge.to] {
                if !found.contains(&at) {
                    found.push(at);
                }
            }
        }
        found
    }

    /// One sentence.
    #[must_use]
    pub fn summary(&self, transactions: &Transactions) -> String {
        let names: Vec<String> =
            self.transactions().iter().map(|at| name(transactions, *at)).collect();
        let what = if self.is_cycle() { "a cycle of" } else { "seen at" };
        format!("{}: {what} {}", self.class.name(), names.join(", "))
    }

    /// The whole story: each edge, and why it cannot be.
    #[must_use]
    pub fn prose(&self, transactions: &Transactions, speech: &impl TransactionSpeech) -> String {
        let mut prose = String::new();
        for edge in &self.evidence {
            let (from, to) = (name(transactions, edge.from), name(transactions, edge.to));
            let (key, version) = match edge.reason {
                Reason::WriteWrite { key, version }
                | Reason::WriteRead { key, version }
                | Reason::ReadWrite { key, version }
                | Reason::Version { key, version } => {
                    (speech.key(key), speech.version(key, version))
                }
                Reason::RealTime => (String::new(), String::new()),
            };
            let _ = match edge.reason {
                Reason::WriteWrite { .. } => writeln!(
                    prose,
                    "{from} must come before {to}, because it wrote {version} of {key} and the \
                     other wrote the next one."
                ),
                Reason::WriteRead { .. } if self.is_cycle() => writeln!(
                    prose,
                    "{from} must come before {to}, because it wrote {version} of {key}, which the \
                     other read."
                ),
                Reason::ReadWrite { .. } => writeln!(
                    prose,
                    "{from} must come before {to}, because it read {version} of {key} and the \
                     other wrote the next one."
                ),
                Reason::RealTime => {
                    let list = transactions.list();
                    let returned = list[edge.from as usize].returned;
                    let invoked = list[edge.to as usize].invoked;
                    writeln!(
                        prose,
                        "{from} must come before {to}, because it returned at {returned}, before \
                         the other was invoked at {invoked}."
                    )
                }
                Reason::WriteRead { .. } | Reason::Version { .. } => {
                    writeln!(prose, "{}", self.seen(&from, &to, &key, &version))
                }
            };
        }
        if self.is_cycle() {
            prose.push_str("So each of them must come before itself.\n");
        }
        prose
    }

    /// What is wrong with a version, without a cycle.
    fn seen(&self, from: &str, to: &str, key: &str, version: &str) -> String {
        match self.class {
            AnomalyClass::Garbage => {
                format!("{to} saw {version} of {key}, which nobody wrote.")
            }
            AnomalyClass::Internal => format!(
                "{to} saw {version} of {key}, which is not what it had seen or written itself \
                 before."
            ),
            AnomalyClass::DuplicateWrite if from == to => {
                format!("{to} saw a value twice in {version} of {key}, or wrote it twice.")
            }
            AnomalyClass::DuplicateWrite => {
                format!("{from} and {to} both wrote {version} of {key}.")
            }
            AnomalyClass::IncompatibleOrder => format!(
                "{from} and {to} read lists of {key} of which neither begins with the other: \
                 {version}."
            ),
            AnomalyClass::G1a => {
                format!("{to} saw {version} of {key}, which {from} wrote, but that was aborted.")
            }
            AnomalyClass::G1b => format!(
                "{to} saw {version} of {key}, which {from} wrote and overwrote itself: nobody else \
                 may see it."
            ),
            AnomalyClass::LostUpdate => format!(
                "{from} and {to} both read one version of {key} and both wrote {version}: one \
                 update is lost."
            ),
            AnomalyClass::G0
            | AnomalyClass::G1c
            | AnomalyClass::GSingle
            | AnomalyClass::G2
            | AnomalyClass::G0RealTime
            | AnomalyClass::G1cRealTime
            | AnomalyClass::GSingleRealTime
            | AnomalyClass::G2RealTime => format!("{from} and {to}: {version} of {key}."),
        }
    }
}

/// `the transaction of process 3 (line 17)`.
fn name(transactions: &Transactions, at: u32) -> String {
    let transaction = &transactions.list()[at as usize];
    let unknown = if transaction.returned == NEVER { ", outcome unknown" } else { "" };
    format!(
        "the transaction by process {} (line {}{unknown})",
        transaction.process, transaction.line
    )
}
