//! Writes the history down while it happens.
//!
//! The time of an event is taken under the lock that orders the lines, so the file is sorted by
//! time. An invocation is recorded before its request leaves and a return after its answer arrived:
//! the recorded interval always contains the true one, so the checker never blames a cluster for an
//! order that only the recorder saw.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::generator::Operation;
use crate::history::{FaultLine, FaultTag, Fields, Line, OperationLine, Phase, Process, Stage};
use serde_json::Value;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Completion {
    /// It was done or its condition did not hold, and this came back.
    Done(Fields),
    /// It certainly had no effect.
    NoEffect(String),
    /// Nobody knows.
    Unknown(String),
}

impl Completion {
    /// Done, and nothing more to say.
    #[must_use]
    pub fn done() -> Self {
        Self::Done(Fields::new())
    }

    /// Done, and this was read.
    pub fn read(value: impl Into<Value>) -> Self {
        Self::Done(Fields::from_iter([("value".to_owned(), value.into())]))
    }

    /// Its condition did not hold, and this was found instead (`None`: nothing).
    #[must_use]
    pub fn condition_failed(old: Option<i64>) -> Self {
        let fields = [("failed".to_owned(), true.into()), ("old".to_owned(), old.into())];
        Self::Done(Fields::from_iter(fields))
    }
}

/// Writes the history down while it happens.
pub struct Recorder {
    start: Instant,
    written: Mutex<Written>,
}

struct Written {
    file: BufWriter<File>,
    lines: Vec<Line>,
    /// The first error of the file; reported at the end, where somebody can act on it.
    error: Option<io::Error>,
}

impl Recorder {
    /// Starts the clock and creates the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::create_at(path, Instant::now())
    }

    /// Creates the file of a clock that was started before.
    ///
    /// # Errors
    ///
    /// If the file cannot be created.
    pub fn create_at(path: &Path, start: Instant) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let written = Written { file, lines: Vec::new(), error: None };
        Ok(Self { start, written: Mutex::new(written) })
    }

    /// Nanoseconds since the start of the run; enough bits for 500 years.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// An operation is about to be sent to `node`.
    pub fn invoke(&self, process: Process, node: usize, operation: &Operation) {
        self.operation(process, node, operation, |line| {
            // What a read returns is not known yet; what a write writes is.
            line.stage = Stage::Invoke;
        });
    }

    /// An operation came to its end.
    pub fn complete(&self, process: Process, node: usize, operation: &Operation, end: &Completion) {
        self.operation(process, node, operation, |line| match end {
            Completion::Done(fields) => {
                line.stage = Stage::Ok;
                line.fields.extend(fields.clone());
            }
            Completion::NoEffect(reason) => {
                line.stage = Stage::Fail;
                line.error = Some(reason.clone());
            }
            Completion::Unknown(reason) => {
                line.stage = Stage::Info;
                line.error = Some(reason.clone());
            }
        });
    }

    /// A fault begins or ends, now.
    pub fn fault(&self, kind: &str, node: Option<usize>, phase: Phase) {
        let mut written = self.lock();
        let time = self.now();
        let line = FaultLine { tag: FaultTag::Fault, kind: kind.to_owned(), node, phase, time };
        written.push(Line::Fault(line));
    }

    /// Flushes the file and returns every line.
    ///
    /// # Errors
    ///
    /// The first error of any write: a history with holes must not be judged.
    pub fn finish(&self) -> io::Result<Vec<Line>> {
        let mut written = self.lock();
        if let Some(error) = written.error.take() {
            return Err(error);
        }
        written.file.flush()?;
        Ok(std::mem::take(&mut written.lines))
    }

    fn operation(
        &self,
        process: Process,
        node: usize,
        operation: &Operation,
        complete: impl FnOnce(&mut OperationLine),
    ) {
        let mut line = OperationLine {
            process,
            stage: Stage::Invoke,
            f: operation.f,
            key: operation.key.clone(),
            fields: operation.fields.clone(),
            time: 0,
            node,
            error: None,
        };
        complete(&mut line);
        let mut written = self.lock();
        line.time = self.now();
        written.push(Line::Operation(line));
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        // A client that panicked left whole lines behind.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    fn push(&mut self, line: Line) {
        let written = serde_json::to_writer(&mut self.file, &line)
            .map_err(io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"));
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
        self.lines.push(line);
    }
}

/// The histories of all workloads of a run, on one clock: faults concern each of them.
pub struct Histories {
    start: Instant,
    recorders: Vec<Arc<Recorder>>,
}

impl Histories {
    /// Creates these files.
    ///
    /// # Errors
    ///
    /// If one cannot be created.
    pub fn create(paths: &[PathBuf]) -> io::Result<Self> {
        let start = Instant::now();
        let create = |path: &PathBuf| Recorder::create_at(path, start).map(Arc::new);
        Ok(Self { start, recorders: paths.iter().map(create).collect::<Result<_, _>>()? })
    }

    /// The history of the workload at this place.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn of(&self, place: usize) -> Arc<Recorder> {
        Arc::clone(&self.recorders[place])
    }

    /// Nanoseconds since the start of the run.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A fault begins or ends, now.
    pub fn fault(&self, kind: &str, node: Option<usize>, phase: Phase) {
        for recorder in &self.recorders {
            recorder.fault(kind, node, phase);
        }
    }
}
