//! The state machine: all tables of a replication group.

use crate::catalogue::{self, table_key};
use crate::counts::{Count, Counted};
use crate::draft::Draft;
use crate::stop::Stop;
use crate::task::{Task, TaskKind};
use crate::write::ItemWrite;
use crate::{Answer, Command, layout};
use ringleader_core::ids::LogIndex;
use ringleader_core::machine::StateMachine;
use ringleader_item::{IndexName, PackedItem, Refusal, TableDescription, TableId, TableName};
use ringleader_storage::engine::{Engine, StageError};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;

/// Notes that one command has global indexes follow.
const FOLLOWED_MAX: u32 = 256;

/// Keys that one command of a long task looks at.
const TASK_KEYS_MAX: u32 = 512;

/// The tables in an engine.
pub struct Tables<E> {
    engine: E,
    /// The catalogue records of the engine, decoded.
    catalogue: BTreeMap<TableName, TableDescription>,
    /// The same tables by their ids.
    names: BTreeMap<TableId, TableName>,
    /// Long tasks that are not done, and where they stand: as in the engine.
    tasks: BTreeMap<Task, Vec<u8>>,
    /// How many writes global indexes have not followed yet: notes in the engine.
    notes: u64,
    /// How much each table and each index holds: as in the engine.
    counts: BTreeMap<Counted, Count>,
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
        /// Catalogue record, item, or what else is stored.
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
    /// When the engine fails or a record of the catalogue or of a task is damaged.
    pub fn open(engine: E) -> Result<Self, TableError<E::Error>> {
        let mut tables = Self {
            engine,
            catalogue: BTreeMap::new(),
            names: BTreeMap::new(),
            tasks: BTreeMap::new(),
            notes: 0,
            counts: BTreeMap::new(),
            failed: false,
        };
        tables.load_all()?;
        Ok(tables)
    }

    /// Takes into memory what the engine holds of catalogue, tasks, notes and counts, in place of what
    /// was there.
    fn load_all(&mut self) -> Result<(), TableError<E::Error>> {
        let tables = self;
        tables.catalogue.clear();
        tables.names.clear();
        tables.tasks.clear();
        tables.notes = 0;
        tables.counts.clear();
        let (start, end) = (catalogue::catalogue_start(), catalogue::catalogue_end());
        let range = (Bound::Included(start.to_vec()), Bound::Excluded(end.to_vec()));
        tables.load("catalogue record", &range, |key, record, tables| {
            let table = catalogue::decode(record)?;
            let name = table.definition.name.clone();
            tables.names.insert(table.id, name.clone());
            let is_own = table_key(&name) == key;
            tables.catalogue.insert(name, table);
            is_own.then_some(())
        })?;
        tables.load("task", &layout::under(&layout::tasks()), |key, cursor, tables| {
            tables.tasks.insert(Task::decode(key)?, cursor.to_vec());
            Some(())
        })?;
        tables.load("note", &layout::under(&layout::followed()), |_, _, tables| {
            tables.notes += 1;
            Some(())
        })?;
        tables.load("count", &layout::under(&layout::counts()), |key, record, tables| {
            tables.counts.insert(Counted::decode(key)?, Count::decode(record)?);
            Some(())
        })?;
        tables.count_what_was_not()
    }

    /// Takes the records of a range into memory.
    fn load(
        &mut self,
        what: &'static str,
        range: &(Bound<Vec<u8>>, Bound<Vec<u8>>),
        mut take: impl FnMut(&[u8], &[u8], &mut Self) -> Option<()>,
    ) -> Result<(), TableError<E::Error>> {
        let mut records = Vec::new();
        let mut keep = |key: &[u8], record: &[u8]| {
            records.push((key.to_vec(), record.to_vec()));
            true
        };
        self.engine.scan(layout::borrowed(range), &mut keep).map_err(TableError::Engine)?;
        for (key, record) in records {
            if take(&key, &record, self).is_none() {
                return Err(TableError::Damaged { what, key });
            }
        }
        Ok(())
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
        let mut draft = Draft::new(index.0);
        let answer = match self.evaluate(&mut draft, command) {
            Ok(answer) => Ok(answer),
            Err(stop) => stop.refusal().map(|refusal| {
                draft = Draft::new(index.0);
                Answer::Refused(refusal)
            }),
        };
        let outcome = answer.and_then(|answer| {
            draft.finish(|counted| self.count(counted));
            self.engine.apply(index.0, &draft.changes).map_err(TableError::Engine)?;
            Ok(answer)
        });
        self.failed = outcome.is_err();
        if outcome.is_ok() {
            self.take_over(draft);
        }
        outcome
    }

    /// What a command changes, and its answer.
    fn evaluate(&self, draft: &mut Draft, command: &Command) -> Result<Answer, Stop<E::Error>> {
        let done = |()| Answer::Done;
        match command {
            Command::CreateTable(table) => self.create_table(draft, table),
            Command::Put(put) => self.write(draft, &ItemWrite::of_put(put)).map(Answer::Written),
            Command::Delete(delete) => {
                self.write(draft, &ItemWrite::of_delete(delete)).map(Answer::Written)
            }
            Command::Update(update) => {
                self.write(draft, &ItemWrite::of_update(update)).map(Answer::Written)
            }
            Command::WriteBatch(batch) => self.write_batch(draft, batch),
            Command::Transact { write, fingerprint, now_unix_ms } => {
                self.transact(draft, write, *fingerprint, *now_unix_ms)
            }
            Command::UpdateTable(update) => self.update_table(draft, update),
            Command::DeleteTable(name) => self.delete_table(draft, name),
            Command::Tag(tag) => self.tag(draft, tag),
            Command::Untag(untag) => self.untag(draft, untag),
            Command::UpdateTimeToLive(update) => self.update_time_to_live(draft, update),
            Command::Follow { limit } => self.follow_notes(draft, *limit).map(done),
            Command::Task { limit } => self.advance(draft, *limit).map(done),
            Command::Expire { table, items } => self.expire(draft, *table, items).map(done),
        }
    }

    /// Keeps in memory what the engine now holds.
    fn take_over(&mut self, draft: Draft) {
        for (name, table) in draft.catalogue {
            let old = match table {
                Some(table) => {
                    self.names.insert(table.id, name.clone());
                    self.catalogue.insert(name, table);
                    None
                }
                None => self.catalogue.remove(&name),
            };
            if let Some(old) = old {
                self.names.remove(&old.id);
            }
        }
        for (task, cursor) in draft.tasks {
            match cursor {
                Some(cursor) => drop(self.tasks.insert(task, cursor)),
                None => drop(self.tasks.remove(&task)),
            }
        }
        self.notes = (self.notes + u64::from(draft.followed)).saturating_sub(draft.caught_up);
        for (counted, count) in draft.counts {
            self.set_count(counted, count);
        }
    }

    /// What a leader should propose next of its own accord.
    pub(crate) fn upkeep(&self, now_unix_s: u64) -> Result<Option<Command>, Stop<E::Error>> {
        if self.notes > 0 {
            return Ok(Some(Command::Follow { limit: FOLLOWED_MAX }));
        }
        if !self.tasks.is_empty() {
            return Ok(Some(Command::Task { limit: TASK_KEYS_MAX }));
        }
        self.due(now_unix_s)
    }

    /// Makes everything applied so far durable, and returns its index.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn checkpoint(&mut self) -> Result<LogIndex, TableError<E::Error>> {
        self.engine.checkpoint().map(LogIndex).map_err(TableError::Engine)
    }

    /// Begins to make everything applied so far durable, beside what goes on.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn begin_checkpoint(&mut self) -> Result<(), TableError<E::Error>> {
        self.engine.begin_checkpoint().map_err(TableError::Engine)
    }

    /// The index whose state a crash now would leave, or a later one.
    ///
    /// # Errors
    /// When the engine has failed.
    pub fn checkpointed(&mut self) -> Result<LogIndex, TableError<E::Error>> {
        self.engine.checkpointed().map(LogIndex).map_err(TableError::Engine)
    }

    /// The state of the last checkpoint, to be sent to another replica.
    ///
    /// # Errors
    /// When the engine has failed.
    pub fn snapshot(&self) -> Result<E::Snapshot, TableError<E::Error>> {
        self.engine.snapshot().map_err(TableError::Engine)
    }

    /// Sets a part of another replica's state aside. False if the bytes are no such part.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn stage(&mut self, part: u32, bytes: &[u8]) -> Result<bool, TableError<E::Error>> {
        match self.engine.stage(part, bytes) {
            Ok(()) => Ok(true),
            Err(StageError::Part(_)) => Ok(false),
            Err(StageError::Engine(error)) => Err(TableError::Engine(error)),
        }
    }

    /// What is set aside is the whole state up to an entry: makes it durable.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn finish_staging(&mut self, upto: LogIndex) -> Result<(), TableError<E::Error>> {
        self.engine.finish_staging(upto.0).map_err(TableError::Engine)
    }

    /// Lets what is set aside be the state.
    ///
    /// # Errors
    /// When it is not there, the engine fails, or its records are damaged.
    pub fn install(&mut self, upto: LogIndex) -> Result<(), TableError<E::Error>> {
        self.engine.install(upto.0).map_err(TableError::Engine)?;
        self.load_all()
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

    pub(crate) fn find(&self, table: &TableName) -> Result<&TableDescription, Refusal> {
        self.catalogue.get(table).ok_or_else(|| Refusal::TableNotFound(table.clone()))
    }

    pub(crate) fn by_id(&self, id: TableId) -> Option<&TableDescription> {
        self.catalogue.get(self.names.get(&id)?)
    }

    /// How much a table or an index holds.
    pub(crate) fn count(&self, counted: &Counted) -> Count {
        self.counts.get(counted).copied().unwrap_or_default()
    }

    pub(crate) fn is_counted(&self, counted: &Counted) -> bool {
        self.counts.contains_key(counted)
    }

    pub(crate) fn set_count(&mut self, counted: Counted, count: Option<Count>) {
        match count {
            Some(count) => drop(self.counts.insert(counted, count)),
            None => drop(self.counts.remove(&counted)),
        }
    }

    /// All tables in the order of their names.
    pub(crate) fn descriptions(&self) -> impl Iterator<Item = &TableDescription> {
        self.catalogue.values()
    }

    pub(crate) fn tasks_of(&self, table: TableId) -> impl Iterator<Item = Task> {
        self.tasks.keys().filter(move |task| task.table == table).cloned()
    }

    pub(crate) fn has_task(&self, task: &Task) -> bool {
        self.tasks.contains_key(task)
    }

    pub(crate) fn first_task(&self) -> Option<(&Task, &[u8])> {
        self.tasks.first_key_value().map(|(task, cursor)| (task, cursor.as_slice()))
    }

    /// Whether an index does not show all items yet.
    pub(crate) fn is_filling(&self, table: TableId, index: &IndexName) -> bool {
        self.has_task(&Task { table, kind: TaskKind::FillIndex(index.clone()) })
    }

    pub(crate) fn stored(&self, key: &[u8]) -> Result<Option<PackedItem>, TableError<E::Error>> {
        let Some(bytes) = self.engine.get(key).map_err(TableError::Engine)? else {
            return Ok(None);
        };
        let damaged = |_| TableError::Damaged { what: "item", key: key.to_vec() };
        PackedItem::from_bytes(bytes).map(Some).map_err(damaged)
    }

    /// A number in the engine; 0 if there is none.
    pub(crate) fn number(&self, key: &[u8]) -> Result<u64, TableError<E::Error>> {
        let Some(bytes) = self.engine.get(key).map_err(TableError::Engine)? else {
            return Ok(0);
        };
        let bytes = bytes.as_slice().try_into();
        let damaged = |_| TableError::Damaged { what: "number", key: key.to_vec() };
        bytes.map(u64::from_be_bytes).map_err(damaged)
    }
}

impl<E: Engine> StateMachine for Tables<E> {
    type Command = Command;
    type Answer = Result<Answer, TableError<E::Error>>;

    fn apply(&mut self, index: LogIndex, command: &Command) -> Self::Answer {
        Self::apply(self, index, command)
    }
}
