//! An ordered in-memory delta over a B-tree on disk (redb).
//!
//! `apply` touches only the delta. When the delta has grown to a size, it is folded into the tree in
//! key order, overwrites coalesced, in transactions of bounded size that are not synced. `checkpoint`
//! folds what is left and commits durably; the applied index is in the last transaction of each fold.
//! redb keeps an unsynced commit out of what a crash leaves until the next durable one, so the half of
//! a fold is not seen after a restart (`ENGINE-2`); were it, a mark in the tree refuses the start. A
//! clean close makes complete folds durable: the tree may then be ahead of the last checkpoint.
//!
//! Folding happens inside `apply` and `checkpoint` for now, and stalls them.
//!
//! redb trusts the pages of a file that was closed cleanly, and reads them without a look at their
//! checksums. So every page is checked at open, before the first read: a tree with bytes that are not
//! the ones that were written is refused, and the log builds another.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use redb::{
    AccessGuard, Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable,
    StorageBackend, TableDefinition,
};

use super::caught::caught;
use super::on_disk::OnDisk;
use super::{Change, Engine};
use crate::disk::Disk;

const ITEMS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("items");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const APPLIED: &str = "applied";
const FORMAT: &str = "format";
const FOLDING: &str = "folding";

/// Version of the tables in the tree.
const FORMAT_VERSION: u64 = 1;

/// What a key in the delta costs beside its bytes: node, vectors, allocation.
const DELTA_ENTRY_OVERHEAD: usize = 96;

/// Limits of a [`TreeEngine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeOptions {
    /// The delta is folded when its keys and values, with their overhead, reach this many bytes.
    pub delta_bytes_max: usize,
    /// Keys per transaction while folding.
    pub fold_keys_max: usize,
    /// Bytes of tree pages that are kept in memory.
    pub cache_bytes: usize,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self { delta_bytes_max: 32 << 20, fold_keys_max: 20_000, cache_bytes: 32 << 20 }
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
    /// An earlier operation failed, and what it left is unknown until the next start.
    #[error("the tree stopped after an earlier failure")]
    Stopped,
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
    database: Database,
    options: TreeOptions,
    /// What was applied since the last fold; `None` is a deleted key.
    delta: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Keys, values and overhead of the delta.
    delta_bytes: usize,
    applied: u64,
    /// What a crash now would leave. Invariant: at most `applied`.
    checkpointed: u64,
    /// Set by the first failure of the tree, for ever.
    stopped: bool,
}

impl TreeEngine {
    /// Opens a tree file, creating it where there is none, and reads all of it.
    ///
    /// # Errors
    /// When the file is no tree, is damaged, is in use, has another version, or cannot be read or
    /// written.
    pub fn open(path: impl AsRef<Path>, options: TreeOptions) -> Result<Self, TreeError> {
        let path = path.as_ref();
        let on_file = |error: io::Error| tree(redb::Error::Io(error));
        if !path.try_exists().map_err(on_file)? {
            // A crash in the middle of making one leaves what cannot be told from a damaged one.
            let unfinished = path.with_extension("unfinished");
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(on_file(error));
                }
                _ => {}
            }
            drop(Self::open_by(options, |builder| builder.create(&unfinished))?);
            fs::rename(&unfinished, path).map_err(on_file)?;
        }
        Self::open_by(options, |builder| builder.create(path))
    }

    /// Opens a tree in a file of a disk, creating it where there is none, and reads all of it. A file
    /// that is there holds a whole tree, whatever crash came before.
    ///
    /// # Errors
    /// As for [`TreeEngine::open`].
    pub fn open_on(
        disk: &Arc<dyn Disk>,
        name: &str,
        options: TreeOptions,
    ) -> Result<Self, TreeError> {
        let on_file = |error: io::Error| tree(redb::Error::Io(error));
        let names = disk.list().map_err(on_file)?;
        if !names.iter().any(|it| it == name) {
            let unfinished = format!("{name}.unfinished");
            if names.contains(&unfinished) {
                disk.remove(&unfinished).map_err(on_file)?;
            }
            let file = disk.create(&unfinished).map_err(on_file)?;
            drop(Self::open_with_backend(OnDisk(file), options)?);
            disk.rename(&unfinished, name).map_err(on_file)?;
            disk.sync_directory().map_err(on_file)?;
        }
        Self::open_with_backend(OnDisk(disk.open(name).map_err(on_file)?), options)
    }

    /// Opens a tree over any storage that redb can use: memory, or one that injects faults.
    ///
    /// # Errors
    /// As for [`TreeEngine::open`].
    pub fn open_with_backend(
        backend: impl StorageBackend,
        options: TreeOptions,
    ) -> Result<Self, TreeError> {
        Self::open_by(options, |builder| builder.create_with_backend(backend))
    }

    fn open_by(
        options: TreeOptions,
        create: impl FnOnce(&Builder) -> Result<Database, DatabaseError>,
    ) -> Result<Self, TreeError> {
        let mut builder = Database::builder();
        builder.set_cache_size(options.cache_bytes);
        Self::start(checked(on_unchecked(|| create(&builder))?)?, options)
    }

    fn start(database: Database, options: TreeOptions) -> Result<Self, TreeError> {
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
        let (delta, delta_bytes) = (BTreeMap::new(), 0);
        let (checkpointed, stopped) = (applied, false);
        Ok(Self { database, options, delta, delta_bytes, applied, checkpointed, stopped })
    }

    /// The index that a crash now would leave.
    #[must_use]
    pub fn checkpointed(&self) -> u64 {
        self.checkpointed
    }

    fn usable(&self) -> Result<(), TreeError> {
        if self.stopped { Err(TreeError::Stopped) } else { Ok(()) }
    }

    fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        let size = |value: Option<&[u8]>| value.map_or(0, <[u8]>::len);
        let added = key.len() + size(value) + DELTA_ENTRY_OVERHEAD;
        self.delta_bytes += added;
        if let Some(old) = self.delta.insert(key.to_vec(), value.map(<[u8]>::to_vec)) {
            self.delta_bytes -= key.len() + size(old.as_deref()) + DELTA_ENTRY_OVERHEAD;
        }
    }

    /// Writes the whole delta and its index into the tree, not yet durably. Between the first and the
    /// last transaction a mark says that the tree is the state of no index.
    fn fold(&mut self) -> Result<(), TreeError> {
        let mut entries = self.delta.iter().peekable();
        loop {
            let mut transaction = self.database.begin_write().map_err(tree)?;
            transaction.set_durability(Durability::None).map_err(tree)?;
            {
                let mut items = transaction.open_table(ITEMS).map_err(tree)?;
                for (key, value) in entries.by_ref().take(self.options.fold_keys_max.max(1)) {
                    match value {
                        Some(value) => items.insert(key.as_slice(), value.as_slice()),
                        None => items.remove(key.as_slice()),
                    }
                    .map_err(tree)?;
                }
            }
            let done = entries.peek().is_none();
            {
                let mut meta = transaction.open_table(META).map_err(tree)?;
                if done {
                    meta.insert(APPLIED, self.applied).map_err(tree)?;
                    meta.remove(FOLDING).map_err(tree)?;
                } else {
                    meta.insert(FOLDING, self.applied).map_err(tree)?;
                }
            }
            transaction.commit().map_err(tree)?;
            if done {
                break;
            }
        }
        // Only now: until the last transaction the reads need the whole delta.
        self.delta.clear();
        self.delta_bytes = 0;
        Ok(())
    }

    /// Makes all folds so far durable.
    fn sync(&mut self) -> Result<(), TreeError> {
        assert!(self.delta.is_empty(), "ENGINE-2: an index is stored with all that it covers");
        let mut transaction = self.database.begin_write().map_err(tree)?;
        transaction.set_durability(Durability::Immediate).map_err(tree)?;
        // Otherwise opening after a crash walks the whole tree.
        transaction.set_quick_repair(true);
        transaction.commit().map_err(tree)?;
        self.checkpointed = self.applied;
        Ok(())
    }

    /// Remembers a failure: after one the tree may hold the half of a fold.
    fn stopping<T>(&mut self, result: Result<T, TreeError>) -> Result<T, TreeError> {
        self.stopped |= result.is_err();
        result
    }
}

/// Visits what delta and tree hold together until `visit` returns false. Both come in the same order;
/// `before` is how an earlier key compares with a later one.
fn merge<'d>(
    delta: impl Iterator<Item = (&'d Vec<u8>, &'d Option<Vec<u8>>)>,
    stored: impl Iterator<Item = Result<StoredEntry, redb::StorageError>>,
    before: Ordering,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), TreeError> {
    let mut delta = delta.peekable();
    for entry in stored {
        let (key, value) = entry.map_err(tree)?;
        // First what only the delta has.
        while let Some((new_key, new_value)) =
            delta.next_if(|(new_key, _)| new_key.as_slice().cmp(key.value()) == before)
        {
            if let Some(new_value) = new_value
                && !visit(new_key, new_value)
            {
                return Ok(());
            }
        }
        // Where both have the key, the delta is newer.
        let goes_on = match delta.next_if(|(new_key, _)| new_key.as_slice() == key.value()) {
            Some((_, None)) => true,
            Some((_, Some(new_value))) => visit(key.value(), new_value),
            None => visit(key.value(), value.value()),
        };
        if !goes_on {
            return Ok(());
        }
    }
    for (key, value) in delta {
        if let Some(value) = value
            && !visit(key, value)
        {
            break;
        }
    }
    Ok(())
}

/// A key and its value, in the tree.
type StoredEntry = (AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>);

impl Engine for TreeEngine {
    type Error = TreeError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TreeError> {
        self.usable()?;
        if let Some(value) = self.delta.get(key) {
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
        merge(self.delta.range::<[u8], _>(range), stored, Ordering::Less, visit)
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
        merge(self.delta.range::<[u8], _>(range).rev(), stored, Ordering::Greater, visit)
    }

    fn apply(&mut self, index: u64, changes: &[Change]) -> Result<(), TreeError> {
        self.usable()?;
        if index <= self.applied {
            return Err(TreeError::Order { index, applied: self.applied });
        }
        for change in changes {
            match change {
                Change::Put { key, value } => self.set(key, Some(value)),
                Change::Delete { key } => self.set(key, None),
            }
        }
        self.applied = index;
        if self.delta_bytes >= self.options.delta_bytes_max {
            let folded = self.fold();
            self.stopping(folded)?;
        }
        Ok(())
    }

    fn applied(&self) -> u64 {
        self.applied
    }

    fn checkpoint(&mut self) -> Result<u64, TreeError> {
        self.usable()?;
        if self.applied > self.checkpointed {
            let done = self.fold().and_then(|()| self.sync());
            self.stopping(done)?;
        }
        Ok(self.checkpointed)
    }
}
