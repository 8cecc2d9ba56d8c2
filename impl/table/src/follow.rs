//! Global secondary indexes: each write of an item that an index shows leaves a note; a later command
//! has the index follow the oldest notes (DEC-23: asynchronous).
//!
//! A note says where the item stood in each index before the write. To follow it is to remove these
//! places and to put the item as it is *now*. That is right however often the item changed meanwhile:
//! the place of each version but the present one is in a later note, and is removed there before the
//! item is put once more. `INDEX-1`: with no note left, each index holds exactly the entries of the
//! table's items.

use crate::counts::{Change as CountChange, Counted};
use crate::draft::Draft;
use crate::stop::Stop;
use crate::write::Entry;
use crate::{TableError, Tables, layout};
use ringleader_item::{
    AttributeValue, IndexName, Item, PackedItem, SourceKind, TableDescription, TableId,
};
use ringleader_storage::engine::Engine;
use std::collections::BTreeMap;

/// Bytes of items after which one command does no more.
pub(crate) const COMMAND_BYTES_MAX: usize = 1 << 20;

/// What a write left for the global indexes of its table.
struct Note {
    table: TableId,
    key: Vec<u8>,
    places: BTreeMap<IndexName, Vec<u8>>,
}

impl Note {
    fn decode(record: &[u8]) -> Option<Self> {
        let item = PackedItem::from_bytes(record.to_vec()).ok()?;
        let AttributeValue::B(table) = item.get("table")? else { return None };
        let AttributeValue::B(key) = item.get("key")? else { return None };
        let AttributeValue::M(places) = item.get("places")? else { return None };
        let place = |(name, place): (String, AttributeValue)| {
            let AttributeValue::B(place) = place else { return None };
            Some((IndexName::new(name).ok()?, place))
        };
        Some(Self {
            table: TableId(u128::from_be_bytes(table.as_slice().try_into().ok()?)),
            key,
            places: places.into_iter().map(place).collect::<Option<_>>()?,
        })
    }
}

impl<E: Engine> Tables<E> {
    /// Has global indexes follow the oldest notes, at most so many.
    pub(crate) fn follow_notes(&self, draft: &mut Draft, limit: u32) -> Result<(), Stop<E::Error>> {
        let mut notes = Vec::new();
        let mut damaged = None;
        self.visit(&layout::under(&layout::followed()), &mut |key, record| {
            match Note::decode(record) {
                Some(note) => notes.push((key.to_vec(), note)),
                None => damaged = Some(key.to_vec()),
            }
            Ok(damaged.is_none() && notes.len() < limit as usize)
        })?;
        if let Some(key) = damaged {
            return Err(TableError::Damaged { what: "note", key }.into());
        }
        let mut bytes = 0;
        for (key, note) in notes {
            if bytes >= COMMAND_BYTES_MAX {
                break;
            }
            if let Some(table) = self.by_id(note.table) {
                bytes += self.follow_note(draft, table, &note)?;
            }
            draft.delete(key);
            draft.caught_up += 1;
        }
        Ok(())
    }

    fn follow_note(
        &self,
        draft: &mut Draft,
        table: &TableDescription,
        note: &Note,
    ) -> Result<usize, Stop<E::Error>> {
        let engine_key = [&layout::items(table.id)[..], &note.key].concat();
        let present = self.stored(&engine_key)?;
        let unpacked = present.as_ref().map(PackedItem::unpack);
        let mut bytes = note.key.len();
        for index in &table.definition.global_indexes {
            let prefix = layout::index(table.id, &index.name);
            if let Some(place) = note.places.get(&index.name) {
                let key = [&prefix[..], place].concat();
                self.count_entry(draft, Counted::index(table.id, &index.name), &key, None)?;
                draft.delete(key);
            }
            if let (Some(packed), Some(item)) = (&present, &unpacked) {
                bytes += self.put_entry(draft, table, &index.name, packed, item)?;
            }
        }
        Ok(bytes)
    }

    /// Puts an item into a global index; nothing if it lacks a key of it. Returns the entry's bytes.
    pub(crate) fn put_entry(
        &self,
        draft: &mut Draft,
        table: &TableDescription,
        name: &IndexName,
        packed: &PackedItem,
        item: &Item,
    ) -> Result<usize, Stop<E::Error>> {
        let source = table.definition.source(Some(name)).expect("the name is its own");
        debug_assert_eq!(source.kind, SourceKind::Global, "local indexes follow at once");
        let Some(entry) = Entry::new(&source, packed, item, table) else { return Ok(0) };
        let key = [&layout::index(table.id, name)[..], &entry.place].concat();
        self.count_entry(draft, Counted::index(table.id, name), &key, Some(entry.size))?;
        let value = entry.packed.into_bytes();
        let bytes = key.len() + value.len();
        draft.put(key, value);
        Ok(bytes)
    }

    /// Counts that an entry of a global index now counts so many bytes, or is gone. It may have been
    /// there or not: notes of one item meet, and so do notes and the filling of an index.
    fn count_entry(
        &self,
        draft: &mut Draft,
        counted: Counted,
        key: &[u8],
        after: Option<usize>,
    ) -> Result<(), Stop<E::Error>> {
        let before = match draft.entry(key) {
            Some(size) => *size,
            None => self.stored(key)?.as_ref().map(PackedItem::size),
        };
        draft.set_entry(key.to_vec(), after);
        draft.count(counted, CountChange::of_item(before, after));
        Ok(())
    }
}
