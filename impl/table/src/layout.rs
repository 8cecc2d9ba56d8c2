//! Where things are in the engine.
//!
//! | key | value |
//! |---|---|
//! | `00`, table name | the table's description, see [`crate::catalogue`] |
//! | `01`, table id (16 bytes), item key | a packed item |
//! | `02`, table id, index name, `00`, place | what the index holds of an item, packed |
//! | `03`, log index (8), number in that entry (4) | a write that global indexes have to follow |
//! | `04`, table id, kind of task, index name | where a long task stands |
//! | `05`, table id, seconds since 1970 (8), item key | nothing: the item expires then |
//! | `06`, token | a finished transaction: its fingerprint and when it came |
//! | `07`, milliseconds since 1970 (8), token | nothing: the order in which tokens are forgotten |
//! | `08`, table id, token and partition key | bytes of the item collection (8) |
//! | `09`, table id, maybe index name | items (8) and bytes (8) of the table or the index |
//!
//! Integers are big-endian, so that the order of keys is that of numbers.

use crate::catalogue::item_key;
use crate::counts::Counted;
use ringleader_item::{IndexName, Key, TableId};
use std::ops::Bound;

const ITEMS: u8 = 1;
const INDEXES: u8 = 2;
const FOLLOWED: u8 = 3;
const TASKS: u8 = 4;
const EXPIRIES: u8 = 5;
const TOKENS: u8 = 6;
const TOKEN_TIMES: u8 = 7;
const COLLECTIONS: u8 = 8;
const COUNTS: u8 = 9;

/// What all keys of one kind and table begin with.
fn of_table(kind: u8, table: TableId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.push(kind);
    bytes.extend_from_slice(&table.0.to_be_bytes());
    bytes
}

/// Everything that a table has beside its record: items, indexes, expiries, collections.
pub(crate) fn everything(table: TableId) -> [Vec<u8>; 4] {
    [ITEMS, INDEXES, EXPIRIES, COLLECTIONS].map(|kind| of_table(kind, table))
}

pub(crate) fn items(table: TableId) -> Vec<u8> {
    of_table(ITEMS, table)
}

pub(crate) fn item(table: TableId, key: &Key) -> Vec<u8> {
    item_key(table, key)
}

/// The key inside its table of an item's engine key.
pub(crate) fn key_of(engine_key: &[u8]) -> &[u8] {
    engine_key.get(17..).unwrap_or_default()
}

pub(crate) fn index(table: TableId, name: &IndexName) -> Vec<u8> {
    let mut bytes = of_table(INDEXES, table);
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes.push(0);
    bytes
}

pub(crate) fn followed() -> Vec<u8> {
    vec![FOLLOWED]
}

pub(crate) fn followed_at(log_index: u64, number: u32) -> Vec<u8> {
    let mut bytes = followed();
    bytes.extend_from_slice(&log_index.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes
}

pub(crate) fn tasks() -> Vec<u8> {
    vec![TASKS]
}

pub(crate) fn expiries(table: TableId) -> Vec<u8> {
    of_table(EXPIRIES, table)
}

pub(crate) fn expiry(table: TableId, seconds: u64, key: &[u8]) -> Vec<u8> {
    let mut bytes = expiries(table);
    bytes.extend_from_slice(&seconds.to_be_bytes());
    bytes.extend_from_slice(key);
    bytes
}

/// When, and the key of what expires then, from an engine key.
pub(crate) fn expiry_of(engine_key: &[u8]) -> Option<(u64, Vec<u8>)> {
    let (seconds, key) = key_of(engine_key).split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*seconds), key.to_vec()))
}

pub(crate) fn token(token: &str) -> Vec<u8> {
    [&[TOKENS], token.as_bytes()].concat()
}

pub(crate) fn token_times() -> Vec<u8> {
    vec![TOKEN_TIMES]
}

pub(crate) fn token_time(unix_ms: u64, token: &[u8]) -> Vec<u8> {
    [&[TOKEN_TIMES], &unix_ms.to_be_bytes()[..], token].concat()
}

/// When a token came, and the token, from an engine key.
pub(crate) fn token_time_of(engine_key: &[u8]) -> Option<(u64, &[u8])> {
    let (unix_ms, token) = engine_key.get(1..)?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*unix_ms), token))
}

/// The collection of an item: all of its key but the sort key's form.
pub(crate) fn collection(table: TableId, key: &Key) -> Vec<u8> {
    let mut bytes = of_table(COLLECTIONS, table);
    bytes.extend_from_slice(partition_of(key.as_bytes()));
    bytes
}

pub(crate) fn counts() -> Vec<u8> {
    vec![COUNTS]
}

pub(crate) fn count(counted: &Counted) -> Vec<u8> {
    let mut bytes = of_table(COUNTS, counted.table);
    if let Some(name) = &counted.index {
        bytes.extend_from_slice(name.as_str().as_bytes());
    }
    bytes
}

/// Token and partition key of an item's key: up to the first two zeros that no `FF` follows. They
/// stand behind the token, which may hold zeros itself.
fn partition_of(key: &[u8]) -> &[u8] {
    let (mut at, length) = (16, key.len());
    while at + 1 < length {
        match (key[at], key[at + 1]) {
            (0, 0) => return &key[..at + 2],
            (0, _) => at += 2,
            _ => at += 1,
        }
    }
    key
}

/// The bounds of all keys that begin with a prefix. No prefix here ends in `FF`s only.
pub(crate) fn under(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    (Bound::Included(prefix.to_vec()), after(prefix))
}

/// The end of all keys that begin with a prefix.
pub(crate) fn after(prefix: &[u8]) -> Bound<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF);
    last.map_or(Bound::Unbounded, |at| {
        let mut end = prefix[..=at].to_vec();
        end[at] += 1;
        Bound::Excluded(end)
    })
}

/// A range inside what a prefix names.
pub(crate) fn within(
    prefix: &[u8],
    range: &(Bound<Vec<u8>>, Bound<Vec<u8>>),
) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let at = |rest: &[u8]| [prefix, rest].concat();
    let low = match &range.0 {
        Bound::Included(low) => Bound::Included(at(low)),
        Bound::Excluded(low) => Bound::Excluded(at(low)),
        Bound::Unbounded => Bound::Included(prefix.to_vec()),
    };
    let high = match &range.1 {
        Bound::Included(high) => Bound::Included(at(high)),
        Bound::Excluded(high) => Bound::Excluded(at(high)),
        Bound::Unbounded => after(prefix),
    };
    (low, high)
}

/// Bounds as an engine wants them.
pub(crate) fn borrowed(range: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (range.0.as_ref().map(Vec::as_slice), range.1.as_ref().map(Vec::as_slice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_ends_where_its_terminator_is() {
        let token = [0; 16];
        for (rest, expected) in [
            (&b"abc\0\0sort"[..], 5),
            (b"a\0\xFFb\0\0\0\0", 6),
            (b"\0\xFF\0\xFF\0\0", 6),
            (b"\0\0", 2),
        ] {
            let key = [&token[..], rest].concat();
            assert_eq!(partition_of(&key), &key[..16 + expected], "{rest:?}");
        }
    }

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(after(&[2, 0xFF]), Bound::Excluded(vec![3]));
        assert_eq!(after(&[2, 1]), Bound::Excluded(vec![2, 2]));
        assert_eq!(after(&[0xFF]), Bound::Unbounded);
        let key = expiry(TableId(7), 9, b"key");
        assert_eq!(expiry_of(&key), Some((9, b"key".to_vec())));
        assert_eq!(token_time_of(&token_time(5, b"t")), Some((5, &b"t"[..])));
    }
}
