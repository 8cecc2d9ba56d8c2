//! Items that expire: a record per item that has a time to live, in the order of these times, kept by
//! every write. The clock is the leader's: it proposes the removal of what is due, and the removal
//! has an effect only if the item still expires at the time that the leader saw.

use crate::draft::Draft;
use crate::stop::Stop;
use crate::{Command, Tables, layout};
use ringleader_item::{AttributeValue, Item, Key, Number, TableId};
use ringleader_storage::engine::Engine;
use std::ops::Bound;

/// Items that one command removes.
const BATCH_MAX: usize = 100;

/// A time to live that lies further back is taken for a mistake, as on AWS: five years.
const TOO_OLD_SECONDS: u64 = 5 * 365 * 86_400;

/// When an item expires, in seconds since 1970; none if its attribute is no number of seconds.
pub(crate) fn seconds(item: &Item, attribute: &str) -> Option<u64> {
    let AttributeValue::N(number) = item.get(attribute)? else { return None };
    let text = Number::to_string(number);
    text.split('.').next()?.parse().ok()
}

impl<E: Engine> Tables<E> {
    /// The next removal of expired items that a leader should propose.
    pub(crate) fn due(&self, now_unix_s: u64) -> Result<Option<Command>, Stop<E::Error>> {
        let earliest = now_unix_s.saturating_sub(TOO_OLD_SECONDS);
        for table in self.descriptions().filter(|table| table.expiry_attribute.is_some()) {
            let low = layout::expiry(table.id, earliest, &[]);
            let high = layout::expiry(table.id, now_unix_s.saturating_add(1), &[]);
            let mut items = Vec::new();
            self.visit(&(Bound::Included(low), Bound::Excluded(high)), &mut |key, _| {
                items.extend(layout::expiry_of(key));
                Ok(items.len() < BATCH_MAX)
            })?;
            if !items.is_empty() {
                return Ok(Some(Command::Expire { table: table.id, items }));
            }
        }
        Ok(None)
    }

    pub(crate) fn expire(
        &self,
        draft: &mut Draft,
        table: TableId,
        items: &[(u64, Vec<u8>)],
    ) -> Result<(), Stop<E::Error>> {
        let Some(table) = self.by_id(table) else { return Ok(()) };
        let Some(attribute) = &table.expiry_attribute else { return Ok(()) };
        for (due, key) in items {
            let engine_key = [&layout::items(table.id)[..], key].concat();
            let Some(item) = self.stored(&engine_key)? else { continue };
            if seconds(&item.unpack(), attribute) != Some(*due) {
                continue;
            }
            let schema = &table.definition.key_schema;
            let key: Key = schema.key_of_item(&item).map_err(ringleader_item::Refusal::Key)?;
            self.remove(draft, table, &key, &item)?;
        }
        Ok(())
    }
}
