//! `TransactWriteItems` and `TransactGetItems`.

use super::parameters::{ProjectionText, TableNameText, capacity, metrics, on_failure};
use super::put_item::pack;
use crate::ApiError;
use crate::expression::placeholders::Placeholders;
use crate::expression::{condition, update};
use crate::fields::Fields;
use crate::json::Json;
use crate::value::ValueReader;
use ringleader_item::limits::TRANSACTION_SIZE_MAX;
use ringleader_item::{
    Condition, ConditionCheck, Delete, Get, Item, Put, ReturnCapacity, ReturnMetrics, ReturnOld,
    ReturnValues, TransactGet, TransactPart, TransactWrite, Update, UpdateProgram,
};
use std::borrow::Cow;

/// The operation that a part of a write names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Check,
    Put,
    Delete,
    Update,
}

const VERBS: [(&str, Verb); 4] = [
    ("ConditionCheck", Verb::Check),
    ("Put", Verb::Put),
    ("Delete", Verb::Delete),
    ("Update", Verb::Update),
];

/// A part of a write, before it is checked.
struct PartText<'a> {
    verb: Verb,
    table: TableNameText<'a>,
    attributes: Item,
    condition: Option<Cow<'a, str>>,
    update: Option<Cow<'a, str>>,
    placeholders: Placeholders<'a>,
    on_failure: ReturnOld,
}

impl<'a> PartText<'a> {
    /// `None` for an element that does not name exactly one operation.
    fn take(json: Json<'a>, values: &mut ValueReader) -> Result<Option<Self>, ApiError> {
        let mut element = Fields::of(json, "TransactWriteItem")?;
        let mut found = Vec::new();
        for (name, verb) in VERBS {
            let Some(mut fields) = element.structure(name, name)? else { continue };
            let attributes = if verb == Verb::Put { "Item" } else { "Key" };
            found.push(Self {
                verb,
                table: TableNameText::take(&mut fields)?,
                attributes: values.attributes(&mut fields, attributes)?.unwrap_or_default(),
                condition: fields.text("ConditionExpression")?,
                update: fields.text("UpdateExpression")?.filter(|_| verb == Verb::Update),
                placeholders: Placeholders::take(&mut fields)?,
                on_failure: on_failure(&mut fields)?,
            });
        }
        let first = found.pop();
        Ok(first.filter(|_| found.is_empty()))
    }

    fn check(mut self) -> Result<TransactPart, ApiError> {
        let table = self.table.check()?;
        let mut expressions = vec![("ConditionExpression", self.condition.is_some())];
        if self.verb == Verb::Update {
            expressions.insert(0, ("UpdateExpression", self.update.is_some()));
        }
        let any = expressions.iter().any(|(_, present)| *present);
        self.placeholders.check_needed(any, &expressions)?;
        self.placeholders.check_contents()?;
        let update = match &self.update {
            Some(text) => update::parse(text, &mut self.placeholders)?,
            None => UpdateProgram::default(),
        };
        let condition = self.condition()?;
        self.placeholders.check_used()?;
        let (key, return_values_on_failure) = (self.attributes, self.on_failure);
        Ok(match self.verb {
            Verb::Put => TransactPart::Put(Put {
                condition,
                return_values_on_failure,
                ..Put::new(table, pack(&key)?)
            }),
            Verb::Delete => TransactPart::Delete(Delete {
                condition,
                return_values_on_failure,
                ..Delete::new(table, key)
            }),
            Verb::Update => TransactPart::Update(Update {
                table,
                key,
                update,
                condition,
                return_values: ReturnValues::None,
                return_values_on_failure,
                capacity: ReturnCapacity::None,
                metrics: ReturnMetrics::None,
            }),
            Verb::Check => {
                let condition = condition.ok_or_else(|| {
                    ApiError::validation(
                        "Invalid ConditionExpression: The expression can not be empty;",
                    )
                })?;
                TransactPart::Check(ConditionCheck {
                    table,
                    key,
                    condition,
                    return_values_on_failure,
                })
            }
        })
    }

    fn condition(&mut self) -> Result<Option<Condition>, ApiError> {
        let Some(text) = &self.condition else { return Ok(None) };
        condition::parse("ConditionExpression", text, &mut self.placeholders).map(Some)
    }
}

pub(super) fn write(fields: &mut Fields<'_>) -> Result<TransactWrite, ApiError> {
    let mut values = ValueReader::default();
    let elements = fields.list("TransactItems")?.unwrap_or_default();
    let texts = elements.into_iter().map(|json| PartText::take(json, &mut values));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let token = fields.owned("ClientRequestToken")?;
    let capacity = capacity(fields)?;
    let metrics = metrics(fields)?;
    fields.check_constraints()?;

    values.check()?;
    // What is stored already counts as well; that is the table's to say.
    let size: usize = texts.iter().flatten().map(|part| part.attributes.size()).sum();
    let one_verb = || {
        ApiError::validation("TransactItems can only contain one of Check, Put, Update or Delete")
    };
    let parts = texts.into_iter().map(|text| text.ok_or_else(one_verb)?.check());
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    if size > TRANSACTION_SIZE_MAX {
        return Err(ApiError::validation(
            "Transaction request exceeds the maximum aggregate size of 4 MB",
        ));
    }
    Ok(TransactWrite { parts, token, capacity, metrics })
}

pub(super) fn get(fields: &mut Fields<'_>) -> Result<TransactGet, ApiError> {
    let mut values = ValueReader::default();
    let elements = fields.list("TransactItems")?.unwrap_or_default();
    let mut texts = Vec::with_capacity(elements.len());
    for json in elements {
        let mut element = Fields::of(json, "TransactGetItem")?;
        let Some(mut fields) = element.structure("Get", "Get")? else { continue };
        let table = TableNameText::take(&mut fields)?;
        let key = values.attributes(&mut fields, "Key")?.unwrap_or_default();
        let expression = fields.text("ProjectionExpression")?;
        let placeholders = Placeholders::take_names(&mut fields)?;
        texts.push((table, key, ProjectionText { expression, attributes: None }, placeholders));
    }
    let capacity = capacity(fields)?;
    fields.check_constraints()?;

    values.check()?;
    let check =
        |(table, key, text, mut placeholders): (TableNameText<'_>, _, ProjectionText<'_>, _)| {
            let placeholders: &mut Placeholders<'_> = &mut placeholders;
            placeholders.check_needed(text.expression.is_some(), &[])?;
            placeholders.check_contents()?;
            let projection = text.parse(placeholders)?;
            placeholders.check_used()?;
            let capacity = ReturnCapacity::None;
            Ok(Get { table: table.check()?, key, consistent_read: true, projection, capacity })
        };
    let gets = texts.into_iter().map(check).collect::<Result<_, ApiError>>()?;
    Ok(TransactGet { gets, capacity })
}
