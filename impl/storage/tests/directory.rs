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
