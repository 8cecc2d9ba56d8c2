//! Writing one item, and everything that follows from it: local indexes, the note for the global
//! ones, the expiry, the size of the item collection.

use crate::counts::{Change as CountChange, Counted};
use crate::draft::Draft;
use crate::stop::Stop;
use crate::{Tables, Written, expiry, layout};
use ringleader_item::capacity::{IndexChange, Price};
use ringleader_item::{
    AttributeValue, Condition, Consumed, ConsumedKind, Delete, IndexName, Item, ItemCollection,
    Key, PackedItem, Put, Refusal, ReturnCapacity, ReturnMetrics, ReturnOld, ReturnValues, Source,
    SourceKind, TableDescription, TableName, Units, Update, UpdateProgram,
};
use ringleader_storage::engine::Engine;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes that the items of one partition key may have in a table with local secondary indexes,
/// entries of the indexes included.
const COLLECTION_SIZE_MAX: u64 = 10 << 30;

/// What a write does to its item.
pub(crate) enum Intent<'c> {
    Put(&'c PackedItem),
    Delete,
    Update { program: &'c UpdateProgram, key: &'c Item },
}

/// One write, whatever request it came in.
pub(crate) struct ItemWrite<'c> {
    pub(crate) table: &'c TableName,
    pub(crate) intent: Intent<'c>,
    /// The key attributes; none for a put, which has them in its item.
    pub(crate) key: Option<&'c Item>,
    pub(crate) condition: Option<&'c Condition>,
    pub(crate) returns: ReturnValues,
    pub(crate) on_failure: ReturnOld,
    pub(crate) capacity: ReturnCapacity,
    pub(crate) metrics: ReturnMetrics,
    pub(crate) price: Price,
}

impl<'c> ItemWrite<'c> {
    pub(crate) fn of_put(put: &'c Put) -> Self {
        Self {
            table: &put.table,
            intent: Intent::Put(&put.item),
            key: None,
            condition: put.condition.as_ref(),
            returns: of_old(put.return_values),
            on_failure: put.return_values_on_failure,
            capacity: put.capacity,
            metrics: put.metrics,
            price: Price::Plain,
        }
    }

    pub(crate) fn of_delete(delete: &'c Delete) -> Self {
        Self {
            table: &delete.table,
            intent: Intent::Delete,
            key: Some(&delete.key),
            condition: delete.condition.as_ref(),
            returns: of_old(delete.return_values),
            on_failure: delete.return_values_on_failure,
            capacity: delete.capacity,
            metrics: delete.metrics,
            price: Price::Plain,
        }
    }

    pub(crate) fn of_update(update: &'c Update) -> Self {
        Self {
            table: &update.table,
            intent: Intent::Update { program: &update.update, key: &update.key },
            key: Some(&update.key),
            condition: update.condition.as_ref(),
            returns: update.return_values,
            on_failure: update.return_values_on_failure,
            capacity: update.capacity,
            metrics: update.metrics,
            price: Price::Plain,
        }
    }
}

fn of_old(returns: ReturnOld) -> ReturnValues {
    match returns {
        ReturnOld::None => ReturnValues::None,
        ReturnOld::AllOld => ReturnValues::AllOld,
    }
}

/// An item before and after a write, where something follows from it.
struct Followed<'t> {
    table: &'t TableDescription,
    key: &'t Key,
    before: Option<Version<'t>>,
    after: Option<Version<'t>>,
}

/// An item in both forms.
struct Version<'t> {
    packed: &'t PackedItem,
    item: Item,
}

impl<'t> Version<'t> {
    fn new(packed: &'t PackedItem) -> Self {
        Self { packed, item: packed.unpack() }
    }
}

/// What an index holds of an item.
#[derive(PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) place: Vec<u8>,
    pub(crate) packed: PackedItem,
    /// Bytes that it counts.
    pub(crate) size: usize,
}

impl Entry {
    pub(crate) fn new(
        source: &Source<'_>,
        packed: &PackedItem,
        item: &Item,
        table: &TableDescription,
    ) -> Option<Self> {
        let schema = &table.definition.key_schema;
        let place = source.place(packed, schema)?;
        let held = source.entry(item, schema)?;
        Some(Self { place, packed: PackedItem::pack(&held), size: held.size() })
    }
}

/// How a write changes an index.
fn change_of(before: Option<&Entry>, after: Option<&Entry>) -> IndexChange {
    match (before, after) {
        (None, None) => IndexChange::None,
        (Some(before), Some(after)) if before == after => IndexChange::None,
        (Some(before), Some(after)) if before.place != after.place => IndexChange::Moved,
        _ => IndexChange::InPlace,
    }
}

impl<E: Engine> Tables<E> {
    /// Adds one write to what an entry changes, and says what it is answered.
    pub(crate) fn write(
        &self,
        draft: &mut Draft,
        write: &ItemWrite<'_>,
    ) -> Result<Written, Stop<E::Error>> {
        let table = self.find(write.table)?;
        let schema = &table.definition.key_schema;
        let key = match (&write.intent, write.key) {
            (Intent::Put(item), _) => {
                table.definition.check_index_keys(item).map_err(Refusal::Key)?;
                schema.key_of_item(item)
            }
            (Intent::Delete | Intent::Update { .. }, key) => {
                schema.key_of_attributes(key.unwrap_or(&Item::new()))
            }
        };
        let key = key.map_err(Refusal::Key)?;
        if let Intent::Update { program, .. } = &write.intent {
            program.check_key(schema).map_err(Refusal::Update)?;
        }
        let engine_key = layout::item(table.id, &key);
        let has_followers = has_followers(table);
        let is_update = matches!(write.intent, Intent::Update { .. });
        let before = self.stored(&engine_key)?;
        if write.condition.is_some_and(|condition| !condition.holds_packed(before.as_ref())) {
            let old = before.filter(|_| write.on_failure == ReturnOld::AllOld);
            return Err(Refusal::ConditionFailed { old }.into());
        }
        let after = after(write, before.as_ref())?;
        if is_update && let Some(after) = &after {
            table.definition.check_index_keys(after).map_err(Refusal::Key)?;
        }
        match &after {
            Some(item) => draft.put(engine_key, item.as_bytes().to_vec()),
            None => draft.delete(engine_key),
        }
        let sizes = (before.as_ref().map(PackedItem::size), after.as_deref().map(PackedItem::size));
        draft.count(Counted::table(table.id), CountChange::of_item(sizes.0, sizes.1));
        let mut written = Written::default();
        if write.capacity != ReturnCapacity::None {
            let units = Units::write(sizes.0, sizes.1, write.price);
            let kind = match write.price {
                Price::Transaction => ConsumedKind::TransactionWrite,
                Price::Plain | Price::Eventual => ConsumedKind::Plain,
            };
            written.consumed = Consumed::new(write.table, kind, units, write.capacity);
        }
        if has_followers {
            let followed = Followed {
                table,
                key: &key,
                before: before.as_ref().map(Version::new),
                after: after.as_deref().map(Version::new),
            };
            let bytes = self.follow(draft, &followed, write.price, written.consumed.as_mut())?;
            if let Some(bytes) = bytes.filter(|_| write.metrics == ReturnMetrics::Size) {
                written.collection = collection_of(&followed, write.key, bytes);
            }
        }
        written.attributes = attributes(write, before, after);
        Ok(written)
    }

    /// Removes an item that has expired, with all that follows.
    pub(crate) fn remove(
        &self,
        draft: &mut Draft,
        table: &TableDescription,
        key: &Key,
        before: &PackedItem,
    ) -> Result<(), Stop<E::Error>> {
        draft.delete(layout::item(table.id, key));
        let change = CountChange::of_item(Some(before.size()), None);
        draft.count(Counted::table(table.id), change);
        let followed = Followed { table, key, before: Some(Version::new(before)), after: None };
        self.follow(draft, &followed, Price::Plain, None)?;
        Ok(())
    }

    /// Has indexes, expiry and collection follow a write. Returns the bytes of the collection, if
    /// the table counts them.
    fn follow(
        &self,
        draft: &mut Draft,
        write: &Followed<'_>,
        price: Price,
        mut consumed: Option<&mut Consumed>,
    ) -> Result<Option<u64>, Stop<E::Error>> {
        let table = write.table;
        let size = |version: &Option<Version<'_>>| version.as_ref().map_or(0, |it| it.item.size());
        let (mut bytes_before, mut bytes_after) = (size(&write.before), size(&write.after));
        let mut old_places = BTreeMap::new();
        let mut global_changed = false;
        for name in table.definition.index_names() {
            let source = table.definition.source(Some(name)).expect("the name is its own");
            let entry = |version: &Option<Version<'_>>| {
                let version = version.as_ref()?;
                Entry::new(&source, version.packed, &version.item, table)
            };
            let (before, after) = (entry(&write.before), entry(&write.after));
            let change = change_of(before.as_ref(), after.as_ref());
            if let Some(consumed) = consumed.as_deref_mut() {
                let size = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.size);
                let units = Units::index_write(size(&before), size(&after), change, price);
                account(consumed, source.kind, name, units);
            }
            if source.kind == SourceKind::Local {
                bytes_before += before.as_ref().map_or(0, |entry| entry.size);
                bytes_after += after.as_ref().map_or(0, |entry| entry.size);
                follow_locally(draft, table, name, change, (before, after));
            } else if change != IndexChange::None {
                global_changed = true;
                if let Some(before) = before {
                    old_places.insert(name.as_str().to_owned(), AttributeValue::B(before.place));
                }
            }
        }
        if global_changed {
            draft.follow(&PackedItem::pack(&Item::from([
                ("table", AttributeValue::B(table.id.0.to_be_bytes().to_vec())),
                ("key", AttributeValue::B(write.key.as_bytes().to_vec())),
                ("places", AttributeValue::M(old_places)),
            ])));
        }
        follow_expiry(draft, write);
        if table.definition.local_indexes.is_empty() {
            return Ok(None);
        }
        let (added, removed) = (bytes_after as u64, bytes_before as u64);
        let key = layout::collection(table.id, write.key);
        let present = match draft.collection(&key) {
            Some(bytes) => bytes,
            None => self.number(&key)?,
        };
        let bytes = (present + added).saturating_sub(removed);
        if bytes > COLLECTION_SIZE_MAX && added > removed {
            return Err(Refusal::ItemCollectionTooLarge.into());
        }
        draft.set_collection(key, bytes);
        Ok(Some(bytes))
    }
}

/// Whether anything but the item itself changes with a write.
fn has_followers(table: &TableDescription) -> bool {
    let definition = &table.definition;
    !definition.local_indexes.is_empty()
        || !definition.global_indexes.is_empty()
        || table.expiry_attribute.is_some()
}

/// The item after a write.
fn after<'c>(
    write: &ItemWrite<'c>,
    before: Option<&PackedItem>,
) -> Result<Option<Cow<'c, PackedItem>>, Refusal> {
    Ok(match &write.intent {
        Intent::Put(item) => Some(Cow::Borrowed(*item)),
        Intent::Delete => None,
        Intent::Update { program, key } => {
            let before = before.map(PackedItem::unpack);
            let after = program.apply(before.as_ref(), key).map_err(Refusal::Update)?;
            Some(Cow::Owned(PackedItem::pack(&after)))
        }
    })
}

/// What a write tells of its item.
fn attributes(
    write: &ItemWrite<'_>,
    before: Option<PackedItem>,
    after: Option<Cow<'_, PackedItem>>,
) -> Option<PackedItem> {
    let parts = |item: Option<&PackedItem>| {
        let Intent::Update { program, .. } = &write.intent else { return None };
        let parts = program.updated_parts(&item?.unpack());
        (!parts.is_empty()).then(|| PackedItem::pack(&parts))
    };
    match write.returns {
        ReturnValues::None => None,
        ReturnValues::AllOld => before,
        ReturnValues::AllNew => after.map(Cow::into_owned),
        ReturnValues::UpdatedOld => parts(before.as_ref()),
        ReturnValues::UpdatedNew => parts(after.as_deref()),
    }
}

fn account(consumed: &mut Consumed, kind: SourceKind, name: &IndexName, units: Units) {
    let parts = match kind {
        SourceKind::Local => &mut consumed.local,
        SourceKind::Global => &mut consumed.global,
        SourceKind::Table => return,
    };
    if units != Units::ZERO {
        *parts.entry(name.clone()).or_default() += units;
    }
}

fn follow_locally(
    draft: &mut Draft,
    table: &TableDescription,
    name: &IndexName,
    change: IndexChange,
    (before, after): (Option<Entry>, Option<Entry>),
) {
    let prefix = layout::index(table.id, name);
    let at = |place: &[u8]| [&prefix[..], place].concat();
    if change == IndexChange::None {
        return;
    }
    let size = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.size);
    let count_change = CountChange::of_item(size(&before), size(&after));
    draft.count(Counted::index(table.id, name), count_change);
    if let Some(before) = &before
        && after.as_ref().is_none_or(|after| after.place != before.place)
    {
        draft.delete(at(&before.place));
    }
    if let Some(after) = after {
        draft.put(at(&after.place), after.packed.into_bytes());
    }
}

fn follow_expiry(draft: &mut Draft, write: &Followed<'_>) {
    let Some(attribute) = &write.table.expiry_attribute else { return };
    let expiry =
        |version: &Option<Version<'_>>| expiry::seconds(&version.as_ref()?.item, attribute);
    let (before, after) = (expiry(&write.before), expiry(&write.after));
    if before == after {
        return;
    }
    let at = |seconds| layout::expiry(write.table.id, seconds, write.key.as_bytes());
    if let Some(before) = before {
        draft.delete(at(before));
    }
    if let Some(after) = after {
        draft.put(at(after), Vec::new());
    }
}

fn collection_of(write: &Followed<'_>, key: Option<&Item>, bytes: u64) -> Option<ItemCollection> {
    let partition = &write.table.definition.key_schema.partition.name;
    let of_version = |version: &Option<Version<'_>>| {
        version.as_ref().and_then(|version| version.item.get(partition).cloned())
    };
    let value = key
        .and_then(|key| key.get(partition).cloned())
        .or_else(|| of_version(&write.after))
        .or_else(|| of_version(&write.before))?;
    Some(ItemCollection { key: Item::from([(partition.as_str(), value)]), bytes })
}
