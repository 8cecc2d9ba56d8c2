//! `DeleteItem`.

use super::parameters::{TableNameText, WriteParameters};
use crate::ApiError;
use crate::fields::Fields;
use crate::value::ValueReader;
use ringleader_item::Delete;

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Delete, ApiError> {
    let mut values = ValueReader::default();
    let table = TableNameText::take(fields)?;
    let key = values.attributes(fields, "Key")?;
    let mut write = WriteParameters::take(fields)?;
    fields.check_constraints()?;

    let table = table.check()?;
    write.check_rules(&[])?;
    let return_values = write.check_returns_old()?;
    values.check()?;
    let condition = write.condition()?;
    write.placeholders.check_used()?;
    Ok(Delete {
        table,
        key: key.unwrap_or_default(),
        condition,
        return_values,
        return_values_on_failure: write.on_failure,
        capacity: write.capacity,
        metrics: write.metrics,
    })
}
