//! `DeleteItem`.

use super::parameters::{TableNameText, WriteParameters};
use crate::ApiError;
use crate::constraint::Constraints;
use crate::fields::Fields;
use crate::value::ValueReader;
use ringleader_item::{Delete, ReturnCapacity, ReturnMetrics};

pub(super) fn read(fields: &mut Fields<'_>) -> Result<Delete, ApiError> {
    let mut values = ValueReader::default();
    let table = TableNameText::take(fields)?;
    let key = values.attributes(fields, "Key")?;
    let write = WriteParameters::take(fields)?;

    let mut constraints = Constraints::default();
    table.constrain(&mut constraints);
    constraints.present("key", key.as_ref());
    write.constrain(&mut constraints);
    constraints.check()?;

    let table = table.check()?;
    write.check_rules(fields)?;
    values.check()?;
    let rules = write.finish()?;
    Ok(Delete {
        table,
        key: key.unwrap_or_default(),
        condition: rules.condition,
        return_values: rules.return_values,
        return_values_on_failure: rules.return_values_on_failure,
        capacity: ReturnCapacity::None,
        metrics: ReturnMetrics::None,
    })
}
