//! Laws that hold for every sequence of inputs, however absurd: `step` is total, re-basing and
//! renaming commute with it. The driver keeps its promises; peers and clients need not.

use super::world::config;
use crate::group::invariant::replica_is_sound;
use crate::group::{
    AnnounceCommit, Answer, Ask, AtElection, Change, Config, Drift, Durable, Entry, Group, Lease,
    Membership, Message, Payload, Rename, Request, SnapshotMark, Timer, Timing, Told, Trim, Write,
};
use crate::ids::{IoNumber, LogEnd, LogIndex, ReplicaId, RequestId, Term, Tick};
use crate::machine::{Effect, Effects, Input, Machine, Recovered};
use crate::quorum::ReplicaSet;
use alloc::vec::Vec;
use core::cmp::Reverse;
use proptest::collection::vec;
use proptest::prelude::*;

type Replica = Group<u8>;

/// A number near one that means something to the replica, or any number at all.
#[derive(Clone, Copy, Debug)]
enum Number {
    Near(i8),
    Any(u64),
}

impl Number {
    fn resolve(self, base: u64) -> u64 {
        match self {
            Self::Near(distance) => base.saturating_add_signed(distance.into()),
            Self::Any(number) => number,
        }
    }
}

/// What a peer says, before it is fitted to what the replica knows.
#[derive(Clone, Debug)]
struct Said {
    from: u8,
    kind: u8,
    term: Number,
    index: Number,
    /// Terms of entries are those a correct peer might name.
    honest: bool,
    of_term: Number,
    entries: Vec<Number>,
    other: Number,
}

/// An input, before it is fitted to what the replica knows.
#[derive(Clone, Debug)]
enum Stimulus {
    Timer(Timer),
    Said(Said),
    Write(u8),
    Read,
    ReadEventual,
    Transfer(u8),
    /// Adds or removes a replica.
    Change(bool, u8),
    /// So many of the I/Os on their way become durable, in 255ths.
    Persist(u8),
    /// So much of what was asked for is applied, in 255ths.
    Apply(u8),
    /// So much of what was applied is in storage, in 255ths.
    Checkpoint(u8),
    /// What was asked for about snapshots, if anything was: done, or failed.
    Snapshot(bool),
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        20 => (-3_i8..=3).prop_map(Number::Near),
        1 => any::<u64>().prop_map(Number::Any),
        1 => prop_oneof![Just(0), Just(u64::MAX), Just(u64::MAX - 1)].prop_map(Number::Any),
    ]
}

fn term() -> impl Strategy<Value = Number> {
    prop_oneof![
        30 => prop_oneof![8 => Just(0_i8), 1 => Just(-1), 1 => Just(1)].prop_map(Number::Near),
        1 => number(),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    let entries = vec(term(), 0..4);
    let from = prop_oneof![9 => 0_u8..4, 1 => any::<u8>()];
    let numbers = (term(), number(), term(), number());
    (from, 0_u8..18, numbers, prop::bool::weighted(0.8), entries).prop_map(
        |(from, kind, (term, index, of_term, other), honest, entries)| Said {
            from,
            kind,
            term,
            index,
            honest,
            of_term,
            entries,
            other,
        },
    )
}

fn stimulus() -> impl Strategy<Value = Stimulus> {
    prop_oneof![
        2 => prop_oneof![Just(Timer::Election), Just(Timer::Heartbeat)].prop_map(Stimulus::Timer),
        1 => prop_oneof![Just(Timer::Quorum), Just(Timer::Transfer)].prop_map(Stimulus::Timer),
        10 => said().prop_map(Stimulus::Said),
        3 => any::<u8>().prop_map(Stimulus::Write),
        3 => prop_oneof![2 => Just(Stimulus::Read), 1 => Just(Stimulus::ReadEventual)],
        1 => (0_u8..4).prop_map(Stimulus::Transfer),
        1 => (any::<bool>(), 0_u8..5).prop_map(|(add, id)| Stimulus::Change(add, id)),
        4 => prop_oneof![any::<u8>(), Just(255)].prop_map(Stimulus::Persist),
        2 => any::<u8>().prop_map(Stimulus::Apply),
        2 => prop_oneof![
            any::<u8>().prop_map(Stimulus::Checkpoint),
            any::<bool>().prop_map(Stimulus::Snapshot),
        ],
    ]
}

/// Arbitrary stimuli; often the replica leads before they begin, and has committed.
fn stimuli() -> impl Strategy<Value = Vec<Stimulus>> {
    let say = |kind| Said {
        from: 1,
        kind,
        term: Number::Near(0),
        index: Number::Near(0),
        honest: true,
        of_term: Number::Near(0),
        entries: Vec::new(),
        other: Number::Near(0),
    };
    let campaign = [Stimulus::Timer(Timer::Election), Stimulus::Persist(255)];
    let success = [Stimulus::Said(say(1)), Stimulus::Write(0), Stimulus::Persist(255)];
    let commit = [Stimulus::Said(say(4))];
    let prologue: Vec<_> = campaign.into_iter().chain(success).chain(commit).collect();
    (prop::sample::select(Vec::from([0, 5, 6])), vec(stimulus(), 0..80)).prop_map(
        move |(length, others)| prologue[..length].iter().cloned().chain(others).collect(),
    )
}

/// How far clocks get from one input to the next.
const PACE: u64 = 7;

/// Rules about time with spans of a few inputs, or none.
fn timing() -> impl Strategy<Value = Timing> {
    let span = || prop::option::of((0_u64..60).prop_map(Tick));
    (span(), span(), span()).prop_map(|(evidence, quorum_timeout, lease)| {
        let drift = Drift { parts: 1, of: 3 };
        Timing { evidence, quorum_timeout, lease: lease.map(|span| Lease { span, drift }) }
    })
}

/// A configuration and a disk to start from.
fn start() -> impl Strategy<Value = (Config, Recovered<Durable<u8>>)> {
    let terms = vec(1_u64..5, 0..6);
    let limit = || prop_oneof![9 => 1_u64..6, 1 => Just(u64::MAX)];
    let limits = (limit(), limit());
    (any::<[bool; 2]>(), limits, timing(), terms, 0_u64..3, any::<u8>()).prop_map(
        |([wait, at_once], limits, timing, mut terms, ahead, applied)| {
            let (append_entries_max, inflight_entries_max) = limits;
            let config = Config {
                append_entries_max,
                inflight_entries_max,
                at_election: if wait { AtElection::Wait } else { AtElection::AppendNoOp },
                announce_commit: [AnnounceCommit::WithNextAppend, AnnounceCommit::AtOnce]
                    [usize::from(at_once)],
                timing,
                // One in three groups has a log replica, in some of them this one.
                log_replicas: match (ahead, wait) {
                    (2, true) => ReplicaSet::default().with(ReplicaId(0)),
                    (2, false) => ReplicaSet::default().with(ReplicaId(2)),
                    _ => ReplicaSet::default(),
                },
                trim: if ahead == 1 { Trim::BelowEveryCheckpoint } else { Trim::Never },
                ..config()
            };
            terms.sort_unstable();
            let entries: Vec<_> = terms.iter().map(|&term| (term, 0)).collect();
            let term = terms.last().copied().unwrap_or_default() + ahead;
            let applied = if ahead == 2 && wait { 0 } else { applied };
            let checkpointed = LogIndex(share(entries.len() as u64, applied));
            (
                config,
                Recovered {
                    durable: super::world::disk(term, &entries),
                    checkpointed,
                    wiped: false,
                },
            )
        },
    )
}

fn share(whole: u64, of_255: u8) -> u64 {
    whole * u64::from(of_255) / 255
}

/// What a correct driver must know: how far I/Os are.
#[derive(Clone, Copy, Default)]
struct Disk {
    issued: IoNumber,
    persisted: IoNumber,
    /// What it was asked about snapshots last.
    asked: Option<Asked>,
}

/// Something about a snapshot.
#[derive(Clone, Copy)]
enum Asked {
    Stage(SnapshotMark),
    Install(SnapshotMark),
}

impl Stimulus {
    /// Fits it to what the replica and its driver know.
    fn fit(&self, replica: &Replica, disk: &mut Disk, id: u64) -> Input<Replica> {
        let id = RequestId(id);
        match self {
            Self::Timer(timer) => Input::Timer(*timer),
            Self::Said(said) => said.fit(replica),
            Self::Write(0) => {
                Input::Request { id, request: Request::WriteAll(Vec::from([1, 2, 3])) }
            }
            Self::Write(command) => Input::Request { id, request: Request::Write(*command) },
            Self::Read => Input::Request { id, request: Request::Read },
            Self::ReadEventual => Input::Request { id, request: Request::ReadEventual },
            Self::Transfer(to) => {
                Input::Request { id, request: Request::Transfer { to: ReplicaId(*to) } }
            }
            Self::Change(add, of) => {
                let change = if *add { Change::Add } else { Change::Remove };
                Input::Request { id, request: Request::Change(change(ReplicaId(*of))) }
            }
            Self::Persist(part) => {
                let on_the_way = disk.issued.0 - disk.persisted.0;
                disk.persisted.0 += share(on_the_way, *part);
                Input::Persisted(disk.persisted)
            }
            Self::Apply(part) => {
                Input::Told(Told::Applied(LogIndex(share(replica.applying().0, *part))))
            }
            Self::Checkpoint(part) => {
                Input::Told(Told::Checkpointed(LogIndex(share(replica.applying().0, *part))))
            }
            Self::Snapshot(done) => Input::Told(match (disk.asked, done) {
                (Some(Asked::Stage(mark)), true) => Told::Staged(mark),
                (Some(Asked::Stage(mark)), false) => Told::Failed(mark),
                (Some(Asked::Install(mark)), _) => Told::Installed(mark.end.index),
                (None, _) => Told::Gone(ReplicaId(1)),
            }),
        }
    }
}

impl Said {
    fn fit(&self, replica: &Replica) -> Input<Replica> {
        let term = Term(self.term.resolve(replica.term().0));
        let end = replica.log().end();
        let index = LogIndex(self.index.resolve(end.index.0));
        let of_term = Term(self.of_term.resolve(end.term.0));
        let held = replica.log().term_at(index).filter(|_| self.honest);
        let prev = LogEnd { term: held.unwrap_or(of_term), index };
        let message = match self.kind {
            0 => Message::RequestVote { term, log_end: prev, by_transfer: self.honest },
            8 => {
                let poll = self.other.resolve(replica.polls());
                Message::RequestPreVote { term, poll, log_end: prev }
            }
            9 => Message::PreVote { term, poll: self.other.resolve(replica.polls()) },
            10 => Message::TakeOver { term },
            1 => Message::Vote { term },
            2 | 3 => {
                let entries = self.entries(prev, term);
                let commit = LogIndex(self.other.resolve(index.0));
                Message::Append { term, prev, entries, commit }
            }
            4 => Message::Appended { term, matched: index },
            5 => {
                Message::Rejected { term, prev: index, hint: LogIndex(self.other.resolve(index.0)) }
            }
            6 => Message::Confirm { term, round: self.other.resolve(1) },
            11 => Message::Checkpointed { term, index },
            12 => Message::Trim { term, end: prev },
            13 => {
                let members = Membership {
                    voters: ReplicaSet::first(3),
                    log_replicas: ReplicaSet::default(),
                };
                let mark = SnapshotMark { end: prev, members_index: LogIndex(0), members };
                let part = u32::try_from(self.other.resolve(0) % 3).unwrap();
                let (content, last) = (Vec::from([self.from]), self.from % 2 == 1);
                Message::SnapshotPart { term, mark, part, last, content }
            }
            15 => Message::Refused { term, log_end: prev },
            16 => Message::Pull { term, after: prev },
            17 => {
                let entries = self.entries(prev, term);
                let of_end = Term(self.other.resolve(end.term.0));
                let log_end = LogEnd { term: of_end, index: LogIndex(index.0.saturating_add(2)) };
                Message::Pulled { term, prev, entries, log_end }
            }
            14 => Message::Staged { term, end: index, parts: 1 },
            _ => [
                Message::Confirmed { term, round: self.other.resolve(1) },
                Message::NewerTerm { term },
            ][usize::from(self.from == 1)]
            .clone(),
        };
        Input::Receive { from: ReplicaId(self.from), message }
    }

    fn entries(&self, prev: LogEnd, term: Term) -> Vec<Entry<u8>> {
        let terms = self.entries.iter().map(|of_entry| of_entry.resolve(term.0));
        let mut terms: Vec<_> = terms.collect();
        if self.honest {
            terms.sort_unstable();
            for of_entry in &mut terms {
                *of_entry = (*of_entry).max(prev.term.0).min(term.0);
            }
        }
        // Some of them are configurations: without this replica, with a stranger, or with itself.
        let payload = |of_entry: u64| match (self.from, of_entry % 5) {
            (0..4, 1) => Payload::Members(Membership {
                voters: ReplicaSet::first(4).without(ReplicaId(self.kind % 4)),
                log_replicas: ReplicaSet::default().with(ReplicaId(1 + self.kind % 3)),
            }),
            _ => Payload::NoOp,
        };
        let entry = |of_entry| Entry { term: Term(of_entry), payload: payload(of_entry) };
        terms.into_iter().map(entry).collect()
    }
}

fn step(replica: &mut Replica, now: Tick, input: Input<Replica>) -> Vec<Effect<Replica>> {
    let mut effects = Effects::new();
    replica.step(now, input, &mut effects);
    effects.drain().collect()
}

fn recover(config: &Config, disk: Recovered<Durable<u8>>) -> Replica {
    Replica::recover(config, disk, Tick(0), &mut Effects::new())
}

/// Feeds all stimuli; `check` sees the replica before and after each input, and the effects.
fn run(
    (config, disk): (Config, Recovered<Durable<u8>>),
    stimuli: &[Stimulus],
    mut check: impl FnMut(&Replica, (Tick, &Input<Replica>), &[Effect<Replica>], &Replica, Disk),
) {
    let mut replica = recover(&config, disk);
    let mut disk = Disk::default();
    for (number, stimulus) in stimuli.iter().enumerate() {
        let before = replica.clone();
        let input = stimulus.fit(&replica, &mut disk, number as u64);
        let now = Tick(number as u64 * PACE);
        let effects = step(&mut replica, now, input.clone());
        for effect in &effects {
            if let Effect::Write { io, .. } = effect {
                assert_eq!(io.0, disk.issued.0 + 1, "I/Os are numbered without gaps");
                disk.issued = *io;
            }
            if let Effect::Ask(Ask::Stage { mark, last: true, .. }) = effect {
                disk.asked = Some(Asked::Stage(*mark));
            } else if let Effect::Ask(Ask::Install { mark }) = effect {
                disk.asked = Some(Asked::Install(*mark));
            }
        }
        check(&before, (now, &input), &effects, &replica, disk);
    }
}

proptest! {
    /// No input panics, breaks a relation between the fields, takes a promise back, or makes an
    /// effect wait for an I/O that does not exist.
    #[test]
    fn step_is_total(start in start(), stimuli in stimuli()) {
        run(start, &stimuli, |before, _, effects, after, disk| {
            assert_eq!(replica_is_sound(after), Ok(()));
            assert!(before.term() <= after.term(), "terms never decrease");
            assert!(before.commit() <= after.commit(), "commit indexes never decrease");
            assert!(before.applying() <= after.applying(), "nothing is un-applied");
            let voted = before.vote().is_some() && before.term() == after.term();
            assert!(!voted || before.vote() == after.vote(), "one vote per term");
            assert!(!before.is_halted() || effects.is_empty(), "a halted replica is silent");
            let halts = |effect: &_| matches!(effect, Effect::Halt { .. });
            let halt = effects.iter().position(halts);
            assert!(halt.is_none_or(|at| at == effects.len() - 1), "nothing follows a halt");
            for effect in effects {
                let (Effect::Send { after, .. } | Effect::Answer { after, .. }) = effect else {
                    continue;
                };
                let waits = *after > disk.persisted;
                assert!(*after == IoNumber::NONE || waits && *after <= disk.issued);
            }
        });
    }

    /// A replica that is re-based again and again does the same as one that never is.
    #[test]
    fn rebase_commutes_with_step(
        start in start(),
        stimuli in stimuli(),
        often in 1_usize..5,
    ) {
        let mut twin = recover(&start.0, start.1.clone());
        let (mut origin, mut epoch, mut count) = (0, 0, 0);
        run(start, &stimuli, |_, (now, input), effects, replica, disk| {
            let mut input = input.clone();
            if let Input::Persisted(io) = &mut input {
                io.0 -= origin;
            }
            let shifted = step(&mut twin, Tick(now.0 - epoch), input).into_iter().map(|it| later(it, origin));
            assert_eq!(shifted.collect::<Vec<_>>(), effects);
            count += 1;
            if replica.is_halted() {
                return; // It no longer counts I/Os.
            }
            if count % often == 0 {
                twin.rebase(Tick(now.0 - epoch), IoNumber(disk.persisted.0 - origin));
                (origin, epoch) = (disk.persisted.0, now.0);
            }
            let mut rebased = replica.clone();
            rebased.rebase(Tick(epoch), IoNumber(origin));
            assert_eq!(rebased, twin);
        });
    }

    /// Replicas are interchangeable: renamed inputs give renamed effects and a renamed state.
    #[test]
    fn rename_commutes_with_step(
        start in start(),
        stimuli in stimuli(),
        names in Just([0_u8, 1, 2]).prop_shuffle(),
    ) {
        let name = |id: ReplicaId| names.get(usize::from(id.0)).map_or(id, |&new| ReplicaId(new));
        let (config, recovered) = start.clone();
        let durable = recovered.durable.rename(&name);
        let mut twin = recover(&config.rename(&name), Recovered { durable, ..recovered });
        run(start, &stimuli, |_, (now, input), effects, replica, _| {
            let mut input = input.clone();
            match &mut input {
                Input::Told(told) => *told = told_under(&name, *told),
                Input::Receive { from, message } => {
                    *from = name(*from);
                    *message = message.rename(&name);
                }
                Input::Request { request: Request::Change(change), .. } => {
                    *change = change.rename(&name);
                }
                Input::Request { .. } | Input::Timer(_) | Input::Persisted(_) => {}
            }
            if let Input::Request { request: Request::Transfer { to }, .. } = &mut input {
                *to = name(*to);
            }
            let mut of_twin = step(&mut twin, now, input);
            let mut renamed: Vec<_> = effects.iter().map(|it| under(&name, it.clone())).collect();
            // Peers are spoken to in the order of their ids; what each is told keeps its order.
            of_twin.sort_by_key(|it| Reverse(receiver(it)));
            renamed.sort_by_key(|it| Reverse(receiver(it)));
            assert_eq!(of_twin, renamed);
            assert_eq!(twin, replica.rename(&name));
        });
    }
}

/// The effect, as if I/Os were numbered from `origin` on.
fn later(effect: Effect<Replica>, origin: u64) -> Effect<Replica> {
    let shift = |io: IoNumber| {
        if io == IoNumber::NONE { io } else { IoNumber(io.0 + origin) }
    };
    match effect {
        Effect::Write { io, write } => Effect::Write { io: shift(io), write },
        Effect::Send { to, message, after } => Effect::Send { to, message, after: shift(after) },
        Effect::Answer { id, answer, after } => Effect::Answer { id, answer, after: shift(after) },
        Effect::Arm { .. } | Effect::Disarm { .. } | Effect::Ask(_) | Effect::Halt { .. } => effect,
    }
}

/// The effect, with every replica renamed.
fn under(name: &dyn Fn(ReplicaId) -> ReplicaId, effect: Effect<Replica>) -> Effect<Replica> {
    match effect {
        Effect::Write { io, write } => Effect::Write { io, write: Write::rename(&write, name) },
        Effect::Send { to, message, after } => {
            Effect::Send { to: name(to), message: message.rename(name), after }
        }
        Effect::Answer { id, answer: Answer::NotLeader { leader }, after } => {
            let answer = Answer::NotLeader { leader: leader.map(name) };
            Effect::Answer { id, answer, after }
        }
        Effect::Ask(Ask::SendRange { to, term, prev, last, commit }) => {
            Effect::Ask(Ask::SendRange { to: name(to), term, prev, last, commit })
        }
        Effect::Ask(Ask::SendSnapshot { to, term, mark, part }) => {
            let mark = mark.rename(name);
            Effect::Ask(Ask::SendSnapshot { to: name(to), term, mark, part })
        }
        Effect::Ask(Ask::Stage { mark, part, content, last }) => {
            Effect::Ask(Ask::Stage { mark: mark.rename(name), part, content, last })
        }
        Effect::Ask(Ask::Install { mark }) => Effect::Ask(Ask::Install { mark: mark.rename(name) }),
        Effect::Answer { .. }
        | Effect::Arm { .. }
        | Effect::Disarm { .. }
        | Effect::Ask(_)
        | Effect::Halt { .. } => effect,
    }
}

/// What the host says, with every replica renamed.
fn told_under(name: &dyn Fn(ReplicaId) -> ReplicaId, told: Told) -> Told {
    match told {
        Told::Staged(mark) => Told::Staged(mark.rename(name)),
        Told::Failed(mark) => Told::Failed(mark.rename(name)),
        Told::Gone(peer) => Told::Gone(name(peer)),
        Told::Applied(_) | Told::Checkpointed(_) | Told::Installed(_) => told,
    }
}

/// Whom the effect speaks to.
fn receiver(effect: &Effect<Replica>) -> Option<ReplicaId> {
    match *effect {
        Effect::Send { to, .. }
        | Effect::Ask(Ask::SendRange { to, .. } | Ask::SendSnapshot { to, .. }) => Some(to),
        Effect::Write { .. }
        | Effect::Answer { .. }
        | Effect::Arm { .. }
        | Effect::Disarm { .. }
        | Effect::Ask(_)
        | Effect::Halt { .. } => None,
    }
}
