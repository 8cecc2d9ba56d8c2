//! One input with its model and level: from bytes to a judgement, and a page if one is wanted.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use lincheck::ambiguity::Ambiguity;
use lincheck::explain::{CellSpeech, KeyValueSpeech, ObjectSpeech, Speech};
use lincheck::format::datum::Datum;
use lincheck::format::record::{Entry, Kind};
use lincheck::format::transactions as files;
use lincheck::format::{
    Dialect, Document, Format, FormatError, Problem, objects, read_with, siblings, texts,
};
use lincheck::judge::{Finding, Judgement, judge};
use lincheck::levels::session::{self, Guarantee};
use lincheck::levels::transactions::judgement as transactions;
use lincheck::levels::transactions::judgement::Judged;
use lincheck::levels::transactions::{ListOperation, VersionedOperation};
use lincheck::levels::{Level, convergence, sequential};
use lincheck::models::{counter::Counter, mutex::Mutex, queue::Queue, set::Set};
use lincheck::page::Page;
use lincheck::replay::Perform;
use lincheck::{Budget, Cell, CellAction, KeyValue, Model, Operation, Patience, Shortage};

use crate::names::ModelName;

/// How an input is to be judged.
#[derive(Clone, Copy)]
pub(crate) struct Question {
    /// Nothing: found out from the names of the operations.
    pub(crate) model: Option<ModelName>,
    /// Nothing: the model's own.
    pub(crate) level: Option<Level>,
    /// Nothing: found out from the content.
    pub(crate) format: Option<Format>,
    pub(crate) budget: Budget,
    /// Whether a page is wanted.
    pub(crate) page: bool,
    /// Whether all evidence for legal verdicts is wanted, in words.
    pub(crate) evidence: bool,
}

/// A judgement, and what goes with it.
pub(crate) struct Answer {
    pub(crate) model: ModelName,
    pub(crate) level: Level,
    pub(crate) judgement: Judgement,
    pub(crate) warning: Option<String>,
    pub(crate) page: Option<String>,
    /// The linearization of a legal history, an operation on each line.
    pub(crate) order: Option<String>,
}

impl Answer {
    /// Undecided after that time; so many operations, so many unknown ones were read.
    pub(crate) fn given_up(
        (model, level): (ModelName, Level),
        operations: (usize, usize),
        elapsed: Duration,
        reason: &str,
    ) -> Self {
        let given_up = Judgement::given_up::<()>(&[], elapsed, Shortage::Time);
        let (operations, unknown) = operations;
        let finding = Finding::Undecided { reason: reason.to_owned() };
        let judgement = Judgement { finding, operations, unknown, ..given_up };
        Self { model, level, judgement, warning: None, page: None, order: None }
    }
}

/// Where a check says what is known so far, for the case that nobody waits for its end.
#[derive(Default)]
pub(crate) struct Known {
    /// What it is asked.
    pub(crate) question: OnceLock<(ModelName, Level)>,
    /// How many operations there are, and how many of them are unknown.
    pub(crate) operations: OnceLock<(usize, usize)>,
}

/// Why there is no verdict.
enum Refusal {
    /// It is no history, or none that can be judged so.
    Unfit(String),
    /// Something ran out while it was read.
    GivenUp(Shortage, usize),
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self::Unfit(text)
    }
}

impl From<FormatError> for Refusal {
    fn from(error: FormatError) -> Self {
        if let Problem::GivenUp(shortage) = error.problem {
            Self::GivenUp(shortage, error.line)
        } else {
            Self::Unfit(error.to_string())
        }
    }
}

/// Everything a model needs to answer.
struct Asked<'a> {
    question: &'a Question,
    patience: &'a Patience,
    known: &'a Known,
    file: &'a str,
    model: ModelName,
    level: Level,
}

/// Judges one input.
///
/// # Errors
/// Why it is no history, or none that can be judged so.
pub(crate) fn decide(
    file: &str,
    bytes: &[u8],
    question: &Question,
    patience: &Patience,
    known: &Known,
) -> Result<Answer, String> {
    let start = Instant::now();
    let format = match question.format {
        Some(format) => format,
        None => Format::detect(bytes).ok_or_else(|| {
            let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
            format!("no history in a known format; expected one of {}", names.join(", "))
        })?,
    };
    let model = match question.model {
        Some(model) => model,
        None => guess(format, bytes)?,
    };
    let level = question.level.unwrap_or(model.level());
    known.question.get_or_init(|| (model, level));
    let asked = Asked { question, patience, known, file, model, level };
    match asked.by_model(format, bytes) {
        Ok(answer) => Ok(answer),
        Err(Refusal::Unfit(error)) => Err(error),
        Err(Refusal::GivenUp(shortage, line)) => {
            let mut judgement = Judgement::given_up::<()>(&[], start.elapsed(), shortage);
            let reason = format!("{shortage} ran out while line {line} was read");
            judgement.finding = Finding::Undecided { reason };
            Ok(asked.done(judgement))
        }
    }
}

/// The answer for a file of which no more than `start` is read, since it alone is more than there is room
/// for.
///
/// # Errors
/// When the start does not tell the model.
pub(crate) fn too_large(start: &[u8], question: &Question) -> Result<Answer, String> {
    let asked = model_of(start, question)?;
    let reason = "memory ran out before the file was read";
    Ok(Answer::given_up(asked, (0, 0), Duration::ZERO, reason))
}

/// The model and the level of a file that starts so.
///
/// # Errors
/// When the start does not tell the model.
pub(crate) fn model_of(start: &[u8], question: &Question) -> Result<(ModelName, Level), String> {
    let model = match (question.model, question.format.or_else(|| Format::detect(start))) {
        (Some(model), _) => model,
        (None, Some(format)) => guess(format, start)?,
        (None, None) => return Err("no history in a known format".to_owned()),
    };
    Ok((model, question.level.unwrap_or(model.level())))
}

/// Events that are looked at to find out the model.
const GUESS_FROM: usize = 1_000;

/// The model whose operations these are.
fn guess(format: Format, bytes: &[u8]) -> Result<ModelName, String> {
    let mut names: Vec<String> = Vec::new();
    let (mut appends, mut vectors, mut events) = (false, false, 0);
    let read = format.read(bytes, &mut |_, entry| {
        if let Entry::Event(record) = entry {
            events += 1;
            appends |= record.value.as_ref().is_some_and(has_append);
            vectors |= record.kind == Kind::Ok && matches!(record.value, Some(Datum::Vector(_)));
            names.extend(record.f.filter(|f| !names.contains(f)));
        }
        // Enough; the error is ours.
        if events < GUESS_FROM { Ok(()) } else { Err(Problem::Empty) }
    });
    match read {
        Err(error) if error.problem != Problem::Empty => return Err(error.to_string()),
        _ => {}
    }
    if names.is_empty() {
        return Err(Problem::Empty.to_string());
    }
    let has = |name: &str| names.iter().any(|it| it == name);
    let among = |all: &[&str]| names.iter().all(|it| all.contains(&it.as_str()));
    Ok(if has("txn") {
        if appends { ModelName::ListAppend } else { ModelName::Versioned }
    } else if format == Format::Porcupine || has("append") {
        ModelName::Kv
    } else if among(&["read", "write", "cas"]) {
        ModelName::CasRegister
    } else if among(&["get", "put", "delete", "put_if"]) {
        ModelName::Item
    } else if among(&["enqueue", "dequeue"]) {
        ModelName::Queue
    } else if among(&["acquire", "release"]) {
        ModelName::Mutex
    } else if has("remove") || has("contains") || vectors {
        ModelName::Set
    } else if among(&["add", "read"]) {
        ModelName::Counter
    } else {
        return Err(format!(
            "operations {} are of no one model; name it by --model",
            names.join(", ")
        ));
    })
}

/// Whether an operation of a transaction is an append.
fn has_append(value: &Datum) -> bool {
    let operations = value.members().unwrap_or_default();
    let name = |operation: &Datum| operation.members()?.first()?.word().map(str::to_owned);
    operations.iter().any(|operation| name(operation).as_deref() == Some("append"))
}

impl Asked<'_> {
    fn by_model(&self, format: Format, bytes: &[u8]) -> Result<Answer, Refusal> {
        match self.model {
            ModelName::Register | ModelName::CasRegister | ModelName::Item => {
                self.cell(format, bytes)
            }
            ModelName::Kv => {
                let document = self.read(&texts::Texts, format, bytes)?;
                let warning = Ambiguity::of_texts(&document.operations).warning();
                let speech = KeyValueSpeech { names: &document.names };
                self.object(&document, &KeyValue, &speech, warning)
            }
            ModelName::Set if self.level == Level::Convergence => {
                let document = self.read(&objects::Sets, format, bytes)?;
                let speech = ObjectSpeech { names: &document.names };
                Ok(self.converge(&document, |it| Speech::<Set>::action(&speech, it)))
            }
            ModelName::Set => {
                let document = self.read(&objects::Sets, format, bytes)?;
                self.object(&document, &Set, &ObjectSpeech { names: &document.names }, None)
            }
            ModelName::Queue => {
                let document = self.read(&objects::Queues, format, bytes)?;
                self.object(&document, &Queue, &ObjectSpeech { names: &document.names }, None)
            }
            ModelName::Mutex => {
                let document = self.read(&objects::Mutexes, format, bytes)?;
                self.object(&document, &Mutex, &ObjectSpeech { names: &document.names }, None)
            }
            ModelName::Counter => {
                let document = self.read(&objects::Counters, format, bytes)?;
                self.object(&document, &Counter, &ObjectSpeech { names: &document.names }, None)
            }
            ModelName::Siblings => self.siblings(format, bytes),
            ModelName::ListAppend => self.transactions::<ListOperation>(format, bytes),
            ModelName::Versioned => self.transactions::<VersionedOperation>(format, bytes),
        }
    }

    fn cell(&self, format: Format, bytes: &[u8]) -> Result<Answer, Refusal> {
        let vocabulary = self.model.vocabulary().ok_or_else(|| "not a cell".to_owned())?;
        let document: Document<CellAction> = self.read(&vocabulary, format, bytes)?;
        let speech = CellSpeech { vocabulary, names: &document.names };
        match self.level {
            Level::Session(guarantee) => {
                let asked = guarantee.map_or(Guarantee::ALL.to_vec(), |guarantee| vec![guarantee]);
                let judgement = session::judge(&document, &asked, &speech, self.patience);
                Ok(self.with_page(judgement, &document, |it| {
                    (speech.key(&it.action.key), speech.action(it))
                }))
            }
            Level::Convergence => Ok(self.converge(&document, |it| speech.action(it))),
            Level::Linearizable | Level::Sequential | Level::Transactions(_) => {
                let warning = Ambiguity::of_cells(&document.operations).warning();
                self.object(&document, &Cell, &speech, warning)
            }
        }
    }

    fn siblings(&self, format: Format, bytes: &[u8]) -> Result<Answer, Refusal> {
        if self.level != Level::Convergence {
            return Err(self.unfit().into());
        }
        let document = self.read(&siblings::Siblings, format, bytes)?;
        let names = &document.names;
        let list = |values: &std::collections::BTreeSet<lincheck::Token>| {
            let shown: Vec<String> =
                values.iter().map(|value| names.show(*value).to_string()).collect();
            format!("[{}]", shown.join(" "))
        };
        let say = |it: &Operation<convergence::SiblingAction>| match &it.action.call {
            convergence::SiblingCall::Get { .. } if !it.is_known() => "get -> ?".to_owned(),
            convergence::SiblingCall::Get { seen } => format!("get -> {}", list(seen)),
            convergence::SiblingCall::Put { value, context } => {
                format!("put {} for {}", names.show(*value), list(context))
            }
        };
        Ok(self.converge(&document, say))
    }

    /// The error of a level that the model does not have.
    fn unfit(&self) -> String {
        format!("model {} has no level {}", self.model.name(), self.level.name())
    }

    fn done(&self, judgement: Judgement) -> Answer {
        let Self { model, level, .. } = *self;
        Answer { model, level, judgement, warning: None, page: None, order: None }
    }

    /// The title of the page, and the line below it.
    fn heading(&self, judgement: &Judgement) -> (String, String) {
        let verdict = format!(
            "{}: {} ({}), {} operations, {} unknown",
            self.model.name(),
            judgement.finding.name(),
            self.level.name(),
            judgement.operations,
            judgement.unknown
        );
        (self.file.to_owned(), verdict)
    }

    fn with_page<A>(
        &self,
        judgement: Judgement,
        document: &Document<A>,
        say: impl Fn(&Operation<A>) -> (String, String),
    ) -> Answer {
        let mut done = self.done(judgement);
        if self.question.page {
            let (title, verdict) = self.heading(&done.judgement);
            let page = Page::new(title, verdict, &done.judgement, &document.faults);
            done.page = Some(page.with_bars(&document.operations, say).render());
        }
        done
    }

    fn converge<A: convergence::Converge>(
        &self,
        document: &Document<A>,
        say: impl Fn(&Operation<A>) -> String,
    ) -> Answer {
        let judgement = convergence::judge(document, &say, self.patience);
        self.with_page(judgement, document, |it| {
            (document.names.show(it.action.key()).to_string(), say(it))
        })
    }

    /// Linearizable or sequential.
    fn object<M: Model>(
        &self,
        document: &Document<M::Action>,
        model: &M,
        speech: &impl Speech<M>,
        warning: Option<String>,
    ) -> Result<Answer, Refusal>
    where
        M::Action: Perform,
    {
        // What the history itself takes is gone already, and so is the time for reading it.
        let (time, memory) = (self.patience.left(), self.patience.bytes_left());
        let budget = Budget { time, memory, ..self.question.budget };
        let judgement = match self.level {
            Level::Linearizable => judge(document, model, speech, &budget),
            Level::Sequential => sequential::judge(document, model, speech, &budget),
            Level::Session(_) | Level::Convergence | Level::Transactions(_) => {
                return Err(self.unfit().into());
            }
        };
        let mut done = self.done(judgement);
        if let Finding::Legal(order) = &done.judgement.finding {
            done.warning = warning;
            let line = |at: &usize| {
                let it = &document.operations[*at];
                let (line, process, key) = (it.index, it.process, model.key(&it.action));
                let (key, action) = (speech.key(&key), speech.action(it));
                format!("line {line:<6} process {process:<4} key {key}  {action}\n")
            };
            done.order = self.question.evidence.then(|| order.iter().map(line).collect());
        }
        if self.question.page {
            let (title, verdict) = self.heading(&done.judgement);
            let page = Page::of(title, verdict, &done.judgement, document, model, speech);
            done.page = Some(page.render());
        }
        Ok(done)
    }

    fn transactions<O: Judged>(&self, format: Format, bytes: &[u8]) -> Result<Answer, Refusal> {
        let Level::Transactions(real_time) = self.level else {
            return Err(self.unfit().into());
        };
        let document = files::read_with::<O>(|each| format.read(bytes, &mut self.looking(each)))?;
        let judgement = transactions::judge(&document, real_time, self.patience)
            .map_err(|error| error.to_string())?;
        let mut done = self.done(judgement);
        if let Finding::Legal(order) = &done.judgement.finding
            && self.question.evidence
        {
            let line = |at: &usize| {
                let it = &document.transactions[*at];
                let (line, process) = (it.line, it.process);
                format!(
                    "line {line:<6} process {process:<4} {}\n",
                    transactions::words(&document, it)
                )
            };
            done.order = Some(order.iter().map(line).collect());
        }
        if self.question.page {
            let (title, verdict) = self.heading(&done.judgement);
            let page = Page::new(title, verdict, &done.judgement, &document.faults);
            let operations = transactions::as_operations(&document);
            let page = page.with_bars(&operations, |it| (String::new(), it.action.clone()));
            done.page = Some(page.render());
        }
        Ok(done)
    }

    fn read<D: Dialect>(
        &self,
        dialect: &D,
        format: Format,
        bytes: &[u8],
    ) -> Result<Document<D::Action>, Refusal> {
        let document = read_with(dialect, |each| format.read(bytes, &mut self.looking(each)))?;
        let operations = &document.operations;
        let unknown = operations.iter().filter(|operation| !operation.is_known()).count();
        self.known.operations.get_or_init(|| (operations.len(), unknown));
        Ok(document)
    }

    /// The same callback, that looks at the limits now and then.
    fn looking<'e>(
        &'e self,
        each: &'e mut dyn FnMut(usize, Entry) -> Result<(), Problem>,
    ) -> impl FnMut(usize, Entry) -> Result<(), Problem> + 'e {
        move |line, entry| {
            self.patience.look_at(line).map_err(Problem::GivenUp)?;
            each(line, entry)
        }
    }
}
