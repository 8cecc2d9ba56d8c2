//! The files of a log: their names, their headers, and how they come into being.
//!
//! ```text
//! creating            only while `create` is under way: whatever else is there is not yet a log
//! identity            its header says whose log this is, and with which segment it begins; there
//!                     from the end of `create` on
//! identity.new        the next `identity`; removed when the log is opened
//! 000000000005.wal    segment 5, and so on without a gap. Those below the first are no part of the
//!                     log any more: they wait to be used again, and go when the log is opened
//! 000000000007.new    a segment that is being prepared; removed when the log is opened
//! ```

use std::io;
use std::sync::Arc;

use super::blocks::Blocks;
use super::error::{Damage, OpenError};
use super::reader::in_memory;
use super::{BLOCK_LENGTH, Lsn, Options};
use crate::disk::{Disk, DiskFile};

pub(super) const IDENTITY_NAME: &str = "identity";
pub(super) const CREATING_NAME: &str = "creating";
const NEXT_IDENTITY_NAME: &str = "identity.new";
const SEGMENT_SUFFIX: &str = ".wal";
const UNFINISHED_SUFFIX: &str = ".new";
const NUMBER_DIGITS: usize = 12;

/// Version of the identity file, the segment header and the records.
pub(super) const FORMAT_VERSION: u32 = 1;

/// Each segment starts with a block of its own for its header.
pub(super) const SEGMENT_HEADER_LENGTH: u64 = BLOCK_LENGTH;

const HEADER_BYTES: usize = 44;

/// The same header opens the identity file and each segment:
///
/// ```text
/// offset  bytes  field (integers little endian)
///      0      8  magic: "RLWALID1" or "RLWALSEG"
///      8      4  format version
///     12      4  zero
///     16      8  owner
///     24      8  segment length
///     32      8  segment number; in the identity file the first segment of the log
///     40      4  crc32c of bytes 0 .. 40
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) magic: Magic,
    pub(super) options: Options,
    pub(super) number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Magic {
    Identity,
    Segment,
}

impl Magic {
    fn bytes(self) -> &'static [u8; 8] {
        match self {
            Self::Identity => b"RLWALID1",
            Self::Segment => b"RLWALSEG",
        }
    }
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(self.magic.bytes());
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.options.owner.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.options.segment_length.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.number.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..40]);
        bytes[40..44].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header of `file`. A segment's must agree with the identity file's.
    pub(super) fn read(
        magic: Magic,
        name: &str,
        file: &Arc<dyn DiskFile>,
    ) -> Result<Self, OpenError> {
        let damaged = |expected: &str, found: String| {
            let (file, expected) = (name.to_owned(), expected.to_owned());
            OpenError::Damaged(Damage { file, offset: 0, expected, found })
        };
        let length = file.length().map_err(|error| open_io("measure", name, error))?;
        if length < HEADER_BYTES as u64 {
            return Err(damaged("a header of 44 bytes", format!("a file of {length} bytes")));
        }
        let mut bytes = [0; HEADER_BYTES];
        file.read_at(0, &mut bytes).map_err(|error| open_io("read", name, error))?;
        let u32_at = |at: usize| {
            u32::from_le_bytes(*bytes[at..].first_chunk().expect("offsets lie in the header"))
        };
        let u64_at = |at: usize| {
            u64::from_le_bytes(*bytes[at..].first_chunk().expect("offsets lie in the header"))
        };
        if bytes[..8] != *magic.bytes() {
            return Err(damaged("the magic of this kind of file", "other bytes".to_owned()));
        }
        let (found, computed) = (u32_at(40), crc32c::crc32c(&bytes[..40]));
        if found != computed {
            let found = format!("{found:08x}");
            return Err(damaged(&format!("header checksum {computed:08x}"), found));
        }
        let version = u32_at(8);
        if version != FORMAT_VERSION {
            let (file, supported) = (name.to_owned(), FORMAT_VERSION);
            return Err(OpenError::Version { file, found: version, supported });
        }
        let options = Options { owner: u64_at(16), segment_length: u64_at(24) };
        Ok(Self { magic, options, number: u64_at(32) })
    }
}

pub(super) fn segment_name(number: u64) -> String {
    format!("{number:0NUMBER_DIGITS$}{SEGMENT_SUFFIX}")
}

fn unfinished_name(number: u64) -> String {
    format!("{number:0NUMBER_DIGITS$}{UNFINISHED_SUFFIX}")
}

/// The number of the segment that a file name names; `None` for every other file.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    number_before(name, SEGMENT_SUFFIX)
}

pub(super) fn is_unfinished(name: &str) -> bool {
    name == NEXT_IDENTITY_NAME || number_before(name, UNFINISHED_SUFFIX).is_some()
}

fn number_before(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    let well_formed =
        digits.len() == NUMBER_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Twelve digits times the longest segment stay below 2^70; positions are u64.
    digits.parse().ok().filter(|number| well_formed && *number < 1 << 33)
}

/// Where a segment starts in the log.
pub(super) fn segment_start(options: &Options, number: u64) -> Lsn {
    Lsn(number * options.segment_length)
}

/// Where the first record of a segment starts.
pub(super) fn segment_first(options: &Options, number: u64) -> Lsn {
    Lsn(segment_start(options, number).0 + SEGMENT_HEADER_LENGTH)
}

/// The segment that a position lies in, and the offset in its file.
pub(super) fn locate(options: &Options, lsn: Lsn) -> (u64, u64) {
    (lsn.0 / options.segment_length, lsn.0 % options.segment_length)
}

/// Makes a segment: full length of zeros and its header, durable before it gets its name, and its
/// name durable before anyone relies on it. So a segment with its final name is always complete,
/// and a full disk shows here and not under a commit. The zeros go past the page cache, in steps, so
/// that a commit beside it waits for one step at most.
pub(super) fn prepare_segment(
    disk: &Arc<dyn Disk>,
    options: &Options,
    number: u64,
) -> Result<Arc<dyn DiskFile>, (&'static str, io::Error)> {
    const STEP_LENGTH: u64 = 1 << 20;
    let unfinished = unfinished_name(number);
    let file = disk.create(&unfinished).map_err(|error| ("create", error))?;
    file.reserve(options.segment_length).map_err(|error| ("reserve", error))?;
    let mut zeros = Blocks::default();
    zeros.extend_zeroed(in_memory(options.segment_length.min(STEP_LENGTH)));
    let mut offset = 0;
    while offset < options.segment_length {
        let count = STEP_LENGTH.min(options.segment_length - offset);
        let zeros = &zeros.bytes()[..in_memory(count)];
        file.write_durable(offset, zeros).map_err(|error| ("prepare", error))?;
        offset += count;
    }
    finish_segment(disk, options, number, &file)
}

/// Makes a segment out of one that is no part of the log any more. Its bytes stay: each of its
/// records says a position in the old segment, and so is none here.
pub(super) fn recycle_segment(
    disk: &Arc<dyn Disk>,
    options: &Options,
    old: u64,
    number: u64,
) -> Result<Arc<dyn DiskFile>, (&'static str, io::Error)> {
    let unfinished = unfinished_name(number);
    disk.rename(&segment_name(old), &unfinished).map_err(|error| ("recycle", error))?;
    let file = disk.open(&unfinished).map_err(|error| ("open", error))?;
    finish_segment(disk, options, number, &file)
}

/// Writes the header of a segment that is complete but for it, and gives it its name.
fn finish_segment(
    disk: &Arc<dyn Disk>,
    options: &Options,
    number: u64,
    file: &Arc<dyn DiskFile>,
) -> Result<Arc<dyn DiskFile>, (&'static str, io::Error)> {
    let header = Header { magic: Magic::Segment, options: *options, number };
    file.write_at(0, &header.encode()).map_err(|error| ("prepare", error))?;
    file.sync().map_err(|error| ("sync", error))?;
    let name = segment_name(number);
    disk.rename(&unfinished_name(number), &name).map_err(|error| ("name", error))?;
    disk.sync_directory().map_err(|error| ("sync the directory of", error))?;
    disk.open(&name).map_err(|error| ("open", error))
}

/// Lets the log begin with this segment, durably and in one step.
pub(super) fn begin_with(
    disk: &Arc<dyn Disk>,
    options: &Options,
    number: u64,
) -> Result<(), (&'static str, io::Error)> {
    let left = disk.list().map_err(|error| ("look beside", error))?;
    if left.iter().any(|name| name == NEXT_IDENTITY_NAME) {
        disk.remove(NEXT_IDENTITY_NAME).map_err(|error| ("clean up beside", error))?;
    }
    let file = disk.create(NEXT_IDENTITY_NAME).map_err(|error| ("create the next", error))?;
    let header = Header { magic: Magic::Identity, options: *options, number };
    file.write_at(0, &header.encode()).map_err(|error| ("write the next", error))?;
    file.sync().map_err(|error| ("sync the next", error))?;
    disk.rename(NEXT_IDENTITY_NAME, IDENTITY_NAME).map_err(|error| ("replace", error))?;
    disk.sync_directory().map_err(|error| ("sync the directory of", error))
}

/// Makes an empty log in a directory that holds none.
///
/// The file `creating` makes many steps one: until it is gone nothing was promised to anyone, so a
/// creation that a crash interrupted starts again from nothing. `identity` is durable before
/// `creating` goes; from then on a missing file is a missing file.
pub(super) fn create_log(disk: &Arc<dyn Disk>, options: &Options) -> Result<(), OpenError> {
    let failed = |action: &'static str, name: &str, source| open_io(action, name, source);
    let sync_directory = || {
        disk.sync_directory().map_err(|error| failed("sync the directory of", CREATING_NAME, error))
    };
    let names = disk.list().map_err(|error| failed("list", "the directory", error))?;
    let interrupted = names.iter().any(|name| name == CREATING_NAME);
    if !interrupted {
        disk.create(CREATING_NAME).map_err(|error| failed("create", CREATING_NAME, error))?;
    }
    sync_directory()?;
    for name in &names {
        if segment_number(name).is_some() || is_unfinished(name) || name == IDENTITY_NAME {
            disk.remove(name).map_err(|error| failed("remove", name, error))?;
        }
    }
    prepare_segment(disk, options, 0)
        .map_err(|(action, error)| failed(action, &segment_name(0), error))?;
    let identity =
        disk.create(IDENTITY_NAME).map_err(|error| failed("create", IDENTITY_NAME, error))?;
    let header = Header { magic: Magic::Identity, options: *options, number: 0 };
    identity
        .write_at(0, &header.encode())
        .map_err(|error| failed("write", IDENTITY_NAME, error))?;
    identity.sync().map_err(|error| failed("sync", IDENTITY_NAME, error))?;
    // Not every file system keeps the order of names; ours asks only for this one.
    sync_directory()?;
    disk.remove(CREATING_NAME).map_err(|error| failed("remove", CREATING_NAME, error))?;
    sync_directory()
}

pub(super) fn open_io(action: &'static str, file: &str, source: io::Error) -> OpenError {
    OpenError::Io { action, file: file.to_owned(), source }
}
