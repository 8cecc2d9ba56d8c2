//! One node: the real replica, log and tables on simulated disks, and a process that may end.

use crate::clock::{Clock, DRIFT};
use crate::digest;
use crate::fault::FaultKind;
use crate::oracle::Violation;
use crate::plan::{Latency, MS, Plan};
use crate::random::Random;
use crate::state::TableState;
use crate::turn::describe;
use ringleader_core::group::{
    AnnounceCommit, AtElection, Config, Durable, Group, Lease, Log, Timing, Trim,
};
use ringleader_core::ids::{LogIndex, ReplicaId, Tick};
use ringleader_core::machine::Machine;
use ringleader_core::quorum::ReplicaSet;
use ringleader_replica::group_commit::{Written, write_group};
use ringleader_replica::{
    Action, Event, FoundLog, LogRecord, Replica, StoredReader, Timers, Tuning,
};
use ringleader_storage::disk::{Disk, Fault as DiskFault, Loss, SimulatedDisk};
use ringleader_storage::engine::{Folding, TreeEngine, TreeError, TreeOptions};
use ringleader_storage::wal::{Lsn, OpenError, Options, Wal};
use ringleader_table::Tables;
use ringleader_wire::{Command, record};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The stream of the only replica of a node.
pub(crate) const STREAM: u64 = 0;

const TREE: &str = "tree";

/// As in production (`docs/OPTIONS.md`).
pub(crate) const ELECTION_TIMEOUT: u64 = 300 * MS;
const HEARTBEAT_INTERVAL: u64 = 50 * MS;

fn config(plan: &Plan, id: ReplicaId) -> Config {
    let election = ELECTION_TIMEOUT;
    Config {
        id,
        voters: ReplicaSet::first(plan.nodes),
        election_timeout: Tick(election),
        heartbeat_interval: Tick(HEARTBEAT_INTERVAL),
        append_entries_max: plan.limits.append_entries_max,
        inflight_entries_max: plan.limits.inflight_entries_max,
        at_election: AtElection::AppendNoOp,
        announce_commit: AnnounceCommit::WithNextAppend,
        timing: Timing {
            evidence: Some(Tick(election / 2)),
            quorum_timeout: Some(Tick(election * 2)),
            lease: Some(Lease { span: Tick(election * 2 / 3), drift: DRIFT }),
        },
        trim: Trim::Never,
        log_replicas: ReplicaSet::default(),
    }
}

/// A running process.
pub(crate) struct Process {
    pub(crate) replica: Replica<TableState>,
    pub(crate) wal: Wal,
    pub(crate) timers: Timers,
    readers: BTreeMap<ReplicaId, StoredReader>,
    /// What has arrived and was not looked at.
    pub(crate) inbox: VecDeque<Event>,
    /// What the log has reported and was not looked at.
    pub(crate) completed: Vec<Written>,
    /// Records that wait for the write in flight.
    pub(crate) queued: Vec<LogRecord>,
    /// Records that are being written.
    pub(crate) flight: Option<Vec<LogRecord>>,
    /// When the event queue wakes it for a timer, in true time.
    pub(crate) wakes_at: Option<u64>,
    /// It looks at nothing before this.
    pub(crate) busy_until: u64,
    /// Whether the event queue has it go on at that time.
    pub(crate) goes_on: bool,
    /// How much of what it knows to be committed the oracle has seen.
    pub(crate) seen: LogIndex,
    pub(crate) actions: Vec<Action>,
}

/// What a node has promised to keep, by what its log reported as written.
#[derive(Default)]
struct Promised {
    /// A digest of each record.
    records: Vec<u64>,
    /// The fold of all.
    durable: Durable<Command>,
    /// Where the records of all groups but the last one are, and how long each is.
    positions: Vec<(Lsn, usize)>,
    /// Those of the last one: their damage cannot be told from a torn write.
    last_group: Vec<(Lsn, usize)>,
}

/// One node.
pub(crate) struct Node {
    pub(crate) id: ReplicaId,
    config: Config,
    pub(crate) log_disk: SimulatedDisk,
    pub(crate) tree_disk: SimulatedDisk,
    log_options: Options,
    tree_options: TreeOptions,
    pub(crate) clock: Clock,
    rate: u64,
    pub(crate) process: Option<Box<Process>>,
    /// Counts its processes.
    pub(crate) incarnation: u32,
    /// Its log is damaged: it is not coming back.
    pub(crate) is_lost: bool,
    pub(crate) paused_until: u64,
    /// Writes of the log take so much longer, until then.
    pub(crate) slow: (u64, u64),
    /// Something was done to its disks.
    disk_fails: bool,
    is_full: bool,
    /// The operation of the log's disk that fails.
    log_fails_at: Option<u64>,
    /// What is to be damaged before the next start.
    pub(crate) damage: Damage,
    promised: Promised,
    /// The group in flight when the process ended: it may be there or not.
    left_in_flight: Option<Vec<LogRecord>>,
    pub(crate) random: Random,
}

/// What is damaged while a node is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Damage {
    #[default]
    Nothing,
    /// A durable record of its log.
    Log,
    /// A bit of its tree.
    Tree,
}

/// How a start went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// It runs.
    Runs {
        /// The tree was damaged, and is built again from the log.
        tree_rebuilt: bool,
    },
    /// Its log was damaged, and it says so.
    Refused,
    /// Its disk failed.
    Failed,
}

impl Node {
    pub(crate) fn new(plan: &Plan, number: u8) -> Self {
        let id = ReplicaId(number);
        let limits = &plan.limits;
        let segment_length = limits.segment_length;
        Self {
            id,
            config: config(plan, id),
            log_disk: SimulatedDisk::new(),
            tree_disk: SimulatedDisk::new(),
            log_options: Options { segment_length, ..Options::new(u64::from(number)) },
            tree_options: TreeOptions {
                delta_bytes_max: limits.delta_bytes_max,
                folding: Folding::Inline,
                fold_keys_max: limits.fold_keys_max,
                cache_bytes: 1 << 20,
            },
            clock: Clock::start(0, 1_000_000),
            rate: 1_000_000,
            process: None,
            incarnation: 0,
            is_lost: false,
            paused_until: 0,
            slow: (0, 0),
            disk_fails: false,
            is_full: false,
            log_fails_at: None,
            damage: Damage::Nothing,
            promised: Promised::default(),
            left_in_flight: None,
            random: Random::fork(plan.seed, 100 + u64::from(number)),
        }
    }

    pub(crate) fn group(&self) -> Option<&Group<Command>> {
        self.process.as_ref().map(|process| process.replica.group())
    }

    /// What its disk holds, as far as it was reported.
    pub(crate) fn durable(&self) -> &Durable<Command> {
        &self.promised.durable
    }

    pub(crate) fn durable_log(&self) -> Log<Command> {
        self.promised.durable.log.clone()
    }

    pub(crate) fn is_paused(&self, now: u64) -> bool {
        now < self.paused_until
    }

    pub(crate) fn set_rate(&mut self, now: u64, rate: u64) {
        self.rate = rate;
        self.clock.set_rate(now, rate);
    }

    /// How long the next write of the log takes, and whether it is slowed.
    pub(crate) fn write_latency(&mut self, now: u64, disk: Latency) -> (u64, bool) {
        let latency = disk.draw(&mut self.random);
        let (extra, until) = self.slow;
        if now < until { (latency + extra, true) } else { (latency, false) }
    }

    /// Makes the log of a node that never ran.
    ///
    /// # Errors
    /// When the log cannot be made on a disk that works.
    pub(crate) fn make(&mut self) -> Result<(), Violation> {
        let disk: Arc<dyn Disk> = Arc::new(self.log_disk.clone());
        match Wal::create(&disk, self.log_options) {
            Ok(_) => Ok(()),
            Err(error) => Err(Violation::new("STORAGE", format!("no log could be made: {error}"))),
        }
    }

    /// Starts a process on what the disks hold.
    ///
    /// # Errors
    /// When they do not hold what was promised.
    pub(crate) fn start(&mut self, now: u64) -> Result<Started, Violation> {
        assert!(self.process.is_none(), "a node runs one process");
        self.incarnation += 1;
        self.clock = Clock::start(now, self.rate);
        let damage = std::mem::take(&mut self.damage);
        let flipped = damage == Damage::Log && self.flip_in_log();
        let disk: Arc<dyn Disk> = Arc::new(self.log_disk.clone());
        let (wal, recovered) = match Wal::open(&disk, self.log_options) {
            Ok(opened) => opened,
            Err(OpenError::Damaged(_)) if flipped => {
                self.is_lost = true;
                return Ok(Started::Refused);
            }
            Err(OpenError::Io { .. }) => return Ok(Started::Failed),
            Err(error) => {
                let detail = format!("node {} does not start: {error}", self.id.0);
                return Err(Violation::new("WAL-1", detail));
            }
        };
        let mut records = Vec::new();
        for record in recovered.records() {
            match record {
                Ok(record) => records.push(record),
                Err(error) => return Err(Violation::new("WAL-1", error.to_string())),
            }
        }
        self.check_kept(records.iter().map(|record| (record.lsn, &record.payload[..])))?;
        if damage == Damage::Tree {
            self.flip_in_tree();
        }
        let Some((state, tree_rebuilt)) = self.open_tree()? else { return Ok(Started::Failed) };
        let local = self.clock.read(now);
        let records = records.into_iter().map(Ok);
        let log = FoundLog { records, stream: STREAM, trimmed: recovered.trimmed };
        let replica = Replica::recover(&self.config, Tuning::default(), state, log, local);
        let replica = replica.map_err(|error| Violation::new("ENGINE-3", error.to_string()))?;
        let seed = self.random.draw();
        self.process = Some(Box::new(Process {
            // What its tree holds must have been committed: the oracle looks at all of it again.
            seen: LogIndex::ZERO,
            replica,
            wal,
            timers: Timers::new(seed),
            readers: BTreeMap::new(),
            inbox: VecDeque::new(),
            completed: Vec::new(),
            queued: Vec::new(),
            flight: None,
            wakes_at: None,
            busy_until: now,
            goes_on: false,
            actions: Vec::new(),
        }));
        Ok(Started::Runs { tree_rebuilt })
    }

    /// `WAL-1`, `WAL-2`: what is found is what was promised, and at most the group in flight on top,
    /// whole.
    fn check_kept<'a>(
        &mut self,
        found: impl Iterator<Item = (Lsn, &'a [u8])>,
    ) -> Result<(), Violation> {
        let flight = self.left_in_flight.take().unwrap_or_default();
        let found: Vec<(Lsn, usize, u64)> =
            found.map(|(lsn, bytes)| (lsn, bytes.len(), digest::of(bytes))).collect();
        let known = self.promised.records.len();
        let lost = |detail: String| Err(Violation::new("WAL-1", detail));
        let node = self.id.0;
        if found.len() < known {
            return lost(format!("node {node} kept {} of {known} records", found.len()));
        }
        let differs = |(_, _, digest): &(Lsn, usize, u64), expected: &u64| digest != expected;
        let pairs = found.iter().zip(&self.promised.records);
        if let Some(at) = pairs.clone().position(|(found, expected)| differs(found, expected)) {
            return lost(format!("node {node}: record {at} is not the one that was written"));
        }
        let beyond = &found[known..];
        let whole = beyond.len() == flight.len()
            && beyond.iter().zip(&flight).all(|(it, wrote)| it.2 == digest::of(&wrote.bytes));
        if !beyond.is_empty() && !whole {
            let (beyond, flight) = (beyond.len(), flight.len());
            return Err(Violation::new(
                "WAL-2",
                format!("node {node} found {beyond} of the {flight} records in flight"),
            ));
        }
        if !beyond.is_empty() {
            let places = beyond.iter().map(|&(lsn, length, _)| (lsn, length)).collect();
            self.keep(&flight, places);
        }
        Ok(())
    }

    /// These records are promised from now on.
    pub(crate) fn keep(&mut self, records: &[LogRecord], places: Vec<(Lsn, usize)>) {
        for LogRecord { bytes, .. } in records {
            self.promised.records.push(digest::of(bytes));
            let write = record::decode(bytes).expect("the replica encoded it");
            Group::fold(&mut self.promised.durable, &write);
        }
        let before = std::mem::replace(&mut self.promised.last_group, places);
        self.promised.positions.extend(before);
    }

    fn open_tree(&mut self) -> Result<Option<(TableState, bool)>, Violation> {
        let disk: Arc<dyn Disk> = Arc::new(self.tree_disk.clone());
        let open = || TreeEngine::open_on(&disk, TREE, self.tree_options);
        let (engine, rebuilt) = match open() {
            Ok(engine) => (engine, false),
            Err(TreeError::Damaged { .. }) => {
                // As the server says: the log is whole, and builds another.
                if disk.remove(TREE).and_then(|()| disk.sync_directory()).is_err() {
                    return Ok(None);
                }
                match open() {
                    Ok(engine) => (engine, true),
                    Err(_) => return Ok(None),
                }
            }
            Err(TreeError::Tree(_)) => return Ok(None),
            Err(error) => return Err(Violation::new("ENGINE-2", error.to_string())),
        };
        let tables = Tables::open(engine);
        let tables = tables.map_err(|error| Violation::new("ENGINE-2", error.to_string()))?;
        Ok(Some((TableState { tables }, rebuilt)))
    }

    /// Flips a bit of a record that a later one knows to be durable. False if there is none.
    fn flip_in_log(&mut self) -> bool {
        let Some(places) = self.promised.positions.len().checked_sub(1) else { return false };
        let (lsn, length) = self.promised.positions[self.random.index(places + 1)];
        let segment = lsn.0 / self.log_options.segment_length;
        let offset = lsn.0 % self.log_options.segment_length;
        let bit = offset * 8 + self.random.below(length as u64 * 8);
        self.log_disk.flip(&format!("{segment:012}.wal"), bit);
        true
    }

    fn flip_in_tree(&mut self) {
        let disk: &dyn Disk = &self.tree_disk;
        let length = disk.open(TREE).and_then(|file| file.length()).unwrap_or(0);
        if length > 0 {
            // The first pages of a small tree are those in use.
            let within = if self.random.chance(700_000) { length.min(64 << 10) } else { length };
            let bit = self.random.below(within * 8);
            self.tree_disk.flip(TREE, bit);
        }
    }

    /// Ends the process. Of a write in flight some may have been done; returns whether one was.
    pub(crate) fn end(&mut self) -> bool {
        let Some(mut process) = self.process.take() else { return false };
        let flight = process.flight.take();
        let in_flight = flight.is_some();
        if let Some(flight) = &flight {
            // Zero to all of its operations; the last choice is that it is written, unreported.
            let operations = self.random.below(4);
            self.log_disk.crash_after(operations);
            // Whatever comes of it, nobody is told.
            let _ = write_group(&mut process.wal, STREAM, flight);
        }
        self.left_in_flight = flight.or_else(|| self.left_in_flight.take());
        self.log_disk.crash_after(0);
        self.tree_disk.crash_after(0);
        drop(process);
        self.log_disk.restart();
        self.tree_disk.restart();
        in_flight
    }

    /// An operation of the log's disk fails: this many from now on.
    pub(crate) fn fail_log(&mut self, operation: u64) {
        let at = self.log_disk.operations() + operation;
        self.log_disk.fail_at(DiskFault::Operation(at));
        self.log_fails_at = Some(at);
        self.disk_fails = true;
    }

    /// Whether the operation that failed was a write or a sync: they take turns.
    pub(crate) fn failed_operation_since(&self, first: u64) -> FaultKind {
        match self.log_fails_at {
            Some(at) if at >= first && (at - first) % 2 == 1 => FaultKind::SyncError,
            _ => FaultKind::WriteError,
        }
    }

    /// An operation of the tree's disk fails: this many from now on.
    pub(crate) fn fail_tree(&mut self, operation: u64) {
        let at = self.tree_disk.operations() + operation;
        self.tree_disk.fail_at(DiskFault::Operation(at));
        self.disk_fails = true;
    }

    /// The disks take no more, or do again.
    pub(crate) fn fill(&mut self, full: bool) {
        let capacity = full.then_some(0);
        self.log_disk.set_capacity(capacity);
        self.tree_disk.set_capacity(capacity);
        self.is_full = full;
        self.disk_fails |= full;
    }

    /// Whether something was done to its disks that a process may stop of.
    pub(crate) fn expects_disk_failure(&self) -> bool {
        self.disk_fails
    }

    /// What was done to its disks has been noticed.
    pub(crate) fn note_disk_failure(&mut self) {
        self.disk_fails = self.is_full;
    }

    pub(crate) fn lift_disk_faults(&mut self) {
        self.fill(false);
        self.disk_fails = false;
        self.log_disk.restart();
        self.tree_disk.restart();
    }

    pub(crate) fn describe(&self) -> String {
        describe(self.id, self.process.as_deref())
    }

    /// What was written by a group whose write failed is in doubt.
    pub(crate) fn leave_in_doubt(&mut self, group: Vec<LogRecord>) {
        self.left_in_flight = Some(group);
    }

    /// Power fails, and the process has ended.
    pub(crate) fn lose_power(&mut self) -> Loss {
        assert!(self.process.is_none(), "the process ends first");
        let mode = self.random.below(4);
        let random = &mut self.random;
        let mut choose = |options: usize| match mode {
            0 => 0,
            1 => options - 1,
            _ => random.index(options),
        };
        let log = self.log_disk.lose_power(&mut choose);
        let tree = self.tree_disk.lose_power(&mut choose);
        Loss { lost: log.lost + tree.lost, kept: log.kept + tree.kept }
    }
}

impl Process {
    /// The reader of the entries that a peer lacks.
    pub(crate) fn reader(&mut self, to: ReplicaId) -> &mut StoredReader {
        let wal = &self.wal;
        self.readers.entry(to).or_insert_with(|| StoredReader::new(wal.reader(), STREAM))
    }
}
