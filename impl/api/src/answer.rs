//! What is said in return when a request succeeded.

mod account;
mod table;

use crate::value::{push_attributes, push_item, push_list, push_text};
use account::{push_collections, push_consumed, push_consumed_list};
use ringleader_item::{
    BatchedWrite, Consumed, ItemCollection, KeysAndAttributes, PackedItem, Page, TableName,
    TableReport, UpdateTimeToLive,
};
use std::collections::BTreeMap;

/// Where this cluster pretends to be; part of resource names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The region's name.
    pub region: String,
    /// The account's twelve digits.
    pub account: String,
}

/// What a single machine without an account calls itself.
impl Default for Place {
    fn default() -> Self {
        Self { region: "local".into(), account: "000000000000".into() }
    }
}

/// What is told of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The item or its parts, before or after, if asked for and there is something.
    pub attributes: Option<PackedItem>,
    /// What it cost, if asked for.
    pub consumed: Option<Consumed>,
    /// The item collection, if asked for and the table has a local secondary index.
    pub collection: Option<ItemCollection>,
}

impl From<Option<PackedItem>> for Written {
    fn from(attributes: Option<PackedItem>) -> Self {
        Self { attributes, ..Self::default() }
    }
}

/// Item collections by table.
pub type Collections = BTreeMap<TableName, Vec<ItemCollection>>;

/// A successful answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The table that was created.
    CreateTable(TableReport),
    /// The table that was asked for.
    DescribeTable(TableReport),
    /// The changed table.
    UpdateTable(TableReport),
    /// The table that is gone or going.
    DeleteTable(TableReport),
    /// The tables.
    ListTables {
        /// Their names in order.
        names: Vec<TableName>,
        /// The last of these names, unless there is none after it.
        last: Option<TableName>,
    },
    /// The item is stored.
    PutItem(Written),
    /// The item is changed.
    UpdateItem(Written),
    /// The item is gone.
    DeleteItem(Written),
    /// The stored item.
    GetItem {
        /// The wanted parts of the item, if there is one.
        item: Option<PackedItem>,
        /// What it cost, if asked for.
        consumed: Option<Consumed>,
    },
    /// A page of a query.
    Query {
        /// The page.
        page: Page,
        /// What it cost, if asked for.
        consumed: Option<Consumed>,
    },
    /// A page of a scan.
    Scan {
        /// The page.
        page: Page,
        /// What it cost, if asked for.
        consumed: Option<Consumed>,
    },
    /// Several items.
    BatchGetItem {
        /// The items found, for each table that was asked for.
        found: BTreeMap<TableName, Vec<PackedItem>>,
        /// What was not read.
        unprocessed: BTreeMap<TableName, KeysAndAttributes>,
        /// What it cost, a table each, if asked for.
        consumed: Vec<Consumed>,
    },
    /// Several items are written.
    BatchWriteItem {
        /// What was not written.
        unprocessed: BTreeMap<TableName, Vec<BatchedWrite>>,
        /// The item collections, if asked for.
        collections: Collections,
        /// What it cost, a table each, if asked for.
        consumed: Vec<Consumed>,
    },
    /// Several items as they are at one moment.
    TransactGetItems {
        /// For each read its item, if there is one.
        items: Vec<Option<PackedItem>>,
        /// What it cost, a table each, if asked for.
        consumed: Vec<Consumed>,
    },
    /// All parts of a transaction are written.
    TransactWriteItems {
        /// The item collections, if asked for.
        collections: Collections,
        /// What it cost, a table each, if asked for.
        consumed: Vec<Consumed>,
    },
    /// The table has the labels.
    TagResource,
    /// The table no longer has the labels.
    UntagResource,
    /// The table's labels.
    ListTagsOfResource(BTreeMap<String, String>),
    /// The attribute by which items expire, if they do.
    DescribeTimeToLive(Option<String>),
    /// What was asked for is so.
    UpdateTimeToLive(UpdateTimeToLive),
    /// How much throughput can be asked for.
    DescribeLimits,
    /// Where to send requests: host, maybe with a port.
    DescribeEndpoints(String),
}

impl Answer {
    /// The body of the answer.
    #[must_use]
    pub fn encode(&self, place: &Place) -> Vec<u8> {
        let mut out = String::new();
        match self {
            Self::CreateTable(table) | Self::UpdateTable(table) | Self::DeleteTable(table) => {
                table::push_table(&mut out, "TableDescription", table, place);
            }
            Self::DescribeTable(table) => table::push_table(&mut out, "Table", table, place),
            Self::ListTables { names, last } => table::push_names(&mut out, names, last.as_ref()),
            Self::PutItem(written) | Self::UpdateItem(written) | Self::DeleteItem(written) => {
                push_written(&mut out, written);
            }
            Self::GetItem { item, consumed } => {
                push_object(&mut out, |members| {
                    if let Some(item) = item {
                        push_item(members.next("Item"), item);
                    }
                    members.consumed(consumed.as_ref());
                });
            }
            Self::Query { page, consumed } | Self::Scan { page, consumed } => {
                push_page(&mut out, page, consumed.as_ref());
            }
            Self::BatchGetItem { found, unprocessed, consumed } => {
                push_batch_get(&mut out, found, unprocessed, consumed);
            }
            Self::BatchWriteItem { unprocessed, collections, consumed } => {
                push_batch_write(&mut out, unprocessed, collections, consumed);
            }
            Self::TransactGetItems { items, consumed } => push_object(&mut out, |members| {
                push_list(members.next("Responses"), items, |out, item| {
                    push_object(out, |members| {
                        if let Some(item) = item {
                            push_item(members.next("Item"), item);
                        }
                    });
                });
                members.consumed_list(consumed);
            }),
            Self::TransactWriteItems { collections, consumed } => {
                push_object(&mut out, |members| {
                    members.collections(collections);
                    members.consumed_list(consumed);
                });
            }
            // These operations have no output: the body is empty.
            Self::TagResource | Self::UntagResource => {}
            Self::ListTagsOfResource(tags) => table::push_tags(&mut out, tags),
            Self::DescribeTimeToLive(attribute) => {
                table::push_expiry(&mut out, attribute.as_deref());
            }
            Self::UpdateTimeToLive(update) => table::push_expiry_update(&mut out, update),
            Self::DescribeLimits => out.push_str(table::LIMITS),
            Self::DescribeEndpoints(address) => table::push_endpoint(&mut out, address),
        }
        out.into_bytes()
    }
}

fn push_written(out: &mut String, written: &Written) {
    push_object(out, |members| {
        if let Some(item) = &written.attributes {
            push_item(members.next("Attributes"), item);
        }
        members.consumed(written.consumed.as_ref());
        if let Some(collection) = &written.collection {
            account::push_collection(members.next("ItemCollectionMetrics"), collection);
        }
    });
}

fn push_page(out: &mut String, page: &Page, consumed: Option<&Consumed>) {
    push_object(out, |members| {
        if let Some(items) = &page.items {
            push_list(members.next("Items"), items, push_item);
        }
        members.next("Count").push_str(&page.count.to_string());
        members.next("ScannedCount").push_str(&page.scanned.to_string());
        if let Some(last) = &page.last {
            push_attributes(members.next("LastEvaluatedKey"), last);
        }
        members.consumed(consumed);
    });
}

fn push_batch_get(
    out: &mut String,
    found: &BTreeMap<TableName, Vec<PackedItem>>,
    unprocessed: &BTreeMap<TableName, KeysAndAttributes>,
    consumed: &[Consumed],
) {
    push_object(out, |members| {
        push_object(members.next("Responses"), |tables| {
            for (table, items) in found {
                push_list(tables.next(table.as_str()), items, push_item);
            }
        });
        push_object(members.next("UnprocessedKeys"), |tables| {
            for (table, keys) in unprocessed {
                push_keys(tables.next(table.as_str()), keys);
            }
        });
        members.consumed_list(consumed);
    });
}

/// Keys that were not read, as the request wrote them.
fn push_keys(out: &mut String, keys: &KeysAndAttributes) {
    push_object(out, |members| {
        push_list(members.next("Keys"), &keys.keys, push_attributes);
        if keys.consistent_read {
            members.next("ConsistentRead").push_str("true");
        }
        let written = &keys.written;
        if let Some(expression) = &written.expression {
            push_text(members.next("ProjectionExpression"), expression);
        }
        if !written.names.is_empty() {
            push_object(members.next("ExpressionAttributeNames"), |names| {
                for (placeholder, name) in &written.names {
                    push_text(names.next(placeholder), name);
                }
            });
        }
        if !written.attributes.is_empty() {
            push_list(members.next("AttributesToGet"), &written.attributes, |out, name| {
                push_text(out, name);
            });
        }
    });
}

fn push_batch_write(
    out: &mut String,
    unprocessed: &BTreeMap<TableName, Vec<BatchedWrite>>,
    collections: &Collections,
    consumed: &[Consumed],
) {
    push_object(out, |members| {
        push_object(members.next("UnprocessedItems"), |tables| {
            for (table, writes) in unprocessed {
                push_list(tables.next(table.as_str()), writes, push_batched_write);
            }
        });
        members.collections(collections);
        members.consumed_list(consumed);
    });
}

fn push_batched_write(out: &mut String, write: &BatchedWrite) {
    push_object(out, |members| match write {
        BatchedWrite::Put(item) => push_object(members.next("PutRequest"), |members| {
            push_item(members.next("Item"), item);
        }),
        BatchedWrite::Delete(key) => push_object(members.next("DeleteRequest"), |members| {
            push_attributes(members.next("Key"), key);
        }),
    });
}

/// The members of an object that is being written.
struct Members<'o> {
    out: &'o mut String,
    first: bool,
}

impl Members<'_> {
    /// Begins the next member; the caller writes its value.
    fn next(&mut self, name: &str) -> &mut String {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        push_text(self.out, name);
        self.out.push(':');
        self.out
    }

    fn text(&mut self, name: &str, value: &str) {
        push_text(self.next(name), value);
    }

    fn number(&mut self, name: &str, value: u64) {
        self.next(name).push_str(&value.to_string());
    }

    fn consumed(&mut self, consumed: Option<&Consumed>) {
        if let Some(consumed) = consumed {
            push_consumed(self.next("ConsumedCapacity"), consumed);
        }
    }

    fn consumed_list(&mut self, consumed: &[Consumed]) {
        if !consumed.is_empty() {
            push_consumed_list(self.next("ConsumedCapacity"), consumed);
        }
    }

    fn collections(&mut self, collections: &Collections) {
        if !collections.is_empty() {
            push_collections(self.next("ItemCollectionMetrics"), collections);
        }
    }
}

fn push_object(out: &mut String, write: impl FnOnce(&mut Members<'_>)) {
    out.push('{');
    write(&mut Members { out: &mut *out, first: true });
    out.push('}');
}
