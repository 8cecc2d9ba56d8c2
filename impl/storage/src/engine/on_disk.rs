//! A file of a [`Disk`](crate::disk::Disk) as what redb keeps its pages in.

use crate::disk::DiskFile;
use redb::StorageBackend;
use std::io;
use std::sync::Arc;

/// A file under a tree.
#[derive(Debug)]
pub(super) struct OnDisk(pub(super) Arc<dyn DiskFile>);

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}
