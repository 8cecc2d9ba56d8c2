//! `model mutants`: the gate that shows that models, simulator and tests notice.

use crate::output::{BROKEN, UNDECIDED, VIOLATED, say};
use anyhow::{Context, Result, bail};
use clap::Args;
use ringleader_checker::mutant::{Check, Mutant, Test, Workshop, all, workspace_root};
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

/// Seeds that must hold where nothing is broken.
const CONTROL_SEEDS: u64 = 50;

/// What became of one mutant.
struct Tried {
    mutant: Mutant,
    outcome: Outcome,
    seconds: f64,
}

enum Outcome {
    /// What was to fall fell.
    Killed(Kill),
    /// It did not.
    Survived,
    /// The time ran out.
    Undecided,
    /// It does not apply, or does not build.
    Broken(String),
}

/// How a mutant was noticed.
struct Kill {
    /// The property, the promise or the test that fell.
    property: String,
    /// Steps of a counterexample, or seeds that it took; 0 for a test.
    depth: u64,
    /// What happened; empty for a test.
    diagram: String,
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
            for Mutant { name, check, rule, .. } in &mutants {
                let (by, expected) = (check.name(), fit(check.expected()));
                say(&format!("{name:<28} {by:<12} {expected:<11} {rule}\n"))?;
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
            let killed = tried.iter().filter(|it| matches!(it.outcome, Outcome::Killed(_)));
            say(&format!("{} of {} mutants killed\n", killed.count(), tried.len()))?;
            if let Some(seeds) = median_seeds(&tried) {
                say(&format!("the simulator took {seeds} seeds in the median\n"))?;
            }
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

/// The middle one of the numbers of seeds that the simulator took.
fn median_seeds(tried: &[Tried]) -> Option<u64> {
    let of_simulator = |it: &&Tried| matches!(it.mutant.check, Check::Simulator { .. });
    let seeds = |it: &Tried| match &it.outcome {
        Outcome::Killed(kill) => Some(kill.depth),
        Outcome::Survived | Outcome::Undecided | Outcome::Broken(_) => None,
    };
    let mut all: Vec<u64> = tried.iter().filter(of_simulator).filter_map(seeds).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

/// The first characters of what is too long for a column.
fn fit(text: &str) -> String {
    text.chars().take(24).collect()
}

/// What is to notice the mutants holds while nothing is broken. Otherwise a kill would say nothing.
fn control(workshop: &Workshop, mutants: &[Mutant]) -> Result<()> {
    let checks = || mutants.iter().map(|mutant| &mutant.check);
    if checks().any(|check| matches!(check, Check::Simulator { .. })) {
        let simulated = simulate(workshop, CONTROL_SEEDS)?;
        if simulated["verdict"] != "holds" {
            bail!("control: the simulator says {} without a mutant", simulated["verdict"]);
        }
    }
    let mut tests: Vec<&Test> = Vec::new();
    for check in checks() {
        if let Check::Test(test) = check
            && !tests.contains(&test)
        {
            tests.push(test);
        }
    }
    for test in tests {
        if !workshop.passes(test)? {
            bail!("control: test {} fails without a mutant", test.name);
        }
    }
    let mut models: BTreeSet<&str> = BTreeSet::new();
    for check in checks() {
        if let Check::Model { model, .. } = check {
            models.insert(model);
        }
    }
    if models.is_empty() {
        return Ok(());
    }
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
    match &mutant.check {
        Check::Model { model, property } => try_model(workshop, model, property),
        Check::Simulator { seeds } => try_simulator(workshop, *seeds),
        Check::Test(test) => Ok(if workshop.passes(test)? {
            Outcome::Survived
        } else {
            Outcome::Killed(Kill { property: test.name.clone(), depth: 0, diagram: String::new() })
        }),
    }
}

fn try_model(workshop: &Workshop, model: &str, property: &str) -> Result<Outcome> {
    let binary = workshop.build("ringleader-checker", "model")?;
    let checked = run(&binary, [model], Some(property), Some(TIME_LIMIT_SECONDS))?;
    let model = &checked["models"][0];
    Ok(match model["verdict"].as_str() {
        Some("violated") if model["property"] == property => Outcome::Killed(Kill {
            property: property.to_owned(),
            depth: model["steps"].as_u64().unwrap_or_default(),
            diagram: text_of(&model["diagram"]),
        }),
        Some("incomplete") => Outcome::Undecided,
        _ => Outcome::Survived,
    })
}

fn try_simulator(workshop: &Workshop, seeds: u64) -> Result<Outcome> {
    let simulated = simulate(workshop, seeds)?;
    Ok(match simulated["verdict"].as_str() {
        Some("violated") => Outcome::Killed(Kill {
            property: text_of(&simulated["violations"][0]["check"]),
            depth: simulated["seeds"].as_u64().unwrap_or_default(),
            diagram: text_of(&simulated["diagram"]),
        }),
        Some("holds") => Outcome::Survived,
        _ => Outcome::Undecided,
    })
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Runs the first seeds of the simulator of the workshop, up to the first that fails.
fn simulate(workshop: &Workshop, seeds: u64) -> Result<Value> {
    let binary = workshop.build("ringleader-sim", "simulate")?;
    let mut command = Command::new(&binary);
    command.args(["--seeds", &seeds.to_string(), "--json", "--shrink-runs", "40"]);
    command.args(["--story-steps", "30"]);
    document_of(&binary, command)
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
    document_of(binary, command)
}

/// What a program of the workshop prints.
fn document_of(binary: &Path, mut command: Command) -> Result<Value> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).with_context(|| {
        format!("{} ended with {} and no verdict", binary.display(), output.status)
    })
}

fn verdict_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Killed(_) => "killed",
        Outcome::Survived => "survived",
        Outcome::Undecided => "undecided",
        Outcome::Broken(_) => "broken",
    }
}

fn describe(tried: &Tried) -> String {
    let Tried { mutant, outcome, seconds } = tried;
    let verdict = verdict_name(outcome);
    let Mutant { name, rule, check, .. } = mutant;
    let (by, expected) = (check.name(), check.expected());
    let head = format!("{name}: {verdict}, {seconds:.1} s\n  broken rule: {rule}\n");
    match outcome {
        Outcome::Killed(Kill { property, depth, diagram }) => match check {
            Check::Model { model, .. } => {
                format!(
                    "{head}  {property} falls in model {model} after {depth} steps\n\n{diagram}\n"
                )
            }
            Check::Simulator { .. } => {
                format!("{head}  {property} falls in the simulator, at seed {depth}\n\n{diagram}\n")
            }
            Check::Test(test) => format!("{head}  {}: {property} fails\n", test.target),
        },
        Outcome::Survived | Outcome::Undecided => {
            format!("{head}  {expected} should fall in {by}\n")
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
        "model": mutant.check.name(),
        "expected_property": mutant.check.expected(),
        "verdict": verdict_name(outcome),
        "seconds": seconds,
    });
    match outcome {
        Outcome::Killed(kill) => {
            value["property"] = json!(kill.property);
            value["depth"] = json!(kill.depth);
            value["diagram"] = json!(kill.diagram);
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
