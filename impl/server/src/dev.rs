//! `ringleader dev`: a cluster on this machine, each node a process of this very binary.

use crate::config::{Config, Replica};
use crate::exit::Failure;
use crate::limits::REPLICAS_MAX;
use crate::store;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Nodes of a cluster that tolerates the loss of one.
const NODES: u8 = 3;

/// A node that has to read a long log takes longer than this only if something is wrong.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// A node that is told to stop makes its tree durable first.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Run a whole cluster on this machine, each node a process.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringleader dev                        # three nodes, endpoints on ports 8000, 8001 and 8002
  ringleader dev --port 9000 --data /tmp/ringleader

Any access key is accepted unless --credentials names a file. Data is kept between starts. Ctrl-C stops all nodes.
A node that dies is reported and not restarted: start it again by the line that is printed.
Exit codes: 0 asked to stop, 2 arguments or a taken port, 4 a node could not start or all died.")]
pub(crate) struct Arguments {
    /// The first node's API port; the others have the next ones.
    #[arg(long, default_value_t = 8000, value_parser = clap::value_parser!(u16).range(1..=65_533))]
    port: u16,
    /// Where the nodes keep their data.
    #[arg(long, value_name = "DIR", default_value = "ringleader-data")]
    data: PathBuf,
    /// One node only: it survives no failure, and starts faster.
    #[arg(long)]
    single: bool,
    /// Take only requests that are signed with a key of this file, in the form of AWS's own
    /// credentials file. Without it any access key is accepted.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// The region's name in resource names, and in the scope of signatures.
    #[arg(long, value_name = "NAME", default_value = "local")]
    region: String,
}

/// What a data directory remembers of its cluster. It is written once all nodes have started.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    /// How many nodes it has.
    nodes: u8,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Configuration(format!("cannot start a runtime: {error}")))?;
    runtime.block_on(dev(arguments))
}

async fn dev(arguments: &Arguments) -> Result<(), Failure> {
    let nodes = if arguments.single { 1 } else { NODES };
    // Before anything is said: who hears "ready" may stop us at once.
    let mut asked = Asked::listen()?;
    // Absolute, so that what is written and printed holds in any working directory.
    let data = std::path::absolute(&arguments.data)
        .map_err(|error| in_data(&arguments.data, "find", error))?;
    fs::create_dir_all(&data).map_err(|error| in_data(&data, "create", error))?;
    let _lock = lock(&data)?;
    let known = known_cluster(&data, nodes)?;
    let configs = configurations(&data, arguments, nodes)?;
    // Once, instead of once by each node that then does not start.
    configs[0].verifier()?;
    let mut running = JoinSet::new();
    // Dropping a node's standard input tells it to stop; so does our own end, however it comes.
    let mut stdins = Vec::new();
    let started = async {
        for config in &configs {
            let first = !known && !store::exists(&config.data_dir);
            let node = start(&data, config, first).await?;
            say(format_args!(
                "node {}  http://{}  (process {})",
                config.id, config.api_address, node.process
            ));
            stdins.push(node.stdin);
            running.spawn(wait(config.id, node.child));
        }
        Ok(())
    };
    let is_up = tokio::select! {
        started = started => started.map(|()| true)?,
        () = asked.stop() => false,
    };
    if is_up {
        if !known {
            remember_cluster(&data, nodes)?;
        }
        greet(&data, &configs);
        watch(&mut running, &mut asked, &data).await?;
    }
    drop(stdins);
    say(format_args!("stopping"));
    let stopped = timeout(STOP_TIMEOUT, async { while running.join_next().await.is_some() {} });
    if stopped.await.is_err() {
        say(format_args!("a node does not stop; killing it"));
        running.shutdown().await;
    }
    Ok(())
}

/// Says a line on standard output. Whoever started us may be gone, and that is no reason to stop.
fn say(line: std::fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn in_data(data: &Path, action: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Configuration(format!("{}: {action}: {error}", data.display()))
}

/// Keeps a second `dev` off a directory: it would write other ports into the files of a cluster that
/// runs. The lock goes with the process.
fn lock(data: &Path) -> Result<fs::File, Failure> {
    let path = data.join("dev.lock");
    let file = fs::File::options().create(true).append(true).open(&path);
    let file = file.map_err(|error| in_data(&path, "open", error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Failure::Configuration(format!("{} is in use by another dev", data.display())))
        }
        Err(fs::TryLockError::Error(error)) => Err(in_data(&path, "lock", error)),
    }
}

/// Whether the directory holds a cluster that has started before.
fn known_cluster(data: &Path, nodes: u8) -> Result<bool, Failure> {
    let path = data.join("cluster.toml");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(in_data(&path, "read", error)),
    };
    let found: Cluster =
        toml::from_str(&text).map_err(|error| in_data(&path, "read", error.message()))?;
    if found.nodes != nodes {
        let found = found.nodes;
        return Err(Failure::Configuration(format!(
            "{} holds a cluster of {found} nodes, not of {nodes}",
            data.display()
        )));
    }
    Ok(true)
}

fn remember_cluster(data: &Path, nodes: u8) -> Result<(), Failure> {
    let path = data.join("cluster.toml");
    let text = toml::to_string(&Cluster { nodes }).expect("a number is TOML");
    fs::write(&path, text).map_err(|error| in_data(&path, "write", error))
}

/// Chooses ports and writes each node's configuration.
fn configurations(data: &Path, arguments: &Arguments, nodes: u8) -> Result<Vec<Config>, Failure> {
    let port = arguments.port;
    let credentials = arguments.credentials.as_ref().map(std::path::absolute).transpose();
    let credentials = credentials.map_err(|error| in_data(data, "find", error))?;
    assert!(usize::from(nodes) <= REPLICAS_MAX, "a cluster is one group");
    let api: Vec<SocketAddr> = (0..nodes).map(|id| local(port + u16::from(id))).collect();
    for address in &api {
        TcpListener::bind(address)
            .map_err(|error| Failure::Configuration(format!("port {}: {error}", address.port())))?;
    }
    let peers = free_ports(nodes)
        .map_err(|error| Failure::Configuration(format!("no free port for a node: {error}")))?;
    let replicas: Vec<Replica> = (0..nodes)
        .zip(&peers)
        .map(|(id, address)| Replica { id, address: address.to_string() })
        .collect();
    let mut configs = Vec::new();
    for ((id, api_address), peer_address) in (0..nodes).zip(api).zip(peers) {
        let config = Config {
            id,
            data_dir: data.join(format!("node-{id}")),
            api_address,
            peer_address,
            election_timeout_ms: crate::config::election_timeout_ms(),
            heartbeat_interval_ms: crate::config::heartbeat_interval_ms(),
            checkpoint_bytes: crate::config::checkpoint_bytes(),
            region: arguments.region.clone(),
            credentials: credentials.clone(),
            lease: true,
            members: None,
            replicas: replicas.clone(),
        };
        let path = config_path(data, id);
        let text = toml::to_string(&config).expect("a configuration is TOML");
        fs::write(&path, text).map_err(|error| in_data(&path, "write", error))?;
        configs.push(config);
    }
    Ok(configs)
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn config_path(data: &Path, id: u8) -> PathBuf {
    data.join(format!("node-{id}.toml"))
}

/// Where peers' ports are taken from: below the ephemeral range (32768 on Linux, 49152 elsewhere), so
/// that no outgoing connection of this machine takes a node's port before the node does.
const PEER_PORTS: std::ops::Range<u16> = 10_000..32_768;

/// Ports that are free now: held together, so that they differ, then let go.
fn free_ports(count: u8) -> io::Result<Vec<SocketAddr>> {
    // Two clusters that start at the same time begin at different places.
    let start = std::process::id().wrapping_mul(7) % u32::from(PEER_PORTS.end - PEER_PORTS.start);
    let start = PEER_PORTS.start + u16::try_from(start).expect("less than a u16");
    let mut held = Vec::new();
    for port in (start..PEER_PORTS.end).chain(PEER_PORTS.start..start) {
        if held.len() == usize::from(count) {
            break;
        }
        held.extend(TcpListener::bind(local(port)));
    }
    if held.len() < usize::from(count) {
        return Err(io::Error::from(io::ErrorKind::AddrInUse));
    }
    held.iter().map(TcpListener::local_addr).collect()
}

/// A node that is ready.
struct Node {
    child: Child,
    stdin: ChildStdin,
    process: u32,
}

/// Starts a node and waits until its ports are open.
async fn start(data: &Path, config: &Config, first: bool) -> Result<Node, Failure> {
    let id = config.id;
    let failed = |what: &str| Failure::Storage(format!("node {id} {what}"));
    let log_path = data.join(format!("node-{id}.log"));
    let log = fs::File::options().create(true).append(true).open(&log_path);
    let log = log.map_err(|error| in_data(&log_path, "open", error))?;
    let binary = std::env::current_exe().map_err(|it| failed(&format!("has no binary: {it}")))?;
    let mut command = Command::new(binary);
    command.arg("serve").arg("--config").arg(config_path(data, id)).arg("--stop-with-stdin");
    if first {
        command.arg("--bootstrap");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    let mut child = command.spawn().map_err(|it| failed(&format!("does not start: {it}")))?;
    let (Some(stdin), Some(stdout), Some(process)) =
        (child.stdin.take(), child.stdout.take(), child.id())
    else {
        return Err(failed("has no pipes"));
    };
    let mut line = String::new();
    let mut stdout = BufReader::new(stdout);
    let ready = timeout(READY_TIMEOUT, stdout.read_line(&mut line)).await;
    if matches!(ready, Ok(Ok(count)) if count > 0) {
        return Ok(Node { child, stdin, process });
    }
    let last = fs::read_to_string(&log_path).unwrap_or_default();
    let last = last.lines().last().unwrap_or("it said nothing");
    Err(failed(&format!("does not start: {last} (more in {})", log_path.display())))
}

async fn wait(id: u8, mut child: Child) -> (u8, io::Result<ExitStatus>) {
    (id, child.wait().await)
}

fn greet(data: &Path, configs: &[Config]) {
    let endpoint = format!("http://{}", configs[0].api_address);
    say(format_args!("data in {}", data.display()));
    say(format_args!("ready; ctrl-C stops. Try:"));
    say(format_args!(
        "  AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_REGION=local aws dynamodb \
         create-table --endpoint-url {endpoint} --table-name songs \
         --attribute-definitions AttributeName=id,AttributeType=S \
         --key-schema AttributeName=id,KeyType=HASH --billing-mode PAY_PER_REQUEST"
    ));
}

/// The signals that ask us to stop.
struct Asked {
    terminate: Signal,
    interrupt: Signal,
}

impl Asked {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::Configuration(format!("cannot catch signals: {error}")))
        };
        let (terminate, interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Reports nodes that die, until we are asked to stop or none is left.
async fn watch(
    running: &mut JoinSet<(u8, io::Result<ExitStatus>)>,
    asked: &mut Asked,
    data: &Path,
) -> Result<(), Failure> {
    loop {
        let ended = tokio::select! {
            () = asked.stop() => return Ok(()),
            ended = running.join_next() => ended,
        };
        let Some(ended) = ended else {
            return Err(Failure::Storage("no node is left".to_owned()));
        };
        let Ok((id, status)) = ended else { continue };
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let binary = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("ringleader"));
        say(format_args!(
            "node {id} died ({status}); log in {}; to start it again: {} serve --config {}",
            data.join(format!("node-{id}.log")).display(),
            in_shell(&binary),
            in_shell(&config_path(data, id))
        ));
    }
}

/// A path as one word of a shell's command line.
fn in_shell(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |it: char| it.is_alphanumeric() || "/._-+".contains(it);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_in_a_shell() {
        for (path, word) in [
            ("/a/node-0.toml", "/a/node-0.toml"),
            ("/a b/$c", "'/a b/$c'"),
            ("/it's", r"'/it'\''s'"),
        ] {
            assert_eq!(in_shell(Path::new(path)), word);
        }
    }
}
