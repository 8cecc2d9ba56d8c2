//! Tables as users define them and as the catalogue holds them: names, keys, indexes, billing,
//! tags, expiry.

use crate::key::{KeyError, KeyValue};
use crate::limits::{TABLE_NAME_LENGTH_MAX, TABLE_NAME_LENGTH_MIN};
use crate::{Item, KeyAttribute, KeySchema, PackedItem};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A table's name: 3 to 255 of `a-z A-Z 0-9 _ . -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName(String);

/// The name of a secondary index: the same rule as for tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IndexName(String);

/// Why a text is not a table's or an index's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a name: {TABLE_NAME_LENGTH_MIN} to {TABLE_NAME_LENGTH_MAX} characters of \
     a-z A-Z 0-9 _ . -"
)]
pub struct TableNameError(String);

fn checked(name: String) -> Result<String, TableNameError> {
    let length_fits = (TABLE_NAME_LENGTH_MIN..=TABLE_NAME_LENGTH_MAX).contains(&name.len());
    if length_fits && name.bytes().all(TableName::allows) {
        Ok(name)
    } else {
        Err(TableNameError(name))
    }
}

impl TableName {
    /// Accepts a valid name.
    ///
    /// # Errors
    /// When a character or the length is not allowed.
    pub fn new(name: impl Into<String>) -> Result<Self, TableNameError> {
        checked(name.into()).map(Self)
    }

    /// Whether a byte may stand in a table name.
    #[must_use]
    pub fn allows(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IndexName {
    /// Accepts a valid name.
    ///
    /// # Errors
    /// When a character or the length is not allowed.
    pub fn new(name: impl Into<String>) -> Result<Self, TableNameError> {
        checked(name.into()).map(Self)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TableName {
    type Error = TableNameError;

    fn try_from(name: String) -> Result<Self, TableNameError> {
        Self::new(name)
    }
}

impl TryFrom<String> for IndexName {
    type Error = TableNameError;

    fn try_from(name: String) -> Result<Self, TableNameError> {
        Self::new(name)
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.0
    }
}

impl From<IndexName> for String {
    fn from(name: IndexName) -> Self {
        name.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table's identity, chosen at random by whoever proposes its creation: a table created again
/// under the same name is another table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableId(pub u128);

/// Printed as a UUID, as `DynamoDB` does.
impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        f.write_str(&groups.join("-"))
    }
}

impl fmt::Debug for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Read and write units a second that are paid for, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Throughput {
    /// Read capacity units a second.
    pub read_units: u64,
    /// Write capacity units a second.
    pub write_units: u64,
}

/// How a table's throughput is billed. Recorded and shown; admission comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BillingMode {
    /// On demand.
    PayPerRequest,
    /// So many units a second.
    Provisioned {
        /// Read capacity units a second, at least 1.
        read_units: u64,
        /// Write capacity units a second, at least 1.
        write_units: u64,
    },
}

/// Which storage class a table is billed for. Recorded and shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TableClass {
    /// The usual one.
    #[default]
    Standard,
    /// Cheaper to store, dearer to read.
    InfrequentAccess,
}

/// Which attributes an index holds beside its own key and the table's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IndexProjection {
    /// All of them.
    All,
    /// None.
    KeysOnly,
    /// These.
    Include(Vec<String>),
}

/// A local secondary index: another sort key for the same partition keys. Always consistent with
/// its table (DEC-23).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LocalIndex {
    /// Its name.
    pub name: IndexName,
    /// Its sort key; its partition key is the table's.
    pub sort: KeyAttribute,
    /// What it holds.
    pub projection: IndexProjection,
}

/// A global secondary index: another key. Asynchronous (DEC-23).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GlobalIndex {
    /// Its name.
    pub name: IndexName,
    /// Its key.
    pub key_schema: KeySchema,
    /// What it holds.
    pub projection: IndexProjection,
    /// Its throughput; none for a table that is billed on demand.
    pub throughput: Option<Throughput>,
}

/// What a user defines when creating a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableDefinition {
    /// The name under which requests find it.
    pub name: TableName,
    /// Its primary key.
    pub key_schema: KeySchema,
    /// How it is billed.
    pub billing: BillingMode,
    /// Its local secondary indexes, names distinct from each other and from the global ones.
    pub local_indexes: Vec<LocalIndex>,
    /// Its global secondary indexes.
    pub global_indexes: Vec<GlobalIndex>,
    /// How its storage is billed.
    pub class: TableClass,
    /// Whether `DeleteTable` is refused.
    pub deletion_protection: bool,
    /// Labels for the user's own purposes.
    pub tags: BTreeMap<String, String>,
}

impl TableDefinition {
    /// A table without indexes and options.
    #[must_use]
    pub fn new(name: TableName, key_schema: KeySchema, billing: BillingMode) -> Self {
        Self {
            name,
            key_schema,
            billing,
            local_indexes: Vec::new(),
            global_indexes: Vec::new(),
            class: TableClass::default(),
            deletion_protection: false,
            tags: BTreeMap::new(),
        }
    }

    /// The table itself, or one of its indexes, as something that can be read.
    #[must_use]
    pub fn source(&self, index: Option<&IndexName>) -> Option<Source<'_>> {
        let Some(name) = index else {
            return Some(Source {
                kind: SourceKind::Table,
                key_schema: self.key_schema.clone(),
                projection: &IndexProjection::All,
            });
        };
        if let Some(local) = self.local_indexes.iter().find(|index| index.name == *name) {
            let partition = self.key_schema.partition.clone();
            return Some(Source {
                kind: SourceKind::Local,
                key_schema: KeySchema { partition, sort: Some(local.sort.clone()) },
                projection: &local.projection,
            });
        }
        let global = self.global_indexes.iter().find(|index| index.name == *name)?;
        Some(Source {
            kind: SourceKind::Global,
            key_schema: global.key_schema.clone(),
            projection: &global.projection,
        })
    }

    /// The names of all indexes, the local ones first.
    pub fn index_names(&self) -> impl Iterator<Item = &IndexName> {
        let local = self.local_indexes.iter().map(|index| &index.name);
        local.chain(self.global_indexes.iter().map(|index| &index.name))
    }

    /// Whether an item may be stored: where it has an attribute that is a key of an index, the
    /// attribute must have the key's type and must not be empty or too long.
    ///
    /// # Errors
    /// With the first index whose key the item cannot be under.
    pub fn check_index_keys(&self, item: &PackedItem) -> Result<(), KeyError> {
        for name in self.index_names() {
            let Some(Source { key_schema: schema, .. }) = self.source(Some(name)) else { continue };
            for attribute in core::iter::once(&schema.partition).chain(&schema.sort) {
                let Some(value) = item.get(&attribute.name) else { continue };
                KeyValue::of_index(value, attribute, &schema, name)?;
            }
        }
        Ok(())
    }
}

/// Something that a query or a scan reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source<'d> {
    /// What it is.
    pub kind: SourceKind,
    /// Its key.
    pub key_schema: KeySchema,
    /// Which attributes it holds.
    pub projection: &'d IndexProjection,
}

/// What a [`Source`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// The table itself.
    Table,
    /// A local secondary index.
    Local,
    /// A global secondary index.
    Global,
}

impl Source<'_> {
    /// What an index holds of an item: `None` if the item lacks a key attribute of the index
    /// (indexes are sparse). `table_key` is the schema of the table below.
    #[must_use]
    pub fn entry(&self, item: &Item, table_key: &KeySchema) -> Option<Item> {
        let keys = |schema: &KeySchema| {
            let sort = schema.sort.iter().map(|sort| sort.name.clone());
            core::iter::once(schema.partition.name.clone()).chain(sort).collect::<Vec<_>>()
        };
        let own = keys(&self.key_schema);
        if own.iter().any(|name| item.get(name).is_none()) {
            return None;
        }
        let also: &[String] = match self.projection {
            IndexProjection::All => return Some(item.clone()),
            IndexProjection::KeysOnly => &[],
            IndexProjection::Include(names) => names,
        };
        let wanted = own.iter().chain(also).cloned().chain(keys(table_key));
        Some(wanted.filter_map(|name| Some((name.clone(), item.get(&name)?.clone()))).collect())
    }
}

/// A table as the catalogue holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableDescription {
    /// What the user defined.
    pub definition: TableDefinition,
    /// Its identity.
    pub id: TableId,
    /// When its creation was proposed, in milliseconds since 1970.
    pub created_unix_ms: u64,
    /// The attribute that tells when an item expires, in seconds since 1970; none if items stay.
    pub expiry_attribute: Option<String>,
}

/// Where a table or an index is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TableStatus {
    /// Being made; an index is being filled.
    Creating,
    /// Being changed.
    Updating,
    /// Being removed.
    Deleting,
    /// Ready.
    #[default]
    Active,
}

/// How much a table or an index holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Extent {
    /// Whether it is ready.
    pub status: TableStatus,
    /// How many items it holds.
    pub items: u64,
    /// How many bytes these items count.
    pub bytes: u64,
}

/// What is told of a table: its record, and how much it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableReport {
    /// The record of the catalogue.
    pub description: TableDescription,
    /// What the table holds.
    pub extent: Extent,
    /// What each index holds. An index that is missing here counts as empty and ready.
    pub indexes: BTreeMap<IndexName, Extent>,
}

impl TableReport {
    /// What the answer to its creation tells of a table.
    #[must_use]
    pub fn creating(description: TableDescription) -> Self {
        let extent = Extent { status: TableStatus::Creating, ..Extent::default() };
        let indexes = description.definition.index_names().map(|name| (name.clone(), extent));
        Self { extent, indexes: indexes.collect(), description }
    }
}

impl From<TableDescription> for TableReport {
    /// A table that is ready and empty.
    fn from(description: TableDescription) -> Self {
        Self { description, extent: Extent::default(), indexes: BTreeMap::new() }
    }
}

/// Changes a table. Each part is independent; at least one is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateTable {
    /// The table.
    pub table: TableName,
    /// How it is to be billed.
    pub billing: Option<BillingMode>,
    /// Its new storage class.
    pub class: Option<TableClass>,
    /// Whether `DeleteTable` is to be refused.
    pub deletion_protection: Option<bool>,
    /// Changes of global secondary indexes.
    pub indexes: Vec<IndexUpdate>,
}

/// A change of a global secondary index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexUpdate {
    /// Makes one.
    Create(GlobalIndex),
    /// Changes how one is billed.
    Update {
        /// Which one.
        name: IndexName,
        /// Its new throughput.
        throughput: Throughput,
    },
    /// Removes one.
    Delete(IndexName),
}

/// Lists tables in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTables {
    /// The list begins after this name, which need not exist.
    pub start: Option<TableName>,
    /// How many names to tell, 1 to 100.
    pub limit: u8,
}

/// Adds labels to a table, or replaces them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagTable {
    /// The table.
    pub table: TableName,
    /// The labels.
    pub tags: BTreeMap<String, String>,
}

/// Removes labels from a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntagTable {
    /// The table.
    pub table: TableName,
    /// Which labels.
    pub keys: Vec<String>,
}

/// Switches the expiry of items on or off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateTimeToLive {
    /// The table.
    pub table: TableName,
    /// On or off.
    pub enabled: bool,
    /// The attribute that tells when an item expires.
    pub attribute: String,
}
