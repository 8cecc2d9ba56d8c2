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
const SECONDS: Duration = Duration::from_secs(2);
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
        let log = measure_log(&disk, batch);
        let raw = measure_raw(&disk, batch);
        println!("batch {batch:3}: {}", log.line(batch));
        println!("   raw loop: {} ({:.0} %)", raw.line(batch), 100.0 * log.rate() / raw.rate());
    }
    let start = Instant::now();
    let (_, recovered) = Wal::open(&disk, Options::new(1)).expect("nothing was damaged");
    let megabytes = recovered.end.0 >> 20;
    println!("open: {} records, {megabytes} MiB in {:?}", recovered.count, start.elapsed());
    let start = Instant::now();
    assert_eq!(recovered.records().map_while(Result::ok).count() as u64, recovered.count);
    println!("read them all: {:?}", start.elapsed());
}

struct Measured {
    /// How long each commit took.
    took: Vec<Duration>,
    all: Duration,
}

impl Measured {
    fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.took.len()).expect("a few seconds")) / self.all.as_secs_f64()
    }

    fn line(&self, batch: u32) -> String {
        let mut took = self.took.clone();
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
}

fn repeat(mut commit: impl FnMut()) -> Measured {
    let start = Instant::now();
    let mut took = Vec::new();
    while start.elapsed() < SECONDS {
        let before = Instant::now();
        commit();
        took.push(before.elapsed());
    }
    Measured { took, all: start.elapsed() }
}

fn measure_log(disk: &Arc<dyn Disk>, batch: u32) -> Measured {
    let opened = Wal::open_or_create(disk, Options::new(1));
    let (mut wal, _) = opened.expect("a fresh directory holds no damage");
    wal.prepare_ahead();
    let payload = [7; RECORD_LENGTH];
    repeat(|| {
        for _ in 0..batch {
            wal.append(1, &payload);
        }
        wal.commit().expect("the disk works");
    })
}

/// The same number of blocks, round and round in one prepared file.
fn measure_raw(disk: &Arc<dyn Disk>, batch: u32) -> Measured {
    let name = format!("raw-{batch}");
    let file = disk.create(&name).expect("the directory can be written to");
    file.write_at(0, &vec![0; RAW_FILE_LENGTH]).expect("the disk works");
    file.sync().expect("the disk works");
    let length = (batch as usize * (RECORD_LENGTH + 40)).next_multiple_of(4096);
    let storage = vec![7; length + 4096];
    let start = storage.as_ptr().align_offset(4096);
    let bytes = &storage[start..start + length];
    let mut offset = 0;
    repeat(|| {
        file.write_durable(offset as u64, bytes).expect("the disk works");
        offset = (offset + length) % (RAW_FILE_LENGTH - length) / 4096 * 4096;
    })
}
