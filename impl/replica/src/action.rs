//! What goes into a replica and what comes out of it.

use crate::stored::StoredRange;
use ringleader_core::group::{Change, ChangeRefusal, Message, Timer};
use ringleader_core::ids::{IoNumber, LogIndex, ReplicaId, RequestId, Term, Tick};
use ringleader_core::quorum::ReplicaSet;
use ringleader_storage::wal::Lsn;
use ringleader_wire::Command;

/// What the world does to a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An armed timer fired.
    Timer(Timer),
    /// A peer's message arrived.
    Receive {
        /// The peer.
        from: ReplicaId,
        /// What it says.
        message: Message<Command>,
    },
    /// Append this command, and answer with what applying it returns.
    Write {
        /// Names the request; unique among those that are open.
        id: RequestId,
        /// The command.
        command: Command,
    },
    /// Answer this query.
    Read {
        /// Names the request; unique among those that are open.
        id: RequestId,
        /// The query, in the encoding of the state machine.
        query: Command,
    },
    /// Answer this query from what is applied here, whoever leads: it was committed, and may be old.
    ReadEventual {
        /// Names the request; unique among those that are open.
        id: RequestId,
        /// The query, in the encoding of the state machine.
        query: Command,
    },
    /// Let this peer lead; [`Outcome::GivesWay`] if that was begun.
    Transfer {
        /// Names the request; unique among those that are open.
        id: RequestId,
        /// Who is to lead.
        to: ReplicaId,
    },
    /// Change who takes part in the group; [`Outcome::Done`], with nothing in it, when that is
    /// committed.
    Change {
        /// Names the request; unique among those that are open.
        id: RequestId,
        /// What is to change.
        change: Change,
    },
    /// Log records are durable.
    Durable {
        /// The last of them.
        io: IoNumber,
        /// Where they are, one for each record since the last event of this kind, in order.
        positions: Vec<Lsn>,
    },
}

/// What a replica does to the world. To be carried out in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hand this to the network; it may be lost.
    Send {
        /// The receiver.
        to: ReplicaId,
        /// What to say.
        message: Message<Command>,
    },
    /// Read entries from the log and send them; see [`crate::StoredReader`].
    SendStored(StoredRange),
    /// Make this durable, after all records before it, and report it by [`Event::Durable`].
    Log(LogRecord),
    /// Records before this position are not needed any more: the log may be trimmed up to there.
    TrimLog {
        /// The first record that is needed.
        below: Lsn,
    },
    /// A request has ended.
    Reply {
        /// The request.
        id: RequestId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Fire this timer once, `delay` plus a random share of `jitter` from now, instead of when it
    /// was to fire before.
    Arm {
        /// Which timer.
        timer: Timer,
        /// The least time to wait.
        delay: Tick,
        /// The upper bound of the random addition.
        jitter: Tick,
    },
    /// Forget a timer.
    Disarm {
        /// Which timer.
        timer: Timer,
    },
    /// An invariant is broken: this replica has stopped, and refuses requests from now on.
    Halted {
        /// The invariant.
        invariant: &'static str,
    },
}

/// One record for the write-ahead log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// With this record, every I/O up to this one is on the disk.
    pub io: IoNumber,
    /// The encoded record.
    pub bytes: Vec<u8>,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The state machine's answer, in its encoding.
    Done(Command),
    /// It has had and will have no effect: this replica does not lead.
    NotLeader {
        /// Who does, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// It has had and will have no effect.
    Refused(Refusal),
    /// It may have an effect, now or later, or none.
    Unknown,
    /// This leader takes no more writes, and lets the peer campaign once it holds the log.
    GivesWay,
}

/// Why a replica did not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many requests are open.
    #[error("{} requests are open, which is the limit", crate::limits::OPEN_REQUESTS_MAX)]
    Overloaded,
    /// The command is longer than the log takes.
    #[error(
        "the command is longer than the limit of {} bytes",
        ringleader_wire::limits::COMMAND_LENGTH_MAX
    )]
    TooLong,
    /// The one that was to lead is no peer, or another transfer is on its way.
    #[error("nobody can take over: no such peer, or a transfer is on its way")]
    NoTransfer,
    /// The members of the group do not change that way, or not now.
    #[error("the group does not change: {}", why(*.0))]
    Change(ChangeRefusal),
    /// The replica stopped because an invariant broke.
    #[error("this replica has stopped: {0}")]
    Halted(&'static str),
}

fn why(refusal: ChangeRefusal) -> &'static str {
    match refusal {
        ChangeRefusal::NothingCommitted => "its leader is new, ask again",
        ChangeRefusal::AnotherChange => "another change is on its way",
        ChangeRefusal::NoChange => "it is so already, or nobody would be left",
        ChangeRefusal::TooFewCopies => {
            "too few of those who would be left hold everything, ask again"
        }
    }
}

/// What a replica is doing in its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Leads its term.
    Leader,
    /// Campaigns.
    Candidate,
    /// Follows, or waits for a leader.
    Follower,
    /// An invariant broke; it does nothing any more.
    Halted,
}

/// Where a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its term.
    pub term: Term,
    /// What it is doing.
    pub role: Role,
    /// Who leads the term, as far as it knows.
    pub leader: Option<ReplicaId>,
    /// Entries up to here are known to be committed.
    pub commit: LogIndex,
    /// Entries up to here are applied.
    pub applied: LogIndex,
    /// The last entry of its log.
    pub last: LogIndex,
    /// The last entry that is not in its log any more.
    pub start: LogIndex,
    /// Who takes part in the group.
    pub voters: ReplicaSet,
}
