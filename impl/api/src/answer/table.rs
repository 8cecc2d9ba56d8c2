//! Tables: descriptions, names, labels, expiry, limits.

use super::{Members, Place, push_object};
use crate::value::{push_list, push_text};
use ringleader_item::{
    BillingMode, Extent, IndexProjection, KeyAttribute, KeySchema, TableClass, TableName,
    TableReport, TableStatus, UpdateTimeToLive,
};
use std::collections::BTreeMap;

/// `DescribeLimits`: what an account and a table may provision. Nothing enforces them here.
pub(super) const LIMITS: &str = r#"{"AccountMaxReadCapacityUnits":80000,"AccountMaxWriteCapacityUnits":80000,"TableMaxReadCapacityUnits":40000,"TableMaxWriteCapacityUnits":40000}"#;

pub(super) fn push_table(out: &mut String, member: &str, report: &TableReport, place: &Place) {
    push_object(out, |members| {
        push_object(members.next(member), |members| push_report(members, report, place));
    });
}

fn push_report(members: &mut Members<'_>, report: &TableReport, place: &Place) {
    let table = &report.description;
    let definition = &table.definition;
    let Place { region, account } = place;
    let arn = format!("arn:aws:dynamodb:{region}:{account}:table/{}", definition.name);
    let created = timestamp(table.created_unix_ms);
    members.text("TableName", definition.name.as_str());
    members.text("TableStatus", status_name(report.extent.status));
    members.text("TableId", &table.id.to_string());
    members.text("TableArn", &arn);
    members.next("CreationDateTime").push_str(&created);
    push_definitions(members, report);
    push_schema(members, &definition.key_schema);
    members.number("ItemCount", report.extent.items);
    members.number("TableSizeBytes", report.extent.bytes);
    let (read_units, write_units) = match definition.billing {
        BillingMode::PayPerRequest => (0, 0),
        BillingMode::Provisioned { read_units, write_units } => (read_units, write_units),
    };
    push_throughput(members, read_units, write_units);
    if definition.billing == BillingMode::PayPerRequest {
        push_object(members.next("BillingModeSummary"), |members| {
            members.text("BillingMode", "PAY_PER_REQUEST");
            members.next("LastUpdateToPayPerRequestDateTime").push_str(&created);
        });
    }
    push_local_indexes(members, report, &arn);
    push_global_indexes(members, report, &arn);
    if definition.class == TableClass::InfrequentAccess {
        push_object(members.next("TableClassSummary"), |members| {
            members.text("TableClass", "STANDARD_INFREQUENT_ACCESS");
        });
    }
    let protected = if definition.deletion_protection { "true" } else { "false" };
    members.next("DeletionProtectionEnabled").push_str(protected);
}

fn status_name(status: TableStatus) -> &'static str {
    match status {
        TableStatus::Creating => "CREATING",
        TableStatus::Updating => "UPDATING",
        TableStatus::Deleting => "DELETING",
        TableStatus::Active => "ACTIVE",
    }
}

/// Seconds since 1970, with milliseconds.
fn timestamp(unix_ms: u64) -> String {
    format!("{}.{:03}", unix_ms / 1_000, unix_ms % 1_000)
}

fn attributes(schema: &KeySchema) -> impl Iterator<Item = &KeyAttribute> {
    std::iter::once(&schema.partition).chain(&schema.sort)
}

/// Every attribute that is part of some key, once.
fn push_definitions(members: &mut Members<'_>, report: &TableReport) {
    let definition = &report.description.definition;
    let local = definition.local_indexes.iter().map(|index| &index.sort);
    let global = definition.global_indexes.iter().flat_map(|index| attributes(&index.key_schema));
    let mut all: Vec<&KeyAttribute> = Vec::new();
    for attribute in attributes(&definition.key_schema).chain(local).chain(global) {
        if !all.contains(&attribute) {
            all.push(attribute);
        }
    }
    push_list(members.next("AttributeDefinitions"), all, |out, attribute| {
        push_object(out, |members| {
            members.text("AttributeName", &attribute.name);
            members.text("AttributeType", attribute.kind.name());
        });
    });
}

fn push_schema(members: &mut Members<'_>, schema: &KeySchema) {
    let roles = attributes(schema).zip(["HASH", "RANGE"]);
    push_list(members.next("KeySchema"), roles, |out, (attribute, role)| {
        push_object(out, |members| {
            members.text("AttributeName", &attribute.name);
            members.text("KeyType", role);
        });
    });
}

fn push_throughput(members: &mut Members<'_>, read_units: u64, write_units: u64) {
    push_object(members.next("ProvisionedThroughput"), |members| {
        members.number("NumberOfDecreasesToday", 0);
        members.number("ReadCapacityUnits", read_units);
        members.number("WriteCapacityUnits", write_units);
    });
}

fn push_projection(members: &mut Members<'_>, projection: &IndexProjection) {
    push_object(members.next("Projection"), |members| match projection {
        IndexProjection::All => members.text("ProjectionType", "ALL"),
        IndexProjection::KeysOnly => members.text("ProjectionType", "KEYS_ONLY"),
        IndexProjection::Include(names) => {
            members.text("ProjectionType", "INCLUDE");
            push_list(members.next("NonKeyAttributes"), names, |out, name| push_text(out, name));
        }
    });
}

fn push_extent(members: &mut Members<'_>, extent: Extent, arn: &str, index: &str) {
    members.number("IndexSizeBytes", extent.bytes);
    members.number("ItemCount", extent.items);
    members.text("IndexArn", &format!("{arn}/index/{index}"));
}

fn push_local_indexes(members: &mut Members<'_>, report: &TableReport, arn: &str) {
    let definition = &report.description.definition;
    if definition.local_indexes.is_empty() {
        return;
    }
    let list = members.next("LocalSecondaryIndexes");
    push_list(list, &definition.local_indexes, |out, index| {
        let extent = report.indexes.get(&index.name).copied().unwrap_or_default();
        let partition = definition.key_schema.partition.clone();
        let schema = KeySchema { partition, sort: Some(index.sort.clone()) };
        push_object(out, |members| {
            members.text("IndexName", index.name.as_str());
            push_schema(members, &schema);
            push_projection(members, &index.projection);
            push_extent(members, extent, arn, index.name.as_str());
        });
    });
}

fn push_global_indexes(members: &mut Members<'_>, report: &TableReport, arn: &str) {
    let definition = &report.description.definition;
    if definition.global_indexes.is_empty() {
        return;
    }
    let comes_with_table = report.extent.status == TableStatus::Creating;
    let list = members.next("GlobalSecondaryIndexes");
    push_list(list, &definition.global_indexes, |out, index| {
        let extent = report.indexes.get(&index.name).copied().unwrap_or_default();
        let throughput = index.throughput.map_or((0, 0), |it| (it.read_units, it.write_units));
        push_object(out, |members| {
            members.text("IndexName", index.name.as_str());
            push_schema(members, &index.key_schema);
            push_projection(members, &index.projection);
            members.text("IndexStatus", status_name(extent.status));
            // An index that comes with its table has nothing to be filled from.
            if extent.status == TableStatus::Creating && !comes_with_table {
                members.next("Backfilling").push_str("true");
            }
            push_throughput(members, throughput.0, throughput.1);
            push_extent(members, extent, arn, index.name.as_str());
        });
    });
}

pub(super) fn push_names(out: &mut String, names: &[TableName], last: Option<&TableName>) {
    push_object(out, |members| {
        push_list(members.next("TableNames"), names, |out, name| push_text(out, name.as_str()));
        if let Some(last) = last {
            members.text("LastEvaluatedTableName", last.as_str());
        }
    });
}

pub(super) fn push_tags(out: &mut String, tags: &BTreeMap<String, String>) {
    push_object(out, |members| {
        push_list(members.next("Tags"), tags, |out, (key, value)| {
            push_object(out, |members| {
                members.text("Key", key);
                members.text("Value", value);
            });
        });
    });
}

pub(super) fn push_expiry(out: &mut String, attribute: Option<&str>) {
    push_object(out, |members| {
        push_object(members.next("TimeToLiveDescription"), |members| {
            let status = if attribute.is_some() { "ENABLED" } else { "DISABLED" };
            members.text("TimeToLiveStatus", status);
            if let Some(attribute) = attribute {
                members.text("AttributeName", attribute);
            }
        });
    });
}

pub(super) fn push_expiry_update(out: &mut String, update: &UpdateTimeToLive) {
    push_object(out, |members| {
        push_object(members.next("TimeToLiveSpecification"), |members| {
            members.next("Enabled").push_str(if update.enabled { "true" } else { "false" });
            members.text("AttributeName", &update.attribute);
        });
    });
}

pub(super) fn push_endpoint(out: &mut String, address: &str) {
    push_object(out, |members| {
        push_list(members.next("Endpoints"), [address], |out, address| {
            push_object(out, |members| {
                members.text("Address", address);
                members.number("CachePeriodInMinutes", 1_440);
            });
        });
    });
}
