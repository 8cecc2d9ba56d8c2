//! Mutants: a rule of the checker broken, to see a test notice. Text files in `mutants/`: a text that
//! occurs once in a source file, what replaces it, and the test that must fail.
//!
//! Every run sees that they still apply. `LINCHECK_MUTANTS=1` builds each in a copy of this crate and runs
//! its test with more cases; it takes some minutes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The fields of a mutant: `name = "text"`, or a text over lines between three quotes.
fn fields(text: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once(" = \"") {
        let (value, after) = match after.strip_prefix("\"\"\n") {
            Some(block) => block.split_once("\"\"\"\n").unwrap(),
            None => after.split_once("\"\n").unwrap(),
        };
        fields.insert(name.trim().to_owned(), value.to_owned());
        rest = after;
    }
    assert!(rest.trim().is_empty(), "not a field: {rest}");
    fields
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn mutants() -> Vec<(String, BTreeMap<String, String>)> {
    let mut mutants: Vec<_> = fs::read_dir(root().join("linearizability/mutants"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fields(&fs::read_to_string(path).unwrap()))
        })
        .collect();
    mutants.sort();
    mutants
}

#[test]
fn every_mutant_applies_exactly_once() {
    let mutants = mutants();
    assert!(mutants.len() >= 8, "{} mutants", mutants.len());
    for (name, mutant) in mutants {
        let source = fs::read_to_string(root().join(&mutant["file"])).unwrap();
        assert_eq!(source.matches(&mutant["find"]).count(), 1, "{name}");
        assert_ne!(mutant["find"], mutant["replace"], "{name}");
        let test = format!("linearizability/tests/{}.rs", mutant["test"]);
        assert!(root().join(test).exists(), "{name}: its test");
        assert!(!mutant["rule"].is_empty() && !mutant["source"].is_empty(), "{name}");
    }
}

/// Copies what a build of this crate needs.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Whether a test passes in the copy.
fn passes(copy: &Path, target: &Path, test: &str) -> bool {
    let status = Command::new(env!("CARGO"))
        .args(["test", "--release", "--offline", "-p", "lincheck", "--test", test])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        .env("LINCHECK_FUZZ_CASES", "300000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.success()
}

#[test]
fn every_mutant_is_noticed_by_its_test() {
    if std::env::var_os("LINCHECK_MUTANTS").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (workspace, target) = (directory.path().join("copy"), directory.path().join("target"));
    copy(&root().join("linearizability"), &workspace.join("linearizability"));
    // A workspace of this crate alone.
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let from = manifest.find("members = [").unwrap();
    let to = from + manifest[from..].find(']').unwrap();
    let alone = format!("{}members = [\"linearizability\"{}", &manifest[..from], &manifest[to..]);
    fs::write(workspace.join("Cargo.toml"), alone).unwrap();
    fs::copy(root().join("Cargo.lock"), workspace.join("Cargo.lock")).unwrap();
    for (name, mutant) in mutants() {
        let file = workspace.join(&mutant["file"]);
        let source = fs::read_to_string(&file).unwrap();
        fs::write(&file, source.replace(&mutant["find"], &mutant["replace"])).unwrap();
        let survived = passes(&workspace, &target, &mutant["test"]);
        fs::write(&file, source).unwrap();
        println!("{name}: {}", if survived { "not noticed" } else { "noticed" });
        assert!(!survived, "{name} is not noticed by {}", mutant["test"]);
    }
    assert!(passes(&workspace, &target, "oracle"), "without a mutant the test passes");
}
