//! Tells on standard error what a long run is doing, with the seconds since it began.

use std::time::Instant;

use crate::output;

/// Tells what a run is doing.
#[derive(Clone, Copy)]
pub struct Progress {
    start: Instant,
}

impl Progress {
    /// Starts the clock.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// One line.
    pub fn say(&self, text: &str) {
        output::tell(&format!("[{:6.1} s] {text}", self.seconds()));
    }

    /// Seconds since the start.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
