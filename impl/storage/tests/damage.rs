//! Bytes that change after they were durable: found, named, refused; and never a panic.
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

use std::sync::Arc;

use proptest::prelude::*;
use ringleader_storage::disk::{Disk, Image, SimulatedDisk};
use ringleader_storage::wal::{Lsn, OpenError, Options, Wal};

const SEGMENT_LENGTH: usize = 4 * 4096;
const OPTIONS: Options = Options { owner: 1, segment_length: SEGMENT_LENGTH as u64 };

type Records = Vec<(Lsn, Vec<u8>)>;

/// A log of eight groups over three segments, and its records by group.
fn written() -> (Image, Vec<Records>) {
    let disk = SimulatedDisk::new();
    let mut wal = Wal::create(&shared(disk.clone()), OPTIONS).unwrap();
    let mut groups = Vec::new();
    for group in 0..8_u8 {
        let records = (0..=group % 3).map(|record| vec![16 * group + record; 900]);
        groups.push(records.map(|payload| (wal.append(2, &payload), payload)).collect());
        wal.commit().unwrap();
    }
    (disk.cached_image(), groups)
}

fn shared(disk: SimulatedDisk) -> Arc<dyn Disk> {
    Arc::new(disk)
}

fn open(image: Image) -> Result<Records, OpenError> {
    let (_, recovered) = Wal::open(&shared(image.into_disk()), OPTIONS)?;
    let records = recovered.records().map(Result::unwrap);
    Ok(records.map(|record| (record.lsn, record.payload)).collect())
}

fn segment(lsn: Lsn) -> (String, usize) {
    let lsn = usize::try_from(lsn.0).unwrap();
    (format!("{:012}.wal", lsn / SEGMENT_LENGTH), lsn % SEGMENT_LENGTH)
}

#[test]
fn every_flipped_byte_is_refused_or_cut_or_harmless() {
    let (image, groups) = written();
    let all = groups.concat();
    let last = groups.last().unwrap();
    let without_last = groups[..groups.len() - 1].concat();
    let (mut refused, mut cut, mut harmless) = (0, 0, 0);
    let names: Vec<_> = image.clone().files_mut().keys().cloned().collect();
    for name in names {
        let length = image.clone().files_mut()[&name].len();
        for offset in (0..length).step_by(7) {
            let mut damaged = image.clone();
            damaged.files_mut().get_mut(&name).unwrap()[offset] ^= 0x10;
            let hit = all.iter().find(|(lsn, payload)| {
                let (file, start) = segment(*lsn);
                file == name && (start..start + 40 + payload.len()).contains(&offset)
            });
            match (open(damaged), hit) {
                (Ok(found), Some(hit)) if last.contains(hit) => {
                    assert_eq!(found, without_last, "{name} {offset}: the last group is cut");
                    cut += 1;
                }
                (Ok(found), None) => {
                    assert_eq!(found, all, "{name} {offset}: no record was hit");
                    harmless += 1;
                }
                (Err(OpenError::Damaged(damage)), Some((lsn, _))) => {
                    assert_eq!(damage.file, name);
                    assert_eq!(damage.offset, segment(*lsn).1 as u64);
                    refused += 1;
                }
                // A header, or a seal.
                (Err(_), None) => refused += 1,
                (Ok(_), Some(_)) => panic!("{name} {offset}: damage went unnoticed"),
                (Err(error), Some(_)) => panic!("{name} {offset}: {error}"),
            }
        }
    }
    assert!(refused > 1000 && cut > 200 && harmless > 1000, "{refused} {cut} {harmless}");
}

#[test]
fn a_missing_or_shortened_file_is_named() {
    let (image, _) = written();
    let names: Vec<_> = image.clone().files_mut().keys().cloned().collect();
    assert_eq!(names.len(), 4, "identity and three segments: {names:?}");
    for name in &names {
        let mut damaged = image.clone();
        damaged.files_mut().remove(name);
        let error = open(damaged).unwrap_err();
        assert!(error.to_string().starts_with(name.as_str()), "{error}");

        let mut damaged = image.clone();
        let bytes = damaged.files_mut().get_mut(name).unwrap();
        bytes.truncate(bytes.len() / 2);
        let error = open(damaged).unwrap_err();
        assert!(error.to_string().starts_with(name.as_str()), "{error}");
    }
}

#[test]
fn a_wiped_log_is_refused_and_an_empty_directory_is_new() {
    let (mut image, _) = written();
    image.files_mut().retain(|name, _| name == "identity");
    assert_eq!(
        open(image.clone()).unwrap_err().to_string(),
        "000000000000.wal: damaged at byte 0: expected the first segment of a log that exists: \
         was the directory wiped?, found no such file"
    );
    let disk: Arc<dyn Disk> = Arc::new(image.clone().into_disk());
    assert!(matches!(Wal::open_or_create(&disk, OPTIONS), Err(OpenError::Damaged(_))));
    image.files_mut().clear();
    assert!(matches!(open(image.clone()), Err(OpenError::NotFound)));
    assert!(Wal::open_or_create(&shared(image.into_disk()), OPTIONS).unwrap().1.created);
}

#[test]
fn a_segment_from_elsewhere_is_no_part_of_this_log() {
    let (image, _) = written();
    let mut swapped = image.clone();
    let other = swapped.files_mut()["000000000001.wal"].clone();
    swapped.files_mut().insert("000000000002.wal".to_owned(), other);
    assert!(matches!(open(swapped), Err(OpenError::Damaged(_))));

    let mut version = image;
    let bytes = version.files_mut().get_mut("identity").unwrap();
    bytes[8] = 9;
    let checksum = crc32c::crc32c(&bytes[..40]);
    bytes[40..44].copy_from_slice(&checksum.to_le_bytes());
    let error = open(version).unwrap_err();
    assert_eq!(error.to_string(), "identity: format version 9, this program reads 1");
}

#[test]
fn a_whole_record_that_belongs_to_no_group_is_not_taken() {
    let (mut image, groups) = written();
    // The second record of the last group that has two, as if left over from an older group.
    let (group, records) = groups.iter().enumerate().rfind(|(_, group)| group.len() > 1).unwrap();
    let (lsn, payload) = &records[1];
    let (file, at) = segment(*lsn);
    let record = image.files_mut().get_mut(&file).unwrap();
    let record = &mut record[at..at + 40 + payload.len()];
    record[16..24].copy_from_slice(&lsn.0.to_le_bytes());
    let checksum = crc32c::crc32c(&record[4..]);
    record[0..4].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(group, groups.len() - 1, "the last group has two");
    assert_eq!(open(image).unwrap(), groups[..group].concat());
}

#[test]
fn a_position_that_is_no_record_is_an_error() {
    let (image, groups) = written();
    let disk: Arc<dyn Disk> = Arc::new(image.into_disk());
    let (wal, recovered) = Wal::open(&disk, OPTIONS).unwrap();
    let starts: Vec<_> = groups.concat().into_iter().map(|(lsn, _)| lsn).collect();
    for position in (0..recovered.end.0 + 5000).map(Lsn) {
        assert_eq!(wal.reader().read(position).is_ok(), starts.contains(&position), "{position}");
    }
}

/// One way to change a file.
#[derive(Clone, Debug)]
enum Change {
    Fill {
        at: usize,
        length: usize,
        byte: u8,
    },
    Copy {
        from: usize,
        to: usize,
        length: usize,
    },
    Truncate {
        at: usize,
    },
    /// A record with a right checksum and any fields.
    Forge {
        block: usize,
        length: u32,
        fields: [u64; 3],
        kind: u8,
        last: u8,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let at = || 0..SEGMENT_LENGTH;
    // Half of the forged fields are positions that exist, so that some get past the first check.
    let field = || prop_oneof![any::<u64>(), (0..40_u64).prop_map(|block| block * 4096)];
    prop_oneof![
        (at(), 0..9000_usize, any::<u8>()).prop_map(|(at, length, byte)| Change::Fill {
            at,
            length,
            byte
        }),
        (at(), at(), 0..9000_usize).prop_map(|(from, to, length)| Change::Copy {
            from,
            to,
            length
        }),
        at().prop_map(|at| Change::Truncate { at }),
        (0..4_usize, 0..13_000_u32, [field(), field(), field()], 0..4_u8, 0..3_u8).prop_map(
            |(block, length, fields, kind, last)| Change::Forge {
                block,
                length,
                fields,
                kind,
                last
            }
        ),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    let size = bytes.len();
    match *change {
        Change::Fill { at, length, byte } => {
            bytes[at.min(size)..(at + length).min(size)].fill(byte);
        }
        Change::Copy { from, to, length } => {
            let (from, to) = (from.min(size), to.min(size));
            let length = length.min(size - from).min(size - to);
            bytes.copy_within(from..from + length, to);
        }
        Change::Truncate { at } => bytes.truncate(at),
        Change::Forge { block, length, fields, kind, last } => {
            let mut record = vec![0; 40 + length as usize];
            record[4..8].copy_from_slice(&length.to_le_bytes());
            for (index, field) in fields.iter().enumerate() {
                record[8 + 8 * index..16 + 8 * index].copy_from_slice(&field.to_le_bytes());
            }
            (record[32], record[33]) = (kind, last);
            let checksum = crc32c::crc32c(&record[4..]);
            record[0..4].copy_from_slice(&checksum.to_le_bytes());
            let at = block * 4096;
            if at + record.len() <= size {
                bytes[at..at + record.len()].copy_from_slice(&record);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn arbitrary_bytes_never_panic_and_a_log_that_opens_goes_on(
        changes in prop::collection::vec((0..4_usize, change()), 1..6),
    ) {
        let (mut image, _) = written();
        let names: Vec<_> = image.files_mut().keys().cloned().collect();
        for (file, change) in changes {
            apply(&change, image.files_mut().get_mut(&names[file]).unwrap());
        }
        let disk: Arc<dyn Disk> = Arc::new(image.into_disk());
        if let Ok((mut wal, recovered)) = Wal::open(&disk, OPTIONS) {
            let mut expected: Vec<_> = recovered.records().map(Result::unwrap).collect();
            let reader = wal.reader();
            for size in [10, 5000, 9000] {
                let payload = vec![7; size];
                let lsn = wal.append(4, &payload);
                wal.commit().unwrap();
                expected.push(reader.read(lsn).unwrap());
            }
            drop(wal);
            let (_, recovered) = Wal::open(&disk, OPTIONS).unwrap();
            let found: Vec<_> = recovered.records().map(Result::unwrap).collect();
            prop_assert!(found == expected);
        }
    }
}
