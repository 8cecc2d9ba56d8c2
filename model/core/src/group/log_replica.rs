//! Log replicas: voters that hold a log and no state (`DynamoDB` 2022, section 5; the acceptors of Paxos).
//!
//! A log replica makes a group durable again within seconds, because it copies no tree. It votes, and
//! its durable copies count, but it never leads and never answers a read.
//!
//! That alone would stall: whoever has the longest log may be a log replica, which must not lead,
//! and whose vote nobody else gets. So a candidate that is refused because its log is behind *pulls*
//! what it lacks from whoever refused it, and campaigns again when its timer fires.
//!
//! ```text
//! candidate (log 1 2)      RequestVote   -->   log replica (log 1 2 3)
//!                          <--   Refused
//!                          Pull after its commit index   -->
//!                          <--   Pulled 2 3
//! log 1 2 3                RequestVote in the next term  -->
//!                          <--   Vote
//! ```
//!
//! Pulling is safe under five conditions, each of which a mutant breaks:
//! 1. It goes only towards a log that is *later*, by last term and then length.
//! 2. It begins at an entry that both hold with one term: the last one known to be committed. (From
//!    the last one that we hold it would never begin: that one may be nobody else's.)
//! 3. What it replaces goes in the same I/O, and what both hold is not replaced.
//! 4. Pulled entries keep their terms, and are never acknowledged to a leader of those.
//! 5. Votes compare the log as it is in memory, pulled entries included.
//!
//! Source: Ongaro & Ousterhout 2014, section 5.4.1, for the comparison of logs; Lamport 1998, for
//! taking over what the promise quorum holds. Differences from both: entries are pulled before the
//! election and not within it, so a leader still never changes its own log.
//!
//! Invariants:
//! * `PULL-1` a log replica never leads or campaigns.
//! * `PULL-2` a log replica answers no read, and applies nothing.

use super::{Group, Message, Role};
use crate::ids::{IoNumber, LogEnd, LogIndex, ReplicaId};
use crate::machine::Effects;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// Whether this replica holds a log and no state.
    #[must_use]
    pub fn is_log_replica(&self) -> bool {
        self.config.log_replicas.contains(self.config.id)
    }

    /// We do not vote for a candidate. Where log replicas vote, it may need what we hold: it knows
    /// by where our log ends.
    pub(super) fn refuse_vote(&self, to: ReplicaId, effects: &mut Effects<Self>) {
        if self.members().log_replicas.size() > 0 {
            let refused = Message::Refused { term: self.term, log_end: self.log.end() };
            effects.send(to, refused, IoNumber::NONE);
        }
    }

    /// Whether a log that ends there is worth having: a later one holds whatever may be committed,
    /// an earlier one need not (condition 1).
    fn is_later_than_ours(&self, end: LogEnd) -> bool {
        end > self.log.end()
    }

    /// A voter refused us: if its log is later than ours, ask for what follows the last entry that
    /// we know to be committed. Whoever holds all that is committed holds that one too.
    pub(super) fn on_refused(
        &mut self,
        from: ReplicaId,
        log_end: LogEnd,
        effects: &mut Effects<Self>,
    ) {
        if matches!(self.role, Role::Candidate { .. })
            && self.is_later_than_ours(log_end)
            && let Some(term) = self.log.term_at(self.commit)
        {
            self.pull(from, LogEnd { term, index: self.commit }, effects);
        }
    }

    /// A candidate asks for what follows an entry. Whoever does not hold that entry cannot help.
    pub(super) fn on_pull(&mut self, from: ReplicaId, after: LogEnd, effects: &mut Effects<Self>) {
        let last = LogIndex(
            self.log.last().0.min(after.index.0.saturating_add(self.config.append_entries_max)),
        );
        let held =
            after.index >= self.log.released() && self.log.term_at(after.index) == Some(after.term);
        if held && last > after.index {
            let entries = self.log.entries_after(after.index, self.config.append_entries_max);
            let log_end = self.log.end();
            let pulled = Message::Pulled { term: self.term, prev: after, entries, log_end };
            // What we hold and have not flushed is no promise: the candidate flushes it itself.
            effects.send(from, pulled, IoNumber::NONE);
        }
    }

    /// Entries that a voter holds after `prev`, in a log that ends at `log_end`: taken if that log is
    /// a later one, however many of its entries come at once. If more follow, they are asked for.
    ///
    /// Between two such messages our log may be an earlier one than before. That takes nothing back
    /// that counts: whoever's log is later holds all that is committed, so whatever conflicts with it
    /// is not committed, and never will be.
    pub(super) fn on_pulled(
        &mut self,
        from: ReplicaId,
        (prev, entries): (LogEnd, Vec<super::Entry<C>>),
        log_end: LogEnd,
        effects: &mut Effects<Self>,
    ) {
        let well_formed = super::replication::is_well_formed(self.term, prev, &entries);
        let campaigns = matches!(self.role, Role::Candidate { .. });
        let Some(last) = entries.last().filter(|_| campaigns && well_formed) else { return };
        if self.log.term_at(prev.index) != Some(prev.term) || prev.index < self.commit {
            return; // What a peer says may be anywhere: only from here on its index is one of ours.
        }
        let end = LogEnd { term: last.term, index: LogIndex(prev.index.0 + entries.len() as u64) };
        if self.is_later_than_ours(log_end) {
            self.take_entries(prev.index, entries, effects);
            if end.index < log_end.index {
                self.pull(from, end, effects);
            }
        }
    }

    fn pull(&self, from: ReplicaId, after: LogEnd, effects: &mut Effects<Self>) {
        effects.send(from, Message::Pull { term: self.term, after }, IoNumber::NONE);
    }
}
