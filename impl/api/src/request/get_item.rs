//! `GetItem`.

use super::parameters::{Capacity, TableNameText};
use crate::constraint::Constraints;
use crate::fields::Fields;
use crate::value::ValueReader;
use crate::{Answer, ApiError};
use ringleader_item::{Item, PackedItem, TableName};

/// Reads one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetItem {
    /// The table.
    pub table: TableName,
    /// The key attributes.
    pub key: Item,
    /// Whether the read must see every write that was acknowledged before it.
    pub consistent_read: bool,
}

impl GetItem {
    /// The answer to this request, given what is stored under its key.
    #[must_use]
    pub fn answer(&self, stored: Option<PackedItem>) -> Answer {
        Answer::GetItem(stored)
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<GetItem, ApiError> {
    let mut values = ValueReader::default();
    let table = TableNameText::take(fields)?;
    let key = values.attributes(fields, "Key")?;
    let consistent_read = fields.boolean("ConsistentRead")?.unwrap_or(false);
    let capacity = Capacity::take(fields)?;

    let mut constraints = Constraints::default();
    table.constrain(&mut constraints);
    constraints.present("key", key.as_ref());
    capacity.constrain(&mut constraints);
    constraints.check()?;

    let table = table.check()?;
    fields.refuse(&["AttributesToGet", "ProjectionExpression", "ExpressionAttributeNames"])?;
    capacity.check()?;
    values.check()?;
    Ok(GetItem { table, key: key.unwrap_or_default(), consistent_read })
}
