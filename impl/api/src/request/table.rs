//! Operations on tables as a whole, creation and change aside.

use super::parameters::{TableNameText, of_resource};
use crate::ApiError;
use crate::fields::Fields;
use crate::json::Json;
use ringleader_item::limits::TAGS_MAX;
use ringleader_item::{ListTables, TableName, TagTable, UntagTable, UpdateTimeToLive};
use std::collections::BTreeMap;

/// Operations with a table's name and nothing else.
pub(super) fn name(fields: &mut Fields<'_>) -> Result<TableName, ApiError> {
    let table = TableNameText::take(fields)?;
    fields.check_constraints()?;
    table.check()
}

pub(super) fn list(fields: &mut Fields<'_>) -> Result<ListTables, ApiError> {
    const LIMIT_DEFAULT: u8 = 100;
    let start = fields.text("ExclusiveStartTableName")?;
    let limit = fields.integer("Limit")?;
    fields.check_constraints()?;
    let start = start.map(|name| super::parameters::table_name(&name)).transpose()?;
    let limit = limit.and_then(|limit| u8::try_from(limit).ok()).unwrap_or(LIMIT_DEFAULT);
    Ok(ListTables { start, limit })
}

const SPECIFICATION: &str = "TimeToLiveSpecification";

/// A list of labels, which a table may have.
pub(super) fn tags(tags: Vec<Json<'_>>) -> Result<Vec<(String, String)>, ApiError> {
    let read = |json| {
        let mut fields = Fields::of(json, "Tag")?;
        let key = fields.text("Key")?.unwrap_or_default().into_owned();
        let value = fields.text("Value")?.unwrap_or_default().into_owned();
        Ok((key, value))
    };
    tags.into_iter().map(read).collect()
}

/// Labels whose keys are distinct.
pub(super) fn checked_tags(
    tags: Vec<(String, String)>,
) -> Result<BTreeMap<String, String>, ApiError> {
    if tags.len() > TAGS_MAX {
        return Err(ApiError::validation(format!(
            "Too many tags: a resource has {TAGS_MAX} at most"
        )));
    }
    let mut checked = BTreeMap::new();
    for (key, value) in tags {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::validation(
                "One or more parameter values were invalid: Tag keys cannot start with aws:",
            ));
        }
        if checked.insert(key.clone(), value).is_some() {
            return Err(ApiError::validation(format!("Duplicate tag key detected: {key}")));
        }
    }
    Ok(checked)
}

/// The table of `ResourceArn`.
fn resource(arn: Option<&str>) -> Result<TableName, ApiError> {
    let arn = arn.unwrap_or_default();
    of_resource(arn).and_then(|name| TableName::new(name).ok()).ok_or_else(|| {
        ApiError::validation(format!(
            "Invalid TableArn: Invalid ResourceArn provided as input {arn}"
        ))
    })
}

pub(super) fn tag(fields: &mut Fields<'_>) -> Result<TagTable, ApiError> {
    let arn = fields.text("ResourceArn")?;
    let tags = tags(fields.list("Tags")?.unwrap_or_default())?;
    fields.check_constraints()?;
    Ok(TagTable { table: resource(arn.as_deref())?, tags: checked_tags(tags)? })
}

pub(super) fn untag(fields: &mut Fields<'_>) -> Result<UntagTable, ApiError> {
    let arn = fields.text("ResourceArn")?;
    let keys = fields.texts("TagKeys")?;
    fields.check_constraints()?;
    Ok(UntagTable { table: resource(arn.as_deref())?, keys: keys.unwrap_or_default() })
}

pub(super) fn list_tags(fields: &mut Fields<'_>) -> Result<TableName, ApiError> {
    let arn = fields.text("ResourceArn")?;
    let token = fields.text("NextToken")?;
    fields.check_constraints()?;
    if token.is_some() {
        // All labels of a table fit one answer, so we never gave a token.
        return Err(ApiError::validation("Invalid NextToken"));
    }
    resource(arn.as_deref())
}

pub(super) fn update_time_to_live(fields: &mut Fields<'_>) -> Result<UpdateTimeToLive, ApiError> {
    let table = TableNameText::take(fields)?;
    let (mut enabled, mut attribute) = (None, None);
    if let Some(mut fields) = fields.structure(SPECIFICATION, SPECIFICATION)? {
        enabled = fields.boolean("Enabled")?;
        attribute = fields.owned("AttributeName")?;
    }
    fields.check_constraints()?;
    Ok(UpdateTimeToLive {
        table: table.check()?,
        enabled: enabled.unwrap_or(false),
        attribute: attribute.unwrap_or_default(),
    })
}
