//! One replica, told what happens to it, and what it asks for in return.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "world/list.rs"]
mod list;

use list::{Kept, List};
use ringleader_core::group::{
    AnnounceCommit, AtElection, Config, Entry, Membership, Message, Payload, SnapshotMark, Timer,
    Timing, Trim, Write,
};
use ringleader_core::ids::{LogEnd, LogIndex, ReplicaId, RequestId, Term, Tick};
use ringleader_core::quorum::ReplicaSet;
use ringleader_replica::limits::{APPLY_ENTRIES_MAX, OPEN_REQUESTS_MAX};
use ringleader_replica::{
    Action, Event, FoundLog, Outcome, RecoverError, Refusal, Replica, Role, StoredReader, Tuning,
};
use ringleader_storage::disk::{Disk, SimulatedDisk};
use ringleader_storage::wal::{Lsn, Options, ReadError, Record, Recovered, Wal};
use ringleader_wire::{Command, record};
use std::fmt::Write as _;
use std::sync::Arc;

const STREAM: u64 = 0;
const NOW: Tick = Tick(0);
const OTHER: ReplicaId = ReplicaId(1);
const THIRD: ReplicaId = ReplicaId(2);

fn config(replicas: u8) -> Config {
    Config {
        id: ReplicaId(0),
        voters: ReplicaSet::first(replicas),
        election_timeout: Tick(300),
        heartbeat_interval: Tick(50),
        append_entries_max: 64,
        inflight_entries_max: 1024,
        at_election: AtElection::AppendNoOp,
        announce_commit: AnnounceCommit::WithNextAppend,
        timing: Timing::default(),
        trim: Trim::Never,
        log_replicas: ReplicaSet::default(),
    }
}

fn recovered(
    config: &Config,
    state: List,
    records: impl IntoIterator<Item = Result<Record, ReadError>>,
) -> Result<Replica<List>, RecoverError> {
    let log = FoundLog { records, stream: STREAM, trimmed: false };
    Replica::recover(config, Tuning::default(), state, log, NOW)
}

/// A replica whose records are durable as soon as the test says so.
struct Story {
    replica: Replica<List>,
    undurable: Vec<ringleader_replica::LogRecord>,
    log: Vec<Write<Command>>,
}

impl Story {
    fn new(replicas: u8) -> Self {
        let state = List::restart(&Kept::default());
        let replica = recovered(&config(replicas), state, []).unwrap();
        Self { replica, undurable: Vec::new(), log: Vec::new() }
    }

    /// A story in which replica 0 leads term 1, and everything so far is durable and told.
    fn of_leader(replicas: u8) -> Self {
        let mut story = Self::new(replicas);
        story.step(Event::Timer(Timer::Election));
        story.durable();
        if replicas > 1 {
            story.receive(OTHER, Message::Vote { term: Term(1) });
        }
        story.durable();
        assert_eq!(story.replica.status().role, Role::Leader);
        story
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.replica.step(NOW, event).unwrap();
        self.actions()
    }

    fn receive(&mut self, from: ReplicaId, message: Message<Command>) -> Vec<Action> {
        self.step(Event::Receive { from, message })
    }

    fn write(&mut self, id: u64, value: u64) -> Vec<Action> {
        self.step(Event::Write { id: RequestId(id), command: list::append(value) })
    }

    fn read(&mut self, id: u64) -> Vec<Action> {
        self.step(Event::Read { id: RequestId(id), query: Command::default() })
    }

    /// Applies one batch, and takes what is to be done.
    fn actions(&mut self) -> Vec<Action> {
        self.replica.apply(NOW).unwrap();
        let mut actions = Vec::new();
        self.replica.take_actions(&mut actions);
        for action in &actions {
            if let Action::Log(record) = action {
                self.undurable.push(record.clone());
                self.log.push(record::decode(&record.bytes).unwrap());
            }
        }
        actions
    }

    /// All records so far are durable.
    fn durable(&mut self) -> Vec<Action> {
        let positions = vec![Lsn(4096); self.undurable.len()];
        let last = self.undurable.drain(..).next_back();
        match last {
            Some(last) => self.step(Event::Durable { io: last.io, positions }),
            None => Vec::new(),
        }
    }
}

/// The transcript of actions, timers left out.
fn told(actions: &[Action]) -> String {
    let mut text = String::new();
    for action in actions {
        match action {
            Action::Send { to, message } => write!(text, "to {}: {}", to.0, said(message)).unwrap(),
            Action::Log(record) => {
                let write = record::decode(&record.bytes).unwrap();
                write!(text, "write #{}: {}", record.io.0, written(&write)).unwrap();
            }
            Action::Reply { id, outcome } => write!(text, "reply {}: {outcome:?}", id.0).unwrap(),
            Action::SendStored(range) => write!(text, "read for {}", range.to.0).unwrap(),
            Action::Halted { invariant } => write!(text, "halted: {invariant}").unwrap(),
            Action::TrimLog { below } => write!(text, "trim below {below}").unwrap(),
            Action::Arm { .. } | Action::Disarm { .. } => continue,
        }
        text.push('\n');
    }
    text
}

fn said(message: &Message<Command>) -> String {
    match message {
        Message::Append { term, prev, entries, commit } => {
            let (term, prev, count, commit) = (term.0, prev.index.0, entries.len(), commit.0);
            format!("term {term}, {count} entries after {prev}, commit {commit}")
        }
        Message::RequestVote { term, log_end, .. } => {
            format!("vote for me in term {}, my log ends with {}", term.0, log_end.index.0)
        }
        Message::Confirm { term, round } => format!("confirm round {round} of term {}", term.0),
        Message::Vote { .. }
        | Message::Appended { .. }
        | Message::Rejected { .. }
        | Message::Confirmed { .. }
        | Message::RequestPreVote { .. }
        | Message::PreVote { .. }
        | Message::TakeOver { .. }
        | Message::Checkpointed { .. }
        | Message::Trim { .. }
        | Message::SnapshotPart { .. }
        | Message::Staged { .. }
        | Message::Refused { .. }
        | Message::Pull { .. }
        | Message::Pulled { .. }
        | Message::NewerTerm { .. } => format!("{message:?}"),
    }
}

fn written(write: &Write<Command>) -> String {
    match write {
        Write::Ballot { term, vote } => format!("term {}, vote {:?}", term.0, vote.map(|it| it.0)),
        Write::Append { after, entries } => format!("{} entries after {}", entries.len(), after.0),
        Write::Trim { .. } | Write::Install { .. } => format!("{write:?}"),
    }
}

#[test]
fn from_election_to_an_answered_write_and_read() {
    let mut story = Story::new(3);
    let check = |actions: Vec<Action>, expected: &str| assert_eq!(told(&actions), expected);
    check(story.step(Event::Timer(Timer::Election)), "write #1: term 1, vote Some(0)\n");
    // Only the durable ballot is shown to others.
    check(
        story.durable(),
        "to 1: vote for me in term 1, my log ends with 0\n\
         to 2: vote for me in term 1, my log ends with 0\n",
    );
    check(
        story.receive(OTHER, Message::Vote { term: Term(1) }),
        "to 1: term 1, 1 entries after 0, commit 0\n\
         to 2: term 1, 1 entries after 0, commit 0\n\
         write #2: 1 entries after 0\n",
    );
    check(story.durable(), "");
    check(story.receive(OTHER, Message::Appended { term: Term(1), matched: LogIndex(1) }), "");
    // Two writes are one batch: one append per peer, one record.
    let write = |id| Event::Write { id: RequestId(id), command: list::append(id) };
    story.replica.step(NOW, write(10)).unwrap();
    check(
        story.step(write(11)),
        "to 1: term 1, 2 entries after 1, commit 1\n\
         to 2: term 1, 2 entries after 1, commit 1\n\
         write #4: 2 entries after 1\n",
    );
    check(story.durable(), "");
    check(
        story.receive(OTHER, Message::Appended { term: Term(1), matched: LogIndex(3) }),
        &format!(
            "reply 10: {:?}\nreply 11: {:?}\n",
            Outcome::Done(list::append(0)),
            Outcome::Done(list::append(1))
        ),
    );
    check(story.read(12), "to 1: confirm round 1 of term 1\nto 2: confirm round 1 of term 1\n");
    check(
        story.receive(THIRD, Message::Confirmed { term: Term(1), round: 1 }),
        &format!("reply 12: {:?}\n", Outcome::Done(list::append(2))),
    );
}

#[test]
fn a_follower_acknowledges_what_is_durable_and_nothing_else() {
    let mut story = Story::new(3);
    let entries = vec![Entry { term: Term(1), payload: Payload::NoOp }];
    let prev = LogEnd::default();
    let append = Message::Append { term: Term(1), prev, entries, commit: LogIndex(0) };
    let actions = story.receive(OTHER, append);
    assert_eq!(told(&actions), "write #1: term 1, vote None\nwrite #2: 1 entries after 0\n");
    assert_eq!(told(&story.durable()), "to 1: Appended { term: Term(1), matched: LogIndex(1) }\n");
}

#[test]
fn a_deposed_leader_does_not_know_what_becomes_of_its_writes() {
    let mut story = Story::of_leader(3);
    story.write(10, 1);
    let newer = Message::NewerTerm { term: Term(2) };
    let actions = story.receive(OTHER, newer);
    assert_eq!(told(&actions), "write #4: term 2, vote None\nreply 10: Unknown\n");
    let actions = story.write(11, 2);
    assert_eq!(told(&actions), "reply 11: NotLeader { leader: None }\n");
}

#[test]
fn a_read_waits_until_its_entry_is_applied() {
    let mut story = Story::of_leader(1);
    let count = APPLY_ENTRIES_MAX + 10;
    for value in 0..count {
        story
            .replica
            .step(NOW, Event::Write { id: RequestId(value), command: list::append(value) })
            .unwrap();
    }
    story.actions();
    let last = story.undurable.drain(..).next_back().unwrap();
    let positions = vec![Lsn(4096)];
    story.replica.step(NOW, Event::Durable { io: last.io, positions }).unwrap();
    let read = Event::Read { id: RequestId(count), query: Command::default() };
    story.replica.step(NOW, read).unwrap();
    let replies = |actions: &[Action]| {
        actions.iter().filter(|it| matches!(it, Action::Reply { .. })).count() as u64
    };
    // One bounded batch is applied; the read needs the next one too.
    assert_eq!(replies(&story.actions()), APPLY_ENTRIES_MAX);
    let actions = story.actions();
    assert_eq!(replies(&actions), 11);
    let outcome = Outcome::Done(list::append(count));
    assert_eq!(actions.last(), Some(&Action::Reply { id: RequestId(count), outcome }));
}

#[test]
fn requests_are_bounded() {
    let mut story = Story::of_leader(3);
    for id in 0..OPEN_REQUESTS_MAX as u64 {
        story
            .replica
            .step(NOW, Event::Read { id: RequestId(id), query: Command::default() })
            .unwrap();
    }
    story.actions();
    let refused = told(&story.write(OPEN_REQUESTS_MAX as u64, 1));
    assert_eq!(refused, format!("reply {OPEN_REQUESTS_MAX}: Refused(Overloaded)\n"));
}

#[test]
fn a_replica_that_halts_ends_what_is_open_and_refuses_the_rest() {
    let mut story = Story::of_leader(3);
    story.write(10, 1);
    story.read(11);
    let prev = LogEnd::default();
    let usurper = Message::Append { term: Term(1), prev, entries: Vec::new(), commit: LogIndex(0) };
    let actions = story.receive(OTHER, usurper);
    let broken = "ELECTION-1: another replica leads our term";
    assert_eq!(
        told(&actions),
        format!("reply 10: Unknown\nreply 11: Refused(Halted({broken:?}))\nhalted: {broken}\n")
    );
    assert_eq!(story.replica.status().role, Role::Halted);
    let refused = Outcome::Refused(Refusal::Halted(broken));
    assert_eq!(story.write(12, 1), [Action::Reply { id: RequestId(12), outcome: refused }]);
}

/// A follower that has not applied all that it may gets the leader's state: what it was to apply is not
/// in its log any more.
#[test]
fn a_state_that_comes_replaces_what_was_to_be_applied() {
    let mut story = Story::new(3);
    let count = APPLY_ENTRIES_MAX * 3;
    let entry = Entry { term: Term(1), payload: Payload::Command(list::append(7)) };
    let entries = vec![entry; usize::try_from(count).unwrap()];
    let (term, prev, commit) = (Term(1), LogEnd::default(), LogIndex(count));
    story.receive(OTHER, Message::Append { term, prev, entries, commit });
    story.durable();
    assert_eq!(story.replica.status().applied, LogIndex(APPLY_ENTRIES_MAX));
    let end = LogEnd { term, index: LogIndex(count * 2) };
    let members = Membership { voters: ReplicaSet::first(3), ..Membership::default() };
    let mark = SnapshotMark { end, members_index: LogIndex(0), members };
    let (part, last, content) = (0, true, vec![list::append(5)]);
    story.receive(OTHER, Message::SnapshotPart { term, mark, part, last, content });
    assert_eq!(story.replica.status().applied, LogIndex(APPLY_ENTRIES_MAX), "not yet durable");
    assert_eq!(story.log.last(), Some(&Write::Install { mark }));
    story.durable();
    assert_eq!(story.replica.status().applied, end.index);
    assert_eq!(story.replica.state().values, [5]);
}

/// A log with these writes, as a replica finds it when it starts.
fn logged(writes: &[Write<Command>]) -> (Wal, Recovered) {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let options = Options { segment_length: 1 << 16, ..Options::new(0) };
    let (mut wal, _) = Wal::open_or_create(&disk, options).unwrap();
    for write in writes {
        wal.append(STREAM, &record::encode(write));
        wal.commit().unwrap();
    }
    drop(wal);
    Wal::open(&disk, options).unwrap()
}

fn ballot(term: u64) -> Write<Command> {
    Write::Ballot { term: Term(term), vote: Some(OTHER) }
}

fn appended(after: u64, term: u64, values: &[u64]) -> Write<Command> {
    let entry = |&value| Entry { term: Term(term), payload: Payload::Command(list::append(value)) };
    Write::Append { after: LogIndex(after), entries: values.iter().map(entry).collect() }
}

#[test]
fn a_restart_finds_what_the_records_say() {
    let writes = [ballot(1), appended(0, 1, &[7, 8, 9]), ballot(2), appended(1, 2, &[6])];
    let (_, found) = logged(&writes);
    let state = List::restart(&Kept::default());
    let replica = recovered(&config(3), state, found.records()).unwrap();
    let group = replica.group();
    assert_eq!((group.term(), group.vote()), (Term(2), Some(OTHER)));
    assert_eq!(group.log().end(), LogEnd { term: Term(2), index: LogIndex(2) });
    let entry = |value| Some(Payload::Command(list::append(value)));
    assert_eq!(group.log().payload(LogIndex(1)).cloned(), entry(7));
    assert_eq!(group.log().payload(LogIndex(2)).cloned(), entry(6));
}

#[test]
fn records_that_contradict_each_other_are_refused() {
    let check = |writes: &[Write<Command>], applied: u64, expected: &str| {
        let (_, found) = logged(writes);
        let kept = Kept::default();
        kept.borrow_mut().state.0 = LogIndex(applied);
        let state = List::restart(&kept);
        let refused = recovered(&config(3), state, found.records());
        let error: RecoverError = refused.err().unwrap();
        assert!(error.to_string().ends_with(expected), "{error}");
    };
    check(
        &[ballot(1), appended(0, 1, &[7]), appended(3, 1, &[8])],
        0,
        "entries after 3, of term 1, in term 1, where the log ends with entry 1 of term 1",
    );
    check(
        &[ballot(2), appended(0, 2, &[7]), appended(1, 1, &[8])],
        0,
        "entries after 1, of term 1, in term 2, where the log ends with entry 1 of term 2",
    );
    check(
        &[ballot(1), appended(0, 2, &[7])],
        0,
        "entries after 0, of term 2, in term 1, where the log ends with entry 0 of term 0",
    );
    check(
        &[ballot(1), appended(0, 1, &[7])],
        5,
        "the tree holds entry 5, the log ends with entry 1: they do not belong together",
    );
}

/// A leader that has applied and forgotten its log reads it back for a peer that has nothing.
#[test]
fn stored_entries_are_read_back_with_the_terms_they_had() {
    let first = [ballot(1), appended(0, 1, &[5, 6, 7])];
    let second = [ballot(2), appended(1, 2, &[8]), appended(2, 2, &[9])];
    let writes = [&first[..], &second[..]].concat();
    let (wal, found) = logged(&writes);
    let kept = Kept::default();
    kept.borrow_mut().state = (LogIndex(3), vec![5, 8, 9]);
    let state = List::restart(&kept);
    let replica = recovered(&config(3), state, found.records()).unwrap();
    let mut story = Story { replica, undurable: Vec::new(), log: Vec::new() };
    story.step(Event::Timer(Timer::Election));
    story.durable();
    story.receive(OTHER, Message::Vote { term: Term(3) });
    let (term, hint) = (Term(3), LogIndex(0));
    let actions = story.receive(OTHER, Message::Rejected { term, prev: LogIndex(3), hint });
    let Some(Action::SendStored(range)) =
        actions.into_iter().find(|it| matches!(it, Action::SendStored(_)))
    else {
        panic!("nothing is read");
    };
    let mut reader = StoredReader::new(wal.reader(), STREAM);
    let messages = reader.read(&range).unwrap();
    let [Message::Append { prev, entries, .. }] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(prev.index, LogIndex(0));
    let expected = [appended(0, 1, &[5]), appended(1, 2, &[8, 9])];
    let expected = expected.into_iter().flat_map(|write| match write {
        Write::Append { entries, .. } => entries,
        Write::Ballot { .. } | Write::Trim { .. } | Write::Install { .. } => Vec::new(),
    });
    assert_eq!(entries, &expected.collect::<Vec<_>>());
    let mut elsewhere = range;
    elsewhere.last.term = Term(1);
    assert_eq!(reader.read(&elsewhere).unwrap(), []);
}
