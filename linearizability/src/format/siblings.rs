//! Values with siblings in files: a `get` answers all siblings, a `put` names the values that it
//! replaces as `context`.

use std::collections::BTreeSet;

use super::Problem;
use super::datum::Datum;
use super::dialect::{Dialect, key_or_only, same_value, token, unknown_f};
use super::record::Record;
use crate::levels::convergence::{SiblingAction, SiblingCall};
use crate::token::{Names, Token};

/// The operations on a value with siblings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Siblings;

impl Dialect for Siblings {
    type Action = SiblingAction;

    fn expected(&self) -> &'static str {
        "get or put"
    }

    fn name(&self, action: &SiblingAction) -> &'static str {
        match action.call {
            SiblingCall::Get { .. } => "get",
            SiblingCall::Put { .. } => "put",
        }
    }

    fn key_of(&self, action: &SiblingAction) -> Token {
        action.key
    }

    fn key(&self, record: &Record, names: &mut Names) -> Result<Token, Problem> {
        key_or_only(record, names)
    }

    fn invoked(&self, record: &Record, names: &mut Names) -> Result<SiblingAction, Problem> {
        let call = match record.f.as_deref() {
            Some("get") => SiblingCall::Get { seen: BTreeSet::new() },
            Some("put") => SiblingCall::Put {
                value: token(record, "value", names)?,
                context: tokens(record, "context", names)?,
            },
            _ => return Err(unknown_f(record, self.expected())),
        };
        Ok(SiblingAction { key: self.key(record, names)?, call })
    }

    fn returned(
        &self,
        record: &Record,
        asked: &SiblingAction,
        line: usize,
        names: &mut Names,
    ) -> Result<SiblingAction, Problem> {
        let call = match &asked.call {
            SiblingCall::Get { .. } => SiblingCall::Get { seen: tokens(record, "value", names)? },
            SiblingCall::Put { value, .. } => {
                same_value(record, *value, line, names)?;
                asked.call.clone()
            }
        };
        Ok(SiblingAction { key: asked.key, call })
    }
}

/// A vector of values; missing or null is none.
fn tokens(
    record: &Record,
    field: &'static str,
    names: &mut Names,
) -> Result<BTreeSet<Token>, Problem> {
    let wrong = || record.wrong(field, "a vector of values");
    match record.field(field) {
        None | Some(Datum::Nil) => Ok(BTreeSet::new()),
        Some(Datum::Vector(members)) => {
            let tokens = members.iter().map(|member| member.token(names));
            tokens.collect::<Option<_>>().ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}
