//! Mutants: the workspace with one rule broken, to show that a check notices.
//!
//! A mutant is a small file in `model/mutants`: a text that occurs exactly once in one source file,
//! what replaces it, and what must notice: a property of a model, the simulator, or a test. Production
//! sources carry no mutant code.
//!
//! Mutants are built in a copy of the workspace with a target directory of its own: two copies of a
//! tree that share one make cargo take the other's artifacts for fresh, and the mutant's checks
//! would run on clean code. Only files that differ are written, so only what changed is rebuilt.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One broken rule.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The file's name without its ending.
    pub name: String,
    /// The rule that is broken, in a sentence.
    pub rule: String,
    /// Where the rule comes from.
    pub source: String,
    /// The file that is changed, from the root of the workspace.
    pub file: PathBuf,
    /// Occurs there exactly once.
    pub find: String,
    /// What takes its place.
    pub replace: String,
    /// What notices.
    pub check: Check,
    /// Whether a real cluster shows it too.
    pub cluster: bool,
}

/// What must notice a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A property falls in a model: the smallest that shows it.
    Model {
        /// The model.
        model: String,
        /// The property.
        property: String,
    },
    /// One of the first seeds of `simulate` breaks a promise.
    Simulator {
        /// How many seeds it may take.
        seeds: u64,
    },
    /// A test fails: one that tries every crash point, say.
    Test(Test),
}

/// A test of a package.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The package.
    pub package: String,
    /// The file in its `tests` without its ending, or `lib` for those beside the code.
    pub target: String,
    /// The test's path, as `cargo test` prints it.
    pub name: String,
}

impl Check {
    /// What notices, in one word.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Model { model, .. } => model,
            Self::Simulator { .. } => "simulator",
            Self::Test(test) => &test.target,
        }
    }

    /// What must fall, as far as it is known beforehand.
    #[must_use]
    pub fn expected(&self) -> &str {
        match self {
            Self::Model { property, .. } => property,
            Self::Simulator { .. } => "a promise",
            Self::Test(test) => &test.name,
        }
    }
}

/// A mutant as its file says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rule: String,
    source: String,
    file: PathBuf,
    find: String,
    replace: String,
    model: Option<String>,
    property: Option<String>,
    /// Seeds, at most.
    simulator: Option<u64>,
    test: Option<Test>,
    #[serde(default)]
    cluster: bool,
}

impl Written {
    fn into_mutant(self, name: String) -> Result<Mutant> {
        let check = match (self.model, self.property, self.simulator, self.test) {
            (Some(model), Some(property), None, None) => Check::Model { model, property },
            (None, None, Some(seeds), None) => Check::Simulator { seeds },
            (None, None, None, Some(test)) => Check::Test(test),
            _ => bail!("it must name a model and a property, or the simulator's seeds, or a test"),
        };
        let Self { rule, source, file, find, replace, cluster, .. } = self;
        Ok(Mutant { name, rule, source, file, find, replace, check, cluster })
    }
}

/// Reads every mutant of a workspace, by name.
///
/// # Errors
///
/// If the directory or a file in it cannot be read, or is not a mutant.
pub fn all(root: &Path) -> Result<Vec<Mutant>> {
    let directory = root.join("model").join("mutants");
    let entries = std::fs::read_dir(&directory);
    let entries = entries.with_context(|| format!("no mutants in {}", directory.display()))?;
    let mut mutants = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension() != Some(OsStr::new("toml")) {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let written: Written = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mutant = written.into_mutant(name).with_context(|| path.display().to_string())?;
        mutants.push(mutant);
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

impl Mutant {
    /// The changed text of its file.
    ///
    /// # Errors
    ///
    /// If the text to find does not occur exactly once: the source has moved on, and the mutant
    /// must follow.
    pub fn apply(&self, text: &str) -> Result<String> {
        let count = text.matches(&self.find).count();
        let (name, file) = (&self.name, self.file.display());
        ensure!(count == 1, "mutant {name}: its text occurs {count} times in {file}, not once");
        ensure!(self.find != self.replace, "mutant {name} changes nothing");
        Ok(text.replacen(&self.find, &self.replace, 1))
    }
}

/// A copy of the workspace in which mutants are built.
pub struct Workshop {
    root: PathBuf,
    copy: PathBuf,
    target: PathBuf,
}

/// What of a workspace is copied: all that cargo needs to build it.
const PARTS: [&str; 9] = [
    "model",
    "impl",
    "linearizability",
    "jepsen-harness",
    "Cargo.toml",
    "Cargo.lock",
    "clippy.toml",
    "rust-toolchain.toml",
    ".cargo",
];

impl Workshop {
    /// Makes the copy, or brings it up to date.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written.
    pub fn open(root: &Path) -> Result<Self> {
        let base = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        let base = if base.is_absolute() { base } else { root.join(base) };
        let base = base.join("mutants");
        let (copy, target) = (base.join("workspace"), base.join("target"));
        let workshop = Self { root: root.to_owned(), copy, target };
        workshop.restore()?;
        Ok(workshop)
    }

    /// Undoes every change.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written.
    pub fn restore(&self) -> Result<()> {
        for part in PARTS {
            let (from, to) = (self.root.join(part), self.copy.join(part));
            if from.exists() {
                mirror(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
            }
        }
        Ok(())
    }

    /// Changes the copy, and nothing else in it.
    ///
    /// # Errors
    ///
    /// If the mutant does not apply, or a file cannot be read or written.
    pub fn plant(&self, mutant: &Mutant) -> Result<()> {
        self.restore()?;
        let path = self.copy.join(&mutant.file);
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| format!("mutant {}: {}", mutant.name, path.display()))?;
        std::fs::write(&path, mutant.apply(&text)?)?;
        Ok(())
    }

    /// Builds a binary of the copy, with cargo's progress on standard error.
    ///
    /// # Errors
    ///
    /// If cargo cannot be started, or does not build it.
    pub fn build(&self, package: &str, binary: &str) -> Result<PathBuf> {
        self.cargo(&["build", "--package", package, "--bin", binary])?;
        Ok(self.target.join("mutant").join(format!("{binary}{}", std::env::consts::EXE_SUFFIX)))
    }

    /// Runs a test of the copy. Returns whether it passed.
    ///
    /// # Errors
    ///
    /// If cargo cannot be started, the test does not build, or there is no such test.
    pub fn passes(&self, test: &Test) -> Result<bool> {
        let mut arguments = vec!["test", "--package", &test.package];
        match test.target.as_str() {
            "lib" => arguments.push("--lib"),
            target => arguments.extend(["--test", target]),
        }
        let mut build = arguments.clone();
        build.push("--no-run");
        self.cargo(&build)?;
        let output = self.command(&arguments).args(["--", "--exact", &test.name]).output();
        let output = output.context("cannot start cargo")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(said.contains("running 1 test"), "{} has no test {}", test.target, test.name);
        Ok(output.status.success())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        let (verb, rest) = arguments.split_first().unwrap_or((&"", &[]));
        command.arg(verb).args(["--profile", "mutant"]).args(rest);
        command.current_dir(&self.copy).env("CARGO_TARGET_DIR", &self.target);
        command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// Has cargo build something, with its progress on standard error.
    fn cargo(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(arguments);
        let status = command.stdout(Stdio::null()).stderr(Stdio::inherit()).status();
        if !status.context("cannot start cargo")?.success() {
            bail!("cargo {} fails in {}", arguments.join(" "), self.copy.display());
        }
        Ok(())
    }
}

/// Makes `to` the same as `from`, and writes only what differs.
fn mirror(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_file() {
        let text = std::fs::read(from)?;
        if std::fs::read(to).is_ok_and(|known| known == text) {
            return Ok(());
        }
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        return std::fs::write(to, text);
    }
    std::fs::create_dir_all(to)?;
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        // Directories named like this hold what was built, not what is built.
        if entry.file_type()?.is_dir() && name.to_string_lossy().starts_with("target") {
            continue;
        }
        mirror(&entry.path(), &to.join(&name))?;
        names.insert(name);
    }
    for entry in std::fs::read_dir(to)? {
        let entry = entry?;
        if names.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The root of the workspace: where the program was built, when cargo runs it, or above the
/// current directory.
///
/// # Errors
///
/// If there is no `model/mutants` above either.
pub fn workspace_root() -> Result<PathBuf> {
    let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => PathBuf::from(package),
        None => std::env::current_dir()?,
    };
    let found = start.ancestors().find(|it| it.join("model").join("mutants").is_dir());
    let found = found.map(Path::to_owned);
    found.with_context(|| format!("no workspace with model/mutants above {}", start.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mutant that no longer applies is no test of anything.
    #[test]
    fn every_mutant_applies_to_the_sources_as_they_are() {
        let root = workspace_root().unwrap();
        let mutants = all(&root).unwrap();
        assert!(mutants.len() >= 15, "only {} mutants", mutants.len());
        let models = crate::models::all();
        for mutant in mutants {
            let text = std::fs::read_to_string(root.join(&mutant.file)).unwrap();
            mutant.apply(&text).unwrap();
            let name = &mutant.name;
            match &mutant.check {
                Check::Model { model, property } => {
                    let found = models.iter().find(|it| it.name() == *model);
                    let found = found.unwrap_or_else(|| panic!("{name}: no model {model}"));
                    let properties = found.properties();
                    let known = properties.contains(&property.as_str());
                    assert!(known, "{name}: {model} has no property {property}");
                }
                Check::Simulator { seeds } => assert!((1..=10_000).contains(seeds), "{name}"),
                Check::Test(wanted) => {
                    // Of a test beside the code the last part of its path is its name.
                    let last = wanted.name.rsplit("::").next().unwrap_or_default();
                    let folder =
                        root.join("impl").join(wanted.package.trim_start_matches("ringleader-"));
                    let place = match wanted.target.as_str() {
                        "lib" => folder.join("src"),
                        target => folder.join("tests").join(format!("{target}.rs")),
                    };
                    assert!(holds(&place, &format!("fn {last}(")), "{name}: no test {last}");
                }
            }
        }
    }

    /// Whether a file, or one below a folder, has this text.
    fn holds(place: &Path, text: &str) -> bool {
        if place.is_dir() {
            let entries = std::fs::read_dir(place).unwrap();
            return entries.into_iter().any(|entry| holds(&entry.unwrap().path(), text));
        }
        std::fs::read_to_string(place).is_ok_and(|found| found.contains(text))
    }

    #[test]
    fn a_mutant_names_one_thing_that_notices() {
        let parse = |rest: &str| {
            let head = "rule = 'r'\nsource = 's'\nfile = 'f'\nfind = 'x'\nreplace = 'y'\n";
            let written: Written = toml::from_str(&format!("{head}{rest}"))?;
            written.into_mutant("m".into()).map(|mutant| mutant.check)
        };
        let simulator = parse("simulator = 20").unwrap();
        assert_eq!((simulator.name(), simulator.expected()), ("simulator", "a promise"));
        let test = parse("test = { package = 'p', target = 't', name = 'n' }").unwrap();
        assert_eq!((test.name(), test.expected()), ("t", "n"));
        let model = parse("model = 'crash'\nproperty = 'COMMIT-1'").unwrap();
        assert_eq!((model.name(), model.expected()), ("crash", "COMMIT-1"));
        for rest in ["", "model = 'crash'", "model = 'a'\nproperty = 'b'\nsimulator = 1"] {
            let error = parse(rest).unwrap_err().to_string();
            assert!(error.starts_with("it must name a model"), "{error}");
        }
    }

    #[test]
    fn a_text_that_occurs_twice_is_refused() {
        let mutant = Mutant {
            name: "m".into(),
            rule: String::new(),
            source: String::new(),
            file: "f".into(),
            find: "x".into(),
            replace: "y".into(),
            check: Check::Simulator { seeds: 1 },
            cluster: false,
        };
        assert_eq!(mutant.apply("axb").unwrap(), "ayb");
        let error = mutant.apply("xx").unwrap_err().to_string();
        assert_eq!(error, "mutant m: its text occurs 2 times in f, not once");
        assert!(mutant.apply("").is_err());
    }

    #[test]
    fn a_mirror_writes_only_what_differs_and_removes_what_is_gone() {
        let base = tempfile::tempdir().unwrap();
        let (from, to) = (base.path().join("from"), base.path().join("to"));
        std::fs::create_dir_all(from.join("a/target")).unwrap();
        std::fs::write(from.join("a/one"), "1").unwrap();
        mirror(&from, &to).unwrap();
        let written = std::fs::metadata(to.join("a/one")).unwrap().modified().unwrap();
        std::fs::write(to.join("a/two"), "2").unwrap();
        mirror(&from, &to).unwrap();
        assert_eq!(std::fs::metadata(to.join("a/one")).unwrap().modified().unwrap(), written);
        assert!(!to.join("a/two").exists() && !to.join("a/target").exists());
    }
}
