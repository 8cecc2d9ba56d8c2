//! `ringleader serve`: one node, until it is told to stop or its storage fails.

use crate::config::Config;
use crate::exit::Failure;
use crate::faults::Injected;
use crate::http;
use crate::random::Random;
use crate::service::Service;
use crate::store::{Start, Store};
use crate::upkeep;
use ringleader_api::Place;
use ringleader_node::Options;
use std::convert::Infallible;
use std::io::{self, IsTerminal, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tracing_subscriber::EnvFilter;

/// Run one node of a group.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringleader serve --config node-0.toml --bootstrap   # the first start of a node
  ringleader serve --config node-0.toml               # every later one

Settings in the file can be overridden: RINGLEADER_API_ADDRESS=127.0.0.1:9000.
RINGLEADER_LOG=debug shows more. Exit codes: 0 asked to stop, 2 configuration, 4 storage.")]
pub(crate) struct Arguments {
    /// The node's configuration, in TOML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Make the node's store: for its first start only. A node that lost its store must not start.
    #[arg(long)]
    bootstrap: bool,
    /// Stop when standard input ends: when whoever started the node is gone.
    #[arg(long)]
    stop_with_stdin: bool,
    /// Have the faults that this file says: a wrong clock, a bad disk. For tests of the database
    /// only; the format is in the harness's README.
    #[arg(long, value_name = "FILE", hide = true)]
    inject_faults: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    start_log();
    let config = Config::load(&arguments.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Configuration(format!("cannot start a runtime: {error}")))?;
    let tasks = LocalSet::new();
    let ended = tasks.block_on(&runtime, serve(arguments, &config));
    // Reads from the log that are still running have nobody left to report to.
    runtime.shutdown_background();
    ended
}

fn start_log() {
    let filter = EnvFilter::try_from_env("RINGLEADER_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

async fn serve(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    // The ports first: of two processes with one configuration the second touches nothing.
    let api = bind("api_address", config.api_address).await?;
    let peers = bind("peer_address", config.peer_address).await?;
    let start = if arguments.bootstrap { Start::First } else { Start::Again };
    let faults = arguments.inject_faults.as_deref().map(Injected::start).transpose()?;
    let store = Store::open(config, start, faults.as_deref())?;
    let random = Random::seeded();
    let options = Options {
        group: config.group(),
        peers: config.peers(),
        tuning: config.tuning(),
        incarnation: random.next(),
        skew: faults.as_ref().map(|it| it.skew.clone()),
    };
    let in_storage = |error: ringleader_node::NodeError| {
        Failure::Storage(format!("storage {}: {error}", config.data_dir.display()))
    };
    let (node, running) =
        ringleader_node::start(options, store.wal, &store.recovered, store.state, peers)
            .map_err(in_storage)?;
    let verifier = config.verifier()?;
    let place = Place { region: config.region.clone(), ..Place::default() };
    let endpoint = config.api_address.to_string();
    let service = Service { node: node.clone(), place, random, endpoint, faults };
    let (stop_serving, stopped_serving) = oneshot::channel::<Infallible>();
    let clients = http::run(api, service, verifier, async {
        let Err(_dropped) = stopped_serving.await;
    });
    let clients = tokio::task::spawn_local(clients);
    tokio::task::spawn_local(upkeep::run(node.clone()));
    let told = told_to_stop(arguments.stop_with_stdin)?;
    tokio::task::spawn_local(async move {
        // Not within the line below: where that is not logged, it is not evaluated either.
        let reason = told.await;
        tracing::info!(reason, "stopping");
        node.hand_over().await;
        drop(stop_serving);
        // It panicked or ended: there is nobody to wait for.
        let _ = clients.await;
        node.stop().await;
    });
    announce(config);
    let ended = running.await.map_err(in_storage);
    tracing::info!("stopped");
    ended
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::Configuration(format!("{setting} {address}: {error}")))
}

/// Says on standard output that the ports are open.
fn announce(config: &Config) {
    let Config { id, api_address, peer_address, .. } = config;
    let mut out = io::stdout().lock();
    // Whoever started us may not be listening, and that is no reason to stop.
    let _ = writeln!(out, "ringleader node {id} ready: api {api_address}, peers {peer_address}");
    let _ = out.flush();
}

/// Waits for SIGTERM, SIGINT, or the end of standard input, and says which came.
fn told_to_stop(with_stdin: bool) -> Result<impl Future<Output = &'static str>, Failure> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Failure::Configuration(format!("cannot catch signals: {error}")))
    };
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = stdin_ended(), if with_stdin => "the end of standard input",
        }
    })
}

async fn stdin_ended() {
    let mut ignored = [0; 64];
    let mut stdin = tokio::io::stdin();
    while stdin.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}
