//! A disk in memory that keeps apart what was written and what was synced.
//!
//! It answers three questions a test has about a crash:
//!
//! * *when*: [`SimulatedDisk::crash_after`] lets a number of operations through and refuses the rest;
//! * *what is left*: [`SimulatedDisk::images`] yields every disk a power loss could leave: any subset
//!   of the unsynced sectors, any prefix of the unsynced name operations;
//! * *what fails*: [`SimulatedDisk::fail_at`] makes one operation fail, [`SimulatedDisk::set_capacity`]
//!   fills the disk. A failed sync leaves its sectors in doubt: a later sync succeeds without
//!   writing them, as on Linux, unless they are written again.
//!
//! A process crash (`kill -9`) is not a power loss: what was written stays readable and unsynced,
//! which is [`SimulatedDisk::restart`].

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Disk, DiskFile};

/// The unit that a power loss keeps or loses as a whole.
pub const SECTOR_LENGTH: usize = 512;

/// Above this many choices [`SimulatedDisk::images`] refuses: 2^20 images are no longer a test.
const CHOICES_MAX: usize = 20;

/// Which operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operation with this number (they count from 0) fails with an I/O error. A write then may
    /// or may not have reached the disk; so may what a failed sync covered.
    Operation(u64),
}

/// What a power loss took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Unsynced sectors, lengths and runs of names that are not as they were written last.
    pub lost: usize,
    /// Unsynced ones that are. With both above zero a write is torn.
    pub kept: usize,
}

/// What a crash could have left.
#[derive(Clone, Debug, Default)]
pub struct Image {
    files: BTreeMap<String, Vec<u8>>,
}

impl Image {
    /// A disk that holds exactly this, all of it durable.
    #[must_use]
    pub fn into_disk(self) -> SimulatedDisk {
        let disk = SimulatedDisk::new();
        {
            let mut state = disk.lock();
            for (name, bytes) in self.files {
                let id = state.files.len();
                state.files.push(Contents {
                    stable: bytes.clone(),
                    cached: bytes,
                    ..Contents::default()
                });
                state.names.insert(name.clone(), id);
                state.stable_names.insert(name, id);
            }
        }
        disk
    }

    /// The files and their bytes.
    pub fn files_mut(&mut self) -> &mut BTreeMap<String, Vec<u8>> {
        &mut self.files
    }
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// By file id; files without a name stay.
    files: Vec<Contents>,
    /// The names that a running process sees.
    names: BTreeMap<String, usize>,
    /// The names that survive a power loss for certain.
    stable_names: BTreeMap<String, usize>,
    /// Name operations since the last directory sync, in order.
    unsynced_names: Vec<NameChange>,
    /// How many changing operations were asked for.
    operations: u64,
    /// From this operation on everything is refused.
    crash_at: Option<u64>,
    /// The operation that fails.
    fail_at: Option<u64>,
    /// Bytes that all files together may have.
    capacity: Option<u64>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Contents {
    /// What survives a power loss for certain.
    stable: Vec<u8>,
    /// What a running process reads.
    cached: Vec<u8>,
    /// The sectors that were written or cut off since they were last synced, each with the contents
    /// that it had on the way from stable to cached. No other sector differs between the two.
    unsynced: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Sectors that a failed sync left in doubt: no later sync makes them durable, unless they are
    /// written again. All of them are unsynced.
    doubtful: BTreeSet<usize>,
}

/// The part of a sector that lies in a file.
fn part(bytes: &[u8], sector: usize) -> &[u8] {
    let start = (sector * SECTOR_LENGTH).min(bytes.len());
    let end = (start + SECTOR_LENGTH).min(bytes.len());
    &bytes[start..end]
}

/// A whole sector; beyond the end of the file there are zeros.
fn whole(bytes: &[u8], sector: usize) -> Vec<u8> {
    let mut sector = part(bytes, sector).to_vec();
    sector.resize(SECTOR_LENGTH, 0);
    sector
}

/// Puts a sector where the file reaches.
fn put(bytes: &mut [u8], sector: usize, content: &[u8]) {
    let start = (sector * SECTOR_LENGTH).min(bytes.len());
    let end = (start + SECTOR_LENGTH).min(bytes.len());
    bytes[start..end].copy_from_slice(&content[..end - start]);
}

impl Contents {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        assert!(end <= self.cached.len(), "the caller makes room");
        for sector in offset / SECTOR_LENGTH..end.div_ceil(SECTOR_LENGTH) {
            // Whoever writes it again has the next sync write it.
            self.doubtful.remove(&sector);
            match self.unsynced.entry(sector) {
                Entry::Vacant(entry) => drop(entry.insert(Vec::new())),
                Entry::Occupied(mut entry) => {
                    let before = whole(&self.cached, sector);
                    if before != whole(&self.stable, sector) {
                        entry.get_mut().push(before);
                    }
                }
            }
        }
        self.cached[offset..end].copy_from_slice(bytes);
    }

    fn sync(&mut self) {
        self.stable.resize(self.cached.len(), 0);
        let Self { stable, cached, unsynced, doubtful } = self;
        unsynced.retain(|&sector, _| {
            let stays = doubtful.contains(&sector);
            if !stays {
                put(stable, sector, part(cached, sector));
            }
            stays
        });
    }

    fn fail_sync(&mut self) {
        self.doubtful.extend(self.unsynced.keys());
    }

    fn set_length(&mut self, length: usize) {
        // What is cut off comes back as zeros, should the file grow again.
        for sector in length / SECTOR_LENGTH..self.cached.len().div_ceil(SECTOR_LENGTH) {
            self.unsynced.entry(sector).or_default();
        }
        self.cached.resize(length, 0);
    }

    /// The unsynced sectors, each with every content it may have after a power loss, the stable
    /// one first.
    fn versions(&self) -> Vec<(usize, Vec<Vec<u8>>)> {
        let within = |sector: usize| sector * SECTOR_LENGTH < self.cached.len();
        self.unsynced
            .iter()
            .filter(|(sector, _)| within(**sector))
            .filter_map(|(&sector, passed)| {
                let mut versions = vec![whole(&self.stable, sector)];
                for version in passed.iter().cloned().chain([whole(&self.cached, sector)]) {
                    if !versions.contains(&version) {
                        versions.push(version);
                    }
                }
                (versions.len() > 1).then_some((sector, versions))
            })
            .collect()
    }

    /// What is stable is all there is.
    fn settle(&mut self) {
        self.cached.resize(self.stable.len(), 0);
        for sector in std::mem::take(&mut self.unsynced).into_keys() {
            put(&mut self.cached, sector, part(&self.stable, sector));
        }
        self.doubtful.clear();
    }
}

/// One independent choice that a power loss makes.
enum Choice {
    /// How many of the unsynced name operations survive.
    Names(usize),
    /// Whether a file has its old or its new length.
    Length(usize),
    /// Which content a sector of a file has.
    Sector(usize, usize, Vec<Vec<u8>>),
}

impl Choice {
    fn options(&self) -> usize {
        match self {
            Self::Names(count) => count + 1,
            Self::Length(_) => 2,
            Self::Sector(_, _, versions) => versions.len(),
        }
    }
}

impl SimulatedDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many changing operations (write, sync, create, rename, remove, directory sync) were
    /// asked for so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Lets this many further operations through, then refuses everything until `restart`.
    pub fn crash_after(&self, operations: u64) {
        let mut state = self.lock();
        state.crash_at = Some(state.operations + operations);
    }

    /// Whether an operation was refused because the disk had crashed.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        let state = self.lock();
        state.crash_at.is_some_and(|at| state.operations > at)
    }

    /// A process crash: a new process sees all that was written, synced or not.
    pub fn restart(&self) {
        let mut state = self.lock();
        state.crash_at = None;
        state.fail_at = None;
    }

    /// Makes one operation fail.
    pub fn fail_at(&self, fault: Fault) {
        let Fault::Operation(operation) = fault;
        self.lock().fail_at = Some(operation);
    }

    /// Limits the bytes that all files together may have; `None` lifts the limit. Files that have more
    /// already keep it, and do not grow.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// The disk as a power loss right now would leave it, in every possible way. The first is the
    /// one that loses everything unsynced.
    ///
    /// # Panics
    /// When there are more than 20 independent choices.
    #[must_use]
    pub fn images(&self) -> Vec<Image> {
        let state = self.lock();
        let choices = state.choices();
        assert!(choices.len() <= CHOICES_MAX, "{} choices are too many to try all", choices.len());
        let mut picks = vec![0; choices.len()];
        let mut images = Vec::new();
        loop {
            images.push(state.image(&choices, &picks));
            // Count up, each digit in its own base.
            let Some(digit) = (0..picks.len()).find(|digit| {
                picks[*digit] += 1;
                let overflow = picks[*digit] == choices[*digit].options();
                if overflow {
                    picks[*digit] = 0;
                }
                !overflow
            }) else {
                return images;
            };
            debug_assert!(picks[digit] > 0, "the digit that was counted up");
        }
    }

    /// Power fails now. `choose` picks, for each independent choice, one of so many options: option 0
    /// loses what is not synced, the last one keeps it as it was written last. Handles that are still
    /// open see what is left, so whoever simulates a process refuses them first
    /// ([`SimulatedDisk::crash_after`]).
    pub fn lose_power(&self, choose: &mut dyn FnMut(usize) -> usize) -> Loss {
        let mut state = self.lock();
        let mut loss = Loss::default();
        for choice in state.choices() {
            let options = choice.options();
            let pick = choose(options);
            if pick + 1 == options {
                loss.kept += 1;
            } else {
                loss.lost += 1;
            }
            state.settle(choice, pick);
        }
        state.names = state.stable_names.clone();
        state.unsynced_names.clear();
        state.files.iter_mut().for_each(Contents::settle);
        loss
    }

    /// Flips one bit of a file, on the disk itself: `bit` counts from the start of the file. Nothing
    /// happens beyond its end.
    pub fn flip(&self, name: &str, bit: u64) {
        let mut state = self.lock();
        let State { files, names, .. } = &mut *state;
        let Some(file) = names.get(name).map(|&id| &mut files[id]) else { return };
        for bytes in [&mut file.stable, &mut file.cached] {
            let at = usize::try_from(bit / 8).ok().and_then(|at| bytes.get_mut(at));
            if let Some(byte) = at {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// The disk as a running process sees it.
    #[must_use]
    pub fn cached_image(&self) -> Image {
        let state = self.lock();
        let bytes = |id: &usize| state.files[*id].cached.clone();
        Image { files: state.names.iter().map(|(name, id)| (name.clone(), bytes(id))).collect() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }

    fn file(&self, id: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { disk: self.clone(), id })
    }
}

impl State {
    /// Counts a changing operation and says whether it may happen.
    fn begin(&mut self) -> io::Result<()> {
        let operation = self.operations;
        self.operations += 1;
        self.alive()?;
        if self.fail_at == Some(operation) {
            return Err(io::Error::other(format!("operation {operation} failed by request")));
        }
        Ok(())
    }

    fn alive(&self) -> io::Result<()> {
        match self.crash_at {
            Some(at) if self.operations > at => Err(io::Error::other("the disk has crashed")),
            _ => Ok(()),
        }
    }

    /// Makes a file at least this long, where the capacity allows.
    fn grow(&mut self, id: usize, length: usize) -> io::Result<()> {
        let used: usize = self.files.iter().map(|file| file.cached.len()).sum();
        let bytes = &mut self.files[id].cached;
        let grown = length.saturating_sub(bytes.len());
        if grown > 0 && self.capacity.is_some_and(|capacity| (used + grown) as u64 > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        bytes.resize(bytes.len() + grown, 0);
        Ok(())
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        if !self.unsynced_names.is_empty() {
            choices.push(Choice::Names(self.unsynced_names.len()));
        }
        for (id, file) in self.files.iter().enumerate() {
            if file.cached.len() != file.stable.len() {
                choices.push(Choice::Length(id));
            }
            let sectors = file.versions();
            choices.extend(sectors.into_iter().map(|(at, all)| Choice::Sector(id, at, all)));
        }
        choices
    }

    /// Makes what a power loss picked stable.
    fn settle(&mut self, choice: Choice, pick: usize) {
        match choice {
            Choice::Names(_) => {
                let State { unsynced_names, stable_names, .. } = self;
                unsynced_names[..pick].iter().for_each(|change| change.apply(stable_names));
            }
            Choice::Length(id) => {
                if pick == 1 {
                    let length = self.files[id].cached.len();
                    self.files[id].stable.resize(length, 0);
                }
            }
            Choice::Sector(id, sector, versions) => {
                put(&mut self.files[id].stable, sector, &versions[pick]);
            }
        }
    }

    fn image(&self, choices: &[Choice], picks: &[usize]) -> Image {
        let mut names = self.stable_names.clone();
        let mut contents: Vec<_> = self.files.iter().map(|file| file.stable.clone()).collect();
        for (choice, pick) in choices.iter().zip(picks) {
            match choice {
                Choice::Names(_) => {
                    self.unsynced_names[..*pick].iter().for_each(|change| change.apply(&mut names));
                }
                Choice::Length(id) => {
                    if *pick == 1 {
                        contents[*id].resize(self.files[*id].cached.len(), 0);
                    }
                }
                Choice::Sector(id, sector, versions) => {
                    // Only as far as the file reaches with the length it got.
                    put(&mut contents[*id], *sector, &versions[*pick]);
                }
            }
        }
        let bytes = |id: &usize| contents[*id].clone();
        Image { files: names.iter().map(|(name, id)| (name.clone(), bytes(id))).collect() }
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.lock();
        state.alive()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.begin()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.files.len();
        state.files.push(Contents::default());
        state.change_names(NameChange::Create(name.to_owned(), id));
        drop(state);
        Ok(self.file(id))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.lock();
        state.alive()?;
        let id = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        Ok(self.file(id))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.begin()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.begin()?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.begin()?;
        state.stable_names = state.names.clone();
        state.unsynced_names.clear();
        Ok(())
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: usize,
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        state.alive()?;
        Ok(state.files[self.id].cached.len() as u64)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.begin()?;
        state.grow(self.id, usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.begin()?;
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        state.grow(self.id, length)?;
        state.files[self.id].set_length(length);
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.disk.lock();
        state.alive()?;
        let bytes = &state.files[self.id].cached;
        let found = usize::try_from(offset)
            .ok()
            .and_then(|start| bytes.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        let begun = state.begin();
        if state.alive().is_err() {
            return begun;
        }
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        state.grow(self.id, offset + bytes.len())?;
        let file = &mut state.files[self.id];
        file.write(offset, bytes);
        if begun.is_err() {
            file.fail_sync();
        }
        begun
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let begun = state.begin();
        if state.alive().is_err() {
            return begun;
        }
        let file = &mut state.files[self.id];
        match begun {
            Ok(()) => file.sync(),
            Err(_) => file.fail_sync(),
        }
        begun
    }
}
