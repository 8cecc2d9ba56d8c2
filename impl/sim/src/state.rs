//! The tables as the state machine of a replica, and what clients say to them.

use ringleader_core::ids::LogIndex;
use ringleader_core::machine::StateMachine;
use ringleader_item::capacity::{ReturnCapacity, ReturnMetrics};
use ringleader_item::{
    AttributeValue, BillingMode, Comparator, Condition, Delete, Get, Item, KeyAttribute, KeyKind,
    KeySchema, Number, Operand, PackedItem, Path, Predicate, Put, Refusal, ReturnOld, Step,
    TableDefinition, TableDescription, TableId, TableName,
};
use ringleader_replica::{ReplicatedState, SentState, Staging, StateError};
use ringleader_storage::engine::{TreeEngine, TreeSnapshot};
use ringleader_table::{self as table, Answer, Found, Read, Tables};
use ringleader_wire::limits::{ANSWER_LENGTH_MAX, COMMAND_LENGTH_MAX};
use ringleader_wire::{Command, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The tables below a replica.
pub(crate) struct TableState {
    pub(crate) tables: Tables<TreeEngine>,
}

impl StateMachine for TableState {
    type Command = Command;
    type Answer = Result<Command, StateError>;

    fn apply(&mut self, index: LogIndex, command: &Command) -> Self::Answer {
        let command = decoded::<table::Command>(command, COMMAND_LENGTH_MAX);
        let answer = self.tables.apply(index, &command).map_err(StateError::new)?;
        Ok(encoded(&answer))
    }
}

impl ReplicatedState for TableState {
    type Snapshot = SentState<TreeSnapshot>;

    fn read(&self, query: &Command) -> Result<Command, StateError> {
        let query = decoded::<Read>(query, COMMAND_LENGTH_MAX);
        let found = self.tables.read(&query).map_err(StateError::new)?;
        Ok(encoded(&found))
    }

    fn applied(&self) -> LogIndex {
        self.tables.applied()
    }

    fn begin_checkpoint(&mut self) -> Result<(), StateError> {
        self.tables.begin_checkpoint().map_err(StateError::new)
    }

    fn checkpointed(&mut self) -> Result<LogIndex, StateError> {
        self.tables.checkpointed().map_err(StateError::new)
    }

    fn checkpoint(&mut self) -> Result<(), StateError> {
        self.tables.checkpoint().map_err(StateError::new)?;
        Ok(())
    }

    fn snapshot(&self) -> Result<SentState<TreeSnapshot>, StateError> {
        let snapshot = self.tables.snapshot().map_err(StateError::new)?;
        Ok(SentState::new(snapshot, PART_BYTES))
    }

    fn stage(&mut self, part: u32, content: &Command) -> Result<Staging, StateError> {
        let staged = self.tables.stage(part, content.as_bytes()).map_err(StateError::new)?;
        Ok(if staged { Staging::Done } else { Staging::Refused })
    }

    fn finish_staging(&mut self, upto: LogIndex) -> Result<(), StateError> {
        self.tables.finish_staging(upto).map_err(StateError::new)
    }

    fn install(&mut self, upto: LogIndex) -> Result<(), StateError> {
        self.tables.install(upto).map_err(StateError::new)
    }
}

/// Bytes of one part of a state: an item or two.
const PART_BYTES: usize = 200;

/// What travels and lies in logs is what clients here encoded.
fn decoded<T: DeserializeOwned>(bytes: &Command, limit: usize) -> T {
    match codec::decode(bytes.as_bytes(), limit) {
        Ok(value) => value,
        Err(error) => panic!("WIRE: other bytes than a client sent: {error}"),
    }
}

fn encoded<T: Serialize>(value: &T) -> Command {
    let bytes = codec::encode(value, ANSWER_LENGTH_MAX);
    Command::from(bytes.expect("commands and answers here are small"))
}

const KEY: &str = "id";
const VALUE: &str = "value";

/// What clients say about the items of one table, ready to be encoded.
pub(crate) struct Words {
    table: TableName,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is done.
    Done,
    /// The item has this value, or is absent.
    Value(Option<i64>),
    /// The condition does not hold; this is what is there.
    Refused(Option<i64>),
}

impl Words {
    pub(crate) fn new() -> Self {
        Self { table: TableName::new("items").expect("a good name") }
    }

    pub(crate) fn create_table(&self) -> Command {
        let partition = KeyAttribute { name: KEY.to_owned(), kind: KeyKind::S };
        let schema = KeySchema { partition, sort: None };
        let definition =
            TableDefinition::new(self.table.clone(), schema, BillingMode::PayPerRequest);
        encoded(&table::Command::CreateTable(TableDescription {
            definition,
            id: TableId(1),
            created_unix_ms: 0,
            expiry_attribute: None,
        }))
    }

    pub(crate) fn get(&self, key: u8, consistent_read: bool) -> Command {
        encoded(&Read::Item(Get {
            table: self.table.clone(),
            key: key_of(key),
            consistent_read,
            projection: None,
            capacity: ReturnCapacity::None,
        }))
    }

    pub(crate) fn put(&self, key: u8, value: i64) -> Command {
        self.put_item(key, value, None)
    }

    pub(crate) fn put_if_absent(&self, key: u8, value: i64) -> Command {
        self.put_item(key, value, Some(Predicate::NotExists(Path::attribute(KEY))))
    }

    pub(crate) fn put_if_equal(&self, key: u8, value: i64, old: i64) -> Command {
        let left = Operand::Path(Path::attribute(VALUE));
        let right = Operand::Value(AttributeValue::N(Number::from(old)));
        self.put_item(
            key,
            value,
            Some(Predicate::Compare { left, comparator: Comparator::Equal, right }),
        )
    }

    fn put_item(&self, key: u8, value: i64, predicate: Option<Predicate>) -> Command {
        let mut item = key_of(key);
        item.insert(VALUE.to_owned(), AttributeValue::N(Number::from(value)));
        let condition = predicate
            .map(|it| Condition::new(vec![Step::Test(it)]).expect("one test is a condition"));
        encoded(&table::Command::Put(Put {
            condition,
            return_values_on_failure: ReturnOld::AllOld,
            ..Put::new(self.table.clone(), PackedItem::pack(&item))
        }))
    }

    pub(crate) fn delete(&self, key: u8) -> Command {
        encoded(&table::Command::Delete(Delete {
            table: self.table.clone(),
            key: key_of(key),
            condition: None,
            return_values: ReturnOld::None,
            return_values_on_failure: ReturnOld::None,
            capacity: ReturnCapacity::None,
            metrics: ReturnMetrics::None,
        }))
    }

    /// What the answer to a command says.
    pub(crate) fn of_write(answer: &Command) -> Heard {
        let answer = decoded::<Answer>(answer, ANSWER_LENGTH_MAX);
        match answer {
            Answer::Written(_) | Answer::Created(_) | Answer::Refused(Refusal::TableExists(_)) => {
                Heard::Done
            }
            Answer::Refused(Refusal::ConditionFailed { ref old }) => {
                Heard::Refused(old.as_ref().map(value_of))
            }
            Answer::Refused(_)
            | Answer::Repeated
            | Answer::AllWritten { .. }
            | Answer::Changed(_)
            | Answer::Done => panic!("ANSWER: nobody asked for {answer:?}"),
        }
    }

    /// What the answer to a query says.
    pub(crate) fn of_read(answer: &Command) -> Heard {
        let found = decoded::<Found>(answer, ANSWER_LENGTH_MAX);
        match found {
            Found::Item { ref item, .. } => Heard::Value(item.as_ref().map(value_of)),
            // The node that was asked has not applied that there is a table.
            Found::Refused(Refusal::TableNotFound(_)) => Heard::Value(None),
            Found::Table(_)
            | Found::Tables { .. }
            | Found::Page { .. }
            | Found::Items { .. }
            | Found::Moment { .. }
            | Found::Upkeep(_)
            | Found::Refused(_) => panic!("ANSWER: nobody asked for {found:?}"),
        }
    }
}

fn key_of(key: u8) -> Item {
    let mut item = Item::new();
    item.insert(KEY.to_owned(), AttributeValue::S(format!("item-{key}")));
    item
}

fn value_of(item: &PackedItem) -> i64 {
    let value = match item.get(VALUE) {
        Some(AttributeValue::N(number)) => number.to_string().parse().ok(),
        _ => None,
    };
    value.unwrap_or_else(|| panic!("ANSWER: an item without its value: {:?}", item.unpack()))
}
