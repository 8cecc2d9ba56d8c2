//! Faults that a node is told to have, for fault injection without privileges: a wrong clock, a bad
//! disk. Only a node that was started with `--inject-faults FILE` has any; it says so loudly, at its
//! start and at each change, and its status says what the faults did.
//!
//! The file is TOML and is read again whenever it changes; who writes it should rename another one
//! over it. All keys but `number` may be left out and then mean no fault:
//!
//! ```toml
//! number = 3                  # the status repeats it once this version is in force
//! [clock]
//! rate_ppm = -50000           # the replica's clock loses 5 %
//! jumped_ms = 2000            # how far it was made to jump ahead, in all, since the start
//! wall_offset_ms = -3600000   # the time of day is an hour behind
//! [disk]
//! sync_delay_ms = 20          # every sync takes so much longer
//! full = false                # no write has room
//! sync_fails = false          # every sync fails
//! forgetful = false           # what no sync covered is kept in memory: gone with the process
//! ```

use crate::exit::Failure;
use ringleader_node::Skew;
use ringleader_storage::disk::{DiskFaults, DiskSetting};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// How soon a change of the file is noticed.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How far the time of day is off, in milliseconds. One for the process: the time of day has no
/// owner that a reading of it could be asked of.
static WALL_OFFSET_MS: AtomicI64 = AtomicI64::new(0);

/// How far the time of day is off, in milliseconds.
pub(crate) fn wall_offset_ms() -> i64 {
    WALL_OFFSET_MS.load(Ordering::Relaxed)
}

/// The file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ordered {
    number: u64,
    #[serde(default)]
    clock: ClockOrder,
    #[serde(default)]
    disk: DiskOrder,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ClockOrder {
    rate_ppm: i32,
    jumped_ms: u64,
    wall_offset_ms: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DiskOrder {
    sync_delay_ms: u64,
    full: bool,
    sync_fails: bool,
    forgetful: bool,
}

/// What the status says of injected faults.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Toll {
    /// The version of the file that is in force.
    number: u64,
    /// What the replica's clock shows.
    clock_us: u64,
    /// How far the time of day is off.
    wall_offset_ms: i64,
    /// Syncs that were delayed.
    syncs_slowed: u64,
    /// Writes that were refused for want of room.
    writes_refused: u64,
    /// Syncs that failed.
    syncs_failed: u64,
    /// Bytes that a power loss would take now.
    unsynced_bytes: u64,
}

/// The faults of this node.
#[derive(Debug)]
pub(crate) struct Injected {
    path: PathBuf,
    pub(crate) skew: Skew,
    pub(crate) disk: DiskFaults,
    number: AtomicU64,
}

impl Injected {
    /// Reads the file and watches it from now on.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub(crate) fn start(path: &Path) -> Result<Arc<Self>, Failure> {
        let unusable =
            |error: String| Failure::Configuration(format!("faults {}: {error}", path.display()));
        let injected = Arc::new(Self {
            path: path.to_owned(),
            skew: Skew::default(),
            disk: DiskFaults::default(),
            number: AtomicU64::new(0),
        });
        let first = read(path).map_err(unusable)?;
        tracing::warn!(
            file = %path.display(),
            "FAULTS ARE INJECTED into this node: its clock and its disk do what the file says"
        );
        injected.obey(Ordered::default(), first);
        let watched = Arc::clone(&injected);
        let watch = move || watched.watch(first);
        let thread = std::thread::Builder::new().name("faults".to_owned()).spawn(watch);
        thread.map_err(|error| unusable(format!("no thread to watch it: {error}")))?;
        Ok(injected)
    }

    pub(crate) fn toll(&self) -> Toll {
        let disk = self.disk.toll();
        Toll {
            number: self.number.load(Ordering::Acquire),
            clock_us: u64::try_from(self.skew.shows().as_micros()).unwrap_or(u64::MAX),
            wall_offset_ms: wall_offset_ms(),
            syncs_slowed: disk.slowed,
            writes_refused: disk.refused,
            syncs_failed: disk.failed,
            unsynced_bytes: disk.unsynced,
        }
    }

    fn watch(&self, mut now: Ordered) {
        let mut complained = false;
        loop {
            std::thread::sleep(POLL_INTERVAL);
            match read(&self.path) {
                Ok(next) if next != now => {
                    self.obey(now, next);
                    (now, complained) = (next, false);
                }
                // What was ordered stays in force.
                Err(error) if !complained => {
                    tracing::error!(%error, "cannot read the file of injected faults");
                    complained = true;
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn obey(&self, before: Ordered, Ordered { number, clock, disk }: Ordered) {
        tracing::warn!(number, ?clock, ?disk, "injected faults change");
        let jump_ms = clock.jumped_ms.saturating_sub(before.clock.jumped_ms);
        self.skew.jump(Duration::from_millis(jump_ms));
        self.skew.set_rate(clock.rate_ppm);
        WALL_OFFSET_MS.store(clock.wall_offset_ms, Ordering::Relaxed);
        let DiskOrder { sync_delay_ms, full, sync_fails, forgetful } = disk;
        let sync_delay = Duration::from_millis(sync_delay_ms);
        self.disk.set(DiskSetting { sync_delay, full, sync_fails, forgetful });
        self.number.store(number, Ordering::Release);
    }
}

fn read(path: &Path) -> Result<Ordered, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    toml::from_str(&text).map_err(|error| error.to_string().replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_orders_faults_and_its_next_version_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("faults.toml");
        let write = |text: &str| {
            let next = directory.path().join("next");
            std::fs::write(&next, text).unwrap();
            std::fs::rename(next, &path).unwrap();
        };
        assert!(Injected::start(&path).is_err(), "there is no file");
        write("number = 1\n[disc]\nfull = true\n");
        let unknown = Injected::start(&path).unwrap_err().to_string();
        assert!(unknown.contains("unknown field `disc`"), "{unknown}");

        write("number = 1\n[clock]\njumped_ms = 5000\n");
        let injected = Injected::start(&path).unwrap();
        let first = injected.toll();
        assert_eq!(first.number, 1);
        write("number = 2\n[clock]\njumped_ms = 3605000\n[disk]\nfull = true\n");
        while injected.toll().number < 2 {
            std::thread::yield_now();
        }
        let passed_us = injected.toll().clock_us - first.clock_us;
        // One more hour, not the five seconds again.
        assert!((3_600_000_000..3_604_000_000).contains(&passed_us), "{passed_us}");
        // What is no file of faults changes nothing.
        write("number = three");
        assert_eq!(injected.toll().number, 2);
    }
}
