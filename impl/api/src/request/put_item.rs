//! `PutItem`.

use super::parameters::{TableNameText, WriteParameters};
use crate::ApiError;
use crate::fields::Fields;
use crate::value::ValueReader;
use ringleader_item::limits::ITEM_SIZE_MAX;
use ringleader_item::{Item, PackedItem, Put};

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Put, ApiError> {
    let mut values = ValueReader::default();
    let table = TableNameText::take(fields)?;
    let item = values.attributes(fields, "Item")?;
    let mut write = WriteParameters::take(fields)?;
    fields.check_constraints()?;

    let table = table.check()?;
    write.check_rules(&[])?;
    let return_values = write.check_returns_old()?;
    values.check()?;
    let item = pack(&item.unwrap_or_default())?;
    let condition = write.condition()?;
    write.placeholders.check_used()?;
    Ok(Put {
        table,
        item,
        condition,
        return_values,
        return_values_on_failure: write.on_failure,
        capacity: write.capacity,
        metrics: write.metrics,
    })
}

/// An item to store, if it is not too large.
pub(super) fn pack(item: &Item) -> Result<PackedItem, ApiError> {
    if item.size() > ITEM_SIZE_MAX {
        return Err(ApiError::validation("Item size has exceeded the maximum allowed size"));
    }
    Ok(PackedItem::pack(item))
}
