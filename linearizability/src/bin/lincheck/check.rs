//! `check` and `explain`: many inputs, one line for each, and the evidence.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use clap::Args;
use lincheck::judge::Finding;
use lincheck::{Budget, MemoryLimit, Patience};

use crate::names::{FormatName, LevelName, ModelName};
use crate::output::{complain, progress, read, read_start, say, size};
use crate::process::{Whose, cpu_seconds, peak_bytes, resident_bytes};
use crate::report::{as_json, as_junit};
use crate::subject::{Answer, Known, Question, decide, model_of, too_large};

#[derive(Args)]
pub(crate) struct Common {
    /// What the operations claim to have used; found out from their names if not given
    #[arg(long, value_enum)]
    model: Option<ModelName>,
    /// What the history is asked for; linearizable for objects, strict-serializable for transactions
    #[arg(long, value_enum)]
    level: Option<LevelName>,
    /// How the files are written; found out from their content if not given
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Give up on a file after this time: it is undecided
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Give up on a file when the process holds this much: it is undecided (K, M, G: 1024s)
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_memory: Option<u64>,
    /// How many keys are searched at once; as many as there are processors if not given
    #[arg(long, value_name = "NUMBER")]
    threads: Option<NonZeroUsize>,
    /// Write a page to look at, PATH.html, or a directory of pages, one for each file
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
    /// Histories; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    common: Common,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
    /// Write the verdicts as XML in the form of the tool `JUnit`, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Say on standard error which file is being decided; that is so on a terminal anyway
    #[arg(long)]
    progress: bool,
}

#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    common: Common,
}

/// One file, decided or refused.
pub(crate) struct Checked {
    pub(crate) file: String,
    pub(crate) result: Result<Decided, String>,
}

/// One file, decided.
pub(crate) struct Decided {
    pub(crate) answer: Answer,
    /// Processor time of the verdict with its evidence.
    pub(crate) cpu_seconds: f64,
    /// The most memory that this process had until then.
    pub(crate) peak_bytes: u64,
}

impl Decided {
    pub(crate) fn verdict(&self) -> &'static str {
        self.answer.judgement.finding.name()
    }
}

/// How things are said.
#[derive(Clone, Copy, PartialEq)]
enum Telling {
    Nothing,
    Lines,
    AllEvidence,
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1_u64 << 30,
        _ => return Err("expected a number of bytes, such as 256M".to_owned()),
    };
    let number: u64 =
        digits.parse().map_err(|_| "expected a number of bytes, such as 256M".to_owned())?;
    number.checked_mul(factor).ok_or("more than 64 bits".to_owned())
}

/// Runs `check`; the exit code.
pub(crate) fn run(arguments: &Check) -> u8 {
    let telling = if arguments.json { Telling::Nothing } else { Telling::Lines };
    let loud = arguments.progress || io::stderr().is_terminal() && !io::stdout().is_terminal();
    let (checked, mut told) = check_all(&arguments.common, telling, loud);
    if arguments.json {
        let mut document = as_json(&checked).to_string();
        document.push('\n');
        told = told.and(say(&document).map_err(stdout_failed));
    }
    if let Some(path) = &arguments.junit {
        told = told.and(write(path, &as_junit(&checked)));
    }
    finish(&checked, told)
}

/// Runs `explain`; the exit code.
pub(crate) fn explain(arguments: &Explain) -> u8 {
    let (checked, told) = check_all(&arguments.common, Telling::AllEvidence, false);
    finish(&checked, told)
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn stdout_failed(error: io::Error) -> String {
    format!("cannot write to standard output: {error}")
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn check_all(common: &Common, telling: Telling, loud: bool) -> (Vec<Checked>, Result<(), String>) {
    let threads = common.threads.or(std::thread::available_parallelism().ok());
    let budget = Budget { time: common.timeout, memory: common.max_memory, ..Budget::unlimited() };
    let question = Question {
        model: common.model,
        level: common.level.map(LevelName::level),
        format: common.format.map(FormatName::format),
        budget: budget.with_threads(threads.unwrap_or(NonZeroUsize::MIN)),
        page: common.html.is_some(),
        evidence: telling == Telling::AllEvidence,
    };
    let mut checked = Vec::new();
    let mut told = common.html.as_deref().map_or(Ok(()), |path| pages_go_to(path, common));
    if told.is_err() {
        return (checked, told);
    }
    let announce = |number: usize, file: &str| {
        if loud {
            progress(&format!("{} of {}: {file}", number + 1, common.files.len()));
        }
    };
    let check = |file: &str, question: &Question| {
        let result = check_in_time(file, question).map_err(|error| format!("{file}: {error}"));
        Checked { file: file.to_owned(), result }
    };
    let mut take = |mut one: Checked| {
        if let Ok(decided) = &mut one.result
            && let (Some(path), Some(page)) = (&common.html, decided.answer.page.take())
        {
            let write_page = write(&page_of(path, &one.file, checked.len()), &page);
            told = std::mem::replace(&mut told, Ok(())).and(write_page);
        }
        told = std::mem::replace(&mut told, Ok(())).and(tell(&one, telling));
        checked.push(one);
    };
    in_order(&common.files, &question, announce, check, &mut take);
    (checked, told)
}

/// Checks files, several at once, and hands the results over in the order of the files.
///
/// Few files have all threads for their keys, one after the other; so have files under a limit of
/// memory, which holds for the process.
fn in_order(
    files: &[String],
    question: &Question,
    announce: impl Fn(usize, &str) + Sync,
    check: impl Fn(&str, &Question) -> Checked + Sync,
    take: &mut impl FnMut(Checked),
) {
    let workers = question.budget.threads.get();
    if workers == 1 || files.len() < workers || question.budget.memory.is_some() {
        for (number, file) in files.iter().enumerate() {
            announce(number, file);
            take(check(file, question));
        }
        return;
    }
    let budget = question.budget.with_threads(NonZeroUsize::MIN);
    let question = Question { budget, ..*question };
    // Held while a file is announced: they begin in their order.
    let next = Mutex::new(0);
    let begin = || {
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        *next += 1;
        let file = files.get(number)?;
        announce(number, file);
        Some((number, file))
    };
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (send, begin, check, question) = (send.clone(), &begin, &check, &question);
            scope.spawn(move || {
                while let Some((number, file)) = begin() {
                    if send.send((number, check(file, question))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (number, one) in receive {
            early.insert(number, one);
            while let Some(one) = early.remove(&due) {
                take(one);
                due += 1;
            }
        }
    });
}

/// A path that ends with `.html` is the page of one file, any other a directory of pages.
fn pages_go_to(path: &Path, common: &Common) -> Result<(), String> {
    if !is_page(path) {
        return std::fs::create_dir_all(path)
            .map_err(|error| format!("{}: {error}", path.display()));
    }
    match common.files.len() {
        1 => Ok(()),
        files => {
            Err(format!("{} is one page for {files} files; expected a directory", path.display()))
        }
    }
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "html")
}

fn page_of(path: &Path, file: &str, number: usize) -> PathBuf {
    if is_page(path) {
        return path.to_owned();
    }
    let name = Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
    path.join(format!("{:03}-{}.html", number + 1, name.unwrap_or_default()))
}

/// A violation that was found stands, whatever else went wrong.
fn exit_code(checked: &[Checked]) -> u8 {
    let found = |one: &Checked| one.result.as_ref().ok().map(Decided::verdict);
    if checked.iter().any(|one| found(one) == Some("illegal")) {
        1
    } else if checked.iter().any(|one| one.result.is_err()) {
        2
    } else if checked.iter().any(|one| found(one) == Some("undecided")) {
        3
    } else {
        0
    }
}

fn finish(checked: &[Checked], told: Result<(), String>) -> u8 {
    let code = exit_code(checked);
    match told {
        Ok(()) => code,
        Err(error) => {
            complain(&error);
            // Whoever waits for a verdict must not take silence for one.
            if code == 1 { 1 } else { 2 }
        }
    }
}

/// What `--timeout` may be exceeded by in any case.
const GRACE_MIN: Duration = Duration::from_millis(2);

/// Checks a file, but waits no longer than the limit of time and a hundredth of it.
///
/// What is searched looks at the clock itself and says where it was; what is not, such as splitting
/// a history by key, replaying an order or giving back memory, may be in the middle of something.
/// Then nobody waits for it: it ends at its next look, or with the process.
fn check_in_time(file: &str, question: &Question) -> Result<Decided, String> {
    let Some(time) = question.budget.time else {
        return check_file(file, question, &Known::default());
    };
    let patience = time.saturating_add((time / 100).max(GRACE_MIN));
    let start = cpu_seconds(Whose::AllThreads);
    let (send, receive) = mpsc::channel();
    let known = Arc::new(Known::default());
    let worker = {
        let (path, known) = (file.to_owned(), Arc::clone(&known));
        // A little less, so that it can still say where it was.
        let budget = Budget { time: Some(time.saturating_sub(time / 50)), ..question.budget };
        let asked = Question { budget, ..*question };
        std::thread::spawn(move || send.send(check_file(&path, &asked, &known)).is_ok())
    };
    match receive.recv_timeout(patience) {
        Ok(decided) => decided,
        Err(RecvTimeoutError::Timeout) => {
            let asked = match (known.question.get(), question.model) {
                (Some(known), _) => *known,
                (None, None) if file == "-" => {
                    return Err("time ran out before the model was known".to_owned());
                }
                (None, Some(model)) => (model, question.level.unwrap_or(model.level())),
                (None, None) => {
                    let start = read_start(file).map_err(|error| error.to_string())?;
                    model_of(&start, question)?
                }
            };
            let reason = "time ran out outside of the search, which names no operation";
            let operations = known.operations.get().copied().unwrap_or_default();
            let answer = Answer::given_up(asked, operations, time, reason);
            let cpu_seconds = cpu_seconds(Whose::AllThreads) - start;
            Ok(Decided { answer, cpu_seconds, peak_bytes: peak_bytes() })
        }
        Err(RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => Err("the check ended without an answer".to_owned()),
        },
    }
}

fn check_file(file: &str, question: &Question, known: &Known) -> Result<Decided, String> {
    let limit = question.budget.memory.map(|most| MemoryLimit { most, held: resident_bytes });
    let patience = Patience::new(question.budget.time, limit);
    let alone = question.budget.threads.get() > 1;
    let whose = if alone { Whose::AllThreads } else { Whose::ThisThread };
    let start = cpu_seconds(whose);
    let is_too_large =
        patience.bytes_left().is_some_and(|room| size(file).is_some_and(|size| size > room));
    let answer = if is_too_large {
        let start = read_start(file).map_err(|error| error.to_string())?;
        too_large(&start, question)?
    } else {
        let bytes = read(file).map_err(|error| error.to_string())?;
        decide(file, &bytes, question, &patience, known)?
    };
    Ok(Decided { answer, cpu_seconds: cpu_seconds(whose) - start, peak_bytes: peak_bytes() })
}

/// One line for a file, and the evidence. Errors go to standard error.
fn tell(checked: &Checked, telling: Telling) -> Result<(), String> {
    let decided = match &checked.result {
        Ok(decided) => decided,
        Err(error) => {
            complain(error);
            return Ok(());
        }
    };
    if telling == Telling::Nothing {
        return Ok(());
    }
    let Answer { model, level, judgement, warning, order, .. } = &decided.answer;
    let level = if *level == model.level() { String::new() } else { format!("  {}", level.name()) };
    let mut text = format!(
        "{}  {}{level}  {} operations  {} unknown  {}  {:.3} s\n",
        checked.file,
        model.name(),
        judgement.operations,
        judgement.unknown,
        judgement.finding.name(),
        judgement.elapsed.as_secs_f64()
    );
    if let Some(warning) = warning {
        let _ = writeln!(text, "  warning: {warning}");
    }
    match &judgement.finding {
        Finding::Legal(_) => {
            if let Some(order) = order {
                let order = indent(order);
                let _ = writeln!(text, "  took effect in this order, for example:\n\n{order}");
            }
        }
        Finding::Undecided { reason } => {
            let _ = writeln!(text, "  {reason}");
        }
        Finding::Illegal { first_line, listing, explanation, .. } => {
            let [listing, prose, picture] =
                [listing, &explanation.prose, &explanation.picture].map(|text| indent(text));
            let first = if explanation.summary.starts_with("key ") && level.is_empty() {
                format!(
                    "  (nothing survives the return of line {first_line} in the whole history)\n"
                )
            } else {
                String::new()
            };
            let summary = &explanation.summary;
            let _ = writeln!(text, "  {summary}\n{first}\n{listing}\n{prose}\n{picture}");
        }
    }
    say(&text).map_err(stdout_failed)
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
