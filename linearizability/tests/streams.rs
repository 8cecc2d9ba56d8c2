//! The streaming check says what the check of the whole says; with an expiry, what trying every order
//! says when unknown operations have a last moment; and its memory stays small.

mod generator;

use generator::{Mix, Random, Shape, generate};
use lincheck::history::Event;
use lincheck::{
    Budget, Cell, CellAction, CellCall, Operation, Stream, StreamVerdict, Token, Verdict, check,
};

/// Feeds a history; unknown operations are reported at the end of their process or of the history.
/// Returns the verdict and the most that was kept.
fn stream(
    history: &[Operation<CellAction>],
    expiry: Option<u64>,
    timeout: u64,
) -> (StreamVerdict<Cell>, usize) {
    let mut events = Vec::new();
    for (at, operation) in history.iter().enumerate() {
        events.push((operation.invoked, 0, at));
        let end = operation.returned.unwrap_or(operation.invoked + timeout);
        events.push((end, 1, at));
    }
    events.sort_unstable();
    let mut stream = Stream::new(Cell, expiry);
    let mut kept = 0;
    for (time, is_end, at) in events {
        let operation = &history[at];
        let event = match (is_end, operation.is_known()) {
            (0, _) => Event::Invoke(asked(&operation.action)),
            (_, true) => Event::Return(operation.action),
            (_, false) => Event::Unknown,
        };
        // Every operation is a process of its own: those of one process never overlap anyway.
        stream.event(at as u64, time, at, event).expect("a history");
        let load = stream.load();
        kept = kept.max(load.open + load.waiting + load.unknown);
    }
    (stream.finish(), kept)
}

/// What is known of an action when it is invoked.
fn asked(action: &CellAction) -> CellAction {
    match action.call {
        CellCall::Get { .. } => CellAction::get(action.key, None),
        CellCall::Put { .. } | CellCall::Delete | CellCall::PutIf { .. } => *action,
    }
}

/// A small history: few values, half of the operations wrong in some way.
fn small(random: &mut Random) -> Vec<Operation<CellAction>> {
    let key = Token::from(0);
    let count = 3 + random.below(5);
    let one = |random: &mut Random| {
        let invoked = random.below(12);
        let value = Token::from(random.below(3).cast_signed());
        let action = match random.below(10) {
            0..=4 => CellAction::get(key, (random.below(4) > 0).then_some(value)),
            5..=8 => CellAction::put(key, value),
            _ => CellAction::delete(key),
        };
        let returned = (random.below(4) > 0).then_some(invoked + random.below(6));
        (action, invoked, returned)
    };
    (0..count)
        .map(|at| {
            let (action, invoked, returned) = one(random);
            Operation::new(at, action, invoked, returned)
        })
        .collect()
}

/// Tries every order, of operations that are invoked and must, if at all, take effect in their time.
fn is_legal(
    history: &[Operation<CellAction>],
    expiry: u64,
    left: u32,
    state: Option<Token>,
) -> bool {
    let last = |at: usize| history[at].returned.unwrap_or(history[at].invoked + expiry);
    let is_left = |at: usize| left & (1 << at) != 0;
    if (0..history.len()).all(|at| !is_left(at) || !history[at].is_known()) {
        return true;
    }
    (0..history.len()).filter(|at| is_left(*at)).any(|at| {
        // Whoever takes effect now does so before the last moment of all that must follow.
        let may = (0..history.len()).all(|other| {
            !is_left(other) || !history[other].is_known() || last(other) >= history[at].invoked
        });
        // And behind whoever took effect before: none of those was invoked after its last moment.
        let taken = (0..history.len()).filter(|other| !is_left(*other));
        let since = taken.map(|other| history[other].invoked).max().unwrap_or(0);
        if !may || since > last(at) {
            return false;
        }
        let after = match history[at].action.call {
            CellCall::Get { seen } if seen == state => state,
            CellCall::Get { .. } => return false,
            CellCall::Put { value } => Some(value),
            CellCall::Delete => None,
            CellCall::PutIf { .. } => panic!("not made here"),
        };
        is_legal(history, expiry, left & !(1 << at), after)
    })
}

fn cases() -> u64 {
    std::env::var("LINCHECK_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

#[test]
fn a_stream_says_what_trying_every_order_says() {
    let mut random = Random(5);
    let mut illegal = [0, 0];
    for _ in 0..cases() {
        let history = small(&mut random);
        let all = (1 << history.len()) - 1;
        for (which, expiry) in [None, Some(4)].into_iter().enumerate() {
            let expected = is_legal(&history, expiry.unwrap_or(1_000), all, None);
            illegal[which] += u64::from(!expected);
            let (verdict, _) = stream(&history, expiry, 3);
            match verdict {
                StreamVerdict::Legal => {
                    assert!(expected, "legal with {expiry:?}: {history:#?}");
                }
                StreamVerdict::Illegal { .. } => {
                    assert!(!expected, "illegal with {expiry:?}: {history:#?}");
                }
                StreamVerdict::Undecided { .. } => panic!("{verdict:?}"),
            }
        }
    }
    println!("{} cases, {illegal:?} illegal", cases());
    assert!(illegal[1] > illegal[0], "an expiry makes more histories illegal: {illegal:?}");
    let share = cases() * 3 / 10..cases() * 8 / 10;
    assert!(share.contains(&illegal[0]) && share.contains(&illegal[1]), "{illegal:?}");
}

#[test]
fn a_stream_names_the_return_that_the_check_names() {
    for seed in 0..40 {
        let shape = Shape {
            keys: 3,
            mix: Mix::Items,
            ..Shape::ambiguous(400, 6, if seed % 2 == 0 { 0 } else { 30 })
        };
        let mut history = generate(&shape, seed);
        let lie = usize::try_from(100 + seed * 5).expect("small");
        if let CellCall::Get { .. } = history[lie].action.call {
            history[lie].action = CellAction::get(history[lie].action.key, Some(Token::from(77)));
        }
        let whole = check(&history, &Cell, &Budget::unlimited());
        match (whole, stream(&history, None, 500).0) {
            (Verdict::Legal(_), StreamVerdict::Legal) => {}
            (Verdict::Illegal(illegal), StreamVerdict::Illegal { key, index, .. }) => {
                assert_eq!((illegal.key, illegal.position), (key, index), "seed {seed}");
            }
            (whole, streamed) => panic!("seed {seed}: {whole:?} but {streamed:?}"),
        }
    }
}

#[test]
fn memory_is_that_of_open_and_unknown_operations() {
    let shape = Shape { keys: 5, values: None, ..Shape::ambiguous(30_000, 10, 50) };
    let history = generate(&shape, 1);
    let unknown = history.iter().filter(|operation| !operation.is_known()).count();
    let (verdict, kept) = stream(&history, Some(5_000), 1_000);
    assert!(matches!(verdict, StreamVerdict::Legal), "{verdict:?}");
    assert!(kept < 200 && unknown > 1_000, "{kept} kept of {unknown} unknown");
}
