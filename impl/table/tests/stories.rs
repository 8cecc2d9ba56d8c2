//! What commands do to tables, told as stories, and what must hold for every log.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test panics at what it does not expect")]
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]
#![allow(clippy::unnecessary_wraps, reason = "commands take a condition or none")]
#![allow(clippy::needless_pass_by_value, reason = "expected values read better written in place")]

use proptest::prelude::*;
use ringleader_core::ids::LogIndex;
use ringleader_item::{
    AttributeValue, BillingMode, Comparator, Condition, Delete, Get, Item, KeyAttribute, KeyKind,
    KeySchema, Operand, PackedItem, Path, Predicate, Put, Refusal, ReturnCapacity, ReturnOld, Step,
    TableDefinition, TableDescription, TableId, TableName,
};
use ringleader_storage::disk::{DirectoryDisk, Disk};
use ringleader_storage::engine::{Engine, MemoryEngine, TreeEngine, TreeOptions};
use ringleader_table::{Answer, Command, Found, Read, Tables, Written};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

fn name(text: &str) -> TableName {
    TableName::new(text).unwrap()
}

fn table(text: &str, id: u128) -> TableDescription {
    let partition = KeyAttribute { name: "id".into(), kind: KeyKind::S };
    TableDescription {
        definition: TableDefinition::new(
            name(text),
            KeySchema { partition, sort: None },
            BillingMode::PayPerRequest,
        ),
        id: TableId(id),
        created_unix_ms: 1_000,
        expiry_attribute: None,
    }
}

fn item(id: &str, value: u64) -> Item {
    Item::from([("id", id.into()), ("v", value.into())])
}

fn key(id: &str) -> Item {
    Item::from([("id", id.into())])
}

fn when(step: Predicate) -> Option<Condition> {
    Some(Condition::new(vec![Step::Test(step)]).unwrap())
}

fn absent() -> Option<Condition> {
    when(Predicate::NotExists(Path::attribute("id")))
}

fn equals(value: u64) -> Option<Condition> {
    when(Predicate::Compare {
        left: Operand::Path(Path::attribute("v")),
        comparator: Comparator::Equal,
        right: Operand::Value(value.into()),
    })
}

fn put(id: &str, value: u64, condition: Option<Condition>) -> Command {
    Command::Put(Put {
        condition,
        return_values: ReturnOld::AllOld,
        return_values_on_failure: ReturnOld::AllOld,
        ..Put::new(name("orders"), PackedItem::pack(&item(id, value)))
    })
}

fn delete(id: &str, condition: Option<Condition>) -> Command {
    Command::Delete(Delete {
        condition,
        return_values: ReturnOld::AllOld,
        return_values_on_failure: ReturnOld::AllOld,
        ..Delete::new(name("orders"), key(id))
    })
}

/// A replica that has created the table `orders` at index 1.
fn replica() -> Tables<MemoryEngine> {
    let mut tables = Tables::open(MemoryEngine::new()).unwrap();
    let answer = tables.apply(LogIndex(1), &Command::CreateTable(table("orders", 7))).unwrap();
    assert_eq!(answer, Answer::Created(table("orders", 7)));
    tables
}

fn run(tables: &mut Tables<MemoryEngine>, command: &Command) -> Answer {
    tables.apply(tables.applied().next(), command).unwrap()
}

fn get<E: Engine>(tables: &Tables<E>, table: &str, id: &str) -> Result<Option<Item>, Refusal> {
    let get = Get {
        table: name(table),
        key: key(id),
        consistent_read: true,
        projection: None,
        capacity: ReturnCapacity::None,
    };
    match tables.read(&Read::Item(get)).unwrap() {
        Found::Item { item, consumed: None } => Ok(item.map(|item| item.unpack())),
        Found::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn describe<E: Engine>(tables: &Tables<E>, table: &str) -> Result<TableDescription, Refusal> {
    match tables.read(&Read::Table(name(table))).unwrap() {
        Found::Table(report) => Ok(report.description),
        Found::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn stored<E: Engine>(tables: &Tables<E>, id: &str) -> Option<Item> {
    get(tables, "orders", id).unwrap()
}

fn written(old: Option<Item>) -> Answer {
    let attributes = old.as_ref().map(PackedItem::pack);
    Answer::Written(Written { attributes, ..Written::default() })
}

fn failed(old: Option<Item>) -> Answer {
    Answer::Refused(Refusal::ConditionFailed { old: old.as_ref().map(PackedItem::pack) })
}

fn contents<E: Engine>(engine: &E) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all = BTreeMap::new();
    let everything = (Bound::Unbounded, Bound::Unbounded);
    let mut visit = |key: &[u8], value: &[u8]| {
        all.insert(key.to_vec(), value.to_vec());
        true
    };
    engine.scan(everything, &mut visit).unwrap();
    all
}

#[test]
fn put_replaces_and_tells_what_it_replaced() {
    let mut tables = replica();
    assert_eq!(stored(&tables, "a"), None);
    assert_eq!(run(&mut tables, &put("a", 1, None)), written(None));
    assert_eq!(run(&mut tables, &put("a", 2, None)), written(Some(item("a", 1))));
    assert_eq!(stored(&tables, "a"), Some(item("a", 2)));
    assert_eq!(run(&mut tables, &delete("a", None)), written(Some(item("a", 2))));
    assert_eq!(run(&mut tables, &delete("a", None)), written(None));
    assert_eq!(stored(&tables, "a"), None);
}

#[test]
fn of_two_conditional_creations_the_first_in_the_log_wins() {
    let mut tables = replica();
    assert_eq!(run(&mut tables, &put("a", 1, absent())), written(None));
    assert_eq!(run(&mut tables, &put("a", 2, absent())), failed(Some(item("a", 1))));
    assert_eq!(stored(&tables, "a"), Some(item("a", 1)));
}

#[test]
fn compare_and_set_sees_every_write_before_it() {
    let mut tables = replica();
    run(&mut tables, &put("a", 1, None));
    assert_eq!(run(&mut tables, &put("a", 2, equals(1))), written(Some(item("a", 1))));
    assert_eq!(run(&mut tables, &put("a", 3, equals(1))), failed(Some(item("a", 2))));
    assert_eq!(run(&mut tables, &delete("a", equals(1))), failed(Some(item("a", 2))));
    assert_eq!(run(&mut tables, &delete("a", equals(2))), written(Some(item("a", 2))));
    assert_eq!(run(&mut tables, &put("a", 4, equals(2))), failed(None));
}

#[test]
fn old_items_are_told_only_when_asked_for() {
    let mut tables = replica();
    run(&mut tables, &put("a", 1, None));
    let exists = || when(Predicate::Exists(Path::attribute("id")));
    let asking = |condition, return_values, return_values_on_failure| {
        let Command::Put(put) = put("a", 1, condition) else { unreachable!() };
        Command::Put(Put { return_values, return_values_on_failure, ..put })
    };
    let (none, all, old) = (ReturnOld::None, ReturnOld::AllOld, || Some(item("a", 1)));
    assert_eq!(run(&mut tables, &asking(absent(), all, none)), failed(None));
    assert_eq!(run(&mut tables, &asking(absent(), none, all)), failed(old()));
    assert_eq!(run(&mut tables, &asking(exists(), none, all)), written(None));
    assert_eq!(run(&mut tables, &asking(exists(), all, none)), written(old()));
    assert_eq!(run(&mut tables, &asking(None, none, none)), written(None));
}

#[test]
fn a_table_exists_once_and_must_exist() {
    let mut tables = replica();
    let again = Answer::Refused(Refusal::TableExists(name("orders")));
    assert_eq!(run(&mut tables, &Command::CreateTable(table("orders", 8))), again);
    assert_eq!(describe(&tables, "orders"), Ok(table("orders", 7)));
    let missing = Refusal::TableNotFound(name("others"));
    assert_eq!(describe(&tables, "others"), Err(missing.clone()));
    assert_eq!(get(&tables, "others", "a"), Err(missing.clone()));
    let Command::Put(elsewhere) = put("a", 1, None) else { unreachable!() };
    let elsewhere = Command::Put(Put { table: name("others"), ..elsewhere });
    assert_eq!(run(&mut tables, &elsewhere), Answer::Refused(missing));
}

#[test]
fn tables_do_not_see_each_others_items() {
    let mut tables = replica();
    run(&mut tables, &Command::CreateTable(table("others", 8)));
    run(&mut tables, &put("a", 1, None));
    assert_eq!(get(&tables, "others", "a"), Ok(None));
}

#[test]
fn a_key_that_does_not_fit_has_no_effect() {
    let mut tables = replica();
    let before = contents(tables.engine());
    let number = PackedItem::pack(&Item::from([("id", 5_u64.into())]));
    let wrong = Command::Put(Put::new(name("orders"), number));
    let Answer::Refused(Refusal::Key(error)) = run(&mut tables, &wrong) else { panic!("accepted") };
    assert_eq!(
        error.to_string(),
        "One or more parameter values were invalid: Type mismatch for key id expected: S actual: N"
    );
    assert_eq!(contents(tables.engine()), before);
    // The entry itself is applied: it must not come again.
    assert_eq!(tables.applied(), LogIndex(2));
}

/// The catalogue and the items are there again after a restart, up to the checkpoint; entries above
/// it are applied again, entries below it are not.
#[test]
fn a_restart_continues_from_the_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let disk: Arc<dyn Disk> = Arc::new(DirectoryDisk::open(directory.path()).unwrap());
        let tree = TreeEngine::open_on(&disk, "tree", TreeOptions::default()).unwrap();
        Tables::open(tree).unwrap()
    };
    let log = [
        Command::CreateTable(table("orders", 7)),
        put("a", 1, absent()),
        put("b", 1, None),
        put("a", 2, equals(1)),
    ];
    let apply = |tables: &mut Tables<TreeEngine>, index: usize| {
        tables.apply(LogIndex(index as u64), &log[index - 1]).unwrap()
    };
    let mut tables = open();
    for index in 1..=3 {
        apply(&mut tables, index);
    }
    assert_eq!(tables.checkpoint().unwrap(), LogIndex(3));
    drop(tables);

    let mut tables = open();
    assert_eq!(tables.applied(), LogIndex(3));
    for index in 1..=3 {
        assert_eq!(apply(&mut tables, index), Answer::Repeated);
    }
    assert_eq!(apply(&mut tables, 4), written(Some(item("a", 1))));
    assert_eq!(stored(&tables, "a"), Some(item("a", 2)));
    assert_eq!(describe(&tables, "orders"), Ok(table("orders", 7)));
}

fn command() -> impl Strategy<Value = Command> {
    let condition = || {
        prop_oneof![
            Just(None),
            Just(absent()),
            Just(when(Predicate::Exists(Path::attribute("id")))),
            (0_u64..3).prop_map(equals),
        ]
    };
    let id = || prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        5 => (id(), 0_u64..3, condition()).prop_map(|(id, v, condition)| put(id, v, condition)),
        2 => (id(), condition()).prop_map(|(id, condition)| delete(id, condition)),
        1 => Just(Command::CreateTable(table("orders", 9))),
    ]
}

/// A map from ids to values: what the table must be, in a few lines.
#[derive(Default)]
struct Twin(BTreeMap<String, u64>);

impl Twin {
    fn apply(&mut self, command: &Command) -> Answer {
        let (id, value, condition) = match command {
            Command::CreateTable(table) => {
                return Answer::Refused(Refusal::TableExists(table.definition.name.clone()));
            }
            Command::Put(put) => {
                let item = put.item.unpack();
                (item.get("id").cloned(), item.get("v").cloned(), &put.condition)
            }
            Command::Delete(delete) => (delete.key.get("id").cloned(), None, &delete.condition),
            other => unreachable!("{other:?}"),
        };
        let Some(AttributeValue::S(id)) = id else { unreachable!() };
        let old = self.0.get(&id).copied();
        let holds = match condition.as_ref().map(|condition| &condition.steps()[0]) {
            None => true,
            Some(Step::Test(Predicate::NotExists(_))) => old.is_none(),
            Some(Step::Test(Predicate::Exists(_))) => old.is_some(),
            Some(Step::Test(Predicate::Compare { right: Operand::Value(value), .. })) => {
                old.is_some_and(|old| *value == old.into())
            }
            other => unreachable!("{other:?}"),
        };
        let old = old.map(|old| item(&id, old));
        if !holds {
            return failed(old);
        }
        match value {
            Some(AttributeValue::N(value)) => {
                self.0.insert(id, value.to_string().parse().unwrap());
            }
            _ => drop(self.0.remove(&id)),
        }
        written(old)
    }
}

proptest! {
    /// The table answers as the twin does; a second replica that reads the commands from their
    /// bytes, sees some of them twice and restarts, holds the same bytes (`TABLE-1`, `TABLE-2`).
    #[test]
    fn every_log_gives_one_state(log in prop::collection::vec((command(), any::<bool>()), 0..30)) {
        let (mut first, mut second, mut twin) = (replica(), replica(), Twin::default());
        let wire = bincode::config::legacy();
        for (at, (command, repeat)) in log.iter().enumerate() {
            let index = LogIndex(at as u64 + 2);
            let answer = first.apply(index, command).unwrap();
            prop_assert_eq!(&answer, &twin.apply(command));
            let bytes = bincode::serde::encode_to_vec(command, wire).unwrap();
            let (read, _) = bincode::serde::decode_from_slice::<Command, _>(&bytes, wire).unwrap();
            prop_assert_eq!(&read, command);
            prop_assert_eq!(&second.apply(index, &read).unwrap(), &answer);
            if *repeat {
                prop_assert_eq!(second.apply(index, &read).unwrap(), Answer::Repeated);
            }
        }
        prop_assert_eq!(contents(first.engine()), contents(second.engine()));
        prop_assert_eq!(first.applied(), second.applied());
    }

    /// No bytes from a peer or a log make reading a command panic.
    #[test]
    fn reading_a_command_is_total(
        command in command(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let wire = bincode::config::legacy().with_limit::<1_000_000>();
        let mut bytes = bincode::serde::encode_to_vec(&command, wire).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = bincode::serde::decode_from_slice::<Command, _>(&bytes, wire);
        let _ = bincode::serde::decode_from_slice::<Command, _>(&bytes[..at], wire);
    }
}
