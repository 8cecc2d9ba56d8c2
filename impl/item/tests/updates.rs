//! What updates do to items: each rule as a case, then random updates against a twin that rebuilds
//! the item instead of changing it in place.
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]
#![allow(clippy::option_option, reason = "the twin has three outcomes and stays small")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a new type would be an error to the twin")]

use proptest::prelude::*;
use ringleader_item::{
    Action, AttributeValue, Item, KeyAttribute, KeyKind, KeySchema, Number, Path, PathElement,
    UpdateError, UpdateProgram, ValueStep,
};
use std::collections::{BTreeMap, BTreeSet};

fn path(text: &str) -> Path {
    let mut parts = text.split('.');
    let root = parts.next().unwrap().to_owned();
    let element = |part: &str| match part.parse() {
        Ok(index) => PathElement::Index(index),
        Err(_) => PathElement::Name(part.to_owned()),
    };
    Path { root, elements: parts.map(element).collect() }
}

fn number(text: &str) -> AttributeValue {
    AttributeValue::N(Number::parse(text).unwrap())
}

fn texts(texts: &[&str]) -> AttributeValue {
    AttributeValue::Ss(texts.iter().map(|&text| text.to_owned()).collect())
}

fn list(elements: &[&str]) -> AttributeValue {
    AttributeValue::L(elements.iter().map(|&text| text.into()).collect())
}

fn map<const N: usize>(entries: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(entries.map(|(name, value)| (name.to_owned(), value)).into())
}

fn set(place: &str, value: AttributeValue) -> Action {
    Action::Set { path: path(place), value: vec![ValueStep::Value(value)] }
}

fn compute(place: &str, steps: Vec<ValueStep>) -> Action {
    Action::Set { path: path(place), value: steps }
}

fn remove(place: &str) -> Action {
    Action::Remove { path: path(place) }
}

fn add(place: &str, value: AttributeValue) -> Action {
    Action::Add { path: path(place), value }
}

fn delete(place: &str, value: AttributeValue) -> Action {
    Action::Delete { path: path(place), value }
}

fn product() -> Item {
    Item::from([
        ("id", "p".into()),
        ("price", number("52")),
        ("colours", texts(&["blue", "red"])),
        ("related", list(&["a", "b", "c", "d", "e"])),
        ("reviews", map([("five", list(&["good"]))])),
    ])
}

fn key() -> Item {
    Item::from([("id", "p".into())])
}

fn updated(actions: Vec<Action>) -> Result<Item, UpdateError> {
    UpdateProgram::new(actions).unwrap().apply(Some(&product()), &key())
}

/// The product with one attribute replaced or removed.
fn with(name: &str, value: Option<AttributeValue>) -> Item {
    let mut attributes: BTreeMap<_, _> = product().into();
    match value {
        Some(value) => drop(attributes.insert(name.to_owned(), value)),
        None => drop(attributes.remove(name)),
    }
    attributes.into()
}

#[test]
fn each_clause_changes_what_the_guide_says() {
    let from = |place: &str| ValueStep::Path(path(place));
    let value = ValueStep::Value;
    let cases = [
        (vec![set("price", "cheap".into())], "price", Some("cheap".into())),
        (vec![set("new", true.into())], "new", Some(true.into())),
        (vec![set("related.1", "B".into())], "related", Some(list(&["a", "B", "c", "d", "e"]))),
        (
            vec![set("related.30", "y".into()), set("related.20", "x".into())],
            "related",
            Some(list(&["a", "b", "c", "d", "e", "x", "y"])),
        ),
        (
            vec![set("reviews.three", 3_u64.into())],
            "reviews",
            Some(map([("five", list(&["good"])), ("three", 3_u64.into())])),
        ),
        (
            vec![compute("price", vec![from("price"), value(number("15")), ValueStep::Minus])],
            "price",
            Some(number("37")),
        ),
        (
            vec![compute("price", vec![from("price"), value(number("0.5")), ValueStep::Plus])],
            "price",
            Some(number("52.5")),
        ),
        (
            vec![compute("n", vec![value(1_u64.into()), ValueStep::IfNotExists(path("n"))])],
            "n",
            Some(1_u64.into()),
        ),
        (
            vec![compute("price", vec![from("none"), ValueStep::IfNotExists(path("price"))])],
            "price",
            Some(number("52")),
        ),
        (
            vec![compute(
                "related",
                vec![value(list(&["z"])), from("reviews.five"), ValueStep::ListAppend],
            )],
            "related",
            Some(list(&["z", "good"])),
        ),
        (vec![remove("price")], "price", None),
        (vec![remove("none")], "price", Some(number("52"))),
        (
            vec![remove("related.1"), remove("related.2"), remove("related.40")],
            "related",
            Some(list(&["a", "d", "e"])),
        ),
        (
            vec![remove("related.0"), set("related.1", "B".into()), set("related.9", "z".into())],
            "related",
            Some(list(&["B", "c", "d", "e", "z"])),
        ),
        // The sixth element was not there before the update: nothing to remove.
        (
            vec![remove("related.6"), set("related.8", "x".into()), set("related.9", "y".into())],
            "related",
            Some(list(&["a", "b", "c", "d", "e", "x", "y"])),
        ),
        (vec![remove("reviews.five.0")], "reviews", Some(map([("five", list(&[]))]))),
        (vec![add("price", number("-60"))], "price", Some(number("-8"))),
        (vec![add("stock", number("5"))], "stock", Some(number("5"))),
        (
            vec![add("colours", texts(&["green", "red"]))],
            "colours",
            Some(texts(&["blue", "green", "red"])),
        ),
        (vec![delete("colours", texts(&["red", "x"]))], "colours", Some(texts(&["blue"]))),
        (vec![delete("colours", texts(&["red", "blue"]))], "colours", None),
        (vec![delete("none", texts(&["red"]))], "none", None),
    ];
    for (actions, name, expected) in cases {
        assert_eq!(updated(actions.clone()), Ok(with(name, expected)), "{actions:?}");
    }
}

#[test]
fn values_are_computed_from_the_item_before() {
    let swap = vec![
        compute("price", vec![ValueStep::Path(path("id"))]),
        compute("name", vec![ValueStep::Path(path("price"))]),
    ];
    let after = updated(swap).unwrap();
    assert_eq!((after.get("price"), after.get("name")), (Some(&"p".into()), Some(&number("52"))));
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let from = |place: &str| ValueStep::Path(path(place));
    let big = AttributeValue::S("x".repeat(409_600));
    let deep = (0..32).fold(AttributeValue::Null, |inner, _| AttributeValue::L(vec![inner]));
    let cases = [
        (compute("x", vec![from("none")]), UpdateError::Absent),
        (compute("x", vec![from("price"), from("id"), ValueStep::Plus]), UpdateError::Type),
        (
            compute("x", vec![from("price"), from("related"), ValueStep::ListAppend]),
            UpdateError::Type,
        ),
        (set("none.x", 1_u64.into()), UpdateError::Place),
        (set("price.x", 1_u64.into()), UpdateError::Place),
        (set("related.x", 1_u64.into()), UpdateError::Place),
        (set("related.9.x", 1_u64.into()), UpdateError::Place),
        (set("reviews.0", 1_u64.into()), UpdateError::Place),
        (remove("none.x"), UpdateError::Place),
        (remove("price.0"), UpdateError::Place),
        (add("id", number("1")), UpdateError::Type),
        (add("colours", number("1")), UpdateError::Type),
        (delete("price", texts(&["x"])), UpdateError::Type),
        (delete("none.x", texts(&["x"])), UpdateError::Place),
        (set("x", big), UpdateError::TooLarge),
        (set("reviews.x", deep.clone()), UpdateError::TooDeep),
        (add("price", number("1e125")), UpdateError::TooPrecise),
    ];
    for (action, expected) in cases {
        assert_eq!(updated(vec![action.clone()]), Err(expected), "{action:?}");
    }
    assert!(updated(vec![set("x", deep)]).is_ok(), "32 levels are allowed");
}

#[test]
fn an_absent_item_starts_as_its_key() {
    let program = UpdateProgram::new(vec![add("n", number("2"))]).unwrap();
    let after = program.apply(None, &key()).unwrap();
    assert_eq!(after, Item::from([("id", "p".into()), ("n", number("2"))]));
    assert_eq!(program.updated_parts(&after), Item::from([("n", number("2"))]));
    assert_eq!(UpdateProgram::default().apply(None, &key()), Ok(key()));
}

#[test]
fn key_attributes_cannot_be_updated() {
    let attribute = |name: &str| KeyAttribute { name: name.into(), kind: KeyKind::S };
    let schema = KeySchema { partition: attribute("id"), sort: Some(attribute("at")) };
    for (place, expected) in
        [("id", Some("id")), ("at.x", Some("at")), ("other", None), ("other.id", None)]
    {
        let program = UpdateProgram::new(vec![remove(place)]).unwrap();
        let refused = expected.map(|name| UpdateError::Key(name.to_owned()));
        assert_eq!(program.check_key(&schema).err(), refused, "{place}");
    }
}

#[test]
fn what_is_no_update_is_refused() {
    let balanced = |steps| UpdateProgram::new(vec![compute("a", steps)]).is_ok();
    let one = || ValueStep::Value(1_u64.into());
    assert!(balanced(vec![one(), one(), ValueStep::Plus]));
    assert!(!balanced(vec![]));
    assert!(!balanced(vec![one(), one()]));
    assert!(!balanced(vec![one(), ValueStep::Minus, one()]));
    for actions in [
        vec![remove("a"), set("a.b", "x".into())],
        vec![remove("a.b"), remove("a.0")],
        vec![add("a", "x".into())],
        vec![delete("a", number("1"))],
        vec![remove("a"); 2_049],
        vec![remove(&format!("a{}", ".b".repeat(33)))],
    ] {
        assert!(UpdateProgram::new(actions.clone()).is_err(), "{actions:?}");
        let wire = bincode::config::legacy();
        let bytes = bincode::serde::encode_to_vec(&actions, wire).unwrap();
        assert!(bincode::serde::decode_from_slice::<UpdateProgram, _>(&bytes, wire).is_err());
    }
}

/// A value as an expression tree, which the twin evaluates by recursion.
#[derive(Clone, Debug)]
enum Tree {
    Path(Path),
    Value(AttributeValue),
    IfNotExists(Path, Box<Tree>),
    Binary(ValueStep, Box<Tree>, Box<Tree>),
}

impl Tree {
    fn steps(&self, out: &mut Vec<ValueStep>) {
        match self {
            Self::Path(path) => out.push(ValueStep::Path(path.clone())),
            Self::Value(value) => out.push(ValueStep::Value(value.clone())),
            Self::IfNotExists(path, tree) => {
                tree.steps(out);
                out.push(ValueStep::IfNotExists(path.clone()));
            }
            Self::Binary(step, left, right) => {
                left.steps(out);
                right.steps(out);
                out.push(step.clone());
            }
        }
    }

    fn value(&self, item: &Item) -> Option<AttributeValue> {
        use AttributeValue::{L, N};
        match self {
            Self::Path(path) => path.resolve(item).cloned(),
            Self::Value(value) => Some(value.clone()),
            Self::IfNotExists(path, tree) => {
                path.resolve(item).cloned().or_else(|| tree.value(item))
            }
            Self::Binary(step, left, right) => {
                match (step, left.value(item)?, right.value(item)?) {
                    (ValueStep::ListAppend, L(left), L(right)) => Some(L([left, right].concat())),
                    (ValueStep::Plus, N(left), N(right)) => left.plus(right).ok().map(N),
                    (ValueStep::Minus, N(left), N(right)) => left.plus(right.negated()).ok().map(N),
                    _ => None,
                }
            }
        }
    }
}

/// What an action does to the value in its place: `None` stands for no value there.
fn place_after(
    action: &(Action, Option<Tree>),
    old: Option<&AttributeValue>,
    item: &Item,
) -> Option<Option<AttributeValue>> {
    use AttributeValue::{N, Ss};
    match (&action.0, old) {
        (Action::Set { .. }, _) => action.1.as_ref().unwrap().value(item).map(Some),
        (Action::Remove { .. }, _) | (Action::Delete { .. }, None) => Some(None),
        (Action::Add { value, .. }, None) => Some(Some(value.clone())),
        (Action::Add { value: N(more), .. }, Some(N(old))) => {
            old.plus(*more).ok().map(|sum| Some(N(sum)))
        }
        (Action::Add { value: Ss(more), .. }, Some(Ss(old))) => {
            Some(Some(Ss(old.union(more).cloned().collect())))
        }
        (Action::Delete { value: Ss(less), .. }, Some(Ss(old))) => {
            let rest: BTreeSet<String> = old.difference(less).cloned().collect();
            Some((!rest.is_empty()).then_some(Ss(rest)))
        }
        _ => None,
    }
}

type Below<'a> = (&'a [PathElement], &'a (Action, Option<Tree>));

/// The twin: the value after those actions that lead to it or below it, built anew. Outer `None`
/// is an error, inner `None` no value.
fn rebuilt(
    old: Option<&AttributeValue>,
    below: &[Below<'_>],
    item: &Item,
) -> Option<Option<AttributeValue>> {
    let Some((first, action)) = below.first() else { return Some(old.cloned()) };
    if first.is_empty() {
        return place_after(action, old, item);
    }
    let at = |element: &PathElement| {
        let leads = below.iter().filter(|(path, _)| path[0] == *element);
        leads.map(|(path, action)| (&path[1..], *action)).collect::<Vec<Below<'_>>>()
    };
    match old? {
        AttributeValue::M(map) => {
            let mut names: BTreeSet<String> = map.keys().cloned().collect();
            for (path, _) in below {
                let PathElement::Name(name) = &path[0] else { return None };
                names.insert(name.clone());
            }
            let mut after = BTreeMap::new();
            for name in names {
                let inner = at(&PathElement::Name(name.clone()));
                if let Some(value) = rebuilt(map.get(&name), &inner, item)? {
                    after.insert(name, value);
                }
            }
            Some(Some(AttributeValue::M(after)))
        }
        AttributeValue::L(list) => {
            let mut indexes: BTreeSet<u32> = (0..u32::try_from(list.len()).unwrap()).collect();
            for (path, _) in below {
                let PathElement::Index(index) = &path[0] else { return None };
                indexes.insert(*index);
            }
            let mut after = Vec::new();
            for index in indexes {
                let inner = at(&PathElement::Index(index));
                after.extend(rebuilt(list.get(index as usize), &inner, item)?);
            }
            Some(Some(AttributeValue::L(after)))
        }
        _ => None,
    }
}

fn twin(item: &Item, actions: &[(Action, Option<Tree>)]) -> Option<Item> {
    let whole = AttributeValue::M(item.clone().into());
    let paths: Vec<Vec<PathElement>> = actions
        .iter()
        .map(|(action, _)| {
            let root = PathElement::Name(action.path().root.clone());
            std::iter::once(root).chain(action.path().elements.clone()).collect()
        })
        .collect();
    let below: Vec<Below<'_>> = paths.iter().map(Vec::as_slice).zip(actions).collect();
    match rebuilt(Some(&whole), &below, item)? {
        Some(AttributeValue::M(map)) => Some(map.into()),
        _ => None,
    }
}

fn a_path() -> impl Strategy<Value = Path> {
    let element = || {
        prop_oneof![
            prop::sample::select(vec!["a", "b"]).prop_map(|name| PathElement::Name(name.into())),
            (0_u32..5).prop_map(PathElement::Index),
        ]
    };
    let any = (prop::sample::select(vec!["a", "b", "c"]), prop::collection::vec(element(), 0..3));
    // Several places in one list are where order matters.
    let listed = ((0_u32..5).prop_map(PathElement::Index), prop::collection::vec(element(), 0..2));
    let listed = listed.prop_map(|(first, rest)| ("a", [vec![first], rest].concat()));
    prop_oneof![any, listed].prop_map(|(root, elements)| Path { root: root.into(), elements })
}

fn a_leaf() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        (-3_i64..4).prop_map(|n| AttributeValue::N(n.into())),
        prop::collection::btree_set(prop::sample::select(vec!["x", "y"]), 1..3)
            .prop_map(|set| AttributeValue::Ss(set.into_iter().map(str::to_owned).collect())),
        Just("text".into()),
    ]
}

fn a_value() -> impl Strategy<Value = AttributeValue> {
    a_leaf().prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::btree_map(
                prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned),
                inner.clone(),
                0..3
            )
            .prop_map(AttributeValue::M),
            prop::collection::vec(inner, 0..4).prop_map(AttributeValue::L),
        ]
    })
}

fn a_tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![a_path().prop_map(Tree::Path), a_value().prop_map(Tree::Value)];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let step =
            prop::sample::select(vec![ValueStep::ListAppend, ValueStep::Plus, ValueStep::Minus]);
        prop_oneof![
            (a_path(), inner.clone())
                .prop_map(|(path, tree)| Tree::IfNotExists(path, Box::new(tree))),
            (step, inner.clone(), inner).prop_map(|(step, l, r)| Tree::Binary(
                step,
                Box::new(l),
                Box::new(r)
            )),
        ]
    })
}

fn an_action() -> impl Strategy<Value = (Action, Option<Tree>)> {
    let a_set = || a_leaf().prop_filter("a set", |value| matches!(value, AttributeValue::Ss(_)));
    let addend = a_leaf().prop_filter("no text", |value| !matches!(value, AttributeValue::S(_)));
    prop_oneof![
        3 => (a_path(), a_tree()).prop_map(|(path, tree)| {
            let mut value = Vec::new();
            tree.steps(&mut value);
            (Action::Set { path, value }, Some(tree))
        }),
        2 => a_path().prop_map(|path| (Action::Remove { path }, None)),
        1 => (a_path(), addend).prop_map(|(path, value)| (Action::Add { path, value }, None)),
        1 => (a_path(), a_set()).prop_map(|(path, value)| (Action::Delete { path, value }, None)),
    ]
}

#[test]
fn a_place_is_one_of_the_item_before() {
    let empty = AttributeValue::L(Vec::new());
    let mut item = Item::new();
    item.insert("a".into(), empty.clone());
    let path = |indexes: &[u32]| Path {
        root: "a".into(),
        elements: indexes.iter().copied().map(PathElement::Index).collect(),
    };
    // What is appended becomes a[0], which was not there to remove anything from.
    let program = UpdateProgram::new(vec![
        Action::Remove { path: path(&[0, 0]) },
        Action::Set { path: path(&[1]), value: vec![ValueStep::Value(empty)] },
    ]);
    let after = program.unwrap().apply(Some(&item), &Item::new());
    assert!(matches!(after, Err(UpdateError::Place)), "{after:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn updates_do_what_the_twin_does(
        list in prop::collection::vec(a_value(), 0..6),
        attributes in prop::collection::btree_map(
            prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned), a_value(), 0..4),
        actions in prop::collection::vec(an_action(), 1..4),
    ) {
        let mut item = Item::from(attributes);
        if item.get("a").is_none() {
            item.insert("a".into(), AttributeValue::L(list));
        }
        let program = UpdateProgram::new(actions.iter().map(|(action, _)| action.clone()).collect());
        let overlap = |left: &Path, right: &Path| {
            let common = left.elements.len().min(right.elements.len());
            let differs = left.elements.iter().zip(&right.elements).take(common).find(|(l, r)| l != r);
            left.root == right.root
                && match differs {
                    None => true,
                    Some((left, right)) => matches!(left, PathElement::Name(_))
                        != matches!(right, PathElement::Name(_)),
                }
        };
        let clash = actions.iter().enumerate().any(|(at, (action, _))| {
            actions[..at].iter().any(|(other, _)| overlap(action.path(), other.path()))
        });
        prop_assert_eq!(program.is_err(), clash);
        let Ok(program) = program else { return Ok(()) };
        prop_assert_eq!(program.apply(Some(&item), &Item::new()).ok(), twin(&item, &actions));
    }
}
