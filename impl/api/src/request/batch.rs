//! `BatchGetItem` and `BatchWriteItem`.

use super::legacy::Legacy;
use super::parameters::{ProjectionText, capacity, metrics, table_name};
use super::put_item::pack;
use crate::ApiError;
use crate::expression::placeholders::Placeholders;
use crate::fields::{Fields, list};
use crate::json::Json;
use crate::value::ValueReader;
use ringleader_item::limits::{BATCH_GET_MAX, BATCH_WRITE_MAX};
use ringleader_item::{
    BatchGet, BatchWrite, BatchedWrite, Item, KeysAndAttributes, WrittenProjection,
};
use std::borrow::Cow;
use std::collections::BTreeMap;

const TYPES: &str = "com.amazonaws.dynamodb.v20120810";

/// What a batch reads of one table, before it is checked.
struct KeysText<'a> {
    keys: Vec<Item>,
    consistent_read: bool,
    projection: ProjectionText<'a>,
    placeholders: Placeholders<'a>,
    legacy: Legacy,
}

impl<'a> KeysText<'a> {
    fn take(json: Json<'a>, values: &mut ValueReader) -> Result<Self, ApiError> {
        let mut fields = Fields::of(json, "KeysAndAttributes")?;
        let mut legacy = Legacy::take(&mut fields)?;
        let keys = fields.list("Keys")?.unwrap_or_default();
        Ok(Self {
            keys: keys.into_iter().map(|json| values.entries(json)).collect::<Result<_, _>>()?,
            consistent_read: fields.boolean("ConsistentRead")?.unwrap_or(false),
            projection: ProjectionText::take(&mut fields, &mut legacy)?,
            placeholders: Placeholders::take_names(&mut fields)?,
            legacy,
        })
    }

    fn check(mut self) -> Result<KeysAndAttributes, ApiError> {
        let expression = self.projection.expression.is_some();
        self.legacy.check_mixture(&[("ProjectionExpression", expression)])?;
        self.placeholders.check_needed(expression, &[])?;
        self.placeholders.check_contents()?;
        let projection = self.projection.parse(&mut self.placeholders)?;
        self.placeholders.check_used()?;
        Ok(KeysAndAttributes {
            keys: self.keys,
            consistent_read: self.consistent_read,
            projection,
            written: WrittenProjection {
                expression: self.projection.expression.map(Cow::into_owned),
                names: self.placeholders.into_names(),
                attributes: self.projection.attributes.unwrap_or_default(),
            },
        })
    }
}

pub(super) fn get(fields: &mut Fields<'_>) -> Result<BatchGet, ApiError> {
    let mut values = ValueReader::default();
    let tables = fields.map("RequestItems", &format!("{TYPES}.KeysAndAttributes"))?;
    let read = |(name, json)| Ok((name, KeysText::take(json, &mut values)?));
    let texts = tables.unwrap_or_default().into_iter().map(read);
    let texts = texts.collect::<Result<Vec<_>, ApiError>>()?;
    let capacity = capacity(fields)?;
    fields.check_constraints()?;

    values.check()?;
    let mut tables = BTreeMap::new();
    for (name, text) in texts {
        let keys = text.check()?;
        if tables.insert(table_name(&name)?, keys).is_some() {
            return Err(named_twice());
        }
    }
    let count: usize = tables.values().map(|keys| keys.keys.len()).sum();
    if count > BATCH_GET_MAX {
        return Err(too_many("BatchGetItem"));
    }
    for keys in tables.values() {
        let mut all: Vec<_> = keys.keys.iter().map(ringleader_item::PackedItem::pack).collect();
        all.sort_unstable_by(|left, right| left.as_bytes().cmp(right.as_bytes()));
        if all.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(ApiError::validation("Provided list of item keys contains duplicates"));
        }
    }
    Ok(BatchGet { tables, capacity })
}

/// One write of a batch, before it is checked.
struct WriteText {
    put: Option<Item>,
    delete: Option<Item>,
}

impl WriteText {
    fn take(json: Json<'_>, values: &mut ValueReader) -> Result<Self, ApiError> {
        let mut fields = Fields::of(json, "WriteRequest")?;
        let mut attributes = |fields: Option<Fields<'_>>, name: &str| match fields {
            Some(mut fields) => values.attributes(&mut fields, name).map(Option::unwrap_or_default),
            None => Ok(Item::new()),
        };
        let put = fields.structure("PutRequest", "PutRequest")?;
        let delete = fields.structure("DeleteRequest", "DeleteRequest")?;
        let (puts, deletes) = (put.is_some(), delete.is_some());
        Ok(Self {
            put: puts.then_some(attributes(put, "Item")?),
            delete: deletes.then_some(attributes(delete, "Key")?),
        })
    }

    fn check(self) -> Result<BatchedWrite, ApiError> {
        match (self.put, self.delete) {
            (Some(item), None) => Ok(BatchedWrite::Put(pack(&item)?)),
            (None, Some(key)) => Ok(BatchedWrite::Delete(key)),
            (Some(_), Some(_)) => Err(ApiError::validation(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one \
                 of the supported datatypes",
            )),
            (None, None) => Err(ApiError::validation(
                "Supplied AttributeValue is empty, must contain exactly one of the supported \
                 datatypes",
            )),
        }
    }
}

pub(super) fn write(fields: &mut Fields<'_>) -> Result<BatchWrite, ApiError> {
    let mut values = ValueReader::default();
    let tables = fields.map("RequestItems", "java.util.List")?.unwrap_or_default();
    let mut texts = Vec::with_capacity(tables.len());
    for (name, json) in tables {
        let writes = if json == Json::Null { Vec::new() } else { list(json, "java.util.List")? };
        let writes = writes.into_iter().map(|json| WriteText::take(json, &mut values));
        texts.push((name, writes.collect::<Result<Vec<_>, _>>()?));
    }
    let capacity = capacity(fields)?;
    let metrics = metrics(fields)?;
    fields.check_constraints()?;

    values.check()?;
    let count: usize = texts.iter().map(|(_, writes)| writes.len()).sum();
    if count > BATCH_WRITE_MAX {
        return Err(too_many("BatchWriteItem"));
    }
    let mut tables = BTreeMap::new();
    for (name, writes) in texts {
        let writes = writes.into_iter().map(WriteText::check).collect::<Result<_, _>>()?;
        if tables.insert(table_name(&name)?, writes).is_some() {
            return Err(named_twice());
        }
    }
    Ok(BatchWrite { tables, capacity, metrics })
}

fn too_many(operation: &str) -> ApiError {
    ApiError::validation(format!("Too many items requested for the {operation} call"))
}

/// Once by name and once by resource name.
fn named_twice() -> ApiError {
    ApiError::validation("One or more parameter values were invalid: a table is named twice")
}
