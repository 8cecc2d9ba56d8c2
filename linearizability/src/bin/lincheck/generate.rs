//! `generate`: a random history of cells.

use std::time::Duration;

use clap::{Args, ValueEnum};
use lincheck::format::cells::entries;
use lincheck::generate::{Generated, Shape, Violation, generate, is_certain, plant};
use lincheck::{Budget, Cell, CellAction, Operation, Verdict, check};

use crate::convert::{Sink, Target};
use crate::names::ModelName;
use crate::output::{complain, progress, write};

#[derive(Args)]
pub(crate) struct Generate {
    /// What it uses: register, cas-register or item
    #[arg(long, value_enum, default_value = "item")]
    model: ModelName,
    /// How many operations
    #[arg(long, default_value_t = 1_000)]
    operations: usize,
    /// How many clients, each with one operation open at a time
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    clients: u32,
    /// How many keys
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    keys: u32,
    /// The share of operations whose outcome is unknown, from 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    unknown: f64,
    /// How many values there are; all distinct if not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    values: Option<u32>,
    /// Where the random numbers begin: the same seed gives the same history
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What one read is changed to
    #[arg(long, value_enum)]
    violation: Option<ViolationName>,
    /// The format to write
    #[arg(long, value_enum, default_value = "json-lines")]
    to: Target,
    /// Where it goes; - is standard output
    #[arg(value_name = "FILE")]
    file: String,
}

#[derive(Clone, Copy, ValueEnum)]
#[expect(clippy::enum_variant_names, reason = "the names that are typed")]
enum ViolationName {
    /// A value that was overwritten before the read began
    StaleRead,
    /// A value that nobody wrote
    InventedRead,
    /// A value whose write began after the read had ended
    FutureRead,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("expected a number from 0 to 1".into())
    }
}

/// Runs `generate`; the exit code.
pub(crate) fn run(arguments: &Generate) -> u8 {
    match written(arguments) {
        Ok(()) => 0,
        Err(error) => {
            complain(&error);
            2
        }
    }
}

fn written(arguments: &Generate) -> Result<(), String> {
    let Generate { operations, clients, keys, unknown, values, seed, file, .. } = arguments;
    let model = arguments.model.name();
    let vocabulary = arguments.model.vocabulary();
    let vocabulary = vocabulary
        .ok_or_else(|| format!("model {model}; expected register, cas-register or item"))?;
    let shape = Shape {
        vocabulary,
        operations: *operations,
        clients: *clients,
        keys: *keys,
        unknown: *unknown,
        values: *values,
        seed: *seed,
    };
    let mut history = generate(&shape);
    if let Some(violation) = arguments.violation {
        let violation = match violation {
            ViolationName::StaleRead => Violation::StaleRead,
            ViolationName::InventedRead => Violation::InventedRead,
            ViolationName::FutureRead => Violation::FutureRead,
        };
        let planted = plant(history, violation, *seed);
        let Some(Generated { operations, planted: Some(read) }) = planted else {
            return Err(
                "no read can be changed so that it is certainly a violation; expected more \
                 operations, more values or fewer unknown ones"
                    .to_owned(),
            );
        };
        confirm(&operations, read)?;
        history = operations;
    }
    let mut sink = Sink::new(arguments.to);
    for entry in entries(&history, vocabulary) {
        sink.add(&entry);
    }
    write(file, &sink.finish()).map_err(|error| format!("{file}: {error}"))
}

/// How long the search may take.
const SEARCH_MAX: Duration = Duration::from_secs(10);

/// A second opinion on the finished history, and a third, and where the violation is.
fn confirm(operations: &[Operation<CellAction>], read: usize) -> Result<(), String> {
    let planted = &operations[read];
    let of_key: Vec<usize> = (0..operations.len())
        .filter(|at| operations[*at].action.key == planted.action.key)
        .collect();
    let seen = planted.action.saw().flatten();
    if !seen.is_some_and(|value| is_certain(operations, &of_key, read, value)) {
        return Err("the planted violation is not certain; this is a bug".to_owned());
    }
    let part: Vec<_> = of_key.iter().map(|at| operations[*at].clone()).collect();
    let confirmed = match check(&part, &Cell, &Budget::time(SEARCH_MAX)) {
        Verdict::Illegal(_) => "; the search finds it illegal, too",
        Verdict::Undecided(_) => "; the search could not decide it",
        Verdict::Legal(_) => return Err("the search finds it legal; this is a bug".to_owned()),
    };
    progress(&format!(
        "planted at the read of process {} from {} to {}: no write of what it saw is left for \
         it{confirmed}",
        planted.process,
        planted.invoked,
        planted.returned.unwrap_or(planted.invoked)
    ));
    Ok(())
}
