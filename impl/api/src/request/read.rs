//! `Query` and `Scan`.

use super::legacy::{self, Comparisons, Legacy};
use super::parameters::{ProjectionText, TableNameText, capacity, index_name};
use crate::ApiError;
use crate::expression::placeholders::Placeholders;
use crate::expression::{condition, key_condition};
use crate::fields::Fields;
use crate::value::ValueReader;
use ringleader_item::{Condition, IndexName, Query, Scan, Segment, Select};
use std::borrow::Cow;

/// What queries and scans have in common.
struct Reading<'a> {
    values: ValueReader,
    table: TableNameText<'a>,
    index: Option<Cow<'a, str>>,
    select: Option<Cow<'a, str>>,
    limit: Option<i64>,
    consistent_read: bool,
    start: Option<ringleader_item::Item>,
    capacity: ringleader_item::ReturnCapacity,
    projection: ProjectionText<'a>,
    filter: Option<Cow<'a, str>>,
    old_filter: Option<Comparisons>,
    placeholders: Placeholders<'a>,
    legacy: Legacy,
}

impl<'a> Reading<'a> {
    fn take(fields: &mut Fields<'a>, old_filter: &'static str) -> Result<Self, ApiError> {
        let mut values = ValueReader::default();
        let mut legacy = Legacy::take(fields)?;
        Ok(Self {
            table: TableNameText::take(fields)?,
            index: fields.text("IndexName")?,
            select: fields.text("Select")?,
            limit: fields.integer("Limit")?,
            consistent_read: fields.boolean("ConsistentRead")?.unwrap_or(false),
            start: values.attributes(fields, "ExclusiveStartKey")?,
            capacity: capacity(fields)?,
            projection: ProjectionText::take(fields, &mut legacy)?,
            filter: fields.text("FilterExpression")?,
            old_filter: legacy.conditions(fields, old_filter)?,
            placeholders: Placeholders::take(fields)?,
            values,
            legacy,
        })
    }

    /// Rules between parameters; `keys` is the key condition of a query.
    fn check_rules(&mut self, keys: Option<bool>) -> Result<(), ApiError> {
        let mut with_values = vec![("FilterExpression", self.filter.is_some())];
        with_values.extend(keys.map(|present| ("KeyConditionExpression", present)));
        let mut expressions = with_values.clone();
        expressions.push(("ProjectionExpression", self.projection.expression.is_some()));
        self.legacy.check_mixture(&expressions)?;
        let any = expressions.iter().any(|(_, present)| *present);
        self.placeholders.check_needed(any, &with_values)?;
        self.legacy.check_operator(self.old_filter.as_ref().map(Vec::len))?;
        std::mem::take(&mut self.values).check()?;
        self.placeholders.check_contents()
    }

    fn filter(&mut self) -> Result<Option<Condition>, ApiError> {
        if let Some(comparisons) = self.old_filter.take() {
            return legacy::condition(comparisons, self.legacy.or());
        }
        let Some(text) = &self.filter else { return Ok(None) };
        condition::parse("FilterExpression", text, &mut self.placeholders).map(Some)
    }

    fn index(&self) -> Result<Option<IndexName>, ApiError> {
        index_name(self.index.as_deref())
    }

    fn select(&mut self, verb: &str) -> Result<Select, ApiError> {
        let projection = self.projection.parse(&mut self.placeholders)?;
        let parameter = if self.projection.expression.is_some() {
            "ProjectionExpression"
        } else {
            "AttributesToGet"
        };
        let choice = self.select.as_deref();
        if let Some(projection) = projection {
            let choosing = match choice {
                None | Some("SPECIFIC_ATTRIBUTES") => return Ok(Select::Parts(projection)),
                Some("COUNT") => "only the Count",
                Some(other) => other,
            };
            return Err(ApiError::validation(format!(
                "Cannot specify the {parameter} when choosing to get {choosing}"
            )));
        }
        match (choice, &self.index) {
            (Some("COUNT"), _) => Ok(Select::Count),
            (Some("SPECIFIC_ATTRIBUTES"), _) => Err(ApiError::validation(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get \
                 SPECIFIC_ATTRIBUTES",
            )),
            (Some("ALL_PROJECTED_ATTRIBUTES"), None) => Err(ApiError::validation(format!(
                "One or more parameter values were invalid: ALL_PROJECTED_ATTRIBUTES can be used \
                 only when {verb} using an IndexName"
            ))),
            (Some("ALL_PROJECTED_ATTRIBUTES") | None, Some(_)) => Ok(Select::AllProjected),
            (_, _) => Ok(Select::AllAttributes),
        }
    }

    fn limit(&self) -> Option<u32> {
        self.limit.and_then(|limit| u32::try_from(limit).ok())
    }
}

pub(super) fn query(fields: &mut Fields<'_>) -> Result<Query, ApiError> {
    let mut reading = Reading::take(fields, "QueryFilter")?;
    let keys = fields.text("KeyConditionExpression")?;
    let old_keys = reading.legacy.conditions(fields, "KeyConditions")?;
    let forward = fields.boolean("ScanIndexForward")?.unwrap_or(true);
    fields.check_constraints()?;

    let table = reading.table.check()?;
    let index = reading.index()?;
    reading.check_rules(Some(keys.is_some()))?;
    let condition = match (&keys, old_keys) {
        (Some(text), _) => key_condition::parse(text, &mut reading.placeholders)?,
        (None, Some(comparisons)) => legacy::key_condition(comparisons)?,
        (None, None) => {
            return Err(ApiError::validation(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in \
                 the request.",
            ));
        }
    };
    let filter = reading.filter()?;
    let select = reading.select("Querying")?;
    reading.placeholders.check_used()?;
    Ok(Query {
        table,
        index,
        condition,
        filter,
        select,
        limit: reading.limit(),
        forward,
        consistent_read: reading.consistent_read,
        start: reading.start,
        capacity: reading.capacity,
    })
}

pub(super) fn scan(fields: &mut Fields<'_>) -> Result<Scan, ApiError> {
    let mut reading = Reading::take(fields, "ScanFilter")?;
    let number = fields.integer("Segment")?;
    let total = fields.integer("TotalSegments")?;
    fields.check_constraints()?;

    let table = reading.table.check()?;
    let index = reading.index()?;
    let segment = segment(number, total)?;
    reading.check_rules(None)?;
    let filter = reading.filter()?;
    let select = reading.select("Scanning")?;
    reading.placeholders.check_used()?;
    Ok(Scan {
        table,
        index,
        filter,
        select,
        limit: reading.limit(),
        segment,
        consistent_read: reading.consistent_read,
        start: reading.start,
        capacity: reading.capacity,
    })
}

fn segment(number: Option<i64>, total: Option<i64>) -> Result<Option<Segment>, ApiError> {
    match (number, total) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(ApiError::validation(
            "The TotalSegments parameter is required but was not present in the request when Segment \
             parameter is present",
        )),
        (None, Some(_)) => Err(ApiError::validation(
            "The Segment parameter is required but was not present in the request when parameter \
             TotalSegments is present",
        )),
        (Some(number), Some(total)) => {
            let bounds = u32::try_from(number).ok().zip(u32::try_from(total).ok());
            match bounds.filter(|(number, total)| number < total) {
                Some((number, total)) => Ok(Some(Segment { number, total })),
                None => Err(ApiError::validation(format!(
                    "The Segment parameter is zero-based and must be less than parameter \
                     TotalSegments: Segment: {number} is not less than TotalSegments: {total}"
                ))),
            }
        }
    }
}
