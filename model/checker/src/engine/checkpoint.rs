//! A search on file: written beside the old one and renamed into its place, with a checksum.
//!
//! ```text
//! magic "RLSEARCH"   8 bytes
//! version            u32   everything little-endian
//! bits               u32   of a fingerprint: 64 or 128
//! identity           text  what is explored
//! totals             states, transitions, depth, seen, bytes, milliseconds, coverage
//! journal            bytes what gives the numbers in packed states their meaning again
//! table              256 x (count, fingerprints)
//! current, next      count, then chunks of packed states
//! checksum           u64   over everything before it
//! ```
//! Text, bytes and lists stand behind their length, a u64.

use super::fingerprint::chain;
use super::level::{Chunk, Level};
use super::run::{Checkpoint, Search, Totals};
use super::table::{STRIPES, stripe_of};
use super::{Explore, JournalError};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"RLSEARCH";
/// The version that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// Why a checkpoint cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read or written.
    Io(PathBuf, io::Error),
    /// The file is no checkpoint, or not a whole one.
    Damaged(PathBuf, &'static str),
    /// The file is of a later or an earlier version of this program.
    Version(PathBuf, u32),
    /// The file is of another search.
    Other {
        /// The file.
        path: PathBuf,
        /// What it says it explores.
        found: String,
        /// What was to be explored.
        wanted: String,
    },
    /// The protocol changed since the file was written.
    Journal(PathBuf, JournalError),
    /// The model was explored by other means before, so that a file would be of no use.
    NoJournal,
}

impl std::fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "checkpoint {}: {error}", path.display()),
            Self::Damaged(path, what) => {
                write!(f, "checkpoint {}: damaged: {what}", path.display())
            }
            Self::Version(path, found) => write!(
                f,
                "checkpoint {}: version {found}, this program reads {VERSION}",
                path.display()
            ),
            Self::Other { path, found, wanted } => write!(
                f,
                "checkpoint {}: is of another search: {found:?}, not {wanted:?}",
                path.display()
            ),
            Self::Journal(path, error) => write!(f, "checkpoint {}: {error}", path.display()),
            Self::NoJournal => {
                f.write_str("no checkpoint can be written: the model was explored before")
            }
        }
    }
}

impl std::error::Error for CheckpointError {}

/// A running checksum.
#[derive(Default)]
struct Sum {
    hash: u64,
    bytes: u64,
    /// Bytes that do not fill a word yet.
    open: Vec<u8>,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.open.extend_from_slice(bytes);
        let (words, rest) = self.open.as_chunks::<8>();
        let add = |hash, word: &[u8; 8]| chain(hash, u64::from_le_bytes(*word), 0);
        self.hash = words.iter().fold(self.hash, add);
        self.open = rest.to_vec();
    }

    fn value(&self) -> u64 {
        let rest = self.open.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        chain(chain(self.hash, rest, 0), self.bytes, 0)
    }
}

struct Out<W> {
    to: W,
    sum: Sum,
}

impl<W: Write> Out<W> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.add(bytes);
        self.to.write_all(bytes)
    }

    fn number(&mut self, number: u64) -> io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    fn list(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.number(bytes.len() as u64)?;
        self.bytes(bytes)
    }
}

/// Writes a search that stands between two chunks.
pub(super) fn write<E: Explore, const W: usize>(
    search: &mut Search<'_, E, W>,
    at: &Checkpoint,
) -> Result<(), CheckpointError> {
    let journal = search.explore.journal().ok_or(CheckpointError::NoJournal)?;
    let io = |error| CheckpointError::Io(at.path.clone(), error);
    let mut beside = at.path.clone().into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let file = File::create(&beside).map_err(io)?;
    let mut out = Out { to: BufWriter::with_capacity(1 << 20, file), sum: Sum::default() };
    put(search, &at.identity, &journal, &mut out).map_err(io)?;
    let sum = out.sum.value();
    out.number(sum).map_err(io)?;
    let file = out.to.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)?;
    std::fs::rename(&beside, &at.path).map_err(io)?;
    let directory = at.path.parent().filter(|it| !it.as_os_str().is_empty());
    // The rename itself must last, too.
    File::open(directory.unwrap_or(Path::new("."))).and_then(|it| it.sync_all()).map_err(io)
}

fn put<E: Explore, const W: usize>(
    search: &mut Search<'_, E, W>,
    identity: &str,
    journal: &[u8],
    out: &mut Out<impl Write>,
) -> io::Result<()> {
    out.bytes(&MAGIC)?;
    out.bytes(&VERSION.to_le_bytes())?;
    out.bytes(&search.settings.width.bits().to_le_bytes())?;
    out.list(identity.as_bytes())?;
    let elapsed_ms = search.elapsed_ms();
    let Totals { states, transitions, depth, seen, bytes_max, elapsed_ms: _, coverage } =
        &search.totals;
    for number in [*states, *transitions, *depth, u64::from(*seen), *bytes_max, elapsed_ms] {
        out.number(number)?;
    }
    out.number(coverage.len() as u64)?;
    coverage.iter().try_for_each(|&count| out.number(count))?;
    out.list(journal)?;
    for stripe in 0..STRIPES {
        let mut result = Ok(());
        search.table.read_stripe(stripe, |count, slots| {
            result = out
                .number(count as u64)
                .and_then(|()| slots.flatten().try_for_each(|word| out.bytes(&word.to_le_bytes())));
        });
        result?;
    }
    for level in [&mut search.current, &mut search.next] {
        let chunks = level.chunks();
        out.number(chunks.len() as u64)?;
        chunks.iter().try_for_each(|chunk| out.list(chunk.bytes()))?;
    }
    Ok(())
}

struct In<R> {
    from: R,
    sum: Sum,
    /// Bytes of the file that were not read: no length in it can be larger.
    left: u64,
}

/// Why a part cannot be read.
enum Bad {
    Io(io::Error),
    Damaged(&'static str),
}

impl<R: Read> In<R> {
    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), Bad> {
        let length = bytes.len() as u64;
        self.left = self.left.checked_sub(length).ok_or(Bad::Damaged("it ends too early"))?;
        self.from.read_exact(bytes).map_err(Bad::Io)?;
        self.sum.add(bytes);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let mut bytes = [0; N];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, Bad> {
        self.array().map(u64::from_le_bytes)
    }

    /// How many things of so many bytes follow.
    fn count(&mut self, bytes_each: u64) -> Result<usize, Bad> {
        let count = self.number()?;
        let fits = count.checked_mul(bytes_each).is_some_and(|bytes| bytes <= self.left);
        let count = usize::try_from(count).ok().filter(|_| fits);
        count.ok_or(Bad::Damaged("a length is beyond the end of the file"))
    }

    fn list(&mut self) -> Result<Vec<u8>, Bad> {
        let mut bytes = vec![0; self.count(1)?];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Fills a new search from its file. False if there is none.
pub(super) fn read<E: Explore, const W: usize>(
    search: &mut Search<'_, E, W>,
    at: &Checkpoint,
) -> Result<bool, CheckpointError> {
    let path = || at.path.clone();
    let file = match File::open(&at.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(|error| CheckpointError::Io(path(), error))?,
    };
    let about = file.metadata().map_err(|error| CheckpointError::Io(path(), error))?;
    let from = BufReader::with_capacity(1 << 20, file);
    let mut input = In { from, sum: Sum::default(), left: about.len() };
    let bad = |bad| match bad {
        Bad::Io(error) => CheckpointError::Io(path(), error),
        Bad::Damaged(what) => CheckpointError::Damaged(path(), what),
    };
    if input.array::<8>().map_err(bad)? != MAGIC {
        return Err(CheckpointError::Damaged(path(), "it is no checkpoint"));
    }
    let version = u32::from_le_bytes(input.array().map_err(bad)?);
    if version != VERSION {
        return Err(CheckpointError::Version(path(), version));
    }
    let bits = u32::from_le_bytes(input.array().map_err(bad)?);
    let identity = input.list().map_err(bad)?;
    let identity = String::from_utf8_lossy(&identity).into_owned();
    if identity != at.identity || bits != search.settings.width.bits() {
        let found = format!("{identity}, {bits} bits");
        let wanted = format!("{}, {} bits", at.identity, search.settings.width.bits());
        return Err(CheckpointError::Other { path: path(), found, wanted });
    }
    let (journal, levels) = take(search, &mut input).map_err(bad)?;
    let sum = input.sum.value();
    if input.number().map_err(bad)? != sum {
        return Err(CheckpointError::Damaged(path(), "its checksum is wrong"));
    }
    search.explore.repeat(&journal).map_err(|error| CheckpointError::Journal(path(), error))?;
    for (level, chunks) in [&search.current, &search.next].into_iter().zip(levels) {
        fill(search.explore, level, chunks)
            .ok_or_else(|| CheckpointError::Damaged(path(), "a state is none of this model"))?;
    }
    Ok(true)
}

type Levels = [Vec<Vec<u8>>; 2];

fn take<E: Explore, const W: usize>(
    search: &mut Search<'_, E, W>,
    input: &mut In<impl Read>,
) -> Result<(Vec<u8>, Levels), Bad> {
    let totals = &mut search.totals;
    totals.states = input.number()?;
    totals.transitions = input.number()?;
    totals.depth = input.number()?;
    totals.seen =
        u32::try_from(input.number()?).map_err(|_| Bad::Damaged("it has too many properties"))?;
    totals.bytes_max = input.number()?;
    totals.elapsed_ms = input.number()?;
    let coverage = input.count(8)?;
    totals.coverage = (0..coverage).map(|_| input.number()).collect::<Result<_, _>>()?;
    let journal = input.list()?;
    for stripe in 0..STRIPES {
        let count = input.count(8 * W as u64)?;
        search.table.reserve(stripe, count);
        for _ in 0..count {
            let mut slot = [0; W];
            for word in &mut slot {
                *word = input.number()?;
            }
            if slot[0] == 0 || stripe_of(slot[0]) != stripe {
                return Err(Bad::Damaged("a fingerprint is in the wrong place"));
            }
            search.table.insert(stripe, std::iter::once(slot), |_| ());
        }
    }
    let mut level = || {
        let count = input.count(8)?;
        (0..count).map(|_| input.list()).collect::<Result<Vec<_>, Bad>>()
    };
    Ok((journal, [level()?, level()?]))
}

/// Puts chunks of packed states into a level. Nothing if one is no state of the model.
fn fill(explore: &impl Explore, level: &Level, chunks: Vec<Vec<u8>>) -> Option<()> {
    for bytes in chunks {
        let chunk = Chunk::from_bytes(bytes);
        let all = chunk.states().all(|it| it.is_ok_and(|packed| explore.accepts(packed)));
        if !all {
            return None;
        }
        level.put(chunk);
    }
    Some(())
}
