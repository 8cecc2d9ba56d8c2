//! The log: append, acknowledge, commit, apply (Ongaro & Ousterhout 2014, sections 5.3 and 5.4.2).
//!
//! A leader probes each peer with one append at a time until one fits; then it streams entries
//! without waiting for acknowledgements, up to a bound, until the peer objects
//! (compare `tracker/progress.go` of etcd's raft). Lost messages are found by heartbeats: an append
//! without entries names the last entry sent, and a peer that lacks it objects.

use super::{
    AnnounceCommit, Answer, Ask, Entry, Group, Leader, Message, Payload, Role, Tenure, Timer, Write,
};
use crate::ids::{IoNumber, LogEnd, LogIndex, ReplicaId, RequestId, Term, Tick};
use crate::machine::{Effect, Effects};
use crate::quorum::reached_by_majority;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

/// How far a peer is, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Progress {
    /// The peer's durable log equals ours up to here. Never decreases within a term.
    pub matched: LogIndex,
    /// The next entry to send. Invariant: above `matched`.
    pub next: LogIndex,
    /// Whether entries flow freely.
    pub flow: Flow,
}

/// Whether entries flow freely to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// Entries leave as they are appended; `next` moves when they are sent.
    Stream,
    /// One append at `next` is on its way; nothing more is sent until it is answered, or the
    /// heartbeat repeats it. Invariant: an acknowledgement of it says something new, because it
    /// carries entries or names one above `matched`.
    Probe,
    /// The log no longer holds the entry before `next`: the state is sent instead, part by part.
    Snapshot {
        /// The last entry in that state.
        end: LogIndex,
        /// How many parts the peer has.
        parts: u32,
    },
}

impl Progress {
    /// A peer of a new leader whose log ends at `last`. Nothing is known; of an empty log there
    /// is nothing to probe.
    pub(super) fn unknown(last: LogIndex) -> Self {
        let flow = if last == LogIndex::ZERO { Flow::Stream } else { Flow::Probe };
        Self { matched: LogIndex::ZERO, next: last.next(), flow }
    }
}

impl<C: Clone + Debug + Eq + Ord + Hash> Group<C> {
    /// Commands from the host: the leader appends them, and answers each once it is applied.
    /// They leave for the peers at once, in parallel with our own write (dissertation, section
    /// 10.2.1).
    pub(super) fn on_writes(
        &mut self,
        first: RequestId,
        commands: impl IntoIterator<Item = C>,
        effects: &mut Effects<Self>,
    ) {
        let ids = (first.0..).map(RequestId);
        let last = self.log.last();
        // A leader that gives way takes no more.
        let leader = self.gives_way_to().or(self.leader());
        let Role::Leader(Leader { writes, tenure: Tenure { transfer: None, .. }, .. }) =
            &mut self.role
        else {
            let answer = Answer::NotLeader { leader };
            let refuse = |(id, _)| Effect::Answer { id, answer, after: IoNumber::NONE };
            ids.zip(commands).map(refuse).for_each(|refusal| effects.push(refusal));
            return;
        };
        let term = self.term;
        let entry = |command| Entry { term, payload: Payload::Command(command) };
        let entries: Vec<_> = commands.into_iter().map(entry).collect();
        if entries.is_empty() {
            return;
        }
        let indexes = (last.0 + 1..=last.0 + entries.len() as u64).map(LogIndex);
        writes.extend(indexes.zip(ids));
        self.write_entries(last, entries, effects);
        for peer in self.peers() {
            self.send_entries(peer, effects);
        }
    }

    /// Appends an entry of our own term to our own log.
    pub(super) fn write_own(&mut self, payload: Payload<C>, effects: &mut Effects<Self>) {
        let entry = Entry { term: self.term, payload };
        self.write_entries(self.log.last(), vec![entry], effects);
    }

    /// Replaces what follows `after` by `entries`, in memory at once, on disk as one I/O.
    fn write_entries(
        &mut self,
        after: LogIndex,
        entries: Vec<Entry<C>>,
        effects: &mut Effects<Self>,
    ) {
        self.log.truncate(after);
        for entry in &entries {
            self.log.append(entry.clone());
        }
        let io = self.disk.issue_append(after, self.log.last());
        effects.push(Effect::Write { io, write: Write::Append { after, entries } });
    }

    /// Sends what a streaming peer has not been sent, as far as the bound on unacknowledged
    /// entries allows.
    pub(super) fn send_entries(&mut self, to: ReplicaId, effects: &mut Effects<Self>) {
        let last = self.log.last();
        while let Role::Leader(leader) = &mut self.role
            && let Some(peer) = leader.peers.get(&to)
            && peer.flow == Flow::Stream
            && peer.next <= last
            && peer.next.0 - peer.matched.0 <= self.config.inflight_entries_max
        {
            let sent = self.send_append(to, effects);
            if let Role::Leader(leader) = &mut self.role
                && let Some(peer) = leader.peers.get_mut(&to)
            {
                peer.next = sent.next();
            }
        }
    }

    /// Sends one append of the entries from `next` on, and returns the last entry it names.
    fn send_append(&mut self, to: ReplicaId, effects: &mut Effects<Self>) -> LogIndex {
        let next = self.progress(to).map_or(self.log.last().next(), |peer| peer.next);
        if next.previous() < self.log.start().index {
            self.send_snapshot(to, effects);
            return next.previous();
        }
        let prev = self.log_end_at(next.previous());
        let count_max = self.config.append_entries_max;
        let (term, commit) = (self.term, self.commit);
        if next <= self.log.released() {
            let last = prev.index.0.saturating_add(count_max).min(self.log.released().0);
            let last = self.log_end_at(LogIndex(last));
            effects.push(Effect::Ask(Ask::SendRange { to, term, prev, last, commit }));
            return last.index;
        }
        let entries = self.log.entries_after(prev.index, count_max);
        let last = LogIndex(prev.index.0 + entries.len() as u64);
        effects.send(to, Message::Append { term, prev, entries, commit }, IoNumber::NONE);
        last
    }

    fn log_end_at(&self, index: LogIndex) -> LogEnd {
        let term = self.log.term_at(index).expect("a leader sends only entries of its own log");
        LogEnd { term, index }
    }

    /// Speaks to every peer without sending entries: here is my term, my last entry sent, my
    /// commit index. A probe that is on its way is repeated.
    pub(super) fn announce(&mut self, effects: &mut Effects<Self>) {
        for peer in self.peers() {
            self.announce_one(peer, effects);
        }
    }

    pub(super) fn announce_one(&mut self, peer: ReplicaId, effects: &mut Effects<Self>) {
        match self.progress(peer) {
            // Of what was trimmed nothing can be asked: the state is sent instead.
            Some(progress)
                if progress.flow == Flow::Stream
                    && progress.next.previous() >= self.log.start().index =>
            {
                let (term, commit) = (self.term, self.commit);
                let prev = self.log_end_at(progress.next.previous());
                let append = Message::Append { term, prev, entries: Vec::new(), commit };
                effects.send(peer, append, IoNumber::NONE);
            }
            Some(_) => {
                self.send_append(peer, effects);
            }
            None => {}
        }
    }

    /// The first words of a new leader: a probe, or entries to a peer whose log must fit.
    pub(super) fn greet(&mut self, effects: &mut Effects<Self>) {
        for peer in self.peers() {
            self.greet_one(peer, effects);
        }
    }

    pub(super) fn greet_one(&mut self, peer: ReplicaId, effects: &mut Effects<Self>) {
        let last = self.log.last();
        let streams = |it: &Progress| it.flow == Flow::Stream && it.next <= last;
        if self.progress(peer).as_ref().is_some_and(streams) {
            self.send_entries(peer, effects);
        } else {
            self.announce_one(peer, effects);
        }
    }

    /// A heartbeat is due: keeps followers from campaigning, and finds what was lost.
    pub(super) fn on_heartbeat(&mut self, effects: &mut Effects<Self>) {
        if self.is_leader() {
            self.announce(effects);
            self.repeat_round(effects);
            self.renew_lease(effects);
            self.repeat_take_over(effects);
            self.say_trim(effects);
            self.arm_heartbeat(effects);
        }
    }

    /// A leader's entries: takes those that continue a common prefix (section 5.3).
    pub(super) fn on_append(
        &mut self,
        from: ReplicaId,
        prev: LogEnd,
        entries: Vec<Entry<C>>,
        commit: LogIndex,
        effects: &mut Effects<Self>,
    ) {
        if self.is_leader() {
            self.halt("ELECTION-1: another replica leads our term", effects);
            return;
        }
        if !is_well_formed(self.term, prev, &entries) {
            return; // Not from a correct peer.
        }
        self.follow(Some(from), effects);
        self.arm_election(effects);
        let (prev, entries) = match self.beyond_start(prev, entries) {
            Ok(rest) => rest,
            Err(contradicted) => {
                self.halt(contradicted, effects);
                return;
            }
        };
        if self.log.term_at(prev.index) != Some(prev.term) {
            self.reject(from, prev.index, effects);
            return;
        }
        let verified = LogIndex(prev.index.0 + entries.len() as u64);
        if !self.take_entries(prev.index, entries, effects) {
            return;
        }
        self.commit = self.commit.max(commit.min(verified));
        let acknowledged = Message::Appended { term: self.term, matched: verified };
        effects.send(from, acknowledged, self.disk.everything());
        self.report_checkpoint(effects);
        self.apply_committed(effects);
    }

    /// What an append says about entries that our log may hold: those up to its start are committed,
    /// and in our state. An append that ends before the start is taken for one that ends there.
    fn beyond_start(
        &self,
        prev: LogEnd,
        mut entries: Vec<Entry<C>>,
    ) -> Result<(LogEnd, Vec<Entry<C>>), &'static str> {
        let start = self.log.start();
        if prev.index == start.index && prev.term != start.term {
            return Err("COMMIT-3: an append contradicts a committed entry");
        }
        let Some(before @ 1..) = start.index.0.checked_sub(prev.index.0) else {
            return Ok((prev, entries));
        };
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        let Some(at_start) = entries.get(before - 1) else { return Ok((start, Vec::new())) };
        if at_start.term != start.term {
            return Err("COMMIT-3: an append contradicts a committed entry");
        }
        entries.drain(..before);
        Ok((start, entries))
    }

    /// Appends what is new of `entries`, which follow `prev`. What is already there stays: the
    /// append may be old, and cutting the log at its end would take back what we acknowledged
    /// since. Returns false if the entries contradict a committed one.
    pub(super) fn take_entries(
        &mut self,
        prev: LogIndex,
        mut entries: Vec<Entry<C>>,
        effects: &mut Effects<Self>,
    ) -> bool {
        let index_of = |offset: usize| LogIndex(prev.0 + offset as u64 + 1);
        let held = |offset: usize| self.log.term_at(index_of(offset));
        let agrees = |(offset, entry): (usize, &Entry<C>)| held(offset) == Some(entry.term);
        let known = entries.iter().enumerate().take_while(|&pair| agrees(pair)).count();
        if known == entries.len() {
            return true;
        }
        let after = index_of(known).previous();
        if after < self.commit {
            self.halt("COMMIT-3: an append contradicts a committed entry", effects);
            return false;
        }
        entries.drain(..known);
        self.write_entries(after, entries, effects);
        true
    }

    /// Objects to an append that does not continue our log. Of a conflicting term no entry can
    /// match unless an earlier append says so: the hint skips its whole run (end of section 5.3).
    fn reject(&mut self, to: ReplicaId, prev: LogIndex, effects: &mut Effects<Self>) {
        let last = self.log.last();
        let hint = if prev > last { last } else { self.log.run_start(prev).previous() };
        let hint = hint.max(self.commit.min(prev.previous()));
        let rejected = Message::Rejected { term: self.term, prev, hint };
        effects.send(to, rejected, IoNumber::NONE);
    }

    /// A peer's durable log equals ours up to `matched`.
    pub(super) fn on_appended(
        &mut self,
        from: ReplicaId,
        matched: LogIndex,
        effects: &mut Effects<Self>,
    ) {
        let last = self.log.last();
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(peer) = leader.peers.get_mut(&from) else { return };
        // Nobody can acknowledge what we never sent: not from a correct peer.
        if matched > last || matched <= peer.matched {
            return;
        }
        peer.matched = matched;
        if matched.next() >= peer.next {
            peer.next = matched.next();
            peer.flow = Flow::Stream;
        }
        self.admit_newcomer(effects);
        self.advance_commit(effects);
        self.send_entries(from, effects);
        self.give_way(effects);
    }

    /// A peer lacks the entry before an append: go back to where it may match.
    pub(super) fn on_rejected(
        &mut self,
        from: ReplicaId,
        prev: LogIndex,
        hint: LogIndex,
        effects: &mut Effects<Self>,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(peer) = leader.peers.get_mut(&from) else { return };
        // An objection to an append before `matched`, or to one that we have gone back from
        // since, is outdated.
        if prev <= peer.matched || prev >= peer.next || matches!(peer.flow, Flow::Snapshot { .. }) {
            return;
        }
        // The objections to what was streamed after it are outdated by this: they name entries
        // from `next` on. So one loss is repaired once, however much was on its way.
        peer.next = hint.min(prev.previous()).max(peer.matched).next();
        peer.flow = Flow::Probe;
        self.send_append(from, effects);
    }

    /// Commits what a majority of durable logs holds, if its last entry is of our own term: an
    /// older one may still be replaced, however many hold it (section 5.4.2, figure 8).
    pub(super) fn advance_commit(&mut self, effects: &mut Effects<Self>) {
        let Role::Leader(leader) = &self.role else { return };
        let own = self.disk.end();
        let held = reached_by_majority(self.voters(), |id| {
            leader.peers.get(&id).map_or(own, |peer| peer.matched)
        });
        if held <= self.commit || self.log.term_at(held) != Some(self.term) {
            return;
        }
        self.commit = held;
        self.apply_committed(effects);
        if self.config.announce_commit == AnnounceCommit::AtOnce {
            self.announce(effects);
        }
        self.start_round(effects);
        self.leave_if_removed(effects);
    }

    /// Hands to the state machine what is committed and durable here (`APPLY-1`), and says which
    /// of it answers a request.
    pub(super) fn apply_committed(&mut self, effects: &mut Effects<Self>) {
        let upto = self.commit.min(self.disk.end());
        // A log replica has no state (`PULL-2`).
        if upto <= self.applying || self.snapshots.is_installing() || self.is_log_replica() {
            return;
        }
        if let Role::Leader(leader) = &mut self.role {
            let ready = leader.writes.partition_point(|&(index, _)| index <= upto);
            for (index, id) in leader.writes.drain(..ready) {
                effects.push(Effect::Ask(Ask::AnswerFrom { id, index }));
            }
        }
        self.applying = upto;
        effects.push(Effect::Ask(Ask::Apply { upto }));
    }

    /// The state machine holds these entries now; peers that lag get them from the disk.
    pub(super) fn on_applied(&mut self, index: LogIndex) {
        assert!(index <= self.applying, "APPLY-1: applied {} unasked", index.0);
        if index > self.log.released() {
            self.log.release(index);
        }
    }

    pub(super) fn arm_heartbeat(&self, effects: &mut Effects<Self>) {
        let delay = self.config.heartbeat_interval;
        effects.push(Effect::Arm { timer: Timer::Heartbeat, delay, jitter: Tick(0) });
    }
}

/// What every append of a correct leader satisfies: terms grow along its log and end at its own.
pub(super) fn is_well_formed<C>(term: Term, prev: LogEnd, entries: &[Entry<C>]) -> bool {
    let terms = || core::iter::once(prev.term).chain(entries.iter().map(|entry| entry.term));
    (prev.index == LogIndex::ZERO) == (prev.term == Term(0))
        && terms().is_sorted()
        && entries.iter().all(|entry| entry.term > Term(0))
        && terms().all(|of_entry| of_entry <= term)
}
