//! `GetItem`.

use super::parameters::{Capacity, TableNameText};
use crate::constraint::Constraints;
use crate::expression::placeholders::Placeholders;
use crate::expression::projection;
use crate::fields::Fields;
use crate::value::ValueReader;
use crate::{Answer, ApiError};
use ringleader_item::{Item, PackedItem, Projection, TableName};

/// Reads one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetItem {
    /// The table.
    pub table: TableName,
    /// The key attributes.
    pub key: Item,
    /// Whether the read must see every write that was acknowledged before it.
    pub consistent_read: bool,
    /// Which parts of the item are wanted; all of it without one.
    pub projection: Option<Projection>,
}

impl GetItem {
    /// The answer to this request, given what is stored under its key.
    #[must_use]
    pub fn answer(&self, stored: Option<PackedItem>) -> Answer {
        Answer::GetItem(match &self.projection {
            Some(projection) => {
                stored.map(|item| PackedItem::pack(&projection.apply(&item.unpack())))
            }
            None => stored,
        })
    }
}

pub(super) fn read(fields: &mut Fields<'_>) -> Result<GetItem, ApiError> {
    let mut values = ValueReader::default();
    let table = TableNameText::take(fields)?;
    let key = values.attributes(fields, "Key")?;
    let consistent_read = fields.boolean("ConsistentRead")?.unwrap_or(false);
    let capacity = Capacity::take(fields)?;
    let projection = fields.text("ProjectionExpression")?;
    let mut placeholders = Placeholders::take_names(fields)?;

    let mut constraints = Constraints::default();
    table.constrain(&mut constraints);
    constraints.present("key", key.as_ref());
    capacity.constrain(&mut constraints);
    constraints.check()?;

    let table = table.check()?;
    fields.refuse(&["AttributesToGet"])?;
    capacity.check()?;
    placeholders.check_needed("", projection.is_some())?;
    values.check()?;
    placeholders.check_contents()?;
    let projection = match &projection {
        Some(text) => Some(projection::parse("ProjectionExpression", text, &mut placeholders)?),
        None => None,
    };
    placeholders.check_used()?;
    Ok(GetItem { table, key: key.unwrap_or_default(), consistent_read, projection })
}
