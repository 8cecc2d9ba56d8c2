//! What is said, asked and written: the nouns of a register with N copies.

use crate::ids::{ReplicaId, Tick};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The version number of a ring: which nodes own what. Never decreases on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RingEpoch(pub u64);

/// The preference list of this register (SOSP 2007, section 4.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ring {
    /// Which version of the ring this is.
    pub epoch: RingEpoch,
    /// The N owners, each a different node.
    pub owners: Vec<ReplicaId>,
    /// Who stands in for silent owners in a sloppy quorum, in this order. Disjoint from `owners`.
    pub stand_ins: Vec<ReplicaId>,
}

/// Which copies count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Placement {
    /// Those of the owners alone.
    Strict,
    /// Those of stand-ins too, once owners were silent (SOSP 2007, section 4.6). No read is sure
    /// to meet any write.
    Sloppy,
}

/// What a replica does with a request of another ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForeignEpoch {
    /// Refuses it, and says which ring it knows.
    Refuse,
    /// Takes it, as SOSP 2007 does. Two coordinators with different rings may then use quorums
    /// that share no node.
    Accept,
}

/// Who a node is, and the limits and options of its register.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Config {
    /// This node.
    pub id: ReplicaId,
    /// The ring it knows when it starts.
    pub ring: Ring,
    /// Which copies count.
    pub placement: Placement,
    /// What to do with a request of another ring.
    pub foreign_epoch: ForeignEpoch,
    /// Ask again, and in a sloppy quorum turn to stand-ins, after so long.
    pub retry_interval: Tick,
    /// Give a request up when the timer fires for it once more than this.
    pub retries_max: u8,
    /// Counters and numbers are set aside on the disk so many at once: one write per so many
    /// requests. At least 1.
    pub reserved_at_once: u64,
}

/// The place of a version in the order of all versions of its register. The field order is the
/// comparison order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stamp {
    /// Above every counter that the writer knew of.
    pub counter: u64,
    /// The node that coordinated the write; decides between equal counters.
    pub writer: ReplicaId,
}

/// A value with its stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Version<V> {
    /// Its place in the order.
    pub stamp: Stamp,
    /// The value.
    pub value: V,
}

/// How a write gets its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Above what its coordinator happens to know: one round less, and a write may be ordered
    /// before one that was answered earlier.
    OwnCounter,
    /// Above what `r` copies hold (Lynch & Shvartsman 1997).
    AskFirst {
        /// How many copies are asked for.
        r: u8,
    },
}

/// What a read does about copies that are behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    /// Nothing.
    None,
    /// Sends them what it found, and answers without waiting (SOSP 2007, section 5).
    Asynchronous,
    /// Answers only when `w` copies hold what it found (Attiya, Bar-Noy & Dolev 1995).
    Blocking {
        /// How many copies must hold it.
        w: u8,
    },
}

/// What a client may ask any node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request<V> {
    /// Replace the value.
    Write {
        /// The new value.
        value: V,
        /// How many copies must hold it before the answer.
        w: u8,
        /// How it is ordered among the others.
        order: Order,
    },
    /// Say what the value is.
    Read {
        /// How many copies are asked for.
        r: u8,
        /// What is done about those that are behind.
        repair: Repair,
    },
}

/// How a request ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Answer<V> {
    /// As many copies as were asked for hold the value.
    Written(Stamp),
    /// The highest version among as many copies as were asked for; nothing if they held nothing.
    Found(Option<Version<V>>),
    /// There are only so many copies, and at least one must be asked for. Nothing was done.
    NoSuchQuorum {
        /// How many copies there are.
        copies: u8,
    },
    /// The write may have happened, or may still happen.
    Unknown,
    /// Too few copies answered the read in time.
    Unavailable,
}

/// What nodes say to each other. Messages may be lost, delayed, reordered and duplicated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Message<V> {
    /// "By ring `epoch`, keep this; if `keep_for` names somebody, keep it in their stead."
    Store {
        /// The speaker's ring.
        epoch: RingEpoch,
        /// What to keep.
        version: Version<V>,
        /// The silent owner in whose stead it is kept.
        keep_for: Option<ReplicaId>,
    },
    /// "I hold `stamp`, or something later, durably."
    Stored {
        /// The ring of the request.
        epoch: RingEpoch,
        /// What was to be kept.
        stamp: Stamp,
    },
    /// "By ring `epoch`, what do you hold? This is my question `number`."
    Question {
        /// The speaker's ring.
        epoch: RingEpoch,
        /// Names the question among all that the speaker ever asks.
        number: u64,
        /// The silent owner in whose stead an answer is wanted.
        instead_of: Option<ReplicaId>,
    },
    /// "When your question `number` reached me I held `version` durably."
    Copy {
        /// The ring of the question.
        epoch: RingEpoch,
        /// The question.
        number: u64,
        /// The copy, if there is one.
        version: Option<Version<V>>,
    },
    /// "I know ring `epoch`, and take no part in requests of another."
    OtherRing {
        /// The speaker's ring.
        epoch: RingEpoch,
    },
}

/// The timer of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Timer {
    /// Some request waits for answers.
    Retry,
}

/// One atomic I/O of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Write<V> {
    /// Replace the owner's copy.
    Copy(Version<V>),
    /// Replace the copy kept for a silent owner.
    Hint {
        /// Whose copy it is.
        owner: ReplicaId,
        /// The copy.
        version: Version<V>,
    },
    /// Whatever is not above these may be handed out before a crash, and is not handed out after
    /// one.
    Reserve {
        /// Counters of stamps.
        stamps: u64,
        /// Numbers of questions.
        questions: u64,
    },
    /// The ring this node goes by.
    Ring(Ring),
}

/// What the disk of a node holds of one register.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Durable<V> {
    /// The owner's copy.
    pub copy: Option<Version<V>>,
    /// Copies kept for silent owners.
    pub hints: BTreeMap<ReplicaId, Version<V>>,
    /// No stamp that this node gave has a higher counter.
    pub stamps: u64,
    /// No question that this node asked has a higher number.
    pub questions: u64,
    /// The latest ring it was told, if any.
    pub ring: Option<Ring>,
}

impl<V> Default for Durable<V> {
    fn default() -> Self {
        Self { copy: None, hints: BTreeMap::new(), stamps: 0, questions: 0, ring: None }
    }
}

/// What a node asks of its host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// Find a ring of at least this epoch, and tell it by [`Told::Ring`].
    Ring {
        /// Somebody knows this one.
        at_least: RingEpoch,
    },
}

/// What the host tells its node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// There is this ring.
    Ring(Ring),
}
