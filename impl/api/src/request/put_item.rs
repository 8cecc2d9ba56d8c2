//! `PutItem`.

use super::parameters::{TableNameText, WriteParameters};
use crate::ApiError;
use crate::constraint::Constraints;
use crate::fields::Fields;
use crate::value::ValueReader;
use ringleader_item::limits::ITEM_SIZE_MAX;
use ringleader_item::{PackedItem, Put, ReturnCapacity, ReturnMetrics};

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Put, ApiError> {
    let mut values = ValueReader::default();
    let table = TableNameText::take(fields)?;
    let item = values.attributes(fields, "Item")?;
    let write = WriteParameters::take(fields)?;

    let mut constraints = Constraints::default();
    table.constrain(&mut constraints);
    constraints.present("item", item.as_ref());
    write.constrain(&mut constraints);
    constraints.check()?;

    let table = table.check()?;
    write.check_rules(fields)?;
    values.check()?;
    let item = item.unwrap_or_default();
    if item.size() > ITEM_SIZE_MAX {
        return Err(ApiError::validation("Item size has exceeded the maximum allowed size"));
    }
    let rules = write.finish()?;
    Ok(Put {
        table,
        item: PackedItem::pack(&item),
        condition: rules.condition,
        return_values: rules.return_values,
        return_values_on_failure: rules.return_values_on_failure,
        capacity: ReturnCapacity::None,
        metrics: ReturnMetrics::None,
    })
}
