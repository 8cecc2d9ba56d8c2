//! What the two programs of this package share: where the node is, how a run ends early.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::binaries::{Program, SERVER, find};
use crate::output;
use crate::verdict::Verdict;

/// Exit code of unusable arguments.
pub const UNUSABLE: u8 = 2;
/// Exit code of a run that says nothing.
pub const VOID: u8 = 3;
/// Exit code of a build that failed, or of a bug of ours.
pub const BROKEN: u8 = 101;

/// An end of a program before its verdict: why, and the exit code.
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// For people.
    pub error: anyhow::Error,
}

impl Failure {
    /// Makes an error one with this exit code.
    pub fn with(code: u8) -> impl FnOnce(anyhow::Error) -> Self {
        move |error| Self { code, error }
    }

    /// Unusable arguments: which, and why.
    #[must_use]
    pub fn unusable(text: String) -> Self {
        Self { code: UNUSABLE, error: anyhow::Error::msg(text) }
    }
}

/// Refuses places for results that cannot be written, before a long run and not after it.
///
/// # Errors
///
/// If `out` cannot be a directory or `junit` cannot be a file.
pub fn writable(out: &Path, junit: Option<&Path>) -> Result<(), Failure> {
    if out.exists() && !out.is_dir() {
        return Err(Failure::unusable(format!("--out {} is not a directory", out.display())));
    }
    fs::create_dir_all(out).map_err(|error| {
        Failure::unusable(format!("cannot make --out {}: {error}", out.display()))
    })?;
    let Some(junit) = junit else { return Ok(()) };
    if junit.is_dir() {
        return Err(Failure::unusable(format!("--junit {} is a directory", junit.display())));
    }
    let parent = junit.parent().filter(|parent| !parent.as_os_str().is_empty());
    match parent.filter(|parent| !parent.is_dir()) {
        Some(parent) => Err(Failure::unusable(format!(
            "cannot write --junit {}: there is no directory {}",
            junit.display(),
            parent.display()
        ))),
        None => Ok(()),
    }
}

/// Writes the JUnit document.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_junit(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| {
        Failure::unusable(format!("cannot write --junit {}: {error}", file.display()))
    })
}

/// The last of `count` seeds that count up from `first`.
///
/// # Errors
///
/// If there are not that many.
pub fn last_seed(first: u64, count: u64) -> Result<u64, Failure> {
    first.checked_add(count.saturating_sub(1)).ok_or_else(|| {
        let max = u64::MAX;
        Failure::unusable(format!("--seed {first} overflows: {count} runs need seeds up to {max}"))
    })
}

/// Prints what was found. A violation stands even if nobody can be told.
///
/// # Errors
///
/// If standard output does not take it.
pub fn print(text: &str, exit_code: u8) -> Result<(), Failure> {
    let violated = Verdict::Violated.exit_code();
    let code = if exit_code == violated { violated } else { UNUSABLE };
    output::print(text).map_err(|error| Failure { code, error: lost(&error) })
}

fn lost(error: &io::Error) -> anyhow::Error {
    anyhow::anyhow!("cannot write to standard output: {error}")
}

/// Where the node's program is, with other programs of this workspace.
///
/// # Errors
///
/// If the given one does not exist or one cannot be built or found.
pub fn programs(
    server: Option<&PathBuf>,
    others: &[Program],
) -> Result<(PathBuf, Vec<PathBuf>), Failure> {
    let Some(server) = server else {
        let mut wanted = vec![SERVER];
        wanted.extend_from_slice(others);
        let mut found = find(&wanted).map_err(Failure::with(BROKEN))?;
        let server = found.remove(0);
        return Ok((server, found));
    };
    if !server.is_file() {
        return Err(Failure::unusable(format!("there is no program {}", server.display())));
    }
    let mode = fs::metadata(server).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o111 == 0 {
        return Err(Failure::unusable(format!("{} is not executable", server.display())));
    }
    let found = if others.is_empty() { Ok(Vec::new()) } else { find(others) };
    Ok((server.clone(), found.map_err(Failure::with(BROKEN))?))
}

/// Where one program of this workspace is.
///
/// # Errors
///
/// If it cannot be built or found.
pub fn program(program: Program) -> Result<PathBuf, Failure> {
    let found = find(&[program]).map_err(Failure::with(BROKEN))?;
    found.into_iter().next().ok_or_else(|| Failure {
        code: BROKEN,
        error: anyhow::anyhow!("there is no program {}", program.name),
    })
}

/// Runs a program to its end or to the first signal. Dropping what it does kills its processes.
pub fn main(program: impl Future<Output = Result<u8, Failure>>) -> ExitCode {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::tell(&format!("error: cannot start the runtime: {error}"));
            return ExitCode::from(BROKEN);
        }
    };
    runtime.block_on(async {
        tokio::select! {
            ended = program => match ended {
                Ok(code) => ExitCode::from(code),
                Err(Failure { code, error }) => {
                    output::tell(&format!("error: {error:#}"));
                    ExitCode::from(code)
                }
            },
            () = interrupted() => {
                output::tell("interrupted; every node was killed");
                ExitCode::from(VOID)
            }
        }
    })
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the process as they always do.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
