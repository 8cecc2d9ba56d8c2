//! The configuration of one node: a TOML file, overridden by `RINGLEADER_*` in the environment.

use crate::exit::Failure;
use crate::http::credentials::Credentials;
use crate::http::signature::Verifier;
use crate::limits::REPLICAS_MAX;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use ringleader_core::group::{self, AnnounceCommit, AtElection, Drift, Lease, Timing, Trim};
use ringleader_core::ids::{ReplicaId, Tick};
use ringleader_core::quorum::ReplicaSet;
use ringleader_replica::Tuning;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The settings that the environment may override; `replicas` is a list and stays in the file.
const FROM_ENVIRONMENT: &[&str] = &[
    "id",
    "data_dir",
    "api_address",
    "peer_address",
    "election_timeout_ms",
    "heartbeat_interval_ms",
    "checkpoint_bytes",
    "region",
    "credentials",
    "lease",
];

/// Entries of one append. 64 puts of 1 KiB fill a loopback segment.
const APPEND_ENTRIES_MAX: u64 = 64;

/// Entries on their way to one peer: at 100,000 puts a second, 10 ms of them.
const INFLIGHT_ENTRIES_MAX: u64 = 1024;

/// Checkpoints that come more often cost more than what they save.
const CHECKPOINT_BYTES_MIN: usize = 64 << 10;

/// How far the rates of clocks may be off. Crystals are off by 200 parts in a million; a daemon that
/// corrects the time may bend a clock by a twelfth at most (the default of chrony), by 1/2,000 usually.
const CLOCK_DRIFT_MAX: Drift = Drift { parts: 1, of: 10 };

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// This node's replica.
    pub(crate) id: u8,
    /// Where its log and tree are.
    pub(crate) data_dir: PathBuf,
    /// Where clients are served.
    pub(crate) api_address: SocketAddr,
    /// Where peers' frames arrive.
    pub(crate) peer_address: SocketAddr,
    /// A follower campaigns after hearing from no leader for this long, plus as much jitter.
    #[serde(default = "election_timeout_ms")]
    pub(crate) election_timeout_ms: u64,
    /// A leader speaks at least this often.
    #[serde(default = "heartbeat_interval_ms")]
    pub(crate) heartbeat_interval_ms: u64,
    /// The state is made durable after so many bytes of changes; the log holds about three times as
    /// many, and a restart applies up to so many again.
    #[serde(default = "checkpoint_bytes")]
    pub(crate) checkpoint_bytes: usize,
    /// The region's name in resource names, and in the scope of signatures.
    #[serde(default = "region")]
    pub(crate) region: String,
    /// A file of access keys, in the form that AWS's tools read. Without it everybody may do
    /// everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<PathBuf>,
    /// Whether a confirmed leader answers strong reads alone for a while, which rests on the rates of
    /// clocks. Otherwise a majority confirms it for each, and no clock matters.
    #[serde(default = "lease")]
    pub(crate) lease: bool,
    /// The ids of the members with which the group began, which never change; all replicas if it is
    /// not said. A replica that is not among them starts empty and waits until it is added
    /// (`ringleader members`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) members: Option<BTreeSet<u8>>,
    /// Every replica that this node may have to speak to, this node included.
    pub(crate) replicas: Vec<Replica>,
}

pub(crate) fn election_timeout_ms() -> u64 {
    300
}

pub(crate) fn heartbeat_interval_ms() -> u64 {
    50
}

pub(crate) fn lease() -> bool {
    true
}

pub(crate) fn checkpoint_bytes() -> usize {
    Tuning::default().checkpoint_bytes
}

pub(crate) fn region() -> String {
    "local".to_owned()
}

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replica {
    /// Its replica id.
    pub(crate) id: u8,
    /// Where this node reaches it.
    pub(crate) address: String,
}

/// Check a node's configuration and print it as it is in effect.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringleader config --config node-0.toml
  RINGLEADER_DATA_DIR=/var/lib/ringleader ringleader config --config node-0.toml

Exit codes: 0 it can be used, 2 it cannot.")]
pub(crate) struct Arguments {
    /// The node's configuration, in TOML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Prints the file, the environment and the defaults as one file.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    print!("{}", toml::to_string(&config).expect("a configuration is TOML"));
    Ok(())
}

impl Config {
    /// Reads and checks a configuration file.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let unusable = |error: &dyn std::fmt::Display| {
            Failure::Configuration(format!("configuration {}: {error}", path.display()))
        };
        // Read here, because figment takes a file that is missing for an empty one.
        let text = std::fs::read_to_string(path).map_err(|error| unusable(&error))?;
        let config: Self = Figment::new()
            .merge(Toml::string(&text))
            .merge(Env::prefixed("RINGLEADER_").only(FROM_ENVIRONMENT))
            .extract()
            .map_err(|error| unusable(&one_line(error)))?;
        config.check().map_err(|error| unusable(&error))?;
        config.verifier()?;
        Ok(config)
    }

    /// What checks signatures, if requests must be signed.
    pub(crate) fn verifier(&self) -> Result<Option<Verifier>, Failure> {
        let Some(path) = &self.credentials else { return Ok(None) };
        let unusable = |error: String| {
            Failure::Configuration(format!("credentials {}: {error}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let credentials = Credentials::parse(&text).map_err(unusable)?;
        Ok(Some(Verifier::new(credentials, self.region.clone())))
    }

    fn check(&self) -> Result<(), String> {
        let ids: BTreeMap<u8, &str> =
            self.replicas.iter().map(|it| (it.id, it.address.as_str())).collect();
        if ids.len() != self.replicas.len() {
            return Err("replicas: an id occurs twice".to_owned());
        }
        if self.replicas.len() > REPLICAS_MAX {
            let count = self.replicas.len();
            return Err(format!("replicas: {count} are more than the limit of {REPLICAS_MAX}"));
        }
        if let Some(id) = ids.keys().find(|&&id| id >= ID_END) {
            return Err(format!("replicas: id {id} is not below {ID_END}"));
        }
        if !ids.contains_key(&self.id) {
            return Err(format!("id: {} is not among the replicas", self.id));
        }
        let mut addresses: BTreeMap<&str, u8> = BTreeMap::new();
        for (&id, &address) in &ids {
            if let Some(other) = addresses.insert(address, id) {
                return Err(format!("replicas: {other} and {id} have the same address {address}"));
            }
        }
        if let Some(id) = self.first_members().iter().find(|&&id| id >= ID_END) {
            return Err(format!("members: id {id} is not below {ID_END}"));
        }
        if self.first_members().is_empty() {
            return Err("members: nobody is among them".to_owned());
        }
        if self.checkpoint_bytes < CHECKPOINT_BYTES_MIN {
            let found = self.checkpoint_bytes;
            return Err(format!("checkpoint_bytes: {found} is less than {CHECKPOINT_BYTES_MIN}"));
        }
        if self.data_dir.as_os_str().is_empty() {
            return Err("data_dir: it is empty".to_owned());
        }
        self.check_ports()?;
        self.check_times()
    }

    fn check_ports(&self) -> Result<(), String> {
        for (name, address) in
            [("api_address", self.api_address), ("peer_address", self.peer_address)]
        {
            if address.port() == 0 {
                return Err(format!("{name}: port 0 would be another one at each start"));
            }
        }
        if self.api_address == self.peer_address {
            return Err(format!("api_address: {} is the peer_address too", self.api_address));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), String> {
        if self.heartbeat_interval_ms == 0 || self.election_timeout_ms > 60_000 {
            return Err(
                "heartbeat_interval_ms: at least 1; election_timeout_ms: at most 60000".to_owned()
            );
        }
        if self.heartbeat_interval_ms * 2 > self.election_timeout_ms {
            return Err(format!(
                "election_timeout_ms: {} is less than two heartbeats of {} ms",
                self.election_timeout_ms, self.heartbeat_interval_ms
            ));
        }
        Ok(())
    }

    /// The members with which the group began.
    pub(crate) fn first_members(&self) -> BTreeSet<u8> {
        let all = || self.replicas.iter().map(|it| it.id).collect();
        self.members.clone().unwrap_or_else(all)
    }

    /// When the replica makes checkpoints.
    pub(crate) fn tuning(&self) -> Tuning {
        let usual = Tuning::default();
        Tuning {
            checkpoint_bytes: self.checkpoint_bytes,
            // Several in the records that come between two checkpoints.
            base_interval_bytes: usual.base_interval_bytes.min(self.checkpoint_bytes / 8),
            ..usual
        }
    }

    /// The replica's part of it.
    pub(crate) fn group(&self) -> group::Config {
        group::Config {
            id: ReplicaId(self.id),
            voters: self.first_members().into_iter().map(ReplicaId).collect(),
            election_timeout: Tick(self.election_timeout_ms * 1000),
            heartbeat_interval: Tick(self.heartbeat_interval_ms * 1000),
            append_entries_max: APPEND_ENTRIES_MAX,
            inflight_entries_max: INFLIGHT_ENTRIES_MAX,
            at_election: AtElection::AppendNoOp,
            announce_commit: AnnounceCommit::WithNextAppend,
            timing: self.timing(),
            trim: Trim::BelowEveryCheckpoint,
            log_replicas: ReplicaSet::default(),
        }
    }

    /// A leader that fell silent is replaced after an election timeout. Until then everything about
    /// it has run out: what followers heard from it, after half of that, and its lease.
    fn timing(&self) -> Timing {
        let election = self.election_timeout_ms * 1000;
        let evidence = (election / 2).max(self.heartbeat_interval_ms * 2000);
        Timing {
            evidence: Some(Tick(evidence)),
            // An election has ended by then: a leader that is alone knows nothing better.
            quorum_timeout: Some(Tick(election * 2)),
            lease: self
                .lease
                .then_some(Lease { span: Tick(election * 2 / 3), drift: CLOCK_DRIFT_MAX }),
        }
    }

    /// Where this node reaches its peers.
    pub(crate) fn peers(&self) -> BTreeMap<ReplicaId, String> {
        let others = self.replicas.iter().filter(|it| it.id != self.id);
        others.map(|it| (ReplicaId(it.id), it.address.clone())).collect()
    }
}

/// Replica ids are members of a small set in the core.
const ID_END: u8 = ReplicaSet::IDS;

/// All of figment's complaints, each with the place it comes from, in one line.
fn one_line(error: figment::Error) -> String {
    let complaints: Vec<String> = error
        .into_iter()
        .map(|error| {
            let setting = error.path.join(".");
            let name = error.metadata.as_ref().map(|it| it.name.to_string());
            let from = name.filter(|name| name.contains("environment"));
            let from = from.map_or(String::new(), |name| format!(" (from {name})"));
            if setting.is_empty() {
                format!("{}{from}", error.kind)
            } else {
                format!("{setting}: {}{from}", error.kind)
            }
        })
        .collect();
    complaints.join("; ").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        id = 1
        data_dir = "data/1"
        api_address = "127.0.0.1:8001"
        peer_address = "127.0.0.1:7001"
        [[replicas]]
        id = 0
        address = "127.0.0.1:7000"
        [[replicas]]
        id = 1
        address = "127.0.0.1:7001"
    "#;

    fn load(text: &str) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|failure| {
            let prefix = format!("configuration {}: ", path.display());
            failure.to_string().strip_prefix(&prefix).unwrap().to_owned()
        })
    }

    #[test]
    fn a_file_is_a_configuration_with_defaults() {
        let config = load(GOOD).unwrap();
        assert_eq!((config.election_timeout_ms, config.heartbeat_interval_ms), (300, 50));
        assert_eq!(config.peers().into_keys().collect::<Vec<_>>(), [ReplicaId(0)]);
        let group = config.group();
        assert_eq!(group.voters.size(), 2);
        // Whoever promised the leader not to elect another has waited before its own timer fires.
        let lease = group.timing.lease.unwrap();
        assert_eq!((lease.span, lease.wait()), (Tick(200_000), Tick(244_445)));
        assert!(lease.wait() < group.election_timeout);
    }

    #[test]
    fn a_replica_that_is_no_first_member_waits() {
        let config = load(&format!("members = [0]\n{GOOD}")).unwrap();
        assert!(!config.group().voters.contains(ReplicaId(1)));
        assert_eq!(config.peers().into_keys().collect::<Vec<_>>(), [ReplicaId(0)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(load(&GOOD.replace(from, to)).unwrap_err(), expected);
        };
        check("id = 1\n        data", "id = 2\n        data", "id: 2 is not among the replicas");
        check("id = 0", "id = 1", "replicas: an id occurs twice");
        check("id = 0", "id = 64", "replicas: id 64 is not below 64");
        check("7000", "7001", "replicas: 0 and 1 have the same address 127.0.0.1:7001");
        check("8001", "7001", "api_address: 127.0.0.1:7001 is the peer_address too");
        check("data/1", "", "data_dir: it is empty");
        check("8001", "0", "api_address: port 0 would be another one at each start");
        check(
            "id = 1\n        data",
            "id = 1\n        dat = 3\n        data",
            "dat: unknown field: found `dat`, expected `one of `id`, `data_dir`, `api_address`, `peer_address`, `election_timeout_ms`, `heartbeat_interval_ms`, `checkpoint_bytes`, `region`, `credentials`, `lease`, `members`, `replicas``",
        );
        let members = format!("members = []\n{GOOD}");
        assert_eq!(load(&members).unwrap_err(), "members: nobody is among them");
        let slow = format!("heartbeat_interval_ms = 200\n{GOOD}");
        let expected = "election_timeout_ms: 300 is less than two heartbeats of 200 ms";
        assert_eq!(load(&slow).unwrap_err(), expected);
        assert!(load("id = ").is_err());
    }
}
