//! The directory of a node: who it is, its log, its tree.
//!
//! ```text
//! DATA_DIR/node.toml      which replica of which group this is; written once
//! DATA_DIR/log/           the write-ahead log
//! DATA_DIR/tree.redb      the tree; can be built again from the log as long as that is whole
//! ```
//!
//! A log that is gone may have held a vote or an acknowledged entry, and an empty one looks like
//! that of a new node. So a store is made only when asked to (`--bootstrap`), and a node without
//! one does not start.
//!
//! `node.toml` is the mark of a store that is finished: the log is made before it, the tree after
//! it. Without it, a log in which nothing was ever written, and no tree, are what an interrupted
//! first start leaves. It promised nothing, and `--bootstrap` goes on with it.

use crate::config::Config;
use crate::exit::Failure;
use crate::faults::Injected;
use crate::limits::DELTA_BYTES_MAX;
use crate::state::TableState;
use ringleader_storage::disk::{DirectoryDisk, Disk, FaultyDisk};
use ringleader_storage::engine::{TreeEngine, TreeError, TreeOptions};
use ringleader_storage::wal::{self, OpenError, Recovered, Wal};
use ringleader_table::Tables;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to do about a damaged tree.
const REBUILD_ADVICE: &str = "the log is whole: move the file away and start again to rebuild it";

/// What to do if the log does not hold all that the tree held.
const REPLACE_ADVICE: &str = "the log does not begin at the beginning, so only other replicas hold all \
                              of it: take this one out of its group (ringleader members --remove) \
                              and add a replica with a new id in its place";

/// The file of the tree.
const TREE_NAME: &str = "tree.redb";

/// What a node recorded about itself when its store was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    /// The replica.
    id: u8,
    /// The members with which its group began, in ascending order.
    group: Vec<u8>,
}

/// Whether a store is made or must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The node starts for the first time.
    First,
    /// The node has been started before.
    Again,
}

/// An open store.
pub(crate) struct Store {
    pub(crate) wal: Wal,
    pub(crate) recovered: Recovered,
    pub(crate) state: TableState,
}

impl Store {
    /// Opens, or makes, the store of a node.
    pub(crate) fn open(
        config: &Config,
        start: Start,
        faults: Option<&Injected>,
    ) -> Result<Self, Failure> {
        let directory = Directory(&config.data_dir);
        let identity = Identity::of(config);
        if start == Start::First {
            directory.make(&identity)?;
        } else {
            directory.check_identity(&identity)?;
        }
        // First, because the log is locked by whoever has it open, and may build a damaged tree again.
        let (wal, recovered) = directory.open_log(config.id, faults)?;
        let state = directory.open_tree(recovered.trimmed, faults)?;
        if let Some(cut) = &recovered.cut {
            tracing::info!(at = cut.at.0, found = %cut.found, "cut a torn write from the log");
        }
        Ok(Self { wal, recovered, state: TableState::new(state) })
    }
}

/// The tree is written beside the requests, in large portions, which write each of its pages less often,
/// and with a cache that holds the upper levels of a large tree.
fn tree_options() -> TreeOptions {
    TreeOptions { delta_bytes_max: DELTA_BYTES_MAX, ..TreeOptions::default() }
}

fn wal_options(owner: u8) -> wal::Options {
    wal::Options::new(u64::from(owner))
}

impl Identity {
    fn of(config: &Config) -> Self {
        Self { id: config.id, group: config.first_members().into_iter().collect() }
    }
}

/// Whether a directory holds the store of a node, finished, or a part of one.
pub(crate) fn exists(data_dir: &Path) -> bool {
    Directory(data_dir).identity().exists()
}

/// The disk, with faults in front of it if there are to be any.
fn with_faults(disk: Arc<dyn Disk>, faults: Option<&Injected>) -> Arc<dyn Disk> {
    match faults {
        None => disk,
        Some(faults) => Arc::new(FaultyDisk::new(disk, faults.disk.clone())),
    }
}

struct Directory<'a>(&'a Path);

impl Directory<'_> {
    fn identity(&self) -> PathBuf {
        self.0.join("node.toml")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    fn tree(&self) -> PathBuf {
        self.0.join(TREE_NAME)
    }

    fn failed(&self, action: &str, error: impl Display) -> Failure {
        Failure::Storage(format!("storage {}: {action} {error}", self.0.display()))
    }

    fn disk(&self) -> Result<Arc<dyn Disk>, Failure> {
        let disk = DirectoryDisk::open(self.log());
        Ok(Arc::new(disk.map_err(|it| self.failed("open log:", it))?))
    }

    fn open_log(&self, owner: u8, faults: Option<&Injected>) -> Result<(Wal, Recovered), Failure> {
        let disk = with_faults(self.disk()?, faults);
        Wal::open(&disk, wal_options(owner)).map_err(|it| self.failed("log:", it))
    }

    fn open_tree(
        &self,
        log_trimmed: bool,
        faults: Option<&Injected>,
    ) -> Result<Tables<TreeEngine>, Failure> {
        let disk = DirectoryDisk::open(self.0).map_err(|it| self.failed("open:", it))?;
        let disk = with_faults(Arc::new(disk), faults);
        let tree = TreeEngine::open_on(&disk, TREE_NAME, tree_options());
        let tree = tree.map_err(|error| {
            if let TreeError::Damaged { found } = error {
                let advice = if log_trimmed { REPLACE_ADVICE } else { REBUILD_ADVICE };
                self.failed("tree.redb is damaged:", format!("{found}; {advice}"))
            } else {
                self.failed("tree.redb:", error)
            }
        })?;
        Tables::open(tree).map_err(|it| self.failed("tree.redb:", it))
    }

    /// Makes a store, or goes on with one whose making was interrupted.
    fn make(&self, identity: &Identity) -> Result<(), Failure> {
        if self.identity().exists() {
            return Err(Failure::Configuration(format!(
                "{} holds a store already: start without --bootstrap, which is for the first start",
                self.0.display()
            )));
        }
        self.refuse_wiped(identity.id)?;
        self.create().map_err(|it| self.failed("create", it))?;
        let opened = Wal::open_or_create(&self.disk()?, wal_options(identity.id));
        drop(opened.map_err(|it| self.failed("log:", it))?);
        self.write_identity(identity)
    }

    /// Without `node.toml`: refuses what is more than the beginning of a store.
    fn refuse_wiped(&self, owner: u8) -> Result<(), Failure> {
        let wiped = |left| {
            let lost = format!("but there is {left}: the node was wiped in part");
            self.failed("node.toml is missing,", lost)
        };
        if self.tree().exists() {
            return Err(wiped("a tree"));
        }
        if !self.log().exists() {
            return Ok(());
        }
        match Wal::open(&self.disk()?, wal_options(owner)) {
            Ok((_, log)) if log.count > 0 || log.cut.is_some() => Err(wiped("a log with records")),
            Ok(_) | Err(OpenError::NotFound) => Ok(()),
            Err(error) => Err(self.failed("node.toml is missing, and the log:", error)),
        }
    }

    /// Makes the directories, durably: one that a power failure takes back looks like a wiped one.
    fn create(&self) -> io::Result<()> {
        let log = self.log();
        let missing: Vec<&Path> = log.ancestors().take_while(|it| !it.exists()).collect();
        fs::create_dir_all(&log)?;
        for made in missing {
            let parent = made.parent().filter(|it| !it.as_os_str().is_empty());
            fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }

    /// In one step, so that the mark is there or not.
    fn write_identity(&self, identity: &Identity) -> Result<(), Failure> {
        let text = toml::to_string(identity).map_err(|it| self.failed("node.toml:", it))?;
        let unfinished = self.0.join("node.unfinished");
        let written = fs::File::create(&unfinished).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, self.identity())?;
            fs::File::open(self.0)?.sync_all()
        });
        written.map_err(|it| self.failed("write node.toml:", it))
    }

    fn check_identity(&self, expected: &Identity) -> Result<(), Failure> {
        let text = match fs::read_to_string(self.identity()) {
            Ok(text) if self.log().exists() => text,
            Ok(_) => {
                return Err(self.failed("the log is missing:", "the node was wiped in part"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.refuse_wiped(expected.id)?;
                return Err(self.unmade());
            }
            Err(error) => return Err(self.failed("read node.toml:", error)),
        };
        let found: Identity =
            toml::from_str(&text).map_err(|it| self.failed("node.toml:", it.message()))?;
        if found != *expected {
            return Err(Failure::Configuration(format!(
                "{} belongs to replica {} of group {:?}, the configuration says replica {} of group {:?}",
                self.0.display(),
                found.id,
                found.group,
                expected.id,
                expected.group
            )));
        }
        Ok(())
    }

    /// Why a node does not start where there is no store, or the beginning of one.
    fn unmade(&self) -> Failure {
        if self.log().exists() {
            return self.failed(
                "the first start of this node did not finish:",
                "nothing is lost, start it with --bootstrap again",
            );
        }
        self.failed(
            "there is no store:",
            "if this node has never been started, start it with --bootstrap; if it has, what it \
             voted and acknowledged is lost, and it must not start: take it out of its group \
             (ringleader members --remove) and add a replica with a new id in its place",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Replica;

    fn config(directory: &Path, id: u8) -> Config {
        let replica = |id| Replica { id, address: "127.0.0.1:1".to_owned() };
        Config {
            id,
            data_dir: directory.join("node"),
            api_address: ([127, 0, 0, 1], 1).into(),
            peer_address: ([127, 0, 0, 1], 2).into(),
            election_timeout_ms: 300,
            heartbeat_interval_ms: 50,
            checkpoint_bytes: 1 << 20,
            region: "local".to_owned(),
            credentials: None,
            lease: true,
            members: None,
            replicas: vec![replica(0), replica(1)],
        }
    }

    fn refused(config: &Config, start: Start) -> Failure {
        Store::open(config, start, None).err().expect("this store must not open")
    }

    #[test]
    fn a_store_is_made_once_and_opened_ever_after() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), 0);
        assert!(!exists(&config.data_dir));
        drop(Store::open(&config, Start::First, None).map_err(|it| it.to_string()).unwrap());
        assert!(exists(&config.data_dir));
        drop(Store::open(&config, Start::Again, None).map_err(|it| it.to_string()).unwrap());
        let again = refused(&config, Start::First);
        assert!(matches!(&again, Failure::Configuration(_)), "{again}");
        assert!(again.to_string().contains("holds a store already"), "{again}");
    }

    #[test]
    fn a_node_without_its_store_does_not_start() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), 0);
        let wiped = refused(&config, Start::Again);
        assert!(matches!(&wiped, Failure::Storage(_)), "{wiped}");
        assert!(wiped.to_string().contains("--bootstrap"), "{wiped}");
        assert!(!exists(&config.data_dir), "a refused start leaves nothing behind");
    }

    fn made(config: &Config) -> Store {
        Store::open(config, Start::First, None).map_err(|it| it.to_string()).unwrap()
    }

    fn remove(path: &Path) {
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    #[test]
    fn a_node_that_lost_a_part_of_its_store_does_not_start() {
        for parts in
            [&["log"][..], &["node.toml"], &["node.toml", "tree.redb"], &["node.toml", "log"]]
        {
            let directory = tempfile::tempdir().unwrap();
            let config = config(directory.path(), 0);
            let mut store = made(&config);
            store.wal.append(0, b"a vote");
            store.wal.commit().unwrap();
            drop(store);
            for part in parts {
                remove(&config.data_dir.join(part));
            }
            let lost = refused(&config, Start::Again);
            assert!(matches!(&lost, Failure::Storage(_)), "{parts:?}: {lost}");
            assert!(lost.to_string().ends_with("the node was wiped in part"), "{parts:?}: {lost}");
            refused(&config, Start::First);
        }
    }

    #[test]
    fn a_first_start_that_was_interrupted_is_made_again() {
        type Interrupt = fn(&Directory<'_>);
        let interrupted: [Interrupt; 5] = [
            |at| remove(&at.log()),
            |at| {
                // In the middle of making the log.
                remove(&at.log().join("identity"));
                fs::write(at.log().join("creating"), "").unwrap();
                fs::write(at.log().join("000000000000.new"), "half").unwrap();
            },
            |at| fs::write(at.log().join("creating"), "").unwrap(),
            |at| fs::write(at.0.join("node.unfinished"), "id = ").unwrap(),
            |_| {},
        ];
        for (step, interrupt) in interrupted.into_iter().enumerate() {
            let data = tempfile::tempdir().unwrap();
            let config = config(data.path(), 0);
            drop(made(&config));
            let directory = Directory(&config.data_dir);
            remove(&directory.identity());
            remove(&directory.tree());
            interrupt(&directory);
            assert!(!exists(&config.data_dir));
            let unmade = refused(&config, Start::Again).to_string();
            assert!(unmade.contains("--bootstrap"), "{step}: {unmade}");
            drop(made(&config));
            assert!(Store::open(&config, Start::Again, None).is_ok(), "{step}");
        }
    }

    #[test]
    fn a_first_start_that_ended_between_its_mark_and_the_tree_has_been_one() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), 0);
        drop(made(&config));
        remove(&config.data_dir.join("tree.redb"));
        fs::write(config.data_dir.join("tree.redb.unfinished"), [0; 5000]).unwrap();
        assert!(refused(&config, Start::First).to_string().contains("start without --bootstrap"));
        assert!(Store::open(&config, Start::Again, None).is_ok());
    }

    #[test]
    fn a_damaged_tree_is_named_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), 0);
        drop(made(&config));
        let tree = config.data_dir.join("tree.redb");
        fs::File::options().write(true).open(&tree).unwrap().set_len(100_000).unwrap();
        let damaged = refused(&config, Start::Again);
        assert!(matches!(&damaged, Failure::Storage(_)), "{damaged}");
        let text = damaged.to_string();
        let expected = "; the log is whole: move the file away and start again to rebuild it";
        assert!(text.contains(": tree.redb is damaged: ") && text.ends_with(expected), "{text}");
        assert!(!text.contains('\n'), "{text}");
        fs::rename(&tree, config.data_dir.join("tree.damaged")).unwrap();
        assert!(Store::open(&config, Start::Again, None).is_ok());
    }

    #[test]
    fn a_tree_that_is_lost_is_built_again_from_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), 0);
        drop(Store::open(&config, Start::First, None).map_err(|it| it.to_string()).unwrap());
        fs::remove_file(config.data_dir.join("tree.redb")).unwrap();
        assert!(Store::open(&config, Start::Again, None).is_ok());
    }

    #[test]
    fn the_store_of_another_replica_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        drop(
            Store::open(&config(directory.path(), 0), Start::First, None)
                .map_err(|it| it.to_string())
                .unwrap(),
        );
        let other = refused(&config(directory.path(), 1), Start::Again);
        assert!(matches!(&other, Failure::Configuration(_)), "{other}");
        let text = other.to_string();
        let expected = "belongs to replica 0 of group [0, 1], the configuration says replica 1 of group [0, 1]";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_damaged_log_is_named_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), 0);
        let mut store =
            Store::open(&config, Start::First, None).map_err(|it| it.to_string()).unwrap();
        for _ in 0..3 {
            store.wal.append(0, b"a record of some length");
            store.wal.commit().unwrap();
        }
        drop(store);
        let path = fs::read_dir(config.data_dir.join("log")).unwrap().flatten().map(|it| it.path());
        let segment = path.filter(|it| it.extension().is_some_and(|it| it == "wal")).min().unwrap();
        let mut bytes = fs::read(&segment).unwrap();
        let at = bytes.windows(8).position(|it| it == b"a record").unwrap();
        bytes[at] ^= 1;
        fs::write(&segment, bytes).unwrap();
        let damaged = refused(&config, Start::Again).to_string();
        let name = segment.file_name().unwrap().to_str().unwrap();
        assert!(damaged.contains(&format!("{name}: damaged at byte ")), "{damaged}");
        assert!(!damaged.contains('\n'), "{damaged}");
    }
}
