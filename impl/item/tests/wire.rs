//! Requests travel between nodes: they survive the way, and bytes that no node sends are refused or
//! can be carried out, never a panic.
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]

use proptest::prelude::*;
use ringleader_item::{
    Action, AttributeValue, BillingMode, Comparator, Condition, Item, KeyAttribute, KeyCondition,
    KeyKind, KeySchema, KeyTest, Operand, PackedItem, Path, PathElement, Predicate, Projection,
    Put, Query, ReturnCapacity, ReturnMetrics, ReturnOld, ReturnValues, Scan, Segment, Select,
    Step, TableDefinition, TableName, TransactPart, TransactWrite, Update, UpdateProgram,
    ValueStep,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Sample {
    Update(Update),
    Query(Query),
    Scan(Scan),
    Transaction(TransactWrite),
    Table(TableDefinition),
}

fn name() -> TableName {
    TableName::new("orders").unwrap()
}

fn schema() -> KeySchema {
    let attribute = |name: &str| KeyAttribute { name: name.into(), kind: KeyKind::S };
    KeySchema { partition: attribute("p"), sort: Some(attribute("s")) }
}

fn table() -> TableDefinition {
    TableDefinition::new(name(), schema(), BillingMode::PayPerRequest)
}

fn samples() -> Vec<Sample> {
    let path = |root: &str| Path { root: root.into(), elements: vec![PathElement::Index(1)] };
    let condition = || {
        let test = Predicate::Compare {
            left: Operand::Path(path("a")),
            comparator: Comparator::Less,
            right: Operand::Value(5_u64.into()),
        };
        Some(Condition::new(vec![Step::Test(test), Step::Not]).unwrap())
    };
    let value = vec![
        ValueStep::Path(path("c")),
        ValueStep::Value(1_u64.into()),
        ValueStep::IfNotExists(path("c")),
        ValueStep::Plus,
    ];
    let actions = vec![
        Action::Set { path: path("a"), value },
        Action::Remove { path: path("b") },
        Action::Add { path: path("d"), value: AttributeValue::Ss(["x".to_owned()].into()) },
    ];
    let update = Update {
        table: name(),
        key: Item::from([("p", "x".into()), ("s", "y".into())]),
        update: UpdateProgram::new(actions).unwrap(),
        condition: condition(),
        return_values: ReturnValues::UpdatedNew,
        return_values_on_failure: ReturnOld::AllOld,
        capacity: ReturnCapacity::Indexes,
        metrics: ReturnMetrics::Size,
    };
    let key = |test: &str| KeyTest::BeginsWith(test.into());
    let tests = [("p".to_owned(), KeyTest::Equal("x".into())), ("s".to_owned(), key("y"))];
    let query = Query {
        table: name(),
        index: None,
        condition: KeyCondition { tests: tests.into() },
        filter: condition(),
        select: Select::Parts(Projection::new(&[path("a"), path("b")]).unwrap()),
        limit: Some(5),
        forward: false,
        consistent_read: true,
        start: Some(Item::from([("p", "x".into()), ("s", "y".into())])),
        capacity: ReturnCapacity::Total,
    };
    let scan = Scan {
        table: name(),
        index: None,
        filter: None,
        select: Select::Count,
        limit: None,
        segment: Some(Segment { number: 1, total: 3 }),
        consistent_read: false,
        start: None,
        capacity: ReturnCapacity::None,
    };
    let put = Put::new(name(), PackedItem::pack(&Item::from([("p", "x".into())])));
    let transaction = TransactWrite {
        parts: vec![TransactPart::Put(put), TransactPart::Update(update.clone())],
        token: Some("once".into()),
        capacity: ReturnCapacity::None,
        metrics: ReturnMetrics::None,
    };
    vec![
        Sample::Update(update),
        Sample::Query(query),
        Sample::Scan(scan),
        Sample::Transaction(transaction),
        Sample::Table(table()),
    ]
}

fn carry_out(sample: &Sample) {
    let list = AttributeValue::L(vec![1_u64.into(), 2_u64.into()]);
    let stored: Item = ["a", "b", "c", "d"].iter().map(|&n| (n.to_owned(), list.clone())).collect();
    let change = |update: &Update| {
        let _ = update.update.check_key(&schema());
        for before in [None, Some(&stored)] {
            if let Ok(after) = update.update.apply(before, &update.key) {
                let _ = update.update.updated_parts(&after);
            }
        }
    };
    let judge = |condition: &Option<Condition>| {
        condition.as_ref().is_some_and(|condition| condition.holds(Some(&stored)))
    };
    match sample {
        Sample::Update(update) => {
            judge(&update.condition);
            change(update);
        }
        Sample::Query(query) => {
            judge(&query.filter);
            let _ = query.plan(&table());
        }
        Sample::Scan(scan) => {
            judge(&scan.filter);
            let _ = scan.plan(&table());
        }
        Sample::Transaction(transaction) => {
            for part in &transaction.parts {
                if let TransactPart::Update(update) = part {
                    change(update);
                }
            }
        }
        Sample::Table(table) => {
            let _ = table.check_index_keys(&PackedItem::pack(&stored));
        }
    }
}

fn encoded(sample: &Sample) -> Vec<u8> {
    bincode::serde::encode_to_vec(sample, bincode::config::legacy()).unwrap()
}

fn decoded(bytes: &[u8]) -> Option<Sample> {
    let limited = bincode::config::legacy().with_limit::<1_000_000>();
    bincode::serde::decode_from_slice(bytes, limited).ok().map(|(sample, _)| sample)
}

#[test]
fn requests_survive_the_way() {
    for sample in samples() {
        assert_eq!(decoded(&encoded(&sample)), Some(sample.clone()));
        carry_out(&sample);
    }
}

#[test]
fn a_segment_beyond_the_last_is_refused_on_arrival() {
    let scan = samples().into_iter().find(|sample| matches!(sample, Sample::Scan(_))).unwrap();
    let mut bytes = encoded(&scan);
    let numbers = [1, 0, 0, 0, 3, 0, 0, 0];
    let at = bytes.windows(8).position(|window| window == numbers).unwrap();
    bytes[at] = 3;
    assert_eq!(decoded(&bytes), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn damaged_requests_are_refused_or_carried_out(
        sample in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let samples = samples();
        let mut bytes = encoded(&samples[sample.index(samples.len())]);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(sample) = decoded(&bytes) {
            carry_out(&sample);
        }
    }
}
