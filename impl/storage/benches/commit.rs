//! How many records a second a log makes durable, and how long it takes to open again.
//!
//! Question: what does our log add to the bare disk? Workload: records of 1 KB, committed in groups
//! of 1 and of 128; beside it the raw loop that writes the same number of blocks, zero-filled file,
//! same flags, nothing encoded. Machine and noise: two shared cores; identical runs differ by 20 %.
//! An idle processor adds up to 4 ms to a lone sync; run it quiet and compare only within one run.
//!
//! `cargo bench -p ringleader-storage [-- DIRECTORY]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringleader_storage::disk::{DirectoryDisk, Disk};
use ringleader_storage::wal::{Options, Wal};

const RECORD_LENGTH: usize = 1024;
const TURN: Duration = Duration::from_millis(100);
const TURNS: usize = 20;
const RAW_FILE_LENGTH: usize = 64 << 20;

fn main() {
    // Cargo adds `--bench`.
    let place = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let place = place.map_or_else(|| PathBuf::from("."), PathBuf::from);
    let directory = tempfile::tempdir_in(place).expect("the directory can be written to");
    let disk: Arc<dyn Disk> =
        Arc::new(DirectoryDisk::open(directory.path()).expect("a fresh directory is free"));
    let start = Instant::now();
    drop(Wal::create(&disk, Options::new(1)).expect("a fresh directory holds no log"));
    println!("create: {:?}", start.elapsed());
    for batch in [1, 128] {
        let (log, raw) = measure(&disk, batch);
        println!("batch {batch:3}: {}", log.line(batch));
        println!("      raw: {} ({:.0} %)", raw.line(batch), 100.0 * log.rate() / raw.rate());
    }
    let start = Instant::now();
    let (_, recovered) = Wal::open(&disk, Options::new(1)).expect("nothing was damaged");
    let megabytes = recovered.end.0 >> 20;
    println!("open: {} records, {megabytes} MiB in {:?}", recovered.count, start.elapsed());
    let start = Instant::now();
    assert_eq!(recovered.records().map_while(Result::ok).count() as u64, recovered.count);
    println!("read them all: {:?}", start.elapsed());
}

/// How long each commit took.
#[derive(Default)]
struct Measured(Vec<Duration>);

impl Measured {
    /// Commits a second, of the time spent in commits.
    fn rate(&self) -> f64 {
        let count = f64::from(u32::try_from(self.0.len()).expect("a few seconds"));
        count / self.0.iter().sum::<Duration>().as_secs_f64()
    }

    fn line(&self, batch: u32) -> String {
        let mut took = self.0.clone();
        took.sort_unstable();
        let at = |permille: usize| took[(took.len() * permille / 1000).min(took.len() - 1)];
        format!(
            "{:8.0} commits/s {:9.0} records/s   p50 {:?} p99 {:?} p99.9 {:?}",
            self.rate(),
            self.rate() * f64::from(batch),
            at(500),
            at(990),
            at(999)
        )
    }

    fn repeat(&mut self, mut commit: impl FnMut()) {
        let start = Instant::now();
        while start.elapsed() < TURN {
            let before = Instant::now();
            commit();
            self.0.push(before.elapsed());
        }
    }
}

/// The log and the raw loop in turns, so that both see the same neighbours.
fn measure(disk: &Arc<dyn Disk>, batch: u32) -> (Measured, Measured) {
    let (mut wal, _) = Wal::open(disk, Options::new(1)).expect("nothing was damaged");
    wal.prepare_ahead();
    let payload = [7; RECORD_LENGTH];

    // The same number of blocks, round and round in one prepared file.
    let file = disk.create(&format!("raw-{batch}")).expect("the directory can be written to");
    file.write_at(0, &vec![0; RAW_FILE_LENGTH]).expect("the disk works");
    file.sync().expect("the disk works");
    let length = (batch as usize * (RECORD_LENGTH + 40)).next_multiple_of(4096);
    let storage = vec![7; length + 4096];
    let start = storage.as_ptr().align_offset(4096);
    let bytes = &storage[start..start + length];
    let mut offset = 0;

    let (mut log, mut raw) = (Measured::default(), Measured::default());
    for _ in 0..TURNS {
        log.repeat(|| {
            for _ in 0..batch {
                wal.append(1, &payload);
            }
            wal.commit().expect("the disk works");
        });
        raw.repeat(|| {
            file.write_durable(offset as u64, bytes).expect("the disk works");
            offset = (offset + length) % (RAW_FILE_LENGTH - length) / 4096 * 4096;
        });
    }
    (log, raw)
}
