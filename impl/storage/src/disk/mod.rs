//! The file operations that storage needs, and nothing more.
//!
//! Two implementations: [`DirectoryDisk`] is a real directory, [`SimulatedDisk`] keeps apart what
//! was written and what was synced, so that a test can ask for every image a crash could leave.
//! [`FaultyDisk`] stands in front of one and is slow, full, failing or forgetful on demand.
//!
//! The contract, as weak as a real disk is: a write is durable only after `sync` (or
//! `write_durable`) returned; until then a crash keeps any subset of its sectors. A sector itself is
//! old or new, never a mixture. Names (create, rename, remove) are durable only after
//! `sync_directory`; until then a crash keeps any prefix of the operations on names.

mod directory;
mod faulty;
mod simulated;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub use directory::DirectoryDisk;
pub use faulty::{DiskFaults, DiskSetting, DiskToll, FaultyDisk};
pub use simulated::{Fault, Image, Loss, SECTOR_LENGTH, SimulatedDisk};

/// A directory of files.
pub trait Disk: Debug + Send + Sync {
    /// The names of all files, in ascending order.
    ///
    /// # Errors
    /// What the file system reports.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Creates an empty file.
    ///
    /// # Errors
    /// When the name is taken, or what the file system reports.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file.
    ///
    /// # Errors
    /// When there is none of this name, or what the file system reports.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, replacing what had it.
    ///
    /// # Errors
    /// What the file system reports.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the file system reports.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes every name operation so far durable.
    ///
    /// # Errors
    /// What the file system reports; the names are then in doubt.
    fn sync_directory(&self) -> io::Result<()>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Debug + Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the file system reports.
    fn length(&self) -> io::Result<u64>;

    /// Takes the space for a file of this length, where the file system can do so ahead of the
    /// writes. Its bytes are zero.
    ///
    /// # Errors
    /// `StorageFull` when there is too little, or what the file system reports.
    fn reserve(&self, length: u64) -> io::Result<()>;

    /// Cuts or extends the file to this length. New bytes are zero.
    ///
    /// # Errors
    /// What the file system reports.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` beyond the end, or what the file system reports.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all bytes at `offset`, extending the file where needed. Not durable before `sync`.
    ///
    /// # Errors
    /// What the file system reports; the sectors of this write are then in doubt.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes every earlier write to this file durable, by whichever process it was made.
    ///
    /// # Errors
    /// What the file system reports. The writes are then in doubt for ever: a later `sync` may
    /// succeed without them, so the only safe answer is to stop.
    fn sync(&self) -> io::Result<()>;

    /// Writes and syncs these bytes, in one system call where the file system can do so.
    ///
    /// # Errors
    /// As for `write_at` and `sync`.
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_at(offset, bytes)?;
        self.sync()
    }
}
