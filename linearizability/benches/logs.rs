//! Question: what do the real histories in `tests/data` cost?
//!
//! Workload: the 50 Jepsen logs of etcd (each under 200 operations on one register), and the key-value
//! histories of Porcupine's tests: by key, and all keys as one object whose model says nothing but what is
//! legal in every state (*opaque*; making that object is included). CPU time of one thread, the least of eleven runs, parsing not
//! included. `cargo bench -p lincheck --bench logs`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use lincheck::format::{Vocabulary, jepsen_log, porcupine};
use lincheck::{Budget, Cell, KeyValue, Verdict, check};
use stopwatch::{least_of, milliseconds};
use store::store;

mod stopwatch;
#[path = "../tests/store/mod.rs"]
mod store;

fn data(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/histories")).join(path)
}

fn main() {
    let verdicts = fs::read_to_string(data("jepsen-etcd/verdicts.tsv")).expect("in the tree");
    let (mut sum, mut worst) = (Duration::ZERO, (Duration::ZERO, String::new()));
    for line in verdicts.lines().filter(|line| line.contains(".log")) {
        let (file, expected) = line.split_once('\t').expect("file and verdict");
        let text = fs::read_to_string(data("jepsen-etcd").join(file)).expect("in the tree");
        let document = jepsen_log::read_register(&text, Vocabulary::CasRegister).expect("reads");
        let time = least_of(11, || {
            let verdict = check(&document.operations, &Cell, &Budget::unlimited());
            let legal = matches!(verdict, Verdict::Legal(_));
            assert_eq!(legal, expected.trim() == "legal", "{file}");
        });
        sum += time;
        worst = worst.max((time, file.to_owned()));
    }
    println!(
        "50 etcd logs: {} ms; the slowest, {}, {} ms",
        milliseconds(sum),
        worst.1,
        milliseconds(worst.0)
    );
    for (file, expected) in
        [("c01-ok", true), ("c01-bad", false), ("c10-ok", true), ("c10-bad", false)]
    {
        let text = fs::read_to_string(data("kv").join(format!("{file}.txt"))).expect("in the tree");
        let document = porcupine::read_key_values(&text).expect("reads");
        let by_key = least_of(11, || {
            let verdict = check(&document.operations, &KeyValue, &Budget::unlimited());
            assert_eq!(matches!(verdict, Verdict::Legal(_)), expected, "{file}");
        });
        let mut decided = true;
        let opaque = least_of(11, || {
            let budget = Budget::steps(1_000_000).with_memory(1 << 30);
            let (store, operations) = store(&document.operations);
            match check(&operations, &store, &budget) {
                Verdict::Legal(_) => assert!(expected, "{file}"),
                Verdict::Illegal(_) => assert!(!expected, "{file}"),
                Verdict::Undecided(_) => decided = false,
            }
        });
        let undecided = if decided { "" } else { " and undecided" };
        println!(
            "{file}: {} operations, by key {} ms, opaque {} ms{undecided}",
            document.operations.len(),
            milliseconds(by_key),
            milliseconds(opaque)
        );
    }
}
