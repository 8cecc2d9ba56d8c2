//! `model mutants`: the gate that shows that the models notice.

use crate::output::{BROKEN, UNDECIDED, VIOLATED, say};
use anyhow::{Context, Result, bail};
use clap::Args;
use ringleader_checker::mutant::{Mutant, Workshop, all, workspace_root};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

#[derive(Args)]
pub(crate) struct Mutants {
    /// Mutants to try [default: all]: files of model/mutants, without their ending.
    names: Vec<String>,
    /// Only list them.
    #[arg(long)]
    list: bool,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
    /// Build the server with this mutant planted, and say where it is.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["names", "list"])]
    build_server: Option<String>,
}

/// A mutant may make the state space larger: a survivor must not run for ever.
const TIME_LIMIT_SECONDS: u64 = 240;

/// What became of one mutant.
struct Tried {
    mutant: Mutant,
    outcome: Outcome,
    seconds: f64,
}

enum Outcome {
    /// The property fell.
    Killed { depth: u64, diagram: String },
    /// It did not.
    Survived,
    /// The time ran out.
    Undecided,
    /// It does not apply, or does not build.
    Broken(String),
}

impl Mutants {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let root = workspace_root()?;
        let all = all(&root)?;
        if let Some(name) = &self.build_server {
            return build_server(&root, &select(&all, std::slice::from_ref(name))?[0]);
        }
        let mutants = select(&all, &self.names)?;
        if self.list {
            for Mutant { name, model, property, rule, .. } in &mutants {
                say(&format!("{name:<28} {model:<12} {property:<11} {rule}\n"))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let workshop = Workshop::open(&root)?;
        control(&workshop, &mutants).context("before any mutant")?;
        let mut tried = Vec::new();
        for mutant in mutants {
            let it = attempt(&workshop, mutant);
            if !self.json {
                say(&describe(&it))?;
            }
            eprintln!(
                "{}: {} after {:.1} s",
                it.mutant.name,
                verdict_name(&it.outcome),
                it.seconds
            );
            tried.push(it);
        }
        let mutants: Vec<Mutant> = tried.iter().map(|it| it.mutant.clone()).collect();
        workshop.restore()?;
        control(&workshop, &mutants).context("after the last mutant")?;
        if self.json {
            say(&format!("{:#}\n", document(&tried)))?;
        } else {
            let killed = tried.iter().filter(|it| matches!(it.outcome, Outcome::Killed { .. }));
            say(&format!("{} of {} mutants killed\n", killed.count(), tried.len()))?;
        }
        Ok(exit_code(&tried))
    }
}

fn select(all: &[Mutant], names: &[String]) -> Result<Vec<Mutant>> {
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let find = |name: &String| {
        let found = all.iter().find(|mutant| mutant.name == *name).cloned();
        let known = || all.iter().map(|mutant| mutant.name.as_str()).collect::<Vec<_>>().join(", ");
        found.with_context(|| format!("no mutant is called {name:?}; there are {}", known()))
    };
    names.iter().map(find).collect()
}

fn build_server(root: &Path, mutant: &Mutant) -> Result<ExitCode> {
    let workshop = Workshop::open(root)?;
    workshop.plant(mutant)?;
    let server = workshop.build("ringleader", "ringleader")?;
    say(&format!("{:#}\n", json!({ "version": 1, "server": server })))?;
    Ok(ExitCode::SUCCESS)
}

/// The models that the mutants are to break hold while nothing is broken. Otherwise a kill would
/// say nothing.
fn control(workshop: &Workshop, mutants: &[Mutant]) -> Result<()> {
    let models: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.model.as_str()).collect();
    let binary = workshop.build("ringleader-checker", "model")?;
    let checked = run(&binary, models.iter().copied(), None, None)?;
    for model in checked["models"].as_array().into_iter().flatten() {
        if model["verdict"] != "holds" {
            bail!("control: model {} is {} without a mutant", model["name"], model["verdict"]);
        }
    }
    Ok(())
}

fn attempt(workshop: &Workshop, mutant: Mutant) -> Tried {
    let started = Instant::now();
    let outcome =
        try_one(workshop, &mutant).unwrap_or_else(|error| Outcome::Broken(format!("{error:#}")));
    Tried { mutant, outcome, seconds: started.elapsed().as_secs_f64() }
}

fn try_one(workshop: &Workshop, mutant: &Mutant) -> Result<Outcome> {
    workshop.plant(mutant)?;
    let binary = workshop.build("ringleader-checker", "model")?;
    let checked =
        run(&binary, [mutant.model.as_str()], Some(&mutant.property), Some(TIME_LIMIT_SECONDS))?;
    let model = &checked["models"][0];
    Ok(match model["verdict"].as_str() {
        Some("violated") if model["property"] == mutant.property.as_str() => Outcome::Killed {
            depth: model["steps"].as_u64().unwrap_or_default(),
            diagram: model["diagram"].as_str().unwrap_or_default().to_owned(),
        },
        Some("incomplete") => Outcome::Undecided,
        _ => Outcome::Survived,
    })
}

/// Runs `model check` of a build in the workshop.
fn run<'a>(
    binary: &Path,
    models: impl IntoIterator<Item = &'a str>,
    property: Option<&str>,
    seconds_max: Option<u64>,
) -> Result<Value> {
    let mut command = Command::new(binary);
    command.arg("check").args(models).arg("--json");
    command.arg("--traces").arg(binary.with_file_name("traces"));
    if let Some(seconds) = seconds_max {
        command.args(["--time-limit", &seconds.to_string()]);
    }
    if let Some(property) = property {
        command.args(["--property", property]);
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).with_context(|| {
        format!("{} ended with {} and no verdict", binary.display(), output.status)
    })
}

fn verdict_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Killed { .. } => "killed",
        Outcome::Survived => "survived",
        Outcome::Undecided => "undecided",
        Outcome::Broken(_) => "broken",
    }
}

fn describe(tried: &Tried) -> String {
    let Tried { mutant, outcome, seconds } = tried;
    let verdict = verdict_name(outcome);
    let Mutant { name, rule, property, model, .. } = mutant;
    let head = format!("{name}: {verdict}, {seconds:.1} s\n  broken rule: {rule}\n");
    match outcome {
        Outcome::Killed { depth, diagram } => {
            format!("{head}  {property} falls in model {model} after {depth} steps\n\n{diagram}\n")
        }
        Outcome::Survived | Outcome::Undecided => {
            format!("{head}  {property} should fall in model {model}\n")
        }
        Outcome::Broken(reason) => format!("{head}  {reason}\n"),
    }
}

fn document(tried: &[Tried]) -> Value {
    let mutants: Vec<Value> = tried.iter().map(mutant_value).collect();
    json!({ "version": 1, "mutants": mutants })
}

fn mutant_value(tried: &Tried) -> Value {
    let Tried { mutant, outcome, seconds } = tried;
    let mut value = json!({
        "name": mutant.name,
        "rule": mutant.rule,
        "model": mutant.model,
        "expected_property": mutant.property,
        "verdict": verdict_name(outcome),
        "seconds": seconds,
    });
    match outcome {
        Outcome::Killed { depth, diagram } => {
            value["property"] = json!(mutant.property);
            value["depth"] = json!(depth);
            value["diagram"] = json!(diagram);
        }
        Outcome::Broken(reason) => value["reason"] = json!(reason),
        Outcome::Survived | Outcome::Undecided => {}
    }
    value
}

fn exit_code(tried: &[Tried]) -> ExitCode {
    let any = |name: &str| tried.iter().any(|it| verdict_name(&it.outcome) == name);
    if any("broken") {
        ExitCode::from(BROKEN)
    } else if any("survived") {
        ExitCode::from(VIOLATED)
    } else if any("undecided") {
        ExitCode::from(UNDECIDED)
    } else {
        ExitCode::SUCCESS
    }
}
