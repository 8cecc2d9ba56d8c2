//! Transactions over many keys: serializable and strict serializable, by the order of versions.
//!
//! Sources: Adya, "Weak consistency: a generalized theory and optimistic implementations for
//! distributed transactions" (1999), chapter 4 (dependencies and phenomena); Kingsbury and Alvaro,
//! "Elle: inferring isolation anomalies from experimental observations" (VLDB 2020), sections 4 to
//! 6 (what a read of a list says about the order of its versions; shortest cycles by class).
//! Papadimitriou, "The serializability of concurrent database updates" (1979) for why the general
//! problem, without versions, is hard.
//!
//! # What is decided, and why that is exact
//! Every write installs a *version* of its key, and the order of a key's versions is known: they
//! carry numbers ([`Transactions`], [`read_write`]), or the values read are lists that show it
//! ([`list_append`]). A transaction comes before another if
//!
//! | edge | because the first | and the second |
//! |---|---|---|
//! | `ww` | installed a version | installed the next one |
//! | `wr` | installed a version | read it |
//! | `rw` | read a version | installed the next one |
//! | real time | returned | was invoked strictly later (strict serializability only) |
//!
//! A serial order that explains all reads contains every edge, so a cycle is a violation. And if
//! there is no cycle, any topological order explains all reads: between the installer of a version
//! and the installer of the next one stand exactly the readers of that version. So the check is
//! complete as well, in time linear in the history (plus sorting): the order is found by
//! executing transactions as soon as all before them are, edges are never stored, and real time
//! costs one pointer into the transactions sorted by return.
//!
//! Transactions of unknown outcome count only if somebody saw a version that they installed: one
//! that nobody saw can be taken out of any serial order. What they read is not known.
//!
//! What is wrong besides cycles (a read of what nobody wrote, of an aborted or an intermediate
//! version, a transaction that contradicts itself) is reported first; see [`AnomalyClass`].

pub mod anomaly;
pub mod judgement;
pub mod list_append;
pub mod read_write;
pub mod replay;

mod cycles;
mod order;
mod versions;

pub use anomaly::{Anomaly, AnomalyClass, Dependency, Reason};
pub use list_append::{Ending, Inferred, ListOperation, Observed};
pub use read_write::VersionedOperation;

use order::{Ordered, order};
use versions::Versions;

use crate::patience::Patience;
use crate::search::Shortage;

/// Marks a write whose version nobody knows, in [`Access::version`].
pub const UNPLACED: u64 = u64::MAX;

/// Marks a transaction that never returned, in [`Transaction::returned`].
pub const NEVER: u64 = u64::MAX;

/// What an access did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It read a version.
    Read,
    /// It installed a version.
    Write,
}

/// One access of a transaction to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The number of the version, greater for later ones of the same key; 0 is the state before
    /// the first write. Only order counts, gaps mean nothing.
    pub version: u64,
    /// The key, numbered from 0.
    pub key: u32,
    /// Read or write.
    pub action: Action,
}

/// One transaction that took effect, or may have ([`Transactions::push`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// When it was invoked.
    pub invoked: u64,
    /// When it returned; [`NEVER`] if its outcome was not told.
    pub returned: u64,
    /// The client.
    pub process: u32,
    /// The line of its input that invoked it, or a position.
    pub line: u32,
    /// Where its accesses end; they begin where those of the one before end.
    end: u32,
}

/// A history of transactions with known versions: 32 bytes for each, and 16 for each access.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    list: Vec<Transaction>,
    accesses: Vec<Access>,
    /// How many at the end are markers.
    markers: usize,
}

impl Transactions {
    /// Room for that many.
    #[must_use]
    pub fn with_capacity(transactions: usize, accesses: usize) -> Self {
        Self {
            list: Vec::with_capacity(transactions),
            accesses: Vec::with_capacity(accesses),
            markers: 0,
        }
    }

    /// Adds a transaction that took effect, with its accesses in their order.
    ///
    /// `returned` is [`NEVER`] for one of unknown outcome whose effect was seen. One whose effect
    /// nobody saw, and one that was aborted, does not belong here.
    ///
    /// # Panics
    /// Beyond 2^32 accesses.
    pub fn push(
        &mut self,
        (process, line): (u32, u32),
        (invoked, returned): (u64, u64),
        accesses: impl IntoIterator<Item = Access>,
    ) {
        self.accesses.extend(accesses);
        let end = u32::try_from(self.accesses.len()).expect("2^32 accesses do not fit in memory");
        self.list.push(Transaction { invoked, returned, process, line, end });
    }

    /// Adds a transaction of our own that nobody invoked: it only stands between others.
    fn push_marker(&mut self, accesses: impl IntoIterator<Item = Access>) {
        self.push((0, 0), (0, NEVER), accesses);
        self.markers += 1;
    }

    /// Whether the transaction at that position is one of our own; see [`list_append`].
    #[must_use]
    pub fn is_marker(&self, at: u32) -> bool {
        at as usize >= self.list.len() - self.markers
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All, in the order they were added.
    #[must_use]
    pub fn list(&self) -> &[Transaction] {
        &self.list
    }

    /// The accesses of the transaction at that position, in their order.
    #[must_use]
    pub fn accesses(&self, at: usize) -> &[Access] {
        &self.accesses[self.range(at)]
    }

    fn range(&self, at: usize) -> std::ops::Range<usize> {
        let start = if at == 0 { 0 } else { self.list[at - 1].end };
        start as usize..self.list[at].end as usize
    }

    /// Whether `earlier` returned strictly before `later` was invoked.
    fn precedes(&self, earlier: u32, later: u32) -> bool {
        self.list[earlier as usize].returned < self.list[later as usize].invoked
    }
}

/// What a serial order must respect besides the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealTime {
    /// Nothing: serializability.
    Ignored,
    /// What returned strictly before another was invoked comes first: strict serializability.
    Respected,
}

/// What became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is a serial order: positions of the transactions, replayed.
    Legal(Vec<u32>),
    /// There is none. The worst anomaly stands first.
    Illegal(Vec<Anomaly>),
    /// A write's version is not known and matters.
    Undecided {
        /// The position of the transaction that wrote it.
        transaction: u32,
        /// Its key.
        key: u32,
    },
}

/// Decides whether there is a serial order of `transactions` that explains all reads.
///
/// # Panics
/// When the order found does not replay. That is a bug of this crate.
#[must_use]
pub fn check(transactions: &Transactions, real_time: RealTime) -> Verdict {
    check_within(transactions, real_time, &Patience::ENDLESS).expect("it had all the time")
}

/// Like [`check`], as long as there is patience.
///
/// # Errors
/// What ran out.
///
/// # Panics
/// When the order found does not replay. That is a bug of this crate.
pub fn check_within(
    transactions: &Transactions,
    real_time: RealTime,
    patience: &Patience,
) -> Result<Verdict, Shortage> {
    let versions = match Versions::of(transactions) {
        Ok(versions) => versions,
        Err(anomalies) => return Ok(Verdict::Illegal(anomalies)),
    };
    patience.look()?;
    let ordered = order(transactions, &versions, real_time, patience)?;
    patience.look()?;
    Ok(match ordered {
        Ordered::All(order) => match replay::replay(transactions, &order, real_time) {
            Ok(()) => {
                let mut order = order;
                order.retain(|at| !transactions.is_marker(*at));
                Verdict::Legal(order)
            }
            Err(error) => {
                // Only a write that could not be placed can hide a read's version.
                let unplaced = first_unplaced(transactions);
                let (transaction, key) =
                    unplaced.unwrap_or_else(|| panic!("the serial order does not replay: {error}"));
                Verdict::Undecided { transaction, key }
            }
        },
        Ordered::Stuck(done) => {
            Verdict::Illegal(vec![cycles::worst(transactions, &versions, &done, real_time)])
        }
    })
}

/// Decides what was told from values: see [`list_append::infer`] and [`read_write::infer`].
///
/// # Panics
/// As [`check`].
#[must_use]
pub fn check_inferred(inferred: &Inferred, real_time: RealTime) -> Verdict {
    check_inferred_within(inferred, real_time, &Patience::ENDLESS).expect("it had all the time")
}

/// Like [`check_inferred`], as long as there is patience.
///
/// # Errors
/// What ran out.
pub fn check_inferred_within(
    inferred: &Inferred,
    real_time: RealTime,
    patience: &Patience,
) -> Result<Verdict, Shortage> {
    if inferred.anomalies.is_empty() {
        return check_within(&inferred.transactions, real_time, patience);
    }
    let mut anomalies = inferred.anomalies.clone();
    anomalies.sort_by_key(|anomaly| anomaly.class);
    Ok(Verdict::Illegal(anomalies))
}

fn first_unplaced(transactions: &Transactions) -> Option<(u32, u32)> {
    let position = transactions.accesses.iter().position(|it| it.version == UNPLACED)?;
    let owner = transactions.list.partition_point(|it| it.end as usize <= position);
    let owner = u32::try_from(owner).expect("ends are 32 bits");
    Some((owner, transactions.accesses[position].key))
}
