//! A state on its way to another replica: parts of bytes, in the order of the keys.
//!
//! ```text
//! offset  bytes  field (integers little endian)
//!      0      1  version, 1
//!      1      4  key length k     \
//!      5      4  value length v    | again and again,
//!      9      k  key               | keys strictly ascending
//!    9+k      v  value            /
//! ```

/// Version of the parts.
const VERSION: u8 = 1;

/// The lengths before each key.
const LENGTHS: usize = 8;

/// Part of a state, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its encoded entries.
    pub bytes: Vec<u8>,
    /// The last key in it; none if it holds nothing.
    pub last_key: Option<Vec<u8>>,
    /// Whether nothing follows.
    pub is_last: bool,
}

/// Why bytes are no part of a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// It was written by another version of this program.
    #[error("part of a snapshot has version {found}, this program reads {VERSION}")]
    Version {
        /// Its version.
        found: u8,
    },
    /// The bytes end in the middle of an entry.
    #[error("part of a snapshot ends at byte {length}, in the middle of an entry")]
    Cut {
        /// How many there are.
        length: usize,
    },
    /// Keys come in order, each once.
    #[error("part of a snapshot has a key at byte {at} that is not above the one before it")]
    Order {
        /// Where its entry begins.
        at: usize,
    },
}

/// Collects entries until they are enough for a part.
#[derive(Debug)]
pub(super) struct PartWriter {
    part: Part,
    bytes_max: usize,
}

impl PartWriter {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { part: Part { bytes: vec![VERSION], last_key: None, is_last: true }, bytes_max }
    }

    /// Adds an entry. False if the part is long enough without it; the first one always fits.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> bool {
        let bytes = &mut self.part.bytes;
        let length = bytes.len() + LENGTHS + key.len() + value.len();
        if length > self.bytes_max && self.part.last_key.is_some() {
            self.part.is_last = false;
            return false;
        }
        for part in [key, value] {
            let length = u32::try_from(part.len()).expect("a log entry is below 4 GiB");
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        self.part.last_key = Some(key.to_vec());
        true
    }

    pub(super) fn finish(self) -> Part {
        self.part
    }
}

/// A key and its value.
pub(super) type Entry<'b> = (&'b [u8], &'b [u8]);

/// The entries of a part, all of whose keys must be above `after`.
pub(super) fn entries<'b>(
    bytes: &'b [u8],
    after: Option<&[u8]>,
) -> Result<Vec<Entry<'b>>, PartError> {
    let cut = PartError::Cut { length: bytes.len() };
    let Some((&version, mut rest)) = bytes.split_first() else { return Err(cut) };
    if version != VERSION {
        return Err(PartError::Version { found: version });
    }
    let mut entries: Vec<Entry<'b>> = Vec::new();
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let key_length = take_length(&mut rest).ok_or_else(|| cut.clone())?;
        let value_length = take_length(&mut rest).ok_or_else(|| cut.clone())?;
        let key = take(&mut rest, key_length).ok_or_else(|| cut.clone())?;
        let value = take(&mut rest, value_length).ok_or_else(|| cut.clone())?;
        if entries.last().map(|(last, _)| *last).or(after).is_some_and(|last| last >= key) {
            return Err(PartError::Order { at });
        }
        entries.push((key, value));
    }
    Ok(entries)
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (length, after) = rest.split_first_chunk()?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_bytes() {
        let mut writer = PartWriter::new(100);
        assert!(writer.push(b"a", b"xyz") && writer.push(b"bc", b""));
        let part = writer.finish();
        let expected: Vec<u8> =
            [&[1][..], &[1, 0, 0, 0, 3, 0, 0, 0], b"axyz", &[2, 0, 0, 0, 0, 0, 0, 0], b"bc"]
                .concat();
        assert_eq!((part.bytes, part.last_key, part.is_last), (expected, Some(b"bc".into()), true));
    }

    #[test]
    fn a_part_is_as_long_as_it_may_be_and_never_empty() {
        let mut writer = PartWriter::new(30);
        assert!(writer.push(b"a", &[0; 100]), "the first entry always fits");
        assert!(!writer.push(b"b", b""));
        let part = writer.finish();
        assert!(!part.is_last && part.last_key.as_deref() == Some(b"a"));
    }

    #[test]
    fn keys_ascend_also_from_part_to_part() {
        let mut writer = PartWriter::new(100);
        writer.push(b"b", b"1");
        let part = writer.finish().bytes;
        assert_eq!(entries(&part, Some(b"a")).unwrap(), [(&b"b"[..], &b"1"[..])]);
        for after in [b"b", b"c"] {
            assert_eq!(entries(&part, Some(after)), Err(PartError::Order { at: 1 }));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_entries_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            match entries(&bytes, None) {
                Ok(entries) => {
                    let mut writer = PartWriter::new(usize::MAX);
                    for (key, value) in entries {
                        writer.push(key, value);
                    }
                    prop_assert_eq!(writer.finish().bytes, bytes);
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}
