//! A real directory, locked for this process.
//!
//! Durable writes go through a second descriptor opened with `O_DIRECT | O_DSYNC` (one system call,
//! no copy in the page cache). Where the file system refuses direct writes (some network, overlay and
//! memory file systems) the same bytes are written through the page cache and synced.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use super::{Disk, DiskFile};

/// Held for as long as the disk is open: two processes on one log would destroy it.
const LOCK_NAME: &str = "lock";

/// Length, offset and address that every direct write is a multiple of. 4,096 serves all devices.
const DIRECT_ALIGNMENT: usize = 4096;

/// A directory of the file system.
#[derive(Debug)]
pub struct DirectoryDisk {
    path: PathBuf,
    /// Never read: dropping it gives the directory back.
    _lock: File,
}

impl DirectoryDisk {
    /// Opens a directory, creating it where it does not exist, and locks it.
    ///
    /// # Errors
    /// `ResourceBusy` when another process holds it, or what the file system reports.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_path_buf();
        std::fs::create_dir_all(&path)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            // The directory's own name must survive a crash as well as what is in it.
            File::open(parent)?.sync_all()?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_NAME))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("{} is in use by another process", path.display()),
            )),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Disk for DirectoryDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            // What has no UTF-8 name, or is no file, is not ours.
            if let Ok(name) = entry.file_name().into_string()
                && name != LOCK_NAME
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        Ok(Arc::new(DirectoryFile { file, direct: OnceLock::new(), path }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(Arc::new(DirectoryFile { file, direct: OnceLock::new(), path }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

#[derive(Debug)]
struct DirectoryFile {
    /// Reads, and writes through the page cache.
    file: File,
    /// Direct synchronous writes; opened at the first one, `None` where the file system has none.
    direct: OnceLock<Option<File>>,
    /// The name at opening. A later rename does not matter: see `direct_descriptor`.
    path: PathBuf,
}

impl DirectoryFile {
    /// Opened at the first durable write. A file is opened under its final name before that, so the
    /// path still names it; were it gone, the fallback writes to the descriptor we hold.
    fn direct_descriptor(&self) -> Option<&File> {
        let open = || {
            let flags = OFlags::DIRECT | OFlags::DSYNC;
            let flags = i32::try_from(flags.bits()).ok()?;
            OpenOptions::new().write(true).custom_flags(flags).open(&self.path).ok()
        };
        self.direct.get_or_init(open).as_ref()
    }
}

impl DiskFile for DirectoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        match fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            // Not every file system can; the writes that follow then take the space.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            result => Ok(result?),
        }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if is_aligned(offset, bytes)
            && let Some(direct) = self.direct_descriptor()
        {
            match direct.write_all_at(bytes, offset) {
                // Refused for its form, before any byte was written: not a failed write.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                result => return result,
            }
        }
        self.write_at(offset, bytes)?;
        self.sync()
    }
}

fn is_aligned(offset: u64, bytes: &[u8]) -> bool {
    offset.is_multiple_of(DIRECT_ALIGNMENT as u64)
        && bytes.len().is_multiple_of(DIRECT_ALIGNMENT)
        && bytes.as_ptr().addr().is_multiple_of(DIRECT_ALIGNMENT)
}
