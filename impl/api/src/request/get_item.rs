//! `GetItem`.

use super::parameters::{Capacity, TableNameText};
use crate::ApiError;
use crate::constraint::Constraints;
use crate::expression::placeholders::Placeholders;
use crate::expression::projection;
use crate::fields::Fields;
use crate::value::ValueReader;
use ringleader_item::{Get, ReturnCapacity};

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Get, ApiError> {
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
    Ok(Get {
        table,
        key: key.unwrap_or_default(),
        consistent_read,
        projection,
        capacity: ReturnCapacity::None,
    })
}
