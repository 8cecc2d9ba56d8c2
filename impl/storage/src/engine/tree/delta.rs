//! Changes in memory that the tree does not hold yet, and how they look over it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

use super::{StoredEntry, TreeError, tree};

/// What a key in a delta costs beside its bytes: node, vectors, allocation.
const ENTRY_OVERHEAD: usize = 96;

/// Keys with their newest value; `None` is a deleted key.
#[derive(Debug, Default)]
pub(super) struct Delta {
    pub(super) entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Keys, values and overhead.
    pub(super) bytes: usize,
}

/// A key and its newest value in a delta.
pub(super) type Entry<'d> = (&'d Vec<u8>, &'d Option<Vec<u8>>);

impl Delta {
    pub(super) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        let size = |value: Option<&[u8]>| value.map_or(0, <[u8]>::len);
        self.bytes += key.len() + size(value) + ENTRY_OVERHEAD;
        if let Some(old) = self.entries.insert(key.to_vec(), value.map(<[u8]>::to_vec)) {
            self.bytes -= key.len() + size(old.as_deref()) + ENTRY_OVERHEAD;
        }
    }

    pub(super) fn range(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        self.entries.range::<[u8], _>(range)
    }
}

/// Two deltas in one order: where both have a key, that of the newer.
pub(super) struct Overlay<N: Iterator, O: Iterator> {
    newer: Peekable<N>,
    older: Peekable<O>,
    /// How an earlier key compares with a later one.
    before: Ordering,
}

/// Lays one delta over another. Both come in the order that `before` says.
pub(super) fn overlay<'d, N: Iterator<Item = Entry<'d>>, O: Iterator<Item = Entry<'d>>>(
    newer: N,
    older: O,
    before: Ordering,
) -> Overlay<N, O> {
    Overlay { newer: newer.peekable(), older: older.peekable(), before }
}

impl<'d, N: Iterator<Item = Entry<'d>>, O: Iterator<Item = Entry<'d>>> Iterator for Overlay<N, O> {
    type Item = Entry<'d>;

    fn next(&mut self) -> Option<Entry<'d>> {
        let (Some((new_key, _)), Some((key, _))) = (self.newer.peek(), self.older.peek()) else {
            return self.newer.next().or_else(|| self.older.next());
        };
        let compared = new_key.cmp(key);
        if compared == Ordering::Equal {
            self.older.next();
        }
        if compared == Ordering::Equal || compared == self.before {
            self.newer.next()
        } else {
            self.older.next()
        }
    }
}

/// Visits what a delta and the tree hold together until `visit` returns false. Both come in the order
/// that `before` says.
pub(super) fn merge<'d>(
    delta: impl Iterator<Item = Entry<'d>>,
    stored: impl Iterator<Item = Result<StoredEntry, redb::StorageError>>,
    before: Ordering,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), TreeError> {
    let mut delta = delta.peekable();
    for entry in stored {
        let (key, value) = entry.map_err(tree)?;
        // First what only the delta has.
        while let Some((new_key, new_value)) =
            delta.next_if(|(new_key, _)| new_key.as_slice().cmp(key.value()) == before)
        {
            if let Some(new_value) = new_value
                && !visit(new_key, new_value)
            {
                return Ok(());
            }
        }
        // Where both have the key, the delta is newer.
        let goes_on = match delta.next_if(|(new_key, _)| new_key.as_slice() == key.value()) {
            Some((_, None)) => true,
            Some((_, Some(new_value))) => visit(key.value(), new_value),
            None => visit(key.value(), value.value()),
        };
        if !goes_on {
            return Ok(());
        }
    }
    for (key, value) in delta {
        if let Some(value) = value
            && !visit(key, value)
        {
            break;
        }
    }
    Ok(())
}
