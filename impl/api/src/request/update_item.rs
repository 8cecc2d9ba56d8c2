//! `UpdateItem`.

use super::legacy;
use super::parameters::{TableNameText, WriteParameters};
use crate::ApiError;
use crate::expression::update;
use crate::fields::Fields;
use crate::value::ValueReader;
use ringleader_item::{Update, UpdateProgram};

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Update, ApiError> {
    let mut values = ValueReader::default();
    let table = TableNameText::take(fields)?;
    let key = values.attributes(fields, "Key")?;
    let expression = fields.text("UpdateExpression")?;
    let mut write = WriteParameters::take(fields)?;
    let updates = write.legacy.updates(fields)?;
    fields.check_constraints()?;

    let table = table.check()?;
    write.check_rules(&[("UpdateExpression", expression.is_some())])?;
    values.check()?;
    write.placeholders.check_contents()?;
    let update = match (&expression, updates) {
        (Some(text), _) => update::parse(text, &mut write.placeholders)?,
        (None, Some(updates)) => legacy::update(updates)?,
        (None, None) => UpdateProgram::default(),
    };
    let condition = write.condition()?;
    write.placeholders.check_used()?;
    Ok(Update {
        table,
        key: key.unwrap_or_default(),
        update,
        condition,
        return_values: write.return_values,
        return_values_on_failure: write.on_failure,
        capacity: write.capacity,
        metrics: write.metrics,
    })
}
