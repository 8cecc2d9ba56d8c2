//! Sets, queues, mutexes and counters against trying every order: small random histories with
//! equal times and unknown outcomes, some answers wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "generator/random.rs"]
mod random;

use lincheck::models::counter::{Counter, CounterAction, CounterCall};
use lincheck::models::mutex::{Mutex, MutexAction, MutexCall};
use lincheck::models::queue::{Queue, QueueAction, QueueCall, Taken};
use lincheck::models::set::{Set, SetAction, SetCall};
use lincheck::replay::{Perform, replay};
use lincheck::{Budget, Model, Operation, Token, Verdict, check, check_by_search};
use random::Random;

fn cases() -> u64 {
    std::env::var("LINCHECK_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

/// Tries every order, by the semantics of the replayer.
fn is_legal<A: Perform>(history: &[Operation<A>], taken: &mut Vec<usize>) -> bool
where
    A::Whole: Default,
{
    let known_left = (0..history.len()).any(|at| !taken.contains(&at) && history[at].is_known());
    if !known_left {
        return true;
    }
    (0..history.len()).any(|at| {
        let must_wait = (0..history.len())
            .any(|other| !taken.contains(&other) && history[other].precedes(&history[at]));
        if taken.contains(&at) || must_wait {
            return false;
        }
        taken.push(at);
        let mut whole = A::Whole::default();
        let fits = taken.iter().all(|at| history[*at].action.perform(&mut whole));
        let legal = fits && is_legal(history, taken);
        taken.pop();
        legal
    })
}

/// An operation's process, interval, and whether its outcome is known.
struct Drawn {
    process: u64,
    invoked: u64,
    returned: Option<u64>,
    happens: bool,
    lies: bool,
}

/// Executes what `act` draws, at random points, on one copy of the object.
fn history<A: Perform + Clone>(
    random: &mut Random,
    act: &mut impl FnMut(&mut Random, &Drawn, &A::Whole) -> A,
) -> Vec<Operation<A>> {
    let lying = random.below(5);
    let mut drawn: Vec<(u64, Drawn)> = (0..3 + random.below(5))
        .map(|process| {
            let (invoked, length) = (random.below(12), random.below(6));
            let unknown = random.below(6) == 0;
            let returned = (!unknown).then_some(invoked + length);
            let happens = !unknown || random.below(2) == 0;
            let lies = random.below(8) < lying;
            let point = invoked + random.below(length + 1);
            (point, Drawn { process, invoked, returned, happens, lies })
        })
        .collect();
    drawn.sort_by_key(|(point, _)| *point);
    let mut whole = A::Whole::default();
    let mut history = Vec::new();
    for (index, (_, drawn)) in drawn.iter().enumerate() {
        let action = act(random, drawn, &whole);
        if drawn.happens {
            action.perform(&mut whole);
        }
        let &Drawn { process, invoked, returned, .. } = drawn;
        history.push(Operation { process, action, invoked, returned, index });
    }
    history
}

fn compare<M: Model>(
    model: &M,
    seed: u64,
    mut act: impl FnMut(&mut Random, &Drawn, &<M::Action as Perform>::Whole) -> M::Action,
) where
    M::Action: Perform,
{
    let mut random = Random(seed);
    let mut illegal = 0;
    for case in 0..cases() {
        let history = history(&mut random, &mut act);
        let expected = is_legal(&history, &mut Vec::new());
        illegal += u64::from(!expected);
        for check in [check::<M>, check_by_search::<M>] {
            match check(&history, model, &Budget::unlimited()) {
                Verdict::Legal(legal) => {
                    assert!(expected, "case {case}: legal? {history:#?}");
                    assert_eq!(replay(&history, &legal.order), Ok(()), "{history:#?}");
                }
                Verdict::Illegal(_) => assert!(!expected, "case {case}: illegal? {history:#?}"),
                Verdict::Undecided(_) => panic!("undecided without a budget"),
            }
        }
    }
    println!("{illegal} illegal of {}", cases());
    assert!(illegal >= cases() * 3 / 10 && illegal <= cases() * 7 / 10, "{illegal}");
}

fn token(number: u64) -> Token {
    Token::from(number.cast_signed())
}

#[test]
fn sets() {
    compare(&Set, 1, |random, drawn, sets| {
        let key = token(random.below(2) / 2 + u64::from(random.below(5) == 0));
        let value = token(random.below(3));
        let mut seen = sets.get(&key).cloned().unwrap_or_default();
        let call = match random.below(6) {
            0 | 1 => SetCall::Add { value },
            2 => SetCall::Remove { value },
            3 => SetCall::Contains { value, seen: seen.contains(&value) != drawn.lies },
            _ => {
                if drawn.lies && !seen.remove(&value) {
                    seen.insert(value);
                }
                SetCall::Read { seen }
            }
        };
        SetAction { key, call }
    });
}

#[test]
fn queues() {
    let mut fresh = 0;
    compare(&Queue, 2, |random, drawn, queues| {
        let key = token(u64::from(random.below(5) == 0));
        let first = queues.get(&key).and_then(|queue| queue.front().copied());
        let call = match random.below(5) {
            0 | 1 => {
                fresh = (fresh + 1) % 7; // now and then a value comes again
                QueueCall::Enqueue { value: token(fresh) }
            }
            _ if drawn.returned.is_none() => QueueCall::Dequeue { taken: Taken::Unknown },
            _ if drawn.lies => QueueCall::Dequeue { taken: Taken::Value(token(random.below(7))) },
            _ => QueueCall::Dequeue { taken: first.map_or(Taken::Nothing, Taken::Value) },
        };
        QueueAction { key, call }
    });
}

#[test]
fn mutexes() {
    compare(&Mutex, 3, |random, drawn, held| {
        let key = token(u64::from(random.below(5) == 0));
        // Few processes, so that they come back.
        let process = drawn.process % 2;
        let call = match held.get(&key) {
            _ if drawn.lies => MutexCall::Acquire,
            None => MutexCall::Acquire,
            Some(holder) if *holder == process => MutexCall::Release,
            Some(_) => MutexCall::Refused,
        };
        MutexAction { key, process, call }
    });
}

#[test]
fn counters() {
    compare(&Counter, 4, |random, drawn, sums| {
        let key = token(u64::from(random.below(5) == 0));
        let sum = sums.get(&key).copied().unwrap_or(0) + i64::from(drawn.lies);
        let amount = random.below(4).cast_signed() - 1;
        let call = match random.below(4) {
            0 => CounterCall::Add { amount, sum: None },
            // What nobody was told is not known.
            1 if drawn.returned.is_some() => CounterCall::Add { amount, sum: Some(sum + amount) },
            _ => CounterCall::Read { seen: sum },
        };
        CounterAction { key, call }
    });
}
