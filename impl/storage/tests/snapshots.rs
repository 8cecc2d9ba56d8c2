//! States on their way from one engine to another, and every crash point of an installation
//! (`ENGINE-4` of `engine`).
#![allow(clippy::unwrap_used, reason = "the functions of a test are tests too")]

use std::ops::Bound;
use std::sync::Arc;

use ringleader_storage::disk::{Disk, Image, SimulatedDisk};
use ringleader_storage::engine::{
    Change, Engine, Folding, MemoryEngine, PartError, Snapshot, StageError, TreeEngine, TreeError,
    TreeOptions,
};

const INLINE: TreeOptions = TreeOptions {
    delta_bytes_max: 2_000,
    folding: Folding::Inline,
    fold_keys_max: 5,
    cache_bytes: 1 << 20,
};

const BESIDE: TreeOptions = TreeOptions { folding: Folding::Background, ..INLINE };

fn shared(disk: &SimulatedDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open(disk: &Arc<dyn Disk>, options: TreeOptions) -> Result<TreeEngine, TreeError> {
    TreeEngine::open_on(disk, "tree", options)
}

fn everything<E: Engine>(engine: &E) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        true
    };
    engine.scan((Bound::Unbounded, Bound::Unbounded), visit).unwrap();
    found
}

/// Entry `index` of a log: some keys come, some go.
fn changes(index: u64) -> Vec<Change> {
    let key = |number: u64| format!("key {:03}", number % 40).into_bytes();
    vec![
        Change::Put { key: key(index * 7), value: vec![index.to_le_bytes()[0]; 30] },
        Change::Delete { key: key(index * 11) },
    ]
}

fn apply<E: Engine>(engine: &mut E, indexes: std::ops::RangeInclusive<u64>) {
    for index in indexes {
        engine.apply(index, &changes(index)).unwrap();
    }
}

fn oracle(upto: u64) -> MemoryEngine {
    let mut oracle = MemoryEngine::new();
    apply(&mut oracle, 1..=upto);
    oracle
}

/// The parts of a snapshot.
fn parts(snapshot: &impl Snapshot<Error: std::fmt::Debug>, bytes_max: usize) -> Vec<Vec<u8>> {
    let (mut parts, mut after) = (Vec::new(), None);
    loop {
        let part = snapshot.part(after.as_deref(), bytes_max).unwrap();
        parts.push(part.bytes);
        if part.is_last {
            return parts;
        }
        after = part.last_key;
    }
}

fn stage<E: Engine>(engine: &mut E, parts: &[Vec<u8>]) -> Result<(), StageError<E::Error>> {
    for (number, part) in (0..).zip(parts) {
        engine.stage(number, part)?;
    }
    Ok(())
}

/// The first `upto` entries as parts.
fn state_of(upto: u64) -> Vec<Vec<u8>> {
    let mut source = oracle(upto);
    source.checkpoint().unwrap();
    parts(&source.snapshot().unwrap(), 200)
}

#[test]
fn a_snapshot_stays_as_it_is_while_its_engine_goes_on() {
    for options in [INLINE, BESIDE] {
        let mut engine = open(&shared(&SimulatedDisk::new()), options).unwrap();
        apply(&mut engine, 1..=60);
        assert_eq!(engine.checkpoint().unwrap(), 60);
        let snapshot = engine.snapshot().unwrap();
        assert_eq!(snapshot.index(), 60);
        apply(&mut engine, 61..=500);
        engine.checkpoint().unwrap();
        for bytes_max in [1, 100, 1 << 20] {
            let mut other = MemoryEngine::new();
            stage(&mut other, &parts(&snapshot, bytes_max)).unwrap();
            other.finish_staging(60).unwrap();
            other.install(60).unwrap();
            assert_eq!((other.applied(), everything(&other)), (60, everything(&oracle(60))));
        }
        assert_eq!(engine.snapshot().unwrap().index(), 500);
    }
}

#[test]
fn an_installed_state_goes_on_like_any_other() {
    for options in [INLINE, BESIDE] {
        let disk = shared(&SimulatedDisk::new());
        let mut engine = open(&disk, options).unwrap();
        apply(&mut engine, 1..=30);
        stage(&mut engine, &state_of(200)).unwrap();
        engine.finish_staging(200).unwrap();
        // Set aside: nothing has changed yet, and the old state even goes on.
        assert_eq!(everything(&engine), everything(&oracle(30)));
        apply(&mut engine, 31..=90);
        engine.install(200).unwrap();
        assert_eq!(engine.checkpointed().unwrap(), 200);
        assert_eq!((engine.applied(), everything(&engine)), (200, everything(&oracle(200))));
        apply(&mut engine, 201..=300);
        assert_eq!(engine.checkpoint().unwrap(), 300);
        drop(engine);
        let engine = open(&disk, options).unwrap();
        assert_eq!((engine.applied(), everything(&engine)), (300, everything(&oracle(300))));
    }
}

#[test]
fn an_empty_state_can_be_installed() {
    let mut engine = open(&shared(&SimulatedDisk::new()), INLINE).unwrap();
    apply(&mut engine, 1..=3);
    let source = open(&shared(&SimulatedDisk::new()), INLINE).unwrap();
    stage(&mut engine, &parts(&source.snapshot().unwrap(), 100)).unwrap();
    engine.finish_staging(9).unwrap();
    engine.install(9).unwrap();
    assert_eq!((engine.applied(), everything(&engine)), (9, Vec::new()));
}

#[test]
fn what_is_no_part_of_a_snapshot_is_refused() {
    let mut engine = open(&shared(&SimulatedDisk::new()), INLINE).unwrap();
    let state = state_of(100);
    assert!(matches!(
        engine.stage(1, &state[0]),
        Err(StageError::Engine(TreeError::NotStaged { found: None, .. }))
    ));
    engine.stage(0, &state[0]).unwrap();
    assert!(matches!(
        engine.stage(1, &state[0]),
        Err(StageError::Part(PartError::Order { at: 1 }))
    ));
    assert!(matches!(engine.stage(0, b"\x02"), Err(StageError::Part(PartError::Version { .. }))));
    assert!(matches!(engine.stage(0, b"\x01abc"), Err(StageError::Part(PartError::Cut { .. }))));
    // One that is not whole, or is another one, is not installed.
    stage(&mut engine, &state).unwrap();
    assert!(matches!(engine.install(100), Err(TreeError::NotStaged { index: 100, .. })));
    stage(&mut engine, &state).unwrap();
    engine.finish_staging(100).unwrap();
    let error = engine.install(101).unwrap_err();
    assert_eq!(error.to_string(), "no state up to entry 101 is set aside (one up to entry 100 is)");
}

/// What an installation was told before it ended.
#[derive(Debug, Default)]
struct Run {
    checkpointed: u64,
    staged: bool,
    installed: bool,
}

fn run(disk: &SimulatedDisk) -> Result<Run, (Run, String)> {
    let mut run = Run::default();
    let result = install_in(disk, &mut run);
    match result {
        Ok(()) => Ok(run),
        Err(error) => Err((run, error)),
    }
}

fn install_in(disk: &SimulatedDisk, run: &mut Run) -> Result<(), String> {
    fn said(error: impl std::fmt::Display) -> String {
        error.to_string()
    }
    let mut engine = open(&shared(disk), INLINE).map_err(said)?;
    for index in 1..=30 {
        engine.apply(index, &changes(index)).map_err(said)?;
        run.checkpointed = engine.checkpointed().map_err(said)?;
    }
    stage(&mut engine, &state_of(50)).map_err(said)?;
    engine.finish_staging(50).map_err(said)?;
    run.staged = true;
    engine.install(50).map_err(said)?;
    run.installed = true;
    for index in 51..=60 {
        engine.apply(index, &changes(index)).map_err(said)?;
    }
    run.checkpointed = engine.checkpoint().map_err(said)?;
    Ok(())
}

/// Opens what a crash left: one state or the other, and if the log says so the new one.
fn check(image: &Image, run: &Run, context: &str) {
    let disk = shared(&image.clone().into_disk());
    let engine = open(&disk, INLINE).unwrap_or_else(|it| panic!("{context}: {it}"));
    let applied = engine.applied();
    let allowed = if run.staged { run.checkpointed..=60 } else { run.checkpointed..=30 };
    assert!(allowed.contains(&applied), "{context}: {applied}, {run:?}");
    assert!(!run.installed || applied >= 50, "{context}: {applied}, {run:?}");
    assert_eq!(everything(&engine), everything(&oracle(applied)), "{context}: {applied}");
    let mut engine = engine;
    if run.staged && applied < 50 {
        // The log begins at 50: recovery asks for the installation again.
        engine.install(50).unwrap_or_else(|it| panic!("{context}: {it}"));
    }
    let applied = engine.applied();
    apply(&mut engine, applied + 1..=80);
    engine.checkpoint().unwrap();
    drop(engine);
    let engine = open(&disk, INLINE).unwrap();
    assert_eq!(everything(&engine), everything(&oracle(80)), "{context}: after going on");
}

#[test]
fn after_every_crash_there_is_one_state_or_the_other() {
    let whole = SimulatedDisk::new();
    run(&whole).unwrap();
    let mut seed = 1_u64;
    // A multiplicative generator: many ways to lose a part of what is not synced.
    let mut pick = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut counts = [0, 0, 0];
    for point in 0..whole.operations() {
        let disk = SimulatedDisk::new();
        disk.crash_after(point);
        // Closing the tree writes too: those crashes come after the last word.
        let (run, error) = run(&disk).map_or_else(|it| it, |run| (run, "closing".to_owned()));
        counts[usize::from(run.staged) + usize::from(run.installed)] += 1;
        disk.restart();
        check(&disk.cached_image(), &run, &format!("process crash {point} ({error})"));
        // Everything unsynced is lost, or some of it.
        let mut all = |_: usize| 0;
        if point % 2 == 0 {
            disk.lose_power(&mut all)
        } else {
            disk.lose_power(&mut pick)
        };
        check(&disk.cached_image(), &run, &format!("crash {point} ({error})"));
    }
    // Crashes before, within and after the installation.
    assert!(counts.iter().all(|&count| count > 1), "{counts:?}");
}
