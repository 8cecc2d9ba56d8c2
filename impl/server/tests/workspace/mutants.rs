//! Mutants are named once, no two are the same, and each still fits the source that it breaks.

use crate::checkout::{File, files};
use crate::{assert_none, assert_one};
use std::collections::BTreeMap;

/// Where they live.
const FOLDER: &str = "model/mutants/";

fn complaints(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    let mut by_name: BTreeMap<String, &str> = BTreeMap::new();
    let mut by_change: BTreeMap<[String; 3], &str> = BTreeMap::new();
    let in_folder = || files.iter().filter(|file| file.path.starts_with(FOLDER));
    for File { path, text } in in_folder().filter(|file| file.is("toml")) {
        if let Some(other) = by_name.insert(path.replace('_', "-"), path) {
            found.push(format!("{path} has the name of {other}"));
        }
        let Some(change) = change_of(text) else {
            found.push(format!("{path} names no file, find or replace"));
            continue;
        };
        let [source, find, _] = &change;
        let source_text = files.iter().find(|it| it.path == *source).map(|it| it.text.as_str());
        let count = source_text.unwrap_or_default().matches(find.as_str()).count();
        if count != 1 {
            found
                .push(format!("{path}: what it breaks occurs {count} times in {source}, not once"));
        }
        if let Some(other) = by_change.insert(change, path) {
            found.push(format!("{path} is the same mutant as {other}"));
        }
    }
    for list in in_folder().filter(|file| file.is("md")) {
        let mut listed: Vec<&str> = first_cells(&list.text).collect();
        listed.sort_unstable();
        let twice = listed.windows(2).filter(|pair| pair[0] == pair[1]);
        found.extend(twice.map(|pair| format!("{} lists {} twice", list.path, pair[0])));
    }
    found
}

/// Which file a mutant changes, where, and into what.
fn change_of(mutant: &str) -> Option<[String; 3]> {
    let table: toml::Table = mutant.parse().ok()?;
    let text = |key: &str| table.get(key)?.as_str().map(str::to_owned);
    Some([text("file")?, text("find")?, text("replace")?])
}

/// The first cell of each row of a table.
fn first_cells(text: &str) -> impl Iterator<Item = &str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix('|'));
    let cells = rows.filter_map(|row| row.split('|').next());
    let is_name = |cell: &&str| !cell.is_empty() && !cell.starts_with("--");
    cells.map(|cell| cell.trim().trim_matches('`')).filter(is_name)
}

#[test]
fn mutants_are_named_once() {
    assert_none(&complaints(&files()));
}

#[test]
fn bad_mutants_are_noticed() {
    let source = || File::new("model/core/src/a.rs", "let one = 1;\nlet two = 2;\n");
    let mutant = |name: &str, find: &str, replace: &str| {
        let text =
            format!("file = 'model/core/src/a.rs'\nfind = '{find}'\nreplace = '{replace}'\n");
        File::new(&format!("{FOLDER}{name}"), &text)
    };
    let check = |file: File| complaints(&[source(), mutant("stale-read.toml", "one", "1"), file]);
    assert_none(&check(mutant("quorum.toml", "two", "2")));
    assert_one(&check(mutant("stale_read.toml", "two", "2")), "has the name of");
    assert_one(&check(mutant("quorum.toml", "one", "1")), "is the same mutant");
    assert_one(&check(mutant("quorum.toml", "let", "2")), "occurs 2 times");
    assert_one(&check(File::new(&format!("{FOLDER}quorum.toml"), "rule = 'x'")), "names no file");
    let list = "| name |\n|---|\n| `stale-read` | x |\n| stale-read | y |\n";
    let list = File::new(&format!("{FOLDER}README.md"), list);
    assert_one(&check(list), "lists stale-read twice");
}
