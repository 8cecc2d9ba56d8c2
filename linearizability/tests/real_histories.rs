//! The verdicts of Porcupine's own test data: Jepsen logs of etcd, and key-value histories.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use lincheck::format::texts::Texts;
use lincheck::format::{Format, Vocabulary, read_with};
use lincheck::{Budget, Cell, KeyValue, Verdict, check};
use store::store;

mod store;

fn data(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/histories")).join(path)
}

#[test]
fn jepsen_logs_of_etcd_get_their_known_verdicts() {
    let verdicts = fs::read_to_string(data("jepsen-etcd/verdicts.tsv")).unwrap();
    let (mut checked, mut seconds) = (0, 0.0);
    for line in verdicts.lines().filter(|line| line.contains(".log")) {
        let (file, expected) = line.split_once('\t').unwrap();
        let text = fs::read(data("jepsen-etcd").join(file)).unwrap();
        assert_eq!(Format::detect(&text), Some(Format::JepsenLog));
        let read = |each: &mut dyn FnMut(_, _) -> _| Format::JepsenLog.read(&text, each);
        let document = read_with(&Vocabulary::CasRegister, read).unwrap();
        let start = Instant::now();
        let verdict = check(&document.operations, &Cell, &Budget::unlimited());
        seconds += start.elapsed().as_secs_f64();
        let found = match verdict {
            Verdict::Legal(_) => "legal",
            Verdict::Illegal(_) => "illegal",
            Verdict::Undecided(_) => "undecided",
        };
        assert_eq!(found, expected.trim(), "{file}");
        checked += 1;
    }
    println!("{checked} logs in {:.3} ms", seconds * 1e3);
    assert_eq!(checked, 50);
}

#[test]
fn key_value_histories_get_their_known_verdicts() {
    for (file, expected) in
        [("c01-ok", true), ("c01-bad", false), ("c10-ok", true), ("c10-bad", false)]
    {
        let text = fs::read(data("kv").join(format!("{file}.txt"))).unwrap();
        assert_eq!(Format::detect(&text), Some(Format::Porcupine));
        let read = |each: &mut dyn FnMut(_, _) -> _| Format::Porcupine.read(&text, each);
        let document = read_with(&Texts, read).unwrap();
        let start = Instant::now();
        let verdict = check(&document.operations, &KeyValue, &Budget::unlimited());
        println!("{file} in {:.3} ms", start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(matches!(verdict, Verdict::Legal(_)), expected, "{file}");
        assert_eq!(matches!(verdict, Verdict::Illegal(_)), !expected, "{file}");
        // All keys in one state: a budget that only few states and no lost rule can meet.
        let (store, operations) = store(&document.operations);
        let verdict = check(&operations, &store, &Budget::steps(1_000_000));
        assert_eq!(matches!(verdict, Verdict::Legal(_)), expected, "{file} as one object");
        assert_eq!(matches!(verdict, Verdict::Illegal(_)), !expected, "{file} as one object");
    }
}
