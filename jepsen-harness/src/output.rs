//! Writes to standard output and standard error, where a reader may be gone or a disk full.
//!
//! `println!` panics in both cases. Here a reader who closed the pipe has read enough, and that is
//! no error; everything else is one, because somebody waits for the verdict.

use std::io::{self, ErrorKind, Write};

/// Writes to standard output and sees to it that the text arrives.
///
/// # Errors
///
/// If it cannot be written, unless the reader closed the pipe.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a line to standard error. Nobody is left to hear that this failed.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
