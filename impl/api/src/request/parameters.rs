//! Parameters that several operations share.

use super::legacy::{self, Comparisons, Legacy};
use crate::ApiError;
use crate::expression::placeholders::Placeholders;
use crate::expression::{condition, projection};
use crate::fields::Fields;
use ringleader_item::{
    Condition, IndexName, Path, Projection, ReturnCapacity, ReturnMetrics, ReturnOld, ReturnValues,
    TableName,
};
use std::borrow::Cow;

const INVALID_NAME: &str = "Invalid table/index name.  Table/index names must be between 3 and 255 \
                            characters long, and may contain only the characters a-z, A-Z, 0-9, \
                            '_', '-', and '.'";

/// `TableName` before it is checked: a name, or a resource name that ends in one. The service model
/// allows the length of a resource name, not only of a table's name.
pub(super) struct TableNameText<'a>(Option<Cow<'a, str>>);

impl<'a> TableNameText<'a> {
    pub(super) fn take(fields: &mut Fields<'a>) -> Result<Self, ApiError> {
        Ok(Self(fields.text("TableName")?))
    }

    pub(super) fn check(&self) -> Result<TableName, ApiError> {
        table_name(self.0.as_deref().unwrap_or_default())
    }
}

/// A table's name from itself or from its resource name.
pub(super) fn table_name(text: &str) -> Result<TableName, ApiError> {
    let name = match text.strip_prefix("arn:") {
        Some(_) => of_resource(text).unwrap_or_default(),
        None => text,
    };
    TableName::new(name).map_err(|_| ApiError::validation(INVALID_NAME))
}

/// The table's name in `arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME`.
pub(super) fn of_resource(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "dynamodb", _, _, resource] => resource.strip_prefix("table/"),
        _ => None,
    }
}

/// `IndexName`, which was constrained.
pub(super) fn index_name(text: Option<&str>) -> Result<Option<IndexName>, ApiError> {
    let name = |text| IndexName::new(text).map_err(|_| ApiError::validation(INVALID_NAME));
    text.map(name).transpose()
}

/// `ReturnConsumedCapacity`
pub(super) fn capacity(fields: &mut Fields<'_>) -> Result<ReturnCapacity, ApiError> {
    Ok(match fields.text("ReturnConsumedCapacity")?.as_deref() {
        Some("TOTAL") => ReturnCapacity::Total,
        Some("INDEXES") => ReturnCapacity::Indexes,
        _ => ReturnCapacity::None,
    })
}

/// `ReturnItemCollectionMetrics`
pub(super) fn metrics(fields: &mut Fields<'_>) -> Result<ReturnMetrics, ApiError> {
    let size = fields.text("ReturnItemCollectionMetrics")?.as_deref() == Some("SIZE");
    Ok(if size { ReturnMetrics::Size } else { ReturnMetrics::None })
}

/// `ReturnValuesOnConditionCheckFailure`
pub(super) fn on_failure(fields: &mut Fields<'_>) -> Result<ReturnOld, ApiError> {
    let old = fields.text("ReturnValuesOnConditionCheckFailure")?.as_deref() == Some("ALL_OLD");
    Ok(if old { ReturnOld::AllOld } else { ReturnOld::None })
}

/// `ReturnValues`
fn return_values(fields: &mut Fields<'_>) -> Result<ReturnValues, ApiError> {
    Ok(match fields.text("ReturnValues")?.as_deref() {
        Some("ALL_OLD") => ReturnValues::AllOld,
        Some("UPDATED_OLD") => ReturnValues::UpdatedOld,
        Some("ALL_NEW") => ReturnValues::AllNew,
        Some("UPDATED_NEW") => ReturnValues::UpdatedNew,
        _ => ReturnValues::None,
    })
}

/// What a write returns and on which condition it depends.
pub(super) struct WriteParameters<'a> {
    pub(super) return_values: ReturnValues,
    pub(super) on_failure: ReturnOld,
    pub(super) capacity: ReturnCapacity,
    pub(super) metrics: ReturnMetrics,
    condition: Option<Cow<'a, str>>,
    expected: Option<Comparisons>,
    pub(super) placeholders: Placeholders<'a>,
    pub(super) legacy: Legacy,
}

impl<'a> WriteParameters<'a> {
    pub(super) fn take(fields: &mut Fields<'a>) -> Result<Self, ApiError> {
        let mut legacy = Legacy::take(fields)?;
        Ok(Self {
            return_values: return_values(fields)?,
            on_failure: on_failure(fields)?,
            capacity: capacity(fields)?,
            metrics: metrics(fields)?,
            condition: fields.text("ConditionExpression")?,
            expected: legacy.expected(fields)?,
            placeholders: Placeholders::take(fields)?,
            legacy,
        })
    }

    /// Rules that do not depend on what the values are, for writes that can only return what was.
    pub(super) fn check_returns_old(&self) -> Result<ReturnOld, ApiError> {
        match self.return_values {
            ReturnValues::None => Ok(ReturnOld::None),
            ReturnValues::AllOld => Ok(ReturnOld::AllOld),
            ReturnValues::UpdatedOld | ReturnValues::AllNew | ReturnValues::UpdatedNew => {
                Err(ApiError::validation("ReturnValues can only be ALL_OLD or NONE"))
            }
        }
    }

    /// Expressions and what came before them cannot be mixed; placeholders need expressions. `also`
    /// is another expression that the operation knows.
    pub(super) fn check_rules(&mut self, also: &[(&str, bool)]) -> Result<(), ApiError> {
        let mut expressions = also.to_vec();
        expressions.push(("ConditionExpression", self.condition.is_some()));
        self.legacy.check_mixture(&expressions)?;
        self.legacy.check_operator(self.expected.as_ref().map(Vec::len))?;
        let any = expressions.iter().any(|(_, present)| *present);
        self.placeholders.check_needed(any, &expressions)
    }

    /// The condition. Whoever asks checks the use of placeholders afterwards.
    pub(super) fn condition(&mut self) -> Result<Option<Condition>, ApiError> {
        self.placeholders.check_contents()?;
        if let Some(expected) = self.expected.take() {
            return legacy::condition(expected, self.legacy.or());
        }
        match &self.condition {
            Some(text) => {
                condition::parse("ConditionExpression", text, &mut self.placeholders).map(Some)
            }
            None => Ok(None),
        }
    }
}

/// Which parts of items a reader wants: `ProjectionExpression` or `AttributesToGet`.
pub(super) struct ProjectionText<'a> {
    pub(super) expression: Option<Cow<'a, str>>,
    pub(super) attributes: Option<Vec<String>>,
}

impl<'a> ProjectionText<'a> {
    pub(super) fn take(fields: &mut Fields<'a>, legacy: &mut Legacy) -> Result<Self, ApiError> {
        let expression = fields.text("ProjectionExpression")?;
        let attributes = fields.texts("AttributesToGet")?;
        legacy.note("AttributesToGet", attributes.is_some());
        Ok(Self { expression, attributes })
    }

    pub(super) fn parse(
        &self,
        placeholders: &mut Placeholders<'_>,
    ) -> Result<Option<Projection>, ApiError> {
        if let Some(text) = &self.expression {
            return projection::parse("ProjectionExpression", text, placeholders).map(Some);
        }
        let Some(attributes) = &self.attributes else { return Ok(None) };
        let paths: Vec<Path> = attributes.iter().map(|name| Path::attribute(name)).collect();
        let duplicate = |_| {
            ApiError::validation(
                "One or more parameter values were invalid: Duplicate value in attribute names",
            )
        };
        Projection::new(&paths).map(Some).map_err(duplicate)
    }
}
