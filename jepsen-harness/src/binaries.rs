//! Finds the programs a run needs: built by cargo when started through cargo, else the neighbours.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A program of this workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// The package that builds it.
    pub package: &'static str,
    /// Its file name.
    pub name: &'static str,
}

/// The node.
pub const SERVER: Program = Program { package: "ringleader", name: "ringleader" };
/// The model checker.
pub const MODEL: Program = Program { package: "ringleader-checker", name: "model" };

/// Where each of these programs is, in the same order.
///
/// # Errors
///
/// If cargo cannot build them, or, without cargo, if one is not beside this program.
pub fn find(programs: &[Program]) -> Result<Vec<PathBuf>> {
    match env::var_os("CARGO") {
        Some(cargo) => build(Path::new(&cargo), programs),
        None => programs.iter().map(|program| neighbour(program.name)).collect(),
    }
}

/// Lets cargo build the programs, with its progress on standard error, and asks it where they are.
fn build(cargo: &Path, programs: &[Program]) -> Result<Vec<PathBuf>> {
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--message-format=json-render-diagnostics"]);
    for program in programs {
        command.args(["-p", program.package, "--bin", program.name]);
    }
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", cargo.display()))?;
    let names: Vec<_> = programs.iter().map(|program| program.name).collect();
    if !output.status.success() {
        bail!("cargo could not build {}", names.join(" and "));
    }
    let built = String::from_utf8_lossy(&output.stdout);
    let find = |program: &Program| {
        executable(&built, program.name)
            .with_context(|| format!("cargo built no program called {}", program.name))
    };
    programs.iter().map(find).collect()
}

/// A message of cargo; of the many kinds only artifacts with an executable matter.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.target.as_ref().is_some_and(|target| target.name == name))
        .find_map(|message| message.executable)
}

fn neighbour(name: &str) -> Result<PathBuf> {
    let this = env::current_exe().context("cannot find out where this program is")?;
    let path = this.with_file_name(name);
    if !path.is_file() {
        bail!("there is no program {}; build it, or start this one through cargo", path.display());
    }
    Ok(path)
}

/// Where results go unless told otherwise: `target/<name>` of the build this program comes from
/// (it runs as `target/release/verify`), else `<name>` in the current directory.
#[must_use]
pub fn results_directory(name: &str) -> PathBuf {
    let profile = env::current_exe().ok().and_then(|this| this.parent().map(Path::to_owned));
    match profile {
        Some(profile) if profile.ends_with("release") || profile.ends_with("debug") => {
            profile.with_file_name(name)
        }
        _ => PathBuf::from(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"ringleader"},"executable":null}
not a message at all
{"reason":"compiler-artifact","target":{"name":"ringleader"},"executable":"/t/release/ringleader"}
{"reason":"compiler-artifact","target":{"name":"model"},"executable":"/t/release/model"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "ringleader"), Some("/t/release/ringleader".into()));
        assert_eq!(executable(messages, "model"), Some("/t/release/model".into()));
        assert_eq!(executable(messages, "other"), None);
    }
}
