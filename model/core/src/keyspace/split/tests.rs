//! Stories of a partition: what it refuses, how it splits, how it moves.

use super::*;
use crate::ids::LogIndex;

type Owner = Host<u8>;

const ROUTER: ReplicaId = ReplicaId(9);

fn assignment(first: u128, last: u128, epoch: u64, id: u64, home: u8) -> Assignment {
    let range = KeyRange::new(Token(first), Token(last)).unwrap();
    Assignment { range, epoch: Epoch(epoch), partition: PartitionId(id), home: ReplicaId(home) }
}

fn config(id: u8, created: Vec<Assignment>) -> HostConfig {
    HostConfig { id: ReplicaId(id), created, resend_interval: Tick(1) }
}

/// A host whose first writes are durable.
fn host(id: u8, created: Vec<Assignment>) -> Owner {
    let mut effects = Effects::new();
    let mut host =
        Owner::recover(&config(id, created), Recovered::default(), Tick(0), &mut effects);
    persist(&mut host);
    host
}

fn persist(host: &mut Owner) {
    step(host, Input::Persisted(host.issued));
}

fn step(host: &mut Owner, input: Input<Owner>) -> Vec<Effect<Owner>> {
    let mut effects = Effects::new();
    host.step(Tick(0), input, &mut effects);
    effects.drain().collect()
}

fn sends(effects: &[Effect<Owner>]) -> Vec<(u8, Message<u8>, u64)> {
    let mut sends = Vec::new();
    for effect in effects {
        if let Effect::Send { to, message, after } = effect {
            sends.push((to.0, message.clone(), after.0));
        }
    }
    sends
}

fn put(host: &mut Owner, number: u64, epoch: u64, token: u128, value: u8) -> Vec<Effect<Owner>> {
    let (epoch, token, access) = (Epoch(epoch), Token(token), Access::Put(value));
    let message = Message::Do { number, epoch, token, access };
    step(host, Input::Receive { from: ROUTER, message })
}

fn get(host: &mut Owner, epoch: u64, token: u128) -> Message<u8> {
    let (epoch, token) = (Epoch(epoch), Token(token));
    let message = Message::Do { number: 99, epoch, token, access: Access::Get };
    sends(&step(host, Input::Receive { from: ROUTER, message }))[0].1.clone()
}

fn change(host: &mut Owner, change: Change) -> Vec<Effect<Owner>> {
    step(host, Input::Request { id: RequestId(1), request: change })
}

fn refused(known: Assignment) -> Message<u8> {
    Message::Refused { number: 99, known: Some(known) }
}

fn done(value: Option<u8>) -> Message<u8> {
    Message::Done { number: 99, value }
}

#[test]
fn an_answer_waits_for_the_log() {
    let mut host = host(0, Vec::from([assignment(1, 1000, 1, 1, 0)]));
    let effects = put(&mut host, 1, 1, 7, 70);
    assert_eq!(sends(&effects), [(9, Message::Done { number: 1, value: Some(70) }, 2)]);
}

#[test]
fn a_repeated_write_takes_effect_once() {
    let mut host = host(0, Vec::from([assignment(1, 1000, 1, 1, 0)]));
    put(&mut host, 1, 1, 7, 70);
    put(&mut host, 2, 1, 7, 71);
    put(&mut host, 1, 1, 7, 70);
    assert_eq!(get(&mut host, 1, 7), done(Some(71)));
}

/// The inventory's fixture: (0, 1000] splits into (0, 500] and (500, 1000].
#[test]
fn children_hold_what_the_parent_held_and_promised() {
    let mut host = host(0, Vec::from([assignment(1, 1000, 1, 1, 0)]));
    put(&mut host, 1, 1, 500, 50);
    put(&mut host, 2, 1, 501, 51);
    change(&mut host, Change::Promise { partition: PartitionId(1), until: 7 });
    change(&mut host, Change::Split { partition: PartitionId(1), at: Token(500) });
    let (left, right) = (assignment(1, 500, 2, 2, 0), assignment(501, 1000, 2, 3, 0));
    let children: Vec<_> = host.partitions().map(|it| (it.assignment, it.promised)).collect();
    assert_eq!(children, [(left, 7), (right, 7)]);
    // The parent's epoch is refused, and whoever asked learns better: once that is durable.
    assert_eq!(get(&mut host, 1, 500), refused(left));
    assert_eq!(get(&mut host, 2, 500), done(Some(50)));
    assert_eq!(get(&mut host, 2, 501), done(Some(51)));
    assert!(host.partitions().all(Partition::holds_only_its_own));
    let late = sends(&put(&mut host, 3, 1, 500, 52));
    assert_eq!(late, [(9, Message::Refused { number: 3, known: Some(left) }, 5)]);
}

#[test]
fn what_does_not_fit_is_refused_without_effect() {
    let mut host = host(0, Vec::from([assignment(1, 1000, 1, 1, 0)]));
    for unfit in [
        Change::Split { partition: PartitionId(1), at: Token(1000) },
        Change::Split { partition: PartitionId(1), at: Token(0) },
        Change::Split { partition: PartitionId(2), at: Token(5) },
        Change::Move { partition: PartitionId(1), to: ReplicaId(0) },
        Change::Promise { partition: PartitionId(8), until: 1 },
    ] {
        let effects = change(&mut host, unfit);
        let (id, answer, after) = (RequestId(1), Outcome::Refused, IoNumber::NONE);
        assert_eq!(effects, [Effect::Answer { id, answer, after }], "{unfit:?}");
    }
}

#[test]
fn a_partition_ends_durably_before_its_successor_hears_of_it() {
    let mut from = host(0, Vec::from([assignment(1, 1000, 1, 1, 0)]));
    put(&mut from, 1, 1, 7, 70);
    let begun = change(&mut from, Change::Move { partition: PartitionId(1), to: ReplicaId(5) });
    let (to, parcel, after) = sends(&begun).remove(0);
    assert_eq!((to, after), (5, 3));
    let next = assignment(1, 1000, 2, 1, 5);
    assert_eq!(get(&mut from, 1, 7), refused(next));
    // It is repeated until the successor has it durably, and then let go.
    assert_eq!(sends(&step(&mut from, Input::Timer(Timer::Resend)))[0].1, parcel);
    let mut to = host(5, Vec::new());
    let installed = step(&mut to, Input::Receive { from: ReplicaId(0), message: parcel.clone() });
    let news = Message::Installed { assignment: next };
    assert_eq!(sends(&installed), [(0, news.clone(), 1)]);
    assert_eq!(get(&mut to, 2, 7), done(Some(70)));
    put(&mut to, 2, 2, 7, 71);
    // A late parcel does not undo what was written since.
    step(&mut to, Input::Receive { from: ReplicaId(0), message: parcel });
    assert_eq!(get(&mut to, 2, 7), done(Some(71)));
    step(&mut from, Input::Receive { from: ReplicaId(5), message: news });
    assert_eq!(step(&mut from, Input::Timer(Timer::Resend)), []);
    assert!(from.partitions().all(|it| it.items.is_empty()));
    assert_eq!(get(&mut from, 1, 7), refused(next));
}

#[test]
fn a_stranger_does_not_end_a_hand_over() {
    let mut from = host(0, Vec::from([assignment(1, 1000, 1, 1, 0)]));
    change(&mut from, Change::Move { partition: PartitionId(1), to: ReplicaId(5) });
    let message = Message::Installed { assignment: assignment(1, 1000, 2, 1, 5) };
    step(&mut from, Input::Receive { from: ReplicaId(6), message });
    assert_eq!(from.leaving().count(), 1);
}

#[test]
fn a_host_comes_back_as_its_disk_says() {
    let created = Vec::from([assignment(1, 1000, 1, 1, 0)]);
    let mut before = host(0, created.clone());
    change(&mut before, Change::Move { partition: PartitionId(1), to: ReplicaId(5) });
    let recovered =
        Recovered { durable: before.state.clone(), checkpointed: LogIndex::ZERO, wiped: false };
    let mut effects = Effects::new();
    let mut after = Owner::recover(&config(0, created), recovered, Tick(0), &mut effects);
    let armed: Vec<_> = effects.drain().collect();
    assert!(matches!(armed[..], [Effect::Arm { timer: Timer::Resend, .. }]), "{armed:?}");
    assert_eq!(get(&mut after, 1, 7), refused(assignment(1, 1000, 2, 1, 5)));
}
