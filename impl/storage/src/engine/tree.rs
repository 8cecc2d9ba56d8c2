//! An ordered in-memory delta over a B-tree on disk (redb).
//!
//! ```text
//! get, scan     delta        what was applied last; `apply` touches nothing else
//!   over        frozen       a delta on its way into the tree, on a thread of its own
//!   over        tree         redb
//! ```
//!
//! When the delta has grown to a size, or a checkpoint is asked for, it is frozen and folded into the
//! tree in key order, overwrites coalesced, in transactions of bounded size. Only the last of them is
//! durable: it holds the applied index, and is a checkpoint. redb keeps an unsynced commit out of what
//! a crash leaves until the next durable one, so the half of a fold is not seen after a restart
//! (`ENGINE-2`); were it, a mark in the tree refuses the start. While a delta is folded the frozen one
//! still lies over the tree, so a reader sees the same before, while and after.
//!
//! There is one fold at a time. `apply` waits for it only when the delta has grown to several times
//! the size at which it would be frozen: memory is bounded, and the disk is then too slow.
//!
//! redb trusts the pages of a file that was closed cleanly, and reads them without a look at their
//! checksums. So every page is checked at open, before the first read: a tree with bytes that are not
//! the ones that were written is refused, and the log builds another.

use std::cmp::Ordering;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use redb::{
    AccessGuard, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable,
    StorageBackend, TableDefinition,
};

use self::delta::{Delta, merge, overlay};
use self::fold::{Checkpoint, FoldThread, Frozen};
use self::stage::Staged;
use super::caught::caught;
use super::on_disk::OnDisk;
use super::snapshot::{self, Part, PartWriter};
use super::{Change, Engine, Snapshot, StageError};
use crate::disk::{Disk, DiskFile};

mod delta;
mod fold;
mod stage;

const ITEMS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("items");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const APPLIED: &str = "applied";
const FORMAT: &str = "format";
const FOLDING: &str = "folding";

/// Version of the tables in the tree.
const FORMAT_VERSION: u64 = 1;

/// `apply` waits for a fold when the delta has grown to so many times the size at which it is frozen.
const DELTAS_MAX: usize = 4;

/// Limits of a [`TreeEngine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeOptions {
    /// The delta is folded when its keys and values, with their overhead, reach this many bytes.
    pub delta_bytes_max: usize,
    /// Where folds are done.
    pub folding: Folding,
    /// Keys per transaction while folding.
    pub fold_keys_max: usize,
    /// Bytes of tree pages that are kept in memory.
    pub cache_bytes: usize,
}

/// Where a delta is folded into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folding {
    /// Within `apply` and `begin_checkpoint`, which take as long: one thread, one order of events.
    Inline,
    /// On a thread of its own.
    Background,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self {
            delta_bytes_max: 32 << 20,
            folding: Folding::Background,
            fold_keys_max: 20_000,
            cache_bytes: 32 << 20,
        }
    }
}

/// Why a [`TreeEngine`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Entries must be applied in order.
    #[error("entry {index} is not above the last applied entry {applied}")]
    Order {
        /// The entry that was to be applied.
        index: u64,
        /// The last applied one.
        applied: u64,
    },
    /// The tree was written by another version of this format.
    #[error("the tree has format version {found}, this program reads {FORMAT_VERSION}")]
    Version {
        /// Its version.
        found: u64,
    },
    /// The tree holds the half of a fold: it was closed, durably, in the middle of one.
    #[error("the tree holds a part of the entries up to {index}: it was closed while folding")]
    HalfFolded {
        /// The index that the fold would have reached.
        index: u64,
    },
    /// The file does not hold the bytes that were written to it.
    #[error("the tree is damaged: {found}")]
    Damaged {
        /// What was there.
        found: String,
    },
    /// The B-tree failed.
    #[error("tree: {0}")]
    Tree(Box<redb::Error>),
    /// The state that is to be installed is not there: the log begins with a state that was lost, and
    /// only another replica has it.
    #[error("no state up to entry {index} is set aside ({})", staged(*.found))]
    NotStaged {
        /// The last entry that it should hold.
        index: u64,
        /// What is set aside instead, if anything is.
        found: Option<u64>,
    },
    /// A tree over a bare storage has no place for a second one.
    #[error("this tree has no directory in which to set another one aside")]
    NoDirectory,
    /// An earlier operation failed, and what it left is unknown until the next start.
    #[error("the tree stopped after an earlier failure")]
    Stopped,
}

fn staged(found: Option<u64>) -> String {
    found.map_or("nothing is".to_owned(), |index| format!("one up to entry {index} is"))
}

/// A file operation beside redb failed.
fn at_disk(error: io::Error) -> TreeError {
    tree(redb::Error::Io(error))
}

/// A database in a file, unchecked.
fn open_file(file: Arc<dyn DiskFile>, options: &TreeOptions) -> Result<Database, TreeError> {
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_bytes);
    on_unchecked(|| builder.create_with_backend(OnDisk(file)))
}

/// Turns each of redb's errors into ours.
fn tree<E: Into<redb::Error>>(error: E) -> TreeError {
    TreeError::Tree(Box::new(error.into()))
}

/// Tells what is wrong with a file apart from what is wrong with the machine: that one may be right
/// at the next start, and says nothing about the file.
fn at_open(error: redb::Error) -> TreeError {
    let of_machine = if let redb::Error::Io(error) = &error {
        !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
    } else {
        matches!(error, redb::Error::DatabaseAlreadyOpen)
    };
    if of_machine {
        TreeError::Tree(Box::new(error))
    } else {
        TreeError::Damaged { found: error.to_string() }
    }
}

/// Does something that may find the file damaged. redb notices some damage only by a panic.
fn on_unchecked<T>(work: impl FnOnce() -> Result<T, DatabaseError>) -> Result<T, TreeError> {
    match caught(work) {
        Ok(done) => done.map_err(|error| at_open(error.into())),
        Err(said) => Err(TreeError::Damaged { found: format!("redb cannot read it: {said}") }),
    }
}

/// Checks each page of a tree. What a crash left unfinished is taken back, as far as a durable commit.
fn checked(mut database: Database) -> Result<Database, TreeError> {
    match on_unchecked(|| database.check_integrity()) {
        Ok(_unchanged) => Ok(database),
        Err(error) => {
            // To close it is to write to it, which may find the damage once more.
            let _ = caught(|| drop(database));
            Err(error)
        }
    }
}

/// Delta and tree as one ordered map.
#[derive(Debug)]
pub struct TreeEngine {
    database: Arc<Database>,
    options: TreeOptions,
    /// Where the tree is, and another one may be set aside.
    place: Option<Place>,
    /// What was applied since the last fold was begun.
    delta: Delta,
    /// What is being folded.
    frozen: Option<Arc<Frozen>>,
    /// Who folds, unless it is done inline.
    thread: Option<FoldThread>,
    applied: u64,
    /// What a crash now would leave. Invariant: at most `applied`.
    checkpoint: Arc<Checkpoint>,
    /// Whether the delta is to be frozen as soon as the fold before it is done.
    wanted: bool,
    /// A state that is being received.
    staged: Option<Staged>,
    /// The last key of it.
    staged_upto: Option<Vec<u8>>,
    /// Set by the first failure of the tree, for ever.
    stopped: bool,
}

/// The file of a tree, and those beside it.
#[derive(Clone, Debug)]
struct Place {
    disk: Arc<dyn Disk>,
    name: String,
}

impl Place {
    /// The file that a tree has while it is being made.
    fn unfinished(&self) -> String {
        format!("{}.unfinished", self.name)
    }

    /// That of a state which is set aside.
    fn staged(&self) -> String {
        format!("{}.staged", self.name)
    }
}

impl TreeEngine {
    /// Opens a tree in a file of a disk, making it where there is none, and reads all of it. A file
    /// that is there holds a whole tree, whatever crash came before.
    ///
    /// # Errors
    /// When the file is no tree, is damaged, has another version, or cannot be read or written.
    pub fn open_on(
        disk: &Arc<dyn Disk>,
        name: &str,
        options: TreeOptions,
    ) -> Result<Self, TreeError> {
        let place = Place { disk: Arc::clone(disk), name: name.to_owned() };
        let names = disk.list().map_err(at_disk)?;
        if !names.iter().any(|it| it == name) {
            // A crash in the middle of making one leaves what cannot be told from a damaged one.
            let unfinished = place.unfinished();
            if names.contains(&unfinished) {
                disk.remove(&unfinished).map_err(at_disk)?;
            }
            let file = disk.create(&unfinished).map_err(at_disk)?;
            drop(Self::started(checked(open_file(file, &options)?)?)?);
            disk.rename(&unfinished, name).map_err(at_disk)?;
            disk.sync_directory().map_err(at_disk)?;
        }
        let file = disk.open(name).map_err(at_disk)?;
        let mut engine = Self::start(checked(open_file(file, &options)?)?, options)?;
        engine.place = Some(place);
        Ok(engine)
    }

    /// Opens a tree over any storage that redb can use: memory, or one that injects faults. No other
    /// state can be set aside there.
    ///
    /// # Errors
    /// As for [`TreeEngine::open_on`].
    pub fn open_with_backend(
        backend: impl StorageBackend,
        options: TreeOptions,
    ) -> Result<Self, TreeError> {
        let mut builder = Database::builder();
        builder.set_cache_size(options.cache_bytes);
        let database = on_unchecked(|| builder.create_with_backend(backend))?;
        Self::start(checked(database)?, options)
    }

    fn start(database: Database, options: TreeOptions) -> Result<Self, TreeError> {
        let (database, applied) = Self::started(database)?;
        let checkpoint = fold::checkpoint(&database, applied)?;
        let thread = match options.folding {
            Folding::Inline => None,
            Folding::Background => Some(FoldThread::start(options.fold_keys_max)?),
        };
        Ok(Self {
            database: Arc::new(database),
            options,
            place: None,
            delta: Delta::default(),
            frozen: None,
            thread,
            applied,
            checkpoint,
            wanted: false,
            staged: None,
            staged_upto: None,
            stopped: false,
        })
    }

    /// A checked database, its tables there, and the index whose state it is.
    fn started(database: Database) -> Result<(Database, u64), TreeError> {
        let mut transaction = database.begin_write().map_err(tree)?;
        transaction.set_durability(Durability::Immediate).map_err(tree)?;
        transaction.set_quick_repair(true);
        let applied = {
            transaction.open_table(ITEMS).map_err(tree)?;
            let mut meta = transaction.open_table(META).map_err(tree)?;
            let stored = |meta: &redb::Table<'_, &str, u64>, name: &str| {
                meta.get(name).map(|value| value.map(|value| value.value())).map_err(tree)
            };
            match stored(&meta, FORMAT)? {
                None => drop(meta.insert(FORMAT, FORMAT_VERSION).map_err(tree)?),
                Some(FORMAT_VERSION) => {}
                Some(found) => return Err(TreeError::Version { found }),
            }
            if let Some(index) = stored(&meta, FOLDING)? {
                return Err(TreeError::HalfFolded { index });
            }
            stored(&meta, APPLIED)?.unwrap_or(0)
        };
        transaction.commit().map_err(tree)?;
        Ok((database, applied))
    }

    fn usable(&self) -> Result<(), TreeError> {
        if self.stopped { Err(TreeError::Stopped) } else { Ok(()) }
    }

    /// Freezes the delta and folds it, or begins to. There must be no other fold.
    fn fold(&mut self) -> Result<(), TreeError> {
        assert!(self.frozen.is_none(), "one fold at a time");
        self.wanted = false;
        if self.applied == self.checkpoint.index {
            return Ok(());
        }
        let delta = std::mem::take(&mut self.delta);
        let frozen = Frozen { delta, index: self.applied };
        match &self.thread {
            Some(thread) => {
                let frozen = Arc::new(frozen);
                thread.fold(&self.database, &frozen);
                self.frozen = Some(frozen);
            }
            None => {
                self.checkpoint = fold::fold(&self.database, &frozen, self.options.fold_keys_max)?;
            }
        }
        Ok(())
    }

    /// Takes the result of the fold that was begun, if there is one.
    fn poll(&mut self) -> Result<(), TreeError> {
        let done = self.frozen.as_ref().and(self.thread.as_ref()).and_then(FoldThread::result);
        match done {
            Some(done) => self.folded(done),
            None => Ok(()),
        }
    }

    /// Waits for the fold that was begun, if one was.
    fn wait(&mut self) -> Result<(), TreeError> {
        let done = self.frozen.as_ref().and(self.thread.as_ref()).map(FoldThread::wait);
        match done {
            Some(done) => self.folded(done),
            None => Ok(()),
        }
    }

    fn folded(&mut self, done: Result<Arc<Checkpoint>, TreeError>) -> Result<(), TreeError> {
        self.checkpoint = done?;
        if let (Some(frozen), Some(thread)) = (self.frozen.take(), &self.thread) {
            assert_eq!(frozen.index, self.checkpoint.index, "ENGINE-2: what was folded is stored");
            thread.free(frozen);
        }
        if self.wanted { self.fold() } else { Ok(()) }
    }

    /// Remembers a failure: after one the tree may hold the half of a fold.
    fn stopping<T>(&mut self, result: Result<T, TreeError>) -> Result<T, TreeError> {
        self.stopped |= result.is_err();
        result
    }

    /// Folds when the delta is large, and waits for the fold before it when it is too large.
    fn fold_if_large(&mut self) -> Result<(), TreeError> {
        let limit = self.options.delta_bytes_max;
        if self.delta.bytes < limit {
            return Ok(());
        }
        self.poll()?;
        if self.delta.bytes >= limit.saturating_mul(DELTAS_MAX) {
            self.wait()?;
        }
        if self.frozen.is_none() && self.delta.bytes >= limit { self.fold() } else { Ok(()) }
    }
}

/// A key and its value, in the tree.
type StoredEntry = (AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>);

impl Engine for TreeEngine {
    type Error = TreeError;
    type Snapshot = TreeSnapshot;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TreeError> {
        self.usable()?;
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.delta.entries.get(key));
        if let Some(value) = self.delta.entries.get(key).or_else(frozen) {
            return Ok(value.clone());
        }
        let transaction = self.database.begin_read().map_err(tree)?;
        let items = transaction.open_table(ITEMS).map_err(tree)?;
        Ok(items.get(key).map_err(tree)?.map(|value| value.value().to_vec()))
    }

    fn scan(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), TreeError> {
        self.usable()?;
        if super::is_empty(range) {
            return Ok(());
        }
        let transaction = self.database.begin_read().map_err(tree)?;
        let items = transaction.open_table(ITEMS).map_err(tree)?;
        let stored = items.range::<&[u8]>(range).map_err(tree)?;
        let frozen = self.frozen.iter().flat_map(|frozen| frozen.delta.range(range));
        let before = Ordering::Less;
        merge(overlay(self.delta.range(range), frozen, before), stored, before, visit)
    }

    fn scan_back(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), TreeError> {
        self.usable()?;
        if super::is_empty(range) {
            return Ok(());
        }
        let transaction = self.database.begin_read().map_err(tree)?;
        let items = transaction.open_table(ITEMS).map_err(tree)?;
        let stored = items.range::<&[u8]>(range).map_err(tree)?.rev();
        let frozen = self.frozen.iter().flat_map(|frozen| frozen.delta.range(range).rev());
        let before = Ordering::Greater;
        merge(overlay(self.delta.range(range).rev(), frozen, before), stored, before, visit)
    }

    fn apply(&mut self, index: u64, changes: &[Change]) -> Result<(), TreeError> {
        self.usable()?;
        if index <= self.applied {
            return Err(TreeError::Order { index, applied: self.applied });
        }
        for change in changes {
            match change {
                Change::Put { key, value } => self.delta.set(key, Some(value)),
                Change::Delete { key } => self.delta.set(key, None),
            }
        }
        self.applied = index;
        let folded = self.fold_if_large();
        self.stopping(folded)
    }

    fn applied(&self) -> u64 {
        self.applied
    }

    fn begin_checkpoint(&mut self) -> Result<(), TreeError> {
        self.usable()?;
        self.wanted = true;
        let begun = self
            .poll()
            .and_then(|()| if self.wanted && self.frozen.is_none() { self.fold() } else { Ok(()) });
        self.stopping(begun)
    }

    fn checkpointed(&mut self) -> Result<u64, TreeError> {
        self.usable()?;
        let polled = self.poll();
        self.stopping(polled)?;
        Ok(self.checkpoint.index)
    }

    fn checkpoint(&mut self) -> Result<u64, TreeError> {
        self.begin_checkpoint()?;
        // The fold that is under way, and that of what was applied since it began.
        while self.frozen.is_some() {
            let waited = self.wait();
            self.stopping(waited)?;
        }
        Ok(self.checkpoint.index)
    }

    fn snapshot(&self) -> Result<TreeSnapshot, TreeError> {
        self.usable()?;
        Ok(TreeSnapshot { checkpoint: Arc::clone(&self.checkpoint) })
    }

    fn stage(&mut self, part: u32, bytes: &[u8]) -> Result<(), StageError<TreeError>> {
        self.usable().map_err(StageError::Engine)?;
        if part == 0 {
            let place = self.place.as_ref().ok_or(StageError::Engine(TreeError::NoDirectory))?;
            (self.staged, self.staged_upto) = (None, None);
            let begun = Staged::begin(place, &self.options).map_err(StageError::Engine)?;
            self.staged = Some(begun);
        }
        let nothing = TreeError::NotStaged { index: 0, found: None };
        let staged = self.staged.as_mut().ok_or(StageError::Engine(nothing))?;
        let entries = snapshot::entries(bytes, self.staged_upto.as_deref())?;
        if let Some((last, _)) = entries.last() {
            self.staged_upto = Some(last.to_vec());
        }
        staged.add(entries).map_err(StageError::Engine)
    }

    fn finish_staging(&mut self, index: u64) -> Result<(), TreeError> {
        self.usable()?;
        let place = self.place.as_ref().ok_or(TreeError::NoDirectory)?;
        let nothing = TreeError::NotStaged { index, found: None };
        self.staged.as_mut().ok_or(nothing)?.finish(&place.disk, index)
    }

    fn install(&mut self, index: u64) -> Result<(), TreeError> {
        self.usable()?;
        let place = self.place.clone().ok_or(TreeError::NoDirectory)?;
        // A fold that runs is one into the tree that goes.
        self.wanted = false;
        let waited = self.wait();
        self.stopping(waited)?;
        let database = match self.staged.take().and_then(|staged| staged.whole(index)) {
            Some(database) => database,
            None => stage::reopened(&place, &self.options, index)?,
        };
        let swapped = stage::swap(&place).and_then(|()| fold::checkpoint(&database, index));
        self.checkpoint = self.stopping(swapped)?;
        self.database = Arc::new(database);
        self.delta = Delta::default();
        self.applied = index;
        Ok(())
    }
}

/// The state of a checkpoint of a [`TreeEngine`].
#[derive(Clone, Debug)]
pub struct TreeSnapshot {
    checkpoint: Arc<Checkpoint>,
}

impl Snapshot for TreeSnapshot {
    type Error = TreeError;

    fn index(&self) -> u64 {
        self.checkpoint.index
    }

    fn part(&self, after: Option<&[u8]>, bytes_max: usize) -> Result<Part, TreeError> {
        let items = self.checkpoint.tree.open_table(ITEMS).map_err(tree)?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut part = PartWriter::new(bytes_max);
        for entry in items.range::<&[u8]>((start, Bound::Unbounded)).map_err(tree)? {
            let (key, value) = entry.map_err(tree)?;
            if !part.push(key.value(), value.value()) {
                break;
            }
        }
        Ok(part.finish())
    }
}
