//! What goes into a replica and what comes out of it: messages, requests and answers, timers, I/O,
//! and what it wants from its host.

use super::log::{Entry, Log};
use super::membership::{Change, ChangeRefusal};
use super::snapshot::SnapshotMark;
use crate::ids::{LogEnd, LogIndex, ReplicaId, RequestId, Term};
use alloc::vec::Vec;

/// What replicas say to each other. Messages may be lost, delayed, reordered and duplicated.
/// They hold neither times nor I/O numbers: saying a thing twice is saying the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Message<C> {
    /// "Vote for me in `term`; my log ends at `log_end`."
    RequestVote {
        /// The candidate's term.
        term: Term,
        /// Where the candidate's log ends.
        log_end: LogEnd,
        /// The leader of the term before told it to: that leader has stopped.
        by_transfer: bool,
    },
    /// "You have my vote in `term`."
    Vote {
        /// The term voted in.
        term: Term,
    },
    /// "I lead `term`. After `prev` my log continues with `entries`; `commit` is committed."
    Append {
        /// The leader's term.
        term: Term,
        /// The entry before the first of `entries`.
        prev: LogEnd,
        /// May be empty: then it asks whether you hold `prev`.
        entries: Vec<Entry<C>>,
        /// The leader's commit index.
        commit: LogIndex,
    },
    /// "In `term`, my durable log is the same as yours up to `matched`."
    Appended {
        /// The leader's term.
        term: Term,
        /// The last entry that the append verified.
        matched: LogIndex,
    },
    /// "In `term`, I do not hold your entry `prev`; try after `hint`."
    Rejected {
        /// The leader's term.
        term: Term,
        /// The `prev.index` of the append that did not fit.
        prev: LogIndex,
        /// Below `prev`: the latest entry that may match.
        hint: LogIndex,
    },
    /// "Do you still follow me in `term`? This is round `round`."
    Confirm {
        /// The leader's term.
        term: Term,
        /// Counts the leader's rounds in its term, from 1.
        round: u64,
    },
    /// "When your round `round` reached me I knew of no term above `term`."
    Confirmed {
        /// The leader's term.
        term: Term,
        /// The round.
        round: u64,
    },
    /// "I miss the leader of `term`. Do you? My log ends at `log_end`. This is poll `poll`."
    RequestPreVote {
        /// The speaker's term.
        term: Term,
        /// Counts the speaker's polls in its term, from 1.
        poll: u64,
        /// Where the speaker's log ends.
        log_end: LogEnd,
    },
    /// "I miss it too, and would vote for you. Yours was poll `poll`."
    PreVote {
        /// The term of both.
        term: Term,
        /// The poll.
        poll: u64,
    },
    /// "I have stopped leading `term`, and you hold my whole log: campaign at once."
    TakeOver {
        /// The leader's term.
        term: Term,
    },
    /// "What you said is outdated: there is a `term`."
    NewerTerm {
        /// The speaker's term.
        term: Term,
    },
    /// "My storage durably holds the state up to `index`."
    Checkpointed {
        /// The leader's term.
        term: Term,
        /// The last entry in the state.
        index: LogIndex,
    },
    /// "I lead `term`. Everybody's storage holds the state up to `end`: logs may begin there."
    Trim {
        /// The leader's term.
        term: Term,
        /// The last entry that logs need not hold.
        end: LogEnd,
    },
    /// "I lead `term`. My log no longer holds what you lack; this is part of the state instead."
    SnapshotPart {
        /// The leader's term.
        term: Term,
        /// Which state.
        mark: SnapshotMark,
        /// Counts the parts from 0.
        part: u32,
        /// Whether it is the last one.
        last: bool,
        /// What it holds, in the state machine's own form.
        content: Vec<C>,
    },
    /// "In `term`, I have `parts` parts of the state that ends at `end`."
    Staged {
        /// The leader's term.
        term: Term,
        /// The last entry in that state.
        end: LogIndex,
        /// How many parts, from the first on.
        parts: u32,
    },
    /// "You do not get my vote in `term`: my log ends at `log_end`, later than yours."
    Refused {
        /// The candidate's term.
        term: Term,
        /// Where the speaker's log ends.
        log_end: LogEnd,
    },
    /// "I campaign in `term` and my log is behind yours: what follows `after`?"
    Pull {
        /// The candidate's term.
        term: Term,
        /// An entry that both must hold: the last one that the candidate knows to be committed, or
        /// that it was given.
        after: LogEnd,
    },
    /// "After `prev` my log, which ends at `log_end`, continues with `entries`. I lead nothing; they
    /// keep their terms."
    Pulled {
        /// The candidate's term.
        term: Term,
        /// The entry before the first of `entries`.
        prev: LogEnd,
        /// Not empty, and no more than an append may carry.
        entries: Vec<Entry<C>>,
        /// Where the whole log ends.
        log_end: LogEnd,
    },
}

impl<C> Message<C> {
    /// The term in which it was said.
    #[must_use]
    pub fn term(&self) -> Term {
        match *self {
            Self::RequestVote { term, .. }
            | Self::Vote { term }
            | Self::Append { term, .. }
            | Self::Appended { term, .. }
            | Self::Rejected { term, .. }
            | Self::Confirm { term, .. }
            | Self::Confirmed { term, .. }
            | Self::RequestPreVote { term, .. }
            | Self::PreVote { term, .. }
            | Self::TakeOver { term }
            | Self::Checkpointed { term, .. }
            | Self::Trim { term, .. }
            | Self::SnapshotPart { term, .. }
            | Self::Staged { term, .. }
            | Self::Refused { term, .. }
            | Self::Pull { term, .. }
            | Self::Pulled { term, .. }
            | Self::NewerTerm { term } => term,
        }
    }

    /// Whether it may be said before anybody has ever campaigned.
    pub(super) fn may_precede_campaigns(&self) -> bool {
        matches!(self, Self::RequestPreVote { .. } | Self::PreVote { .. })
    }

    /// Whether only a follower of the leader says it.
    pub(super) fn answers_a_leader(&self) -> bool {
        matches!(self, Self::Appended { .. } | Self::Rejected { .. } | Self::Confirmed { .. })
    }
}

/// What the host asks of its replica. Only a leader accepts, but for eventual reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request<C> {
    /// Append this command, and answer with what applying it returns ([`Ask::AnswerFrom`]).
    Write(C),
    /// Append these commands in order, as one I/O and one append to each peer. The request's id is
    /// that of the first; the others have the ids that follow it, and each is answered as if it
    /// had come alone.
    WriteAll(Vec<C>),
    /// Say when the state machine may be read ([`Ask::ReadReady`]): it then shows every write that
    /// was answered before.
    Read,
    /// Read the state machine as it is, on any replica ([`Ask::ReadReady`] at once). What it shows
    /// was committed, and may be old: the host tells up to which entry it is applied.
    ReadEventual,
    /// Let this peer lead. Begun if the answer is [`Answer::GivesWay`].
    Transfer {
        /// Who is to lead.
        to: ReplicaId,
    },
    /// Change who takes part, and answer when the entry that says so is applied
    /// ([`Ask::AnswerFrom`]).
    Change(Change),
}

/// How a request ends when it does not end in the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Answer {
    /// The request has had and will have no effect: this replica does not lead (any more).
    NotLeader {
        /// Who does, as far as this replica knows.
        leader: Option<ReplicaId>,
    },
    /// The command is in the log of a leader that was deposed: it may be committed, or not.
    Unknown,
    /// This leader takes no more writes and lets the peer campaign as soon as it holds its log.
    GivesWay,
    /// Nobody of that name is a peer, or another transfer is on its way; or this replica has no state
    /// to read.
    Refused,
    /// The change has had and will have no effect: this leader does not begin it.
    ChangeRefused(ChangeRefusal),
}

/// The timers of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Timer {
    /// No leader was heard from.
    Election,
    /// A leader has to speak.
    Heartbeat,
    /// A leader heard from no majority.
    Quorum,
    /// The peer that was to lead did not get there.
    Transfer,
}

/// One atomic I/O of a replica.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Write<C> {
    /// The current term, and the vote in it.
    Ballot {
        /// The highest term seen.
        term: Term,
        /// Who got this replica's vote in it.
        vote: Option<ReplicaId>,
    },
    /// The log up to `after`, continued with `entries`. What followed before is gone: truncation
    /// and append are one I/O.
    Append {
        /// The last entry that stays.
        after: LogIndex,
        /// What follows it.
        entries: Vec<Entry<C>>,
    },
    /// The log begins after this entry: storage holds the state up to there.
    Trim {
        /// The last entry that goes.
        upto: LogIndex,
    },
    /// The log begins anew after a snapshot, with the configuration in effect there. The snapshot is
    /// durable, beside the state that it is to replace.
    Install {
        /// Which snapshot.
        mark: SnapshotMark,
    },
}

/// What the disk of a replica holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Durable<C> {
    /// The highest term seen.
    pub term: Term,
    /// Who got this replica's vote in `term`.
    pub vote: Option<ReplicaId>,
    /// The log. A driver may release payloads that its state machine has durably applied.
    pub log: Log<C>,
}

impl<C> Default for Durable<C> {
    fn default() -> Self {
        Self { term: Term(0), vote: None, log: Log::default() }
    }
}

/// What a replica asks of its host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask<C> {
    /// Apply the entries up to here, in order, and say so by [`Told::Applied`]. They are
    /// committed, and durable in this replica's log.
    Apply {
        /// The last entry to apply.
        upto: LogIndex,
    },
    /// Answer the request with what applying the entry at `index` returns. Comes before the
    /// [`Ask::Apply`] that covers `index`.
    AnswerFrom {
        /// The request.
        id: RequestId,
        /// Where its command is.
        index: LogIndex,
    },
    /// Answer this read from the state machine, as soon as that has applied `index`.
    ReadReady {
        /// The request.
        id: RequestId,
        /// What must be applied first.
        index: LogIndex,
    },
    /// Send a [`Message::Append`] whose entries this replica no longer holds in memory: read the
    /// entries after `prev` up to `last` from the log. If the log no longer holds `prev` and
    /// `last` with these terms, send nothing: the leader asks again.
    SendRange {
        /// The receiver.
        to: ReplicaId,
        /// The leader's term.
        term: Term,
        /// The entry before the first to send.
        prev: LogEnd,
        /// The last entry to send.
        last: LogEnd,
        /// The leader's commit index.
        commit: LogIndex,
    },
    /// Send a [`Message::SnapshotPart`] of the state that `mark` names, which storage durably held
    /// when this was asked. If it has moved on, say so by [`Told::Gone`].
    SendSnapshot {
        /// The receiver.
        to: ReplicaId,
        /// The leader's term.
        term: Term,
        /// Which state.
        mark: SnapshotMark,
        /// Which part of it, counted from 0.
        part: u32,
    },
    /// Set this part of a snapshot aside, after those before it; part 0 begins anew. After the last
    /// one make all of it durable, and say so by [`Told::Staged`], or [`Told::Failed`]. The state in
    /// use stays as it is.
    Stage {
        /// Which snapshot.
        mark: SnapshotMark,
        /// Which part, counted from 0.
        part: u32,
        /// What it holds.
        content: Vec<C>,
        /// Whether it is the last one.
        last: bool,
    },
    /// Let the staged snapshot be the state from here on, durably, and say so by
    /// [`Told::Installed`]. After a crash this may be asked again.
    Install {
        /// Which snapshot.
        mark: SnapshotMark,
    },
}

/// What the host tells its replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// The state machine has applied every entry up to here.
    Applied(LogIndex),
    /// The state machine's storage durably holds the state up to here.
    Checkpointed(LogIndex),
    /// The snapshot is set aside, as a whole and durably.
    Staged(SnapshotMark),
    /// The snapshot could not be set aside.
    Failed(SnapshotMark),
    /// The state is that of the snapshot which ends here.
    Installed(LogIndex),
    /// What was to be sent to this peer, entries or a snapshot, is no longer there.
    Gone(ReplicaId),
}

/// The same things with another type of commands: the group never looks into one.
fn each<C, D>(entries: Vec<Entry<C>>, change: &mut impl FnMut(C) -> D) -> Vec<Entry<D>> {
    entries.into_iter().map(|entry| entry.map(change)).collect()
}

impl<C> Message<C> {
    /// The same with another type of commands.
    pub fn map<D>(self, change: &mut impl FnMut(C) -> D) -> Message<D> {
        match self {
            Self::RequestVote { term, log_end, by_transfer } => {
                Message::RequestVote { term, log_end, by_transfer }
            }
            Self::Vote { term } => Message::Vote { term },
            Self::Append { term, prev, entries, commit } => {
                Message::Append { term, prev, entries: each(entries, change), commit }
            }
            Self::Appended { term, matched } => Message::Appended { term, matched },
            Self::Rejected { term, prev, hint } => Message::Rejected { term, prev, hint },
            Self::Confirm { term, round } => Message::Confirm { term, round },
            Self::Confirmed { term, round } => Message::Confirmed { term, round },
            Self::RequestPreVote { term, poll, log_end } => {
                Message::RequestPreVote { term, poll, log_end }
            }
            Self::PreVote { term, poll } => Message::PreVote { term, poll },
            Self::TakeOver { term } => Message::TakeOver { term },
            Self::NewerTerm { term } => Message::NewerTerm { term },
            Self::Checkpointed { term, index } => Message::Checkpointed { term, index },
            Self::Trim { term, end } => Message::Trim { term, end },
            Self::SnapshotPart { term, mark, part, last, content } => {
                let content = content.into_iter().map(change).collect();
                Message::SnapshotPart { term, mark, part, last, content }
            }
            Self::Staged { term, end, parts } => Message::Staged { term, end, parts },
            Self::Refused { term, log_end } => Message::Refused { term, log_end },
            Self::Pull { term, after } => Message::Pull { term, after },
            Self::Pulled { term, prev, entries, log_end } => {
                Message::Pulled { term, prev, entries: each(entries, change), log_end }
            }
        }
    }
}

impl<C> Request<C> {
    /// The same with another type of commands.
    pub fn map<D>(self, change: &mut impl FnMut(C) -> D) -> Request<D> {
        match self {
            Self::Write(command) => Request::Write(change(command)),
            Self::WriteAll(commands) => {
                Request::WriteAll(commands.into_iter().map(change).collect())
            }
            Self::Read => Request::Read,
            Self::ReadEventual => Request::ReadEventual,
            Self::Transfer { to } => Request::Transfer { to },
            Self::Change(it) => Request::Change(it),
        }
    }
}

impl<C> Write<C> {
    /// The same with another type of commands.
    pub fn map<D>(self, change: &mut impl FnMut(C) -> D) -> Write<D> {
        match self {
            Self::Ballot { term, vote } => Write::Ballot { term, vote },
            Self::Append { after, entries } => {
                Write::Append { after, entries: each(entries, change) }
            }
            Self::Trim { upto } => Write::Trim { upto },
            Self::Install { mark } => Write::Install { mark },
        }
    }
}

impl<C> Ask<C> {
    /// The same with another type of commands.
    pub fn map<D>(self, change: &mut impl FnMut(C) -> D) -> Ask<D> {
        match self {
            Self::Apply { upto } => Ask::Apply { upto },
            Self::AnswerFrom { id, index } => Ask::AnswerFrom { id, index },
            Self::ReadReady { id, index } => Ask::ReadReady { id, index },
            Self::SendRange { to, term, prev, last, commit } => {
                Ask::SendRange { to, term, prev, last, commit }
            }
            Self::SendSnapshot { to, term, mark, part } => {
                Ask::SendSnapshot { to, term, mark, part }
            }
            Self::Stage { mark, part, content, last } => {
                let content = content.into_iter().map(change).collect();
                Ask::Stage { mark, part, content, last }
            }
            Self::Install { mark } => Ask::Install { mark },
        }
    }
}

impl<C> Durable<C> {
    /// The same with another type of commands.
    pub fn map<D>(self, change: &mut impl FnMut(C) -> D) -> Durable<D> {
        Durable { term: self.term, vote: self.vote, log: self.log.map(change) }
    }
}
