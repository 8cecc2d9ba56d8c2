//! What can go wrong, and how often it did.

use std::fmt;
use std::ops::{AddAssign, Index, IndexMut};

/// A kind of fault. Counted when it had an effect, not when it was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// A message was lost.
    Loss,
    /// A message arrived twice.
    Duplicate,
    /// A message was overtaken.
    Reorder,
    /// A message arrived with a flipped bit, and was refused.
    Corrupt,
    /// A message was dropped because its sender or receiver was cut off.
    Cut,
    /// A message was dropped because the link was cut in its direction only.
    OneWayCut,
    /// A process ended; what it had written stayed with the operating system.
    Kill,
    /// A node lost power: what was not synced is gone, or some of it.
    PowerLoss,
    /// All nodes lost power at once.
    AllDown,
    /// A process stood still, and went on.
    Pause,
    /// A clock changed its rate, within the bound.
    ClockRate,
    /// A write of the log took long.
    SlowDisk,
    /// A write of the log failed.
    WriteError,
    /// A sync of the log failed.
    SyncError,
    /// A disk was full when the log needed room.
    DiskFull,
    /// A bit of a durable record of the log flipped: the node refuses to start.
    LogDamage,
    /// A bit of the tree flipped, and the tree was refused.
    TreeDamage,
    /// An operation of the tree failed.
    TreeError,
    /// A process ended in the middle of a checkpoint.
    CrashInCheckpoint,
    /// A process ended while a write of its log was in flight.
    CrashInWrite,
    /// A power loss took unsynced sectors.
    LostWrites,
    /// A power loss took some unsynced sectors and left others.
    TornWrite,
}

/// How many kinds there are.
const KINDS: usize = 22;

impl FaultKind {
    /// All kinds, in the order of declaration.
    pub const ALL: [Self; KINDS] = [
        Self::Loss,
        Self::Duplicate,
        Self::Reorder,
        Self::Corrupt,
        Self::Cut,
        Self::OneWayCut,
        Self::Kill,
        Self::PowerLoss,
        Self::AllDown,
        Self::Pause,
        Self::ClockRate,
        Self::SlowDisk,
        Self::WriteError,
        Self::SyncError,
        Self::DiskFull,
        Self::LogDamage,
        Self::TreeDamage,
        Self::TreeError,
        Self::CrashInCheckpoint,
        Self::CrashInWrite,
        Self::LostWrites,
        Self::TornWrite,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Corrupt => "corrupt",
            Self::Cut => "cut",
            Self::OneWayCut => "one-way-cut",
            Self::Kill => "kill",
            Self::PowerLoss => "power-loss",
            Self::AllDown => "all-down",
            Self::Pause => "pause",
            Self::ClockRate => "clock-rate",
            Self::SlowDisk => "slow-disk",
            Self::WriteError => "write-error",
            Self::SyncError => "sync-error",
            Self::DiskFull => "disk-full",
            Self::LogDamage => "log-damage",
            Self::TreeDamage => "tree-damage",
            Self::TreeError => "tree-error",
            Self::CrashInCheckpoint => "crash-in-checkpoint",
            Self::CrashInWrite => "crash-in-write",
            Self::LostWrites => "lost-writes",
            Self::TornWrite => "torn-write",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How often each kind had an effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts([u64; KINDS]);

impl FaultCounts {
    /// All of them together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The kinds that never had an effect.
    pub fn missing(&self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL.into_iter().filter(|&kind| self[kind] == 0)
    }
}

impl Index<FaultKind> for FaultCounts {
    type Output = u64;

    fn index(&self, kind: FaultKind) -> &u64 {
        &self.0[kind as usize]
    }
}

impl IndexMut<FaultKind> for FaultCounts {
    fn index_mut(&mut self, kind: FaultKind) -> &mut u64 {
        &mut self.0[kind as usize]
    }
}

impl AddAssign for FaultCounts {
    fn add_assign(&mut self, other: Self) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_counted_apart() {
        let mut counts = FaultCounts::default();
        for (number, kind) in FaultKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{kind}");
            counts[kind] += 1;
        }
        assert_eq!((counts.sum(), counts.missing().count()), (KINDS as u64, 0));
        let names: std::collections::BTreeSet<_> = FaultKind::ALL.map(FaultKind::name).into();
        assert_eq!(names.len(), KINDS);
    }
}
