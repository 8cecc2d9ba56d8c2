//! Sequential consistency, session guarantees and convergence: against trying every order, and by
//! the example from which each has its name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "generator/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet};

use lincheck::levels::convergence::{self, SiblingAction, SiblingCall, Violation};
use lincheck::levels::sequential;
use lincheck::levels::session::{self, Guarantee};
use lincheck::levels::transactions::{self, Access, Action, RealTime, Transactions};
use lincheck::models::set::{SetAction, SetCall};
use lincheck::replay::{Perform, replay_by_process};
use lincheck::{Budget, Cell, CellAction, MemoryLimit, Operation, Patience, Shortage, Token};
use random::Random;

fn cases() -> u64 {
    std::env::var("LINCHECK_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

fn token(number: u64) -> Token {
    Token::from(number.cast_signed())
}

/// Three processes with a few operations on two cells; what reads see comes from anywhere.
fn cells(random: &mut Random, distinct: bool) -> Vec<Operation<CellAction>> {
    let mut now = 0;
    let mut written = vec![None];
    let mut state: BTreeMap<Token, Option<Token>> = BTreeMap::new();
    let wild = 2 + random.below(5);
    (0..5 + random.below(4))
        .map(|number| {
            now += 1 + random.below(3);
            let key = token(u64::from(random.below(4) == 0));
            let value = token(if distinct { number + 1 } else { random.below(3) });
            let seen = if random.below(6) < wild {
                written[usize::try_from(random.below(written.len() as u64)).unwrap()]
            } else {
                state.get(&key).copied().flatten()
            };
            let action = if random.below(5) < 3 {
                CellAction::get(key, seen)
            } else {
                written.push(Some(value));
                state.insert(key, Some(value));
                CellAction::put(key, value)
            };
            let returned = (random.below(7) > 0).then_some(now + 1);
            now += 1;
            Operation { process: random.below(3), action, invoked: now, returned, index: 0 }
        })
        .map(|mut operation: Operation<CellAction>| {
            operation.returned = operation.returned.map(|_| operation.invoked);
            operation
        })
        .collect()
}

/// Tries every order that keeps the order of each process.
fn is_sequential(history: &[Operation<CellAction>], taken: &mut Vec<usize>) -> bool {
    if (0..history.len()).all(|at| taken.contains(&at) || !history[at].is_known()) {
        return true;
    }
    (0..history.len()).any(|at| {
        let must_wait = (0..history.len()).any(|other| {
            !taken.contains(&other)
                && history[other].is_known()
                && history[other].process == history[at].process
                && history[other].invoked < history[at].invoked
        });
        if taken.contains(&at) || must_wait {
            return false;
        }
        taken.push(at);
        let mut whole = <CellAction as Perform>::Whole::default();
        let fits = taken.iter().all(|at| history[*at].action.perform(&mut whole));
        let found = fits && is_sequential(history, taken);
        taken.pop();
        found
    })
}

#[test]
fn sequential_agrees_with_trying_every_order() {
    let mut random = Random(1);
    let mut illegal = 0;
    for case in 0..cases() {
        let history = cells(&mut random, case % 2 == 0);
        let expected = is_sequential(&history, &mut Vec::new());
        illegal += u64::from(!expected);
        match sequential::check(&history, &Cell, &Budget::unlimited()) {
            sequential::Verdict::Legal(order) => {
                assert!(expected, "case {case}: legal? {history:#?}");
                assert_eq!(replay_by_process(&history, &order), Ok(()));
            }
            sequential::Verdict::Illegal(_) => {
                assert!(!expected, "case {case}: illegal? {history:#?}");
            }
            sequential::Verdict::Undecided(_) => panic!("undecided without a budget"),
        }
    }
    println!("{illegal} illegal of {}", cases());
    assert!(illegal >= cases() * 3 / 10 && illegal <= cases() * 7 / 10, "{illegal}");
}

/// Whether some order of the values of each key has what is asked, by trying every order.
fn has_guarantees(history: &[Operation<CellAction>], guarantees: &[Guarantee]) -> bool {
    let keys: BTreeSet<Token> = history.iter().map(|operation| operation.action.key).collect();
    keys.into_iter().all(|key| {
        let of_key: Vec<_> = history.iter().filter(|it| it.action.key == key).collect();
        let begun = |read: &Operation<CellAction>, value| {
            of_key.iter().any(|write| {
                write.action.wrote() == Some(Some(value)) && Some(write.invoked) <= read.returned
            })
        };
        let nothing_invented = of_key.iter().all(|read| match read.action.saw() {
            Some(Some(value)) if read.is_known() => begun(read, value),
            _ => true,
        });
        let mut values: Vec<Token> =
            of_key.iter().filter_map(|it| it.action.wrote().flatten()).collect();
        nothing_invented
            && some_permutation(&mut values, 0, &|order| fits(&of_key, order, guarantees))
    })
}

fn some_permutation(values: &mut [Token], from: usize, test: &impl Fn(&[Token]) -> bool) -> bool {
    if from == values.len() {
        return test(values);
    }
    (from..values.len()).any(|at| {
        values.swap(from, at);
        let found = some_permutation(values, from + 1, test);
        values.swap(from, at);
        found
    })
}

fn fits(of_key: &[&Operation<CellAction>], order: &[Token], guarantees: &[Guarantee]) -> bool {
    let rank = |value: Option<Token>| {
        value.map_or(0, |value| 1 + order.iter().position(|it| *it == value).unwrap())
    };
    let known = || of_key.iter().filter(|it| it.is_known());
    known().all(|first| {
        let later = known().filter(|it| it.process == first.process && first.invoked < it.invoked);
        later.into_iter().all(|second| {
            guarantees.iter().all(|guarantee| {
                let (wrote, writes) = (first.action.wrote(), second.action.wrote());
                let (saw, sees) = (first.action.saw(), second.action.saw());
                match guarantee {
                    Guarantee::ReadYourWrites => {
                        wrote.is_none()
                            || sees.is_none()
                            || rank(wrote.unwrap()) <= rank(sees.unwrap())
                    }
                    Guarantee::MonotonicReads => {
                        saw.is_none() || sees.is_none() || rank(saw.unwrap()) <= rank(sees.unwrap())
                    }
                    Guarantee::MonotonicWrites => {
                        wrote.is_none()
                            || writes.is_none()
                            || rank(wrote.unwrap()) < rank(writes.unwrap())
                    }
                    Guarantee::WritesFollowReads => {
                        saw.is_none()
                            || writes.is_none()
                            || rank(saw.unwrap()) < rank(writes.unwrap())
                    }
                }
            })
        })
    })
}

#[test]
fn session_guarantees_agree_with_trying_every_order_of_versions() {
    let mut random = Random(2);
    let mut illegal = 0;
    let sets: Vec<Vec<Guarantee>> =
        Guarantee::ALL.iter().map(|it| vec![*it]).chain([Guarantee::ALL.to_vec()]).collect();
    for case in 0..cases() {
        let history = cells(&mut random, true);
        for guarantees in &sets {
            let expected = has_guarantees(&history, guarantees);
            let found = session::check(&history, guarantees);
            illegal += u64::from(!expected);
            let legal = matches!(found, session::Verdict::Legal);
            assert_eq!(legal, expected, "case {case}: {found:?} {guarantees:?} {history:#?}");
            if let session::Verdict::Cycle(demands) = found {
                for (demand, next) in demands.iter().zip(demands.iter().cycle().skip(1)) {
                    // The cycle may go through absence, which comes before all without asking.
                    let through_absence = demand.later.is_none();
                    assert!(demand.later == next.earlier || through_absence, "{demands:?}");
                }
            }
        }
    }
    println!("{illegal} illegal of {}", cases() * 5);
    assert!(illegal >= cases() * 5 / 5, "{illegal}");
}

#[test]
fn each_guarantee_has_its_example() {
    let at = |process, action, invoked| Operation::new(process, action, invoked, Some(invoked + 1));
    let key = token(0);
    let put = |value| CellAction::put(key, token(value));
    let get = |value| CellAction::get(key, Some(token(value)));
    let base = [at(0, put(1), 10), at(0, put(2), 20)];
    let broken = |more: &[Operation<CellAction>], guarantees: &[Guarantee]| {
        let history: Vec<_> = base.iter().chain(more).cloned().collect();
        matches!(session::check(&history, guarantees), session::Verdict::Cycle(_))
    };
    assert!(broken(&[at(0, CellAction::get(key, None), 30)], &[Guarantee::ReadYourWrites]));
    let to_and_fro = [at(1, get(2), 30), at(1, get(1), 40), at(2, get(1), 30), at(2, get(2), 40)];
    assert!(broken(&to_and_fro, &[Guarantee::MonotonicReads]));
    assert!(!broken(&to_and_fro[..2], &[Guarantee::MonotonicReads]), "1 may be the later one");
    // Process 3 read 2 before it wrote 3, so 3 is later; process 4 reads them the other way round.
    let backwards = [at(3, get(2), 30), at(3, put(3), 40), at(4, get(3), 50), at(4, get(2), 60)];
    let follow = [Guarantee::WritesFollowReads, Guarantee::MonotonicReads];
    assert!(broken(&backwards, &follow));
    assert!(!broken(&backwards, &follow[..1]) && !broken(&backwards, &follow[1..]));
    // Two processes write two values each in the orders that the other one read.
    let crossed = [at(0, put(1), 10), at(0, put(2), 20), at(1, get(2), 30), at(1, get(1), 40)];
    let both = [Guarantee::MonotonicWrites, Guarantee::MonotonicReads];
    assert!(matches!(session::check(&crossed, &both[..1]), session::Verdict::Legal));
    assert!(matches!(session::check(&crossed, &both[1..]), session::Verdict::Legal));
    assert!(matches!(session::check(&crossed, &both), session::Verdict::Cycle(_)));
    let twice = [at(0, put(1), 10), at(1, put(1), 20)];
    assert_eq!(session::check(&twice, &both), session::Verdict::Ambiguous(0, 1));
}

#[test]
fn sequential_is_not_local() {
    let at = |process, action, invoked| Operation::new(process, action, invoked, Some(invoked + 1));
    let (x, y) = (token(1), token(2));
    // Dekker's example: each key alone is sequential, both together are not.
    let history = [
        at(0, CellAction::put(x, token(1)), 10),
        at(0, CellAction::get(y, None), 20),
        at(1, CellAction::put(y, token(1)), 10),
        at(1, CellAction::get(x, None), 20),
    ];
    let of = |key| history.iter().filter(|it| it.action.key == key).cloned().collect::<Vec<_>>();
    let check =
        |history: &[Operation<CellAction>]| sequential::check(history, &Cell, &Budget::unlimited());
    assert!(matches!(check(&of(x)), sequential::Verdict::Legal(_)));
    assert!(matches!(check(&of(y)), sequential::Verdict::Legal(_)));
    assert!(matches!(check(&history), sequential::Verdict::Illegal(_)));
}

#[test]
fn convergence_finds_what_is_lost_invented_risen_and_disputed() {
    let at = |process, action, invoked| Operation::new(process, action, invoked, Some(invoked + 5));
    let key = token(0);
    let put = |value| CellAction::put(key, token(value));
    let get = |value| CellAction::get(key, Some(token(value)));
    let illegal = |violation| convergence::Verdict::Illegal(violation);
    let writes = [at(0, put(1), 10), at(1, put(2), 12), at(0, put(3), 30)];
    let with = |more: Vec<Operation<CellAction>>| {
        convergence::check(&writes.iter().cloned().chain(more).collect::<Vec<_>>())
    };
    assert_eq!(with(vec![at(0, get(3), 50), at(1, get(3), 51)]), convergence::Verdict::Legal);
    assert_eq!(with(vec![]), convergence::Verdict::NoFinalRead(0));
    assert_eq!(with(vec![at(0, get(3), 31)]), convergence::Verdict::NoFinalRead(0));
    let disputed = with(vec![at(0, get(3), 50), at(1, get(2), 51)]);
    assert_eq!(disputed, illegal(Violation::Disagreement(3, 4)));
    assert_eq!(with(vec![at(0, get(9), 2)]), illegal(Violation::Invented(3, token(9))));
    assert_eq!(with(vec![at(0, get(2), 50)]), illegal(Violation::Lost(2, 3)));
    // An earlier wrong read of the same process does not count: it was not the last.
    let settled = with(vec![at(0, get(2), 40), at(0, get(3), 50)]);
    assert_eq!(settled, convergence::Verdict::Legal);
}

#[test]
fn siblings_are_accounted_for() {
    let at = |process, call, invoked| {
        let action = SiblingAction { key: token(0), call };
        Operation::new(process, action, invoked, Some(invoked + 5))
    };
    let values = |values: &[u64]| values.iter().map(|value| token(*value)).collect::<BTreeSet<_>>();
    let put =
        |value, context: &[u64]| SiblingCall::Put { value: token(value), context: values(context) };
    let get = |seen: &[u64]| SiblingCall::Get { seen: values(seen) };
    // 1 and 2 are siblings; 3 replaces 1 only.
    let writes = vec![at(0, put(1, &[]), 10), at(1, put(2, &[]), 11), at(0, put(3, &[1]), 20)];
    let with = |seen: &[u64]| {
        let mut history = writes.clone();
        history.push(at(2, get(seen), 50));
        convergence::check(&history)
    };
    assert_eq!(with(&[2, 3]), convergence::Verdict::Legal);
    assert_eq!(with(&[3]), convergence::Verdict::Illegal(Violation::Lost(1, 3)));
    assert_eq!(with(&[1, 2, 3]), convergence::Verdict::Illegal(Violation::Risen(0, 2, 3)));
}

#[test]
fn an_added_element_must_be_there_unless_somebody_may_have_removed_it() {
    let at = |process, call, invoked| {
        let action = SetAction { key: token(0), call };
        Operation::new(process, action, invoked, Some(invoked + 5))
    };
    let add = |value| SetCall::Add { value: token(value) };
    let read = |seen: &[u64]| SetCall::Read { seen: seen.iter().map(|it| token(*it)).collect() };
    let mut history = vec![at(0, add(1), 10), at(1, add(2), 11), at(2, read(&[2]), 50)];
    let lost = convergence::Verdict::Illegal(Violation::Lost(0, 2));
    assert_eq!(convergence::check(&history), lost);
    let remove = SetCall::Remove { value: token(1) };
    history.push(Operation { returned: None, ..at(3, remove.clone(), 12) });
    assert_eq!(convergence::check(&history), convergence::Verdict::Legal);
    history[2] = at(2, read(&[1, 2]), 50);
    assert_eq!(
        convergence::check(&history),
        convergence::Verdict::Legal,
        "it may not have happened"
    );
    history[3] = at(3, remove, 18); // it did, and after the add
    let risen = convergence::Verdict::Illegal(Violation::Risen(0, 3, 2));
    assert_eq!(convergence::check(&history), risen);
}

#[test]
fn the_linear_levels_give_up_when_time_or_memory_runs_out() {
    let history = [Operation::new(0, CellAction::put(token(0), token(1)), 1, Some(2))];
    let mut one = Transactions::with_capacity(1, 1);
    one.push((0, 1), (1, 2), [Access { version: 1, key: 0, action: Action::Write }]);
    let no_time = Patience::new(Some(std::time::Duration::ZERO), None);
    let no_memory = Patience::new(None, Some(MemoryLimit { most: 1_000, held: || 1_000 }));
    for (patience, short) in [(no_time, Shortage::Time), (no_memory, Shortage::Memory)] {
        let session = session::check_within(&history, &Guarantee::ALL, &patience);
        assert_eq!(session.err(), Some(short));
        assert_eq!(convergence::check_within(&history, &patience).err(), Some(short));
        let transactions = transactions::check_within(&one, RealTime::Respected, &patience);
        assert_eq!(transactions.err(), Some(short));
    }
    let enough = Patience::new(None, Some(MemoryLimit { most: 1_000, held: || 999 }));
    assert!(convergence::check_within(&history, &enough).is_ok());
}
