//! A disk that is slow, full, fails or forgets when it is told to, for fault injection into real
//! processes without privileges.
//!
//! What it forgets is what a power loss takes: writes that no `sync` covered are kept in memory,
//! page by page, until one does, and are gone when the process is killed. Names (create, rename,
//! remove) and lengths are not forgotten: [`super::SimulatedDisk`] does that in tests.
//!
//! A node has one only if it was started with a file of faults; see the harness's README.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Debug;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Disk, DiskFile};

/// What a faulty disk is told to do. The default is a good disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskSetting {
    /// Every sync, and every write that syncs, takes so much longer.
    pub sync_delay: Duration,
    /// No write has room, not even into a file that has its full length.
    pub full: bool,
    /// Every sync fails, and every write that syncs, before it has reached the disk.
    pub sync_fails: bool,
    /// Writes are kept in memory until a sync covers them.
    pub forgetful: bool,
}

/// What a faulty disk did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskToll {
    /// Syncs that were delayed.
    pub slowed: u64,
    /// Writes without room.
    pub refused: u64,
    /// Syncs that failed.
    pub failed: u64,
    /// Bytes, in whole pages, that a power loss would take now.
    pub unsynced: u64,
}

/// Tells faulty disks and trees what to do; clones tell the same ones.
#[derive(Clone, Debug, Default)]
pub struct DiskFaults {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    setting: Mutex<DiskSetting>,
    slowed: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    unsynced: AtomicU64,
}

impl DiskFaults {
    /// From now on.
    pub fn set(&self, setting: DiskSetting) {
        *self.lock() = setting;
    }

    /// What was done so far.
    #[must_use]
    pub fn toll(&self) -> DiskToll {
        let Shared { slowed, refused, failed, unsynced, .. } = &*self.shared;
        let [slowed, refused, failed, unsynced] =
            [slowed, refused, failed, unsynced].map(|count| count.load(Ordering::Relaxed));
        DiskToll { slowed, refused, failed, unsynced }
    }

    fn lock(&self) -> MutexGuard<'_, DiskSetting> {
        self.shared.setting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a write has room.
    fn before_write(&self) -> io::Result<()> {
        if !self.lock().full {
            return Ok(());
        }
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        Err(io::Error::new(io::ErrorKind::StorageFull, "injected: no space left on this disk"))
    }

    /// Whether a sync succeeds, after its delay.
    fn before_sync(&self) -> io::Result<()> {
        let DiskSetting { sync_delay, sync_fails, .. } = *self.lock();
        if !sync_delay.is_zero() {
            std::thread::sleep(sync_delay);
            self.shared.slowed.fetch_add(1, Ordering::Relaxed);
        }
        if !sync_fails {
            return Ok(());
        }
        self.shared.failed.fetch_add(1, Ordering::Relaxed);
        Err(io::Error::other("injected: the sync of this file failed"))
    }

    /// Whether a write to a file with these kept pages is kept too: pages that are must not be
    /// passed by.
    fn keeps(&self, kept: &Kept) -> bool {
        self.lock().forgetful || !kept.pages.is_empty()
    }

    /// Tells how many bytes are kept after a change of `kept`, which held so many pages before.
    fn count_kept(&self, pages_before: usize, kept: &Kept) {
        let bytes = |pages: usize| pages as u64 * PAGE_LENGTH;
        // Wraps where it shrinks, as two's complement does.
        let change = bytes(kept.pages.len()).wrapping_sub(bytes(pages_before));
        self.shared.unsynced.fetch_add(change, Ordering::Relaxed);
    }
}

/// Unit of what is kept.
const PAGE_LENGTH: u64 = 4096;

/// Writes that no sync has covered yet, as whole pages over the file below.
#[derive(Debug, Default)]
struct Kept {
    pages: BTreeMap<u64, Vec<u8>>,
    /// Where the last of these writes ended.
    end: u64,
}

impl Kept {
    fn pages(&self) -> usize {
        self.pages.len()
    }

    fn length(&self, below: &dyn DiskFile) -> io::Result<u64> {
        Ok(below.length()?.max(self.end))
    }

    fn write(&mut self, below: &dyn DiskFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        let mut at = offset;
        while at < end {
            let (page, within) = (at / PAGE_LENGTH, index(at % PAGE_LENGTH));
            let count = index((PAGE_LENGTH - at % PAGE_LENGTH).min(end - at));
            let content = match self.pages.entry(page) {
                Entry::Occupied(kept) => kept.into_mut(),
                Entry::Vacant(vacant) => {
                    let mut content = vec![0; index(PAGE_LENGTH)];
                    read_existing(below, page * PAGE_LENGTH, &mut content)?;
                    vacant.insert(content)
                }
            };
            let from = index(at - offset);
            content[within..within + count].copy_from_slice(&bytes[from..from + count]);
            at += count as u64;
        }
        self.end = self.end.max(end);
        Ok(())
    }

    fn read(&self, below: &dyn DiskFile, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        if end > self.length(below)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.pages.is_empty() {
            return below.read_at(offset, buffer);
        }
        buffer.fill(0);
        read_existing(below, offset, buffer)?;
        for (page, content) in self.pages.range(offset / PAGE_LENGTH..end.div_ceil(PAGE_LENGTH)) {
            let start = page * PAGE_LENGTH;
            let (from, to) = (start.max(offset), (start + PAGE_LENGTH).min(end));
            buffer[index(from - offset)..index(to - offset)]
                .copy_from_slice(&content[index(from - start)..index(to - start)]);
        }
        Ok(())
    }

    /// Hands everything to the file below, which is then to be synced.
    fn flush(&mut self, below: &dyn DiskFile) -> io::Result<()> {
        let length = self.length(below)?;
        for (page, content) in std::mem::take(&mut self.pages) {
            let start = page * PAGE_LENGTH;
            let count = PAGE_LENGTH.min(length.saturating_sub(start));
            below.write_at(start, &content[..index(count)])?;
        }
        self.end = 0;
        Ok(())
    }

    /// The file below has this length now.
    fn truncate(&mut self, length: u64) {
        self.pages.split_off(&length.div_ceil(PAGE_LENGTH));
        self.end = self.end.min(length);
    }
}

/// Reads what of this range the file has; the rest stays as it is.
fn read_existing(below: &dyn DiskFile, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    let count = below.length()?.saturating_sub(offset).min(buffer.len() as u64);
    if count == 0 { Ok(()) } else { below.read_at(offset, &mut buffer[..index(count)]) }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("lies within a buffer")
}

type Shelf = Arc<Mutex<Kept>>;

/// A disk in front of another one, with the faults that it is told to have.
#[derive(Debug)]
pub struct FaultyDisk {
    below: Arc<dyn Disk>,
    faults: DiskFaults,
    /// What is kept of each file, whoever has it open.
    shelves: Mutex<BTreeMap<String, Shelf>>,
}

impl FaultyDisk {
    /// Puts faults in front of a disk.
    #[must_use]
    pub fn new(below: Arc<dyn Disk>, faults: DiskFaults) -> Self {
        Self { below, faults, shelves: Mutex::default() }
    }

    fn shelves(&self) -> MutexGuard<'_, BTreeMap<String, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_faults(&self, name: &str, below: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let kept = Arc::clone(self.shelves().entry(name.to_owned()).or_default());
        Arc::new(FaultyFile { below, faults: self.faults.clone(), kept })
    }
}

impl Disk for FaultyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.below.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.faults.before_write()?;
        Ok(self.with_faults(name, self.below.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.with_faults(name, self.below.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.below.rename(from, to)?;
        let mut shelves = self.shelves();
        if let Some(shelf) = shelves.remove(from) {
            shelves.insert(to.to_owned(), shelf);
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.below.remove(name)?;
        self.shelves().remove(name);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.faults.before_sync()?;
        self.below.sync_directory()
    }
}

#[derive(Debug)]
struct FaultyFile {
    below: Arc<dyn DiskFile>,
    faults: DiskFaults,
    kept: Shelf,
}

impl FaultyFile {
    fn with_kept<T>(&self, work: impl FnOnce(&mut Kept) -> io::Result<T>) -> io::Result<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.pages();
        let done = work(&mut kept);
        self.faults.count_kept(before, &kept);
        done
    }
}

impl DiskFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        self.with_kept(|kept| kept.length(&*self.below))
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        self.faults.before_write()?;
        self.below.reserve(length)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.with_kept(|kept| kept.read(&*self.below, offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.faults.before_write()?;
        self.with_kept(|kept| {
            if self.faults.keeps(kept) {
                kept.write(&*self.below, offset, bytes)
            } else {
                self.below.write_at(offset, bytes)
            }
        })
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.faults.before_write()?;
        self.with_kept(|kept| {
            kept.truncate(length);
            self.below.set_length(length)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.before_sync()?;
        self.with_kept(|kept| kept.flush(&*self.below))?;
        self.below.sync()
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.faults.before_write()?;
        self.faults.before_sync()?;
        self.with_kept(|kept| kept.flush(&*self.below))?;
        self.below.write_durable(offset, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::DirectoryDisk;
    use super::*;

    struct Stage {
        _directory: tempfile::TempDir,
        below: Arc<dyn Disk>,
        disk: FaultyDisk,
        faults: DiskFaults,
    }

    fn stage() -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let below: Arc<dyn Disk> = Arc::new(DirectoryDisk::open(directory.path()).unwrap());
        let faults = DiskFaults::default();
        let disk = FaultyDisk::new(Arc::clone(&below), faults.clone());
        Stage { _directory: directory, below, disk, faults }
    }

    fn content(file: &dyn DiskFile) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_no_sync_covered_is_seen_and_not_on_the_disk() {
        let Stage { _directory, below, disk, faults } = stage();
        let file = disk.create("a").unwrap();
        file.write_at(0, b"old and synced").unwrap();
        faults.set(DiskSetting { forgetful: true, ..DiskSetting::default() });
        file.write_at(4, b"AND").unwrap();
        let far = 3 * PAGE_LENGTH - 2;
        file.write_at(far, b"over a page's end").unwrap();
        let on_disk = || content(&*below.open("a").unwrap());
        assert_eq!(on_disk(), b"old and synced");
        assert_eq!(faults.toll().unsynced, 3 * PAGE_LENGTH);
        // Another handle of the same file sees what was written, like a second descriptor.
        let seen = content(&*disk.open("a").unwrap());
        assert!(seen.starts_with(b"old AND synced\0") && seen.ends_with(b"over a page's end"));

        // A good disk again: what is kept is not passed by, and the next sync has it all.
        faults.set(DiskSetting::default());
        file.write_at(0, b"new").unwrap();
        assert_eq!(on_disk(), b"old and synced");
        file.sync().unwrap();
        assert!(on_disk().starts_with(b"new AND synced\0") && on_disk().len() == seen.len());
        assert_eq!(on_disk()[index(far)..], *b"over a page's end");
        assert_eq!(faults.toll().unsynced, 0);
    }

    #[test]
    fn a_durable_write_is_never_forgotten() {
        let Stage { _directory, below, disk, faults } = stage();
        faults.set(DiskSetting { forgetful: true, ..DiskSetting::default() });
        let file = disk.create("a").unwrap();
        file.write_at(0, b"12345").unwrap();
        file.write_durable(1, b"xyz").unwrap();
        assert_eq!(content(&*below.open("a").unwrap()), b"1xyz5");
    }

    #[test]
    fn a_full_disk_takes_nothing_and_a_failing_sync_says_so() {
        let Stage { _directory, below: _, disk, faults } = stage();
        let file = disk.create("a").unwrap();
        faults.set(DiskSetting { full: true, ..DiskSetting::default() });
        for refused in [
            file.write_at(0, b"1"),
            file.write_durable(0, b"1"),
            file.reserve(1),
            disk.create("b").map(drop),
        ] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        faults.set(DiskSetting { sync_fails: true, ..DiskSetting::default() });
        file.write_at(0, b"1").unwrap();
        assert!(file.sync().is_err() && file.write_durable(0, b"1").is_err());
        faults.set(DiskSetting { sync_delay: Duration::from_millis(2), ..DiskSetting::default() });
        let start = std::time::Instant::now();
        file.sync().unwrap();
        assert!(start.elapsed() >= Duration::from_millis(2));
        assert_eq!(faults.toll(), DiskToll { slowed: 1, refused: 4, failed: 2, unsynced: 0 });
    }
}
