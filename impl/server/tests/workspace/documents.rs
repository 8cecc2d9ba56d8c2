//! What the documents promise: links that lead somewhere, a status for every mechanism, a
//! changelog in its usual form.

use crate::checkout::{File, files, root};
use crate::{assert_none, assert_one};
use std::collections::BTreeMap;
use std::path::Path;

/// The mechanisms that this project is about: a letter, and how many rows it has.
const INVENTORY: [(char, usize); 15] = [
    ('A', 18),
    ('B', 13),
    ('C', 9),
    ('D', 15),
    ('E', 25),
    ('F', 18),
    ('G', 8),
    ('H', 10),
    ('I', 12),
    ('J', 6),
    ('K', 5),
    ('L', 3),
    ('M', 8),
    ('N', 4),
    ('O', 8),
];

/// What can be said of a mechanism.
const STATUSES: [&str; 3] = ["done", "partly", "missing"];

/// What stands in the section on the status: `| id | mechanism | status | where |`.
fn complaints_about_status(readme: &str) -> Vec<String> {
    let section = readme.split("\n## Status").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for row in section.lines().filter_map(|line| line.strip_prefix('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let id = cells[0];
        let letter = id.chars().next().filter(char::is_ascii_uppercase);
        if letter.is_none() || !id[1..].chars().all(|it| it.is_ascii_digit()) {
            continue; // The table's head.
        }
        *seen.entry(id.to_owned()).or_default() += 1;
        let [_, _, status, place, ..] = cells[..] else {
            found.push(format!("{id}: a row has an id, a mechanism, a status and a place"));
            continue;
        };
        if !STATUSES.contains(&status) {
            found.push(format!("{id}: `{status}` is none of {STATUSES:?}"));
        } else if status != "missing" && place.is_empty() {
            found.push(format!("{id}: {status}, but where can it be seen?"));
        }
    }
    let all = INVENTORY
        .iter()
        .flat_map(|&(letter, count)| (1..=count).map(move |number| format!("{letter}{number}")));
    for id in all {
        match seen.remove(&id) {
            Some(1) => {}
            Some(times) => found.push(format!("{id} has {times} rows")),
            None => found.push(format!("{id} has no row")),
        }
    }
    found.extend(seen.keys().map(|id| format!("{id} is no mechanism of the inventory")));
    found
}

/// The targets of links in a document, code aside, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second piece is within backquotes.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for after in prose.split("](").skip(1) {
            let target = after.split([')', ' ']).next().unwrap_or_default();
            found.push((number, target.to_owned()));
        }
    }
    found
}

fn complaints_about_links(file: &File, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for (number, target) in links(&file.text) {
        let path = target.split('#').next().unwrap_or_default();
        let elsewhere = target.contains("://") || target.starts_with("mailto:");
        if !elsewhere && !path.is_empty() && !exists(&folder.join(path)) {
            found.push(format!("{}:{number}: {target} does not exist", file.path));
        }
    }
    found
}

/// Where a path within backquotes begins, if it is one of this checkout.
const FOLDERS: [&str; 5] = ["model/", "impl/", "docs/", "linearizability/", "jepsen-harness/"];

/// Files named within backquotes, from the root: a code map that names what is gone misleads.
fn complaints_about_names(file: &File, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for name in line.split('`').skip(1).step_by(2) {
            let is_path = FOLDERS.iter().any(|folder| name.starts_with(folder))
                && !name.contains(|it: char| it.is_whitespace() || "*<>{}$".contains(it));
            if is_path && !exists(Path::new(name)) {
                found.push(format!("{}:{number}: {name} does not exist", file.path));
            }
        }
    }
    found
}

/// The form of keepachangelog.com.
fn complaints_about_changelog(text: &str) -> Vec<String> {
    const KINDS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
    let mut found = Vec::new();
    let mut versions = text.lines().filter_map(|line| line.strip_prefix("## "));
    if versions.next() != Some("[Unreleased]") {
        found.push("the first version is `## [Unreleased]`".to_owned());
    }
    for version in versions {
        let dated = version
            .split_once("] - ")
            .is_some_and(|(name, date)| name.starts_with('[') && date.len() == "2026-01-31".len());
        if !dated {
            found.push(format!("`## {version}` should read `## [1.2.3] - 2026-01-31`"));
        }
    }
    let kinds = text.lines().filter_map(|line| line.strip_prefix("### "));
    let strange = kinds.filter(|kind| !KINDS.contains(kind));
    found.extend(strange.map(|kind| format!("`### {kind}` is none of {KINDS:?}")));
    found
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("a document of this checkout")
}

#[test]
fn every_mechanism_has_a_status() {
    assert_none(&complaints_about_status(&read("README.md")));
}

#[test]
fn links_lead_somewhere() {
    let root = root();
    let exists = |path: &Path| root.join(path).exists();
    let documents = files().into_iter().filter(|file| file.is("md"));
    assert_none(&documents.flat_map(|it| complaints_about_links(&it, &exists)).collect::<Vec<_>>());
}

#[test]
fn named_files_exist() {
    let root = root();
    let exists = |path: &Path| root.join(path).exists();
    let documents = files().into_iter().filter(|file| file.is("md"));
    assert_none(&documents.flat_map(|it| complaints_about_names(&it, &exists)).collect::<Vec<_>>());
}

#[test]
fn the_changelog_keeps_its_form() {
    assert_none(&complaints_about_changelog(&read("CHANGELOG.md")));
}

#[test]
fn a_wrong_status_is_noticed() {
    let row = |id: String| format!("| {id} | what | missing | |\n");
    let ids = |&(letter, count): &(char, usize)| {
        (1..=count).map(|number| row(format!("{letter}{number}"))).collect::<String>()
    };
    let rows: String = INVENTORY.iter().map(ids).collect();
    let check = |rows: &str| {
        complaints_about_status(&format!(
            "# R\n\n## Status\n\n| id | m | s | w |\n|---|\n{rows}\n## X\n"
        ))
    };
    assert_none(&check(&rows));
    assert_one(&check(&rows.replace("| B13 | what | missing | |\n", "")), "B13 has no row");
    assert_one(&check(&format!("{rows}{}", row("C2".to_owned()))), "C2 has 2 rows");
    assert_one(&check(&format!("{rows}{}", row("D16".to_owned()))), "D16 is no mechanism");
    assert_one(&check(&rows.replace("| O8 | what | missing", "| O8 | what | soon")), "`soon`");
    assert_one(&check(&rows.replace("| A1 | what | missing", "| A1 | what | done")), "where");
}

#[test]
fn a_dead_link_is_noticed() {
    let exists = |path: &Path| path == Path::new("docs/model.md");
    let check = |text: &str| complaints_about_links(&File::new("docs/page.md", text), &exists);
    assert_none(&check("[a](model.md) [b](model.md#disk) [c](https://x.org/y) [d](#here)"));
    assert_none(&check("`[a](gone.md)`\n```\n[a](gone.md)\n```\n"));
    assert_one(&check("\n[a](model.md) and [b](gone.md)"), "docs/page.md:2: gone.md");
}

#[test]
fn a_name_of_nothing_is_noticed() {
    let exists = |path: &Path| path == Path::new("model/core");
    let check = |text: &str| complaints_about_names(&File::new("docs/page.md", text), &exists);
    assert_none(&check("`model/core`, `src/gone.rs`, `model/<name>`, model/gone"));
    assert_one(&check("`model/core` and `model/gone.rs`"), "docs/page.md:1: model/gone.rs");
}

#[test]
fn a_strange_changelog_is_noticed() {
    let good = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [0.1.0] - 2026-01-31\n";
    assert_none(&complaints_about_changelog(good));
    let check = |from: &str, to: &str| complaints_about_changelog(&good.replace(from, to));
    assert_one(&check("[Unreleased]", "Next"), "first version");
    assert_one(&check("### Added", "### News"), "### News");
    assert_one(&check(" - 2026-01-31", ""), "should read");
}
