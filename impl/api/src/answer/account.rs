//! What a request cost, and the item collections that it wrote to.

use super::{Collections, Members, push_object};
use crate::value::{push_attributes, push_list};
use ringleader_item::{Consumed, ConsumedKind, IndexName, ItemCollection, Units};
use std::collections::BTreeMap;

pub(super) fn push_consumed(out: &mut String, consumed: &Consumed) {
    push_object(out, |members| {
        members.text("TableName", consumed.table.as_str());
        push_units(members, consumed.kind, consumed.total());
        if !consumed.by_index {
            return;
        }
        push_object(members.next("Table"), |members| {
            push_units(members, consumed.kind, consumed.units);
        });
        let mut indexes = |name, parts: &BTreeMap<IndexName, Units>| {
            if parts.is_empty() {
                return;
            }
            push_object(members.next(name), |indexes| {
                for (index, units) in parts {
                    push_object(indexes.next(index.as_str()), |members| {
                        push_units(members, consumed.kind, *units);
                    });
                }
            });
        };
        indexes("LocalSecondaryIndexes", &consumed.local);
        indexes("GlobalSecondaryIndexes", &consumed.global);
    });
}

fn push_units(members: &mut Members<'_>, kind: ConsumedKind, units: Units) {
    let text = units_text(units);
    members.next("CapacityUnits").push_str(&text);
    match kind {
        ConsumedKind::Plain => {}
        ConsumedKind::TransactionRead => members.next("ReadCapacityUnits").push_str(&text),
        ConsumedKind::TransactionWrite => members.next("WriteCapacityUnits").push_str(&text),
    }
}

/// A double with one digit after the point, which is exact.
fn units_text(units: Units) -> String {
    let halves = units.in_halves();
    format!("{}.{}", halves / 2, if halves.is_multiple_of(2) { 0 } else { 5 })
}

pub(super) fn push_consumed_list(out: &mut String, consumed: &[Consumed]) {
    push_list(out, consumed, push_consumed);
}

/// The estimate is a range of one gigabyte.
pub(super) fn push_collection(out: &mut String, collection: &ItemCollection) {
    const GIGABYTE: u64 = 1 << 30;
    push_object(out, |members| {
        push_attributes(members.next("ItemCollectionKey"), &collection.key);
        let low = collection.bytes / GIGABYTE;
        let range = format!("[{low}.0,{}.0]", low + 1);
        members.next("SizeEstimateRangeGB").push_str(&range);
    });
}

pub(super) fn push_collections(out: &mut String, collections: &Collections) {
    push_object(out, |tables| {
        for (table, collections) in collections {
            push_list(tables.next(table.as_str()), collections, push_collection);
        }
    });
}
