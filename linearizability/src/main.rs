//! The command line of the history checker.

use std::fs;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lincheck::explain::{CellSpeech, KeyValueSpeech};
use lincheck::format::{Document, Format, Vocabulary, jepsen_log, json_lines, porcupine};
use lincheck::judge::{Finding, Judgement, judge};
use lincheck::{Budget, Cell, CellAction, KeyValue};
use serde_json::{Value, json};

/// Decides whether recorded histories are linearizable.
#[derive(Parser)]
#[command(name = "lincheck", version, after_help = AFTER_HELP)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 all legal, 1 a history is illegal, 2 unusable input or arguments, 3 undecided.";

const EXAMPLES: &str = "\
Examples:
  lincheck check --model item history.jsonl
  lincheck check --model cas-register --timeout 10 logs/*.log
  lincheck check --model kv --json c10-ok.txt > verdicts.json
  zcat history.jsonl.gz | lincheck check --model item -

Exit codes: 0 all legal, 1 a history is illegal, 2 unusable input or arguments, 3 undecided.";

#[derive(Subcommand)]
enum Command {
    /// Decide histories and print one line for each, with a counterexample for the illegal ones
    #[command(after_help = EXAMPLES)]
    Check(Check),
}

#[derive(Args)]
struct Check {
    /// What the operations claim to have used
    #[arg(long, value_enum)]
    model: ModelName,
    /// How the files are written; found out from their content if not given
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Give up on a file after this time: it is undecided
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
    /// Histories; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModelName {
    /// Registers: read, write
    Register,
    /// Registers: read, write, cas
    CasRegister,
    /// Items: get, put, delete, put-if
    Item,
    /// Texts: get, put, append
    Kv,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    /// One JSON object per event and line
    JsonLines,
    /// The log text of a Jepsen run on one register
    JepsenLog,
    /// Porcupine's key-value text
    Porcupine,
}

/// One file, decided or refused.
struct Checked {
    file: String,
    result: Result<(Judgement, f64), String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let Command::Check(arguments) = CommandLine::parse().command;
    let mut checked = Vec::new();
    let mut told = Ok(());
    for file in &arguments.files {
        let result = check_file(file, &arguments).map_err(|error| format!("{file}: {error}"));
        let one = Checked { file: file.clone(), result };
        told = told.and(tell(&one, &arguments));
        checked.push(one);
    }
    if arguments.json {
        let mut document = as_json(&checked, arguments.model).to_string();
        document.push('\n');
        told = told.and(say(&document));
    }
    let code = exit_code(&checked);
    ExitCode::from(match told {
        Ok(()) => code,
        Err(error) => {
            complain(&format!("cannot write to standard output: {error}"));
            // Whoever waits for a verdict must not take silence for one.
            if code == 1 { 1 } else { 2 }
        }
    })
}

/// A violation that was found stands, whatever else went wrong.
fn exit_code(checked: &[Checked]) -> u8 {
    let any = |wanted: fn(&Checked) -> bool| checked.iter().any(wanted);
    let found =
        |checked: &Checked| checked.result.as_ref().ok().map(|(found, _)| found.finding.name());
    if checked.iter().any(|one| found(one) == Some("illegal")) {
        1
    } else if any(|one| one.result.is_err()) {
        2
    } else if checked.iter().any(|one| found(one) == Some("undecided")) {
        3
    } else {
        0
    }
}

fn check_file(file: &str, arguments: &Check) -> Result<(Judgement, f64), String> {
    let bytes = read(file).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        format!("line {line}: not UTF-8 text")
    })?;
    // Some editors put this mark before UTF-8 text; it is no part of it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let format = match arguments.format {
        Some(name) => name.format(),
        None => Format::detect(text)
            .ok_or("no history in a known format; expected json-lines, jepsen-log or porcupine")?,
    };
    let budget = arguments.timeout.map_or(Budget::unlimited(), Budget::time);
    let Some(vocabulary) = arguments.model.vocabulary() else {
        if format != Format::Porcupine {
            return Err(format!("model kv reads format porcupine, this is {}", format.name()));
        }
        let document = porcupine::read_key_values(text).map_err(|error| error.to_string())?;
        let speech = KeyValueSpeech { names: &document.names };
        return Ok(measure(|| judge(&document, &KeyValue, &speech, &budget)));
    };
    let document = read_cells(text, format, vocabulary)?;
    let speech = CellSpeech { vocabulary, names: &document.names };
    Ok(measure(|| judge(&document, &Cell, &speech, &budget)))
}

/// A judgement and the processor time it took, with its evidence.
fn measure(judge: impl FnOnce() -> Judgement) -> (Judgement, f64) {
    let start = cpu_seconds();
    let judgement = judge();
    (judgement, cpu_seconds() - start)
}

fn read_cells(
    text: &str,
    format: Format,
    vocabulary: Vocabulary,
) -> Result<Document<CellAction>, String> {
    match format {
        Format::JsonLines => json_lines::read_cells(text, vocabulary),
        Format::JepsenLog => jepsen_log::read_register(text, vocabulary),
        Format::Porcupine => return Err("format porcupine needs model kv".to_owned()),
    }
    .map_err(|error| error.to_string())
}

fn read(file: &str) -> io::Result<Vec<u8>> {
    if file == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        Ok(bytes)
    } else {
        fs::read(file)
    }
}

fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a process lives less than 2^52 seconds")]
    let seconds = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
    seconds
}

/// One line for a file, and the counterexample if there is one. Errors go to standard error.
fn tell(checked: &Checked, arguments: &Check) -> io::Result<()> {
    let (judgement, _) = match &checked.result {
        Ok(found) => found,
        Err(error) => {
            complain(error);
            return Ok(());
        }
    };
    if arguments.json {
        return Ok(());
    }
    say(&format!(
        "{}  {}  {} operations  {} unknown  {}  {:.3} s\n",
        checked.file,
        arguments.model.name(),
        judgement.operations,
        judgement.unknown,
        judgement.finding.name(),
        judgement.elapsed.as_secs_f64()
    ))?;
    match &judgement.finding {
        Finding::Legal(_) => Ok(()),
        Finding::Undecided { reason } => say(&format!("  {reason}\n")),
        Finding::Illegal { first_line, listing, explanation, .. } => {
            let [listing, prose, picture] =
                [listing, &explanation.prose, &explanation.picture].map(|text| indent(text));
            say(&format!(
                "  {}\n  (nothing survives the return of line {first_line} in the whole \
                 history)\n\n{listing}\n{prose}\n{picture}\n",
                explanation.summary
            ))
        }
    }
}

/// Every line four columns to the right.
fn indent(text: &str) -> String {
    let mut indented = String::new();
    for line in text.lines() {
        indented.push_str("    ");
        indented.push_str(line);
        indented.push('\n');
    }
    indented
}

fn as_json(checked: &[Checked], model: ModelName) -> Value {
    let mut histories = Vec::new();
    let mut errors = Vec::new();
    for one in checked {
        match &one.result {
            Err(error) => errors.push(json!({ "file": one.file, "message": error })),
            Ok((judgement, cpu_seconds)) => {
                let (reason, detail) = match &judgement.finding {
                    Finding::Legal(_) => (Value::Null, Value::Null),
                    Finding::Undecided { reason } => (json!(reason), Value::Null),
                    Finding::Illegal { key, first_line, listing, explanation, .. } => (
                        json!(explanation.summary),
                        json!({
                            "key": key,
                            "first_line": first_line,
                            "operations": listing.lines().collect::<Vec<_>>(),
                            "prose": explanation.prose,
                            "picture": explanation.picture,
                        }),
                    ),
                };
                histories.push(json!({
                    "file": one.file,
                    "model": model.name(),
                    "level": "linearizable",
                    "operations": judgement.operations,
                    "unknown": judgement.unknown,
                    "verdict": judgement.finding.name(),
                    "seconds": judgement.elapsed.as_secs_f64(),
                    "cpu_seconds": cpu_seconds,
                    "reason": reason,
                    "counterexample": detail,
                }));
            }
        }
    }
    json!({ "version": 1, "histories": histories, "errors": errors })
}

/// Writes to standard output. A reader who closed the pipe has read enough: no error.
fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes an error to standard error. Nobody is left to hear that this failed.
fn complain(error: &str) {
    let _ = writeln!(io::stderr(), "error: {error}");
}

impl ModelName {
    fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
            Self::Item => "item",
            Self::Kv => "kv",
        }
    }

    /// How the operations of a cell are called; nothing for other models.
    fn vocabulary(self) -> Option<Vocabulary> {
        match self {
            Self::Register => Some(Vocabulary::Register),
            Self::CasRegister => Some(Vocabulary::CasRegister),
            Self::Item => Some(Vocabulary::Item),
            Self::Kv => None,
        }
    }
}

impl FormatName {
    fn format(self) -> Format {
        match self {
            Self::JsonLines => Format::JsonLines,
            Self::JepsenLog => Format::JepsenLog,
            Self::Porcupine => Format::Porcupine,
        }
    }
}
