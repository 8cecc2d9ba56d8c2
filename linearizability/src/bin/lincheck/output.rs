//! Files and standard streams.

use std::fs;
use std::io::{self, Read as _, Write as _};

/// The bytes of a file; `-` is standard input.
pub(crate) fn read(file: &str) -> io::Result<Vec<u8>> {
    if file == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        Ok(bytes)
    } else {
        fs::read(file)
    }
}

/// How much of a file is read to see what it is.
const START_BYTES: u64 = 1 << 18;

/// The first lines of a file.
pub(crate) fn read_start(file: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(START_BYTES).read_to_end(&mut bytes)?;
    if let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') {
        bytes.truncate(last + 1);
    }
    Ok(bytes)
}

/// The bytes of a file, if that is known before it is read.
pub(crate) fn size(file: &str) -> Option<u64> {
    let metadata = fs::metadata(file).ok().filter(|it| file != "-" && it.is_file())?;
    Some(metadata.len())
}

/// Writes a file; `-` is standard output.
pub(crate) fn write(file: &str, bytes: &[u8]) -> io::Result<()> {
    if file == "-" { say_bytes(bytes) } else { fs::write(file, bytes) }
}

/// Writes to standard output. A reader who closed the pipe has read enough: no error.
pub(crate) fn say(text: &str) -> io::Result<()> {
    say_bytes(text.as_bytes())
}

fn say_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes an error to standard error. Nobody is left to hear that this failed.
pub(crate) fn complain(error: &str) {
    let _ = writeln!(io::stderr(), "error: {error}");
}

/// Says on standard error how far things are.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
