//! A state that is received beside the one in use, as a tree of its own.
//!
//! ```text
//! tree          in use                       (gone)
//! tree.staged   part by part, then durable   --install-->   tree: the new state
//! ```
//!
//! The rename is the only step of an installation, so a crash leaves one state or the other, whole.

use std::sync::Arc;

use redb::{Database, Durability};

use super::{APPLIED, FORMAT, FORMAT_VERSION, ITEMS, META, Place};
use super::{TreeEngine, TreeError, TreeOptions};
use super::{at_disk, open_file, tree};
use crate::disk::Disk;

/// A tree that is being received.
#[derive(Debug)]
pub(super) struct Staged {
    database: Database,
    /// The index that it is the state of, once it is whole and durable.
    index: Option<u64>,
}

impl Staged {
    /// An empty one, in place of what there may be.
    pub(super) fn begin(place: &Place, options: &TreeOptions) -> Result<Self, TreeError> {
        let (disk, staged) = (&place.disk, place.staged());
        if disk.list().map_err(at_disk)?.contains(&staged) {
            disk.remove(&staged).map_err(at_disk)?;
        }
        let file = disk.create(&staged).map_err(at_disk)?;
        let database = open_file(file, options)?;
        Ok(Self { database, index: None })
    }

    /// Adds some entries.
    pub(super) fn add<'e>(
        &mut self,
        entries: impl IntoIterator<Item = (&'e [u8], &'e [u8])>,
    ) -> Result<(), TreeError> {
        let mut transaction = self.database.begin_write().map_err(tree)?;
        transaction.set_durability(Durability::None).map_err(tree)?;
        {
            let mut items = transaction.open_table(ITEMS).map_err(tree)?;
            for (key, value) in entries {
                items.insert(key, value).map_err(tree)?;
            }
        }
        transaction.commit().map_err(tree)
    }

    /// That was all: makes it durable as the state of `index`.
    pub(super) fn finish(&mut self, disk: &Arc<dyn Disk>, index: u64) -> Result<(), TreeError> {
        let mut transaction = self.database.begin_write().map_err(tree)?;
        transaction.set_durability(Durability::Immediate).map_err(tree)?;
        transaction.set_quick_repair(true);
        {
            transaction.open_table(ITEMS).map_err(tree)?;
            let mut meta = transaction.open_table(META).map_err(tree)?;
            meta.insert(FORMAT, FORMAT_VERSION).map_err(tree)?;
            meta.insert(APPLIED, index).map_err(tree)?;
        }
        transaction.commit().map_err(tree)?;
        disk.sync_directory().map_err(at_disk)?;
        self.index = Some(index);
        Ok(())
    }

    /// The database, if it is the whole state of `index`.
    pub(super) fn whole(self, index: u64) -> Option<Database> {
        (self.index == Some(index)).then_some(self.database)
    }
}

/// The state that an earlier process set aside, if it is that of `index`.
pub(super) fn reopened(
    place: &Place,
    options: &TreeOptions,
    index: u64,
) -> Result<Database, TreeError> {
    let missing = |found| TreeError::NotStaged { index, found };
    let staged = place.staged();
    if !place.disk.list().map_err(at_disk)?.contains(&staged) {
        return Err(missing(None));
    }
    let file = place.disk.open(&staged).map_err(at_disk)?;
    let (database, applied) = TreeEngine::started(super::checked(open_file(file, options)?)?)?;
    if applied == index { Ok(database) } else { Err(missing(Some(applied))) }
}

/// Lets the staged tree be the one in use, durably.
pub(super) fn swap(place: &Place) -> Result<(), TreeError> {
    place.disk.rename(&place.staged(), &place.name).map_err(at_disk)?;
    place.disk.sync_directory().map_err(at_disk)
}
