//! What models, levels and formats are called on the command line.

use clap::ValueEnum;
use lincheck::format::{Format, Vocabulary};
use lincheck::levels::Level;
use lincheck::levels::session::Guarantee;
use lincheck::levels::transactions::RealTime;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelName {
    /// Registers: read, write
    Register,
    /// Registers: read, write, cas
    CasRegister,
    /// Items: get, put, delete, put-if
    Item,
    /// Texts: get, put, append, delete, cas
    Kv,
    /// Sets: add, remove, contains, read
    Set,
    /// Queues, first in, first out: enqueue, dequeue
    Queue,
    /// Mutexes: acquire, release
    Mutex,
    /// Counters: add, read
    Counter,
    /// Values with siblings: get, put (only level convergence)
    Siblings,
    /// Transactions on lists: append, r
    ListAppend,
    /// Transactions on values with versions: w, r
    Versioned,
}

impl ModelName {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
            Self::Item => "item",
            Self::Kv => "kv",
            Self::Set => "set",
            Self::Queue => "queue",
            Self::Mutex => "mutex",
            Self::Counter => "counter",
            Self::Siblings => "siblings",
            Self::ListAppend => "list-append",
            Self::Versioned => "versioned",
        }
    }

    /// How the operations of a cell are called; nothing for other models.
    pub(crate) const fn vocabulary(self) -> Option<Vocabulary> {
        match self {
            Self::Register => Some(Vocabulary::Register),
            Self::CasRegister => Some(Vocabulary::CasRegister),
            Self::Item => Some(Vocabulary::Item),
            Self::Kv
            | Self::Set
            | Self::Queue
            | Self::Mutex
            | Self::Counter
            | Self::Siblings
            | Self::ListAppend
            | Self::Versioned => None,
        }
    }

    /// The level that is meant if none is given.
    pub(crate) const fn level(self) -> Level {
        match self {
            Self::ListAppend | Self::Versioned => Level::Transactions(RealTime::Respected),
            Self::Siblings => Level::Convergence,
            Self::Register
            | Self::CasRegister
            | Self::Item
            | Self::Kv
            | Self::Set
            | Self::Queue
            | Self::Mutex
            | Self::Counter => Level::Linearizable,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelName {
    /// One copy of the data, in real time
    Linearizable,
    /// One copy of the data, in the order of each process
    Sequential,
    /// All four session guarantees
    Session,
    /// A process reads what it wrote, or something newer
    ReadYourWrites,
    /// A process reads what it read before, or something newer
    MonotonicReads,
    /// Writes of a process take effect in its order
    MonotonicWrites,
    /// A write takes effect after what its process had read
    WritesFollowReads,
    /// In the end all reads agree and nothing is lost or invented
    Convergence,
    /// Transactions have a serial order
    Serializable,
    /// Transactions have a serial order, in real time
    StrictSerializable,
}

impl LevelName {
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Linearizable => Level::Linearizable,
            Self::Sequential => Level::Sequential,
            Self::Session => Level::Session(None),
            Self::ReadYourWrites => Level::Session(Some(Guarantee::ReadYourWrites)),
            Self::MonotonicReads => Level::Session(Some(Guarantee::MonotonicReads)),
            Self::MonotonicWrites => Level::Session(Some(Guarantee::MonotonicWrites)),
            Self::WritesFollowReads => Level::Session(Some(Guarantee::WritesFollowReads)),
            Self::Convergence => Level::Convergence,
            Self::Serializable => Level::Transactions(RealTime::Ignored),
            Self::StrictSerializable => Level::Transactions(RealTime::Respected),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    /// One JSON object per event and line
    JsonLines,
    /// The log text of a Jepsen run on one register
    JepsenLog,
    /// The history of a Jepsen run: EDN maps
    JepsenEdn,
    /// Porcupine's key-value text
    Porcupine,
    /// A compact binary form of any of these
    Binary,
}

impl FormatName {
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::JsonLines => Format::JsonLines,
            Self::JepsenLog => Format::JepsenLog,
            Self::JepsenEdn => Format::JepsenEdn,
            Self::Porcupine => Format::Porcupine,
            Self::Binary => Format::Binary,
        }
    }
}
