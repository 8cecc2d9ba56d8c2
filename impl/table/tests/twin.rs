//! Every log gives a state that a map of items, in a few lines, gives as well: items, indexes, pages.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test panics at what it does not expect")]
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]

mod shop;

use proptest::prelude::*;
use ringleader_core::ids::LogIndex;
use ringleader_item::{
    Action, AttributeValue, BatchWrite, BatchedWrite, IndexProjection, IndexUpdate, Item, KeyTest,
    PackedItem, Path, Refusal, ReturnCapacity, ReturnMetrics, ReturnOld, ReturnValues, Segment,
    TransactPart, TransactWrite, Update, UpdateProgram, UpdateTable, UpdateTimeToLive, ValueStep,
};
use ringleader_storage::engine::{Change, Engine};
use ringleader_table::{Answer, Command, Found, Read};
use shop::*;
use std::collections::BTreeMap;

/// One thing that a client does.
#[derive(Clone, Debug)]
enum Act {
    Put(Item),
    Delete(String, i64),
    /// Sets or removes the state of an order, and makes it if it is not there.
    SetState(String, i64, Option<String>),
    /// Puts all, or none if one of the keys exists already.
    Create(Vec<Item>),
    Batch(Vec<Item>, Vec<(String, i64)>),
    /// Global indexes follow so many writes.
    Follow(u32),
    Expire(u64),
    /// Makes one more global index, or removes it; refused if it is not so far.
    Reindex(bool),
}

fn customer() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["ann", "bob", "b\0b"]).prop_map(str::to_owned)
}

fn item() -> impl Strategy<Value = Item> {
    let maybe = |values: Vec<AttributeValue>| prop::option::of(prop::sample::select(values));
    let price = maybe(vec![number(-5), number(0), number(7)]);
    let state = maybe(vec!["new".into(), "paid".into()]);
    let day = maybe(vec!["mon".into(), "tue".into()]);
    let until = maybe(vec![number(100), number(200), "never".into()]);
    (customer(), 0..4_i64, price, state, day, until).prop_map(
        |(customer, order, price, state, day, until)| {
            let mut item = key(&customer, order);
            let all = [("price", price), ("state", state), ("day", day), ("until", until)];
            for (name, value) in all {
                if let Some(value) = value {
                    item.insert(name.into(), value);
                }
            }
            item
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let state = prop::option::of(prop::sample::select(vec!["new".to_owned(), "paid".to_owned()]));
    prop_oneof![
        6 => item().prop_map(Act::Put),
        2 => (customer(), 0..4_i64).prop_map(|(customer, order)| Act::Delete(customer, order)),
        3 => (customer(), 0..4_i64, state).prop_map(|(customer, order, state)| Act::SetState(customer, order, state)),
        2 => prop::collection::vec(item(), 1..4).prop_map(Act::Create),
        2 => (prop::collection::vec(item(), 0..3), prop::collection::vec((customer(), 0..4_i64), 0..3))
            .prop_map(|(puts, deletes)| Act::Batch(puts, deletes)),
        3 => (1..4_u32).prop_map(Act::Follow),
        1 => prop::sample::select(vec![50_u64, 150, 250]).prop_map(Act::Expire),
        1 => any::<bool>().prop_map(Act::Reindex),
    ]
}

/// The order of items in a table: by key attributes. Within one customer this is the table's order.
type Twin = BTreeMap<(String, i64), Item>;

fn place(item: &Item) -> (String, i64) {
    let Some(AttributeValue::S(customer)) = item.get("customer") else { unreachable!() };
    let Some(AttributeValue::N(order)) = item.get("number") else { unreachable!() };
    (customer.clone(), order.to_string().parse().unwrap())
}

fn set_state(customer: &str, order: i64, state: Option<&str>) -> Command {
    let path = Path::attribute("state");
    let action = match state {
        Some(state) => Action::Set { path, value: vec![ValueStep::Value(state.into())] },
        None => Action::Remove { path },
    };
    Command::Update(Update {
        table: name("orders"),
        key: key(customer, order),
        update: UpdateProgram::new(vec![action]).unwrap(),
        condition: None,
        return_values: ReturnValues::None,
        return_values_on_failure: ReturnOld::None,
        capacity: ReturnCapacity::None,
        metrics: ReturnMetrics::None,
    })
}

fn create(items: &[Item]) -> Command {
    let part = |item: &Item| {
        let Command::Put(mut put) = put(item) else { unreachable!() };
        let absent = ringleader_item::Predicate::NotExists(Path::attribute("customer"));
        put.condition = Some(when(absent));
        TransactPart::Put(put)
    };
    Command::Transact {
        write: TransactWrite {
            parts: items.iter().map(part).collect(),
            token: None,
            capacity: ReturnCapacity::None,
            metrics: ReturnMetrics::None,
        },
        fingerprint: 0,
        now_unix_ms: 0,
    }
}

fn batch(puts: &[Item], deletes: &[(String, i64)]) -> Command {
    let puts = puts.iter().map(|item| BatchedWrite::Put(PackedItem::pack(item)));
    let deletes =
        deletes.iter().map(|(customer, order)| BatchedWrite::Delete(key(customer, *order)));
    Command::WriteBatch(BatchWrite {
        tables: BTreeMap::from([(name("orders"), puts.chain(deletes).collect())]),
        capacity: ReturnCapacity::None,
        metrics: ReturnMetrics::None,
    })
}

fn has_duplicates(keys: &[(String, i64)]) -> bool {
    keys.iter().enumerate().any(|(at, key)| keys[..at].contains(key))
}

/// What the twin holds after an act; whether the table is to have refused it.
fn apply(twin: &mut Twin, act: &Act) -> bool {
    match act {
        Act::Put(item) => drop(twin.insert(place(item), item.clone())),
        Act::Delete(customer, order) => drop(twin.remove(&(customer.clone(), *order))),
        Act::SetState(customer, order, state) => {
            let item =
                twin.entry((customer.clone(), *order)).or_insert_with(|| key(customer, *order));
            let mut attributes = BTreeMap::from(item.clone());
            match state {
                Some(state) => drop(attributes.insert("state".into(), state.as_str().into())),
                None => drop(attributes.remove("state")),
            }
            *item = Item::from(attributes);
        }
        Act::Create(items) => {
            let keys: Vec<_> = items.iter().map(place).collect();
            if has_duplicates(&keys) || keys.iter().any(|key| twin.contains_key(key)) {
                return true;
            }
            twin.extend(keys.into_iter().zip(items.iter().cloned()));
        }
        Act::Batch(puts, deletes) => {
            let keys: Vec<_> = puts.iter().map(place).chain(deletes.iter().cloned()).collect();
            if has_duplicates(&keys) {
                return true;
            }
            twin.extend(puts.iter().map(|item| (place(item), item.clone())));
            twin.retain(|key, _| !deletes.contains(key));
        }
        Act::Follow(_) | Act::Reindex(_) => {}
        Act::Expire(now) => twin.retain(|_, item| match item.get("until") {
            Some(AttributeValue::N(until)) => until.to_string().parse::<u64>().unwrap() > *now,
            _ => true,
        }),
    }
    false
}

fn sorted(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_cached_key(|item| PackedItem::pack(item).into_bytes());
    items
}

/// Only these attributes, of the items that have `needed`.
fn shown(twin: &Twin, needed: &[&str], attributes: Option<&[&str]>) -> Vec<Item> {
    let items = twin.values().filter(|item| needed.iter().all(|name| item.get(name).is_some()));
    let keep = |item: &Item| match attributes {
        None => item.clone(),
        Some(names) => {
            let kept = item.iter().filter(|(name, _)| names.contains(name));
            kept.map(|(name, value)| (name.to_owned(), value.clone())).collect()
        }
    };
    sorted(items.map(keep).collect())
}

fn check_indexes(
    tables: &ringleader_table::Tables<ringleader_storage::engine::MemoryEngine>,
    twin: &Twin,
) -> Result<(), TestCaseError> {
    let all = |of| sorted(scan_all(tables, scan(Some(of), None)));
    let by_state = shown(twin, &["state"], Some(&["customer", "number", "state"]));
    prop_assert_eq!(all("by-state"), by_state);
    prop_assert_eq!(all("by-day"), shown(twin, &["day", "price"], None));
    Ok(())
}

fn reindex(exists: bool) -> Command {
    let name = "by-day-only";
    Command::UpdateTable(UpdateTable {
        table: shop::name("orders"),
        billing: None,
        class: None,
        deletion_protection: None,
        indexes: vec![if exists {
            IndexUpdate::Create(global(name, "day", IndexProjection::KeysOnly))
        } else {
            IndexUpdate::Delete(index(name))
        }],
    })
}

/// `COUNT-1`: what is told of the table and its indexes is what the engine holds of them, also
/// while they follow, are filled or emptied.
fn check_counts(
    tables: &ringleader_table::Tables<ringleader_storage::engine::MemoryEngine>,
) -> Result<(), TestCaseError> {
    let Found::Table(report) = tables.read(&Read::Table(shop::name("orders"))).unwrap() else {
        panic!("the table is there")
    };
    let all = contents(tables.engine());
    let id = report.description.id.0.to_be_bytes();
    let held = |prefix: &[&[u8]]| {
        let prefix = prefix.concat();
        let under = all.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        under.fold((0, 0), |(items, bytes), (_, value)| {
            let item = PackedItem::from_bytes(value.clone()).unwrap().unpack();
            (items + 1, bytes + item.size() as u64)
        })
    };
    prop_assert_eq!((report.extent.items, report.extent.bytes), held(&[&[1], &id]));
    for name in report.description.definition.index_names() {
        let extent = report.indexes[name];
        let entries = held(&[&[2], &id, name.as_str().as_bytes(), &[0]]);
        prop_assert_eq!((extent.items, extent.bytes), entries, "{}", name);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Items and local indexes after every command, global ones when they have followed
    /// (`INDEX-1`); a second replica that reads the commands from their bytes and is opened again
    /// in the middle holds the same bytes (`TABLE-1`).
    #[test]
    fn every_log_gives_the_twin(acts in prop::collection::vec(act(), 1..40), reopen in 0..40_usize) {
        let (mut tables, mut second, mut twin) = (replica(), replica(), Twin::new());
        let expire = Command::UpdateTimeToLive(UpdateTimeToLive {
            table: name("orders"),
            enabled: true,
            attribute: "until".into(),
        });
        for replica in [&mut tables, &mut second] {
            prop_assert_eq!(run(replica, &expire), Answer::Done);
        }
        let wire = bincode::config::legacy();
        let mut log = Vec::new();
        for act in &acts {
            let refused = apply(&mut twin, act);
            if let Act::Reindex(exists) = act {
                let command = reindex(*exists);
                run(&mut tables, &command);
                log.push(command);
                check_counts(&tables)?;
                continue;
            }
            let commands = match act {
                Act::Put(item) => vec![put(item)],
                Act::Delete(customer, order) => vec![delete(customer, *order)],
                Act::SetState(customer, order, state) => vec![set_state(customer, *order, state.as_deref())],
                Act::Create(items) => vec![create(items)],
                Act::Batch(puts, deletes) => vec![batch(puts, deletes)],
                Act::Follow(limit) => vec![Command::Follow { limit: *limit }, Command::Task { limit: 2 }],
                Act::Expire(now) => {
                    let mut commands = Vec::new();
                    loop {
                        let found = tables.read(&Read::Upkeep { now_unix_s: *now }).unwrap();
                        let ringleader_table::Found::Upkeep(Some(next)) = found else { break };
                        run(&mut tables, &next);
                        commands.push(next);
                    }
                    log.extend(commands);
                    check_counts(&tables)?;
                    continue;
                }
                Act::Reindex(_) => unreachable!("it is done above"),
            };
            for command in commands {
                let answer = run(&mut tables, &command);
                prop_assert_eq!(matches!(answer, Answer::Refused(_)), refused, "{:?}", command);
                log.push(command);
            }
            prop_assert_eq!(sorted(scan_all(&tables, scan(None, None))), shown(&twin, &[], None));
            check_counts(&tables)?;
            let by_price = shown(&twin, &["price"], Some(&["customer", "number", "price", "day"]));
            prop_assert_eq!(sorted(scan_all(&tables, scan(Some("by-price"), None))), by_price);
        }
        for (at, command) in log.iter().enumerate() {
            let bytes = bincode::serde::encode_to_vec(command, wire).unwrap();
            let (read, _) = bincode::serde::decode_from_slice::<Command, _>(&bytes, wire).unwrap();
            prop_assert_eq!(&read, command);
            second.apply(LogIndex(at as u64 + 3), &read).unwrap();
            if at == reopen {
                let engine = second.engine().clone();
                second = ringleader_table::Tables::open(engine).unwrap();
            }
        }
        prop_assert_eq!(contents(tables.engine()), contents(second.engine()));
        upkeep(&mut tables, 0);
        check_indexes(&tables, &twin)?;
        for (customer, order) in twin.clone().into_keys() {
            run(&mut tables, &delete(&customer, order));
        }
        upkeep(&mut tables, 0);
        // Nothing is left but the record of the table, and counts of nothing.
        check_counts(&tables)?;
        let left = contents(tables.engine());
        prop_assert!(left.keys().all(|key| key[0] == 0 || key[0] == 9), "{:?}", left);
    }

    /// Pages of any length, in both directions, tell each item once and in the order of its key; all
    /// segments together as well.
    #[test]
    fn pages_and_segments_tell_everything_once(
        all in prop::collection::vec(item(), 0..30), limit in 1..5_u32, total in 1..6_u32, low in -1..5_i64,
    ) {
        let (mut tables, mut twin) = (replica(), Twin::new());
        for item in &all {
            run(&mut tables, &put(item));
            twin.insert(place(item), item.clone());
        }
        upkeep(&mut tables, 0);
        for customer in ["ann", "bob", "b\0b"] {
            let mut query = query(None, "customer", customer);
            query.limit = Some(limit);
            query.condition.tests.insert("number".into(), KeyTest::GreaterOrEqual(number(low)));
            let of = twin.range((customer.to_owned(), low)..=(customer.to_owned(), i64::MAX));
            let mut expected: Vec<Item> = of.map(|(_, item)| item.clone()).collect();
            prop_assert_eq!(query_all(&tables, query.clone()), expected.clone());
            query.forward = false;
            expected.reverse();
            prop_assert_eq!(query_all(&tables, query), expected);
        }
        for of in [None, Some("by-state"), Some("by-day"), Some("by-price")] {
            let mut parts = Vec::new();
            for number in 0..total {
                let mut scan = scan(of, Some(Segment { number, total }));
                scan.limit = Some(limit);
                parts.extend(scan_all(&tables, scan));
            }
            prop_assert_eq!(sorted(parts), sorted(scan_all(&tables, scan(of, None))));
        }
    }
}

#[test]
fn a_batch_that_names_an_item_twice_is_refused() {
    let mut tables = replica();
    let command = batch(&[key("ann", 1)], &[("ann".into(), 1)]);
    assert_eq!(run(&mut tables, &command), Answer::Refused(Refusal::DuplicateKeys));
}

/// A store that was written by a version which did not count is counted when it is opened.
#[test]
fn what_was_not_counted_is_counted_at_the_start() {
    let mut tables = replica();
    for order in 0..10 {
        run(&mut tables, &put(&shop::order("ann", order, [("state", "new".into())])));
    }
    upkeep(&mut tables, 0);
    let mut engine = tables.engine().clone();
    let counts = contents(&engine).into_keys().filter(|key| key[0] == 9);
    let forgotten: Vec<_> = counts.map(|key| Change::Delete { key }).collect();
    assert_eq!(forgotten.len(), 4, "the table and three indexes");
    engine.apply(engine.applied() + 1, &forgotten).unwrap();
    let mut tables = ringleader_table::Tables::open(engine).unwrap();
    check_counts(&tables).unwrap();
    run(&mut tables, &delete("ann", 1));
    check_counts(&tables).unwrap();
}
