//! Question: what does the verdict on each of some files cost, and on all of them?
//!
//! Workload: histories of registers with compare-and-set or of texts, in any format, named as arguments;
//! `benches/porcupine/main.go` asks Porcupine the same. *Whole*, texts also as one object with all keys
//! (`tests/store`). CPU time of one thread, the least of eleven runs, reading not included.
//! `cargo bench -p lincheck --bench files -- *.jsonl`

use std::fs;
use std::time::Duration;

use lincheck::format::texts::Texts;
use lincheck::format::{Dialect, Document, Format, Vocabulary, read_with};
use lincheck::{Budget, Cell, KeyValue, Model, Operation, Ruling, check_and_count, decide};
use stopwatch::{least_of, milliseconds};
use store::store;

mod stopwatch;
#[path = "../tests/store/mod.rs"]
mod store;

/// Model steps for each key; more is undecided.
const STEPS_MAX: u64 = 100_000_000;

fn main() {
    let mut sum = Duration::ZERO;
    let files: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    for file in &files {
        let bytes = fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let format = Format::detect(&bytes).unwrap_or_else(|| panic!("{file}: no known format"));
        if let Some(document) = read(&Vocabulary::CasRegister, format, &bytes) {
            sum += report(file, &document.operations, &Cell);
        } else if let Some(document) = read(&Texts, format, &bytes) {
            sum += report(file, &document.operations, &KeyValue);
            let whole = least_of(11, || {
                let (store, operations) = store(&document.operations);
                let _ = decide(&operations, &store, &Budget::steps(STEPS_MAX));
            });
            println!("  whole: {} ms", milliseconds(whole));
        } else {
            panic!("{file}: no history of registers or of texts");
        }
    }
    println!("{} files: {} ms", files.len(), milliseconds(sum));
}

fn read<D: Dialect>(dialect: &D, format: Format, bytes: &[u8]) -> Option<Document<D::Action>> {
    read_with(dialect, |each| format.read(bytes, each)).ok()
}

fn report<M: Model>(file: &str, history: &[Operation<M::Action>], model: &M) -> Duration {
    let budget = Budget::steps(STEPS_MAX);
    let mut found = Ruling::Legal;
    let verdict = least_of(11, || found = decide(history, model, &budget).0);
    let with_evidence = least_of(11, || {
        let _ = check_and_count(history, model, &budget);
    });
    println!(
        "{file}: {} operations, {found:?}, {} ms; with evidence {} ms",
        history.len(),
        milliseconds(verdict),
        milliseconds(with_evidence)
    );
    verdict
}
