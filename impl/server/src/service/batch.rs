//! Batches: cut into parts that are commands and answers of a moderate length.

use super::{AllWritten, Consistency, Service, not_understood};
use crate::limits::BATCH_PART_BYTES_MAX;
use ringleader_api::{Answer, ApiError, ErrorKind};
use ringleader_item::limits::BATCH_GET_SIZE_MAX;
use ringleader_item::{
    BatchGet, BatchWrite, BatchedWrite, Consumed, KeysAndAttributes, PackedItem, Refusal, TableName,
};
use ringleader_table::{Command, Found, Read, check_batch};
use std::collections::BTreeMap;

impl Service {
    /// Reads strong and eventual tables apart, each in parts, up to the API's bytes in all.
    pub(super) async fn batch_get(&self, batch: BatchGet) -> Result<Answer, ApiError> {
        let mut read = ReadSoFar::default();
        let (strong, eventual): (BTreeMap<_, _>, BTreeMap<_, _>) =
            batch.tables.into_iter().partition(|(_, wanted)| wanted.consistent_read);
        for (consistency, tables) in
            [(Consistency::Strong, strong), (Consistency::Eventual, eventual)]
        {
            let mut left = BatchGet { tables, capacity: batch.capacity };
            while !left.tables.is_empty() && read.bytes < BATCH_GET_SIZE_MAX {
                let size_max = BATCH_PART_BYTES_MAX.min(BATCH_GET_SIZE_MAX - read.bytes);
                let part = Read::Items { batch: left.clone(), size_max };
                let found = self.read(&part, consistency).await?;
                let Found::Items { found, unprocessed, consumed } = found else {
                    return Err(not_understood());
                };
                read.add(found, consumed);
                left.tables = unprocessed;
            }
            read.unprocessed.extend(left.tables);
        }
        let ReadSoFar { found, unprocessed, consumed, .. } = read;
        let consumed = consumed.into_values().collect();
        Ok(Answer::BatchGetItem { found, unprocessed, consumed })
    }

    /// Writes in parts. Once a part is written, those that cannot be are told as unprocessed.
    pub(super) async fn batch_write(&self, batch: BatchWrite) -> Result<Answer, ApiError> {
        let mut parts = parts_of(batch);
        if parts.len() > 1 {
            self.check_parts(&parts).await?;
        }
        let mut written = WrittenSoFar::default();
        let mut unprocessed: BTreeMap<TableName, Vec<BatchedWrite>> = BTreeMap::new();
        for (at, part) in parts.drain(..).enumerate() {
            let command = Command::WriteBatch(part);
            match self.write_all(&command).await {
                Ok(answer) => written.add(answer),
                Err(error) if at == 0 || error.kind() == ErrorKind::Validation => {
                    return Err(error);
                }
                Err(_) => {
                    let Command::WriteBatch(part) = command else { continue };
                    for (table, writes) in part.tables {
                        unprocessed.entry(table).or_default().extend(writes);
                    }
                }
            }
        }
        let WrittenSoFar { consumed, collections } = written;
        let consumed = consumed.into_values().collect();
        Ok(Answer::BatchWriteItem { unprocessed, collections, consumed })
    }

    /// What a table would refuse in a later part is refused before the first is written.
    async fn check_parts(&self, parts: &[BatchWrite]) -> Result<(), ApiError> {
        let mut whole: BTreeMap<TableName, Vec<BatchedWrite>> = BTreeMap::new();
        for (table, writes) in parts.iter().flat_map(|part| &part.tables) {
            whole.entry(table.clone()).or_default().extend(writes.iter().cloned());
        }
        let mut tables = BTreeMap::new();
        for name in whole.keys() {
            tables.insert(name.clone(), self.table(name.clone()).await?.description);
        }
        let whole = BatchWrite { tables: whole, ..parts[0].clone() };
        let find = |name: &TableName| {
            tables.get(name).cloned().ok_or_else(|| Refusal::TableNotFound(name.clone()))
        };
        check_batch(&whole, find).map_err(ApiError::from)
    }
}

#[derive(Default)]
struct ReadSoFar {
    found: BTreeMap<TableName, Vec<PackedItem>>,
    unprocessed: BTreeMap<TableName, KeysAndAttributes>,
    consumed: BTreeMap<TableName, Consumed>,
    bytes: usize,
}

impl ReadSoFar {
    fn add(&mut self, found: BTreeMap<TableName, Vec<PackedItem>>, consumed: Vec<Consumed>) {
        for (table, items) in found {
            self.bytes += items.iter().map(|item| item.as_bytes().len()).sum::<usize>();
            self.found.entry(table).or_default().extend(items);
        }
        add_up(&mut self.consumed, consumed);
    }
}

#[derive(Default)]
struct WrittenSoFar {
    consumed: BTreeMap<TableName, Consumed>,
    collections: BTreeMap<TableName, Vec<ringleader_item::ItemCollection>>,
}

impl WrittenSoFar {
    fn add(&mut self, (consumed, collections): AllWritten) {
        add_up(&mut self.consumed, consumed);
        for (table, collections) in collections {
            let known = self.collections.entry(table).or_default();
            // The last write to a collection knows its size.
            known.retain(|old| collections.iter().all(|new| new.key != old.key));
            known.extend(collections);
        }
    }
}

fn add_up(sums: &mut BTreeMap<TableName, Consumed>, consumed: Vec<Consumed>) {
    for consumed in consumed {
        match sums.get_mut(&consumed.table) {
            Some(sum) => sum.add(&consumed),
            None => drop(sums.insert(consumed.table.clone(), consumed)),
        }
    }
}

/// Cuts a batch into parts of a moderate length; most are one.
fn parts_of(batch: BatchWrite) -> Vec<BatchWrite> {
    let BatchWrite { tables, capacity, metrics } = batch;
    let empty = || BatchWrite { tables: BTreeMap::new(), capacity, metrics };
    let (mut parts, mut part, mut bytes) = (Vec::new(), empty(), 0);
    for (table, writes) in tables {
        for write in writes {
            let length = match &write {
                BatchedWrite::Put(item) => item.as_bytes().len(),
                BatchedWrite::Delete(key) => key.size(),
            };
            if bytes > 0 && bytes + length > BATCH_PART_BYTES_MAX {
                parts.push(std::mem::replace(&mut part, empty()));
                bytes = 0;
            }
            bytes += length;
            part.tables.entry(table.clone()).or_default().push(write);
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringleader_item::{Item, ReturnCapacity, ReturnMetrics};

    #[test]
    fn a_batch_is_cut_where_it_is_long() {
        let put = |length: usize| {
            let text = "x".repeat(length);
            BatchedWrite::Put(PackedItem::pack(&Item::from([("id", text.as_str().into())])))
        };
        let batch = |lengths: &[usize]| BatchWrite {
            tables: BTreeMap::from([(
                TableName::new("songs").unwrap(),
                lengths.iter().map(|length| put(*length)).collect(),
            )]),
            capacity: ReturnCapacity::None,
            metrics: ReturnMetrics::None,
        };
        let cut = |lengths: &[usize]| -> Vec<usize> {
            let parts = parts_of(batch(lengths));
            parts.iter().map(|part| part.tables.values().map(Vec::len).sum()).collect()
        };
        assert_eq!(cut(&[10; 25]), [25]);
        assert_eq!(cut(&[400_000; 25]), [5, 5, 5, 5, 5]);
        assert_eq!(cut(&[BATCH_PART_BYTES_MAX + 1, 10]), [1, 1]);
    }
}
