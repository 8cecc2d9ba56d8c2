//! How long a check may take and how much the process may hold meanwhile, where nothing is searched:
//! while a file is read, and in the levels that are linear. What is searched counts its own memory
//! ([`Budget`](crate::Budget)).

use std::time::{Duration, Instant};

use crate::search::Shortage;

/// Entries or operations between two looks at the clock and the memory.
const STRIDE: usize = 1 << 10;

/// The bytes that a process may hold, and what tells how many it does.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimit {
    /// Bytes.
    pub most: u64,
    /// The bytes held now.
    pub held: fn() -> u64,
}

/// A limit of time and one of memory; either may be missing.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    deadline: Option<Instant>,
    memory: Option<MemoryLimit>,
}

impl Patience {
    /// As long as it takes.
    pub const ENDLESS: Self = Self { deadline: None, memory: None };

    /// From now on so long, within that memory.
    #[must_use]
    pub fn new(time: Option<Duration>, memory: Option<MemoryLimit>) -> Self {
        Self { deadline: time.and_then(|time| Instant::now().checked_add(time)), memory }
    }

    /// What is left of the time; nothing if that is not limited.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// What is left of the memory; nothing if that is not limited.
    #[must_use]
    pub fn bytes_left(&self) -> Option<u64> {
        self.memory.map(|memory| memory.most.saturating_sub((memory.held)()))
    }

    /// Looks at the clock, and whether that many bytes more would be too many.
    ///
    /// # Errors
    /// What ran out.
    pub fn look_ahead(&self, bytes: u64) -> Result<(), Shortage> {
        self.look()?;
        if self.bytes_left().is_some_and(|left| left < bytes) {
            return Err(Shortage::Memory);
        }
        Ok(())
    }

    /// Looks at the clock and the memory.
    ///
    /// # Errors
    /// What ran out.
    pub fn look(&self) -> Result<(), Shortage> {
        if self.left() == Some(Duration::ZERO) {
            return Err(Shortage::Time);
        }
        if self.bytes_left() == Some(0) {
            return Err(Shortage::Memory);
        }
        Ok(())
    }

    /// The same at every 1024th step, in a loop whose steps are short.
    ///
    /// # Errors
    /// What ran out.
    pub fn look_at(&self, step: usize) -> Result<(), Shortage> {
        if step.is_multiple_of(STRIDE) { self.look() } else { Ok(()) }
    }
}
