//! Transactions, compared with trying every serial order: small random histories of lists and of
//! versioned values, most of them damaged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "generator/random.rs"]
mod random;

use std::collections::BTreeMap;

use lincheck::Token;
use lincheck::levels::transactions::{
    Access, Action, Anomaly, AnomalyClass, Ending, ListOperation, Observed, RealTime, Transactions,
    Verdict, VersionedOperation, check_inferred, list_append, read_write,
};
use random::Random;

fn cases() -> u64 {
    std::env::var("LINCHECK_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(30_000)
}

/// The serial orders of `left` that `fits` admits one by one; true if one is complete.
fn some_order<S: Clone, O>(
    input: &[Observed<O>],
    real_time: RealTime,
    left: &mut Vec<usize>,
    state: &S,
    fits: &impl Fn(&S, &Observed<O>) -> Option<S>,
) -> bool {
    if left.iter().all(|at| input[*at].ending == Ending::Unknown) {
        return true;
    }
    for place in 0..left.len() {
        let at = left[place];
        let too_early = |other: &usize| match input[*other].ending {
            Ending::Committed(returned) => returned < input[at].invoked,
            Ending::Aborted | Ending::Unknown => false,
        };
        if real_time == RealTime::Respected && left.iter().any(too_early) {
            continue;
        }
        if let Some(after) = fits(state, &input[at]) {
            left.remove(place);
            let found = some_order(input, real_time, left, &after, fits);
            left.insert(place, at);
            if found {
                return true;
            }
        }
    }
    false
}

fn oracle<S: Clone + Default, O>(
    input: &[Observed<O>],
    real_time: RealTime,
    fits: impl Fn(&S, &Observed<O>) -> Option<S>,
) -> bool {
    let mut left: Vec<usize> =
        (0..input.len()).filter(|at| input[*at].ending != Ending::Aborted).collect();
    some_order(input, real_time, &mut left, &S::default(), &fits)
}

type Lists = BTreeMap<Token, Vec<Token>>;

fn execute_lists(lists: &Lists, observed: &Observed<ListOperation>) -> Option<Lists> {
    let mut lists = lists.clone();
    for operation in &observed.operations {
        match operation {
            ListOperation::Append { key, value } => lists.entry(*key).or_default().push(*value),
            ListOperation::Read { key, seen } => {
                let known = matches!(observed.ending, Ending::Committed(_));
                if known && lists.get(key).map_or(&[][..], Vec::as_slice) != seen {
                    return None;
                }
            }
        }
    }
    Some(lists)
}

/// When each transaction is invoked, takes effect and ends.
fn skeleton<O>(random: &mut Random) -> Vec<(u64, Observed<O>)> {
    let count = 3 + random.below(4);
    let mut drawn: Vec<(u64, Observed<O>)> = (0..count)
        .map(|at| {
            let (invoked, length) = (random.below(10), random.below(6));
            let ending = match random.below(10) {
                0 => Ending::Aborted,
                1 | 2 => Ending::Unknown,
                _ => Ending::Committed(invoked + length),
            };
            let point = invoked + random.below(length + 1);
            let (process, line) = (at.try_into().unwrap(), at.try_into().unwrap());
            (point, Observed { process, line, invoked, ending, operations: Vec::new() })
        })
        .collect();
    drawn.sort_by_key(|(point, _)| *point);
    drawn
}

fn token(number: u64) -> Token {
    Token::from(number.cast_signed())
}

fn lists(random: &mut Random) -> Vec<Observed<ListOperation>> {
    let mut state = Lists::new();
    let mut snapshots = vec![Vec::new()];
    let mut value = 0;
    let mut history = Vec::new();
    let damage = random.below(9);
    for (_, mut observed) in skeleton(random) {
        let happens = match observed.ending {
            Ending::Committed(_) => true,
            Ending::Aborted => random.below(10) == 0,
            Ending::Unknown => random.below(2) == 0,
        };
        let mut after = state.clone();
        for _ in 0..=random.below(3) {
            let key = token(random.below(2));
            let list = after.entry(key).or_default();
            if random.below(2) == 0 {
                value += 1;
                list.push(token(value));
                observed.operations.push(ListOperation::Append { key, value: token(value) });
            } else {
                let mut seen = list.clone();
                if random.below(8) < damage {
                    seen = match random.below(3) {
                        0 => seen[..seen.len().saturating_sub(1)].to_vec(),
                        1 => snapshots
                            [usize::try_from(random.below(99)).unwrap() % snapshots.len()]
                        .clone(),
                        _ => seen.into_iter().rev().collect(),
                    };
                }
                observed.operations.push(ListOperation::Read { key, seen });
            }
        }
        snapshots.extend(after.values().cloned());
        if happens {
            state = after;
        }
        history.push(observed);
    }
    history
}

/// What an anomaly says must hang together.
fn assert_sound(anomaly: &Anomaly) {
    if anomaly.is_cycle() {
        let edges = &anomaly.evidence;
        for (edge, next) in edges.iter().zip(edges.iter().cycle().skip(1)) {
            assert_eq!(edge.to, next.from, "{anomaly:?}");
        }
        assert!(edges.len() >= 2, "{anomaly:?}");
    }
}

#[test]
fn lists_agree_with_trying_every_order() {
    let mut random = Random(1);
    let (mut illegal, mut only_strict) = (0, 0);
    let mut classes: BTreeMap<AnomalyClass, u64> = BTreeMap::new();
    for case in 0..cases() {
        let history = lists(&mut random);
        let inferred = list_append::infer(&history).unwrap();
        let mut verdicts = Vec::new();
        for real_time in [RealTime::Respected, RealTime::Ignored] {
            let expected = oracle(&history, real_time, execute_lists);
            let found = check_inferred(&inferred, real_time);
            match &found {
                Verdict::Legal(_) => assert!(expected, "case {case}: legal? {history:#?}"),
                Verdict::Illegal(anomalies) => {
                    assert!(!expected, "case {case}: {anomalies:?}? {history:#?}");
                    anomalies.iter().for_each(assert_sound);
                    *classes.entry(anomalies[0].class).or_default() += 1;
                }
                Verdict::Undecided { .. } => panic!("lists are always decided"),
            }
            verdicts.push(expected);
        }
        illegal += u64::from(!verdicts[0]);
        only_strict += u64::from(verdicts == [false, true]);
    }
    println!("{illegal} illegal of {}, {only_strict} only with real time: {classes:?}", cases());
    assert!(illegal >= cases() * 3 / 10 && illegal <= cases() * 7 / 10, "{illegal}");
    assert!(only_strict >= cases() / 50, "{only_strict}");
    assert!(classes.len() >= 12, "{classes:?}");
}

/// Value, version if told, greatest version so far.
type Versioned = BTreeMap<Token, (Option<Token>, Option<u64>, u64)>;

fn execute_versioned(
    state: &Versioned,
    observed: &Observed<VersionedOperation>,
) -> Option<Versioned> {
    let mut state = state.clone();
    for operation in &observed.operations {
        match *operation {
            VersionedOperation::Write { key, value, version } => {
                let entry = state.entry(key).or_insert((None, Some(0), 0));
                if let Some(version) = version {
                    if version <= entry.2 {
                        return None;
                    }
                    entry.2 = version;
                }
                (entry.0, entry.1) = (value, version);
            }
            VersionedOperation::Read { .. } if observed.ending == Ending::Unknown => {}
            VersionedOperation::Read { key, value, version } => {
                let entry = state.entry(key).or_insert((None, Some(0), 0));
                let fits = entry.1.map_or(version > entry.2, |known| known == version);
                if !fits || entry.0 != value {
                    return None;
                }
                (entry.1, entry.2) = (Some(version), version.max(entry.2));
            }
        }
    }
    Some(state)
}

fn versioned(random: &mut Random) -> Vec<Observed<VersionedOperation>> {
    let mut state: BTreeMap<Token, (Option<Token>, u64)> = BTreeMap::new();
    let mut snapshots = vec![(None, 0)];
    let mut fresh = 0;
    let mut history = Vec::new();
    let damage = random.below(9);
    for (_, mut observed) in skeleton(random) {
        let happens = match observed.ending {
            Ending::Committed(_) => true,
            Ending::Aborted => random.below(10) == 0,
            Ending::Unknown => random.below(2) == 0,
        };
        let mut after = state.clone();
        for _ in 0..=random.below(3) {
            let key = token(random.below(2));
            let entry = after.entry(key).or_insert((None, 0));
            if random.below(2) == 0 {
                fresh += 1;
                *entry = (Some(token(fresh)), entry.1 + 1 + random.below(2));
                let told = matches!(observed.ending, Ending::Committed(_)).then_some(entry.1);
                let value = entry.0;
                let write = VersionedOperation::Write { key, value, version: told };
                observed.operations.push(write);
            } else {
                let mut seen = *entry;
                if random.below(8) < damage {
                    seen = snapshots[usize::try_from(random.below(99)).unwrap() % snapshots.len()];
                }
                let (value, version) = seen;
                observed.operations.push(VersionedOperation::Read { key, value, version });
            }
        }
        snapshots.extend(after.values().copied());
        if happens {
            state = after;
        }
        history.push(observed);
    }
    history
}

#[test]
fn versioned_values_agree_with_trying_every_order() {
    let mut random = Random(2);
    let (mut illegal, mut undecided) = (0, 0);
    for case in 0..cases() {
        let history = versioned(&mut random);
        let inferred = read_write::infer(&history).unwrap();
        for real_time in [RealTime::Respected, RealTime::Ignored] {
            let expected = oracle(&history, real_time, execute_versioned);
            illegal += u64::from(!expected && real_time == RealTime::Respected);
            match check_inferred(&inferred, real_time) {
                Verdict::Legal(_) => assert!(expected, "case {case}: legal? {history:#?}"),
                Verdict::Illegal(anomalies) => {
                    assert!(!expected, "case {case}: {anomalies:?}? {history:#?}");
                    anomalies.iter().for_each(assert_sound);
                }
                Verdict::Undecided { .. } => {
                    let unknown = |it: &Observed<_>| it.ending == Ending::Unknown;
                    assert!(history.iter().any(unknown));
                    undecided += 1;
                }
            }
        }
    }
    println!("{illegal} illegal of {}, {undecided} undecided", cases());
    assert!(illegal >= cases() * 3 / 10 && illegal <= cases() * 7 / 10, "{illegal}");
    assert!(undecided <= cases() / 100, "{undecided}");
}

/// Transactions one after the other, all at the same time; keys, versions, and what was done.
fn transactions(accesses: &[&[(u32, u64, Action)]]) -> Transactions {
    let mut transactions = Transactions::default();
    for (line, accesses) in (0..).zip(accesses) {
        let access = |&(key, version, action)| Access { version, key, action };
        transactions.push((line, line), (1, 2), accesses.iter().map(access));
    }
    transactions
}

#[test]
fn the_worst_class_is_told_by_a_shortest_cycle() {
    use Action::{Read, Write};
    // Three write in a circle, and two; the two also read in a circle, which is less bad.
    let circles = transactions(&[
        &[(0, 1, Write), (1, 2, Write)],
        &[(1, 1, Write), (2, 2, Write)],
        &[(2, 1, Write), (0, 2, Write)],
        &[(3, 1, Write), (4, 2, Write), (5, 1, Write), (6, 1, Read)],
        &[(4, 1, Write), (3, 2, Write), (6, 1, Write), (5, 1, Read)],
    ]);
    let Verdict::Illegal(found) =
        lincheck::levels::transactions::check(&circles, RealTime::Ignored)
    else {
        panic!("two circles");
    };
    assert_eq!((found[0].class, found[0].evidence.len()), (AnomalyClass::G0, 2), "{found:?}");
    assert_eq!(found[0].transactions().len(), 2);
    // A cycle of four reads that are overwritten: none is shorter.
    let skew = transactions(&[
        &[(0, 0, Read), (1, 1, Write)],
        &[(1, 0, Read), (2, 1, Write)],
        &[(2, 0, Read), (3, 1, Write)],
        &[(3, 0, Read), (0, 1, Write)],
    ]);
    let Verdict::Illegal(found) = lincheck::levels::transactions::check(&skew, RealTime::Ignored)
    else {
        panic!("write skew");
    };
    assert_eq!((found[0].class, found[0].evidence.len()), (AnomalyClass::G2, 4), "{found:?}");
}
