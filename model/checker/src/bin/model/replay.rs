//! `model replay`.

use crate::check::find;
use crate::output::VIOLATED;
use anyhow::{Context, Result, ensure};
use clap::Args;
use ringleader_checker::narrate;
use ringleader_trace::{Trace, diagram};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Replay {
    /// A trace that `model check` wrote.
    trace: PathBuf,
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
        let world = entry.world_with_names();
        let replayed = narrate::replay(&world, &trace).with_context(|| path.to_string())?;
        print!("{}", diagram::text(&replayed.trace));
        if replayed.violated.is_empty() {
            println!("violated here: nothing; shown here: {}", replayed.holding.join(", "));
            return Ok(ExitCode::SUCCESS);
        }
        println!("violated here: {}", replayed.violated.join(", "));
        Ok(ExitCode::from(VIOLATED))
    }
}
