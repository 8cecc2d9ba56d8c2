//! Reading items: one, several, pages of queries and scans. All of it from what is applied, so that
//! one read sees one moment.

use crate::stop::Stop;
use crate::{Found, Read, TableError, Tables, layout};
use ringleader_item::capacity::Price;
use ringleader_item::limits::{PAGE_SIZE_MAX, TRANSACTION_SIZE_MAX};
use ringleader_item::read::ReadPlan;
use ringleader_item::{
    BatchGet, Condition, Consumed, ConsumedKind, Get, IndexName, Item, KeysAndAttributes,
    ListTables, PackedItem, Page, Query, ReadError, Refusal, ReturnCapacity, Scan, Select,
    SourceKind, TableDescription, TableName, TransactGet, Units,
};
use ringleader_storage::engine::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What a query and a scan have in common.
struct PageRead<'r> {
    table: &'r TableDescription,
    index: Option<&'r IndexName>,
    plan: ReadPlan<'r>,
    filter: Option<&'r Condition>,
    select: &'r Select,
    limit: u64,
    forward: bool,
    price: Price,
    capacity: ReturnCapacity,
}

/// A page while it grows.
#[derive(Default)]
struct Growing {
    page: Page,
    /// Bytes of the items looked at.
    bytes: usize,
    /// What reading items from the table, for an index that lacks something, costs.
    fetched: Units,
    /// The last item that was looked at, if the page ended with it.
    last: Option<PackedItem>,
}

impl<E: Engine> Tables<E> {
    /// Reads from what is applied.
    ///
    /// # Errors
    /// When the engine fails or holds damaged bytes.
    pub fn read(&self, read: &Read) -> Result<Found, TableError<E::Error>> {
        let found = match read {
            Read::Item(get) => self.item(get),
            Read::Table(name) => self
                .find(name)
                .map(|table| Found::Table(Box::new(self.report(table))))
                .map_err(Stop::from),
            Read::Tables(list) => Ok(self.list(list)),
            Read::Query(query) => self.query(query),
            Read::Scan(scan) => self.scan(scan),
            Read::Items { batch, size_max } => self.items(batch, *size_max),
            Read::Moment(gets) => self.moment(gets),
            Read::Upkeep { now_unix_s } => self.upkeep(*now_unix_s).map(Found::Upkeep),
        };
        match found {
            Ok(found) => Ok(found),
            Err(stop) => stop.refusal().map(Found::Refused),
        }
    }

    fn item(&self, get: &Get) -> Result<Found, Stop<E::Error>> {
        let stored = self.stored(&self.engine_key(&get.table, &get.key)?)?;
        let price = if get.consistent_read { Price::Plain } else { Price::Eventual };
        let units = Units::read(size(stored.as_ref()), price);
        let consumed = Consumed::new(&get.table, ConsumedKind::Plain, units, get.capacity);
        Ok(Found::Item { item: get.project(stored), consumed })
    }

    fn list(&self, wanted: &ListTables) -> Found {
        let names = self.descriptions().map(|table| &table.definition.name);
        let mut names =
            names.filter(|name| wanted.start.as_ref().is_none_or(|start| *name > start));
        let told: Vec<TableName> =
            names.by_ref().take(usize::from(wanted.limit)).cloned().collect();
        let last = names.next().and_then(|_| told.last().cloned());
        Found::Tables { names: told, last }
    }

    fn query(&self, query: &Query) -> Result<Found, Stop<E::Error>> {
        let table = self.find(&query.table)?;
        self.page(&PageRead {
            table,
            index: query.index.as_ref(),
            plan: query.plan(&table.definition).map_err(Refusal::Read)?,
            filter: query.filter.as_ref(),
            select: &query.select,
            limit: query.limit.map_or(u64::MAX, u64::from),
            forward: query.forward,
            price: if query.consistent_read { Price::Plain } else { Price::Eventual },
            capacity: query.capacity,
        })
    }

    fn scan(&self, scan: &Scan) -> Result<Found, Stop<E::Error>> {
        let table = self.find(&scan.table)?;
        self.page(&PageRead {
            table,
            index: scan.index.as_ref(),
            plan: scan.plan(&table.definition).map_err(Refusal::Read)?,
            filter: scan.filter.as_ref(),
            select: &scan.select,
            limit: scan.limit.map_or(u64::MAX, u64::from),
            forward: true,
            price: if scan.consistent_read { Price::Plain } else { Price::Eventual },
            capacity: scan.capacity,
        })
    }

    /// A page ends with the item that brings it to its limit, or beyond 1 MB.
    fn page(&self, read: &PageRead<'_>) -> Result<Found, Stop<E::Error>> {
        let table = read.table;
        let prefix = match read.index {
            Some(name) if self.is_filling(table.id, name) => {
                return Err(Refusal::Read(ReadError::Backfilling(name.clone())).into());
            }
            Some(name) => layout::index(table.id, name),
            None => layout::items(table.id),
        };
        let range = layout::within(&prefix, &read.plan.range);
        let mut growing = Growing::default();
        if !matches!(read.select, Select::Count) {
            growing.page.items = Some(Vec::new());
        }
        let mut visit = |key: &[u8], value: &[u8]| self.look_at(read, &mut growing, key, value);
        if read.forward {
            self.visit(&range, &mut visit)?;
        } else {
            self.visit_back(&range, &mut visit)?;
        }
        let Growing { mut page, bytes, fetched, last } = growing;
        page.last = last.map(|item| read.plan.source.position(&item, &table.definition.key_schema));
        let units = Units::read(bytes, read.price);
        let name = &table.definition.name;
        let mut consumed = Consumed::new(name, ConsumedKind::Plain, fetched, read.capacity);
        if let Some(consumed) = &mut consumed {
            match (read.index, read.plan.source.kind) {
                (Some(name), SourceKind::Local) => consumed.local.extend([(name.clone(), units)]),
                (Some(name), SourceKind::Global) => consumed.global.extend([(name.clone(), units)]),
                _ => consumed.units += units,
            }
        }
        Ok(Found::Page { page, consumed })
    }

    /// Looks at one item for a page. False ends the page.
    fn look_at(
        &self,
        read: &PageRead<'_>,
        growing: &mut Growing,
        key: &[u8],
        value: &[u8],
    ) -> Result<bool, Stop<E::Error>> {
        let mut packed = packed(key, value)?;
        let held = packed.unpack();
        growing.bytes += held.size();
        growing.page.scanned += 1;
        let ends = growing.page.scanned >= read.limit || growing.bytes > PAGE_SIZE_MAX;
        if ends {
            growing.last = Some(packed.clone());
        }
        let mut item = held;
        if read.plan.fetch {
            let table_key = read.table.definition.key_schema.key_of_item(&packed);
            let engine_key = layout::item(read.table.id, &table_key.map_err(Refusal::Key)?);
            if let Some(whole) = self.stored(&engine_key)? {
                item = whole.unpack();
                packed = whole;
            }
            growing.fetched += Units::read(item.size(), read.price);
        }
        if read.filter.is_none_or(|filter| filter.holds(Some(&item))) {
            growing.page.count += 1;
            if let Some(items) = &mut growing.page.items {
                items.push(match read.select {
                    Select::Parts(parts) => PackedItem::pack(&parts.apply(&item)),
                    Select::AllAttributes | Select::AllProjected | Select::Count => packed,
                });
            }
        }
        Ok(!ends)
    }

    fn items(&self, batch: &BatchGet, size_max: usize) -> Result<Found, Stop<E::Error>> {
        let (mut found, mut unprocessed) = (BTreeMap::new(), BTreeMap::new());
        let mut accounts = Vec::new();
        let mut bytes = 0;
        for (name, wanted) in &batch.tables {
            let table = self.find(name)?;
            let schema = &table.definition.key_schema;
            let mut keys = BTreeSet::new();
            for key in &wanted.keys {
                let key = schema.key_of_attributes(key).map_err(Refusal::Key)?;
                if !keys.insert(layout::item(table.id, &key)) {
                    return Err(Refusal::DuplicateKeys.into());
                }
            }
            let price = if wanted.consistent_read { Price::Plain } else { Price::Eventual };
            let (mut items, mut left, mut units) = (Vec::new(), Vec::new(), Units::ZERO);
            for key in &wanted.keys {
                if bytes >= size_max {
                    left.push(key.clone());
                    continue;
                }
                let stored = self.stored(&self.engine_key(name, key)?)?;
                let item_bytes = stored.as_ref().map_or(0, |item| item.as_bytes().len());
                if bytes > 0 && bytes + item_bytes > size_max {
                    bytes = size_max;
                    left.push(key.clone());
                    continue;
                }
                bytes += item_bytes;
                units += Units::read(size(stored.as_ref()), price);
                items.extend(stored.map(|item| match &wanted.projection {
                    Some(parts) => PackedItem::pack(&parts.apply(&item.unpack())),
                    None => item,
                }));
            }
            if !left.is_empty() {
                let rest = KeysAndAttributes { keys: left, ..wanted.clone() };
                unprocessed.insert(name.clone(), rest);
            }
            accounts.extend(Consumed::new(name, ConsumedKind::Plain, units, batch.capacity));
            found.insert(name.clone(), items);
        }
        Ok(Found::Items { found, unprocessed, consumed: accounts })
    }

    fn moment(&self, gets: &TransactGet) -> Result<Found, Stop<E::Error>> {
        let mut accounts: BTreeMap<TableName, Consumed> = BTreeMap::new();
        let (mut items, mut keys, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
        for get in &gets.gets {
            let key = self.engine_key(&get.table, &get.key)?;
            let stored = self.stored(&key)?;
            if !keys.insert(key) {
                return Err(Refusal::DuplicateParts.into());
            }
            let size = size(stored.as_ref());
            bytes += size;
            if bytes > TRANSACTION_SIZE_MAX {
                return Err(Refusal::TransactionTooLarge.into());
            }
            let units = Units::read(size, Price::Transaction);
            let kind = ConsumedKind::TransactionRead;
            let consumed = Consumed::new(&get.table, kind, units, gets.capacity);
            match (accounts.get_mut(&get.table), consumed) {
                (Some(sum), Some(consumed)) => sum.add(&consumed),
                (None, Some(consumed)) => drop(accounts.insert(get.table.clone(), consumed)),
                (_, None) => {}
            }
            items.push(get.project(stored));
        }
        Ok(Found::Moment { items, consumed: accounts.into_values().collect() })
    }

    /// Visits a range of the engine upwards until `visit` says no or fails.
    pub(crate) fn visit(
        &self,
        range: &(Bound<Vec<u8>>, Bound<Vec<u8>>),
        visit: Visit<'_, E::Error>,
    ) -> Result<(), Stop<E::Error>> {
        let mut stop = None;
        let mut each = stopping(visit, &mut stop);
        let scanned = self.engine().scan(layout::borrowed(range), &mut each);
        drop(each);
        scanned.map_err(TableError::Engine)?;
        stop.map_or(Ok(()), Err)
    }

    fn visit_back(
        &self,
        range: &(Bound<Vec<u8>>, Bound<Vec<u8>>),
        visit: Visit<'_, E::Error>,
    ) -> Result<(), Stop<E::Error>> {
        let mut stop = None;
        let mut each = stopping(visit, &mut stop);
        let scanned = self.engine().scan_back(layout::borrowed(range), &mut each);
        drop(each);
        scanned.map_err(TableError::Engine)?;
        stop.map_or(Ok(()), Err)
    }

    fn engine_key(&self, table: &TableName, key: &Item) -> Result<Vec<u8>, Refusal> {
        let table = self.find(table)?;
        let key = table.definition.key_schema.key_of_attributes(key)?;
        Ok(layout::item(table.id, &key))
    }
}

/// What to do with each key and value; true goes on.
pub(crate) type Visit<'v, E> = &'v mut dyn FnMut(&[u8], &[u8]) -> Result<bool, Stop<E>>;

/// A visitor that keeps what stopped it.
fn stopping<'v, E>(
    visit: Visit<'v, E>,
    stop: &'v mut Option<Stop<E>>,
) -> impl FnMut(&[u8], &[u8]) -> bool + 'v {
    move |key, value| match visit(key, value) {
        Ok(goes_on) => goes_on,
        Err(error) => {
            *stop = Some(error);
            false
        }
    }
}

fn packed<E>(key: &[u8], value: &[u8]) -> Result<PackedItem, TableError<E>> {
    let damaged = |_| TableError::Damaged { what: "item", key: key.to_vec() };
    PackedItem::from_bytes(value.to_vec()).map_err(damaged)
}

fn size(item: Option<&PackedItem>) -> usize {
    item.map_or(0, PackedItem::size)
}
