//! Finding the end of the log after a crash, and telling a torn write from damage.
//!
//! Groups are read in order until one is not whole. Only the group in flight at the crash was not
//! durable, and it knew everything before its own start to be durable. So a group that is not whole
//! is the torn end of the log, unless a later group is found, whole in its first record, which knew
//! a position above this one to be durable: then durable bytes have changed, and opening refuses.
//! (The damage of the very last durable group cannot be told from a torn write by any log; the other
//! replicas hold it.)
//!
//! What follows the cut is set to zero and synced before anything is reported: the bytes of a torn
//! group could otherwise follow a new group of the same length and be taken for its successors.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::error::{Damage, OpenError};
use super::files::{self, Header, Magic, open_io};
use super::reader::{Records, Shared, WalReader, in_memory};
use super::record::{self, Bad, Kind};
use super::{BLOCK, BLOCK_LENGTH, Lsn, Options};
use crate::disk::Disk;

/// What a log held when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// Whether this open made the log.
    pub created: bool,
    /// Where the first record is, or would be.
    pub start: Lsn,
    /// Whether there were records before it.
    pub trimmed: bool,
    /// Every record below is durable and can be read; the next group starts here.
    pub end: Lsn,
    /// How many records there are.
    pub count: u64,
    /// The torn write that was cut, if there was one.
    pub cut: Option<Cut>,
    pub(super) reader: WalReader,
}

impl Recovered {
    /// All recovered records in order, read a segment at a time.
    #[must_use]
    pub fn records(&self) -> Records {
        self.reader.records(self.start)
    }
}

/// A group that was in flight at the crash and is not whole. Nobody was told that it was durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where the log now ends.
    pub at: Lsn,
    /// Where the first bad record was.
    pub bad: Lsn,
    /// What was there.
    pub found: String,
}

/// How one segment ends.
enum SegmentEnd {
    /// The log goes on in the next segment.
    Sealed,
    /// No whole group starts at `at`: the log ends here, torn or not, or is damaged.
    Open { at: Lsn, bad_at: Lsn, bad: Bad },
}

struct Scan {
    count: u64,
    /// Its last whole group, with the rest of the last block.
    last_group: Option<Range<Lsn>>,
    end: SegmentEnd,
}

/// Checks the identity of a log that exists, and that no file is missing. Returns the numbers of its
/// segments.
pub(super) fn check_files(
    disk: &Arc<dyn Disk>,
    options: &Options,
    names: &[String],
) -> Result<RangeInclusive<u64>, OpenError> {
    let missing = |file: &str, expected: &str| Damage {
        file: file.to_owned(),
        offset: 0,
        expected: expected.to_owned(),
        found: "no such file".to_owned(),
    };
    if !names.iter().any(|name| name == files::IDENTITY_NAME) {
        let expected = "the identity file of a log that has segments";
        return Err(missing(files::IDENTITY_NAME, expected).into());
    }
    let identity = disk
        .open(files::IDENTITY_NAME)
        .map_err(|error| open_io("open", files::IDENTITY_NAME, error))?;
    let header = Header::read(Magic::Identity, files::IDENTITY_NAME, &identity)?;
    let found = header.options;
    if found.owner != options.owner {
        return Err(OpenError::OtherOwner { expected: options.owner, found: found.owner });
    }
    if found.segment_length != options.segment_length {
        let (expected, found) = (options.segment_length, found.segment_length);
        return Err(OpenError::OtherSegmentLength { expected, found });
    }
    let mut next = header.number;
    let numbers = names.iter().filter_map(|name| files::segment_number(name));
    for number in numbers.filter(|&number| number >= header.number) {
        if number != next {
            return Err(missing(&files::segment_name(next), "a segment of this log").into());
        }
        next += 1;
    }
    if next == header.number {
        let expected = "the first segment of a log that exists: was the directory wiped?";
        return Err(missing(&files::segment_name(next), expected).into());
    }
    Ok(header.number..=next - 1)
}

/// Finds the end of the log, refuses damage, makes what it reports durable, and erases the rest.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    options: &Options,
    numbers: RangeInclusive<u64>,
) -> Result<Recovered, OpenError> {
    let (first, last) = numbers.into_inner();
    let mut count = 0;
    // The last whole group so far, and its bytes.
    let mut last_group: Option<(Lsn, Vec<u8>)> = None;
    for number in first..=last {
        let bytes = load(disk, options, number)?;
        let scan = scan_segment(options, number, &bytes);
        count += scan.count;
        if let Some(Range { start, end }) = scan.last_group {
            let from = in_memory(files::locate(options, start).1);
            let length = in_memory(end.0 - start.0);
            last_group = Some((start, bytes[from..from + length].to_vec()));
        }
        let SegmentEnd::Open { at, bad_at, bad } = scan.end else {
            continue;
        };
        refuse_damage(disk, options, number, last, &bytes, at, bad_at, &bad)?;
        if let Some((start, group)) = &last_group {
            write_again(disk, options, *start, group)?;
        }
        erase_above(disk, options, first..=number, last, &bytes, at)?;
        let shared = Arc::new(Shared::new(Arc::clone(disk), *options, first, at));
        let (_, offset) = files::locate(options, bad_at);
        let begun = record::claims(bad_at, &bytes[in_memory(offset)..]);
        let cut = (begun || bad_at != at).then(|| Cut { at, bad: bad_at, found: bad.to_string() });
        let start = files::segment_first(options, first);
        let reader = WalReader { shared };
        let trimmed = first > 0;
        return Ok(Recovered { created: false, start, trimmed, end: at, count, cut, reader });
    }
    Err(Damage {
        file: files::segment_name(last + 1),
        offset: 0,
        expected: format!("a segment, as segment {last} says that the log goes on"),
        found: "no such file".to_owned(),
    }
    .into())
}

/// Reads a whole segment after checking its header and length.
fn load(disk: &Arc<dyn Disk>, options: &Options, number: u64) -> Result<Vec<u8>, OpenError> {
    let name = files::segment_name(number);
    let file = disk.open(&name).map_err(|error| open_io("open", &name, error))?;
    let damaged = |expected: String, found: String| {
        OpenError::Damaged(Damage { file: name.clone(), offset: 0, expected, found })
    };
    let length = file.length().map_err(|error| open_io("measure", &name, error))?;
    if length != options.segment_length {
        let expected = format!("a segment of {} bytes", options.segment_length);
        return Err(damaged(expected, format!("{length} bytes")));
    }
    let expected = Header { magic: Magic::Segment, options: *options, number };
    let found = Header::read(Magic::Segment, &name, &file)?;
    if found != expected {
        return Err(damaged(format!("{expected:?}"), format!("{found:?}")));
    }
    let mut bytes = vec![0; in_memory(length)];
    file.read_at(0, &mut bytes).map_err(|error| open_io("read", &name, error))?;
    Ok(bytes)
}

fn scan_segment(options: &Options, number: u64, bytes: &[u8]) -> Scan {
    let mut count = 0;
    let mut group_count = 0;
    // Invariant: `group` is the start of the group that `at` lies in.
    let mut group = files::segment_first(options, number);
    let mut at = group;
    let mut last_group = None;
    let open = |count, last_group, at, bad_at, bad| {
        let end = SegmentEnd::Open { at, bad_at, bad };
        Scan { count, last_group, end }
    };
    loop {
        let (_, offset) = files::locate(options, at);
        let view = match record::decode(at, &bytes[in_memory(offset)..]) {
            Ok(view) => view,
            Err(bad) => return open(count, last_group, group, at, bad),
        };
        if view.durable != group {
            // A whole record, but not of this group: the rest of an older, longer one.
            return open(count, last_group, group, at, Bad::Header);
        }
        let after = Lsn(at.0 + view.span());
        let next = Lsn(after.0.next_multiple_of(BLOCK_LENGTH));
        let end = files::segment_start(options, number + 1);
        let seal_end = if view.last { next } else { after }.0 + record::HEADER_LENGTH;
        if view.kind == Kind::Payload && seal_end > end.0 {
            // The writer keeps room for a seal behind every record.
            return open(count, last_group, group, at, Bad::Header);
        }
        group_count += u64::from(view.kind == Kind::Payload);
        at = after;
        if view.last {
            count += group_count;
            group_count = 0;
            last_group = Some(group..next);
            if view.kind == Kind::Seal {
                return Scan { count, last_group, end: SegmentEnd::Sealed };
            }
            at = next;
            group = next;
        }
    }
}

/// Looks for a record above `at` that knew a position above `at` to be durable.
#[expect(clippy::too_many_arguments, reason = "the scan's result, spelled out")]
fn refuse_damage(
    disk: &Arc<dyn Disk>,
    options: &Options,
    number: u64,
    last: u64,
    bytes: &[u8],
    at: Lsn,
    bad_at: Lsn,
    bad: &Bad,
) -> Result<(), OpenError> {
    let (_, from) = files::locate(options, at);
    let mut witness = find_witness(options, number, bytes, from, at);
    for later in number + 1..=last {
        if witness.is_some() {
            break;
        }
        let bytes = load(disk, options, later)?;
        witness = find_witness(options, later, &bytes, files::SEGMENT_HEADER_LENGTH, at);
    }
    let Some(witness) = witness else {
        return Ok(());
    };
    let (_, offset) = files::locate(options, bad_at);
    Err(Damage {
        file: files::segment_name(number),
        offset,
        expected: format!(
            "the record of position {bad_at}, which was durable when position {witness} was written"
        ),
        found: bad.to_string(),
    }
    .into())
}

/// The first record at a block boundary from `from` on that knew more than `at` to be durable.
fn find_witness(options: &Options, number: u64, bytes: &[u8], from: u64, at: Lsn) -> Option<Lsn> {
    let start = files::segment_start(options, number);
    (from..options.segment_length)
        .step_by(in_memory(BLOCK_LENGTH))
        .map(|offset| (Lsn(start.0 + offset), &bytes[in_memory(offset)..]))
        .filter_map(|(position, bytes)| record::decode(position, bytes).ok())
        .find(|view| view.durable > at)
        .map(|view| view.lsn)
}

/// Writes the last whole group once more: the process that wrote it may have ended because its sync
/// failed. What was read then came from the page cache, which takes such pages for clean, so that a
/// sync alone would succeed and write nothing (Rebello et al., "Can Applications Recover from fsync
/// Failures?", ATC 2020). Groups before it were durable when it was written.
fn write_again(
    disk: &Arc<dyn Disk>,
    options: &Options,
    start: Lsn,
    group: &[u8],
) -> Result<(), OpenError> {
    let (number, offset) = files::locate(options, start);
    let name = files::segment_name(number);
    let file = disk.open(&name).map_err(|error| open_io("open", &name, error))?;
    file.write_at(offset, group).map_err(|error| open_io("write again", &name, error))
}

/// Sets everything above `at`, which lies in the last of `numbers`, to zero and makes the log durable
/// as it now is. Also what is below:
/// it may have been read from the page cache of a process that died before its sync.
fn erase_above(
    disk: &Arc<dyn Disk>,
    options: &Options,
    numbers: RangeInclusive<u64>,
    last: u64,
    bytes: &[u8],
    at: Lsn,
) -> Result<(), OpenError> {
    assert!(at.0.is_multiple_of(BLOCK_LENGTH), "groups, and so cuts, are on block boundaries");
    let (_, from) = files::locate(options, at);
    let (first, number) = numbers.into_inner();
    if number > first {
        // Its seal may be the last thing a dying process wrote.
        sync_segment(disk, number - 1)?;
    }
    erase_segment(disk, number, bytes, from)?;
    for later in number + 1..=last {
        let bytes = load(disk, options, later)?;
        erase_segment(disk, later, &bytes, files::SEGMENT_HEADER_LENGTH)?;
    }
    Ok(())
}

fn erase_segment(
    disk: &Arc<dyn Disk>,
    number: u64,
    bytes: &[u8],
    from: u64,
) -> Result<(), OpenError> {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let name = files::segment_name(number);
    let file = disk.open(&name).map_err(|error| open_io("open", &name, error))?;
    let blocks = bytes[in_memory(from)..].chunks(ZEROS.len());
    for (offset, block) in (from..).step_by(ZEROS.len()).zip(blocks) {
        if block != &ZEROS[..block.len()] {
            file.write_at(offset, &ZEROS[..block.len()])
                .map_err(|error| open_io("erase the torn end of", &name, error))?;
        }
    }
    file.sync().map_err(|error| open_io("sync", &name, error))
}

fn sync_segment(disk: &Arc<dyn Disk>, number: u64) -> Result<(), OpenError> {
    let name = files::segment_name(number);
    let file = disk.open(&name).map_err(|error| open_io("open", &name, error))?;
    file.sync().map_err(|error| open_io("sync", &name, error))
}
