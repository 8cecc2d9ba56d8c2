//! Who installed each version and who read it, in flat tables.

use std::collections::HashMap;

use super::anomaly::{Anomaly, AnomalyClass, Dependency, Reason};
use super::{Access, Action, Transactions, UNPLACED};

/// The installer of a version that no transaction installed: the state before all.
pub(super) const NOBODY: u32 = u32::MAX;

/// The place of an access that depends on nobody: a read of what the transaction itself saw or
/// wrote before, or a write without a known version.
pub(super) const INNER: u32 = u32::MAX;

/// Up to so many accesses a look back is quicker than a table.
const LOOK_BACK_MAX: usize = 24;

/// At most so many anomalies of this kind are listed; each proves the verdict alone.
const LISTED_MAX: usize = 16;

/// All versions of all keys, a key's together and in order, the state before all first.
#[derive(Debug)]
pub(super) struct Versions {
    /// Where each key's versions begin; one more for the end.
    starts: Vec<u32>,
    /// The number of each version.
    numbers: Vec<u64>,
    /// The transaction that installed each version.
    pub(super) installer: Vec<u32>,
    /// For each access of the history its version's position here, or [`INNER`].
    pub(super) place: Vec<u32>,
    /// Where each version's readers begin in `readers`; one more for the end.
    reader_starts: Vec<u32>,
    /// The transactions that read each version from somebody else.
    readers: Vec<u32>,
}

impl Versions {
    /// Sorts out who wrote and read what.
    ///
    /// # Errors
    /// What is wrong already without looking at cycles.
    pub(super) fn of(transactions: &Transactions) -> Result<Self, Vec<Anomaly>> {
        let (starts, numbers, installer) = installed(transactions);
        let mut anomalies = duplicates(transactions, &starts, &numbers, &installer);
        if !anomalies.is_empty() {
            return Err(anomalies);
        }
        let mut versions = Self {
            starts,
            numbers,
            installer,
            place: Vec::new(),
            reader_starts: Vec::new(),
            readers: Vec::new(),
        };
        versions.place = versions.places(transactions, &mut anomalies);
        versions.index_readers(transactions);
        versions.intermediate_reads(transactions, &mut anomalies);
        if anomalies.is_empty() { Ok(versions) } else { Err(anomalies) }
    }

    /// The transactions that read the version from somebody else.
    pub(super) fn readers(&self, version: u32) -> &[u32] {
        let at = version as usize;
        &self.readers[self.reader_starts[at] as usize..self.reader_starts[at + 1] as usize]
    }

    /// The number of the version.
    pub(super) fn number(&self, version: u32) -> u64 {
        self.numbers[version as usize]
    }

    /// The installer of the version after that one, if it is another transaction than `except`.
    pub(super) fn next_installer(&self, version: u32, except: u32) -> Option<u32> {
        let next = version as usize + 1;
        let installer = *self.installer.get(next)?;
        (installer != NOBODY && installer != except).then_some(installer)
    }

    /// How many versions there are, those before all included.
    pub(super) fn len(&self) -> usize {
        self.installer.len()
    }

    /// The position of a version, found at once where numbers have no gaps.
    fn find(&self, key: u32, number: u64) -> Option<u32> {
        let (start, end) = (self.starts[key as usize], self.starts[key as usize + 1]);
        let direct = u64::from(start).saturating_add(number);
        if direct < u64::from(end) {
            let at = u32::try_from(direct).expect("less than a 32-bit end");
            if self.numbers[at as usize] == number {
                return Some(at);
            }
        }
        let found = self.numbers[start as usize..end as usize].binary_search(&number).ok()?;
        Some(start + u32::try_from(found).expect("less than a 32-bit end"))
    }

    /// The version of each access; reports reads of what nobody wrote, and transactions that do not
    /// see what they saw or wrote themselves.
    fn places(&self, transactions: &Transactions, anomalies: &mut Vec<Anomaly>) -> Vec<u32> {
        let mut places = Vec::with_capacity(transactions.accesses.len());
        let mut latest: HashMap<u32, u32> = HashMap::new();
        for at in 0..transactions.len() {
            let transaction = number(at);
            let accesses = transactions.accesses(at);
            latest.clear();
            let first = places.len();
            for (position, access) in accesses.iter().enumerate() {
                if access.version == UNPLACED {
                    places.push(INNER);
                    continue;
                }
                let Some(place) = self.find(access.key, access.version) else {
                    let reason = Reason::Version { key: access.key, version: access.version };
                    let garbage = AnomalyClass::Garbage;
                    report(anomalies, garbage, vec![Dependency::alone(transaction, reason)]);
                    places.push(INNER);
                    continue;
                };
                let before = if accesses.len() <= LOOK_BACK_MAX {
                    look_back(&accesses[..position], access.key)
                } else {
                    let here = number(position);
                    latest.insert(access.key, here).map(|it| it as usize)
                };
                let known = before.map(|before| accesses[before].version);
                let known = known.filter(|version| *version != UNPLACED);
                // It must see again what it saw or wrote before, and write what comes after that.
                let contradiction = match access.action {
                    Action::Read if before.is_none() => {
                        self.installer[place as usize] == transaction
                    }
                    Action::Read => known.is_some_and(|version| version != access.version),
                    Action::Write => known.is_some_and(|version| version >= access.version),
                };
                if contradiction {
                    let reason = Reason::Version { key: access.key, version: access.version };
                    let internal = AnomalyClass::Internal;
                    report(anomalies, internal, vec![Dependency::alone(transaction, reason)]);
                }
                let inner = access.action == Action::Read && (before.is_some() || contradiction);
                places.push(if inner { INNER } else { place });
            }
            debug_assert_eq!(places.len() - first, accesses.len());
        }
        places
    }

    /// Sorts the reads by version.
    fn index_readers(&mut self, transactions: &Transactions) {
        let mut starts = vec![0_u32; self.len() + 1];
        let reads = |access: &Access, place: u32| access.action == Action::Read && place != INNER;
        for (access, place) in transactions.accesses.iter().zip(&self.place) {
            if reads(access, *place) {
                starts[*place as usize] += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // Each start is the end of its run now, and walks back as the run fills.
        let mut readers = vec![0_u32; sum as usize];
        for at in (0..transactions.len()).rev() {
            for position in transactions.range(at).rev() {
                let place = self.place[position];
                if reads(&transactions.accesses[position], place) {
                    let slot = &mut starts[place as usize];
                    *slot -= 1;
                    readers[*slot as usize] = number(at);
                }
            }
        }
        self.reader_starts = starts;
        self.readers = readers;
    }

    /// Reports reads of a version that its own transaction overwrote.
    fn intermediate_reads(&self, transactions: &Transactions, anomalies: &mut Vec<Anomaly>) {
        for version in 0..self.len().saturating_sub(1) {
            let installer = self.installer[version];
            if installer == NOBODY || self.installer[version + 1] != installer {
                continue;
            }
            let place = number(version);
            if let Some(reader) = self.readers(place).iter().find(|it| **it != installer) {
                let key = self.key_of(place, transactions, installer);
                let reason = Reason::WriteRead { key, version: self.number(place) };
                let edge = Dependency { from: installer, to: *reader, reason };
                report(anomalies, AnomalyClass::G1b, vec![edge]);
            }
        }
    }

    /// The key of a version that `owner` read or wrote.
    pub(super) fn key_of(&self, version: u32, transactions: &Transactions, owner: u32) -> u32 {
        let range = transactions.range(owner as usize);
        let found = range.clone().find(|position| self.place[*position] == version);
        transactions.accesses[found.expect("the owner accessed the version")].key
    }
}

/// The latest access to the key among `before`.
fn look_back(before: &[Access], key: u32) -> Option<usize> {
    before.iter().rposition(|it| it.key == key)
}

/// The writes sorted by key and version: starts of keys, version numbers, installers.
fn installed(transactions: &Transactions) -> (Vec<u32>, Vec<u64>, Vec<u32>) {
    let keys = transactions.accesses.iter().map(|it| it.key + 1).max().unwrap_or(0) as usize;
    let mut starts = vec![0_u32; keys + 1];
    let writes = |access: &Access| access.action == Action::Write && access.version != UNPLACED;
    for access in transactions.accesses.iter().filter(|it| writes(it)) {
        starts[access.key as usize] += 1;
    }
    // Room for the state before all at each key.
    let mut sum = 0;
    for start in &mut starts[..keys] {
        let count = *start + 1;
        *start = sum;
        sum += count;
    }
    starts[keys] = sum;
    let mut numbers = vec![0_u64; sum as usize];
    let mut installer = vec![NOBODY; sum as usize];
    let mut next: Vec<u32> = starts[..keys].iter().map(|start| start + 1).collect();
    for at in 0..transactions.len() {
        for access in transactions.accesses(at).iter().filter(|it| writes(it)) {
            let slot = &mut next[access.key as usize];
            numbers[*slot as usize] = access.version;
            installer[*slot as usize] = number(at);
            *slot += 1;
        }
    }
    for key in 0..keys {
        let range = starts[key] as usize..starts[key + 1] as usize;
        let (numbers, installer) = (&mut numbers[range.clone()], &mut installer[range]);
        if !numbers.is_sorted() {
            let mut pairs: Vec<(u64, u32)> =
                numbers.iter().copied().zip(installer.iter().copied()).skip(1).collect();
            pairs.sort_unstable();
            for (slot, (version, owner)) in pairs.into_iter().enumerate() {
                numbers[slot + 1] = version;
                installer[slot + 1] = owner;
            }
        }
    }
    (starts, numbers, installer)
}

/// Versions that were installed twice. If both installers had read the version before, one of the
/// two updates is lost.
fn duplicates(
    transactions: &Transactions,
    starts: &[u32],
    numbers: &[u64],
    installer: &[u32],
) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for (key, bounds) in starts.windows(2).enumerate() {
        for at in bounds[0] as usize + 1..bounds[1] as usize {
            if numbers[at] != numbers[at - 1] {
                continue;
            }
            let key = number(key);
            let (from, to) = (installer[at - 1], installer[at]);
            if from == NOBODY {
                let reason = Reason::Version { key, version: 0 };
                let garbage = AnomalyClass::Garbage;
                report(&mut anomalies, garbage, vec![Dependency::alone(to, reason)]);
                continue;
            }
            let saw = |owner: u32| {
                let accesses = transactions.accesses(owner as usize);
                let seen = accesses.iter().find(|it| it.key == key && it.action == Action::Read);
                seen.map(|it| it.version)
            };
            let both_saw = from != to && saw(from).is_some() && saw(from) == saw(to);
            let class =
                if both_saw { AnomalyClass::LostUpdate } else { AnomalyClass::DuplicateWrite };
            let reason = Reason::Version { key, version: numbers[at] };
            report(&mut anomalies, class, vec![Dependency { from, to, reason }]);
        }
    }
    anomalies
}

fn report(anomalies: &mut Vec<Anomaly>, class: AnomalyClass, evidence: Vec<Dependency>) {
    if anomalies.len() < LISTED_MAX {
        anomalies.push(Anomaly { class, evidence });
    }
}

/// Positions fit in 32 bits because the ends of accesses do.
pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at).expect("no more than 2^32 accesses")
}
