//! `model replay`.

use crate::check::find;
use crate::output::{UNDECIDED, VIOLATED, say};
use anyhow::{Context, Result, ensure};
use clap::Args;
use ringleader_trace::{Trace, diagram, html};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Replay {
    /// A trace that `model check` wrote.
    trace: PathBuf,
    /// Also draw it as a page of its own.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A trace of the longest allowed length is far below this.
const BYTES_MAX: u64 = 64 << 20;

impl Replay {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let path = self.trace.display();
        let about = std::fs::metadata(&self.trace);
        let bytes = about.with_context(|| format!("cannot read {path}"))?.len();
        ensure!(bytes <= BYTES_MAX, "{path}: {bytes} bytes, at most {BYTES_MAX} are read");
        let text =
            std::fs::read_to_string(&self.trace).with_context(|| format!("cannot read {path}"))?;
        let trace = Trace::from_json(&text).with_context(|| path.to_string())?;
        let entry = find(&trace.model).with_context(|| path.to_string())?;
        let (nodes, model) = (entry.nodes(), entry.name());
        let named = trace.nodes;
        ensure!(nodes == named, "{path}: {named} nodes, model {model} has {nodes}");
        let (known, property) = (entry.properties(), trace.property.as_str());
        let all = known.join(", ");
        ensure!(
            known.contains(&property),
            "{path}: model {model} has no {property:?}; it has {all}"
        );
        let replayed = entry.replay(&trace).with_context(|| path.to_string())?;
        say(&diagram::text(&replayed.trace))?;
        if let Some(path) = &self.html {
            std::fs::write(path, html::page(&replayed.trace))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let violated = &replayed.violated;
        if !entry.judges_states(property) {
            say(&format!(
                "{property} is about what can follow; `model check {model}` decides it\n"
            ))?;
            return Ok(ExitCode::SUCCESS);
        }
        if !violated.contains(&property) {
            say(&format!("the recorded violation of {property} does not occur\n"))?;
            return Ok(ExitCode::from(UNDECIDED));
        }
        say(&format!("violated here: {}\n", violated.join(", ")))?;
        Ok(ExitCode::from(VIOLATED))
    }
}
