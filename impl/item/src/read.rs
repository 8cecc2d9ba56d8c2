//! Queries and scans: which items of a table or an index to read, in which order, and which part of
//! the key space that is.
//!
//! An index keeps its entries in the order of their keys, byte by byte, like a table:
//!
//! | bytes | content |
//! |---|---|
//! | 16 | token: MD5 of the form of the index's partition key |
//! | .. | partition key of the index: its form with `00` written as `00 FF`, ended by `00 00` |
//! | .. | sort key of the index, if it has one, written and ended likewise |
//! | .. | the item's key in its table |
//!
//! so that entries with equal index keys are told apart by the key of their item.

use crate::capacity::ReturnCapacity;
use crate::key::{KeyError, push_partition, push_terminated};
use crate::limits::{PARTITION_KEY_SIZE_MAX, SEGMENTS_MAX, SORT_KEY_SIZE_MAX};
use crate::table::{Source, SourceKind};
use crate::{
    AttributeValue, Condition, IndexName, Item, KeyAttribute, KeySchema, PackedItem, Projection,
    TableDefinition, TableName,
};
use core::ops::{Bound, RangeInclusive};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Reads items with one partition key, in the order of their sort keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// The table.
    pub table: TableName,
    /// The index to read; none for the table itself.
    pub index: Option<IndexName>,
    /// Which keys.
    pub condition: KeyCondition,
    /// Which of the items found are told.
    pub filter: Option<Condition>,
    /// What is told of each.
    pub select: Select,
    /// How many items to look at, at least 1; as many as a page holds without one.
    pub limit: Option<u32>,
    /// Whether sort keys ascend.
    pub forward: bool,
    /// Whether the read must see every write that was acknowledged before it.
    pub consistent_read: bool,
    /// The key of the last item of the page before.
    pub start: Option<Item>,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
}

/// Reads all items of a table or an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The table.
    pub table: TableName,
    /// The index to read; none for the table itself.
    pub index: Option<IndexName>,
    /// Which of the items found are told.
    pub filter: Option<Condition>,
    /// What is told of each.
    pub select: Select,
    /// How many items to look at, at least 1; as many as a page holds without one.
    pub limit: Option<u32>,
    /// The part to read; all without one.
    pub segment: Option<Segment>,
    /// Whether the read must see every write that was acknowledged before it.
    pub consistent_read: bool,
    /// The key of the last item of the page before.
    pub start: Option<Item>,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
}

/// What is told of the items found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Select {
    /// The whole item, whatever an index holds of it.
    AllAttributes,
    /// All that the index holds.
    AllProjected,
    /// These parts.
    Parts(Projection),
    /// Only how many there are.
    Count,
}

/// One of the equal parts of token space that parallel scans read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct Segment {
    /// Which part: below `total`.
    pub number: u32,
    /// How many parts, 1 to 1,000,000.
    pub total: u32,
}

impl TryFrom<(u32, u32)> for Segment {
    type Error = SegmentError;

    fn try_from((number, total): (u32, u32)) -> Result<Self, SegmentError> {
        let fits = number < total && total <= SEGMENTS_MAX;
        if fits { Ok(Self { number, total }) } else { Err(SegmentError { number, total }) }
    }
}

impl From<Segment> for (u32, u32) {
    fn from(segment: Segment) -> Self {
        (segment.number, segment.total)
    }
}

/// Why numbers are not a [`Segment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segment {number} of {total}: it must be below the total, which is {SEGMENTS_MAX} at most")]
pub struct SegmentError {
    number: u32,
    total: u32,
}

impl Segment {
    /// The tokens of this part, as big-endian numbers. All parts together are all tokens, each in
    /// exactly one part.
    ///
    /// # Panics
    /// When the number is not below the total.
    #[must_use]
    pub fn tokens(self) -> RangeInclusive<u128> {
        assert!(self.number < self.total, "segment {} of {}", self.number, self.total);
        let (number, total) = (u128::from(self.number), u128::from(self.total));
        // ceil(number * 2^128 / total) without 2^128: split 2^128 = share * total + rest.
        let share = u128::MAX / total;
        let rest = u128::MAX % total + 1;
        let first = |number: u128| number * share + (number * rest).div_ceil(total);
        let last = if number + 1 == total { u128::MAX } else { first(number + 1) - 1 };
        first(number)..=last
    }
}

/// A test on one key attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyTest {
    /// `= value`
    Equal(AttributeValue),
    /// `< value`
    Less(AttributeValue),
    /// `<= value`
    LessOrEqual(AttributeValue),
    /// `> value`
    Greater(AttributeValue),
    /// `>= value`
    GreaterOrEqual(AttributeValue),
    /// `BETWEEN low AND high`, both included
    Between {
        /// The lower bound.
        low: AttributeValue,
        /// The upper bound, not below the lower one.
        high: AttributeValue,
    },
    /// `begins_with`, for texts and bytes
    BeginsWith(AttributeValue),
}

/// Which keys a query reads: a test on the partition key, and maybe one on the sort key. Which
/// attribute is which is the table's to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCondition {
    /// Attributes and what is asked of them: one or two.
    pub tests: BTreeMap<String, KeyTest>,
}

/// Why a table cannot be read as asked. Display is the text `DynamoDB` answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ReadError {
    /// The table has no such index.
    #[error("The table does not have the specified index: {0}")]
    IndexNotFound(IndexName),
    /// The index does not show all items yet.
    #[error("Cannot read from backfilling global secondary index: {0}")]
    Backfilling(IndexName),
    /// A global index is asynchronous (DEC-23).
    #[error("Consistent reads are not supported on global secondary indexes")]
    ConsistentGlobal,
    /// A global index cannot tell what it does not hold.
    #[error(
        "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for \
         global secondary index {0} because its projection type is not ALL"
    )]
    NotAllProjected(IndexName),
    /// A global index cannot tell what it does not hold.
    #[error(
        "One or more parameter values were invalid: Global secondary index {index} does not project \
         [{attributes}]"
    )]
    NotProjected {
        /// The index.
        index: IndexName,
        /// The attributes, with commas.
        attributes: String,
    },
    /// The key condition says nothing of a key attribute.
    #[error("Query condition missed key schema element: {0}")]
    KeyMissed(String),
    /// The partition key is tested for something else than equality.
    #[error("Query key condition not supported")]
    KeyConditionNotSupported,
    /// The condition's value is of another type than the key.
    #[error(
        "One or more parameter values were invalid: Condition parameter type does not match schema \
         type"
    )]
    KeyType,
    /// A key cannot be an empty text or empty bytes.
    #[error(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
         contain an empty {kind} value. Key: {name}"
    )]
    KeyEmpty {
        /// The attribute.
        name: String,
        /// `string` or `binary`.
        kind: String,
    },
    /// The condition's value is longer than a key can be.
    #[error(
        "One or more parameter values were invalid: Size of {which} has exceeded the maximum size \
         limit of {limit} bytes"
    )]
    KeyTooLong {
        /// `hashkey` or `rangekey`.
        which: String,
        /// The limit.
        limit: usize,
    },
    /// A query's filter looks at a key attribute.
    #[error(
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: {0}"
    )]
    FilterOnKey(String),
    /// The start is not a key of what is read.
    #[error("The provided starting key is invalid")]
    Start,
    /// The start has other attributes than the key, or of other types.
    #[error(
        "The provided starting key is invalid: The provided key element does not match the schema"
    )]
    StartSchema,
    /// The start is a key that the condition excludes.
    #[error("The provided starting key is outside query boundaries based on provided conditions")]
    StartOutside,
    /// The start is a key of another segment.
    #[error(
        "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use \
         ExclusiveStartKey with correct Segment. TotalSegments: {total} Segment: {number}"
    )]
    StartSegment {
        /// The segment that was asked for.
        number: u32,
        /// Of how many.
        total: u32,
    },
}

/// The keys that a query reads, by the forms of their parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The form of the partition key.
    pub partition: Vec<u8>,
    /// Where the forms of the sort key begin.
    pub low: Bound<Vec<u8>>,
    /// Where they end.
    pub high: Bound<Vec<u8>>,
}

/// Where in an ordered store to read.
pub type StoreRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl KeyRange {
    /// Whether a sort key's form lies within.
    #[must_use]
    pub fn contains(&self, sort: &[u8]) -> bool {
        let above = match &self.low {
            Bound::Included(low) => low.as_slice() <= sort,
            Bound::Excluded(low) => low.as_slice() < sort,
            Bound::Unbounded => true,
        };
        above
            && match &self.high {
                Bound::Included(high) => sort <= high.as_slice(),
                Bound::Excluded(high) => sort < high.as_slice(),
                Bound::Unbounded => true,
            }
    }

    /// The range of the keys of a table, see [`crate::Key::as_bytes`].
    #[must_use]
    pub fn in_table(&self) -> StoreRange {
        let at = |sort: &[u8]| {
            let mut bytes = Vec::new();
            push_partition(&mut bytes, &self.partition);
            bytes.extend_from_slice(sort);
            bytes
        };
        let low = match &self.low {
            Bound::Included(sort) => Bound::Included(at(sort)),
            Bound::Excluded(sort) => Bound::Excluded(at(sort)),
            Bound::Unbounded => Bound::Included(at(&[])),
        };
        let high = match &self.high {
            Bound::Included(sort) => Bound::Included(at(sort)),
            Bound::Excluded(sort) => Bound::Excluded(at(sort)),
            Bound::Unbounded => Bound::Excluded(past_terminator(at(&[]))),
        };
        (low, high)
    }

    /// The range of the entries of an index, see the module header.
    #[must_use]
    pub fn in_index(&self) -> StoreRange {
        let mut partition = Vec::new();
        push_partition(&mut partition, &self.partition);
        let at = |sort: &[u8]| {
            let mut bytes = partition.clone();
            push_terminated(&mut bytes, sort);
            bytes
        };
        let low = match &self.low {
            Bound::Included(sort) => at(sort),
            Bound::Excluded(sort) => past_terminator(at(sort)),
            Bound::Unbounded => partition.clone(),
        };
        let high = match &self.high {
            Bound::Included(sort) => past_terminator(at(sort)),
            Bound::Excluded(sort) => at(sort),
            Bound::Unbounded => past_terminator(partition.clone()),
        };
        (Bound::Included(low), Bound::Excluded(high))
    }
}

/// The first bytes after everything that continues bytes ending in `00 00`: what was escaped
/// continues with `00 FF`.
fn past_terminator(mut bytes: Vec<u8>) -> Vec<u8> {
    let last = bytes.last_mut().expect("terminated bytes end in two zeros");
    debug_assert_eq!(*last, 0);
    *last = 1;
    bytes
}

/// The first bytes after everything that begins with a prefix; none if there are no such bytes.
fn successor(prefix: &[u8]) -> Bound<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != 0xFF);
    kept.map_or(Bound::Unbounded, |at| {
        let mut bytes = prefix[..=at].to_vec();
        bytes[at] += 1;
        Bound::Excluded(bytes)
    })
}

impl KeyCondition {
    /// The keys that hold under a schema.
    ///
    /// # Errors
    /// When the tests do not fit the schema.
    pub fn resolve(&self, schema: &KeySchema) -> Result<KeyRange, ReadError> {
        let partition = &schema.partition;
        let missed = |attribute: &KeyAttribute| ReadError::KeyMissed(attribute.name.clone());
        let test = self.tests.get(&partition.name).ok_or_else(|| missed(partition))?;
        let KeyTest::Equal(value) = test else {
            return Err(ReadError::KeyConditionNotSupported);
        };
        let range = KeyRange {
            partition: form(partition, value, "hashkey", PARTITION_KEY_SIZE_MAX)?,
            low: Bound::Unbounded,
            high: Bound::Unbounded,
        };
        if self.tests.len() == 1 {
            return Ok(range);
        }
        let Some(sort) = schema.sort.as_ref().filter(|_| self.tests.len() == 2) else {
            return Err(ReadError::KeyConditionNotSupported);
        };
        let test = self.tests.get(&sort.name).ok_or_else(|| missed(sort))?;
        let (low, high) = test.bounds(sort)?;
        Ok(KeyRange { low, high, ..range })
    }
}

impl KeyTest {
    /// The forms of the sort keys that pass.
    fn bounds(&self, sort: &KeyAttribute) -> Result<StoreRange, ReadError> {
        let form = |value: &AttributeValue| form(sort, value, "rangekey", SORT_KEY_SIZE_MAX);
        Ok(match self {
            Self::Equal(value) => {
                let form = form(value)?;
                (Bound::Included(form.clone()), Bound::Included(form))
            }
            Self::Less(value) => (Bound::Unbounded, Bound::Excluded(form(value)?)),
            Self::LessOrEqual(value) => (Bound::Unbounded, Bound::Included(form(value)?)),
            Self::Greater(value) => (Bound::Excluded(form(value)?), Bound::Unbounded),
            Self::GreaterOrEqual(value) => (Bound::Included(form(value)?), Bound::Unbounded),
            Self::Between { low, high } => {
                let (low, high) = (form(low)?, form(high)?);
                // Nothing lies between reversed bounds, and a range must not be reversed.
                let reversed = high < low;
                let end =
                    if reversed { Bound::Excluded(low.clone()) } else { Bound::Included(high) };
                (Bound::Included(low), end)
            }
            Self::BeginsWith(AttributeValue::N(_)) => return Err(ReadError::KeyType),
            Self::BeginsWith(value) => {
                let prefix = form(value)?;
                let end = successor(&prefix);
                (Bound::Included(prefix), end)
            }
        })
    }
}

fn form(
    attribute: &KeyAttribute,
    value: &AttributeValue,
    which: &str,
    limit: usize,
) -> Result<Vec<u8>, ReadError> {
    if value.type_name() != attribute.kind.name() {
        return Err(ReadError::KeyType);
    }
    let kind = if matches!(value, AttributeValue::S(_)) { "string" } else { "binary" };
    let empty = || ReadError::KeyEmpty { name: attribute.name.clone(), kind: kind.into() };
    let form = attribute.form(value).ok_or_else(empty)?;
    if form.len() > limit {
        return Err(ReadError::KeyTooLong { which: which.into(), limit });
    }
    Ok(form)
}

impl Source<'_> {
    /// The place of an item's entry in an index, given the item's key in its table; `None` if the
    /// item lacks a key attribute of the index. For the table itself this is the key.
    #[must_use]
    pub fn place(&self, item: &PackedItem, table_key: &KeySchema) -> Option<Vec<u8>> {
        let key = table_key.key_of_item(item).ok()?;
        if self.kind == SourceKind::Table {
            return Some(key.as_bytes().to_vec());
        }
        let schema = &self.key_schema;
        let form = |attribute: &KeyAttribute| attribute.form(&item.get(&attribute.name)?);
        let mut place = Vec::new();
        push_partition(&mut place, &form(&schema.partition)?);
        if let Some(sort) = &schema.sort {
            push_terminated(&mut place, &form(sort)?);
        }
        place.extend_from_slice(key.as_bytes());
        Some(place)
    }

    /// The key attributes by which a reader finds the next page: the index's and the table's.
    #[must_use]
    pub fn position(&self, item: &PackedItem, table_key: &KeySchema) -> Item {
        let wanted: Vec<_> = self.key_names(table_key).collect();
        item.unpack_only(&|name| wanted.contains(&name))
    }

    /// The place of the item that `start` names.
    ///
    /// # Errors
    /// When `start` is not exactly the key attributes of index and table, with valid values.
    pub fn start(&self, start: &Item, table_key: &KeySchema) -> Result<Vec<u8>, ReadError> {
        let mut names: Vec<_> = self.key_names(table_key).collect();
        names.sort_unstable();
        names.dedup();
        if !start.iter().map(|(name, _)| name).eq(names.iter().copied()) {
            return Err(match self.kind {
                SourceKind::Table => ReadError::StartSchema,
                SourceKind::Local | SourceKind::Global => ReadError::Start,
            });
        }
        let packed = PackedItem::pack(start);
        let fits: Result<_, KeyError> = table_key.key_of_item(&packed);
        match (fits, self.place(&packed, table_key)) {
            (Ok(_), Some(place)) => Ok(place),
            _ => Err(ReadError::StartSchema),
        }
    }

    fn key_names<'k>(&'k self, table_key: &'k KeySchema) -> impl Iterator<Item = &'k str> {
        [&self.key_schema, table_key].into_iter().flat_map(|schema| {
            let sort = schema.sort.iter().map(|sort| sort.name.as_str());
            core::iter::once(schema.partition.name.as_str()).chain(sort)
        })
    }

    /// Whether the index holds an attribute.
    #[must_use]
    pub fn holds(&self, attribute: &str, table_key: &KeySchema) -> bool {
        use crate::IndexProjection::{All, Include, KeysOnly};
        self.key_names(table_key).any(|name| name == attribute)
            || match self.projection {
                All => true,
                KeysOnly => false,
                Include(names) => names.iter().any(|name| name == attribute),
            }
    }
}

/// What a query or a scan means for a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPlan<'d> {
    /// What to read.
    pub source: Source<'d>,
    /// Where to read: keys of the table or entries of the index, the start taken into account.
    pub range: StoreRange,
    /// Whether an index entry does not suffice and the item must be read from the table. Only for
    /// local indexes.
    pub fetch: bool,
}

impl Query {
    /// Where to read under a definition.
    ///
    /// # Errors
    /// When the query does not fit the table.
    pub fn plan<'d>(&self, table: &'d TableDefinition) -> Result<ReadPlan<'d>, ReadError> {
        let source = source(table, self.index.as_ref(), self.consistent_read)?;
        let keys = self.condition.resolve(&source.key_schema)?;
        for root in self.filter.iter().flat_map(Condition::roots) {
            let schema = &source.key_schema;
            let sort = schema.sort.as_ref().map(|sort| sort.name.as_str());
            if root == schema.partition.name || Some(root) == sort {
                return Err(ReadError::FilterOnKey(root.to_owned()));
            }
        }
        let fetch = self.select.fetch(&source, table, self.index.as_ref())?;
        let mut range = match source.kind {
            SourceKind::Table => keys.in_table(),
            SourceKind::Local | SourceKind::Global => keys.in_index(),
        };
        if let Some(start) = &self.start {
            let place = source.start(start, &table.key_schema)?;
            if !within(&range, &place) {
                return Err(ReadError::StartOutside);
            }
            let bound = Bound::Excluded(place);
            if self.forward {
                range.0 = bound;
            } else {
                range.1 = bound;
            }
        }
        Ok(ReadPlan { source, range, fetch })
    }
}

impl Scan {
    /// Where to read under a definition.
    ///
    /// # Errors
    /// When the scan does not fit the table.
    pub fn plan<'d>(&self, table: &'d TableDefinition) -> Result<ReadPlan<'d>, ReadError> {
        let source = source(table, self.index.as_ref(), self.consistent_read)?;
        let fetch = self.select.fetch(&source, table, self.index.as_ref())?;
        let mut range = (Bound::Unbounded, Bound::Unbounded);
        if let Some(segment) = self.segment {
            let tokens = segment.tokens();
            range.0 = Bound::Included(tokens.start().to_be_bytes().to_vec());
            if let Some(next) = tokens.end().checked_add(1) {
                range.1 = Bound::Excluded(next.to_be_bytes().to_vec());
            }
        }
        if let Some(start) = &self.start {
            let place = source.start(start, &table.key_schema)?;
            if let Some(Segment { number, total }) = self.segment
                && !within(&range, &place)
            {
                return Err(ReadError::StartSegment { number, total });
            }
            range.0 = Bound::Excluded(place);
        }
        Ok(ReadPlan { source, range, fetch })
    }
}

fn within(range: &StoreRange, place: &[u8]) -> bool {
    KeyRange { partition: Vec::new(), low: range.0.clone(), high: range.1.clone() }.contains(place)
}

fn source<'d>(
    table: &'d TableDefinition,
    index: Option<&IndexName>,
    consistent_read: bool,
) -> Result<Source<'d>, ReadError> {
    let missing = || ReadError::IndexNotFound(index.expect("only an index is missing").clone());
    let source = table.source(index).ok_or_else(missing)?;
    if source.kind == SourceKind::Global && consistent_read {
        return Err(ReadError::ConsistentGlobal);
    }
    Ok(source)
}

impl Select {
    /// Whether telling this of an index entry needs the table's item.
    fn fetch(
        &self,
        source: &Source<'_>,
        table: &TableDefinition,
        index: Option<&IndexName>,
    ) -> Result<bool, ReadError> {
        let lacking: Vec<&str> = match self {
            Self::Count | Self::AllProjected => return Ok(false),
            Self::AllAttributes => match (source.projection, source.kind, index) {
                (crate::IndexProjection::All, ..) => return Ok(false),
                (_, SourceKind::Global, Some(index)) => {
                    return Err(ReadError::NotAllProjected(index.clone()));
                }
                _ => return Ok(true),
            },
            Self::Parts(parts) => {
                parts.roots().filter(|root| !source.holds(root, &table.key_schema)).collect()
            }
        };
        match index {
            Some(index) if source.kind == SourceKind::Global && !lacking.is_empty() => {
                let attributes = lacking.join(", ");
                Err(ReadError::NotProjected { index: index.clone(), attributes })
            }
            _ => Ok(!lacking.is_empty()),
        }
    }
}

/// A page of a query or a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// What is told of the items; nothing if only their number was asked for.
    pub items: Option<Vec<PackedItem>>,
    /// How many items passed the filter.
    pub count: u64,
    /// How many items the page looked at.
    pub scanned: u64,
    /// The key of the last item that the page looked at, unless nothing is left.
    pub last: Option<Item>,
}
