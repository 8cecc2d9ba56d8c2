//! Removing segments from the front of the log.
//!
//! ```text
//!            below
//! before   | 4 | 5 | 6 | 7 |      the log begins with segment 4
//! identity: the log begins with 6, durably
//! then     (4) (5) | 6 | 7 |      4 and 5 become 8 and 9 when those are needed, or go
//! ```
//!
//! Source: the recycled segments of `PostgreSQL`'s and `InnoDB`'s logs.

use std::sync::Arc;

use super::error::WriteError;
use super::reader::Shared;
use super::{Lsn, files};

/// Segments that are kept to be used again: one for the segment that is prepared ahead, one more for
/// the next.
const SPARES_MAX: usize = 2;

/// Removes what nobody needs any more from the front of a log. Works beside a running commit and
/// beside readers, which find that it is gone.
#[derive(Clone, Debug)]
pub struct WalTrimmer {
    pub(super) shared: Arc<Shared>,
}

impl WalTrimmer {
    /// Lets the log begin with the segment that holds `below`, durably. Returns where the first
    /// record of the log is now.
    ///
    /// # Errors
    /// What the disk reports. Nothing that is needed is lost, but the disk is not to be trusted.
    ///
    /// # Panics
    /// When `below` is not durable.
    pub fn trim(&self, below: Lsn) -> Result<Lsn, WriteError> {
        let Shared { disk, options, .. } = &*self.shared;
        assert!(below <= self.shared.end(), "only what is durable can be left out");
        // Held until the end: there is one `identity.new`.
        let mut spares = self.shared.spares.lock().expect("nothing panics under this lock");
        let before = self.shared.first();
        let (number, _) = files::locate(options, below);
        if number > before {
            let failed = |file: &str, action, source| {
                let file = file.to_owned();
                WriteError::Io { action, file, source }
            };
            files::begin_with(disk, options, number)
                .map_err(|(action, source)| failed(files::IDENTITY_NAME, action, source))?;
            self.shared.publish_first(number);
            spares.extend(before..number);
            let count = spares.len().saturating_sub(SPARES_MAX);
            for old in spares.drain(..count) {
                let name = files::segment_name(old);
                disk.remove(&name).map_err(|source| failed(&name, "remove", source))?;
            }
        }
        Ok(files::segment_first(options, self.shared.first()))
    }
}
