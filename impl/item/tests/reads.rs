//! Where queries and scans read: ranges against a filter over all keys, and what a table refuses.
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]

use proptest::prelude::*;
use ringleader_item::capacity::ReturnCapacity;
use ringleader_item::read::StoreRange;
use ringleader_item::{
    AttributeValue, BillingMode, Comparator, Condition, GlobalIndex, IndexName, IndexProjection,
    Item, KeyAttribute, KeyCondition, KeyKind, KeySchema, KeyTest, LocalIndex, Operand, PackedItem,
    Path, Predicate, Projection, Query, ReadError, Scan, Segment, Select, SourceKind, Step,
    TableDefinition, TableName,
};
use std::collections::BTreeMap;
use std::ops::Bound;

fn attribute(name: &str, kind: KeyKind) -> KeyAttribute {
    KeyAttribute { name: name.into(), kind }
}

fn index(name: &str) -> IndexName {
    IndexName::new(name).unwrap()
}

/// A table `p`, `s` with a local index over `l` and two global ones over `g`.
fn table() -> TableDefinition {
    let schema = |partition, sort: Option<KeyAttribute>| KeySchema { partition, sort };
    let global = |name: &str, sort, projection| GlobalIndex {
        name: index(name),
        key_schema: schema(attribute("g", KeyKind::S), sort),
        projection,
        throughput: None,
    };
    TableDefinition {
        local_indexes: vec![LocalIndex {
            name: index("local"),
            sort: attribute("l", KeyKind::N),
            projection: IndexProjection::KeysOnly,
        }],
        global_indexes: vec![
            global("global", None, IndexProjection::Include(vec!["x".into()])),
            global("whole", Some(attribute("h", KeyKind::B)), IndexProjection::All),
        ],
        ..TableDefinition::new(
            TableName::new("orders").unwrap(),
            schema(attribute("p", KeyKind::B), Some(attribute("s", KeyKind::B))),
            BillingMode::PayPerRequest,
        )
    }
}

fn bytes(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(bytes.to_vec())
}

fn keys<const N: usize>(tests: [(&str, KeyTest); N]) -> KeyCondition {
    KeyCondition { tests: tests.map(|(name, test)| (name.to_owned(), test)).into() }
}

fn query(name: Option<&str>, condition: KeyCondition) -> Query {
    Query {
        table: TableName::new("orders").unwrap(),
        index: name.map(index),
        condition,
        filter: None,
        select: Select::Count,
        limit: None,
        forward: true,
        consistent_read: false,
        start: None,
        capacity: ReturnCapacity::None,
    }
}

fn scan() -> Scan {
    Scan {
        table: TableName::new("orders").unwrap(),
        index: None,
        filter: None,
        select: Select::Count,
        limit: None,
        segment: None,
        consistent_read: false,
        start: None,
        capacity: ReturnCapacity::None,
    }
}

fn within(range: &StoreRange, place: &[u8]) -> bool {
    let low = match &range.0 {
        Bound::Included(low) => low.as_slice() <= place,
        Bound::Excluded(low) => low.as_slice() < place,
        Bound::Unbounded => true,
    };
    let high = match &range.1 {
        Bound::Included(high) => place <= high.as_slice(),
        Bound::Excluded(high) => place < high.as_slice(),
        Bound::Unbounded => true,
    };
    low && high
}

fn parts(names: &[&str]) -> Select {
    let paths: Vec<_> = names.iter().map(|name| Path::attribute(name)).collect();
    Select::Parts(Projection::new(&paths).unwrap())
}

#[test]
fn what_does_not_fit_the_table_is_refused_in_the_words_of_the_api() {
    let equal = |name: &'static str, value| (name, KeyTest::Equal(value));
    let p = || equal("p", bytes(b"x"));
    let g = || equal("g", "x".into());
    let exists = |name: &str| {
        let step = Step::Test(Predicate::Exists(Path::attribute(name)));
        Some(Condition::new(vec![step]).unwrap())
    };
    let start = |names: &[&str]| {
        Some(names.iter().map(|&name| (name.to_owned(), bytes(b"x"))).collect::<Item>())
    };
    let by = |condition| query(None, condition);
    let cases = [
        (query(Some("none"), keys([p()])), "The table does not have the specified index: none"),
        (by(keys([equal("s", bytes(b"x"))])), "Query condition missed key schema element: p"),
        (by(keys([p(), equal("x", bytes(b"x"))])), "Query condition missed key schema element: s"),
        (by(keys([("p", KeyTest::Less(bytes(b"x")))])), "Query key condition not supported"),
        (
            query(Some("global"), keys([g(), equal("h", bytes(b"x"))])),
            "Query key condition not supported",
        ),
        (
            by(keys([equal("p", "x".into())])),
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            by(keys([equal("p", bytes(b""))])),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: p",
        ),
        (
            by(keys([equal("p", bytes(&[0; 2_049]))])),
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of 2048 bytes",
        ),
        (
            Query { filter: exists("s"), ..by(keys([p()])) },
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: s",
        ),
        (
            Query { consistent_read: true, ..query(Some("global"), keys([g()])) },
            "Consistent reads are not supported on global secondary indexes",
        ),
        (
            Query { select: Select::AllAttributes, ..query(Some("global"), keys([g()])) },
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index global because its projection type is not ALL",
        ),
        (
            Query { select: parts(&["x", "y", "z"]), ..query(Some("global"), keys([g()])) },
            "One or more parameter values were invalid: Global secondary index global does not project [y, z]",
        ),
        (
            Query { start: start(&["p"]), ..by(keys([p()])) },
            "The provided starting key is invalid: The provided key element does not match the schema",
        ),
        (
            Query { start: start(&["p", "s"]), ..query(Some("global"), keys([g()])) },
            "The provided starting key is invalid",
        ),
        (
            Query {
                start: start(&["p", "s"]),
                ..by(keys([p(), ("s", KeyTest::Greater(bytes(b"x")))]))
            },
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
    ];
    for (query, expected) in cases {
        let error = query.plan(&table()).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{query:?}");
    }
}

#[test]
fn an_index_tells_what_it_holds_and_a_local_one_fetches_the_rest() {
    let local = |select| {
        let condition = keys([("p", KeyTest::Equal(bytes(b"x")))]);
        let query = Query { select, consistent_read: true, ..query(Some("local"), condition) };
        query.plan(&table()).map(|plan| (plan.source.kind, plan.fetch))
    };
    assert_eq!(local(Select::AllProjected), Ok((SourceKind::Local, false)));
    assert_eq!(local(Select::Count), Ok((SourceKind::Local, false)));
    assert_eq!(local(Select::AllAttributes), Ok((SourceKind::Local, true)));
    assert_eq!(local(parts(&["p", "s", "l"])), Ok((SourceKind::Local, false)));
    assert_eq!(local(parts(&["p", "x"])), Ok((SourceKind::Local, true)));

    let table = table();
    let entry = |name: &str, item: &Item| {
        table.source(Some(&index(name))).unwrap().entry(item, &table.key_schema)
    };
    let names =
        |item: Option<Item>| item.map(|item| item.iter().map(|(n, _)| n.to_owned()).collect());
    let full = Item::from([
        ("p", bytes(b"p")),
        ("s", bytes(b"s")),
        ("l", 1_u64.into()),
        ("g", "g".into()),
        ("x", true.into()),
        ("y", true.into()),
    ]);
    let these = |names: &[&str]| Some(names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
    assert_eq!(names(entry("local", &full)), these(&["l", "p", "s"]));
    assert_eq!(names(entry("global", &full)), these(&["g", "p", "s", "x"]));
    assert_eq!(
        names(entry("whole", &full)),
        None::<Vec<String>>,
        "h is absent: indexes are sparse"
    );
    let key = Item::from([("p", bytes(b"p")), ("s", bytes(b"s"))]);
    assert_eq!(entry("local", &key), None);
}

#[test]
fn an_item_must_fit_the_indexes_that_would_hold_it() {
    let table = table();
    let check = |name: &str, value| {
        let item = Item::from([("p", bytes(b"p")), ("s", bytes(b"s")), (name, value)]);
        table.check_index_keys(&PackedItem::pack(&item)).map_err(|error| error.to_string())
    };
    assert_eq!(check("g", "x".into()), Ok(()));
    assert_eq!(check("x", 5_u64.into()), Ok(()));
    assert_eq!(
        check("g", 5_u64.into()).unwrap_err(),
        "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: global"
    );
    assert_eq!(
        check("h", bytes(b"")).unwrap_err(),
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty binary value. IndexName: whole, IndexKey: h"
    );
    assert!(check("h", bytes(&[0; 1_025])).is_err());
    assert!(check("g", "x".repeat(2_048).as_str().into()).is_ok());
}

#[test]
fn segments_divide_all_tokens() {
    for total in [1_u32, 2, 3, 7, 64, 999_999, 1_000_000] {
        let segment = |number| Segment { number, total }.tokens();
        assert_eq!(*segment(0).start(), 0);
        assert_eq!(*segment(total - 1).end(), u128::MAX);
        let share = u128::MAX / u128::from(total);
        for number in (0..total).step_by(total as usize / 7 + 1) {
            let tokens = segment(number);
            assert!((tokens.end() - tokens.start()).abs_diff(share) <= 1);
            if number + 1 < total {
                assert_eq!(*tokens.end() + 1, *segment(number + 1).start());
            }
        }
    }
    let plan = |segment| {
        let start = Some(Item::from([("p", bytes(b"x")), ("s", bytes(b"x"))]));
        Scan { segment: Some(segment), start, ..scan() }.plan(&table()).map(|_| ())
    };
    let fits: Vec<bool> = (0..4).map(|number| plan(Segment { number, total: 4 }).is_ok()).collect();
    assert_eq!(fits.iter().filter(|fits| **fits).count(), 1, "a key is in one segment");
    let refused = plan(Segment {
        number: u32::try_from(fits.iter().position(|fits| !fits).unwrap()).unwrap(),
        total: 4,
    });
    assert!(matches!(refused, Err(ReadError::StartSegment { total: 4, .. })));
}

fn a_test() -> impl Strategy<Value = KeyTest> {
    let value = || prop::collection::vec(prop::sample::select(vec![0_u8, 1, 0xFF]), 1..4);
    let value = move || value().prop_map(AttributeValue::B);
    prop_oneof![
        value().prop_map(KeyTest::Equal),
        value().prop_map(KeyTest::Less),
        value().prop_map(KeyTest::LessOrEqual),
        value().prop_map(KeyTest::Greater),
        value().prop_map(KeyTest::GreaterOrEqual),
        value().prop_map(KeyTest::BeginsWith),
        (value(), value()).prop_map(|(low, high)| KeyTest::Between { low, high }),
    ]
}

/// The test as a condition on the attribute: the twin.
fn passes(test: &KeyTest, name: &str, item: &Item) -> bool {
    let attribute = || Operand::Path(Path::attribute(name));
    let compare = |comparator, value: &AttributeValue| Predicate::Compare {
        left: attribute(),
        comparator,
        right: Operand::Value(value.clone()),
    };
    let predicate = match test {
        KeyTest::Equal(value) => compare(Comparator::Equal, value),
        KeyTest::Less(value) => compare(Comparator::Less, value),
        KeyTest::LessOrEqual(value) => compare(Comparator::LessOrEqual, value),
        KeyTest::Greater(value) => compare(Comparator::Greater, value),
        KeyTest::GreaterOrEqual(value) => compare(Comparator::GreaterOrEqual, value),
        KeyTest::Between { low, high } => Predicate::Between {
            operand: attribute(),
            low: Operand::Value(low.clone()),
            high: Operand::Value(high.clone()),
        },
        KeyTest::BeginsWith(prefix) => {
            Predicate::BeginsWith { operand: attribute(), prefix: Operand::Value(prefix.clone()) }
        }
    };
    Condition::new(vec![Step::Test(predicate)]).unwrap().holds(Some(item))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// A range holds exactly the items that pass, in the table and in an index, and the places of
    /// the items are in the order of their keys.
    #[test]
    fn ranges_hold_what_passes(
        test in a_test(),
        sorts in prop::collection::btree_set(
            prop::collection::vec(prop::sample::select(vec![0_u8, 1, 0xFF]), 1..4), 1..12),
    ) {
        let table = table();
        for (name, partition, sort) in [(None, ("p", bytes(b"x")), "s"),
            (Some("whole"), ("g", "x".into()), "h")] {
            let condition = keys([(partition.0, KeyTest::Equal(partition.1)), (sort, test.clone())]);
            let plan = query(name, condition).plan(&table).unwrap();
            let (Bound::Included(low) | Bound::Excluded(low)) = &plan.range.0 else { panic!() };
            let (Bound::Included(high) | Bound::Excluded(high)) = &plan.range.1 else { panic!() };
            prop_assert!(low <= high, "an engine may panic on a reversed range");
            let mut last: Option<Vec<u8>> = None;
            for value in &sorts {
                for neighbour in [b"x", b"y"] {
                    let mut item = BTreeMap::from([
                        ("p".to_owned(), bytes(neighbour)),
                        ("s".to_owned(), bytes(value)),
                    ]);
                    if name.is_some() {
                        item.insert("g".into(), if neighbour == b"x" { "x" } else { "y" }.into());
                        item.insert("h".into(), bytes(value));
                    }
                    let item = Item::from(item);
                    let packed = PackedItem::pack(&item);
                    let place = plan.source.place(&packed, &table.key_schema).unwrap();
                    let expected = neighbour == b"x" && passes(&test, sort, &item);
                    prop_assert_eq!(within(&plan.range, &place), expected, "{:?}", item);
                    let position = plan.source.position(&packed, &table.key_schema);
                    let found = plan.source.start(&position, &table.key_schema);
                    prop_assert_eq!(found.as_ref(), Ok(&place));
                    if neighbour == b"x" {
                        prop_assert!(last.is_none_or(|last| last < place));
                        last = Some(place);
                    }
                }
            }
        }
    }
}
