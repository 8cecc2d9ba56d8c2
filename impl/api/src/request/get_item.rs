//! `GetItem`.

use super::legacy::Legacy;
use super::parameters::{ProjectionText, TableNameText, capacity};
use crate::ApiError;
use crate::expression::placeholders::Placeholders;
use crate::fields::Fields;
use crate::value::ValueReader;
use ringleader_item::Get;

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Get, ApiError> {
    let mut values = ValueReader::default();
    let table = TableNameText::take(fields)?;
    let key = values.attributes(fields, "Key")?;
    let consistent_read = fields.boolean("ConsistentRead")?.unwrap_or(false);
    let capacity = capacity(fields)?;
    let mut legacy = Legacy::take(fields)?;
    let projection = ProjectionText::take(fields, &mut legacy)?;
    let mut placeholders = Placeholders::take_names(fields)?;
    fields.check_constraints()?;

    let table = table.check()?;
    let expressions = [("ProjectionExpression", projection.expression.is_some())];
    legacy.check_mixture(&expressions)?;
    placeholders.check_needed(projection.expression.is_some(), &[])?;
    values.check()?;
    placeholders.check_contents()?;
    let projection = projection.parse(&mut placeholders)?;
    placeholders.check_used()?;
    Ok(Get { table, key: key.unwrap_or_default(), consistent_read, projection, capacity })
}
