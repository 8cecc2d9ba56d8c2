//! Conditions against a twin that evaluates them by recursion and compares values its own way.
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the twin names what holds, and the rest does not"
)]

use bigdecimal::BigDecimal;
use proptest::prelude::*;
use ringleader_item::{
    AttributeValue, Comparator, Condition, Item, Number, Operand, PackedItem, Path, PathElement,
    Predicate, Step,
};
use std::cmp::Ordering;
use std::str::FromStr;

#[derive(Clone, Debug)]
enum Logic {
    Test(Predicate),
    Not(Box<Logic>),
    Both(Box<Logic>, Box<Logic>),
    Either(Box<Logic>, Box<Logic>),
}

impl Logic {
    fn steps(&self, out: &mut Vec<Step>) {
        match self {
            Self::Test(predicate) => out.push(Step::Test(predicate.clone())),
            Self::Not(inner) => {
                inner.steps(out);
                out.push(Step::Not);
            }
            Self::Both(left, right) | Self::Either(left, right) => {
                left.steps(out);
                right.steps(out);
                out.push(if matches!(self, Self::Both(..)) { Step::And } else { Step::Or });
            }
        }
    }

    fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Test(predicate) => test(predicate, item),
            Self::Not(inner) => !inner.holds(item),
            Self::Both(left, right) => left.holds(item) && right.holds(item),
            Self::Either(left, right) => left.holds(item) || right.holds(item),
        }
    }
}

fn look(path: &Path, item: &Item) -> Option<AttributeValue> {
    fn down(value: &AttributeValue, elements: &[PathElement]) -> Option<AttributeValue> {
        let Some((first, rest)) = elements.split_first() else { return Some(value.clone()) };
        match (value, first) {
            (AttributeValue::M(map), PathElement::Name(name)) => down(map.get(name)?, rest),
            (AttributeValue::L(list), PathElement::Index(at)) => {
                down(list.get(*at as usize)?, rest)
            }
            _ => None,
        }
    }
    down(item.get(&path.root)?, &path.elements)
}

fn value(operand: &Operand, item: &Item) -> Option<AttributeValue> {
    match operand {
        Operand::Value(value) => Some(value.clone()),
        Operand::Path(path) => look(path, item),
        Operand::Size(path) => {
            let count = match look(path, item)? {
                AttributeValue::S(text) => text.len(),
                AttributeValue::B(bytes) => bytes.len(),
                AttributeValue::L(list) => list.len(),
                AttributeValue::M(map) => map.len(),
                AttributeValue::Ss(set) => set.len(),
                AttributeValue::Ns(set) => set.len(),
                _ => return None,
            };
            Some((count as u64).into())
        }
    }
}

fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => {
            Some(left.as_bytes().cmp(right.as_bytes()))
        }
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left.cmp(right)),
        (AttributeValue::N(left), AttributeValue::N(right)) => {
            let big = |number: &Number| BigDecimal::from_str(&number.to_string()).unwrap();
            Some(big(left).cmp(&big(right)))
        }
        _ => None,
    }
}

fn compare(left: &Operand, comparator: Comparator, right: &Operand, item: &Item) -> bool {
    let pair = value(left, item).zip(value(right, item));
    let order = pair.as_ref().and_then(|(left, right)| order(left, right));
    let equal = pair.is_some_and(|(left, right)| left == right);
    match comparator {
        Comparator::Equal => equal,
        Comparator::NotEqual => !equal,
        Comparator::Less => order == Some(Ordering::Less),
        Comparator::Greater => order == Some(Ordering::Greater),
        Comparator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparator::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn begins(whole: &[u8], part: &[u8]) -> bool {
    whole.len() >= part.len() && whole.iter().zip(part).all(|(left, right)| left == right)
}

fn within(whole: &[u8], part: &[u8]) -> bool {
    (0..=whole.len()).any(|from| begins(&whole[from..], part))
}

fn test(predicate: &Predicate, item: &Item) -> bool {
    use AttributeValue::{B, L, N, Ns, S, Ss};
    match predicate {
        Predicate::Exists(path) => look(path, item).is_some(),
        Predicate::NotExists(path) => look(path, item).is_none(),
        Predicate::HasType { path, type_name } => {
            look(path, item).is_some_and(|value| value.type_name() == type_name)
        }
        Predicate::Compare { left, comparator, right } => compare(left, *comparator, right, item),
        Predicate::Between { operand, low, high } => {
            compare(low, Comparator::LessOrEqual, operand, item)
                && compare(operand, Comparator::LessOrEqual, high, item)
        }
        Predicate::In { operand, candidates } => {
            candidates.iter().any(|it| compare(operand, Comparator::Equal, it, item))
        }
        Predicate::BeginsWith { operand, prefix } => {
            match (value(operand, item), value(prefix, item)) {
                (Some(S(text)), Some(S(prefix))) => begins(text.as_bytes(), prefix.as_bytes()),
                (Some(B(bytes)), Some(B(prefix))) => begins(&bytes, &prefix),
                _ => false,
            }
        }
        Predicate::Contains { container, content } => {
            match (value(container, item), value(content, item)) {
                (Some(S(text)), Some(S(part))) => within(text.as_bytes(), part.as_bytes()),
                (Some(B(bytes)), Some(B(part))) => within(&bytes, &part),
                (Some(Ss(set)), Some(S(element))) => set.iter().any(|it| *it == element),
                (Some(Ns(set)), Some(N(element))) => set.iter().any(|it| *it == element),
                (Some(L(list)), Some(element)) => list.contains(&element),
                _ => false,
            }
        }
    }
}

fn a_value() -> impl Strategy<Value = AttributeValue> {
    let text = || prop::sample::select(vec!["", "a", "b", "ab", "aba", "é"]);
    let number = || {
        prop::sample::select(vec!["0", "1", "-1", "10", "0.1", "1e20"])
            .prop_map(|text| Number::parse(text).unwrap())
    };
    let leaf = prop_oneof![
        text().prop_map(AttributeValue::from),
        number().prop_map(AttributeValue::N),
        text().prop_map(|text| AttributeValue::B(text.into())),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        prop::collection::btree_set(text().prop_map(str::to_owned), 1..3)
            .prop_map(AttributeValue::Ss),
        prop::collection::btree_set(number(), 1..3).prop_map(AttributeValue::Ns),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(AttributeValue::L),
            prop::collection::btree_map(
                prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned),
                inner,
                0..3
            )
            .prop_map(AttributeValue::M),
        ]
    })
}

fn a_path() -> impl Strategy<Value = Path> {
    let element = prop_oneof![
        prop::sample::select(vec!["a", "b"]).prop_map(|name| PathElement::Name(name.into())),
        (0_u32..3).prop_map(PathElement::Index),
    ];
    (prop::sample::select(vec!["a", "b", "c"]), prop::collection::vec(element, 0..2))
        .prop_map(|(root, elements)| Path { root: root.into(), elements })
}

fn an_operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        3 => a_path().prop_map(Operand::Path),
        3 => a_value().prop_map(Operand::Value),
        1 => a_path().prop_map(Operand::Size),
    ]
}

fn a_predicate() -> impl Strategy<Value = Predicate> {
    let comparator = prop::sample::select(vec![
        Comparator::Equal,
        Comparator::NotEqual,
        Comparator::Less,
        Comparator::LessOrEqual,
        Comparator::Greater,
        Comparator::GreaterOrEqual,
    ]);
    let types = vec!["S", "N", "B", "BOOL", "NULL", "SS", "NS", "L", "M"];
    prop_oneof![
        a_path().prop_map(Predicate::Exists),
        a_path().prop_map(Predicate::NotExists),
        (a_path(), prop::sample::select(types))
            .prop_map(|(path, name)| Predicate::HasType { path, type_name: name.into() }),
        (an_operand(), comparator, an_operand()).prop_map(|(left, comparator, right)| {
            Predicate::Compare { left, comparator, right }
        }),
        (an_operand(), an_operand(), an_operand())
            .prop_map(|(operand, low, high)| Predicate::Between { operand, low, high }),
        (an_operand(), prop::collection::vec(an_operand(), 1..4))
            .prop_map(|(operand, candidates)| Predicate::In { operand, candidates }),
        (an_operand(), an_operand())
            .prop_map(|(operand, prefix)| Predicate::BeginsWith { operand, prefix }),
        (an_operand(), an_operand())
            .prop_map(|(container, content)| Predicate::Contains { container, content }),
    ]
}

fn a_condition() -> impl Strategy<Value = Logic> {
    a_predicate().prop_map(Logic::Test).prop_recursive(4, 12, 2, |inner| {
        let pair = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            inner.clone().prop_map(|it| Logic::Not(Box::new(it))),
            pair().prop_map(|(left, right)| Logic::Both(left, right)),
            pair().prop_map(|(left, right)| Logic::Either(left, right)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn conditions_hold_where_the_twin_says(
        logic in a_condition(),
        attributes in prop::collection::btree_map(
            prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned), a_value(), 0..4),
    ) {
        let item = Item::from(attributes);
        let mut steps = Vec::new();
        logic.steps(&mut steps);
        let condition = Condition::new(steps).unwrap();
        prop_assert_eq!(condition.holds(Some(&item)), logic.holds(&item));
        prop_assert_eq!(condition.holds_packed(Some(&PackedItem::pack(&item))), logic.holds(&item));
        prop_assert_eq!(condition.holds(None), logic.holds(&Item::new()));
    }
}
