//! The workloads by name, and what is asked of the history of each.

use std::fmt;
use std::str::FromStr;

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Items: reads, puts, conditional puts and deletes.
    Item,
    /// Registers: reads, writes and compare-and-set.
    Register,
    /// Counters: `UpdateItem` with `ADD`.
    Counter,
    /// Sets of numbers: `ADD` and `DELETE` of elements.
    Set,
    /// Money moves between accounts in transactions.
    Bank,
    /// Eventual reads of items.
    Sessions,
    /// Everybody works on one item.
    HotKey,
    /// Tables are made, described and deleted.
    Tables,
    /// Items are read through indexes as well.
    Index,
}

/// What is asked of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Items are linearizable.
    Items,
    /// Registers are linearizable.
    Registers,
    /// Counters are linearizable.
    Counters,
    /// Sets are linearizable.
    Sets,
    /// Transactions are strictly serializable.
    Transactions,
    /// Reads of one connection never go back; that all nodes agree in the end is found without a
    /// checker.
    Sessions,
}

impl Kind {
    /// Every workload, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Item,
        Self::Register,
        Self::Counter,
        Self::Set,
        Self::Bank,
        Self::Sessions,
        Self::HotKey,
        Self::Tables,
        Self::Index,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Register => "register",
            Self::Counter => "counter",
            Self::Set => "set",
            Self::Bank => "bank",
            Self::Sessions => "sessions",
            Self::HotKey => "hot-key",
            Self::Tables => "tables",
            Self::Index => "index",
        }
    }

    /// One line for `jepsen list`.
    #[must_use]
    pub fn does(self) -> &'static str {
        match self {
            Self::Item => "GetItem, PutItem, DeleteItem, conditional puts that tell the old item",
            Self::Register => "reads, writes and compare-and-set of registers",
            Self::Counter => "UpdateItem with ADD that tells the sum, and reads",
            Self::Set => "UpdateItem with ADD and DELETE of elements, and reads of all",
            Self::Bank => "TransactWriteItems moves money, TransactGetItems reads all accounts",
            Self::Sessions => {
                "puts, and eventual reads at the node of the connection; at the end all agree"
            }
            Self::HotKey => "everybody's reads, puts, conditional puts and deletes of one item",
            Self::Tables => "CreateTable, DescribeTable, DeleteTable",
            Self::Index => {
                "items, read from the table or through a local index; a global one at the end"
            }
        }
    }

    /// What is asked of its history.
    #[must_use]
    pub fn question(self) -> Question {
        match self {
            Self::Item | Self::HotKey | Self::Tables | Self::Index => Question::Items,
            Self::Register => Question::Registers,
            Self::Counter => Question::Counters,
            Self::Set => Question::Sets,
            Self::Bank => Question::Transactions,
            Self::Sessions => Question::Sessions,
        }
    }

    /// Fewer acknowledged operations than so many in a second of load void the run.
    #[must_use]
    pub fn rate_min(self) -> u64 {
        match self {
            Self::Bank | Self::HotKey | Self::Tables => 10,
            Self::Item
            | Self::Register
            | Self::Counter
            | Self::Set
            | Self::Sessions
            | Self::Index => 20,
        }
    }
}

impl Question {
    /// The line in the verdict table.
    #[must_use]
    pub fn promise(self) -> &'static str {
        match self {
            Self::Items | Self::Registers | Self::Counters | Self::Sets => {
                "history is linearizable"
            }
            Self::Transactions => "history is strictly serializable",
            Self::Sessions => "reads of one connection never go back",
        }
    }

    /// How `lincheck check` is asked the same.
    #[must_use]
    pub fn arguments(self) -> &'static str {
        match self {
            Self::Items => "--model item",
            Self::Registers => "--model cas-register",
            Self::Counters => "--model counter",
            Self::Sets => "--model set",
            Self::Transactions => "--model versioned",
            Self::Sessions => "--model item --level monotonic-reads",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("no workload is called {name:?}; there are {}", names.join(", "))
        })
    }
}
