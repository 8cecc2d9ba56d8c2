//! Files: every format with every model it can hold, converted back and forth; and damaged in every
//! way, which must be an error that names a line, never a panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "generator/random.rs"]
mod random;

use std::fs;
use std::path::PathBuf;

use lincheck::format::record::Entry;
use lincheck::format::transactions::read_with as read_transactions;
use lincheck::format::{
    Format, FormatError, Vocabulary, binary, cells, json_lines, objects, read_with, siblings, texts,
};
use lincheck::generate::{Shape, generate};
use lincheck::levels::transactions::{ListOperation, VersionedOperation};
use random::Random;

fn data(path: &str) -> Vec<u8> {
    let histories = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/histories");
    fs::read(PathBuf::from(histories).join(path)).unwrap()
}

fn all_entries(bytes: &[u8]) -> Result<Vec<Entry>, FormatError> {
    let mut entries = Vec::new();
    let format = Format::detect(bytes).unwrap_or(Format::JsonLines);
    format.read(bytes, &mut |_, entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

fn as_binary(entries: &[Entry]) -> Vec<u8> {
    let mut writer = binary::Writer::default();
    for entry in entries {
        writer.add(entry);
    }
    writer.finish()
}

fn as_json_lines(entries: &[Entry]) -> Vec<u8> {
    let line = |entry: &Entry| match entry {
        Entry::Event(record) => json_lines::line_of(record) + "\n",
        Entry::Fault(fault) => json_lines::line_of_fault(fault) + "\n",
    };
    entries.iter().map(line).collect::<String>().into_bytes()
}

const SMALL: [&str; 9] = [
    r#"{"process":0,"type":"invoke","f":"put_if","key":"k","value":8,"if":{"equals":"x"},"time":30}
{"type":"fault","kind":"kill","node":1,"phase":"start","time":35}
{"process":0,"type":"ok","f":"put_if","key":"k","value":8,"failed":true,"old":null,"time":40}
{"type":"fault","kind":"kill","node":1,"phase":"end","time":45}"#,
    "[{:type :invoke, :f :txn, :value [[:append 5 1] [:r 3 nil]], :process 0, :time 17, :index 0}
 {:type :info, :f :start-partition, :value nil, :process :nemesis, :time 18}
 {:type :ok, :f :txn, :value [[:append 5 1] [:r 3 [1 -2]]], :process 0, :time 19, :index 1}]",
    r#"{"process":0,"type":"invoke","f":"txn","value":[["w","x",1],["r","y",null]],"time":1}
{"process":0,"type":"ok","f":"txn","value":[["w","x",1,4],["r","y",null,0]],"time":2}"#,
    r#"{"process":0,"type":"invoke","f":"read","time":1}
{"process":0,"type":"ok","f":"read","value":[1,"b"],"time":2}
{"process":0,"type":"invoke","f":"contains","value":1,"time":3}
{"process":0,"type":"ok","f":"contains","value":1,"seen":true,"time":4}"#,
    r#"{"process":0,"type":"invoke","f":"enqueue","value":1,"time":1}
{"process":1,"type":"invoke","f":"dequeue","time":1}
{"process":1,"type":"ok","f":"dequeue","value":null,"time":2}"#,
    r#"{"process":0,"type":"invoke","f":"acquire","time":1}
{"process":0,"type":"ok","f":"acquire","failed":true,"time":2}"#,
    r#"{"process":0,"type":"invoke","f":"add","value":-3,"time":1}
{"process":0,"type":"ok","f":"add","value":-3,"sum":-3,"time":2}"#,
    r#"{"process":0,"type":"invoke","f":"put","key":1,"value":1,"context":[2,3],"time":1}
{"process":0,"type":"ok","f":"put","key":1,"value":1,"time":2}
{"process":0,"type":"invoke","f":"get","key":1,"time":3}
{"process":0,"type":"ok","f":"get","key":1,"value":[1],"time":4}"#,
    r#"{"process":0,"type":"invoke","f":"cas","key":1,"value":["a","b"],"time":1}
{"process":0,"type":"ok","f":"cas","key":1,"value":["a","b"],"failed":true,"time":2}"#,
];

fn corpus() -> Vec<Vec<u8>> {
    let files = ["jepsen-etcd/etcd_001.log", "kv/c01-ok.txt", "kv/c01-bad.txt"];
    let beginning = |file: &&str| {
        let lines = data(file);
        lines.split_inclusive(|byte| *byte == b'\n').take(12).flatten().copied().collect()
    };
    let mut corpus: Vec<Vec<u8>> = files.iter().map(beginning).collect();
    corpus.extend(SMALL.iter().map(|text| text.as_bytes().to_vec()));
    corpus.extend(corpus.clone().iter().map(|file| as_binary(&all_entries(file).unwrap())));
    corpus
}

/// Reads with every model. Returns how many accepted it.
fn read_all(bytes: &[u8]) -> usize {
    let Some(format) = Format::detect(bytes) else { return 0 };
    let mut accepted = 0;
    macro_rules! read {
        ($($dialect:expr),*) => {$(
            let read = read_with(&$dialect, |each| format.read(bytes, each));
            if let Err(error) = &read {
                assert!(error.line >= 1 && !error.problem.to_string().is_empty());
            }
            accepted += usize::from(read.is_ok());
        )*};
    }
    read!(
        Vocabulary::Register,
        Vocabulary::CasRegister,
        Vocabulary::Item,
        texts::Texts,
        objects::Sets,
        objects::Queues,
        objects::Mutexes,
        objects::Counters,
        siblings::Siblings
    );
    let lists = read_transactions::<ListOperation>(|each| format.read(bytes, each));
    let versioned = read_transactions::<VersionedOperation>(|each| format.read(bytes, each));
    accepted + usize::from(lists.is_ok()) + usize::from(versioned.is_ok())
}

#[test]
fn each_is_read_by_the_model_it_is_for() {
    for (number, file) in corpus().iter().enumerate() {
        assert!(read_all(file) >= 1, "number {number} is read by none");
    }
}

#[test]
fn formats_are_told_apart_by_content() {
    let detect = |text: &str| Format::detect(text.as_bytes());
    assert_eq!(Format::detect(&data("jepsen-etcd/etcd_001.log")), Some(Format::JepsenLog));
    assert_eq!(Format::detect(&data("kv/c01-ok.txt")), Some(Format::Porcupine));
    assert_eq!(detect(SMALL[0]), Some(Format::JsonLines));
    assert_eq!(detect(SMALL[1]), Some(Format::JepsenEdn));
    assert_eq!(detect("\n\n{:type :invoke, :f :read}"), Some(Format::JepsenEdn));
    assert_eq!(Format::detect(&as_binary(&[])), Some(Format::Binary));
    assert_eq!(detect("hello\nworld"), None);
    assert_eq!(Format::detect(&[0xFF, 0xFE, 0]), None);
}

#[test]
fn conversion_keeps_every_entry() {
    for file in corpus() {
        let entries = all_entries(&file).unwrap();
        assert!(!entries.is_empty());
        assert_eq!(all_entries(&as_binary(&entries)).unwrap(), entries);
        // JSON has no keywords: what they become is kept from then on.
        let json = all_entries(&as_json_lines(&entries)).unwrap();
        assert_eq!(all_entries(&as_json_lines(&json)).unwrap(), json);
        assert_eq!(json.len(), entries.len());
    }
}

#[test]
fn a_generated_history_survives_both_formats() {
    for vocabulary in [Vocabulary::Register, Vocabulary::CasRegister, Vocabulary::Item] {
        let (clients, keys, unknown, values) = (7, 3, 0.1, None);
        let shape = Shape { vocabulary, operations: 500, clients, keys, unknown, values, seed: 3 };
        let history = generate(&shape);
        let entries = cells::entries(&history, vocabulary);
        for file in [as_binary(&entries), as_json_lines(&entries)] {
            let format = Format::detect(&file).unwrap();
            let read = read_with(&vocabulary, |each| format.read(&file, each)).unwrap();
            assert_eq!(read.operations.len(), history.len());
            for (read, made) in read.operations.iter().zip(&history) {
                assert_eq!((read.process, read.invoked), (made.process, made.invoked));
                assert_eq!(read.returned, made.returned);
                assert!(!made.is_known() || read.action == made.action, "{read:?} {made:?}");
            }
        }
    }
}

#[test]
fn what_is_cut_off_is_refused() {
    let whole = as_binary(&all_entries(&data("kv/c01-ok.txt")).unwrap());
    for length in 5..whole.len() {
        let error = all_entries(&whole[..length]).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("ends in the middle"), "{length}: {message}");
    }
    let mut later = whole.clone();
    later[4] = 9;
    let message = all_entries(&later).unwrap_err().to_string();
    assert_eq!(message, "line 1: version 9 of the binary format; expected 1");
    let mut longer = whole;
    longer.push(0);
    assert!(all_entries(&longer).unwrap_err().to_string().contains("nothing after the end"));
}

#[test]
fn no_damage_makes_a_reader_panic() {
    let cases: u64 =
        std::env::var("LINCHECK_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(4_000);
    let corpus = corpus();
    let mut random = Random(11);
    let (mut read, mut refused) = (0_u64, 0_u64);
    for _ in 0..cases {
        let pick = |random: &mut Random, bound: usize| {
            usize::try_from(random.below(bound.max(1) as u64)).unwrap()
        };
        let mut file = corpus[pick(&mut random, corpus.len())].clone();
        for _ in 0..=random.below(4) {
            let at = pick(&mut random, file.len());
            let byte = u8::try_from(random.below(256)).unwrap();
            match random.below(7) {
                0 => file.truncate(at),
                1 if !file.is_empty() => file[at] = byte,
                2 if !file.is_empty() => file[at] ^= 1 << random.below(8),
                3 => file.insert(at, byte),
                4 if !file.is_empty() => drop(file.remove(at)),
                5 => {
                    // A piece of another file, or of this one.
                    let other = &corpus[pick(&mut random, corpus.len())];
                    let from = pick(&mut random, other.len());
                    let to = (from + pick(&mut random, 60)).min(other.len());
                    file.splice(at..at, other[from..to].iter().copied());
                }
                _ => {
                    let symbols = b"{}[]()\"\\:#;,-09.e \n\t";
                    file.insert(at, symbols[pick(&mut random, symbols.len())]);
                }
            }
        }
        if read_all(&file) > 0 { read += 1 } else { refused += 1 }
    }
    println!("{read} read, {refused} refused");
    assert!(read > cases / 80 && refused > cases / 4, "{read} read, {refused} refused");
}
