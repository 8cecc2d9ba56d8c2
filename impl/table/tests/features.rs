//! Indexes, pages, expiry, transactions, tables that change: each promise as a story.
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test panics at what it does not expect")]

mod shop;

use ringleader_item::limits::PAGE_SIZE_MAX;
use ringleader_item::{
    AttributeValue, BillingMode, CancellationReason, ConditionCheck, Get, IndexProjection,
    IndexUpdate, Item, KeyTest, ListTables, PackedItem, Path, Projection, Put, ReadError, Refusal,
    ReturnCapacity, ReturnMetrics, ReturnOld, Segment, Select, TableChangeError, TableReport,
    TableStatus, TagTable, TransactGet, TransactPart, TransactWrite, Units, UntagTable,
    UpdateTable, UpdateTimeToLive,
};
use ringleader_storage::engine::MemoryEngine;
use ringleader_table::{Answer, Command, Found, Read, Tables};
use shop::*;
use std::collections::BTreeMap;

fn texts(items: &[Item], attribute: &str) -> Vec<String> {
    let text = |item: &Item| match item.get(attribute) {
        Some(AttributeValue::S(text)) => text.clone(),
        Some(AttributeValue::N(number)) => number.to_string(),
        _ => "-".to_owned(),
    };
    items.iter().map(text).collect()
}

#[test]
fn a_global_index_follows_later_and_a_local_one_at_once() {
    let mut tables = replica();
    let paid =
        |number| order("ann", number, [("state", "paid".into()), ("price", shop::number(7))]);
    put_all(&mut tables, &[paid(1), paid(2), key("ann", 3)]);
    let by_state = query(Some("by-state"), "state", "paid");
    let by_price = query(Some("by-price"), "customer", "ann");
    assert_eq!(query_all(&tables, by_state.clone()), []);
    assert_eq!(texts(&query_all(&tables, by_price.clone()), "number"), ["1", "2"]);
    upkeep(&mut tables, 0);
    let shown = query_all(&tables, by_state.clone());
    assert_eq!(texts(&shown, "number"), ["1", "2"]);
    assert!(shown.iter().all(|item| item.get("price").is_none()), "it holds keys only");

    // The index shows the old state until it has followed; without the attribute the order goes.
    put_all(&mut tables, &[key("ann", 1)]);
    run(&mut tables, &delete("ann", 2));
    assert_eq!(texts(&query_all(&tables, by_state.clone()), "number"), ["1", "2"]);
    assert_eq!(query_all(&tables, by_price), []);
    upkeep(&mut tables, 0);
    assert_eq!(query_all(&tables, by_state), []);
}

#[test]
fn an_item_that_changes_often_is_in_its_last_place_only() {
    let mut tables = replica();
    for state in ["a", "b", "a", "c", "a"] {
        put_all(&mut tables, &[order("ann", 1, [("state", state.into())])]);
    }
    // Three of five notes: already the present place, and no other that a later note removes.
    run(&mut tables, &Command::Follow { limit: 3 });
    let at = |tables: &Tables<MemoryEngine>, state| {
        query_all(tables, query(Some("by-state"), "state", state)).len()
    };
    assert_eq!(at(&tables, "a"), 1);
    assert_eq!(upkeep(&mut tables, 0), 1, "the rest is one command");
    assert_eq!(["a", "b", "c"].map(|state| at(&tables, state)), [1, 0, 0]);
}

#[test]
fn a_local_index_tells_more_than_it_holds_and_a_global_one_does_not() {
    let mut tables = replica();
    let all = order("ann", 1, [("price", number(1)), ("day", "mon".into()), ("note", "x".into())]);
    put_all(&mut tables, std::slice::from_ref(&all));
    upkeep(&mut tables, 0);
    let mut local = query(Some("by-price"), "customer", "ann");
    let mut held = BTreeMap::from(all.clone());
    held.remove("note");
    assert_eq!(query_all(&tables, local.clone()), [Item::from(held)]);
    local.select = Select::AllAttributes;
    local.capacity = ReturnCapacity::Indexes;
    let read = tables.read(&Read::Query(local.clone())).unwrap();
    let Found::Page { page: told, consumed } = read else { panic!("no page") };
    assert_eq!(items(&told), [all]);
    let consumed = consumed.unwrap();
    assert_eq!((consumed.units, consumed.total()), (Units::halves(1), Units::halves(2)));
    local.select = Select::Parts(Projection::new(&[Path::attribute("note")]).unwrap());
    assert_eq!(texts(&query_all(&tables, local), "note"), ["x"]);

    let mut global = query(Some("by-state"), "state", "paid");
    global.select = Select::AllAttributes;
    let refused = |query| page(&tables, &Read::Query(query)).unwrap_err();
    let not_all = ReadError::NotAllProjected(index("by-state"));
    assert_eq!(refused(global.clone()), Refusal::Read(not_all));
    global.select = Select::AllProjected;
    global.consistent_read = true;
    assert_eq!(refused(global), Refusal::Read(ReadError::ConsistentGlobal));
}

#[test]
fn sort_keys_are_ordered_by_value_and_tested_by_ranges() {
    let mut tables = replica();
    let all = [-10, -1, 0, 2, 10, 100].map(|number| key("ann", number));
    put_all(&mut tables, &all);
    let of = |test: Option<KeyTest>, forward: bool| {
        let mut query = query(None, "customer", "ann");
        query.condition.tests.extend(test.map(|test| ("number".to_owned(), test)));
        query.forward = forward;
        texts(&query_all(&tables, query), "number")
    };
    assert_eq!(of(None, true), ["-10", "-1", "0", "2", "10", "100"]);
    assert_eq!(of(None, false), ["100", "10", "2", "0", "-1", "-10"]);
    assert_eq!(of(Some(KeyTest::Less(number(0))), true), ["-10", "-1"]);
    assert_eq!(of(Some(KeyTest::LessOrEqual(number(0))), false), ["0", "-1", "-10"]);
    assert_eq!(of(Some(KeyTest::Greater(number(2))), true), ["10", "100"]);
    assert_eq!(of(Some(KeyTest::Equal(number(2))), true), ["2"]);
    let between = KeyTest::Between { low: number(-1), high: number(10) };
    assert_eq!(of(Some(between), true), ["-1", "0", "2", "10"]);
}

/// A page ends with the item that brings it beyond 1 MB, whatever is told of the items.
#[test]
fn a_page_is_a_megabyte_before_filter_and_projection() {
    let mut tables = replica();
    let head = key("ann", 10).size() + "text".len();
    // Eight of these are 1 MB to the byte.
    let exact = "x".repeat(PAGE_SIZE_MAX / 8 - head);
    let all: Vec<_> =
        (10..28).map(|number| order("ann", number, [("text", exact.as_str().into())])).collect();
    put_all(&mut tables, &all);
    let scanned = |query: &ringleader_item::Query| {
        let told = page(&tables, &Read::Query(query.clone())).unwrap();
        (told.scanned, told.count, told.last.map(|key| texts(&[key], "number")[0].clone()))
    };
    let mut query = query(None, "customer", "ann");
    assert_eq!(scanned(&query), (9, 9, Some("18".to_owned())));
    query.select = Select::Count;
    assert_eq!(scanned(&query), (9, 9, Some("18".to_owned())));
    query.filter = Some(exists("none"));
    assert_eq!(scanned(&query), (9, 0, Some("18".to_owned())));
    query.start = Some(key("ann", 18));
    assert_eq!(scanned(&query), (9, 0, Some("27".to_owned())));
    query.start = Some(key("ann", 27));
    assert_eq!(scanned(&query), (0, 0, None));
    query.start = None;
    query.limit = Some(3);
    query.forward = false;
    assert_eq!(scanned(&query), (3, 0, Some("25".to_owned())));
}

#[test]
fn a_start_must_be_a_key_within_what_is_read() {
    let mut tables = replica();
    put_all(&mut tables, &[key("ann", 1)]);
    let refused = |start: Item, segment| {
        let mut scan = scan(None, segment);
        scan.start = Some(start);
        page(&tables, &Read::Scan(scan)).err()
    };
    let segments: Vec<_> =
        (0..2).map(|number| refused(key("ann", 5), Some(Segment { number, total: 2 }))).collect();
    assert_eq!(segments.iter().filter(|refusal| refusal.is_none()).count(), 1);
    assert_eq!(refused(key("ann", 5), None), None, "it need not exist");
    let short = Item::from([("customer", "ann".into())]);
    assert_eq!(refused(short, None), Some(Refusal::Read(ReadError::StartSchema)));
    let mut elsewhere = query(None, "customer", "ann");
    elsewhere.start = Some(key("bob", 1));
    let outside = page(&tables, &Read::Query(elsewhere)).unwrap_err();
    assert_eq!(outside, Refusal::Read(ReadError::StartOutside));
}

fn transaction(
    parts: Vec<TransactPart>,
    token: Option<&str>,
    fingerprint: u128,
    now: u64,
) -> Command {
    Command::Transact {
        write: TransactWrite {
            parts,
            token: token.map(str::to_owned),
            capacity: ReturnCapacity::None,
            metrics: ReturnMetrics::None,
        },
        fingerprint,
        now_unix_ms: now,
    }
}

fn put_part(item: &Item) -> TransactPart {
    TransactPart::Put(Put::new(name("orders"), PackedItem::pack(item)))
}

fn all_written() -> Answer {
    Answer::AllWritten { consumed: Vec::new(), collections: BTreeMap::new() }
}

#[test]
fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    let mut tables = replica();
    let check = |number, on_failure| {
        TransactPart::Check(ConditionCheck {
            table: name("orders"),
            key: key("ann", number),
            condition: exists("paid"),
            return_values_on_failure: on_failure,
        })
    };
    let stored = order("ann", 1, [("price", number(5))]);
    put_all(&mut tables, std::slice::from_ref(&stored));
    let before = contents(tables.engine());
    let parts =
        vec![put_part(&key("ann", 2)), check(1, ReturnOld::AllOld), check(3, ReturnOld::None)];
    let reasons = vec![
        CancellationReason::None,
        CancellationReason::ConditionalCheckFailed { item: Some(PackedItem::pack(&stored)) },
        CancellationReason::ConditionalCheckFailed { item: None },
    ];
    let cancelled = Answer::Refused(Refusal::TransactionCancelled(reasons));
    assert_eq!(run(&mut tables, &transaction(parts, None, 0, 0)), cancelled);
    assert_eq!(contents(tables.engine()), before);

    put_all(&mut tables, &[order("ann", 1, [("paid", true.into())])]);
    let parts = vec![put_part(&key("ann", 2)), check(1, ReturnOld::None)];
    assert_eq!(run(&mut tables, &transaction(parts, None, 0, 0)), all_written());
    let get = |number| Get {
        table: name("orders"),
        key: key("ann", number),
        consistent_read: false,
        projection: None,
        capacity: ReturnCapacity::None,
    };
    let gets = |numbers: &[i64]| {
        let gets = numbers.iter().map(|number| get(*number)).collect();
        Read::Moment(TransactGet { gets, capacity: ReturnCapacity::Total })
    };
    let Found::Moment { items, consumed } = tables.read(&gets(&[2, 9])).unwrap() else { panic!() };
    assert_eq!(items, [Some(PackedItem::pack(&key("ann", 2))), None]);
    assert_eq!(consumed[0].total(), Units::halves(8), "two units an item in a transaction");
    let twice = vec![put_part(&key("ann", 5)), check(5, ReturnOld::None)];
    let duplicate = Answer::Refused(Refusal::DuplicateParts);
    assert_eq!(run(&mut tables, &transaction(twice, None, 0, 0)), duplicate);
    assert_eq!(tables.read(&gets(&[2, 2])).unwrap(), Found::Refused(Refusal::DuplicateParts));
}

#[test]
fn a_token_makes_a_repetition_harmless_for_ten_minutes() {
    let mut tables = replica();
    let create = |number, print, now| {
        transaction(vec![put_part(&key("ann", number))], Some("token"), print, now)
    };
    assert_eq!(run(&mut tables, &create(1, 11, 1_000)), all_written());
    run(&mut tables, &delete("ann", 1));
    assert_eq!(run(&mut tables, &create(1, 11, 600_999)), all_written());
    assert_eq!(scan_all(&tables, scan(None, None)), [], "it had no second effect");
    let reused = Answer::Refused(Refusal::TokenReused);
    assert_eq!(run(&mut tables, &create(2, 22, 600_999)), reused);
    assert_eq!(run(&mut tables, &create(2, 22, 601_000)), all_written());
    assert_eq!(scan_all(&tables, scan(None, None)), [key("ann", 2)]);
    let after = contents(tables.engine()).len();
    for at in 0..20 {
        let other = format!("token-{at}");
        let parts = vec![put_part(&key("ann", 2))];
        let late = 10_000_000 + at * 700_000;
        run(&mut tables, &transaction(parts, Some(&other), 1, late));
    }
    assert_eq!(contents(tables.engine()).len(), after, "old tokens are forgotten");
}

fn expire(enabled: bool) -> Command {
    let (table, attribute) = (name("orders"), "until".to_owned());
    Command::UpdateTimeToLive(UpdateTimeToLive { table, enabled, attribute })
}

#[test]
fn items_expire_when_their_time_has_come_unless_they_changed() {
    let mut tables = replica();
    let until = |number, at| order("ann", number, [("until", shop::number(at))]);
    put_all(&mut tables, &[until(1, 100), until(2, 200), key("ann", 3)]);
    assert_eq!(run(&mut tables, &expire(true)), Answer::Done);
    put_all(&mut tables, &[until(4, 90), order("ann", 5, [("until", "90".into())])]);
    upkeep(&mut tables, 99);
    let left = |tables: &Tables<MemoryEngine>| texts(&scan_all(tables, scan(None, None)), "number");
    assert_eq!(left(&tables), ["1", "2", "3", "5"]);

    // A leader sees that an item is due; before its command is applied the item lives longer.
    let Found::Upkeep(Some(due)) = tables.read(&Read::Upkeep { now_unix_s: 100 }).unwrap() else {
        panic!("nothing is due")
    };
    put_all(&mut tables, &[until(1, 300)]);
    assert_eq!(run(&mut tables, &due), Answer::Done);
    assert_eq!(left(&tables), ["1", "2", "3", "5"]);
    upkeep(&mut tables, 200);
    assert_eq!(left(&tables), ["1", "3", "5"]);

    let refused = |error| Answer::Refused(Refusal::Change(error));
    assert_eq!(run(&mut tables, &expire(true)), refused(TableChangeError::TimeToLiveEnabled));
    assert_eq!(run(&mut tables, &expire(false)), Answer::Done);
    upkeep(&mut tables, 1_000);
    assert_eq!(left(&tables), ["1", "3", "5"]);
    assert_eq!(run(&mut tables, &expire(false)), refused(TableChangeError::TimeToLiveDisabled));
    // More than five years ago is taken for a mistake.
    run(&mut tables, &expire(true));
    upkeep(&mut tables, 300 + 6 * 365 * 86_400);
    assert_eq!(left(&tables), ["1", "3", "5"]);
}

fn report(tables: &Tables<MemoryEngine>) -> Result<TableReport, Refusal> {
    match tables.read(&Read::Table(name("orders"))).unwrap() {
        Found::Table(report) => Ok(*report),
        Found::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn update(indexes: Vec<IndexUpdate>) -> UpdateTable {
    let table = name("orders");
    UpdateTable { table, billing: None, class: None, deletion_protection: None, indexes }
}

#[test]
fn an_index_made_later_shows_what_was_there_and_what_came_meanwhile() {
    let mut tables = replica();
    let of = |number, shelf: &str| order("ann", number, [("shelf", shelf.into())]);
    let all: Vec<_> = (0..40).map(|number| of(number, "a")).collect();
    put_all(&mut tables, &all);
    let create = IndexUpdate::Create(global("by-shelf", "shelf", IndexProjection::All));
    let answer = run(&mut tables, &Command::UpdateTable(update(vec![create.clone()])));
    let Answer::Changed(changed) = answer else { panic!("{answer:?}") };
    assert_eq!(changed.indexes[&index("by-shelf")].status, TableStatus::Creating);
    let by_shelf = |shelf| query(Some("by-shelf"), "shelf", shelf);
    let filling = page(&tables, &Read::Query(by_shelf("a"))).unwrap_err();
    assert_eq!(filling, Refusal::Read(ReadError::Backfilling(index("by-shelf"))));

    run(&mut tables, &Command::Task { limit: 10 });
    // Behind, at and in front of where the task stands.
    put_all(&mut tables, &[of(1, "b"), of(10, "b"), of(30, "b")]);
    run(&mut tables, &delete("ann", 2));
    run(&mut tables, &delete("ann", 31));
    upkeep(&mut tables, 0);
    assert_eq!(query_all(&tables, by_shelf("a")).len(), 35);
    assert_eq!(texts(&query_all(&tables, by_shelf("b")), "number").len(), 3);
    assert_eq!(report(&tables).unwrap().extent.status, TableStatus::Active);

    let again = run(&mut tables, &Command::UpdateTable(update(vec![create.clone()])));
    let exists = TableChangeError::IndexExists(index("by-shelf"));
    assert_eq!(again, Answer::Refused(Refusal::Change(exists)));
    let remove = update(vec![IndexUpdate::Delete(index("by-shelf"))]);
    run(&mut tables, &Command::UpdateTable(remove));
    let missing = page(&tables, &Read::Query(by_shelf("a"))).unwrap_err();
    assert_eq!(missing, Refusal::Read(ReadError::IndexNotFound(index("by-shelf"))));
    let busy = run(&mut tables, &Command::UpdateTable(update(vec![create])));
    assert_eq!(busy, Answer::Refused(Refusal::TableBusy(name("orders"))));
    upkeep(&mut tables, 0);
    assert!(contents(tables.engine()).keys().all(|key| key[0] != 2), "no entry is left");
}

#[test]
fn a_removed_table_leaves_nothing_and_its_name_is_free_at_once() {
    let mut tables = replica();
    let all: Vec<_> =
        (0..2_000).map(|number| order("ann", number, [("state", "new".into())])).collect();
    put_all(&mut tables, &all);
    let protect = |on| UpdateTable { deletion_protection: Some(on), ..update(Vec::new()) };
    run(&mut tables, &Command::UpdateTable(protect(true)));
    let remove = Command::DeleteTable(name("orders"));
    let protected = Answer::Refused(Refusal::DeletionProtected(name("orders")));
    assert_eq!(run(&mut tables, &remove), protected);
    run(&mut tables, &Command::UpdateTable(protect(false)));
    let Answer::Changed(gone) = run(&mut tables, &remove) else { panic!("not removed") };
    assert_eq!((gone.extent.status, gone.extent.items), (TableStatus::Deleting, 2_000));
    assert_eq!(report(&tables), Err(Refusal::TableNotFound(name("orders"))));

    let mut again = shop();
    again.id = ringleader_item::TableId(8);
    run(&mut tables, &Command::CreateTable(again));
    assert_eq!(scan_all(&tables, scan(None, None)), []);
    put_all(&mut tables, &[key("bob", 1)]);
    assert!(upkeep(&mut tables, 0) > 4, "it takes several commands");
    assert_eq!(scan_all(&tables, scan(None, None)), [key("bob", 1)]);
    let extent = report(&tables).unwrap().extent;
    assert_eq!((extent.items, extent.bytes), (1, key("bob", 1).size() as u64));
    // Record, item, the size of the item's collection, and counts of the table and three indexes.
    assert_eq!(contents(tables.engine()).len(), 3 + 4);
}

#[test]
fn the_answer_to_a_change_shows_what_comes_and_what_goes() {
    let mut tables = replica();
    let change = |tables: &mut Tables<MemoryEngine>, indexes| {
        run(tables, &Command::UpdateTable(update(indexes)))
    };
    let add = IndexUpdate::Create(global("by-shelf", "shelf", IndexProjection::All));
    let drop = IndexUpdate::Delete(index("by-day"));
    let both = change(&mut tables, vec![add, drop.clone()]);
    assert_eq!(both, Answer::Refused(Refusal::Change(TableChangeError::OneIndexAtATime)));

    put_all(&mut tables, &[order("ann", 1, [("day", "mon".into()), ("price", number(5))])]);
    upkeep(&mut tables, 0);
    let Answer::Changed(told) = change(&mut tables, vec![drop]) else { panic!("refused") };
    assert_eq!(told.extent.status, TableStatus::Updating);
    let going = told.indexes[&index("by-day")];
    assert_eq!((going.status, going.items), (TableStatus::Deleting, 1));
    assert_eq!(told.description.definition.global_indexes.len(), 2);
    let after = report(&tables).unwrap();
    assert_eq!(after.extent.status, TableStatus::Active);
    assert_eq!(after.description.definition.global_indexes.len(), 1);
}

#[test]
fn what_a_write_costs_is_told_for_table_and_indexes() {
    let mut tables = replica();
    let cost = |tables: &mut Tables<MemoryEngine>, item: &Item| {
        let mut put = Put::new(name("orders"), PackedItem::pack(item));
        (put.capacity, put.metrics) = (ReturnCapacity::Indexes, ReturnMetrics::Size);
        let Answer::Written(written) = run(tables, &Command::Put(put)) else { panic!("refused") };
        let consumed = written.consumed.unwrap();
        let halves =
            |units: &BTreeMap<_, Units>| units.values().map(|it| it.in_halves()).sum::<u64>();
        let parts = [consumed.units.in_halves(), halves(&consumed.local), halves(&consumed.global)];
        (parts, written.collection.unwrap().bytes)
    };
    let plain = key("ann", 1);
    assert_eq!(cost(&mut tables, &plain), ([2, 0, 0], plain.size() as u64));
    let priced = order("ann", 1, [("price", number(5))]);
    let entry = priced.size();
    assert_eq!(cost(&mut tables, &priced), ([2, 2, 0], (priced.size() + entry) as u64));
    let text = "x".repeat(1_024);
    let more = order("ann", 1, [("price", number(6)), ("state", text.as_str().into())]);
    // Another place in the local index: out and in. The state is long, and a key of the global one.
    assert_eq!(cost(&mut tables, &more).0, [4, 4, 4]);
    assert_eq!(cost(&mut tables, &plain).0, [4, 2, 4]);
}

#[test]
fn tables_are_listed_changed_and_labelled() {
    let mut tables = replica();
    for (number, text) in (20..).zip(["beta", "alpha", "gamma"]) {
        let mut table = shop();
        table.definition.name = name(text);
        table.id = ringleader_item::TableId(number);
        run(&mut tables, &Command::CreateTable(table));
    }
    let list = |start: Option<&str>, limit| {
        let list = ListTables { start: start.map(name), limit };
        let Found::Tables { names, last } = tables.read(&Read::Tables(list)).unwrap() else {
            panic!("no list")
        };
        let names: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
        (names.join(" "), last.map(|name| name.as_str().to_owned()))
    };
    assert_eq!(list(None, 100), ("alpha beta gamma orders".into(), None));
    assert_eq!(list(None, 2), ("alpha beta".into(), Some("beta".into())));
    assert_eq!(list(Some("bet"), 1), ("beta".into(), Some("beta".into())));
    assert_eq!(list(Some("beta"), 2), ("gamma orders".into(), None));

    let label = |pairs: &[(&str, &str)]| {
        let tags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Command::Tag(TagTable { table: name("orders"), tags: tags.collect() })
    };
    run(&mut tables, &label(&[("a", "1"), ("b", "2")]));
    run(&mut tables, &label(&[("b", "3")]));
    let keys = vec!["a".to_owned()];
    run(&mut tables, &Command::Untag(UntagTable { table: name("orders"), keys }));
    let tags = report(&tables).unwrap().description.definition.tags;
    assert_eq!(tags, BTreeMap::from([("b".to_owned(), "3".to_owned())]));
    let many: Vec<_> = (0..50).map(|number| format!("tag-{number}")).collect();
    let many: Vec<_> = many.iter().map(|key| (key.as_str(), "x")).collect();
    let too_many = Answer::Refused(Refusal::Change(TableChangeError::TooManyTags));
    assert_eq!(run(&mut tables, &label(&many)), too_many);

    let billing = BillingMode::Provisioned { read_units: 5, write_units: 6 };
    let change = UpdateTable { billing: Some(billing), ..update(Vec::new()) };
    run(&mut tables, &Command::UpdateTable(change.clone()));
    let same = TableChangeError::SameThroughput { read_units: 5, write_units: 6 };
    let refused = Answer::Refused(Refusal::Change(same));
    assert_eq!(run(&mut tables, &Command::UpdateTable(change)), refused);
}
