//! Appending and committing.

use std::io::ErrorKind;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::blocks::Blocks;
use super::error::{OpenError, WriteError};
use super::reader::{Shared, WalReader, in_memory};
use super::record::{self, Kind, View};
use super::recovery::{self, Recovered};
use super::trimmer::WalTrimmer;
use super::{BLOCK_LENGTH, Lsn, Options, PAYLOAD_LENGTH_MAX, files};
use crate::disk::{Disk, DiskFile};

/// A write-ahead log, open for appending. One thread owns it; [`WalReader`]s read beside it.
#[derive(Debug)]
pub struct Wal {
    shared: Arc<Shared>,
    /// The segment that the group in flight starts in.
    file: Arc<dyn DiskFile>,
    /// Its number.
    number: u64,
    /// Where the next record goes. Invariant: a seal still fits between it and the segment's end.
    position: Lsn,
    /// Groups not yet written, one per segment they touch. Invariant: all but the last are sealed,
    /// and the first lies in segment `number`.
    groups: Vec<Group>,
    /// An empty buffer of an earlier group, kept for the next.
    spare: Blocks,
    /// The thread that prepares the next segment, once `prepare_ahead` was called.
    ahead: Option<JoinHandle<Prepared>>,
    /// Whether `prepare_ahead` was called.
    prepares_ahead: bool,
    /// Set by the first failed write, for ever.
    stopped: bool,
}

type Prepared = Result<Arc<dyn DiskFile>, WriteError>;

/// Records that are written with one sync.
#[derive(Debug)]
struct Group {
    start: Lsn,
    blocks: Blocks,
    /// Where in `blocks` the last record starts.
    last_at: usize,
    sealed: bool,
}

impl Wal {
    /// Makes an empty log in a directory that holds none. Durable when it returns.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when there is a log, [`OpenError::Damaged`] when there is part of one,
    /// or what the disk reports.
    pub fn create(disk: &Arc<dyn Disk>, options: Options) -> Result<Self, OpenError> {
        options.validate()?;
        match find_log(disk)? {
            Found::Nothing => {
                files::create_log(disk, &options)?;
                Self::open(disk, options).map(|(wal, _)| wal)
            }
            Found::Log(names) => {
                recovery::check_files(disk, &options, &names)?;
                Err(OpenError::Exists)
            }
        }
    }

    /// Opens a log after a clean stop or a crash, and cuts a torn write from its end.
    ///
    /// # Errors
    /// [`OpenError::NotFound`] where there is no log, [`OpenError::Damaged`] when durable bytes
    /// are missing or changed, or what the disk reports. A node must not start on any of them: only
    /// who set it up knows whether this node has ever voted.
    pub fn open(disk: &Arc<dyn Disk>, options: Options) -> Result<(Self, Recovered), OpenError> {
        options.validate()?;
        let Found::Log(names) = find_log(disk)? else {
            return Err(OpenError::NotFound);
        };
        for name in names.iter().filter(|name| files::is_unfinished(name)) {
            disk.remove(name).map_err(|error| files::open_io("remove", name, error))?;
        }
        let numbers = recovery::check_files(disk, &options, &names)?;
        let is_trimmed = |name: &&String| {
            files::segment_number(name).is_some_and(|number| number < *numbers.start())
        };
        for name in names.iter().filter(is_trimmed) {
            disk.remove(name).map_err(|error| files::open_io("remove", name, error))?;
        }
        disk.sync_directory().map_err(|error| {
            files::open_io("sync the directory of", files::IDENTITY_NAME, error)
        })?;
        let recovered = recovery::recover(disk, &options, numbers)?;
        let shared = Arc::clone(&recovered.reader.shared);
        let (number, _) = files::locate(&options, recovered.end);
        let name = files::segment_name(number);
        let file = shared.segment(number).map_err(|error| files::open_io("open", &name, error))?;
        let wal = Self {
            shared,
            file,
            number,
            position: recovered.end,
            groups: Vec::new(),
            spare: Blocks::default(),
            ahead: None,
            prepares_ahead: false,
            stopped: false,
        };
        Ok((wal, recovered))
    }

    /// Opens the log where there is one, and makes one where there is nothing at all. Part of a log
    /// is damage. A wiped directory looks like a new one: who must tell them apart keeps a mark
    /// elsewhere, and calls `create` and `open`.
    ///
    /// # Errors
    /// As for `open` and `create`.
    pub fn open_or_create(
        disk: &Arc<dyn Disk>,
        options: Options,
    ) -> Result<(Self, Recovered), OpenError> {
        options.validate()?;
        let created = matches!(find_log(disk)?, Found::Nothing);
        if created {
            files::create_log(disk, &options)?;
        }
        let (wal, mut recovered) = Self::open(disk, options)?;
        recovered.created = created;
        Ok((wal, recovered))
    }

    /// Buffers a record and says where it will be. Not durable before a `commit` returned a
    /// position above it.
    ///
    /// # Panics
    /// When the payload is longer than [`Options::payload_length_max`]: who encodes records keeps
    /// them below it.
    pub fn append(&mut self, stream: u64, payload: &[u8]) -> Lsn {
        let limit = self.shared.options.payload_length_max();
        assert!(
            payload.len() <= limit && payload.len() <= PAYLOAD_LENGTH_MAX,
            "a payload of {} bytes is longer than the limit of {limit}",
            payload.len(),
        );
        let (_, offset) = files::locate(&self.shared.options, self.position);
        let room = self.shared.options.segment_length - offset - record::HEADER_LENGTH;
        if record::span(payload.len()) > room {
            self.seal();
        }
        self.put(Kind::Payload, stream, payload)
    }

    /// Writes everything buffered as one group with one sync (one more for each segment it fills),
    /// and returns the position below which all is now durable. With nothing buffered it does
    /// nothing.
    ///
    /// # Errors
    /// The log stops at the first failure and says so ever after ([`WriteError::Stopped`]): what the
    /// group left on the disk is known only after the next `open`.
    pub fn commit(&mut self) -> Result<Lsn, WriteError> {
        if self.stopped {
            return Err(WriteError::Stopped { durable: self.shared.end() });
        }
        self.close_group();
        for mut group in std::mem::take(&mut self.groups) {
            if let Err(error) = self.write(&mut group) {
                self.stopped = true;
                return Err(error);
            }
            group.blocks.clear();
            self.spare = group.blocks;
        }
        self.shared.publish_end(self.position);
        Ok(self.position)
    }

    /// From now on prepares the next segment on a thread of its own, so that no commit waits for it
    /// (without it the commit that fills a segment does the work). What the thread fails at is
    /// reported by the commit that needs the segment.
    pub fn prepare_ahead(&mut self) {
        self.prepares_ahead = true;
        if self.ahead.is_none() && !self.stopped {
            let (shared, number) = (Arc::clone(&self.shared), self.number + 1);
            self.ahead = Some(std::thread::spawn(move || prepare(&shared, number)));
        }
    }

    /// Everything below this position is durable.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.shared.end()
    }

    /// A handle that reads committed records from any thread.
    #[must_use]
    pub fn reader(&self) -> WalReader {
        WalReader { shared: Arc::clone(&self.shared) }
    }

    /// A handle that removes what is no longer needed from the front, on any thread.
    #[must_use]
    pub fn trimmer(&self) -> WalTrimmer {
        WalTrimmer { shared: Arc::clone(&self.shared) }
    }

    fn put(&mut self, kind: Kind, stream: u64, payload: &[u8]) -> Lsn {
        let lsn = self.position;
        if self.groups.last().is_none_or(|group| group.sealed) {
            assert!(lsn.0.is_multiple_of(BLOCK_LENGTH), "groups start on block boundaries");
            let blocks = std::mem::take(&mut self.spare);
            self.groups.push(Group { start: lsn, blocks, last_at: 0, sealed: false });
        }
        let group = self.groups.last_mut().expect("pushed above");
        // The group before this one is synced before this one is written, so all below its start is
        // durable by then.
        let view = View { lsn, durable: group.start, stream, kind, last: false, payload };
        group.last_at = group.blocks.length();
        assert_eq!(group.start.0 + group.last_at as u64, lsn.0, "records follow each other");
        record::encode(group.blocks.extend_zeroed(in_memory(view.span())), &view);
        self.position = Lsn(lsn.0 + view.span());
        lsn
    }

    /// Ends the current segment: the log goes on in the next one.
    fn seal(&mut self) {
        let (number, _) = files::locate(&self.shared.options, self.position);
        self.put(Kind::Seal, 0, &[]);
        self.groups.last_mut().expect("put made it").sealed = true;
        self.position = files::segment_first(&self.shared.options, number + 1);
    }

    /// Moves to the block boundary where the next group will start, sealing a segment that has no
    /// further block.
    fn close_group(&mut self) {
        let options = self.shared.options;
        let (number, _) = files::locate(&options, self.position);
        let next = Lsn(self.position.0.next_multiple_of(BLOCK_LENGTH));
        if next == files::segment_start(&options, number + 1) {
            self.seal();
        } else {
            self.position = next;
        }
    }

    fn write(&mut self, group: &mut Group) -> Result<(), WriteError> {
        let (number, offset) = files::locate(&self.shared.options, group.start);
        assert_eq!(number, self.number, "groups are written in order");
        // The next segment is complete before the seal that says it exists is written.
        let next = if group.sealed { Some(self.next_segment(number + 1)?) } else { None };
        record::mark_last(&mut group.blocks.bytes_mut()[group.last_at..]);
        group.blocks.pad();
        self.file.write_durable(offset, group.blocks.bytes()).map_err(|source| WriteError::Io {
            action: "write",
            file: files::segment_name(number),
            source,
        })?;
        if let Some(next) = next {
            self.shared.keep_segment(number + 1, Arc::clone(&next));
            self.file = next;
            self.number = number + 1;
            if self.prepares_ahead {
                self.prepare_ahead();
            }
        }
        Ok(())
    }

    fn next_segment(&mut self, number: u64) -> Prepared {
        match self.ahead.take() {
            Some(thread) => thread.join().expect("preparing a segment does not panic"),
            None => prepare(&self.shared, number),
        }
    }
}

impl Drop for Wal {
    /// Waits for the preparing thread: who opens the directory next must find it at rest.
    fn drop(&mut self) {
        if let Some(thread) = self.ahead.take() {
            // Whatever it failed at, nobody needs its segment now; the next open looks for itself.
            drop(thread.join());
        }
    }
}

fn prepare(shared: &Shared, number: u64) -> Prepared {
    let options = &shared.options;
    let file = files::segment_name(number);
    let failed = |action, source| WriteError::Io { action, file: file.clone(), source };
    // A crash between preparing a segment and sealing the one before leaves it, empty.
    let names = shared.disk.list().map_err(|source| failed("look for", source))?;
    if names.contains(&file) {
        return shared.disk.open(&file).map_err(|source| failed("open", source));
    }
    let spare = shared.spares.lock().expect("nothing panics under this lock").pop();
    if let Some(old) = spare {
        return files::recycle_segment(&shared.disk, options, old, number)
            .map_err(|(action, source)| failed(action, source));
    }
    files::prepare_segment(&shared.disk, options, number).map_err(|(action, source)| {
        let kind = source.kind();
        if kind == ErrorKind::StorageFull || kind == ErrorKind::QuotaExceeded {
            WriteError::DiskFull { file: file.clone(), length: options.segment_length }
        } else {
            failed(action, source)
        }
    })
}

enum Found {
    /// No log: nothing of ours, or a creation that never finished.
    Nothing,
    /// Some or all of a log: these names.
    Log(Vec<String>),
}

fn find_log(disk: &Arc<dyn Disk>) -> Result<Found, OpenError> {
    let names = disk.list().map_err(|error| files::open_io("list", "the directory", error))?;
    let unfinished = names.iter().any(|name| name == files::CREATING_NAME);
    let ours = names
        .iter()
        .any(|name| name == files::IDENTITY_NAME || files::segment_number(name).is_some());
    Ok(if ours && !unfinished { Found::Log(names) } else { Found::Nothing })
}
