//! One node as a process: its configuration file, its life and its deaths.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ringleader_client::Status;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::{Injection, Reads, Setup, status_of};

/// How long a node may take from its start to its ready line: it reads its log back.
const START_MAX: Duration = Duration::from_secs(20);
/// Exit code of a node whose storage failed or does not hold what it must.
const STORAGE_FAILED: i32 = 4;
/// How long a node may take to stop when asked.
const STOP_MAX: Duration = Duration::from_secs(5);
/// How long a node may take to tell its status before it counts as not answering.
const STATUS_MAX: Duration = Duration::from_millis(300);

/// One node as a process.
pub struct Node {
    id: usize,
    server: PathBuf,
    config: PathBuf,
    log: PathBuf,
    api: SocketAddr,
    data: PathBuf,
    /// Its orders, if it can be given any.
    orders: Option<Orders>,
    /// Whether it was ever started. Only the first start makes a store: a node that lost its own
    /// must not come back as if it had promised nothing.
    born: bool,
    process: Option<Child>,
    /// Present from the start of the process to its ready line.
    starting: Option<BufReader<ChildStdout>>,
}

/// The faults that a node is told to have. Several nemeses may have told it something.
struct Orders {
    path: PathBuf,
    /// How often they were changed.
    number: u64,
    /// Keys of the file with their values.
    given: BTreeMap<&'static str, String>,
}

impl Orders {
    fn text(&self) -> String {
        let mut text = format!("number = {}\n", self.number);
        for (key, value) in &self.given {
            let _ = writeln!(text, "{key} = {value}");
        }
        text
    }
}

impl Node {
    /// Writes the configuration of a node that dials its peers at `group`; starts nothing.
    ///
    /// # Errors
    ///
    /// If the files cannot be written.
    pub(super) fn prepare(
        setup: &Setup,
        id: usize,
        api: SocketAddr,
        peer: SocketAddr,
        group: &[SocketAddr],
    ) -> Result<Self> {
        let directory = &setup.directory;
        let data = directory.join(format!("data-{id}"));
        let config = directory.join(format!("node-{id}.toml"));
        let log = directory.join(format!("node-{id}.log"));
        let text = configuration(id, &data, api, peer, group, setup.reads);
        fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let server = setup.server.clone();
        let (born, process, starting) = (false, None, None);
        let mut node =
            Self { id, server, config, log, api, data, orders: None, born, process, starting };
        if setup.injection == Injection::On {
            let path = directory.join(format!("node-{id}.faults"));
            node.orders = Some(Orders { path, number: 0, given: BTreeMap::new() });
            node.change_orders(|_| ())?;
        }
        Ok(node)
    }

    /// Where its clients connect.
    #[must_use]
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// Where its log goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Where its log and tree are.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Tells it to have a fault from now on, beside those that it has: a key of its file, and its value.
    /// Returns the number by which its status says that it is in force.
    ///
    /// # Errors
    ///
    /// If it was not started to have any, or the file cannot be written.
    pub fn give_order(&mut self, key: &'static str, value: String) -> Result<u64> {
        self.change_orders(|given| drop(given.insert(key, value)))
    }

    /// Takes back what [`Self::give_order`] told it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn take_back_order(&mut self, key: &'static str) -> Result<u64> {
        self.change_orders(|given| drop(given.remove(key)))
    }

    fn change_orders(
        &mut self,
        change: impl FnOnce(&mut BTreeMap<&'static str, String>),
    ) -> Result<u64> {
        let Some(orders) = &mut self.orders else {
            bail!("node {} was not started with a file of faults", self.id);
        };
        change(&mut orders.given);
        orders.number += 1;
        let next = orders.path.with_extension("next");
        fs::write(&next, orders.text())
            .and_then(|()| fs::rename(&next, &orders.path))
            .with_context(|| format!("cannot write {}", orders.path.display()))?;
        Ok(orders.number)
    }

    /// Whether its process was started and not killed since.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Its status, if it answers soon.
    pub async fn status(&self) -> Option<Status> {
        status_of(self.api, STATUS_MAX).await
    }

    /// Starts the process; [`Node::ready`] waits for it.
    pub(super) fn spawn(&mut self) -> Result<()> {
        let opened = OpenOptions::new().create(true).append(true).open(&self.log);
        let mut log = opened.with_context(|| format!("cannot write {}", self.log.display()))?;
        writeln!(log, "--- node {} starts", self.id)?;
        let mut command = Command::new(&self.server);
        command.arg("serve").arg("--config").arg(&self.config);
        if let Some(Orders { path: orders, .. }) = &self.orders {
            command.arg("--inject-faults").arg(orders);
        }
        if !self.born {
            command.arg("--bootstrap");
        }
        // Its standard input ends when we do, however we do: no node outlives a harness that was
        // killed.
        command.arg("--stop-with-stdin").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut process =
            command.spawn().with_context(|| format!("cannot start {}", self.server.display()))?;
        self.starting = process.stdout.take().map(BufReader::new);
        self.process = Some(process);
        self.born = true;
        Ok(())
    }

    /// Waits for the line by which a started node says that it is ready.
    pub(super) async fn ready(&mut self) -> Result<()> {
        let Some(mut lines) = self.starting.take() else { return Ok(()) };
        let ready = async {
            let mut line = String::new();
            while lines.read_line(&mut line).await? > 0 {
                if line.contains(" ready: ") {
                    return Ok(());
                }
                line.clear();
            }
            bail!("ended before it was ready");
        };
        let outcome = match timeout(START_MAX, ready).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("not ready within {} s", START_MAX.as_secs())),
        };
        if let Err(error) = outcome {
            let last = self.last_words();
            bail!("node {} did not start: {error}; the end of its log: {last}", self.id);
        }
        // Whatever it prints later must not fill the pipe and block it.
        tokio::spawn(async move {
            let mut line = String::new();
            while matches!(lines.read_line(&mut line).await, Ok(1..)) {
                line.clear();
            }
        });
        Ok(())
    }

    /// Sends `kill -9`; [`Node::killed`] waits for the death.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Waits until the process is dead by our hand.
    ///
    /// # Errors
    ///
    /// If it did not run or died of something else before.
    pub async fn killed(&mut self) -> Result<()> {
        let status = self.wait().await?;
        self.process = None;
        if status.signal() != Some(Signal::KILL.as_raw()) {
            bail!("node {} was not killed: it had ended by itself, {status}", self.id);
        }
        Ok(())
    }

    /// Waits until the process has ended by itself because its storage failed: exit code 4. False if
    /// it still runs after `patience`.
    ///
    /// # Errors
    ///
    /// If it did not run or ended otherwise.
    pub async fn storage_failed(&mut self, patience: Duration) -> Result<bool> {
        let Ok(status) = timeout(patience, self.wait()).await else { return Ok(false) };
        let status = status?;
        self.process = None;
        if status.code() != Some(STORAGE_FAILED) {
            bail!("node {} ended with {status}, and not because of its storage", self.id);
        }
        Ok(true)
    }

    /// Starts a process that does not run. Says why if it refuses because of what its disk holds.
    ///
    /// # Errors
    ///
    /// If it neither starts nor refuses for that reason.
    pub async fn start_or_refuse(&mut self) -> Result<Option<String>> {
        self.spawn()?;
        let Err(error) = self.ready().await else { return Ok(None) };
        if self.storage_failed(STOP_MAX).await? {
            return Ok(Some(self.last_words()));
        }
        Err(error)
    }

    /// Stops the process where it stands.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a paused process go on.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks the process to stop and waits until it has.
    ///
    /// # Errors
    ///
    /// If it does not run, does not stop in time, or ends with anything but exit code 0.
    pub async fn stop(&mut self) -> Result<()> {
        if self.process.is_none() {
            bail!("node {} does not run", self.id);
        }
        self.terminate()?;
        self.ended().await
    }

    pub(super) fn terminate(&mut self) -> Result<()> {
        if self.process.is_some() { self.signal(Signal::TERM) } else { Ok(()) }
    }

    /// Waits for a process that was asked to stop.
    pub(super) async fn ended(&mut self) -> Result<()> {
        if self.process.is_none() {
            return Ok(());
        }
        let Ok(status) = timeout(STOP_MAX, self.wait()).await else {
            bail!("node {} did not stop within {} s", self.id, STOP_MAX.as_secs());
        };
        self.process = None;
        let status = status?;
        if !status.success() {
            bail!("node {} was asked to stop and ended with {status}", self.id);
        }
        Ok(())
    }

    /// If the process ended although nobody killed it: how.
    pub(super) fn deserted(&mut self) -> Option<String> {
        let status = self.process.as_mut()?.try_wait().ok()??;
        self.process = None;
        Some(format!("node {} ended by itself, {status}: {}", self.id, self.last_words()))
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        let pid = self.process.as_ref().and_then(Child::id);
        let pid = pid.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { bail!("node {} does not run", self.id) };
        kill_process(pid, signal).with_context(|| format!("cannot signal node {}", self.id))
    }

    async fn wait(&mut self) -> Result<ExitStatus> {
        match &mut self.process {
            Some(process) => Ok(process.wait().await?),
            None => bail!("node {} does not run", self.id),
        }
    }

    /// The last line of its log.
    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.lines().last().unwrap_or("(empty)").to_owned()
    }
}

fn configuration(
    id: usize,
    data: &Path,
    api: SocketAddr,
    peer: SocketAddr,
    group: &[SocketAddr],
    reads: Reads,
) -> String {
    // A path is data: quoted as TOML wants it.
    let data = toml::Value::from(data.to_string_lossy().into_owned());
    let mut text = format!(
        "id = {id}\ndata_dir = {data}\napi_address = \"{api}\"\npeer_address = \"{peer}\"\n"
    );
    if reads == Reads::ReadIndex {
        text.push_str("lease = false\n");
    }
    for (replica, address) in group.iter().enumerate() {
        write!(text, "[[replicas]]\nid = {replica}\naddress = \"{address}\"\n")
            .expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_the_agreed_one() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let group = [at(5), at(7001)];
        let data = Path::new("a \"b\"");
        let text = configuration(1, data, at(8001), at(7001), &group, Reads::ReadIndex);
        let table: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(table["id"].as_integer(), Some(1));
        assert_eq!(table["lease"].as_bool(), Some(false));
        assert_eq!(table["data_dir"].as_str(), Some("a \"b\""));
        assert_eq!(table["api_address"].as_str(), Some("127.0.0.1:8001"));
        assert_eq!(table["peer_address"].as_str(), Some("127.0.0.1:7001"));
        let replicas = table["replicas"].as_array().unwrap();
        assert_eq!(replicas[0]["address"].as_str(), Some("127.0.0.1:5"));
        assert_eq!(replicas[1]["id"].as_integer(), Some(1));
    }

    #[test]
    fn one_node_has_the_orders_of_several_nemeses() {
        let given = BTreeMap::new();
        let mut orders = Orders { path: PathBuf::new(), number: 3, given };
        orders.given.insert("disk.sync_delay_ms", "30".to_owned());
        orders.given.insert("clock.rate_ppm", "-80000".to_owned());
        let both = "number = 3\nclock.rate_ppm = -80000\ndisk.sync_delay_ms = 30\n";
        assert_eq!(orders.text(), both);
        orders.given.remove("clock.rate_ppm");
        assert_eq!(orders.text(), "number = 3\ndisk.sync_delay_ms = 30\n");
    }
}
