//! Ongaro & Ousterhout, USENIX ATC'14, sections 5.1-5.5: a test per sentence, in the order of the
//! paper. Where the group differs from the paper, the test says how.

use super::world::{config, disk};
use crate::group::{
    Answer, Ask, AtElection, Config, Durable, Entry, Flow, Group, Message, Payload, Request, Timer,
    Write,
};
use crate::ids::{IoNumber, LogEnd, LogIndex, ReplicaId, RequestId, Term, Tick};
use crate::machine::{Effect, Effects, Input, Machine, Recovered};
use crate::quorum::ReplicaSet;
use alloc::vec;
use alloc::vec::Vec;

pub(super) type Happened = Vec<Effect<Group<char>>>;

/// Replica 0, alone with the test.
pub(super) struct One {
    pub(super) replica: Group<char>,
    issued: IoNumber,
}

impl One {
    /// A follower in `term` whose log holds entries of these terms.
    pub(super) fn follows(term: u64, log: &[u64]) -> Self {
        Self::start(&config(), term, log).0
    }

    pub(super) fn start(config: &Config, term: u64, log: &[u64]) -> (Self, Happened) {
        let entries: Vec<_> = log.iter().map(|&term| (term, 'a')).collect();
        Self::recover(config, disk(term, &entries))
    }

    pub(super) fn recover(config: &Config, durable: Durable<char>) -> (Self, Happened) {
        let mut effects = Effects::new();
        let recovered = Recovered { durable, checkpointed: LogIndex::ZERO, wiped: false };
        let replica = Group::recover(config, recovered, Tick(0), &mut effects);
        (Self { replica, issued: IoNumber::NONE }, effects.drain().collect())
    }

    /// A candidate in `term`, its ballot durable.
    pub(super) fn campaigns(config: &Config, term: u64, log: &[u64]) -> Self {
        let mut one = Self::start(config, term - 1, log).0;
        one.step(Input::Timer(Timer::Election));
        one.persist();
        one
    }

    /// The leader of `term` in a group of three; appends nothing by itself.
    pub(super) fn leads(term: u64, log: &[u64]) -> Self {
        Self::leads_with(&Config { at_election: AtElection::Wait, ..config() }, term, log)
    }

    pub(super) fn leads_with(config: &Config, term: u64, log: &[u64]) -> Self {
        let mut one = Self::campaigns(config, term, log);
        for voter in 1..u8::try_from(config.voters.majority()).unwrap() {
            one.hears(voter, Message::Vote { term: Term(term) });
        }
        assert!(one.replica.is_leader());
        one
    }

    pub(super) fn step(&mut self, input: Input<Group<char>>) -> Happened {
        let mut effects = Effects::new();
        self.replica.step(Tick(0), input, &mut effects);
        let happened: Vec<_> = effects.drain().collect();
        for effect in &happened {
            if let Effect::Write { io, .. } = effect {
                self.issued = *io;
            }
        }
        happened
    }

    pub(super) fn hears(&mut self, from: u8, message: Message<char>) -> Happened {
        self.step(Input::Receive { from: ReplicaId(from), message })
    }

    pub(super) fn writes(&mut self, command: char) -> Happened {
        self.step(Input::Request { id: RequestId(0), request: Request::Write(command) })
    }

    pub(super) fn persist(&mut self) -> Happened {
        self.step(Input::Persisted(self.issued))
    }

    pub(super) fn terms(&self) -> Vec<u64> {
        let log = self.replica.log();
        (1..=log.last().0).map(|index| log.term_at(LogIndex(index)).unwrap().0).collect()
    }

    /// Term, whether it leads, whether it campaigns.
    pub(super) fn role(&self) -> (u64, bool, bool) {
        (self.replica.term().0, self.replica.is_leader(), self.replica.is_candidate())
    }
}

pub(super) fn follower(term: u64) -> (u64, bool, bool) {
    (term, false, false)
}

pub(super) fn candidate(term: u64) -> (u64, bool, bool) {
    (term, false, true)
}

pub(super) fn leader(term: u64) -> (u64, bool, bool) {
    (term, true, false)
}

pub(super) fn end(index: u64, term: u64) -> LogEnd {
    LogEnd { term: Term(term), index: LogIndex(index) }
}

pub(super) fn request_vote(term: u64, log_end: LogEnd) -> Message<char> {
    Message::RequestVote { term: Term(term), log_end, by_transfer: false }
}

pub(super) fn append(term: u64, prev: LogEnd, entries: &[u64], commit: u64) -> Message<char> {
    let entry = |&term: &u64| Entry { term: Term(term), payload: Payload::Command('a') };
    let entries = entries.iter().map(entry).collect();
    Message::Append { term: Term(term), prev, entries, commit: LogIndex(commit) }
}

pub(super) fn appended(term: u64, matched: u64) -> Message<char> {
    Message::Appended { term: Term(term), matched: LogIndex(matched) }
}

pub(super) fn rejected(term: u64, prev: u64, hint: u64) -> Message<char> {
    Message::Rejected { term: Term(term), prev: LogIndex(prev), hint: LogIndex(hint) }
}

/// Everything a peer can say in a term.
fn everything_said(term: u64) -> Vec<Message<char>> {
    vec![
        request_vote(term, end(0, 0)),
        Message::Vote { term: Term(term) },
        append(term, end(0, 0), &[], 0),
        appended(term, 0),
        rejected(term, 1, 0),
        Message::Confirm { term: Term(term), round: 1 },
        Message::Confirmed { term: Term(term), round: 1 },
        Message::NewerTerm { term: Term(term) },
    ]
}

fn sent(happened: &Happened) -> Vec<(u8, Message<char>)> {
    let send = |effect: &Effect<Group<char>>| {
        let Effect::Send { to, message, .. } = effect else { return None };
        Some((to.0, message.clone()))
    };
    happened.iter().filter_map(send).collect()
}

fn written(happened: &Happened) -> Vec<Write<char>> {
    let write = |effect: &Effect<Group<char>>| {
        let Effect::Write { write, .. } = effect else { return None };
        Some(write.clone())
    };
    happened.iter().filter_map(write).collect()
}

fn arms(happened: &Happened, which: Timer) -> bool {
    happened.iter().any(|effect| matches!(effect, Effect::Arm { timer, .. } if *timer == which))
}

/// Up to where entries are handed to the state machine.
fn applied(happened: &Happened) -> Option<u64> {
    happened.iter().find_map(|effect| {
        let Effect::Ask(Ask::Apply { upto }) = effect else { return None };
        Some(upto.0)
    })
}

// Section 5.1: terms.

/// "If one server's current term is smaller than the other's, then it updates its current term to
/// the larger value. If a candidate or leader discovers that its term is out of date, it
/// immediately reverts to follower state."
#[test]
fn a_newer_term_makes_everybody_follow() {
    for message in everything_said(5) {
        let everybody =
            [One::follows(2, &[1]), One::campaigns(&config(), 2, &[1]), One::leads(2, &[1])];
        for mut one in everybody {
            let happened = one.hears(1, message.clone());
            assert_eq!(one.role(), follower(5), "{message:?}");
            let ballot = Write::Ballot { term: Term(5), vote: None };
            assert_eq!(written(&happened).first(), Some(&ballot), "{message:?}");
        }
    }
}

/// "If a server receives a request with a stale term number, it rejects the request." Here by
/// saying which term there is. Stale answers are not answered.
#[test]
fn a_stale_request_is_rejected() {
    for message in everything_said(2) {
        let everybody =
            [One::follows(3, &[1]), One::campaigns(&config(), 3, &[1]), One::leads(3, &[1])];
        for mut one in everybody {
            let before = one.replica.clone();
            let is_request = matches!(
                message,
                Message::RequestVote { .. } | Message::Append { .. } | Message::Confirm { .. }
            );
            let newer = (1, Message::NewerTerm { term: Term(3) });
            let answers = if is_request { vec![newer] } else { vec![] };
            assert_eq!(sent(&one.hears(1, message.clone())), answers, "{message:?}");
            assert_eq!(one.replica, before, "{message:?}");
        }
    }
}

// Section 5.2: leader election.

/// "When servers start up, they begin as followers." And "election timeouts are chosen randomly
/// from a fixed interval", of one to two timeouts.
#[test]
fn servers_start_as_followers() {
    let (one, happened) = One::start(&config(), 7, &[1, 2]);
    assert_eq!(one.role(), follower(7));
    let delay = config().election_timeout;
    assert_eq!(happened, [Effect::Arm { timer: Timer::Election, delay, jitter: delay }]);
}

/// "A server remains in follower state as long as it receives valid RPCs from a leader or
/// candidate": from a candidate only if it votes for it.
#[test]
fn a_valid_request_postpones_the_election() {
    for (message, postpones) in [
        (append(2, end(0, 0), &[], 0), true),
        (append(2, end(9, 2), &[], 0), true),
        (Message::Confirm { term: Term(2), round: 1 }, true),
        (request_vote(2, end(2, 1)), true),
        (request_vote(2, end(0, 0)), false),
        (append(1, end(0, 0), &[], 0), false),
        (append(2, end(1, 0), &[], 0), false),
        (Message::Vote { term: Term(2) }, false),
    ] {
        let happened = One::follows(2, &[1, 1]).hears(1, message.clone());
        assert_eq!(arms(&happened, Timer::Election), postpones, "{message:?}");
    }
}

/// "Leaders send periodic heartbeats (`AppendEntries` RPCs that carry no log entries) to all
/// followers in order to maintain their authority." Here they name the last entry sent.
#[test]
fn a_leader_sends_heartbeats() {
    let mut one = One::leads(2, &[1]);
    for peer in [1, 2] {
        one.hears(peer, appended(2, 1));
    }
    let happened = one.step(Input::Timer(Timer::Heartbeat));
    let heartbeat = append(2, end(1, 1), &[], 0);
    assert_eq!(sent(&happened), [(1, heartbeat.clone()), (2, heartbeat)]);
    assert!(arms(&happened, Timer::Heartbeat));
}

/// "To begin an election, a follower increments its current term and transitions to candidate
/// state. It then votes for itself and issues `RequestVote` RPCs in parallel to each of the other
/// servers in the cluster." Here these wait until its own ballot is durable.
#[test]
fn a_follower_begins_an_election() {
    let mut one = One::follows(2, &[1, 2]);
    let happened = one.step(Input::Timer(Timer::Election));
    assert_eq!(one.role(), candidate(3));
    assert_eq!(written(&happened), [Write::Ballot { term: Term(3), vote: Some(ReplicaId(0)) }]);
    let message = request_vote(3, end(2, 2));
    assert_eq!(sent(&happened), [(1, message.clone()), (2, message)]);
    let early = |effect: &_| matches!(effect, Effect::Send { after, .. } if *after < IoNumber(1));
    assert!(!happened.iter().any(early));
    assert!(arms(&happened, Timer::Election));
}

/// "A candidate wins an election if it receives votes from a majority of the servers in the full
/// cluster for the same term." Votes of one server count once, those of strangers not at all.
#[test]
fn a_majority_of_votes_wins() {
    for (size, votes, wins) in [
        (1, &[][..], true),
        (2, &[], false),
        (2, &[1], true),
        (3, &[], false),
        (3, &[1], true),
        (3, &[7, 3], false),
        (4, &[1], false),
        (4, &[1, 1, 1], false),
        (4, &[1, 3], true),
        (5, &[4], false),
        (5, &[4, 2], true),
        (7, &[1, 2], false),
        (7, &[1, 2, 3], true),
    ] {
        let config = Config { voters: ReplicaSet::first(size), ..config() };
        let mut one = One::campaigns(&config, 1, &[]);
        for &voter in votes {
            one.hears(voter, Message::Vote { term: Term(1) });
        }
        assert_eq!(one.replica.is_leader(), wins, "{votes:?} of {size}");
    }
}

/// Its own vote, too, counts only when it is durable.
#[test]
fn an_own_vote_counts_once_it_is_durable() {
    let config = Config { voters: ReplicaSet::first(4), ..config() };
    let mut one = One::start(&config, 0, &[]).0;
    one.step(Input::Timer(Timer::Election));
    one.hears(1, Message::Vote { term: Term(1) });
    one.hears(2, Message::Vote { term: Term(1) });
    assert_eq!(one.role(), candidate(1), "two of four");
    one.persist();
    assert_eq!(one.role(), leader(1));
}

/// "Each server will vote for at most one candidate in a given term, on a first-come-first-served
/// basis." The same one may ask again.
#[test]
fn at_most_one_vote_per_term() {
    for (first, second, granted) in [(1, 1, true), (1, 2, false), (2, 1, false), (2, 2, true)] {
        let mut one = One::follows(0, &[]);
        let vote = Message::Vote { term: Term(1) };
        let to_first = one.hears(first, request_vote(1, end(0, 0)));
        assert_eq!(sent(&to_first), [(first, vote.clone())]);
        let to_second = one.hears(second, request_vote(1, end(0, 0)));
        assert_eq!(sent(&to_second) == [(second, vote)], granted, "{first}, then {second}");
        assert!(written(&to_second).is_empty());
    }
    let mut one = One::campaigns(&config(), 1, &[]);
    assert!(sent(&one.hears(1, request_vote(1, end(9, 1)))).is_empty(), "it has its own vote");
}

/// Figure 2: `currentTerm` and `votedFor` are "updated on stable storage before responding". Not
/// even a crash lets a server vote twice.
#[test]
fn a_vote_survives_a_crash() {
    for (candidate, granted) in [(1, true), (2, false)] {
        let durable = Durable { vote: Some(ReplicaId(1)), ..disk(3, &[]) };
        let mut one = One::recover(&config(), durable).0;
        let happened = one.hears(candidate, request_vote(3, end(9, 2)));
        let vote = granted.then_some((candidate, Message::Vote { term: Term(3) }));
        assert_eq!(sent(&happened), Vec::from_iter(vote), "{candidate} asks");
    }
}

/// "If the leader's term is at least as large as the candidate's current term, then the candidate
/// recognizes the leader as legitimate and returns to follower state. If the term in the RPC is
/// smaller, then the candidate rejects the RPC and continues in candidate state."
#[test]
fn a_candidate_recognizes_a_leader() {
    for (term, becomes) in [(2, candidate(3)), (3, follower(3)), (4, follower(4))] {
        for confirm in [false, true] {
            let mut one = One::campaigns(&config(), 3, &[]);
            let said = Message::Confirm { term: Term(term), round: 1 };
            one.hears(2, if confirm { said } else { append(term, end(0, 0), &[], 0) });
            assert_eq!(one.role(), becomes);
            let knows = (term >= 3).then_some(ReplicaId(2));
            assert_eq!(one.replica.leader(), knows);
        }
    }
}

/// "When this happens, each candidate will time out and start a new election by incrementing its
/// term and initiating another round of `RequestVote` RPCs." Votes of the last round do not count.
#[test]
fn a_split_vote_times_out() {
    let config = Config { voters: ReplicaSet::first(5), ..config() };
    let mut one = One::campaigns(&config, 1, &[]);
    one.hears(1, Message::Vote { term: Term(1) });
    let happened = one.step(Input::Timer(Timer::Election));
    assert_eq!(one.role(), candidate(2));
    assert_eq!(sent(&happened).len(), 4);
    one.persist();
    one.hears(2, Message::Vote { term: Term(1) });
    one.hears(3, Message::Vote { term: Term(2) });
    assert_eq!(one.role(), candidate(2), "two votes of five in term 2");
}

// Section 5.3: log replication.

/// "The leader appends the command to its log as a new entry, then issues `AppendEntries` RPCs in
/// parallel to each of the other servers": at once, in parallel with its own disk.
#[test]
fn a_command_is_sent_to_everybody_at_once() {
    let mut one = One::leads(1, &[]);
    let happened = one.writes('x');
    let payload = Payload::Command('x');
    let entries = vec![Entry { term: Term(1), payload }];
    let prev = end(0, 0);
    let message = Message::Append { term: Term(1), prev, entries, commit: LogIndex::ZERO };
    assert_eq!(sent(&happened), [(1, message.clone()), (2, message)]);
    let waits = |effect: &_| matches!(effect, Effect::Send { after, .. } if after.0 > 0);
    assert!(!happened.iter().any(waits));
}

/// "Clients of Raft send all of their requests to the leader. If the client's first choice is not
/// the leader, that server will reject the client's request and supply information about the most
/// recent leader it has heard from." (Section 8.)
#[test]
fn only_a_leader_takes_commands() {
    let mut one = One::follows(1, &[]);
    one.hears(2, append(1, end(0, 0), &[], 0));
    let happened = one.writes('x');
    let answer = Answer::NotLeader { leader: Some(ReplicaId(2)) };
    assert_eq!(happened, [Effect::Answer { id: RequestId(0), answer, after: IoNumber::NONE }]);
    assert!(one.terms().is_empty());
}

/// What arrives together travels together: one I/O, one append to each peer. Each command is still
/// an entry and a request of its own.
#[test]
fn commands_that_come_together_share_io_and_appends() {
    let together = || Request::WriteAll(Vec::from(['x', 'y']));
    let mut one = One::leads(1, &[]);
    let happened = one.step(Input::Request { id: RequestId(7), request: together() });
    let writes = happened.iter().filter(|effect| matches!(effect, Effect::Write { .. })).count();
    let carried = |(_, message): &(u8, Message<char>)| {
        let Message::Append { entries, .. } = message else { panic!("{message:?}") };
        entries.len()
    };
    let appends: Vec<_> = sent(&happened).iter().map(carried).collect();
    assert_eq!((writes, appends), (1, Vec::from([2, 2])));
    one.persist();
    let happened = one.hears(1, appended(1, 2));
    let answer = |id, index| Ask::AnswerFrom { id: RequestId(id), index: LogIndex(index) };
    for (id, index) in [(7, 1), (8, 2)] {
        assert!(happened.contains(&Effect::Ask(answer(id, index))), "{happened:?}");
    }
    // Nothing together is nothing, and who follows refuses each.
    let nothing = Request::WriteAll(Vec::new());
    assert!(one.step(Input::Request { id: RequestId(9), request: nothing }).is_empty());
    let refused =
        One::follows(1, &[]).step(Input::Request { id: RequestId(7), request: together() });
    let answer = Answer::NotLeader { leader: None };
    let refusal = |id| Effect::Answer { id: RequestId(id), answer, after: IoNumber::NONE };
    assert_eq!(refused, [refusal(7), refusal(8)]);
}

/// "A log entry is committed once the leader that created the entry has replicated it on a majority
/// of the servers." "When the entry has been safely replicated, the leader applies the entry to its
/// state machine." Here its own copy counts once durable, is not needed for the majority, but
/// is needed before it applies.
#[test]
fn an_entry_is_committed_by_a_majority_of_durable_copies() {
    for (size, acknowledged, durable, commits, applies) in [
        (1, &[][..], true, true, true),
        (3, &[], true, false, false),
        (3, &[1], false, false, false),
        (3, &[1], true, true, true),
        (3, &[1, 2], false, true, false),
        (3, &[1, 1], false, false, false),
        (4, &[1], true, false, false),
        (4, &[1, 2], true, true, true),
        (5, &[1, 2], false, false, false),
        (5, &[1, 2, 4], false, true, false),
        (5, &[1, 2], true, true, true),
    ] {
        let config =
            Config { voters: ReplicaSet::first(size), at_election: AtElection::Wait, ..config() };
        let mut one = One::leads_with(&config, 1, &[]);
        one.writes('x');
        for &peer in acknowledged {
            one.hears(peer, appended(1, 1));
        }
        if durable {
            one.persist();
        }
        let happened = (one.replica.commit().0 == 1, one.replica.applying().0 == 1);
        assert_eq!(happened, (commits, applies), "{acknowledged:?} of {size}, own {durable}");
    }
}

/// "The leader keeps track of the highest index it knows to be committed, and it includes that
/// index in future `AppendEntries` RPCs (including heartbeats)."
#[test]
fn the_commit_index_is_told_to_everybody() {
    let mut one = One::leads(1, &[]);
    one.writes('x');
    one.persist();
    one.hears(1, appended(1, 1));
    let told = |(_, message): &(u8, Message<char>)| {
        let Message::Append { commit, .. } = message else { panic!("{message:?}") };
        commit.0
    };
    let heartbeats = one.step(Input::Timer(Timer::Heartbeat));
    assert_eq!(sent(&heartbeats).iter().map(told).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(sent(&one.writes('y')).iter().map(told).collect::<Vec<_>>(), [1, 1]);
}

/// "Once a follower learns that a log entry is committed, it applies the entry to its local state
/// machine (in log order)." But no entry that this append did not verify (figure 2: "the index of
/// the last new entry"), and only what is durable.
#[test]
fn a_follower_applies_what_is_committed() {
    for (log, prev, entries, commit, at_once, when_durable) in [
        (&[1, 1][..], end(2, 1), &[][..], 0, None, None),
        (&[1, 1], end(2, 1), &[], 1, Some(1), None),
        (&[1, 1], end(2, 1), &[], 9, Some(2), None),
        (&[1, 1], end(1, 1), &[], 9, Some(1), None),
        (&[1, 1], end(2, 1), &[2, 2], 1, Some(1), None),
        (&[1, 1], end(2, 1), &[2, 2], 3, Some(2), Some(3)),
        (&[], end(0, 0), &[1, 2], 2, None, Some(2)),
        (&[1, 1], end(2, 2), &[], 2, None, None),
    ] {
        let mut one = One::follows(2, log);
        let first = applied(&one.hears(1, append(2, prev, entries, commit)));
        let later = (one.issued > IoNumber::NONE).then(|| one.persist());
        let later = later.as_ref().and_then(applied);
        assert_eq!((first, later), (at_once, when_durable), "{log:?} {prev:?} {entries:?}");
    }
}

/// "If the follower does not find an entry in its log with the same index and term, then it refuses
/// the new entries."
#[test]
fn a_follower_refuses_what_does_not_follow() {
    for (prev, hint) in [
        (end(0, 0), None),
        (end(1, 1), None),
        (end(3, 2), None),
        (end(4, 3), Some(3)),
        (end(9, 3), Some(3)),
        (end(3, 3), Some(1)),
        (end(2, 1), Some(1)),
        (end(1, 2), Some(0)),
    ] {
        let mut one = One::follows(3, &[1, 2, 2]);
        let happened = one.hears(1, append(3, prev, &[3], 0));
        let refused = hint.map(|hint| (1, rejected(3, prev.index.0, hint)));
        let accepted = (1, appended(3, prev.index.0 + 1));
        assert_eq!(sent(&happened), [refused.unwrap_or(accepted)], "{prev:?}");
    }
}

/// "Conflicting entries in follower logs will be overwritten with entries from the leader's log."
/// "If an existing entry conflicts with a new one, delete the existing entry and all that follow
/// it. Append any new entries not already in the log." (Figure 2.) An old append deletes nothing.
#[test]
fn conflicting_entries_are_overwritten() {
    for (log, prev, entries, expected, writes_after) in [
        (&[1, 2, 3][..], end(2, 2), &[3][..], &[1, 2, 3][..], None),
        (&[1, 2, 3], end(1, 1), &[2], &[1, 2, 3], None),
        (&[1, 2, 3], end(0, 0), &[], &[1, 2, 3], None),
        (&[1, 2, 3], end(2, 2), &[4, 4], &[1, 2, 4, 4], Some(2)),
        (&[1, 2, 3], end(0, 0), &[1, 2, 4], &[1, 2, 4], Some(2)),
        (&[1, 2, 3], end(0, 0), &[4], &[4], Some(0)),
        (&[1, 2, 3], end(3, 3), &[3, 4], &[1, 2, 3, 3, 4], Some(3)),
        (&[], end(0, 0), &[1], &[1], Some(0)),
    ] {
        let mut one = One::follows(4, log);
        let happened = one.hears(1, append(4, prev, entries, 0));
        assert_eq!(one.terms(), expected, "{log:?} {prev:?} {entries:?}");
        let afters = written(&happened).into_iter().map(|write| match write {
            Write::Append { after, .. } => after.0,
            Write::Ballot { .. } => panic!("the term is known"),
            Write::Trim { .. } | Write::Install { .. } => panic!("nothing is trimmed"),
        });
        assert_eq!(afters.collect::<Vec<_>>(), Vec::from_iter(writes_after), "in one I/O");
    }
}

/// "When a leader first comes to power, it initializes all `nextIndex` values to the index just
/// after the last one in its log." "After a rejection, the leader decrements `nextIndex` and
/// retries the `AppendEntries` RPC." Here it goes back as far as the follower says, and retries at
/// once.
#[test]
fn a_leader_probes_backwards() {
    let mut one = One::leads(4, &[1, 1, 3, 3]);
    let next = |one: &One| {
        let progress = one.replica.progress(ReplicaId(1)).unwrap();
        (progress.next.0, progress.flow)
    };
    assert_eq!(next(&one), (5, Flow::Probe));
    let happened = one.hears(1, rejected(4, 4, 3));
    assert_eq!(sent(&happened), [(1, append(4, end(3, 3), &[3], 0))]);
    assert_eq!(next(&one), (4, Flow::Probe));
    // A repetition of the first objection is outdated.
    assert!(sent(&one.hears(1, rejected(4, 4, 3))).is_empty());
    one.hears(1, rejected(4, 3, 1));
    assert_eq!(next(&one), (2, Flow::Probe));
    one.hears(1, appended(4, 4));
    assert_eq!(next(&one), (5, Flow::Stream));
}

/// "A leader never overwrites or deletes entries in its own log; it only appends new entries."
/// (Figure 3, Leader Append-Only.)
#[test]
fn a_leader_only_appends() {
    for message in everything_said(3) {
        let mut one = One::leads(3, &[1, 2]);
        one.hears(1, message);
        assert_eq!(one.terms(), [1, 2]);
    }
}

// Section 5.4: safety.

/// Section 5.4.1: "the voter denies its vote if its own log is more up-to-date than that of the
/// candidate." "If the logs have last entries with different terms, then the log with the later
/// term is more up-to-date. If the logs end with the same term, then whichever log is longer is
/// more up-to-date."
#[test]
fn a_voter_denies_its_vote_to_an_older_log() {
    for (log, candidate, granted) in [
        (&[][..], end(0, 0), true),
        (&[1], end(1, 1), true),
        (&[1], end(2, 1), true),
        (&[1, 1], end(1, 2), true),
        (&[1, 1], end(1, 1), false),
        (&[2], end(9, 1), false),
        (&[1], end(0, 0), false),
    ] {
        let mut one = One::follows(2, log);
        let happened = one.hears(1, request_vote(3, candidate));
        let vote = granted.then_some((1, Message::Vote { term: Term(3) }));
        assert_eq!(sent(&happened), Vec::from_iter(vote), "{log:?} {candidate:?}");
        let vote = granted.then_some(ReplicaId(1));
        assert_eq!(written(&happened), [Write::Ballot { term: Term(3), vote }], "in one I/O");
    }
}

/// Section 5.4.2: "Raft never commits log entries from previous terms by counting replicas. Only
/// log entries from the leader's current term are committed by counting replicas; once an entry
/// from the current term has been committed in this way, then all prior entries are committed
/// indirectly."
#[test]
fn only_entries_of_the_own_term_are_counted() {
    for (matched, commit) in [(0, 0), (1, 0), (2, 0), (3, 3)] {
        let mut one = One::leads(3, &[1, 2]);
        one.writes('x');
        one.persist();
        one.hears(1, appended(3, matched));
        assert_eq!(one.replica.commit().0, commit, "matched {matched}");
    }
}

/// Section 5.5: "Raft RPCs are idempotent." "If a follower receives an `AppendEntries` request that
/// includes log entries already present in its log, it ignores those entries in the new request."
#[test]
fn requests_are_idempotent() {
    let mut one = One::follows(2, &[1]);
    for message in [
        append(2, end(1, 1), &[2, 2], 2),
        append(2, end(5, 2), &[], 0),
        request_vote(3, end(9, 2)),
        Message::Confirm { term: Term(3), round: 4 },
    ] {
        let first = one.hears(1, message.clone());
        one.persist();
        let state = one.replica.clone();
        let again = one.hears(1, message.clone());
        assert_eq!(sent(&again), sent(&first), "{message:?}");
        assert_eq!((written(&again), &one.replica), (vec![], &state), "{message:?}");
    }
}
