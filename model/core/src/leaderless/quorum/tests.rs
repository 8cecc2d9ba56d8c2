//! Stories of a register with N copies: what is said, in which order, and what waits for the disk.

use super::*;
use crate::ids::LogIndex;
use alloc::vec;
use proptest::prelude::*;

type Node = Quorum<u8>;
type Said = Message<u8>;

const EPOCH: RingEpoch = RingEpoch(1);

fn ring(epoch: u64, owners: &[u8], stand_ins: &[u8]) -> Ring {
    let ids = |names: &[u8]| names.iter().copied().map(ReplicaId).collect();
    Ring { epoch: RingEpoch(epoch), owners: ids(owners), stand_ins: ids(stand_ins) }
}

fn config(id: u8, placement: Placement) -> Config {
    Config {
        id: ReplicaId(id),
        ring: ring(1, &[0, 1, 2], &[3, 4]),
        placement,
        foreign_epoch: ForeignEpoch::Refuse,
        retry_interval: Tick(10),
        retries_max: 2,
        reserved_at_once: 1,
    }
}

fn node(id: u8, placement: Placement) -> Node {
    Node::recover(&config(id, placement), Recovered::default(), Tick(0), &mut Effects::new())
}

fn step(node: &mut Node, input: Input<Node>) -> Vec<Effect<Node>> {
    let mut effects = Effects::new();
    node.step(Tick(0), input, &mut effects);
    effects.drain().collect()
}

fn receive(node: &mut Node, from: u8, message: Said) -> Vec<Effect<Node>> {
    step(node, Input::Receive { from: ReplicaId(from), message })
}

fn request(node: &mut Node, id: u64, request: Request<u8>) -> Vec<Effect<Node>> {
    step(node, Input::Request { id: RequestId(id), request })
}

fn write(value: u8, w: u8) -> Request<u8> {
    Request::Write { value, w, order: Order::OwnCounter }
}

fn read(r: u8) -> Request<u8> {
    Request::Read { r, repair: Repair::None }
}

fn version(counter: u64, writer: u8, value: u8) -> Version<u8> {
    Version { stamp: Stamp { counter, writer: ReplicaId(writer) }, value }
}

fn sends(effects: &[Effect<Node>]) -> Vec<(u8, Said, u64)> {
    let send = |effect: &Effect<Node>| match effect {
        Effect::Send { to, message, after } => Some((to.0, message.clone(), after.0)),
        Effect::Write { .. }
        | Effect::Answer { .. }
        | Effect::Arm { .. }
        | Effect::Disarm { .. }
        | Effect::Ask(_)
        | Effect::Halt { .. } => None,
    };
    effects.iter().filter_map(send).collect()
}

fn answers(effects: &[Effect<Node>]) -> Vec<(u64, Answer<u8>)> {
    let answer = |effect: &Effect<Node>| match effect {
        Effect::Answer { id, answer, .. } => Some((id.0, answer.clone())),
        Effect::Write { .. }
        | Effect::Send { .. }
        | Effect::Arm { .. }
        | Effect::Disarm { .. }
        | Effect::Ask(_)
        | Effect::Halt { .. } => None,
    };
    effects.iter().filter_map(answer).collect()
}

fn stored(version: &Version<u8>) -> Said {
    Message::Stored { epoch: EPOCH, stamp: version.stamp }
}

/// SOSP 2007, section 4.5: the coordinator sends to all N, and waits for W.
#[test]
fn a_write_goes_to_all_and_waits_for_w_different_nodes() {
    let mut coordinator = node(3, Placement::Strict);
    let said = sends(&request(&mut coordinator, 7, write(1, 2)));
    // The stamp is set aside by I/O 1, and nobody hears of it before.
    let store = Message::Store { epoch: EPOCH, version: version(1, 3, 1), keep_for: None };
    let expected: Vec<_> = (0..3).map(|to| (to, store.clone(), 1)).collect();
    assert_eq!(said, expected);
    let held = stored(&version(1, 3, 1));
    for _ in 0..5 {
        assert_eq!(answers(&receive(&mut coordinator, 0, held.clone())), []);
    }
    assert_eq!(answers(&receive(&mut coordinator, 4, held.clone())), [], "4 owns nothing");
    let answer = Answer::Written(version(1, 3, 1).stamp);
    assert_eq!(answers(&receive(&mut coordinator, 2, held.clone())), [(7, answer)]);
    assert_eq!(answers(&receive(&mut coordinator, 1, held)), [], "one answer");
}

#[test]
fn a_read_returns_the_highest_of_r_copies() {
    let mut coordinator = node(3, Placement::Strict);
    request(&mut coordinator, 7, read(2));
    let copy = |version| Message::Copy { epoch: EPOCH, number: 1, version };
    receive(&mut coordinator, 0, copy(Some(version(2, 0, 20))));
    receive(&mut coordinator, 0, copy(Some(version(2, 0, 20))));
    let found = receive(&mut coordinator, 1, copy(Some(version(1, 4, 10))));
    assert_eq!(answers(&found), [(7, Answer::Found(Some(version(2, 0, 20))))]);
}

#[test]
fn a_copy_is_acknowledged_and_shown_only_once_it_is_durable() {
    let mut owner = node(0, Placement::Strict);
    let store = Message::Store { epoch: EPOCH, version: version(1, 3, 1), keep_for: None };
    let effects = receive(&mut owner, 3, store.clone());
    assert_eq!(sends(&effects), [(3, stored(&version(1, 3, 1)), 1)]);
    let question = Message::Question { epoch: EPOCH, number: 5, instead_of: None };
    let shown = Message::Copy { epoch: EPOCH, number: 5, version: Some(version(1, 3, 1)) };
    assert_eq!(sends(&receive(&mut owner, 4, question.clone())), [(4, shown.clone(), 1)]);
    step(&mut owner, Input::Persisted(IoNumber(1)));
    assert_eq!(sends(&receive(&mut owner, 4, question)), [(4, shown, 0)]);
    // Repeated: no second write, the same answer.
    let again = receive(&mut owner, 3, store);
    assert_eq!((again.len(), sends(&again)), (1, vec![(3, stored(&version(1, 3, 1)), 0)]));
}

#[test]
fn an_owner_that_coordinates_counts_itself_once_its_disk_has_it() {
    let mut owner = node(0, Placement::Strict);
    request(&mut owner, 7, write(1, 1));
    assert_eq!(answers(&step(&mut owner, Input::Persisted(IoNumber(1)))), []);
    let durable = step(&mut owner, Input::Persisted(IoNumber(2)));
    assert_eq!(answers(&durable), [(7, Answer::Written(version(1, 0, 1).stamp))]);
}

#[test]
fn stamps_and_questions_are_not_used_again_after_a_crash() {
    let mut coordinator = node(3, Placement::Strict);
    let mut disk = Durable::default();
    let effects =
        [request(&mut coordinator, 7, write(1, 2)), request(&mut coordinator, 8, read(2))];
    for effect in effects.iter().flatten() {
        if let Effect::Write { write, .. } = effect {
            Node::fold(&mut disk, write);
        }
    }
    let recovered = Recovered { durable: disk, checkpointed: LogIndex::ZERO, wiped: false };
    let config = config(3, Placement::Strict);
    let mut after = Node::recover(&config, recovered, Tick(0), &mut Effects::new());
    let said = sends(&request(&mut after, 7, write(2, 2)));
    let store = Message::Store { epoch: EPOCH, version: version(2, 3, 2), keep_for: None };
    assert_eq!(said[0].1, store);
    let said = sends(&request(&mut after, 8, read(2)));
    assert!(matches!(said[0].1, Message::Question { number: 2, .. }));
}

/// SOSP 2007, section 4.6: the next nodes of the preference list stand in, and say for whom.
#[test]
fn stand_ins_count_in_a_sloppy_quorum_only() {
    for (placement, expected) in
        [(Placement::Strict, vec![1, 2]), (Placement::Sloppy, vec![1, 2, 3, 4])]
    {
        let mut coordinator = node(0, placement);
        request(&mut coordinator, 7, write(1, 2));
        step(&mut coordinator, Input::Persisted(IoNumber(2)));
        let said = sends(&step(&mut coordinator, Input::Timer(Timer::Retry)));
        let to: Vec<u8> = said.iter().map(|it| it.0).collect();
        assert_eq!(to, expected, "{placement:?}");
        let answered = receive(&mut coordinator, 3, stored(&version(1, 0, 1)));
        assert_eq!(answers(&answered).len(), usize::from(placement == Placement::Sloppy));
    }
}

#[test]
fn a_hint_is_kept_apart_and_shown_in_the_owners_name_only() {
    let mut stand_in = node(3, Placement::Sloppy);
    let kept =
        Message::Store { epoch: EPOCH, version: version(1, 0, 1), keep_for: Some(ReplicaId(2)) };
    receive(&mut stand_in, 0, kept);
    let shows = |node: &mut Node, instead_of| {
        let question = Message::Question { epoch: EPOCH, number: 1, instead_of };
        let said = sends(&receive(node, 0, question));
        matches!(&said[0].1, Message::Copy { version: Some(_), .. })
    };
    assert!(shows(&mut stand_in, Some(ReplicaId(2))));
    assert!(!shows(&mut stand_in, Some(ReplicaId(1))));
    assert!(!shows(&mut stand_in, None));
}

#[test]
fn giving_up_says_what_is_known() {
    let mut coordinator = node(3, Placement::Strict);
    request(&mut coordinator, 7, write(1, 2));
    request(&mut coordinator, 8, read(2));
    for _ in 0..2 {
        assert_eq!(answers(&step(&mut coordinator, Input::Timer(Timer::Retry))), []);
    }
    let given_up = answers(&step(&mut coordinator, Input::Timer(Timer::Retry)));
    assert_eq!(given_up, [(7, Answer::Unknown), (8, Answer::Unavailable)]);
}

#[test]
fn a_quorum_that_cannot_be_is_refused_at_once() {
    let mut coordinator = node(3, Placement::Strict);
    for asked in [write(1, 0), write(1, 4), read(0), read(4)] {
        let effects = request(&mut coordinator, 7, asked);
        assert_eq!(answers(&effects), [(7, Answer::NoSuchQuorum { copies: 3 })]);
        assert_eq!(effects.len(), 1);
    }
}

#[test]
fn another_ring_is_refused_and_whoever_is_behind_looks_for_it() {
    let mut owner = node(0, Placement::Strict);
    let of_ring =
        |epoch| Message::Question { epoch: RingEpoch(epoch), number: 1, instead_of: None };
    let refused = Message::OtherRing { epoch: EPOCH };
    assert_eq!(sends(&receive(&mut owner, 3, of_ring(0))), [(3, refused.clone(), 0)]);
    let effects = receive(&mut owner, 3, of_ring(2));
    assert_eq!(effects[0], Effect::Ask(Ask::Ring { at_least: RingEpoch(2) }));
    assert_eq!(sends(&effects), [(3, refused, 0)]);
    // A new ring ends the requests of the old one, and is durable before anybody hears by it.
    request(&mut owner, 7, write(1, 3));
    let told = step(&mut owner, Input::Told(Told::Ring(ring(2, &[0, 1], &[]))));
    assert_eq!(answers(&told), [(7, Answer::Unknown)]);
    let copy = &sends(&receive(&mut owner, 3, of_ring(2)))[0];
    assert!(matches!(copy.1, Message::Copy { .. }) && copy.2 == 3, "{copy:?}");
}

#[test]
fn two_values_under_one_stamp_stop_the_node() {
    let mut owner = node(0, Placement::Strict);
    let store =
        |value| Message::Store { epoch: EPOCH, version: version(1, 3, value), keep_for: None };
    receive(&mut owner, 3, store(1));
    let effects = receive(&mut owner, 3, store(2));
    assert!(matches!(effects[..], [Effect::Halt { .. }]), "{effects:?}");
    assert!(owner.is_halted());
    assert_eq!(receive(&mut owner, 3, store(1)), []);
}

fn any_message() -> impl Strategy<Value = Said> {
    let epoch = || (0_u64..3).prop_map(RingEpoch);
    let owner = || proptest::option::of((0_u8..5).prop_map(ReplicaId));
    let stamp = || {
        let counter = prop_oneof![0_u64..4, Just(u64::MAX)];
        (counter, 0_u8..5)
            .prop_map(|(counter, writer)| Stamp { counter, writer: ReplicaId(writer) })
    };
    let version = move || stamp().prop_map(|stamp| Version { stamp, value: 1 });
    prop_oneof![
        (epoch(), version(), owner()).prop_map(|(epoch, version, keep_for)| Message::Store {
            epoch,
            version,
            keep_for
        }),
        (epoch(), stamp()).prop_map(|(epoch, stamp)| Message::Stored { epoch, stamp }),
        (epoch(), 0_u64..3, owner()).prop_map(|(epoch, number, instead_of)| Message::Question {
            epoch,
            number,
            instead_of
        }),
        (epoch(), 0_u64..3, proptest::option::of(version()))
            .prop_map(|(epoch, number, version)| Message::Copy { epoch, number, version }),
        epoch().prop_map(|epoch| Message::OtherRing { epoch }),
    ]
}

fn any_request() -> impl Strategy<Value = Request<u8>> {
    let order = prop_oneof![Just(Order::OwnCounter), (0_u8..5).prop_map(|r| Order::AskFirst { r })];
    let repair = prop_oneof![
        Just(Repair::None),
        Just(Repair::Asynchronous),
        (0_u8..5).prop_map(|w| Repair::Blocking { w })
    ];
    prop_oneof![
        (0_u8..5, order).prop_map(|(w, order)| Request::Write { value: 1, w, order }),
        (0_u8..5, repair).prop_map(|(r, repair)| Request::Read { r, repair }),
    ]
}

/// What may happen to a node: a message, a request, or one of three inputs by number.
type Happens = (u8, Said, Request<u8>);

proptest! {
    /// Whatever arrives, in whatever order: no panic, fields in their relations, and each request
    /// ends at most once. Moving the origin of I/O numbers commutes with stepping.
    #[test]
    fn any_input_is_legal_in_any_state(
        sloppy in any::<bool>(),
        inputs in proptest::collection::vec((0_u8..9, any_message(), any_request()), 0..40),
    ) {
        let placement = if sloppy { Placement::Sloppy } else { Placement::Strict };
        let mut node = node(0, placement);
        let (mut issued, mut persisted, mut open) = (0_u64, 0_u64, Vec::new());
        for (number, (kind, message, asked)) in (0_u64..).zip(inputs as Vec<Happens>) {
            let input = match kind {
                0 => Input::Timer(Timer::Retry),
                1 | 2 => {
                    open.push(number);
                    Input::Request { id: RequestId(number), request: asked }
                }
                3 | 4 if persisted < issued => {
                    persisted += 1;
                    Input::Persisted(IoNumber(persisted))
                }
                5 => Input::Told(Told::Ring(ring(number, &[0, 1, 2], &[3, 4]))),
                _ => Input::Receive { from: ReplicaId(kind % 5), message },
            };
            let mut rebased = node.clone();
            rebased.rebase(Tick(0), IoNumber(persisted));
            let effects = step(&mut node, input.clone());
            if !matches!(input, Input::Persisted(_)) {
                step(&mut rebased, input);
                let mut expected = node.clone();
                expected.rebase(Tick(0), IoNumber(persisted));
                prop_assert_eq!(rebased, expected);
            }
            for effect in &effects {
                match effect {
                    Effect::Write { io, .. } => {
                        issued += 1;
                        prop_assert_eq!(io.0, issued);
                    }
                    Effect::Answer { id, .. } => {
                        let position = open.iter().position(|it| *it == id.0);
                        prop_assert!(position.is_some(), "{:?} ended twice", id);
                        open.swap_remove(position.unwrap());
                    }
                    Effect::Send { .. } | Effect::Arm { .. } | Effect::Disarm { .. }
                    | Effect::Ask(_) | Effect::Halt { .. } => {}
                }
            }
            prop_assert_eq!(invariant::node_is_sound(&node), Ok(()));
        }
    }
}

/// The predicates of [`super::invariant`] tell good from bad.
#[test]
fn what_is_said_and_what_is_on_the_disk() {
    let held =
        Durable { copy: Some(version(2, 1, 5)), questions: 3, stamps: 2, ..Durable::default() };
    let hinted = Durable {
        hints: [(ReplicaId(1), version(2, 1, 5))].into_iter().collect(),
        ..Durable::default()
    };
    let stored = |counter| Said::Stored { epoch: EPOCH, stamp: version(counter, 1, 5).stamp };
    for (disk, counter, good) in [
        (&held, 1, true),
        (&held, 2, true),
        (&held, 3, false),
        (&hinted, 2, true),
        (&hinted, 3, false),
    ] {
        let said = invariant::is_durable(ReplicaId(0), disk, &stored(counter));
        assert_eq!(said.is_ok(), good, "{counter} with {disk:?}");
        let on_one =
            invariant::is_on_enough_disks([disk].into_iter(), version(counter, 1, 5).stamp, 1);
        assert_eq!(on_one, good, "{counter} with {disk:?}");
    }
    let disks = [&held, &hinted, &held];
    let stamp = version(2, 1, 5).stamp;
    assert!(invariant::is_on_enough_disks(disks.into_iter(), stamp, 3));
    assert!(!invariant::is_on_enough_disks(disks.into_iter(), stamp, 4));
}

#[test]
fn one_stamp_names_one_value() {
    let [a, same, other, later] =
        [version(1, 0, 5), version(1, 0, 5), version(1, 0, 6), version(2, 0, 6)];
    assert!(invariant::stamps_name_one_value(&[&a, &same, &later]));
    assert!(!invariant::stamps_name_one_value(&[&a, &later, &other]));
    assert!(!invariant::stamps_name_one_value(&[&a, &other]));
}
