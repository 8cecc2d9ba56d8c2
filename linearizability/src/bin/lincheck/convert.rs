//! `convert`: the same entries in another format, whatever the model.

use clap::{Args, ValueEnum};
use lincheck::format::record::Entry;
use lincheck::format::{Format, binary, json_lines};

use crate::names::FormatName;
use crate::output::{complain, read, write};

#[derive(Args)]
pub(crate) struct Convert {
    /// The format to write
    #[arg(long, value_enum)]
    to: Target,
    /// How the input is written; found out from its content if not given
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// The history; - is standard input
    #[arg(value_name = "FROM")]
    from: String,
    /// Where it goes; - is standard output
    #[arg(value_name = "TO")]
    into: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// One JSON object per event and line
    JsonLines,
    /// The compact binary form
    Binary,
}

/// Runs `convert`; the exit code.
pub(crate) fn run(arguments: &Convert) -> u8 {
    match convert(arguments) {
        Ok(()) => 0,
        Err(error) => {
            complain(&error);
            2
        }
    }
}

fn convert(arguments: &Convert) -> Result<(), String> {
    let Convert { to, format, from, into } = arguments;
    let bytes = read(from).map_err(|error| format!("{from}: {error}"))?;
    let format = format.map(FormatName::format).or_else(|| Format::detect(&bytes));
    let format = format.ok_or_else(|| format!("{from}: no history in a known format"))?;
    let mut sink = Sink::new(*to);
    let read = format.read(&bytes, &mut |_, entry| {
        sink.add(&entry);
        Ok(())
    });
    read.map_err(|error| format!("{from}: {error}"))?;
    write(into, &sink.finish()).map_err(|error| format!("{into}: {error}"))
}

/// Takes entries and gives a file.
pub(crate) enum Sink {
    JsonLines(String),
    Binary(binary::Writer),
}

impl Sink {
    pub(crate) fn new(target: Target) -> Self {
        match target {
            Target::JsonLines => Self::JsonLines(String::new()),
            Target::Binary => Self::Binary(binary::Writer::default()),
        }
    }

    pub(crate) fn add(&mut self, entry: &Entry) {
        match self {
            Self::JsonLines(text) => {
                text.push_str(&match entry {
                    Entry::Event(record) => json_lines::line_of(record),
                    Entry::Fault(fault) => json_lines::line_of_fault(fault),
                });
                text.push('\n');
            }
            Self::Binary(writer) => writer.add(entry),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::JsonLines(text) => text.into_bytes(),
            Self::Binary(writer) => writer.finish(),
        }
    }
}
