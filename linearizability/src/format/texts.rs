//! Texts under keys in files: get, put, append, delete, cas.

use std::sync::Arc;

use super::Problem;
use super::datum::Datum;
use super::dialect::{Dialect, failed, unknown_f};
use super::record::Record;
use crate::models::key_value::{KeyValueAction, KeyValueCall};
use crate::token::{Names, Token};

/// The operations of [`KeyValue`](crate::KeyValue).
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts;

const EXPECTED: &str = "get, put, append, delete or cas";

impl Dialect for Texts {
    type Action = KeyValueAction;

    fn expected(&self) -> &'static str {
        EXPECTED
    }

    fn name(&self, action: &KeyValueAction) -> &'static str {
        match action.call {
            KeyValueCall::Get { .. } => "get",
            KeyValueCall::Put { .. } => "put",
            KeyValueCall::Append { .. } => "append",
            KeyValueCall::Delete => "delete",
            KeyValueCall::Cas { .. } => "cas",
        }
    }

    fn key_of(&self, action: &KeyValueAction) -> Token {
        action.key
    }

    fn invoked(&self, record: &Record, names: &mut Names) -> Result<KeyValueAction, Problem> {
        let call = match record.f.as_deref() {
            Some("get") => KeyValueCall::Get { seen: "".into() },
            Some("put") => KeyValueCall::Put { value: text(record)? },
            Some("append") => KeyValueCall::Append { value: text(record)? },
            Some("delete") => KeyValueCall::Delete,
            Some("cas") => {
                let wrong = || record.wrong("value", "[from, to], both texts");
                let pair = record.value.as_ref().and_then(Datum::members).ok_or_else(wrong)?;
                let [Datum::Text(from), Datum::Text(to)] = pair else { return Err(wrong()) };
                KeyValueCall::Cas {
                    from: from.as_str().into(),
                    to: to.as_str().into(),
                    applied: true,
                }
            }
            _ => return Err(unknown_f(record, EXPECTED)),
        };
        Ok(KeyValueAction { key: self.key(record, names)?, call })
    }

    fn returned(
        &self,
        record: &Record,
        asked: &KeyValueAction,
        line: usize,
        _names: &mut Names,
    ) -> Result<KeyValueAction, Problem> {
        let refused = failed(record)?;
        let call = match &asked.call {
            KeyValueCall::Get { .. } => match &record.value {
                Some(Datum::Nil) | None => KeyValueCall::Get { seen: "".into() },
                Some(_) => KeyValueCall::Get { seen: text(record)? },
            },
            KeyValueCall::Cas { from, to, .. } => {
                KeyValueCall::Cas { from: from.clone(), to: to.clone(), applied: !refused }
            }
            KeyValueCall::Put { value } | KeyValueCall::Append { value } => {
                match &record.value {
                    Some(Datum::Text(again)) if **again != **value => {
                        return Err(Problem::Mismatch {
                            field: "value",
                            found: format!("{again:?}"),
                            line,
                            invoked: format!("{value:?}"),
                        });
                    }
                    _ => {}
                }
                asked.call.clone()
            }
            KeyValueCall::Delete => KeyValueCall::Delete,
        };
        if refused && !matches!(call, KeyValueCall::Cas { .. }) {
            return Err(record.wrong("failed", "it only on cas"));
        }
        Ok(KeyValueAction { key: asked.key, call })
    }
}

fn text(record: &Record) -> Result<Arc<str>, Problem> {
    match &record.value {
        Some(Datum::Text(text)) => Ok(text.as_str().into()),
        _ => Err(record.wrong("value", "a text")),
    }
}
