//! From transactions that were read to a verdict with its evidence in words.

use std::fmt::Write as _;
use std::time::Instant;

use super::anomaly::{Anomaly, TransactionSpeech};
use super::list_append::{self, Ambiguous, Ending, Inferred, ListOperation, Observed};
use super::read_write::{self, VersionedOperation};
use super::{RealTime, Verdict, check_inferred_within};
use crate::checker::Cost;
use crate::explain::{Explanation, draw};
use crate::format::Fault;
use crate::format::transactions::{TransactionDialect, TransactionDocument};
use crate::history::Operation;
use crate::judge::{Finding, Judgement};
use crate::patience::Patience;
use crate::shrink::Counterexample;
use crate::token::{Names, Token};

/// A kind of transactions that can be judged.
pub trait Judged: TransactionDialect {
    /// Gives every version its place.
    ///
    /// # Errors
    /// When values are not distinct where only they tell versions apart.
    fn infer(transactions: &[Observed<Self>]) -> Result<Inferred, Ambiguous>;

    /// The operation in words; `answered` if its answer came.
    fn words(&self, names: &Names, answered: bool) -> String;

    /// A version in words.
    fn version(inferred: &Inferred, names: &Names, key: u32, version: u64) -> String;
}

impl Judged for ListOperation {
    fn infer(transactions: &[Observed<Self>]) -> Result<Inferred, Ambiguous> {
        list_append::infer(transactions)
    }

    fn words(&self, names: &Names, answered: bool) -> String {
        match self {
            Self::Append { key, value } => {
                format!("append {} to {}", names.show(*value), names.show(*key))
            }
            Self::Read { key, .. } if !answered => format!("read {} -> ?", names.show(*key)),
            Self::Read { key, seen } => {
                format!("read {} -> {}", names.show(*key), list(names, seen))
            }
        }
    }

    fn version(inferred: &Inferred, names: &Names, key: u32, version: u64) -> String {
        let longest = inferred.longest.get(key as usize).map_or(&[][..], Vec::as_slice);
        let length = usize::try_from(version).unwrap_or(usize::MAX).min(longest.len());
        match longest[..length].last() {
            None => "the empty list".to_owned(),
            Some(last) => format!("the list that ends with {}", names.show(*last)),
        }
    }
}

impl Judged for VersionedOperation {
    fn infer(transactions: &[Observed<Self>]) -> Result<Inferred, Ambiguous> {
        read_write::infer(transactions)
    }

    fn words(&self, names: &Names, answered: bool) -> String {
        let show = |value: Option<Token>| {
            value.map_or("absent".to_owned(), |value| names.show(value).to_string())
        };
        match *self {
            Self::Write { key, value, version } => {
                let version =
                    version.map_or(String::new(), |version| format!(" as version {version}"));
                format!("write {} to {}{version}", show(value), names.show(key))
            }
            Self::Read { key, .. } if !answered => format!("read {} -> ?", names.show(key)),
            Self::Read { key, value, version } => {
                format!("read {} -> {}, version {version}", names.show(key), show(value))
            }
        }
    }

    fn version(_: &Inferred, _: &Names, _: u32, version: u64) -> String {
        match version {
            0 => "the state before all".to_owned(),
            _ => format!("version {version}"),
        }
    }
}

/// The most values of a list that a sentence shows.
const LISTED_MAX: usize = 12;

fn list(names: &Names, values: &[Token]) -> String {
    let skipped = values.len().saturating_sub(LISTED_MAX);
    let shown: Vec<String> =
        values[skipped..].iter().map(|value| names.show(*value).to_string()).collect();
    let dots = if skipped > 0 { ".. " } else { "" };
    format!("[{dots}{}]", shown.join(" "))
}

struct Speech<'a, O> {
    document: &'a TransactionDocument<O>,
    inferred: &'a Inferred,
}

impl<O: Judged> TransactionSpeech for Speech<'_, O> {
    fn key(&self, key: u32) -> String {
        let token = self.inferred.keys.get(key as usize);
        token.map_or("?".to_owned(), |token| self.document.names.show(*token).to_string())
    }

    fn version(&self, key: u32, version: u64) -> String {
        O::version(self.inferred, &self.document.names, key, version)
    }

    fn transaction(&self, at: u32) -> String {
        words(self.document, &self.document.transactions[at as usize])
    }
}

/// All operations of a transaction in words.
#[must_use]
pub fn words<O: Judged>(document: &TransactionDocument<O>, observed: &Observed<O>) -> String {
    let answered = matches!(observed.ending, Ending::Committed(_));
    let operations: Vec<String> =
        observed.operations.iter().map(|it| it.words(&document.names, answered)).collect();
    operations.join(", ")
}

/// The transactions as operations whose action is their words.
#[must_use]
pub fn as_operations<O: Judged>(document: &TransactionDocument<O>) -> Vec<Operation<String>> {
    let operation = |observed: &Observed<O>| {
        let returned = match observed.ending {
            Ending::Committed(returned) => Some(returned),
            Ending::Aborted | Ending::Unknown => None,
        };
        let aborted = if observed.ending == Ending::Aborted { " (aborted)" } else { "" };
        Operation {
            process: u64::from(observed.process),
            action: words(document, observed) + aborted,
            invoked: observed.invoked,
            returned,
            index: observed.line as usize,
        }
    };
    document.transactions.iter().map(operation).collect()
}

/// What inferring versions and ordering takes at most, measured: for each transaction,
const BYTES_PER_TRANSACTION: usize = 96;

/// and for each access.
const BYTES_PER_ACCESS: usize = 48;

/// Decides transactions and tells the evidence.
///
/// # Errors
/// When values are not distinct where only they tell versions apart.
pub fn judge<O: Judged>(
    document: &TransactionDocument<O>,
    real_time: RealTime,
    patience: &Patience,
) -> Result<Judgement, Ambiguous> {
    let start = Instant::now();
    let observed = &document.transactions;
    let accesses: usize = observed.iter().map(|it| it.operations.len()).sum();
    let bytes = observed.len() * BYTES_PER_TRANSACTION + accesses * BYTES_PER_ACCESS;
    if let Err(shortage) = patience.look_ahead(bytes as u64) {
        return Ok(Judgement {
            finding: Finding::Undecided { reason: format!("{shortage} ran out") },
            operations: observed.len(),
            unknown: observed.iter().filter(|it| it.ending == Ending::Unknown).count(),
            elapsed: start.elapsed(),
            cost: Cost::default(),
        });
    }
    let inferred = O::infer(&document.transactions)?;
    let verdict =
        patience.look().and_then(|()| check_inferred_within(&inferred, real_time, patience));
    let elapsed = start.elapsed();
    let finding = match verdict {
        Err(shortage) => Finding::Undecided { reason: format!("{shortage} ran out") },
        Ok(verdict) => tell(verdict, document, &inferred),
    };
    let is_unknown = |it: &&Observed<O>| it.ending == Ending::Unknown;
    Ok(Judgement {
        finding,
        operations: document.transactions.len(),
        unknown: document.transactions.iter().filter(is_unknown).count(),
        elapsed,
        cost: Cost::default(),
    })
}

/// A verdict with its evidence.
fn tell<O: Judged>(
    verdict: Verdict,
    document: &TransactionDocument<O>,
    inferred: &Inferred,
) -> Finding {
    let speech = Speech { document, inferred };
    match verdict {
        Verdict::Legal(order) => Finding::Legal(order.into_iter().map(|at| at as usize).collect()),
        Verdict::Undecided { transaction, key } => {
            let line = document.transactions[transaction as usize].line;
            let key = speech.key(key);
            Finding::Undecided {
                reason: format!(
                    "the version of the write to {key} of line {line}, of unknown outcome, was \
                     seen by nobody, while another write of it was"
                ),
            }
        }
        Verdict::Illegal(anomalies) => illegal(&anomalies, inferred, &speech, &document.faults),
    }
}

fn illegal<O: Judged>(
    anomalies: &[Anomaly],
    inferred: &Inferred,
    speech: &Speech<'_, O>,
    faults: &[Fault],
) -> Finding {
    let worst = &anomalies[0];
    let transactions = &inferred.transactions;
    let summary = worst.summary(transactions);
    let mut prose = worst.prose(transactions, speech);
    for other in &anomalies[1..] {
        let _ = writeln!(prose, "Also: {}.", other.summary(transactions));
    }
    let mut positions: Vec<usize> =
        worst.transactions().into_iter().map(|at| at as usize).collect();
    positions.sort_unstable();
    let operations = as_operations(speech.document);
    let part: Vec<Operation<String>> = positions.iter().map(|at| operations[*at].clone()).collect();
    let labels: Vec<String> = part.iter().map(|it| it.action.clone()).collect();
    let mut listing = String::new();
    for it in &part {
        let returned = it.returned.map_or("?".to_owned(), |returned| returned.to_string());
        let (line, process, invoked, action) = (it.index, it.process, it.invoked, &it.action);
        let _ = writeln!(
            listing,
            "line {line:<6} process {process:<4} {invoked} .. {returned}  {action}"
        );
    }
    let failing = worst.evidence[0].to as usize;
    let failing = positions.iter().position(|at| *at == failing).unwrap_or(0);
    let picture = draw(&part, &labels, failing, faults);
    Finding::Illegal {
        key: String::new(),
        first_line: part[failing].index,
        counterexample: Counterexample { positions, cut: u64::MAX },
        listing,
        explanation: Explanation { summary, prose, picture },
    }
}
