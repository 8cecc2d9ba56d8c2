//! A table with everything: orders of customers, by number; a local index by price, global ones by
//! state (sparse, keys only) and by day (everything).
#![allow(dead_code, reason = "each test uses its part")]

use ringleader_item::{
    AttributeValue, BillingMode, Condition, Delete, GlobalIndex, IndexName, IndexProjection, Item,
    KeyAttribute, KeyCondition, KeyKind, KeySchema, KeyTest, LocalIndex, Number, PackedItem, Page,
    Path, Predicate, Put, Query, Refusal, ReturnCapacity, Scan, Segment, Select, Step,
    TableDefinition, TableDescription, TableId, TableName,
};
use ringleader_storage::engine::{Engine, MemoryEngine};
use ringleader_table::{Answer, Command, Found, Read, Tables, Written};
use std::collections::BTreeMap;

pub(crate) fn name(text: &str) -> TableName {
    TableName::new(text).unwrap()
}

pub(crate) fn index(text: &str) -> IndexName {
    IndexName::new(text).unwrap()
}

pub(crate) fn attribute(name: &str, kind: KeyKind) -> KeyAttribute {
    KeyAttribute { name: name.into(), kind }
}

pub(crate) fn global(text: &str, partition: &str, projection: IndexProjection) -> GlobalIndex {
    GlobalIndex {
        name: index(text),
        key_schema: KeySchema { partition: attribute(partition, KeyKind::S), sort: None },
        projection,
        throughput: None,
    }
}

pub(crate) fn shop() -> TableDescription {
    let key_schema = KeySchema {
        partition: attribute("customer", KeyKind::S),
        sort: Some(attribute("number", KeyKind::N)),
    };
    let mut definition =
        TableDefinition::new(name("orders"), key_schema, BillingMode::PayPerRequest);
    definition.local_indexes.push(LocalIndex {
        name: index("by-price"),
        sort: attribute("price", KeyKind::N),
        projection: IndexProjection::Include(vec!["day".into()]),
    });
    let mut by_day = global("by-day", "day", IndexProjection::All);
    by_day.key_schema.sort = Some(attribute("price", KeyKind::N));
    definition.global_indexes =
        vec![global("by-state", "state", IndexProjection::KeysOnly), by_day];
    TableDescription { definition, id: TableId(7), created_unix_ms: 1, expiry_attribute: None }
}

/// A replica with that table.
pub(crate) fn replica() -> Tables<MemoryEngine> {
    let mut tables = Tables::open(MemoryEngine::new()).unwrap();
    run(&mut tables, &Command::CreateTable(shop()));
    tables
}

pub(crate) fn run<E: Engine>(tables: &mut Tables<E>, command: &Command) -> Answer {
    tables.apply(tables.applied().next(), command).unwrap()
}

/// Does what a leader does of its own accord, until nothing is left.
pub(crate) fn upkeep<E: Engine>(tables: &mut Tables<E>, now_unix_s: u64) -> usize {
    for done in 0.. {
        let Found::Upkeep(next) = tables.read(&Read::Upkeep { now_unix_s }).unwrap() else {
            panic!("no upkeep")
        };
        let Some(command) = next else { return done };
        assert_eq!(run(tables, &command), Answer::Done);
    }
    unreachable!()
}

pub(crate) fn number(number: i64) -> AttributeValue {
    AttributeValue::N(Number::parse(&number.to_string()).unwrap())
}

pub(crate) fn key(customer: &str, order: i64) -> Item {
    Item::from([("customer", customer.into()), ("number", number(order))])
}

/// An order with more attributes.
pub(crate) fn order<const N: usize>(
    customer: &str,
    order: i64,
    more: [(&str, AttributeValue); N],
) -> Item {
    let mut item = key(customer, order);
    for (name, value) in more {
        item.insert(name.into(), value);
    }
    item
}

pub(crate) fn put(item: &Item) -> Command {
    Command::Put(Put::new(name("orders"), PackedItem::pack(item)))
}

pub(crate) fn delete(customer: &str, order: i64) -> Command {
    Command::Delete(Delete::new(name("orders"), key(customer, order)))
}

pub(crate) fn put_all<E: Engine>(tables: &mut Tables<E>, items: &[Item]) {
    for item in items {
        assert_eq!(run(tables, &put(item)), Answer::Written(Written::default()));
    }
}

pub(crate) fn when(test: Predicate) -> Condition {
    Condition::new(vec![Step::Test(test)]).unwrap()
}

pub(crate) fn exists(attribute: &str) -> Condition {
    when(Predicate::Exists(Path::attribute(attribute)))
}

/// A query for one partition key of a table or an index.
pub(crate) fn query(of: Option<&str>, partition: &str, value: &str) -> Query {
    let tests = BTreeMap::from([(partition.to_owned(), KeyTest::Equal(value.into()))]);
    Query {
        table: name("orders"),
        index: of.map(index),
        condition: KeyCondition { tests },
        filter: None,
        select: if of.is_some() { Select::AllProjected } else { Select::AllAttributes },
        limit: None,
        forward: true,
        consistent_read: false,
        start: None,
        capacity: ReturnCapacity::None,
    }
}

pub(crate) fn scan(of: Option<&str>, segment: Option<Segment>) -> Scan {
    Scan {
        table: name("orders"),
        index: of.map(index),
        filter: None,
        select: if of.is_some() { Select::AllProjected } else { Select::AllAttributes },
        limit: None,
        segment,
        consistent_read: false,
        start: None,
        capacity: ReturnCapacity::None,
    }
}

pub(crate) fn page<E: Engine>(tables: &Tables<E>, read: &Read) -> Result<Page, Refusal> {
    match tables.read(read).unwrap() {
        Found::Page { page, .. } => Ok(page),
        Found::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn items(page: &Page) -> Vec<Item> {
    page.items.iter().flatten().map(PackedItem::unpack).collect()
}

/// All pages of a query, one after the other.
pub(crate) fn query_all<E: Engine>(tables: &Tables<E>, mut query: Query) -> Vec<Item> {
    let mut all = Vec::new();
    loop {
        let page = page(tables, &Read::Query(query.clone())).unwrap();
        all.extend(items(&page));
        match page.last {
            Some(last) => query.start = Some(last),
            None => return all,
        }
    }
}

pub(crate) fn scan_all<E: Engine>(tables: &Tables<E>, mut scan: Scan) -> Vec<Item> {
    let mut all = Vec::new();
    loop {
        let page = page(tables, &Read::Scan(scan.clone())).unwrap();
        all.extend(items(&page));
        match page.last {
            Some(last) => scan.start = Some(last),
            None => return all,
        }
    }
}

/// Every key and value of an engine.
pub(crate) fn contents<E: Engine>(engine: &E) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all = BTreeMap::new();
    let everything = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    let mut visit = |key: &[u8], value: &[u8]| {
        all.insert(key.to_vec(), value.to_vec());
        true
    };
    engine.scan(everything, &mut visit).unwrap();
    all
}
