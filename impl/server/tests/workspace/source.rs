//! What every Rust file has, and what none has.

use crate::checkout::{File, files};
use crate::{assert_none, assert_one};

/// Longer files hide two subjects.
const LINES_MAX: usize = 800;

/// Left-overs that a reader could take for finished. Written so that this file does not contain
/// them itself.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[", "ignore"),
];

/// Names that say that their content has no home.
const HOMELESS: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "misc", "shared", "tools", "stuff"];

fn complaints(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    let path = &file.path;
    if !file.text.starts_with("//!") {
        found.push(format!("{path}: no `//!` header that says what it is for"));
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{path}: {lines} lines, at most {LINES_MAX} allowed"));
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        for word in UNFINISHED.iter().filter(|word| line.contains(*word)) {
            found.push(format!(
                "{path}:{number}: `{word}`: finish it, or return an error that says so"
            ));
        }
    }
    found.extend(exceptions_without_reason(file));
    let stem = path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/lib");
    let name = stem.trim_end_matches("/src").rsplit('/').next().unwrap_or_default();
    if HOMELESS.contains(&name) {
        found.push(format!("{path}: a module named `{name}` has no subject"));
    }
    found
}

/// Attributes that silence a lint say why.
fn exceptions_without_reason(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for opening in [
        concat!("#[", "allow("),
        concat!("#![", "allow("),
        concat!("#[", "expect("),
        concat!("#![", "expect("),
    ] {
        for (at, _) in file.text.match_indices(opening) {
            let attribute = file.text[at..].split(")]").next().unwrap_or_default();
            if !attribute.contains("reason") {
                let line = file.text[..at].lines().count() + 1;
                found.push(format!("{}:{line}: `{opening}..` without a reason", file.path));
            }
        }
    }
    found
}

#[test]
fn rust_files_are_tidy() {
    let found: Vec<_> = files().iter().filter(|it| it.is("rs")).flat_map(complaints).collect();
    assert_none(&found);
}

#[test]
fn untidy_files_are_noticed() {
    let check = |path: &str, text: &str| complaints(&File::new(path, text));
    assert_none(&check("a/src/ring.rs", "//! The ring.\n"));
    assert_one(&check("a/src/ring.rs", "use std::fmt;\n"), "no `//!` header");
    assert_one(&check("a/src/ring.rs", &"//! Long.\n".repeat(LINES_MAX + 1)), "801 lines");
    assert_one(&check("a/src/utils.rs", "//! Things.\n"), "no subject");
    assert_one(&check("a/src/common/mod.rs", "//! Things.\n"), "no subject");
    assert_one(&check("a/helpers/src/lib.rs", "//! Things.\n"), "no subject");
    for word in UNFINISHED {
        assert_one(&check("a/src/ring.rs", &format!("//! The ring.\n{word}\n")), "ring.rs:2");
    }
}

#[test]
fn silenced_lints_without_a_reason_are_noticed() {
    let check = |attribute: &str| {
        let text = format!("//! The ring.\n{}{attribute}", concat!("#[", "al"));
        complaints(&File::new("a/src/ring.rs", &text))
    };
    assert_none(&check("low(dead_code, reason = \"drawn only\")]"));
    assert_one(&check("low(dead_code)]\nfn f() {} // the reason\n"), "ring.rs:2");
    assert_one(&check("low(\n  dead_code,\n)]"), "without a reason");
}
