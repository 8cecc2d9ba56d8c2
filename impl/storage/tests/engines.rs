//! The tree against a `BTreeMap`, and the tree after a crash.
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use redb::StorageBackend;
use ringleader_storage::disk::{DirectoryDisk, Disk};
use ringleader_storage::engine::{
    Change, Engine, Folding, MemoryEngine, TreeEngine, TreeError, TreeOptions,
};

/// So small that a few entries fold, in several transactions.
const SMALL: TreeOptions = TreeOptions {
    delta_bytes_max: 600,
    folding: Folding::Inline,
    fold_keys_max: 3,
    cache_bytes: 1 << 20,
};

/// The same on a thread of its own.
const BESIDE: TreeOptions = TreeOptions { folding: Folding::Background, ..SMALL };

/// The tree in a directory, which nobody else may have open.
fn open_in(directory: &std::path::Path) -> Result<TreeEngine, TreeError> {
    let disk: Arc<dyn Disk> = Arc::new(DirectoryDisk::open(directory).unwrap());
    TreeEngine::open_on(&disk, "tree.redb", TreeOptions::default())
}

/// A device for redb that keeps apart what was written and what was synced.
#[derive(Clone, Debug, Default)]
struct Device {
    bytes: Arc<Mutex<Bytes>>,
}

#[derive(Clone, Debug, Default)]
struct Bytes {
    stable: Vec<u8>,
    cached: Vec<u8>,
    /// What each sync since the last look left: a power loss right after it finds just that.
    syncs: Vec<Vec<u8>>,
}

const PAGE: usize = 4096;

impl Device {
    /// What a power loss leaves: the stable bytes, and those unsynced pages that `keeps` picks.
    fn after_power_loss(&self, keeps: impl Fn(usize) -> bool) -> Self {
        let Bytes { stable, cached, .. } = self.bytes.lock().unwrap().clone();
        let mut left = stable.clone();
        left.resize(cached.len().max(stable.len()), 0);
        for (page, bytes) in cached.chunks(PAGE).enumerate() {
            if keeps(page) {
                left[page * PAGE..page * PAGE + bytes.len()].copy_from_slice(bytes);
            }
        }
        Self::holding(left)
    }

    fn holding(bytes: Vec<u8>) -> Self {
        let bytes = Bytes { stable: bytes.clone(), cached: bytes, syncs: Vec::new() };
        Self { bytes: Arc::new(Mutex::new(bytes)) }
    }

    fn take_syncs(&self) -> Vec<Self> {
        let syncs = std::mem::take(&mut self.bytes.lock().unwrap().syncs);
        syncs.into_iter().map(Self::holding).collect()
    }
}

impl StorageBackend for Device {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let bytes = self.bytes.lock().unwrap();
        let found = bytes.cached.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap();
        self.bytes.lock().unwrap().cached.resize(length, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let Bytes { stable, cached, syncs } = &mut *self.bytes.lock().unwrap();
        stable.clone_from(cached);
        syncs.push(stable.clone());
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.bytes.lock().unwrap().cached[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn contents<E: Engine>(
    engine: &E,
    range: (Bound<&[u8]>, Bound<&[u8]>),
    limit: usize,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        found.len() < limit
    };
    engine.scan(range, visit).unwrap();
    found
}

fn contents_back<E: Engine>(
    engine: &E,
    range: (Bound<&[u8]>, Bound<&[u8]>),
    limit: usize,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        found.len() < limit
    };
    engine.scan_back(range, visit).unwrap();
    found
}

fn everything<E: Engine>(engine: &E) -> Vec<(Vec<u8>, Vec<u8>)> {
    contents(engine, (Bound::Unbounded, Bound::Unbounded), usize::MAX)
}

/// Few keys, one of them empty and one a prefix of another, so that they meet.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        (0..12_u8).prop_map(|key| vec![key]),
        (0..3_u8, 0..3_u8).prop_map(|(first, second)| vec![first, second]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<Change>),
    Checkpoint,
    Get(Vec<u8>),
    Scan(Bound<Vec<u8>>, Bound<Vec<u8>>, usize),
    /// Close and open again: back at some index from the last checkpoint on.
    Reopen,
    /// Power loss that keeps the unsynced pages whose bit is set.
    PowerLoss(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let put = (key(), prop::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(key, value)| Change::Put { key, value });
    let change = prop_oneof![3 => put, 1 => key().prop_map(|key| Change::Delete { key })];
    let bound = || {
        prop_oneof![
            Just(Bound::Unbounded),
            key().prop_map(Bound::Included),
            key().prop_map(Bound::Excluded),
        ]
    };
    prop_oneof![
        8 => prop::collection::vec(change, 0..4).prop_map(Step::Apply),
        1 => Just(Step::Checkpoint),
        2 => key().prop_map(Step::Get),
        3 => (bound(), bound(), 1..20_usize).prop_map(|(start, end, limit)| Step::Scan(start, end, limit)),
        1 => Just(Step::Reopen),
        1 => any::<u64>().prop_map(Step::PowerLoss),
    ]
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// The state of every index so far, as the log would give it back.
struct Log {
    entries: Vec<Vec<Change>>,
}

impl Log {
    fn oracle(&self, upto: u64) -> MemoryEngine {
        let mut oracle = MemoryEngine::new();
        for (index, changes) in (1..=upto).zip(&self.entries) {
            oracle.apply(index, changes).unwrap();
        }
        oracle
    }

    /// What a host does after a restart: apply again what is above the engine's index.
    fn replay(&self, engine: &mut TreeEngine) {
        for (index, changes) in
            (1..).zip(&self.entries).skip(usize::try_from(engine.applied()).unwrap())
        {
            engine.apply(index, changes).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_tree_is_a_btree_map_also_after_power_losses(steps in prop::collection::vec(step(), 1..60)) {
        is_a_btree_map(SMALL, steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_tree_that_folds_beside_is_one_too(steps in prop::collection::vec(step(), 1..60)) {
        is_a_btree_map(BESIDE, steps)?;
    }
}

fn is_a_btree_map(options: TreeOptions, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut device = Device::default();
    let mut engine = TreeEngine::open_with_backend(device.clone(), options).unwrap();
    let mut log = Log { entries: Vec::new() };
    let mut oracle = MemoryEngine::new();
    let mut checkpointed = 0;
    device.take_syncs();
    for step in steps {
        match step {
            Step::Apply(changes) => {
                let index = engine.applied() + 1;
                engine.apply(index, &changes).unwrap();
                oracle.apply(index, &changes).unwrap();
                log.entries.push(changes);
            }
            Step::Checkpoint => {
                checkpointed = engine.checkpoint().unwrap();
                prop_assert_eq!(checkpointed, engine.applied());
            }
            Step::Get(key) => {
                prop_assert_eq!(engine.get(&key).unwrap(), oracle.get(&key).unwrap());
            }
            Step::Scan(start, end, limit) => {
                let range = (borrowed(&start), borrowed(&end));
                prop_assert_eq!(contents(&engine, range, limit), contents(&oracle, range, limit));
                let mut back = contents(&oracle, range, usize::MAX);
                back.reverse();
                back.truncate(limit);
                prop_assert_eq!(contents_back(&engine, range, limit), &back[..]);
                prop_assert_eq!(contents_back(&oracle, range, limit), back);
            }
            Step::Reopen | Step::PowerLoss(_) => {
                if let Step::PowerLoss(kept) = step {
                    device = device.after_power_loss(|page| kept >> (page % 64) & 1 == 1);
                    drop(engine);
                } else {
                    drop(engine);
                }
                engine = TreeEngine::open_with_backend(device.clone(), options).unwrap();
                let applied = engine.applied();
                prop_assert!(applied >= checkpointed, "{applied} after {checkpointed}");
                prop_assert_eq!(everything(&engine), everything(&log.oracle(applied)));
                log.replay(&mut engine);
                device.take_syncs();
            }
        }
        prop_assert_eq!(engine.applied(), oracle.applied());
        // A power loss in the middle of that step.
        for device in device.take_syncs() {
            let engine = TreeEngine::open_with_backend(device, options).unwrap();
            prop_assert_eq!(everything(&engine), everything(&log.oracle(engine.applied())));
        }
    }
    prop_assert_eq!(everything(&engine), everything(&oracle));
    Ok(())
}

#[test]
fn a_tree_file_keeps_its_checkpoint_and_refuses_old_entries() {
    let directory = tempfile::tempdir().unwrap();
    let put = |key: &[u8]| Change::Put { key: key.to_vec(), value: vec![1] };
    {
        let mut engine = open_in(directory.path()).unwrap();
        assert_eq!(engine.applied(), 0);
        engine.apply(5, &[put(b"a"), put(b"b")]).unwrap();
        assert_eq!(engine.checkpoint().unwrap(), 5);
        engine.apply(6, &[put(b"c")]).unwrap();
        assert_eq!(engine.checkpointed().unwrap(), 5);
        assert_eq!(engine.get(b"c").unwrap(), Some(vec![1]));
    }
    let mut engine = open_in(directory.path()).unwrap();
    assert_eq!(engine.applied(), 5, "entry 6 was only in memory: the log has it");
    assert_eq!(engine.get(b"c").unwrap(), None);
    let error = engine.apply(5, &[]).unwrap_err();
    assert_eq!(error.to_string(), "entry 5 is not above the last applied entry 5");
    let busy = DirectoryDisk::open(directory.path()).unwrap_err();
    assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
}

#[test]
fn no_tree_is_opened_from_other_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tree.redb");
    std::fs::write(&path, vec![7; 100_000]).unwrap();
    let error = open_in(directory.path()).unwrap_err();
    assert!(matches!(&error, TreeError::Damaged { .. }), "{error}");
    let expected = "the tree is damaged: I/O error: Not a redb database: magic number mismatch";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_tree_whose_making_was_interrupted_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tree.redb");
    let unfinished = directory.path().join("tree.redb.unfinished");
    std::fs::write(&unfinished, vec![0; 100_000]).unwrap();
    assert_eq!(open_in(directory.path()).unwrap().applied(), 0);
    assert!(path.exists() && !unfinished.exists());
}

/// A tree of some folds and checkpoints: what a kill leaves of it, and what a clean stop.
fn killed_and_closed() -> (Log, [Vec<u8>; 2]) {
    let device = Device::default();
    let mut engine = TreeEngine::open_with_backend(device.clone(), SMALL).unwrap();
    let mut log = Log { entries: Vec::new() };
    for index in 1..=120_u8 {
        let value = vec![index; 40 + usize::from(index % 7) * 500];
        let put = Change::Put { key: vec![index % 50, index % 3], value };
        let changes = vec![put, Change::Delete { key: vec![index % 11, index % 3] }];
        engine.apply(index.into(), &changes).unwrap();
        log.entries.push(changes);
        if index % 50 == 0 {
            engine.checkpoint().unwrap();
        }
    }
    let bytes = |device: &Device| device.bytes.lock().unwrap().cached.clone();
    let killed = bytes(&device);
    drop(engine);
    (log, [killed, bytes(&device)])
}

/// Whether a tree of these bytes is refused as damaged. If it is not, it must be of use and right.
fn is_refused(log: &Log, bytes: Vec<u8>, what: &str) -> bool {
    match TreeEngine::open_with_backend(Device::holding(bytes), SMALL) {
        Err(TreeError::Damaged { found }) => {
            assert!(!found.is_empty() && !found.contains('\n'), "{what}: {found}");
            true
        }
        Err(error) => panic!("{what}: {error}"),
        Ok(mut engine) => {
            let applied = engine.applied();
            assert!(everything(&engine) == everything(&log.oracle(applied)), "{what}");
            log.replay(&mut engine);
            engine.checkpoint().unwrap_or_else(|error| panic!("{what}: {error}"));
            let all = log.oracle(log.entries.len() as u64);
            assert!(everything(&engine) == everything(&all), "{what}");
            false
        }
    }
}

#[test]
fn a_damaged_tree_is_refused_and_never_read() {
    let (log, trees) = killed_and_closed();
    for (tree, state) in trees.iter().zip(["killed", "closed"]) {
        assert!(!is_refused(&log, tree.clone(), state));
        // The header, and here and there the pages that hold something.
        let used = (512..tree.len()).step_by(389).filter(|&at| tree[at] != 0);
        let (mut refused, mut tried) = (0, 0);
        for at in (0..320).step_by(3).chain(used) {
            for (length, mask) in [(1, 1), (8, 0x55)] {
                let mut bytes = tree.clone();
                for byte in bytes.iter_mut().skip(at).take(length) {
                    *byte ^= mask;
                }
                let what = format!("{state}, {length} bytes at {at} changed");
                refused += u32::from(is_refused(&log, bytes, &what));
                tried += 1;
            }
        }
        assert!(refused > tried / 4, "{state}: {refused} of {tried} refused");
        for length in (1..tree.len()).step_by(tree.len() / 40) {
            let what = format!("{state}, cut at {length}");
            assert!(is_refused(&log, tree[..length].to_vec(), &what), "{what}");
        }
    }
}

#[test]
fn one_changed_byte_of_a_value_is_damage() {
    let (log, [_, closed]) = killed_and_closed();
    let value = [97; 100];
    let places: Vec<usize> =
        (0..closed.len() - value.len()).filter(|&at| closed[at..].starts_with(&value)).collect();
    assert!(!places.is_empty());
    let mut bytes = closed;
    for at in places {
        bytes[at] = 96;
    }
    assert!(is_refused(&log, bytes, "values changed"));
}

/// The later of two changes of one key in one entry wins, and a deleted key stays deleted over folds.
#[test]
fn changes_of_one_entry_are_applied_in_order() {
    let mut engine = TreeEngine::open_with_backend(Device::default(), SMALL).unwrap();
    let mut expected = BTreeMap::new();
    for index in 1..50_u64 {
        let key = |byte: u64| (index + byte).to_be_bytes().to_vec();
        let value = vec![0; 50];
        let changes = [
            Change::Put { key: key(0), value: vec![9] },
            Change::Put { key: key(0), value: value.clone() },
            Change::Put { key: key(1), value: value.clone() },
            Change::Delete { key: key(1) },
        ];
        engine.apply(index, &changes).unwrap();
        expected.insert(key(0), value);
    }
    assert_eq!(everything(&engine), expected.into_iter().collect::<Vec<_>>());
}
