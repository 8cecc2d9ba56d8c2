//! Bytes that change on the disk of one node while it is down. Never on two nodes at a time, and
//! what is lost the others hold: they ran on, and agreed with it before.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Effect;
use super::catalogue::Damage;
use crate::cluster::Cluster;
use crate::cluster::node::Node;

/// Blocks of the log; the first of each file is its header (`impl/storage/docs/format.md`).
const BLOCK_LENGTH: usize = 4096;

/// A node that is down, with a damaged disk.
pub(super) struct Damaged {
    damage: Damage,
    victim: usize,
    path: PathBuf,
    /// Where it was damaged.
    offset: usize,
    /// What was there.
    bytes: Vec<u8>,
    /// The length of the file, if that changed.
    length: Option<u64>,
}

/// Kills the node and damages its disk.
pub(super) async fn begin(damage: Damage, node: &mut Node, victim: usize) -> Result<Damaged> {
    node.kill()?;
    node.killed().await?;
    let path = match damage {
        Damage::FlipTree => node.data().join("tree.redb"),
        Damage::FlipLog | Damage::CutLog | Damage::TearLog => last_segment(node.data())?,
    };
    let content = read(&path)?;
    let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let (offset, count) = match damage {
        Damage::FlipLog => (used(&content, BLOCK_LENGTH, end)?, 1),
        Damage::FlipTree => (used(&content, 0, end)?, 1),
        Damage::CutLog => {
            let offset = (end / 2).next_multiple_of(BLOCK_LENGTH);
            (offset, content.len().saturating_sub(offset))
        }
        Damage::TearLog => {
            let offset = end.saturating_sub(1) / BLOCK_LENGTH * BLOCK_LENGTH;
            if offset < BLOCK_LENGTH {
                bail!("{} holds nothing yet", path.display());
            }
            (offset, BLOCK_LENGTH)
        }
    };
    let bytes = content[offset..offset + count].to_vec();
    let mut length = None;
    match damage {
        Damage::FlipLog | Damage::FlipTree => write(&path, offset, &[bytes[0] ^ 4])?,
        Damage::TearLog => write(&path, offset, &vec![0; count])?,
        Damage::CutLog => {
            length = Some(content.len() as u64);
            File::options().write(true).open(&path)?.set_len(offset as u64)?;
        }
    }
    Ok(Damaged { damage, victim, path, offset, bytes, length })
}

/// Starts the node on what it has, mends the disk where the node refuses, and starts it again.
pub(super) async fn end(damaged: Damaged, cluster: &mut Cluster) -> Result<Effect> {
    let Damaged { damage, victim, path, offset, bytes, length } = damaged;
    let node = cluster.node(victim);
    let refused = node.start_or_refuse().await?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match (damage, refused) {
        (Damage::TearLog, None) => {
            let text = format!("{} bytes of {name} lost at {offset}, started without", bytes.len());
            Ok(Effect::of(true, text))
        }
        (_, Some(words)) => {
            if let Some(length) = length {
                File::options().write(true).open(&path)?.set_len(length)?;
            }
            write(&path, offset, &bytes)?;
            cluster.start_stopped().await?;
            // The node's own words: what is wrong and where.
            let words = words.split("ringleader: ").last().unwrap_or_default();
            Ok(Effect::of(damage != Damage::TearLog, format!("refused to start: {words}")))
        }
        (_, None) => {
            bail!("node {victim} started although {name} was damaged at byte {offset}");
        }
    }
}

/// The last file of the log that holds something beside its header.
fn last_segment(data: &Path) -> Result<PathBuf> {
    let directory = data.join("log");
    let entries = fs::read_dir(&directory);
    let entries = entries.with_context(|| format!("cannot list {}", directory.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "wal"));
    paths.sort();
    for path in paths.into_iter().rev() {
        let content = read(&path)?;
        if content.iter().skip(BLOCK_LENGTH).any(|byte| *byte != 0) {
            return Ok(path);
        }
    }
    bail!("the log in {} holds nothing yet", directory.display());
}

/// A byte in the middle of what is used between `from` and `end`.
fn used(content: &[u8], from: usize, end: usize) -> Result<usize> {
    let middle = usize::midpoint(from, end.max(from));
    let byte = content[middle..end].iter().position(|byte| *byte != 0);
    Ok(middle + byte.context("the file holds nothing yet")?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut content));
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(content)
}

fn write(path: &Path, offset: usize, bytes: &[u8]) -> Result<()> {
    let written = File::options().write(true).open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(offset as u64))?;
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.with_context(|| format!("cannot damage {}", path.display()))
}
