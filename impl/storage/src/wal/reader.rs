//! Reading committed records by position, from any thread.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::error::{Damage, ReadError};
use super::record::{self, Bad, Kind, View};
use super::{BLOCK_LENGTH, Lsn, Options, files};
use crate::disk::{Disk, DiskFile};

/// A committed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub lsn: Lsn,
    /// Whose it is.
    pub stream: u64,
    /// What was appended.
    pub payload: Vec<u8>,
}

/// What the log and its readers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: Options,
    /// Everything below is durable. Written by the log after a sync, read by readers.
    end: AtomicU64,
    /// The number of the first segment. Written by the trimmer, before the bytes of an earlier one
    /// change.
    first: AtomicU64,
    /// Segments opened so far. A lock for the lookup only; reads run outside it.
    segments: Mutex<BTreeMap<u64, Arc<dyn DiskFile>>>,
    /// Segments below the first that are still there, to be used again.
    pub(super) spares: Mutex<Vec<u64>>,
}

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, options: Options, first: u64, end: Lsn) -> Self {
        Self {
            disk,
            options,
            end: AtomicU64::new(end.0),
            first: AtomicU64::new(first),
            segments: Mutex::default(),
            spares: Mutex::default(),
        }
    }

    /// The number of the first segment.
    pub(super) fn first(&self) -> u64 {
        self.first.load(Ordering::Acquire)
    }

    /// From here on the log begins with this segment.
    pub(super) fn publish_first(&self, first: u64) {
        // A reader that got bytes of a recycled segment looks here after it got them, and finds
        // that the segment is no part of the log.
        self.first.store(first, Ordering::SeqCst);
        let mut segments = self.segments.lock().expect("nothing panics under this lock");
        segments.retain(|&number, _| number >= first);
    }

    /// What went wrong at a position, unless it was trimmed meanwhile.
    fn unless_trimmed(&self, lsn: Lsn, error: ReadError) -> ReadError {
        let start = files::segment_first(&self.options, self.first.load(Ordering::SeqCst));
        if lsn < start { ReadError::Trimmed { lsn, start } } else { error }
    }

    pub(super) fn end(&self) -> Lsn {
        // Acquire pairs with the release below: who sees the end sees the bytes before it.
        Lsn(self.end.load(Ordering::Acquire))
    }

    pub(super) fn publish_end(&self, end: Lsn) {
        assert!(end >= self.end(), "what is durable stays durable");
        self.end.store(end.0, Ordering::Release);
    }

    pub(super) fn segment(&self, number: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut segments = self.segments.lock().expect("nothing panics under this lock");
        if let Some(file) = segments.get(&number) {
            return Ok(Arc::clone(file));
        }
        let file = self.disk.open(&files::segment_name(number))?;
        segments.insert(number, Arc::clone(&file));
        Ok(file)
    }

    pub(super) fn keep_segment(&self, number: u64, file: Arc<dyn DiskFile>) {
        self.segments.lock().expect("nothing panics under this lock").insert(number, file);
    }
}

/// Reads committed records. Cheap to clone; works beside a running commit.
#[derive(Clone, Debug)]
pub struct WalReader {
    pub(super) shared: Arc<Shared>,
}

impl WalReader {
    /// Everything below this position is durable.
    #[must_use]
    pub fn end(&self) -> Lsn {
        self.shared.end()
    }

    /// Reads the record that starts at `lsn`.
    ///
    /// # Errors
    /// When nothing is committed there, or not any more, the bytes are damaged, or the disk fails.
    pub fn read(&self, lsn: Lsn) -> Result<Record, ReadError> {
        let end = self.end();
        if lsn >= end {
            return Err(ReadError::NotCommitted { lsn, end });
        }
        self.committed(lsn).map_err(|error| self.shared.unless_trimmed(lsn, error))
    }

    fn committed(&self, lsn: Lsn) -> Result<Record, ReadError> {
        let options = &self.shared.options;
        let (number, offset) = files::locate(options, lsn);
        let room = options.segment_length - offset;
        let io = |source| ReadError::Io { file: files::segment_name(number), source };
        let file = self.shared.segment(number).map_err(io)?;
        // One read serves most records; the rest of a long one is read when its length is known.
        let mut bytes = vec![0; in_memory(room.min(BLOCK_LENGTH))];
        file.read_at(offset, &mut bytes).map_err(io)?;
        if let Some(header) = bytes.first_chunk() {
            let needed = record::span(record::claimed_length(header)).min(room);
            let have = bytes.len();
            if needed > have as u64 {
                bytes.resize(in_memory(needed), 0);
                file.read_at(offset + have as u64, &mut bytes[have..]).map_err(io)?;
            }
        }
        match record::decode(lsn, &bytes) {
            Ok(View { kind: Kind::Payload, stream, payload, .. }) => {
                Ok(Record { lsn, stream, payload: payload.to_vec() })
            }
            Ok(View { kind: Kind::Seal, .. }) => Err(self.damaged(lsn, "the end of a segment")),
            Err(bad) => Err(self.damaged(lsn, &bad.to_string())),
        }
    }

    /// The committed records from `from` on, in order, up to the end at this moment. `from` is the
    /// position of a record, or the start or end of the log. Where they were trimmed the iteration
    /// ends with [`ReadError::Trimmed`].
    #[must_use]
    pub fn records(&self, from: Lsn) -> Records {
        let (end, loaded) = (self.end(), None);
        Records { reader: self.clone(), next: from, end, loaded, failed: false }
    }

    fn damaged(&self, lsn: Lsn, found: &str) -> ReadError {
        let (number, offset) = files::locate(&self.shared.options, lsn);
        let (file, found) = (files::segment_name(number), found.to_owned());
        let expected = format!("the committed record of position {lsn}");
        ReadError::Damaged(Damage { file, offset, expected, found })
    }
}

/// An iterator over committed records, reading a segment at a time.
#[derive(Debug)]
pub struct Records {
    reader: WalReader,
    next: Lsn,
    end: Lsn,
    /// The bytes of the segment that `next` lies in.
    loaded: Option<(u64, Vec<u8>)>,
    failed: bool,
}

impl Records {
    fn load(&mut self, number: u64) -> Result<(), ReadError> {
        if self.loaded.as_ref().is_some_and(|(loaded, _)| *loaded == number) {
            return Ok(());
        }
        let shared = &self.reader.shared;
        let io = |source| ReadError::Io { file: files::segment_name(number), source };
        let mut bytes = vec![0; in_memory(shared.options.segment_length)];
        shared.segment(number).and_then(|file| file.read_at(0, &mut bytes)).map_err(io)?;
        self.loaded = Some((number, bytes));
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Record>, ReadError> {
        while self.next < self.end {
            let options = self.reader.shared.options;
            let (number, offset) = files::locate(&options, self.next);
            if offset < files::SEGMENT_HEADER_LENGTH {
                self.next = files::segment_first(&options, number);
                continue;
            }
            self.load(number)?;
            let (_, bytes) = self.loaded.as_ref().expect("loaded above");
            match record::decode(self.next, &bytes[in_memory(offset)..]) {
                Ok(view) => {
                    let after = self.next.0 + view.span();
                    self.next = match (view.kind, view.last) {
                        (Kind::Seal, _) => files::segment_first(&options, number + 1),
                        (Kind::Payload, true) => Lsn(after.next_multiple_of(BLOCK_LENGTH)),
                        (Kind::Payload, false) => Lsn(after),
                    };
                    if view.kind == Kind::Payload {
                        let View { lsn, stream, payload, .. } = view;
                        return Ok(Some(Record { lsn, stream, payload: payload.to_vec() }));
                    }
                }
                Err(bad) => return Err(self.reader.damaged(self.next, &describe(&bad))),
            }
        }
        Ok(None)
    }
}

impl Iterator for Records {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose().map(|found| {
            found.map_err(|error| self.reader.shared.unless_trimmed(self.next, error))
        });
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

fn describe(bad: &Bad) -> String {
    bad.to_string()
}

/// Lengths below 1 GiB (checked when a log is opened) fit in memory sizes.
pub(super) fn in_memory(length: u64) -> usize {
    usize::try_from(length).expect("segment lengths are at most 1 GiB")
}
