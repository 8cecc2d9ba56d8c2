//! Parameters that several operations share.

use crate::ApiError;
use crate::constraint::Constraints;
use crate::expression::condition;
use crate::expression::placeholders::Placeholders;
use crate::fields::Fields;
use ringleader_item::{Condition, ReturnOld, TableName};
use std::borrow::Cow;

/// `TableName` before it is checked.
pub(super) struct TableNameText<'a>(Option<Cow<'a, str>>);

impl<'a> TableNameText<'a> {
    pub(super) fn take(fields: &mut Fields<'a>) -> Result<Self, ApiError> {
        Ok(Self(fields.text("TableName")?))
    }

    /// The service model allows the length of a resource name here, not only of a table's name.
    pub(super) fn constrain(&self, constraints: &mut Constraints) {
        constraints.present("tableName", self.0.as_ref());
        if let Some(name) = &self.0 {
            constraints.length("tableName", name, name.len(), 1, 1_024);
        }
    }

    pub(super) fn check(self) -> Result<TableName, ApiError> {
        TableName::new(self.0.unwrap_or_default()).map_err(|_| {
            ApiError::validation(
                "Invalid table/index name.  Table/index names must be between 3 and 255 characters \
                 long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
            )
        })
    }
}

/// What a write returns and on which condition it depends.
pub(super) struct WriteParameters<'a> {
    return_values: Option<Cow<'a, str>>,
    on_failure: Option<Cow<'a, str>>,
    capacity: Capacity<'a>,
    metrics: Option<Cow<'a, str>>,
    condition: Option<Cow<'a, str>>,
    placeholders: Placeholders<'a>,
}

/// The checked form of [`WriteParameters`].
pub(super) struct WriteRules {
    pub(super) condition: Option<Condition>,
    pub(super) return_values: ReturnOld,
    pub(super) return_values_on_failure: ReturnOld,
}

impl<'a> WriteParameters<'a> {
    pub(super) fn take(fields: &mut Fields<'a>) -> Result<Self, ApiError> {
        Ok(Self {
            return_values: fields.text("ReturnValues")?,
            on_failure: fields.text("ReturnValuesOnConditionCheckFailure")?,
            capacity: Capacity::take(fields)?,
            metrics: fields.text("ReturnItemCollectionMetrics")?,
            condition: fields.text("ConditionExpression")?,
            placeholders: Placeholders::take(fields)?,
        })
    }

    pub(super) fn constrain(&self, constraints: &mut Constraints) {
        let all = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
        constraints.one_of("returnValues", self.return_values.as_deref(), &all);
        let on_failure = self.on_failure.as_deref();
        constraints.one_of("returnValuesOnConditionCheckFailure", on_failure, &["ALL_OLD", "NONE"]);
        self.capacity.constrain(constraints);
        let metrics = self.metrics.as_deref();
        constraints.one_of("returnItemCollectionMetrics", metrics, &["SIZE", "NONE"]);
    }

    /// Rules that do not depend on what the values are.
    ///
    /// Item collection metrics are about local secondary indexes: for a table without one the
    /// service returns none, whatever is asked.
    pub(super) fn check_rules(&self, fields: &mut Fields<'_>) -> Result<(), ApiError> {
        fields.refuse(&["Expected", "ConditionalOperator"])?;
        self.capacity.check()?;
        self.placeholders
            .check_needed(": ConditionExpression is null", self.condition.is_some())?;
        if matches!(self.return_values.as_deref(), None | Some("NONE" | "ALL_OLD")) {
            return Ok(());
        }
        Err(ApiError::validation("ReturnValues can only be ALL_OLD or NONE"))
    }

    /// Placeholders and condition.
    pub(super) fn finish(mut self) -> Result<WriteRules, ApiError> {
        self.placeholders.check_contents()?;
        let condition = match &self.condition {
            Some(text) => {
                Some(condition::parse("ConditionExpression", text, &mut self.placeholders)?)
            }
            None => None,
        };
        self.placeholders.check_used()?;
        Ok(WriteRules {
            condition,
            return_values: return_old(self.return_values.as_deref()),
            return_values_on_failure: return_old(self.on_failure.as_deref()),
        })
    }
}

fn return_old(text: Option<&str>) -> ReturnOld {
    if text == Some("ALL_OLD") { ReturnOld::AllOld } else { ReturnOld::None }
}

/// `ReturnConsumedCapacity`: nothing is metered yet, so only NONE can be answered truthfully.
pub(super) struct Capacity<'a>(Option<Cow<'a, str>>);

impl<'a> Capacity<'a> {
    pub(super) fn take(fields: &mut Fields<'a>) -> Result<Self, ApiError> {
        Ok(Self(fields.text("ReturnConsumedCapacity")?))
    }

    pub(super) fn constrain(&self, constraints: &mut Constraints) {
        let all = ["INDEXES", "TOTAL", "NONE"];
        constraints.one_of("returnConsumedCapacity", self.0.as_deref(), &all);
    }

    pub(super) fn check(&self) -> Result<(), ApiError> {
        match self.0.as_deref() {
            None | Some("NONE") => Ok(()),
            Some(_) => Err(ApiError::unsupported("ReturnConsumedCapacity")),
        }
    }
}
