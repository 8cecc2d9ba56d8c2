//! Consistency levels besides linearizability.
//!
//! | level | asks | decided by | limits |
//! |---|---|---|---|
//! | linearizable | one copy of the data, in real time | [`checker`](crate::checker) | |
//! | sequential | one copy, in the order of each process | [`sequential`] | all keys at once; exponential in the processes |
//! | session guarantees | what one process may expect | [`session`] | cells, distinct values, key by key |
//! | convergence | what holds once all is quiet | [`convergence`] | cells, sets, siblings |
//! | serializable, strict serializable | transactions in a row | [`transactions`] | versions known |

pub mod convergence;
pub mod sequential;
pub mod session;
pub mod transactions;

use session::Guarantee;
use transactions::RealTime;

/// What a history is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Linearizability.
    Linearizable,
    /// Sequential consistency.
    Sequential,
    /// One session guarantee, or all four.
    Session(Option<Guarantee>),
    /// Convergence.
    Convergence,
    /// Serializability, strict or not.
    Transactions(RealTime),
}

impl Level {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linearizable => "linearizable",
            Self::Sequential => "sequential",
            Self::Session(None) => "session",
            Self::Session(Some(guarantee)) => guarantee.name(),
            Self::Convergence => "convergence",
            Self::Transactions(RealTime::Ignored) => "serializable",
            Self::Transactions(RealTime::Respected) => "strict-serializable",
        }
    }
}
