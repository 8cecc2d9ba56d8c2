//! Every crash point, times every disk that a crash there could leave.
//!
//! A script appends four records in groups, over two segments. For each operation the disk is asked
//! for, the run is cut there; for each subset of the unsynced sectors and each prefix of the unsynced
//! names the log is opened again and must hold `WAL-1` to `WAL-4` (see `wal`): a prefix of what was
//! appended, with all that was acknowledged, whole groups, and the same after opening again, also
//! when the opening crashed at any point.
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

use std::sync::Arc;

use ringleader_storage::disk::{Disk, Fault, Image, SimulatedDisk};
use ringleader_storage::wal::{Lsn, OpenError, Options, Wal, WriteError};

/// Two blocks of records per segment, so that four records can take two segments.
const OPTIONS: Options = Options { owner: 3, segment_length: 3 * 4096 };

/// Payloads longer than a sector, so that tearing happens inside records and between them.
const PAYLOAD_LENGTH: usize = 600;

type Payload = Vec<u8>;

/// What a run was told before it ended.
#[derive(Debug, Default)]
struct Run {
    /// Whether the log's creation was acknowledged.
    created: bool,
    /// What was appended, by group; the last may not have been written at all.
    appended: Vec<Vec<Payload>>,
    /// How many groups were acknowledged.
    acknowledged: usize,
}

impl Run {
    /// The states that a log may have afterwards: whole groups, and all that were acknowledged.
    fn allowed(&self) -> Vec<Vec<Payload>> {
        (self.acknowledged..=self.appended.len())
            .map(|groups| self.appended[..groups].concat())
            .collect()
    }
}

/// Every way to write four records in groups: 4, 3+1, 1+3, 2+2, ... 1+1+1+1.
fn scripts() -> Vec<Vec<Vec<Payload>>> {
    (0..8_u8)
        .map(|ends| {
            let mut groups = vec![Vec::new()];
            for record in 0..4_u8 {
                groups.last_mut().unwrap().push(vec![record + 1; PAYLOAD_LENGTH]);
                if record < 3 && ends >> record & 1 == 1 {
                    groups.push(Vec::new());
                }
            }
            groups
        })
        .collect()
}

fn shared(disk: &SimulatedDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Creates a log and writes the script until something fails.
fn run(disk: &SimulatedDisk, script: &[Vec<Payload>]) -> Run {
    let mut run = Run::default();
    let Ok(mut wal) = Wal::create(&shared(disk), OPTIONS) else {
        return run;
    };
    run.created = true;
    write(&mut wal, script, &mut run);
    run
}

fn write(wal: &mut Wal, script: &[Vec<Payload>], run: &mut Run) {
    for group in script {
        for payload in group {
            wal.append(9, payload);
        }
        run.appended.push(group.clone());
        if wal.commit().is_err() {
            return;
        }
        run.acknowledged = run.appended.len();
    }
}

/// Opens a log that exists and returns its payloads.
fn open(disk: &SimulatedDisk) -> Result<(Wal, Vec<Payload>), OpenError> {
    let (wal, recovered) = Wal::open(&shared(disk), OPTIONS)?;
    let payloads: Vec<_> = recovered.records().map(|record| record.unwrap().payload).collect();
    assert_eq!(recovered.count, payloads.len() as u64);
    Ok((wal, payloads))
}

/// How many operations the whole script asks of the disk.
fn operations(script: &[Vec<Payload>]) -> u64 {
    let disk = SimulatedDisk::new();
    let whole = run(&disk, script);
    assert_eq!(whole.acknowledged, script.len());
    disk.operations()
}

/// Checks one image a crash could leave after `run`.
fn check(image: &Image, run: &Run, context: &str) {
    let disk = image.clone().into_disk();
    let (mut wal, found) = match open(&disk) {
        Ok(opened) => opened,
        Err(OpenError::NotFound) if !run.created => {
            let (_, recovered) = Wal::open_or_create(&shared(&disk), OPTIONS).unwrap();
            assert!(recovered.created && recovered.count == 0, "{context}");
            return;
        }
        Err(error) => panic!("{context}: {error}"),
    };
    let allowed = run.allowed();
    assert!(allowed.contains(&found), "{context}: {} records", found.len());

    // Goes on from here, and what was cut stays away.
    let (mut expected, marker) = (found.clone(), vec![77; 10]);
    wal.append(9, &marker);
    wal.commit().unwrap();
    drop(wal);
    expected.push(marker);
    assert!(open(&disk).unwrap().1 == expected, "{context}: after going on");

    // The same again, whatever happens to the first attempt.
    let attempt = image.clone().into_disk();
    open(&attempt).unwrap();
    for point in 0..attempt.operations() {
        let disk = image.clone().into_disk();
        disk.crash_after(point);
        let Err(_) = open(&disk) else { panic!("{context}: recovery survived its crash") };
        for image in disk.images() {
            let again = open(&image.into_disk()).unwrap().1;
            assert!(again == found, "{context}: recovery crashed at {point}");
        }
    }
}

#[test]
fn after_every_crash_the_log_is_a_prefix_with_all_that_was_acknowledged() {
    let mut images = 0;
    for script in scripts() {
        for point in 0..=operations(&script) {
            let disk = SimulatedDisk::new();
            disk.crash_after(point);
            let run = run(&disk, &script);
            for (number, image) in disk.images().iter().enumerate() {
                let groups: Vec<_> = script.iter().map(Vec::len).collect();
                check(image, &run, &format!("groups {groups:?}, crash {point}, image {number}"));
                images += 1;
            }
        }
    }
    // Pinned so that a matrix that shrinks is noticed.
    assert_eq!(images, 700, "images checked");
}

#[test]
fn what_a_new_process_was_told_survives_a_power_loss() {
    // The process dies before its sync; the next one reads the page cache and must not pass on
    // what a power loss takes away.
    for script in scripts() {
        for point in 0..operations(&script) {
            let disk = SimulatedDisk::new();
            disk.crash_after(point);
            let run = run(&disk, &script);
            disk.restart();
            let found = match open(&disk) {
                Ok((_, found)) => found,
                Err(OpenError::NotFound) if !run.created => continue,
                Err(error) => panic!("crash {point}: {error}"),
            };
            assert!(run.allowed().contains(&found), "crash {point}");
            for image in disk.images() {
                assert!(open(&image.into_disk()).unwrap().1 == found, "crash {point}");
            }
        }
    }
}

#[test]
fn a_cut_group_never_comes_back_in_place_of_a_new_one() {
    // Old group: same, old. After the cut the new process writes: same, new. The first sectors of
    // both are equal, so a second crash that keeps only those would complete the old group.
    let (same, old, new) = (vec![1; PAYLOAD_LENGTH], vec![2; PAYLOAD_LENGTH], vec![3; 100]);
    let script = [vec![same.clone(), old]];
    for point in 0..operations(&script) {
        let disk = SimulatedDisk::new();
        disk.crash_after(point);
        if !run(&disk, &script).created {
            continue;
        }
        for image in disk.images() {
            let total = {
                let disk = image.clone().into_disk();
                let (mut wal, _) = open(&disk).unwrap();
                write(&mut wal, &[vec![same.clone(), new.clone()]], &mut Run::default());
                disk.operations()
            };
            for second_point in 0..total {
                let disk = image.clone().into_disk();
                disk.crash_after(second_point);
                let Ok((mut wal, found)) = open(&disk) else { continue };
                let mut run = Run { created: true, appended: vec![found], acknowledged: 1 };
                write(&mut wal, &[vec![same.clone(), new.clone()]], &mut run);
                for image in disk.images() {
                    let found = open(&image.into_disk()).unwrap().1;
                    assert!(run.allowed().contains(&found), "crash {point}, then {second_point}");
                }
            }
        }
    }
}

#[test]
fn after_a_failed_operation_nothing_is_acknowledged_any_more() {
    for script in scripts() {
        for operation in 0..operations(&script) {
            let disk = SimulatedDisk::new();
            disk.fail_at(Fault::Operation(operation));
            let Ok(mut wal) = Wal::create(&shared(&disk), OPTIONS) else {
                continue;
            };
            let mut run = Run { created: true, ..Run::default() };
            write(&mut wal, &script, &mut run);
            assert!(run.acknowledged < script.len(), "operation {operation} failed unnoticed");
            // Readers see what was acknowledged, and no more.
            let records = wal.reader().records(Lsn(0)).map(|record| record.unwrap().payload);
            assert!(records.eq(run.appended[..run.acknowledged].concat()), "operation {operation}");
            // The disk works again; the log must not.
            wal.append(9, b"after the failure");
            for _ in 0..2 {
                let error = wal.commit().unwrap_err();
                assert!(matches!(error, WriteError::Stopped { .. }), "{error}");
            }
            for image in disk.images() {
                let found = open(&image.into_disk()).unwrap().1;
                assert!(run.allowed().contains(&found), "operation {operation}");
            }
        }
    }
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_durable_before_it_is_passed_on() {
    // The process ends because its disk failed; the next one reads what was written from the page
    // cache, finds it whole, and power fails. A sync writes nothing of it: those pages are clean.
    let mut images = 0;
    for script in scripts() {
        for operation in 0..operations(&script) {
            let disk = SimulatedDisk::new();
            disk.fail_at(Fault::Operation(operation));
            let run = run(&disk, &script);
            disk.restart();
            let found = match open(&disk) {
                Ok((_, found)) => found,
                Err(OpenError::NotFound) if !run.created => continue,
                Err(error) => panic!("operation {operation}: {error}"),
            };
            assert!(run.allowed().contains(&found), "operation {operation}");
            for image in disk.images() {
                let again = open(&image.into_disk()).unwrap().1;
                assert!(again == found, "operation {operation} of {:?}", script.len());
                images += 1;
            }
        }
    }
    assert!(images > 50, "{images} images checked");
}

#[test]
fn a_full_disk_is_named_and_loses_nothing_acknowledged() {
    fill_and_go_on(false);
    fill_and_go_on(true);
}

fn fill_and_go_on(ahead: bool) {
    let disk = SimulatedDisk::new();
    let mut wal = Wal::create(&shared(&disk), OPTIONS).unwrap();
    disk.set_capacity(Some(5 * OPTIONS.segment_length / 2));
    if ahead {
        wal.prepare_ahead();
    }
    let mut acknowledged = Vec::new();
    let error = loop {
        let payload = vec![acknowledged.len().try_into().unwrap(); 3000];
        wal.append(1, &payload);
        match wal.commit() {
            Ok(_) => acknowledged.push(payload),
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "disk full: no room for segment 000000000002.wal of 12288 bytes");
    assert_eq!(acknowledged.len(), 3, "two segments of two groups, less the one in flight");
    drop(wal);
    for image in disk.images() {
        assert_eq!(open(&image.into_disk()).unwrap().1, acknowledged);
    }
    // Still full: it opens. With room again: it goes on.
    disk.set_capacity(None);
    let (mut wal, found) = open(&disk).unwrap();
    assert_eq!(found, acknowledged);
    for _ in 0..10 {
        acknowledged.push(vec![5; 3000]);
        wal.append(1, acknowledged.last().unwrap());
        wal.commit().unwrap();
    }
    assert_eq!(open(&disk).unwrap().1, acknowledged);
}
