//! The command lines that we promise: aliases of cargo that name existing programs.

use crate::packages::{metadata, package};
use crate::{assert_none, assert_one, checkout};
use cargo_metadata::Metadata;
use std::collections::BTreeMap;

/// Every alias that the documentation names, and the program behind it.
const PROMISED: [(&str, &str, &str); 6] = [
    ("model", "ringleader-checker", "model"),
    ("sim", "ringleader-sim", "simulate"),
    ("lincheck", "lincheck", "lincheck"),
    ("ringleader", "ringleader", "ringleader"),
    ("jepsen", "jepsen-harness", "jepsen"),
    ("verify", "jepsen-harness", "verify"),
];

/// The aliases in cargo's configuration, word by word.
fn aliases(config: &str) -> BTreeMap<String, Vec<String>> {
    let table: toml::Table = config.parse().expect("cargo's configuration is TOML");
    let aliases = table.get("alias").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let words = |line: &toml::Value| {
        let line = line.as_str().expect("an alias is a text");
        line.split_whitespace().map(str::to_owned).collect()
    };
    aliases.iter().map(|(name, line)| (name.clone(), words(line))).collect()
}

fn complaints(config: &str, has_program: &dyn Fn(&str, &str) -> bool) -> Vec<String> {
    let aliases = aliases(config);
    let mut found = Vec::new();
    for (alias, package, program) in PROMISED {
        let Some(words) = aliases.get(alias) else {
            found.push(format!("`cargo {alias}` is promised but is no alias"));
            continue;
        };
        let expected = ["run", "--release", "-p", package, "--bin", program, "--"];
        if words.iter().ne(expected.iter()) {
            found.push(format!("`cargo {alias}` should mean `{}`", expected.join(" ")));
        }
        if !has_program(package, program) {
            found.push(format!("`cargo {alias}`: {package} has no program {program}"));
        }
    }
    let promised = |alias: &&String| PROMISED.iter().any(|it| it.0 == alias.as_str());
    let surplus = aliases.keys().filter(|it| !promised(it));
    found.extend(surplus.map(|alias| format!("`cargo {alias}` is documented nowhere")));
    found
}

fn has_program(metadata: &Metadata, of: &str, program: &str) -> bool {
    let targets = package(metadata, of).into_iter().flat_map(|it| &it.targets);
    targets.filter(|target| target.is_bin()).any(|target| target.name == program)
}

#[test]
fn promised_commands_exist() {
    let path = checkout::root().join(".cargo/config.toml");
    let config = std::fs::read_to_string(path).expect("cargo's configuration");
    let metadata = metadata();
    assert_none(&complaints(&config, &|of, program| has_program(&metadata, of, program)));
}

#[test]
fn missing_commands_are_noticed() {
    let line = |(alias, package, program): (&str, &str, &str)| {
        format!("{alias} = \"run --release -p {package} --bin {program} --\"\n")
    };
    let config = format!("[alias]\n{}", PROMISED.map(line).concat());
    let all = |_: &str, _: &str| true;
    assert_none(&complaints(&config, &all));
    assert_one(&complaints(&config.replace("verify = ", "# "), &all), "`cargo verify`");
    assert_one(
        &complaints(&config.replace("run --release -p lincheck", "run -p lincheck"), &all),
        "should mean",
    );
    assert_one(&complaints(&config, &|_, program| program != "jepsen"), "no program jepsen");
    assert_one(&complaints(&format!("{config}b = \"build\"\n"), &all), "documented nowhere");
}
