//! What the two programs of this package share: where the node is, how a run ends early.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::binaries::{Program, SERVER, find};

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
        let error = anyhow::anyhow!("there is no program {}", server.display());
        return Err(Failure { code: UNUSABLE, error });
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
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::from(BROKEN);
        }
    };
    runtime.block_on(async {
        tokio::select! {
            ended = program => match ended {
                Ok(code) => ExitCode::from(code),
                Err(Failure { code, error }) => {
                    eprintln!("error: {error:#}");
                    ExitCode::from(code)
                }
            },
            () = interrupted() => {
                eprintln!("interrupted; every node was killed");
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
