//! What a request asks of a table, and why a table refuses: the words the API and the table share.

use crate::key::KeyError;
use crate::limits::{TABLE_NAME_LENGTH_MAX, TABLE_NAME_LENGTH_MIN};
use crate::{Condition, Item, KeySchema, PackedItem};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A table's name: 3 to 255 of `a-z A-Z 0-9 _ . -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName(String);

/// Why a text is not a table name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a table name: {TABLE_NAME_LENGTH_MIN} to {TABLE_NAME_LENGTH_MAX} characters of \
     a-z A-Z 0-9 _ . -"
)]
pub struct TableNameError(String);

impl TableName {
    /// Accepts a valid name.
    ///
    /// # Errors
    /// When a character or the length is not allowed.
    pub fn new(name: impl Into<String>) -> Result<Self, TableNameError> {
        let name = name.into();
        let length_fits = (TABLE_NAME_LENGTH_MIN..=TABLE_NAME_LENGTH_MAX).contains(&name.len());
        if length_fits && name.bytes().all(Self::allows) {
            Ok(Self(name))
        } else {
            Err(TableNameError(name))
        }
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

impl TryFrom<String> for TableName {
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

impl fmt::Display for TableName {
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

/// What a user defines when creating a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableDefinition {
    /// The name under which requests find it.
    pub name: TableName,
    /// Its primary key.
    pub key_schema: KeySchema,
    /// How it is billed.
    pub billing: BillingMode,
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
}

/// Whether an answer carries the item as it was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReturnOld {
    /// It does not.
    #[default]
    None,
    /// It carries the whole item, if there was one.
    AllOld,
}

/// Stores an item, replacing the one with its key, if the condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The table.
    pub table: TableName,
    /// The new item.
    pub item: PackedItem,
    /// What must hold for the stored item.
    pub condition: Option<Condition>,
    /// Whether success tells the replaced item.
    pub return_values: ReturnOld,
    /// Whether a failed condition tells the stored item.
    pub return_values_on_failure: ReturnOld,
}

/// Removes the item with a key, if there is one and the condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// The table.
    pub table: TableName,
    /// The key attributes.
    pub key: Item,
    /// What must hold for the stored item.
    pub condition: Option<Condition>,
    /// Whether success tells the removed item.
    pub return_values: ReturnOld,
    /// Whether a failed condition tells the stored item.
    pub return_values_on_failure: ReturnOld,
}

/// Why a table refuses a request. Each is certain to have had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// No table has this name.
    #[error("no table {0}")]
    TableNotFound(TableName),
    /// A table with this name exists already.
    #[error("table {0} exists")]
    TableExists(TableName),
    /// The attributes do not form a key of this table.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The condition does not hold.
    #[error("the condition does not hold")]
    ConditionFailed {
        /// The stored item, if the request asked for it and there is one.
        old: Option<PackedItem>,
    },
}
