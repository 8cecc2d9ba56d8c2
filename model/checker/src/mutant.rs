//! Mutants: the workspace with one rule broken, to show that a check notices.
//!
//! A mutant is a small file in `model/mutants`: a text that occurs exactly once in one source file,
//! what replaces it, and the property that must fall. Production sources carry no mutant code.
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// The file's name without its ending.
    #[serde(skip)]
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
    /// The model that notices: the smallest that does.
    pub model: String,
    /// The property that must fall.
    pub property: String,
    /// Whether a real cluster shows it too.
    #[serde(default)]
    pub cluster: bool,
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
        let mutant: Mutant = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        mutants.push(Mutant { name, ..mutant });
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
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--profile", "mutant", "--package", package, "--bin", binary])
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", &self.target)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .context("cannot start cargo")?;
        if !status.success() {
            bail!("{package} does not build in {}", self.copy.display());
        }
        Ok(self.target.join("mutant").join(format!("{binary}{}", std::env::consts::EXE_SUFFIX)))
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
            let model = models.iter().find(|it| it.name() == mutant.model);
            let model =
                model.unwrap_or_else(|| panic!("{}: no model {}", mutant.name, mutant.model));
            assert!(
                model.properties().contains(&mutant.property.as_str()),
                "{}: {} has no property {}",
                mutant.name,
                mutant.model,
                mutant.property
            );
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
            model: String::new(),
            property: String::new(),
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
