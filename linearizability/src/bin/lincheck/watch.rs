//! `watch`: judges a history while it is being recorded, line by line.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::Duration;

use clap::Args;
use lincheck::explain::{CellSpeech, KeyValueSpeech, ObjectSpeech, Speech};
use lincheck::format::dialect::event;
use lincheck::format::json_lines::entry;
use lincheck::format::record::{Entry, Kind, Record};
use lincheck::format::{Dialect, Problem, objects, texts};
use lincheck::history::Event;
use lincheck::models::{counter::Counter, mutex::Mutex, queue::Queue, set::Set};
use lincheck::stream::{Stream, StreamVerdict};
use lincheck::{Cell, KeyValue, Model, Names};

use crate::check::seconds;
use crate::names::ModelName;
use crate::output::{complain, say};

#[derive(Args)]
pub(crate) struct Watch {
    /// What the operations claim to have used
    #[arg(long, value_enum)]
    model: ModelName,
    /// Take operations of unknown outcome for never having happened so long after their invocation
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    unknown_expires: Option<Duration>,
    /// JSON lines, times in nanoseconds; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,
}

/// Runs `watch`; the exit code.
pub(crate) fn run(arguments: &Watch) -> u8 {
    let verdict = open(&arguments.file)
        .map_err(|error| error.to_string())
        .and_then(|mut lines| by_model(arguments, lines.as_mut()));
    match verdict {
        Ok(verdict) => {
            let told = say(&format!("{}  {verdict}\n", arguments.file));
            match (verdict.code, told) {
                (code, Ok(())) => code,
                (code, Err(error)) => {
                    complain(&format!("cannot write to standard output: {error}"));
                    if code == 1 { 1 } else { 2 }
                }
            }
        }
        Err(error) => {
            complain(&format!("{}: {error}", arguments.file));
            2
        }
    }
}

fn open(file: &str) -> io::Result<Box<dyn BufRead>> {
    Ok(if file == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file)?))
    })
}

/// A verdict in words, and the exit code that says it.
struct Told {
    words: String,
    code: u8,
}

impl std::fmt::Display for Told {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.words)
    }
}

fn by_model(arguments: &Watch, lines: &mut dyn BufRead) -> Result<Told, String> {
    let watch = Watching { arguments, events: 0 };
    match (arguments.model.vocabulary(), arguments.model) {
        (Some(vocabulary), _) => watch.run(lines, &vocabulary, Cell, |names, state| {
            CellSpeech { vocabulary, names }.state(state)
        }),
        (None, ModelName::Kv) => watch.run(lines, &texts::Texts, KeyValue, |names, state| {
            KeyValueSpeech { names }.state(state)
        }),
        (None, ModelName::Set) => watch.run(lines, &objects::Sets, Set, |names, state| {
            Speech::<Set>::state(&ObjectSpeech { names }, state)
        }),
        (None, ModelName::Queue) => watch.run(lines, &objects::Queues, Queue, |names, state| {
            Speech::<Queue>::state(&ObjectSpeech { names }, state)
        }),
        (None, ModelName::Mutex) => watch.run(lines, &objects::Mutexes, Mutex, |names, state| {
            Speech::<Mutex>::state(&ObjectSpeech { names }, state)
        }),
        (None, ModelName::Counter) => {
            watch.run(lines, &objects::Counters, Counter, |names, state| {
                Speech::<Counter>::state(&ObjectSpeech { names }, state)
            })
        }
        (None, model) => Err(format!("model {} cannot be watched", model.name())),
    }
}

struct Watching<'a> {
    arguments: &'a Watch,
    events: u64,
}

impl Watching<'_> {
    fn run<D: Dialect, M: Model<Action = D::Action, Key = lincheck::Token> + Clone>(
        mut self,
        lines: &mut dyn BufRead,
        dialect: &D,
        model: M,
        say_state: impl Fn(&Names, &M::State) -> String,
    ) -> Result<Told, String> {
        let expiry = self.arguments.unknown_expires;
        let nanoseconds = expiry.map(|expiry| u64::try_from(expiry.as_nanos()).unwrap_or(u64::MAX));
        let mut stream = Stream::new(model, nanoseconds);
        let mut names = Names::default();
        let mut open: HashMap<u64, (D::Action, usize)> = HashMap::new();
        let mut text = String::new();
        let mut line = 0;
        while matches!(stream.verdict(), StreamVerdict::Legal) {
            text.clear();
            if lines.read_line(&mut text).map_err(|error| format!("line {}: {error}", line + 1))?
                == 0
            {
                break;
            }
            line += 1;
            let content = text.trim();
            if !content.is_empty() {
                self.take(content, line, dialect, &mut names, &mut open, &mut stream)
                    .map_err(|problem| format!("line {line}: {problem}"))?;
            }
        }
        if self.events == 0 {
            return Err(format!("line 1: {}", Problem::Empty));
        }
        let verdict = stream.finish(); // what was decided stands
        Ok(self.tell(&verdict, &names, say_state))
    }

    fn take<D: Dialect, M: Model<Action = D::Action> + Clone>(
        &mut self,
        content: &str,
        line: usize,
        dialect: &D,
        names: &mut Names,
        open: &mut HashMap<u64, (D::Action, usize)>,
        stream: &mut Stream<M>,
    ) -> Result<(), Problem> {
        let Entry::Event(record) = entry(content)? else { return Ok(()) };
        self.events += 1;
        let Record { process, kind, time, .. } = record;
        let asked = open.get(&process).map(|(action, line)| (action, *line));
        let event = event(dialect, &record, names, asked)?;
        if let Event::Invoke(action) = &event {
            stream.event(process, time, line, event.clone())?;
            open.insert(process, (action.clone(), line));
            return Ok(());
        }
        debug_assert_ne!(kind, Kind::Invoke);
        open.remove(&process);
        Ok(stream.event(process, time, line, event)?)
    }

    fn tell<M: Model<Key = lincheck::Token>>(
        &self,
        verdict: &StreamVerdict<M>,
        names: &Names,
        say_state: impl Fn(&Names, &M::State) -> String,
    ) -> Told {
        let Watch { model, unknown_expires, .. } = self.arguments;
        let model = model.name();
        let events = self.events;
        // A verdict under an assumption names it.
        let expiry = unknown_expires.map_or(String::new(), |expiry| {
            format!(", if nothing of unknown outcome takes effect after {} s", expiry.as_secs_f64())
        });
        let (words, code) = match verdict {
            StreamVerdict::Legal => ("legal".to_owned(), 0),
            StreamVerdict::Illegal { key, index, states } => {
                let key = names.show(*key);
                let states: Vec<String> =
                    states.iter().map(|state| say_state(names, state)).collect();
                let states = states.join(" or ");
                let reason = format!(
                    "nothing survives the return of line {index} (key {key}, which could only \
                     hold {states})"
                );
                (format!("illegal{expiry}\n  {reason}"), 1)
            }
            StreamVerdict::Undecided { key, index, reason } => {
                let key = names.show(*key);
                let reason = format!("{reason} ran out at the return of line {index} (key {key})");
                (format!("undecided{expiry}\n  {reason}"), 3)
            }
        };
        let expiry = if code == 0 { expiry } else { String::new() };
        Told { words: format!("{model}  {events} events  {words}{expiry}"), code }
    }
}
