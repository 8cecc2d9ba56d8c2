//! `model list` and `model check`.

use crate::output::{Meter, UNDECIDED, VIOLATED, grouped, say};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use ringleader_checker::engine::Checkpoint;
use ringleader_checker::engine::fingerprint::Width;
use ringleader_checker::models::{self, Listed};
use ringleader_checker::search::{Engine, Options, Report, Verdict};
use ringleader_trace::{Trace, diagram};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub(crate) struct Check {
    /// Models to explore [default: all].
    names: Vec<String>,
    /// How far.
    #[arg(long, value_enum, default_value_t = Tier::Quick)]
    bounds: Tier,
    /// Look for a violation of this property alone.
    #[arg(long)]
    property: Option<String>,
    /// Give up after so many seconds per model.
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<u64>,
    /// Give up when the process holds so many bytes: a number, or one with K, M or G.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_memory: Option<usize>,
    /// Go on from this file if it exists, and write it once a minute and when a limit is reached.
    /// For one model.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Who searches.
    #[arg(long, value_enum, default_value_t = Who::Own)]
    engine: Who,
    /// Take fingerprints of 128 bits instead of 64: 16 bytes a state, no collisions to speak of.
    #[arg(long)]
    wide: bool,
    /// Whether states that differ only in the names of replicas are one. Off: up to n! as many.
    #[arg(long, value_enum, default_value_t = Symmetry::On)]
    symmetry: Symmetry,
    /// Threads [default: all cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Where counterexamples are written [default: target/model].
    #[arg(long, value_name = "DIRECTORY")]
    traces: Option<PathBuf>,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
    /// Also write the verdicts as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also print how often each kind of step was taken.
    #[arg(long)]
    coverage: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Our own engine: shortest counterexamples at once, limits, checkpoints.
    Own,
    /// Stateright's checker, the arbiter of counts.
    Stateright,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Symmetry {
    /// They are, in the models that say so.
    On,
    /// They are not.
    Off,
}

/// A number of bytes.
fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        Some(_) | None => (text, 0),
    };
    let number: usize = digits.parse().map_err(|error| format!("{error}"))?;
    number.checked_mul(1 << unit).ok_or_else(|| "more bytes than there are".to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// Seconds: what every change is checked against.
    Quick,
    /// Minutes: what a change of a protocol is checked against.
    Standard,
    /// Hours.
    Deep,
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Deep => "deep",
        }
    }
}

/// Prints the catalogue.
pub(crate) fn list() -> Result<ExitCode> {
    let mut text = String::new();
    for entry in models::all() {
        let states = match entry.pinned() {
            0 => "not counted yet:".to_owned(),
            pinned => grouped(pinned),
        };
        let _ = writeln!(text, "{:<20} {}", entry.name(), entry.question());
        let _ = writeln!(text, "{:<20} {}; {states} states", "", entry.describe_bounds());
        let _ = writeln!(text, "{:<20} {}", "", entry.properties().join(", "));
    }
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The entry with a name.
pub(crate) fn find(name: &str) -> Result<Box<dyn Listed>> {
    let mut entries = models::all();
    let Some(position) = entries.iter().position(|entry| entry.name() == name) else {
        let known: Vec<_> = entries.iter().map(|entry| entry.name()).collect();
        bail!("no model is called {name:?}; there are {}", known.join(", "));
    };
    Ok(entries.swap_remove(position))
}

/// What became of one model.
struct Checked {
    entry: Box<dyn Listed>,
    report: Report,
    /// Where its counterexample was written.
    trace: Option<PathBuf>,
    /// Whether the number of states is what it should be.
    expected_count: bool,
}

impl Check {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let entries = if self.names.is_empty() {
            match self.bounds {
                Tier::Quick => models::quick(),
                Tier::Standard => models::standard(),
                Tier::Deep => models::deep(),
            }
        } else {
            self.names.iter().map(|name| find(name)).collect::<Result<_>>()?
        };
        if let Some(property) = &self.property {
            for entry in &entries {
                let known = entry.properties();
                if !known.contains(&property.as_str()) {
                    let (name, known) = (entry.name(), known.join(", "));
                    bail!("model {name} has no property {property:?}; it has {known}");
                }
            }
        }
        if self.checkpoint.is_some() && (entries.len() != 1 || self.engine != Who::Own) {
            bail!("--checkpoint is for one model and our own engine");
        }
        let mut checked = Vec::new();
        for entry in entries {
            checked.push(self.check(entry)?);
        }
        if self.json {
            say(&format!("{:#}\n", document(&checked, self.bounds)))?;
        } else if checked.len() > 1 {
            say(&describe_sum(&checked))?;
        }
        if let Some(path) = &self.junit {
            std::fs::write(path, junit(&checked))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(exit_code(&checked))
    }

    fn check(&self, entry: Box<dyn Listed>) -> Result<Checked> {
        let mut options = self.options();
        if let Some(threads) = self.threads {
            options.threads = usize::from(threads);
        }
        let mut meter = Meter::new(entry.name());
        let report = entry.check(self.property.as_deref(), options, &mut |it| meter.show(it));
        meter.finish();
        let trace = match &report.verdict {
            Verdict::Violated { trace, .. } => Some(self.write_trace(entry.name(), trace)?),
            Verdict::Unusable { why } => bail!("{}: {why}", entry.name()),
            Verdict::Holds | Verdict::Vacuous { .. } | Verdict::Incomplete => None,
        };
        // A search for one property alone may stop counting early only if it finds it. Pinned is
        // the count with symmetry.
        let expected_count = self.symmetry == Symmetry::Off
            || !matches!(report.verdict, Verdict::Holds)
            || [0, report.states].contains(&entry.pinned());
        let checked = Checked { entry, report, trace, expected_count };
        if !self.json {
            say(&self.describe(&checked))?;
        }
        Ok(checked)
    }

    fn options(&self) -> Options {
        let every = Duration::from_mins(1);
        let at = |path: &PathBuf| Checkpoint { path: path.clone(), identity: String::new(), every };
        Options {
            engine: match self.engine {
                Who::Own => Engine::Own,
                Who::Stateright => Engine::Stateright,
            },
            time_limit: self.time_limit.map(Duration::from_secs),
            memory_bytes_max: self.max_memory,
            width: if self.wide { Width::Wide } else { Width::Narrow },
            symmetry: self.symmetry == Symmetry::On,
            checkpoint: self.checkpoint.as_ref().map(at),
            ..Options::default()
        }
    }

    fn write_trace(&self, name: &str, trace: &Trace) -> Result<PathBuf> {
        let directory = self.traces.clone().unwrap_or_else(|| PathBuf::from("target/model"));
        let path = directory.join(format!("{name}.trace"));
        let write = |path: &Path| {
            std::fs::create_dir_all(&directory)?;
            std::fs::write(path, trace.to_json())
        };
        write(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn describe(&self, checked: &Checked) -> String {
        let Checked { entry, report, trace, .. } = checked;
        let mut text = format!(
            "{:<20} {:<10} {:>11} states {:>12} steps  depth {:>3} {:>7.1} s {:>7} CPU\n",
            entry.name(),
            verdict_name(checked),
            grouped(report.states),
            grouped(report.transitions),
            report.depth,
            report.elapsed.as_secs_f64(),
            cpu_seconds(report).map_or_else(|| "-".to_owned(), |it| format!("{it:.1} s"))
        );
        let _ = writeln!(text, "{:<20} {}", "", entry.describe_bounds());
        let _ = writeln!(text, "{:<20} {}", "", describe_cost(report));
        if self.coverage {
            for (name, count) in &report.coverage {
                let count = usize::try_from(*count).unwrap_or(usize::MAX);
                let _ = writeln!(text, "{:<20} {:>12} {name}", "", grouped(count));
            }
        }
        match &report.verdict {
            Verdict::Violated { property, trace: steps } => {
                if entry.expected() == Some(*property) {
                    let count = steps.steps.len();
                    let _ =
                        writeln!(text, "{:<20} {property} falls, as it must: {count} steps", "");
                    return text;
                }
                let _ = writeln!(text, "\n{property} is violated:\n\n{}", diagram::text(steps));
                if let Some(path) = trace {
                    let _ = writeln!(text, "replay: cargo model replay {}", path.display());
                }
            }
            Verdict::Vacuous { missing } => {
                let _ = writeln!(text, "{:<20} never happened: {}", "", missing.join("; "));
            }
            Verdict::Holds if !checked.expected_count => {
                let pinned = grouped(entry.pinned());
                let _ =
                    writeln!(text, "{:<20} pinned were {pinned}: protocol or world changed", "");
            }
            Verdict::Holds | Verdict::Incomplete | Verdict::Unusable { .. } => {}
        }
        text
    }
}

fn cpu_seconds(report: &Report) -> Option<f64> {
    report.cpu.map(|it| it.as_secs_f64())
}

/// The last line: all of them together.
fn describe_sum(checked: &[Checked]) -> String {
    let states = checked.iter().map(|it| it.report.states).sum();
    let steps = checked.iter().map(|it| it.report.transitions).sum();
    let wall: f64 = checked.iter().map(|it| it.report.elapsed.as_secs_f64()).sum();
    let cpu: Option<f64> = checked.iter().map(|it| cpu_seconds(&it.report)).sum();
    let name = format!("{} models", checked.len());
    let (states, steps) = (grouped(states), grouped(steps));
    let cpu = cpu.map_or_else(|| "-".to_owned(), |it| format!("{it:.1} s"));
    let verdict = if checked.iter().all(is_as_expected) { "as expected" } else { "not so" };
    format!(
        "{name:<20} {verdict:<11}{states:>11} states {steps:>12} steps  {:>9} {wall:>7.1} s {cpu:>7} CPU\n",
        ""
    )
}

/// How fast, in how much memory, and how sure.
fn describe_cost(report: &Report) -> String {
    let rate = rate(report.transitions, report);
    let mut text = format!("{} steps a second", grouped(rate));
    if let Some(bytes) = bytes_per_state(report) {
        let _ = write!(text, ", {bytes:.1} bytes a state");
    }
    if let Some(odds) = report.collision_odds {
        let _ = write!(text, ", odds of a missed state {odds:.0e}");
    }
    text
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for people"
)]
fn rate(count: usize, report: &Report) -> usize {
    (count as f64 / report.elapsed.as_secs_f64().max(1e-3)) as usize
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn bytes_per_state(report: &Report) -> Option<f64> {
    report.bytes_max.map(|bytes| bytes as f64 / report.states.max(1) as f64)
}

fn verdict_name(checked: &Checked) -> &'static str {
    let must_fail = checked.entry.expected();
    match checked.report.verdict {
        Verdict::Violated { property, .. } if must_fail == Some(property) => "refuted",
        Verdict::Holds if must_fail.is_some() => "survived",
        Verdict::Holds if checked.expected_count => "holds",
        Verdict::Holds => "changed",
        Verdict::Violated { .. } => "violated",
        Verdict::Vacuous { .. } => "vacuous",
        Verdict::Incomplete => "incomplete",
        Verdict::Unusable { .. } => "unusable",
    }
}

/// It holds; or it must not, and does not.
fn is_as_expected(checked: &Checked) -> bool {
    ["holds", "refuted"].contains(&verdict_name(checked))
}

fn exit_code(checked: &[Checked]) -> ExitCode {
    let names: Vec<_> = checked.iter().map(verdict_name).collect();
    if names.iter().any(|name| ["violated", "vacuous", "changed", "survived"].contains(name)) {
        ExitCode::from(VIOLATED)
    } else if names.contains(&"incomplete") {
        ExitCode::from(UNDECIDED)
    } else {
        ExitCode::SUCCESS
    }
}

fn document(checked: &[Checked], bounds: Tier) -> Value {
    let models: Vec<Value> = checked.iter().map(model_value).collect();
    let verdict = if checked.iter().all(is_as_expected) {
        "holds"
    } else if checked.iter().any(|it| verdict_name(it) == "incomplete") {
        "incomplete"
    } else {
        "violated"
    };
    json!({ "version": 1, "bounds": bounds.name(), "models": models, "verdict": verdict })
}

fn model_value(checked: &Checked) -> Value {
    let Checked { entry, report, trace, .. } = checked;
    let mut value = json!({
        "name": entry.name(),
        "bounds": entry.describe_bounds(),
        "properties": entry.properties(),
        "states": report.states,
        "pinned_states": entry.pinned(),
        "transitions": report.transitions,
        "depth": report.depth,
        "seconds": report.elapsed.as_secs_f64(),
        "cpu_seconds": cpu_seconds(report),
        "steps_per_second": rate(report.transitions, report),
        "bytes_per_state": bytes_per_state(report),
        "collision_odds": report.collision_odds,
        "verdict": verdict_name(checked),
        "coverage": report.coverage.iter().map(|(name, count)| json!({ "name": name, "count": count })).collect::<Vec<_>>(),
    });
    match &report.verdict {
        Verdict::Violated { property, trace: steps } => {
            value["property"] = json!(property);
            value["steps"] = json!(steps.steps.len());
            value["diagram"] = json!(diagram::text(steps));
            value["trace"] = json!(trace);
        }
        Verdict::Vacuous { missing } => value["missing"] = json!(missing),
        Verdict::Holds | Verdict::Incomplete | Verdict::Unusable { .. } => {}
    }
    value
}

fn junit(checked: &[Checked]) -> String {
    let failures = checked.iter().filter(|it| !is_as_expected(it)).count();
    let count = checked.len();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuite name=\"model\" tests=\"{count}\" failures=\"{failures}\">");
    for it in checked {
        let (name, seconds) = (it.entry.name(), it.report.elapsed.as_secs_f64());
        let _ =
            write!(text, "  <testcase classname=\"model\" name=\"{name}\" time=\"{seconds:.3}\">");
        if !is_as_expected(it) {
            let detail = match &it.report.verdict {
                Verdict::Violated { property, .. } => (*property).to_owned(),
                Verdict::Vacuous { missing } => missing.join("; "),
                Verdict::Holds | Verdict::Incomplete | Verdict::Unusable { .. } => String::new(),
            };
            let _ =
                write!(text, "<failure message=\"{}: {}\"/>", verdict_name(it), escape(&detail));
        }
        text.push_str("</testcase>\n");
    }
    text + "</testsuite>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
