//! Exit codes, numbers and progress, the same in every command.

use ringleader_checker::search::Progress;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A property fails; or a mutant survived.
pub(crate) const VIOLATED: u8 = 1;
/// The arguments or the input cannot be used.
pub(crate) const UNUSABLE: u8 = 2;
/// The time ran out.
pub(crate) const UNDECIDED: u8 = 3;
/// The program is broken, or did not build.
pub(crate) const BROKEN: u8 = 101;

/// Writes to standard output. A reader that has gone is no error: the exit code still speaks.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write to standard output"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How often a line of progress is written where it cannot be overwritten.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows on standard error how far a search is.
pub(crate) struct Meter {
    name: &'static str,
    started: Instant,
    written: Instant,
    terminal: bool,
}

impl Meter {
    pub(crate) fn new(name: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { name, started: Instant::now(), written: Instant::now(), terminal }
    }

    pub(crate) fn show(&mut self, progress: Progress) {
        let seconds = self.started.elapsed().as_secs_f64();
        let Progress { states, depth } = progress;
        let line =
            format!("{}: {} states, depth {depth}, {seconds:.0} s", self.name, grouped(states));
        if self.terminal {
            eprint!("\r{line}\x1b[K");
            let _ = std::io::stderr().flush();
        } else if self.written.elapsed() > LINE_EVERY {
            self.written = Instant::now();
            eprintln!("{line}");
        }
    }

    pub(crate) fn finish(self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
