//! `DescribeTable`.

use super::parameters::TableNameText;
use crate::ApiError;
use crate::constraint::Constraints;
use crate::fields::Fields;
use ringleader_item::TableName;

pub(super) fn read(fields: &mut Fields<'_>) -> Result<TableName, ApiError> {
    let table = TableNameText::take(fields)?;
    let mut constraints = Constraints::default();
    table.constrain(&mut constraints);
    constraints.check()?;
    table.check()
}
