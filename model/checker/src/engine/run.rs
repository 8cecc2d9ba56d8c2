//! The search itself: levels, threads, limits.

use super::checkpoint::{self, CheckpointError};
use super::fingerprint::{Fingerprint, Width};
use super::found::Found;
use super::level::{Level, Writer};
use super::table::{STRIPES, Table, stripe_of};
use super::window::Window;
use super::{Explore, path};
use crate::protocol::Kind;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How a search is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many threads explore.
    pub threads: usize,
    /// How long fingerprints are.
    pub width: Width,
    /// When to give up.
    pub limits: Limits,
    /// Where to write what is needed to go on later, and from where to go on.
    pub checkpoint: Option<Checkpoint>,
}

impl Default for Settings {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let limits = Limits::default();
        Self { threads, width: Width::Narrow, limits, checkpoint: None }
    }
}

/// When to give up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// After so long, in this process.
    pub time: Option<Duration>,
    /// With so many bytes of the process resident, or of the search's own tables.
    pub memory_bytes: Option<usize>,
}

/// A file from which a search can go on.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The file. If it exists, the search goes on from there.
    pub path: PathBuf,
    /// What is explored: a file with another text is refused.
    pub identity: String,
    /// How often it is written. It is always written when a limit ends the search.
    pub every: Duration,
}

/// Where a search is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Different states so far.
    pub states: u64,
    /// Their successors so far, known ones included.
    pub transitions: u64,
    /// The length of the longest shortest path so far, in states.
    pub depth: usize,
}

/// What a search found.
#[derive(Debug)]
pub struct Outcome {
    /// Different states.
    pub states: u64,
    /// Successors, known ones included.
    pub transitions: u64,
    /// The length of the longest shortest path, in states: 1 if the initial states have no
    /// successors.
    pub depth: usize,
    /// Wall time, that of earlier processes included.
    pub elapsed: Duration,
    /// How it ended.
    pub ending: Ending,
    /// One bit per property: whether some state satisfied its predicate.
    pub seen: u32,
    /// How often each kind of thing happened, for [`Explore::coverage`].
    pub coverage: Vec<u64>,
    /// Most bytes of visited set and waiting states at one time.
    pub bytes_max: usize,
    /// How long fingerprints were.
    pub width: Width,
}

/// How a search ended.
#[derive(Debug)]
pub enum Ending {
    /// Every state was visited.
    Exhausted,
    /// A property fails.
    Violated {
        /// Its number.
        property: usize,
        /// A shortest way to the failing state.
        path: Vec<Step>,
    },
    /// The time ran out.
    OutOfTime,
    /// The memory ran out.
    OutOfMemory,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state before, packed.
    pub packed: Vec<u8>,
    /// Which of its actions is taken.
    pub place: u32,
}

/// Successors that are looked up together.
const BATCH: usize = 4_096;
/// How often limits are looked at and progress is reported.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Explores a model.
///
/// # Errors
///
/// If the checkpoint cannot be read, written, or is of another search.
///
/// # Panics
///
/// If the model or a property panics.
pub fn explore<E: Explore>(
    explore: &E,
    settings: &Settings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, CheckpointError> {
    match settings.width {
        Width::Narrow => Search::<E, 1>::begin(explore, settings)?.run(progress),
        Width::Wide => Search::<E, 2>::begin(explore, settings)?.run(progress),
    }
}

pub(super) struct Search<'e, E, const W: usize> {
    pub(super) explore: &'e E,
    pub(super) settings: &'e Settings,
    started: Instant,
    /// The properties that must hold in every state, as bits.
    always: u32,
    pub(super) table: Table<W, W>,
    pub(super) current: Level,
    pub(super) next: Level,
    pub(super) totals: Totals,
    states: AtomicU64,
    transitions: AtomicU64,
    seen: AtomicU32,
    violation: Mutex<Option<(Fingerprint, u32)>>,
    /// Threads stop before they take another chunk.
    stop: AtomicBool,
}

/// What a checkpoint carries besides states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) states: u64,
    pub(super) transitions: u64,
    pub(super) depth: u64,
    pub(super) seen: u32,
    pub(super) bytes_max: u64,
    /// Wall time of earlier processes.
    pub(super) elapsed_ms: u64,
    pub(super) coverage: Vec<u64>,
}

/// What one thread needs.
struct Hand<W> {
    worker: W,
    window: Window,
    found: Found,
    /// Positions in `found`, by stripe.
    sorted: Vec<u32>,
    fresh: Vec<u32>,
    packed: Vec<u8>,
}

/// When the search looked up last.
struct Clock {
    polled: Instant,
    written: Instant,
}

impl<'e, E: Explore, const W: usize> Search<'e, E, W> {
    fn begin(explore: &'e E, settings: &'e Settings) -> Result<Self, CheckpointError> {
        let properties = explore.properties();
        assert!(properties.len() <= 32, "a verdict has 32 bits");
        let always = properties.iter().enumerate();
        let always = always.filter(|(_, (_, kind))| *kind == Kind::Always);
        let mut search = Self {
            explore,
            settings,
            started: Instant::now(),
            always: always.fold(0, |bits, (bit, _)| bits | 1 << bit),
            table: Table::new(),
            current: Level::default(),
            next: Level::default(),
            totals: Totals::default(),
            states: AtomicU64::new(0),
            transitions: AtomicU64::new(0),
            seen: AtomicU32::new(0),
            violation: Mutex::new(None),
            stop: AtomicBool::new(false),
        };
        let resumed = match &settings.checkpoint {
            Some(at) => checkpoint::read(&mut search, at)?,
            None => false,
        };
        if !resumed {
            let mut hand = search.hand();
            explore.start(&mut hand.worker, &mut hand.found);
            search.keep_new(&mut hand, &mut Writer::new(&search.next));
            search.transitions = AtomicU64::new(0);
        }
        Ok(search)
    }

    fn hand(&self) -> Hand<E::Worker<'e>> {
        let worker = self.explore.worker(self.settings.width);
        let (found, packed) = (Found::default(), Vec::new());
        let window = Window::default();
        Hand { worker, window, found, sorted: Vec::new(), fresh: Vec::new(), packed }
    }

    fn run(mut self, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, CheckpointError> {
        let mut hands: Vec<_> = (0..self.settings.threads.max(1)).map(|_| self.hand()).collect();
        let mut clock = Clock { polled: self.started, written: self.started };
        let ending = loop {
            if self.current.count() == 0 {
                std::mem::swap(&mut self.current, &mut self.next);
                if self.current.count() == 0 {
                    break Some(Ending::Exhausted);
                }
                self.totals.depth += 1;
            }
            self.stop.store(false, Ordering::Relaxed);
            self.expand_level(&mut hands, &mut clock, progress);
            self.gather(&mut hands);
            if self.violation.get_mut().is_ok_and(|found| found.is_some()) {
                break None;
            }
            let limit = self.limit_reached();
            if let Some(at) = &self.settings.checkpoint
                && (limit.is_some() || clock.written.elapsed() > at.every)
            {
                checkpoint::write(&mut self, at)?;
                clock.written = Instant::now();
            }
            if let Some(limit) = limit {
                break Some(limit);
            }
        };
        drop(hands);
        Ok(self.conclude(ending))
    }

    fn conclude(self, ending: Option<Ending>) -> Outcome {
        let Self { explore, settings, started, totals, table, violation, .. } = self;
        let violation = violation.into_inner().expect("no thread panics while it reports");
        // The search for the path brings a table of its own.
        drop(table);
        let ending = ending.unwrap_or_else(|| {
            let (failing, broken) = violation.expect("only a violation ends a search like this");
            let path = path::to(explore, settings.width, failing);
            Ending::Violated { property: broken.trailing_zeros() as usize, path }
        });
        if matches!(ending, Ending::Exhausted | Ending::Violated { .. })
            && let Some(at) = &settings.checkpoint
        {
            // There is nothing to go on with. That the file may stay is harmless: it would only
            // be read again.
            let _ = std::fs::remove_file(&at.path);
        }
        Outcome {
            states: totals.states,
            transitions: totals.transitions,
            depth: usize::try_from(totals.depth).unwrap_or(usize::MAX),
            elapsed: started.elapsed() + Duration::from_millis(totals.elapsed_ms),
            ending,
            seen: totals.seen,
            coverage: totals.coverage,
            bytes_max: usize::try_from(totals.bytes_max).unwrap_or(usize::MAX),
            width: settings.width,
        }
    }

    /// Expands chunks until none is left, or until somebody says stop. The calling thread works,
    /// too, and looks at the clock.
    fn expand_level(
        &self,
        hands: &mut [Hand<E::Worker<'e>>],
        clock: &mut Clock,
        progress: &mut dyn FnMut(Progress),
    ) {
        let (first, others) = hands.split_first_mut().expect("there is at least one thread");
        let needed = self.current.count().saturating_sub(1);
        std::thread::scope(|scope| {
            for hand in others.iter_mut().take(needed) {
                scope.spawn(|| self.expand_chunks(hand, &mut || ()));
            }
            self.expand_chunks(first, &mut || {
                if clock.polled.elapsed() > POLL_EVERY {
                    clock.polled = Instant::now();
                    self.poll(clock, progress);
                }
            });
        });
    }

    fn poll(&self, clock: &Clock, progress: &mut dyn FnMut(Progress)) {
        progress(Progress {
            states: self.totals.states + self.states.load(Ordering::Relaxed),
            transitions: self.totals.transitions + self.transitions.load(Ordering::Relaxed),
            depth: usize::try_from(self.totals.depth).unwrap_or(usize::MAX),
        });
        let due = self.settings.checkpoint.as_ref();
        let due = due.is_some_and(|at| clock.written.elapsed() > at.every);
        if due || self.limit_reached().is_some() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn limit_reached(&self) -> Option<Ending> {
        let Limits { time, memory_bytes } = self.settings.limits;
        if time.is_some_and(|limit| self.started.elapsed() >= limit) {
            return Some(Ending::OutOfTime);
        }
        let used = || self.bytes().max(resident_bytes().unwrap_or(0));
        memory_bytes.is_some_and(|limit| used() > limit).then_some(Ending::OutOfMemory)
    }

    fn bytes(&self) -> usize {
        self.table.bytes() + self.current.bytes() + self.next.bytes()
    }

    fn expand_chunks(&self, hand: &mut Hand<E::Worker<'e>>, between: &mut dyn FnMut()) {
        let mut writer = Writer::new(&self.next);
        let mut window = std::mem::take(&mut hand.window);
        while !self.stop.load(Ordering::Relaxed)
            && window.fill(&self.current, self.settings.threads)
        {
            for packed in window.states() {
                self.explore.expand(&mut hand.worker, packed, &mut hand.found);
                if hand.found.entries.len() >= BATCH {
                    self.keep_new(hand, &mut writer);
                    between();
                }
            }
            self.keep_new(hand, &mut writer);
            window.clear(&self.current);
            between();
        }
        hand.window = window;
    }

    /// Looks the successors up, and keeps those that are new.
    fn keep_new(&self, hand: &mut Hand<E::Worker<'e>>, writer: &mut Writer<'_>) {
        let Hand { worker, found, sorted, fresh, packed, .. } = hand;
        let ends = sort_by_stripe(found, sorted);
        fresh.clear();
        let mut start = 0;
        for (stripe, end) in ends.into_iter().enumerate() {
            let members = &sorted[start..end];
            start = end;
            if !members.is_empty() {
                let slot = |&at: &u32| -> [u64; W] {
                    let words = found.entries[at as usize].fingerprint.0;
                    std::array::from_fn(|word| words[word])
                };
                self.table.insert(stripe, members.iter().map(slot), |at| fresh.push(members[at]));
            }
        }
        let mut seen = 0;
        for &at in &*fresh {
            packed.clear();
            let verdict = self.explore.finish(worker, found.raw_of(at as usize), packed);
            writer.push(packed);
            seen |= verdict;
            let broken = self.always & !verdict;
            if broken != 0 {
                let fingerprint = found.entries[at as usize].fingerprint;
                let mut first = self.violation.lock().expect("no thread panics with this lock");
                first.get_or_insert((fingerprint, broken));
                self.stop.store(true, Ordering::Relaxed);
            }
        }
        self.seen.fetch_or(seen, Ordering::Relaxed);
        self.states.fetch_add(fresh.len() as u64, Ordering::Relaxed);
        self.transitions.fetch_add(found.entries.len() as u64, Ordering::Relaxed);
        found.clear();
    }

    /// Adds what the threads counted to the totals.
    fn gather(&mut self, hands: &mut [Hand<E::Worker<'e>>]) {
        let bytes = self.bytes() as u64;
        let totals = &mut self.totals;
        totals.states += std::mem::take(self.states.get_mut());
        totals.transitions += std::mem::take(self.transitions.get_mut());
        totals.seen |= *self.seen.get_mut();
        totals.bytes_max = totals.bytes_max.max(bytes);
        for hand in hands {
            let counted = std::mem::take(&mut hand.found.coverage);
            let length = totals.coverage.len().max(counted.len());
            totals.coverage.resize(length, 0);
            totals.coverage.iter_mut().zip(counted).for_each(|(total, more)| *total += more);
        }
    }

    /// Wall time, that of earlier processes included.
    pub(super) fn elapsed_ms(&self) -> u64 {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.totals.elapsed_ms.saturating_add(now)
    }
}

/// Sorts positions by the stripe of their fingerprints; where those of each stripe end.
fn sort_by_stripe(found: &Found, sorted: &mut Vec<u32>) -> [usize; STRIPES] {
    let stripe = |at: usize| stripe_of(found.entries[at].fingerprint.0[0]);
    let mut ends = [0; STRIPES];
    for at in 0..found.entries.len() {
        ends[stripe(at)] += 1;
    }
    let mut sum = 0;
    for end in &mut ends {
        // For now where they start: each is moved on to its end below.
        sum += std::mem::replace(end, sum);
    }
    sorted.resize(found.entries.len(), 0);
    for at in 0..found.entries.len() {
        let place = &mut ends[stripe(at)];
        sorted[*place] = u32::try_from(at).expect("a batch is small");
        *place += 1;
    }
    ends
}

/// Resident bytes of this process, where the system tells.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}
