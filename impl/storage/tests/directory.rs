//! The log on a real directory: what a node does in its life.
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

use std::sync::Arc;

use ringleader_storage::disk::{DirectoryDisk, Disk};
use ringleader_storage::wal::{OpenError, Options, Wal};

fn disk(path: &std::path::Path) -> Arc<dyn Disk> {
    Arc::new(DirectoryDisk::open(path).unwrap())
}

#[test]
fn records_of_many_groups_and_segments_are_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { owner: 1, segment_length: 64 << 10 };
    let mut expected = Vec::new();
    for start in 0..3_u8 {
        let (mut wal, recovered) = Wal::open_or_create(&disk(directory.path()), options).unwrap();
        assert_eq!(recovered.created, start == 0);
        assert_eq!(recovered.cut, None);
        let found: Vec<_> = recovered.records().map(Result::unwrap).collect();
        assert_eq!(recovered.count, found.len() as u64);
        let found: Vec<_> =
            found.into_iter().map(|record| (record.lsn, record.stream, record.payload)).collect();
        assert_eq!(found, expected);
        if start > 0 {
            wal.prepare_ahead();
        }
        for group in 0..40_u8 {
            for record in 0..group % 5 {
                let payload = vec![start ^ group ^ record; usize::from(group) * 97];
                let lsn = wal.append(u64::from(record), &payload);
                expected.push((lsn, u64::from(record), payload));
            }
            assert!(wal.commit().unwrap() >= wal.reader().end());
        }
        let reader = wal.reader();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (lsn, stream, payload) in &expected {
                    let record = reader.read(*lsn).unwrap();
                    assert_eq!((record.stream, &record.payload), (*stream, payload));
                }
            });
        });
    }
    assert!(disk(directory.path()).list().unwrap().len() > 5, "several segments");
}

#[test]
fn a_directory_serves_one_process_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = disk(directory.path());
    let error = DirectoryDisk::open(directory.path()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    drop(first);
    disk(directory.path());
}

#[test]
fn opening_nothing_and_creating_twice_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new(1);
    let nothing = Wal::open(&disk(directory.path()), options).unwrap_err();
    assert!(matches!(nothing, OpenError::NotFound), "{nothing}");
    drop(Wal::create(&disk(directory.path()), options).unwrap());
    let twice = Wal::create(&disk(directory.path()), options).unwrap_err();
    assert!(matches!(twice, OpenError::Exists), "{twice}");
    let other = Wal::open(&disk(directory.path()), Options::new(2)).unwrap_err();
    assert_eq!(other.to_string(), "the log belongs to owner 1, not to 2");
}

#[test]
fn durable_writes_read_back_whether_or_not_they_can_be_direct() {
    let directory = tempfile::tempdir().unwrap();
    let disk = disk(directory.path());
    let file = disk.create("file").unwrap();
    let mut expected = vec![0; 64 << 10];
    file.write_at(0, &expected).unwrap();
    let storage: Vec<u8> = (0..40_000).map(|at| (at % 251).try_into().unwrap()).collect();
    let aligned = storage.as_ptr().align_offset(4096);
    // (where in memory, how much, where in the file): direct, and each of the three misaligned.
    for (from, length, at) in [
        (aligned, 8192, 4096),
        (aligned + 1, 8192, 12288),
        (aligned, 100, 0),
        (aligned, 4096, 30_000),
    ] {
        let bytes = &storage[from..from + length];
        file.write_durable(at as u64, bytes).unwrap();
        expected[at..at + length].copy_from_slice(bytes);
        let mut found = vec![0; expected.len()];
        disk.open("file").unwrap().read_at(0, &mut found).unwrap();
        assert!(found == expected, "{length} bytes at {at}");
    }
    assert!(disk.create("file").is_err(), "the name is taken");
}

#[test]
fn a_reader_follows_a_log_that_is_being_written() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { owner: 1, segment_length: 64 << 10 };
    let mut wal = Wal::create(&disk(directory.path()), options).unwrap();
    wal.prepare_ahead();
    let reader = wal.reader();
    let (sender, committed) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for (lsn, payload) in committed {
                assert_eq!(reader.read(lsn).unwrap().payload, payload);
            }
        });
        for record in 0..200_u8 {
            let payload = vec![record; 2000];
            let lsn = wal.append(0, &payload);
            assert!(wal.reader().read(lsn).is_err(), "not before it is durable");
            assert!(wal.commit().unwrap() > lsn);
            sender.send((lsn, payload)).unwrap();
        }
        drop(sender);
    });
}
