//! Every crash point of a log that is trimmed and recycles its segments, times every disk that a
//! crash there could leave (`WAL-7` of `wal`).
//!
//! A script appends records, one per group and two groups per segment, and trims twice between them;
//! the segments that go come back at the end of the log.
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

use std::sync::Arc;

use ringleader_storage::disk::{Disk, Image, SimulatedDisk};
use ringleader_storage::wal::{Lsn, OpenError, Options, ReadError, Wal, WriteError};

/// Two blocks of records per segment.
const OPTIONS: Options = Options { owner: 3, segment_length: 3 * 4096 };

/// Commits of the script.
const RECORDS: u8 = 12;

/// After so many commits, the log is trimmed below the record with this number.
const TRIMS: [(u8, u8); 2] = [(5, 3), (9, 7)];

fn payload(number: u8) -> Vec<u8> {
    vec![number + 1; 600]
}

fn shared(disk: &SimulatedDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// What a run was told before it ended.
#[derive(Debug, Default)]
struct Run {
    created: bool,
    /// How many records were handed over, and how many of them acknowledged.
    appended: u8,
    acknowledged: u8,
    /// Below which record the log may have been trimmed, and below which it was.
    trims_begun: u8,
    trims_done: u8,
}

impl Run {
    /// The records that a segment boundary leaves when those below `number` are not needed.
    fn first_left(number: u8) -> u8 {
        number / 2 * 2
    }

    fn allows(&self, found: &[Vec<u8>]) -> bool {
        let first = [self.trims_begun, self.trims_done].map(Self::first_left);
        (self.acknowledged..=self.appended).any(|end| {
            first.iter().any(|&first| found.iter().cloned().eq((first..end).map(payload)))
        })
    }
}

fn run(disk: &SimulatedDisk) -> Run {
    let mut run = Run::default();
    let Ok(mut wal) = Wal::create(&shared(disk), OPTIONS) else { return run };
    run.created = true;
    let mut positions = Vec::new();
    for number in 0..RECORDS {
        positions.push(wal.append(9, &payload(number)));
        run.appended = number + 1;
        if wal.commit().is_err() {
            return run;
        }
        run.acknowledged = number + 1;
        let trim = TRIMS.iter().find(|(after, _)| *after == run.acknowledged);
        if let Some(&(_, below)) = trim {
            run.trims_begun = below;
            if wal.trimmer().trim(positions[usize::from(below)]).is_err() {
                return run;
            }
            run.trims_done = below;
        }
    }
    run
}

fn open(disk: &SimulatedDisk) -> Result<(Wal, Vec<Vec<u8>>), OpenError> {
    let (wal, recovered) = Wal::open(&shared(disk), OPTIONS)?;
    let payloads: Vec<_> = recovered.records().map(|record| record.unwrap().payload).collect();
    assert_eq!(recovered.count, payloads.len() as u64);
    Ok((wal, payloads))
}

/// Checks one image that a crash could leave after `run`.
fn check(image: &Image, run: &Run, context: &str) {
    let disk = image.clone().into_disk();
    let (mut wal, mut found) = match open(&disk) {
        Ok(opened) => opened,
        Err(OpenError::NotFound) if !run.created => return,
        Err(error) => panic!("{context}: {error}"),
    };
    assert!(run.allows(&found), "{context}: {} records, {run:?}", found.len());
    // Goes on, into further segments, trims again, and finds the same afterwards.
    let mut last = Lsn(0);
    for number in 100..105 {
        last = wal.append(9, &payload(number));
        wal.commit().unwrap();
        found.push(payload(number));
    }
    drop(wal);
    let (wal, again) = open(&disk).unwrap();
    assert!(again == found, "{context}: after going on");
    wal.trimmer().trim(last).unwrap();
    drop(wal);
    let left = open(&disk).unwrap().1;
    assert!(left.len() <= 2 && found.ends_with(&left), "{context}: after another trim");
}

#[test]
fn after_every_crash_the_log_begins_where_it_may() {
    let disk = SimulatedDisk::new();
    let whole = run(&disk);
    assert_eq!((whole.acknowledged, whole.trims_done), (RECORDS, 7));
    let mut images = 0;
    for point in 0..=disk.operations() {
        let disk = SimulatedDisk::new();
        disk.crash_after(point);
        let run = run(&disk);
        for (number, image) in disk.images().iter().enumerate() {
            check(image, &run, &format!("crash {point}, image {number}"));
            images += 1;
        }
        // The process dies and the page cache stays.
        disk.restart();
        check(&disk.cached_image(), &run, &format!("process crash {point}"));
    }
    // Pinned so that a matrix that shrinks is noticed.
    assert_eq!(images, 238, "images checked");
}

#[test]
fn segments_are_used_again() {
    let disk = SimulatedDisk::new();
    let mut wal = Wal::create(&shared(&disk), OPTIONS).unwrap();
    let mut first = Lsn(0);
    for number in 0..40 {
        let lsn = wal.append(9, &payload(number));
        wal.commit().unwrap();
        first = wal.trimmer().trim(lsn).unwrap();
    }
    assert_eq!(first, Lsn(19 * OPTIONS.segment_length + 4096), "two groups per segment");
    // The segment in use, the next one, two to be used again, the identity.
    let names = disk.list().unwrap();
    assert!(names.len() <= 5, "{names:?}");
    // Past the third segment none is filled with zeros: header, group, names.
    let (_, recovered) = Wal::open(&shared(&disk), OPTIONS).unwrap();
    assert!(recovered.trimmed && recovered.start == first);
}

#[test]
fn a_full_disk_does_not_stop_a_log_that_is_trimmed() {
    let disk = SimulatedDisk::new();
    let mut wal = Wal::create(&shared(&disk), OPTIONS).unwrap();
    disk.set_capacity(Some(5 * OPTIONS.segment_length));
    for number in 0..100 {
        let lsn = wal.append(9, &payload(number));
        wal.commit().unwrap();
        wal.trimmer().trim(lsn).unwrap();
    }
}

#[test]
fn what_was_trimmed_is_said_to_be_trimmed() {
    let disk = SimulatedDisk::new();
    let mut wal = Wal::create(&shared(&disk), OPTIONS).unwrap();
    let reader = wal.reader();
    let positions: Vec<Lsn> = (0..12)
        .map(|number| {
            let lsn = wal.append(9, &payload(number));
            wal.commit().unwrap();
            lsn
        })
        .collect();
    let mut running = reader.records(positions[0]);
    running.next().unwrap().unwrap();
    let start = wal.trimmer().trim(positions[7]).unwrap();
    assert_eq!(start, positions[6]);
    // Recycles the segments that the reader has open.
    for number in 12..18 {
        wal.append(9, &payload(number));
        wal.commit().unwrap();
    }
    let trimmed = |error| matches!(error, ReadError::Trimmed { start: it, .. } if it == start);
    for lsn in &positions[..6] {
        assert!(trimmed(reader.read(*lsn).unwrap_err()));
        assert!(trimmed(reader.records(*lsn).next().unwrap().unwrap_err()));
    }
    assert_eq!(reader.read(positions[6]).unwrap().payload, payload(6));
    // It goes on in the segment that it holds, and finds that the next one is gone.
    assert_eq!(running.next().unwrap().unwrap().payload, payload(1));
    assert!(trimmed(running.next().unwrap().unwrap_err()));
    assert!(running.next().is_none());
}

#[test]
fn a_failure_while_trimming_is_reported_and_loses_nothing() {
    let (script, count) = (SimulatedDisk::new(), 6);
    let written = |disk: &SimulatedDisk| {
        let mut wal = Wal::create(&shared(disk), OPTIONS).unwrap();
        let lsns: Vec<_> = (0..count)
            .map(|number| {
                let lsn = wal.append(9, &payload(number));
                wal.commit().unwrap();
                lsn
            })
            .collect();
        (wal, lsns)
    };
    let (wal, lsns) = written(&script);
    let before = script.operations();
    wal.trimmer().trim(lsns[5]).unwrap();
    assert!(script.operations() > before);
    for operation in before..script.operations() {
        let disk = SimulatedDisk::new();
        let (wal, lsns) = written(&disk);
        disk.fail_at(ringleader_storage::disk::Fault::Operation(operation));
        let error = wal.trimmer().trim(lsns[5]).unwrap_err();
        assert!(matches!(error, WriteError::Io { .. }), "{error}");
        for image in disk.images() {
            let found = open(&image.into_disk()).unwrap().1;
            let whole = found.iter().cloned().eq((0..count).map(payload));
            assert!(whole || found == [payload(4), payload(5)], "operation {operation}");
        }
    }
}
