//! The state machine: all tables of a replication group.

use crate::catalogue::{self, item_key, table_key};
use crate::{Answer, Command};
use ringleader_core::ids::LogIndex;
use ringleader_core::machine::StateMachine;
use ringleader_item::{
    Condition, Delete, Item, Key, PackedItem, Put, Refusal, ReturnOld, TableDescription, TableName,
};
use ringleader_storage::engine::{Change, Engine};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;

/// The tables in an engine.
pub struct Tables<E> {
    engine: E,
    /// The catalogue records of the engine, decoded.
    catalogue: BTreeMap<TableName, TableDescription>,
    /// Whether an apply failed. The engine may then hold anything but a later entry.
    failed: bool,
}

/// Why the state machine cannot go on. Never a client's fault.
#[derive(Debug, thiserror::Error)]
pub enum TableError<E> {
    /// The engine failed.
    #[error(transparent)]
    Engine(E),
    /// The engine returned bytes that this state machine never stored.
    #[error("damaged {what} under the engine key {}", hex(.key))]
    Damaged {
        /// Catalogue record or item.
        what: &'static str,
        /// The key in the engine.
        key: Vec<u8>,
    },
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every text");
        text
    })
}

impl<E: Engine> Tables<E> {
    /// Opens what the engine holds.
    ///
    /// # Errors
    /// When the engine fails or a catalogue record is damaged.
    pub fn open(engine: E) -> Result<Self, TableError<E::Error>> {
        let mut tables = BTreeMap::new();
        let mut damaged = None;
        let (start, end) = (catalogue::catalogue_start(), catalogue::catalogue_end());
        let range: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(&start), Bound::Excluded(&end));
        engine
            .scan(range, &mut |key, record| {
                match catalogue::decode(record) {
                    Some(table) if table_key(&table.definition.name) == key => {
                        tables.insert(table.definition.name.clone(), table);
                    }
                    _ => damaged = Some(key.to_vec()),
                }
                damaged.is_none()
            })
            .map_err(TableError::Engine)?;
        match damaged {
            Some(key) => Err(TableError::Damaged { what: "catalogue record", key }),
            None => Ok(Self { engine, catalogue: tables, failed: false }),
        }
    }

    /// Applies the command at `index` of the log.
    ///
    /// # Errors
    /// When the engine fails or returns damaged bytes. The replica must stop: going on with the
    /// next entry would leave this one out.
    ///
    /// # Panics
    /// When called again after an error.
    pub fn apply(
        &mut self,
        index: LogIndex,
        command: &Command,
    ) -> Result<Answer, TableError<E::Error>> {
        assert!(!self.failed, "apply after a failed apply would skip a log entry");
        if index.0 <= self.engine.applied() {
            return Ok(Answer::Repeated);
        }
        let outcome = self.evaluate(command).and_then(|(change, answer)| {
            self.engine.apply(index.0, change.as_slice()).map_err(TableError::Engine)?;
            Ok(answer)
        });
        self.failed = outcome.is_err();
        if let Ok(Answer::Created(table)) = &outcome {
            self.catalogue.insert(table.definition.name.clone(), table.clone());
        }
        outcome
    }

    /// What a command changes, and its answer.
    fn evaluate(&self, command: &Command) -> Evaluated<E> {
        match command {
            Command::CreateTable(table) => Ok(self.create_table(table)),
            Command::Put(put) => self.put(put),
            Command::Delete(delete) => self.delete(delete),
        }
    }

    fn create_table(&self, table: &TableDescription) -> (Option<Change>, Answer) {
        let name = &table.definition.name;
        let exists = self.catalogue.contains_key(name)
            || self.catalogue.values().any(|other| other.id == table.id);
        if exists {
            return refused(Refusal::TableExists(name.clone()));
        }
        let change = Change::Put { key: table_key(name), value: catalogue::encode(table) };
        (Some(change), Answer::Created(table.clone()))
    }

    fn put(&self, put: &Put) -> Evaluated<E> {
        let key = self.find(&put.table).and_then(|table| {
            Ok(item_key(table.id, &table.definition.key_schema.key_of_item(&put.item)?))
        });
        let key = match key {
            Ok(key) => key,
            Err(refusal) => return Ok(refused(refusal)),
        };
        let answer = self.judge(
            &key,
            put.condition.as_ref(),
            put.return_values,
            put.return_values_on_failure,
        )?;
        Ok(match answer {
            Ok(answer) => (Some(Change::Put { key, value: put.item.as_bytes().to_vec() }), answer),
            Err(refusal) => refused(refusal),
        })
    }

    fn delete(&self, delete: &Delete) -> Evaluated<E> {
        let key = match self.engine_key(&delete.table, &delete.key) {
            Ok(key) => key,
            Err(refusal) => return Ok(refused(refusal)),
        };
        let answer = self.judge(
            &key,
            delete.condition.as_ref(),
            delete.return_values,
            delete.return_values_on_failure,
        )?;
        Ok(match answer {
            Ok(answer) => (Some(Change::Delete { key }), answer),
            Err(refusal) => refused(refusal),
        })
    }

    /// Whether a write may go ahead, and its answer. Reads the engine only for who asks.
    fn judge(
        &self,
        key: &[u8],
        condition: Option<&Condition>,
        on_success: ReturnOld,
        on_failure: ReturnOld,
    ) -> Result<Result<Answer, Refusal>, TableError<E::Error>> {
        if condition.is_none() && on_success == ReturnOld::None {
            return Ok(Ok(Answer::Written { old: None }));
        }
        let stored = self.stored(key)?;
        let holds = condition.is_none_or(|condition| condition.holds_packed(stored.as_ref()));
        let told = if holds { on_success } else { on_failure };
        let old = stored.filter(|_| told == ReturnOld::AllOld);
        Ok(if holds { Ok(Answer::Written { old }) } else { Err(Refusal::ConditionFailed { old }) })
    }

    /// Reads one item.
    ///
    /// # Errors
    /// Outer: when the engine fails or the item is damaged. Inner: when there is no such table or
    /// the key does not fit it.
    pub fn get(
        &self,
        table: &TableName,
        key: &Item,
    ) -> Result<Result<Option<PackedItem>, Refusal>, TableError<E::Error>> {
        match self.engine_key(table, key) {
            Ok(key) => self.stored(&key).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Describes a table.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn describe(&self, table: &TableName) -> Result<&TableDescription, Refusal> {
        self.find(table)
    }

    /// Makes everything applied so far durable, and returns its index.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn checkpoint(&mut self) -> Result<LogIndex, TableError<E::Error>> {
        self.engine.checkpoint().map(LogIndex).map_err(TableError::Engine)
    }

    /// The index of the last applied entry.
    #[must_use]
    pub fn applied(&self) -> LogIndex {
        LogIndex(self.engine.applied())
    }

    /// The engine below.
    #[must_use]
    pub fn engine(&self) -> &E {
        &self.engine
    }

    fn find(&self, table: &TableName) -> Result<&TableDescription, Refusal> {
        self.catalogue.get(table).ok_or_else(|| Refusal::TableNotFound(table.clone()))
    }

    fn engine_key(&self, table: &TableName, key: &Item) -> Result<Vec<u8>, Refusal> {
        let table = self.find(table)?;
        let key: Key = table.definition.key_schema.key_of_attributes(key)?;
        Ok(item_key(table.id, &key))
    }

    fn stored(&self, key: &[u8]) -> Result<Option<PackedItem>, TableError<E::Error>> {
        let Some(bytes) = self.engine.get(key).map_err(TableError::Engine)? else {
            return Ok(None);
        };
        let damaged = |_| TableError::Damaged { what: "item", key: key.to_vec() };
        PackedItem::from_bytes(bytes).map(Some).map_err(damaged)
    }
}

/// The change that a command makes, if any, and its answer.
type Evaluated<E> = Result<(Option<Change>, Answer), TableError<<E as Engine>::Error>>;

fn refused(refusal: Refusal) -> (Option<Change>, Answer) {
    (None, Answer::Refused(refusal))
}

impl<E: Engine> StateMachine for Tables<E> {
    type Command = Command;
    type Answer = Result<Answer, TableError<E::Error>>;

    fn apply(&mut self, index: LogIndex, command: &Command) -> Self::Answer {
        Self::apply(self, index, command)
    }
}
