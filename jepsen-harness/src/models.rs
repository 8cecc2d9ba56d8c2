//! Runs the model checker as a process: the models themselves, and models with a planted bug.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::verdict::{Row, Verdict, grouped};

/// What `model check --json` says.
#[derive(Debug, Deserialize)]
struct CheckDocument {
    models: Vec<CheckedModel>,
}

/// What was found about one model.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CheckedModel {
    /// Its name.
    pub name: String,
    /// Within which bounds it was explored.
    pub bounds: String,
    /// Unique states.
    pub states: u64,
    /// The longest path.
    pub depth: u64,
    /// How long it took.
    pub seconds: f64,
    /// `holds`, `violated` or `incomplete`; `refuted` is the violation of what this model is there
    /// to refute.
    pub verdict: String,
    /// The property that is violated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The file with the counterexample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<PathBuf>,
}

impl CheckedModel {
    /// The model's line in the verdict table.
    #[must_use]
    pub fn row(&self) -> Row {
        let verdict = match self.verdict.as_str() {
            "holds" | "refuted" => Verdict::Holds,
            "violated" => Verdict::Violated,
            _ => Verdict::Void,
        };
        let mut detail = format!(
            "{} states, depth {}, {:.1} s; {}",
            grouped(self.states),
            self.depth,
            self.seconds,
            self.bounds
        );
        if let Some(property) = &self.property {
            let must = if self.verdict == "refuted" { ", as it must be" } else { "" };
            detail = format!("{property} is {}{must}; {detail}", self.verdict);
        } else if verdict == Verdict::Void {
            detail = format!("{}; {detail}", self.verdict);
        }
        Row::new(format!("model {}", self.name), verdict, detail)
    }
}

/// Checks every model at quick bounds.
///
/// # Errors
///
/// If the checker does not run or answers nonsense.
pub async fn check(model: &Path) -> Result<Vec<CheckedModel>> {
    let text = output(model, &["check", "--bounds", "quick", "--json"]).await?;
    let document: CheckDocument = parse(model, &text)?;
    if document.models.is_empty() {
        bail!("{} checked no model", model.display());
    }
    Ok(document.models)
}

/// Draws the counterexample in a trace file.
///
/// # Errors
///
/// If the checker cannot replay it.
pub async fn draw(model: &Path, trace: &Path) -> Result<String> {
    output(model, &["replay", &trace.to_string_lossy()]).await
}

/// What `model mutants --json` says.
#[derive(Debug, Deserialize)]
struct MutantsDocument {
    mutants: Vec<CheckedMutant>,
}

/// What became of one mutant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CheckedMutant {
    /// Its name.
    pub name: String,
    /// `killed`, `survived` or `broken`.
    pub verdict: String,
    /// The property that fell.
    #[serde(default)]
    pub property: Option<String>,
    /// The property that should fall.
    #[serde(default)]
    pub expected_property: Option<String>,
    /// The length of the counterexample.
    #[serde(default)]
    pub depth: Option<u64>,
    /// The counterexample as a sequence diagram.
    #[serde(default)]
    pub diagram: Option<String>,
    /// How long it took, the build included.
    #[serde(default)]
    pub seconds: Option<f64>,
}

impl CheckedMutant {
    /// The mutant's line in the verdict table: *violated* is what it should be.
    #[must_use]
    pub fn row(&self) -> Row {
        let part = format!("model of the mutant {}", self.name);
        let seconds = self.seconds.unwrap_or_default();
        let property = self.property.as_deref().unwrap_or("no property");
        match self.verdict.as_str() {
            "killed" => {
                let steps = self.depth.unwrap_or_default();
                let detail = format!("{property} falls after {steps} steps, {seconds:.1} s");
                Row::new(part, Verdict::Violated, detail)
            }
            "survived" => {
                let expected = self.expected_property.as_deref().unwrap_or("a property");
                let detail = format!("survived: {expected} should fall, {seconds:.1} s");
                Row::new(part, Verdict::Holds, detail)
            }
            other => Row::new(part, Verdict::Void, format!("{other}, {seconds:.1} s")),
        }
    }
}

/// Checks the models of a build with the mutant planted.
///
/// # Errors
///
/// If the checker does not run or answers nonsense.
pub async fn check_mutant(model: &Path, name: &str) -> Result<CheckedMutant> {
    let text = output(model, &["mutants", "--json", name]).await?;
    let document: MutantsDocument = parse(model, &text)?;
    let mutant = document.mutants.into_iter().find(|mutant| mutant.name == name);
    mutant.with_context(|| format!("{} says nothing about {name}", model.display()))
}

/// Builds the node with the mutant planted and says where it is.
///
/// # Errors
///
/// If it cannot be built.
pub async fn build_mutant(model: &Path, name: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Document {
        server: PathBuf,
    }
    let text = output(model, &["mutants", "--build-server", name]).await?;
    let document: Document = parse(model, &text)?;
    Ok(document.server)
}

/// What the file of a mutant says that matters here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MutantFile {
    /// Whether a real cluster shows it too.
    pub cluster: bool,
}

/// Reads `model/mutants/NAME.toml` of the checkout that this program or the current directory
/// belongs to.
///
/// # Errors
///
/// If there is no such mutant; the text lists those that there are.
pub fn mutant_file(name: &str) -> Result<MutantFile> {
    let directory = mutants_directory()?;
    let file = directory.join(format!("{name}.toml"));
    // A name is a name, not a path.
    let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if !plain || !file.is_file() {
        let names = mutant_names(&directory).join(", ");
        bail!("no mutant is called {name:?}; there are {names}");
    }
    let text = fs::read_to_string(&file)?;
    toml::from_str(&text).with_context(|| format!("cannot read {}", file.display()))
}

fn mutants_directory() -> Result<PathBuf> {
    let start = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => PathBuf::from(package),
        None => env::current_dir()?,
    };
    let candidates = start.ancestors().map(|directory| directory.join("model").join("mutants"));
    candidates
        .into_iter()
        .find(|directory| directory.is_dir())
        .with_context(|| format!("there is no model/mutants in {} or above", start.display()))
}

fn mutant_names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        entry.file_name().to_string_lossy().strip_suffix(".toml").map(str::to_owned)
    };
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}

/// Runs the checker, its progress passed through, and returns what it printed. Exit codes 1 and 3
/// are verdicts, which the document tells in full.
async fn output(model: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(model);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    // Not `Command::output`: that would capture standard error, the progress.
    let running = command.stderr(Stdio::inherit()).spawn();
    let running = running.with_context(|| format!("cannot start {}", model.display()))?;
    let output = running.wait_with_output().await?;
    if !matches!(output.status.code(), Some(0 | 1 | 3)) {
        bail!("{} {} ended with {}", model.display(), arguments.join(" "), output.status);
    }
    String::from_utf8(output.stdout).context("the model checker printed no text")
}

fn parse<'a, T: Deserialize<'a>>(model: &Path, text: &'a str) -> Result<T> {
    serde_json::from_str(text)
        .with_context(|| format!("{} printed no document as agreed", model.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agreed_documents_become_rows() {
        let text = r#"{"version":1,"bounds":"quick","verdict":"violated","models":[
            {"name":"group","bounds":"3 replicas, 2 terms","states":1234567,"depth":31,"seconds":2.04,
             "verdict":"holds"},
            {"name":"reads","bounds":"quick","states":7,"depth":3,"seconds":0.1,
             "verdict":"violated","property":"READ-1","trace":"a/b.json"},
            {"name":"deep","bounds":"quick","states":7,"depth":3,"seconds":0.1,
             "verdict":"incomplete"},
            {"name":"textbook","bounds":"quick","states":7,"depth":3,"seconds":0.1,
             "verdict":"refuted","property":"LINEARIZABLE"}]}"#;
        let document: CheckDocument = serde_json::from_str(text).unwrap();
        let rows: Vec<Row> = document.models.iter().map(CheckedModel::row).collect();
        assert_eq!(
            rows[0],
            Row::new(
                "model group",
                Verdict::Holds,
                "1,234,567 states, depth 31, 2.0 s; 3 replicas, 2 terms"
            )
        );
        assert_eq!(rows[1].verdict, Verdict::Violated);
        assert!(rows[1].detail.starts_with("READ-1 is violated; "), "{}", rows[1].detail);
        assert_eq!(rows[2].verdict, Verdict::Void);
        assert_eq!(rows[3].verdict, Verdict::Holds);
        let told = "LINEARIZABLE is refuted, as it must be; ";
        assert!(rows[3].detail.starts_with(told), "{}", rows[3].detail);
    }

    #[test]
    fn a_killed_mutant_is_a_violation_and_a_survivor_is_none() {
        let text = r#"{"version":1,"mutants":[
            {"name":"a","verdict":"killed","property":"P","expected_property":"P","depth":9,
             "diagram":"..","seconds":30.5},
            {"name":"b","verdict":"survived","property":null,"expected_property":"P","depth":null,
             "diagram":null,"seconds":1.0},
            {"name":"c","verdict":"broken"}]}"#;
        let document: MutantsDocument = serde_json::from_str(text).unwrap();
        let verdicts: Vec<Verdict> =
            document.mutants.iter().map(|mutant| mutant.row().verdict).collect();
        assert_eq!(verdicts, [Verdict::Violated, Verdict::Holds, Verdict::Void]);
    }
}
