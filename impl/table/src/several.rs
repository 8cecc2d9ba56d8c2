//! Several writes in one log entry: batches, whose writes have nothing to do with each other, and
//! transactions, which happen as a whole or not at all.
//!
//! A transaction within one replication group is one log entry: nothing comes between its conditions
//! and its writes, and a read of the applied state sees all of it or nothing. `TRANSACTION-1`: a
//! cancelled transaction has no effect.

use crate::draft::Draft;
use crate::stop::Stop;
use crate::write::{Intent, ItemWrite};
use crate::{Answer, TableError, Tables, Written, layout};
use ringleader_item::capacity::Price;
use ringleader_item::limits::TRANSACTION_SIZE_MAX;
use ringleader_item::{
    AttributeValue, BatchWrite, BatchedWrite, CancellationReason, ConditionCheck, Consumed,
    ConsumedKind, Delete, Item, ItemCollection, PackedItem, Put, Refusal, ReturnCapacity,
    TableDescription, TableName, TransactPart, TransactWrite, Units,
};
use ringleader_storage::engine::Engine;
use std::collections::{BTreeMap, BTreeSet};

/// How long a token names its request: ten minutes.
const TOKEN_LIFETIME_MS: u64 = 600_000;

/// Tokens that one transaction forgets, at most: more than one, so that they do not pile up.
const FORGOTTEN_TOKENS_MAX: usize = 8;

/// What several writes are answered, summed up.
#[derive(Default)]
struct Sums {
    consumed: BTreeMap<TableName, Consumed>,
    collections: BTreeMap<TableName, Vec<ItemCollection>>,
}

impl Sums {
    fn add(&mut self, table: &TableName, written: Written) {
        if let Some(consumed) = written.consumed {
            self.consume(consumed);
        }
        if let Some(collection) = written.collection {
            let known = self.collections.entry(table.clone()).or_default();
            // The last write to a collection knows its size.
            known.retain(|other| other.key != collection.key);
            known.push(collection);
        }
    }

    fn consume(&mut self, consumed: Consumed) {
        match self.consumed.get_mut(&consumed.table) {
            Some(sum) => sum.add(&consumed),
            None => drop(self.consumed.insert(consumed.table.clone(), consumed)),
        }
    }

    fn answer(self) -> Answer {
        let Self { consumed, collections } = self;
        Answer::AllWritten { consumed: consumed.into_values().collect(), collections }
    }
}

impl<E: Engine> Tables<E> {
    pub(crate) fn write_batch(
        &self,
        draft: &mut Draft,
        batch: &BatchWrite,
    ) -> Result<Answer, Stop<E::Error>> {
        check_batch(batch, |name| self.find(name).cloned())?;
        let mut sums = Sums::default();
        for (name, writes) in &batch.tables {
            for write in writes {
                let written = match write {
                    BatchedWrite::Put(item) => {
                        let mut put = Put::new(name.clone(), item.clone());
                        (put.capacity, put.metrics) = (batch.capacity, batch.metrics);
                        self.write(draft, &ItemWrite::of_put(&put))?
                    }
                    BatchedWrite::Delete(key) => {
                        let mut delete = Delete::new(name.clone(), key.clone());
                        (delete.capacity, delete.metrics) = (batch.capacity, batch.metrics);
                        self.write(draft, &ItemWrite::of_delete(&delete))?
                    }
                };
                sums.add(name, written);
            }
        }
        Ok(sums.answer())
    }

    pub(crate) fn transact(
        &self,
        draft: &mut Draft,
        transaction: &TransactWrite,
        fingerprint: u128,
        now_unix_ms: u64,
    ) -> Result<Answer, Stop<E::Error>> {
        self.check_parts(transaction)?;
        if let Some(token) = &transaction.token
            && let Some((known, at)) = self.known_token(token)?
            && at.saturating_add(TOKEN_LIFETIME_MS) > now_unix_ms
        {
            if known != fingerprint {
                return Err(Refusal::TokenReused.into());
            }
            return self.repeated(transaction);
        }
        let mut sums = Sums::default();
        let (mut reasons, mut cancelled) = (Vec::new(), false);
        for part in &transaction.parts {
            let reason = match self.do_part(draft, transaction, part) {
                Ok(written) => {
                    sums.add(part.table(), written);
                    CancellationReason::None
                }
                Err(Stop::Failed(error)) => return Err(error.into()),
                Err(Stop::Refused(refusal)) => {
                    cancelled = true;
                    reason_of(refusal)
                }
            };
            reasons.push(reason);
        }
        if cancelled {
            return Err(Refusal::TransactionCancelled(reasons).into());
        }
        if let Some(token) = &transaction.token {
            self.remember(draft, token, fingerprint, now_unix_ms)?;
        }
        Ok(sums.answer())
    }

    /// What is wrong with a transaction as a whole.
    fn check_parts(&self, transaction: &TransactWrite) -> Result<(), Stop<E::Error>> {
        let (mut keys, mut size) = (BTreeSet::new(), 0);
        for part in &transaction.parts {
            let table = self.find(part.table())?;
            let schema = &table.definition.key_schema;
            let key = match part {
                TransactPart::Put(put) => {
                    size += put.item.size();
                    schema.key_of_item(&put.item)
                }
                TransactPart::Check(_) | TransactPart::Delete(_) | TransactPart::Update(_) => {
                    schema.key_of_attributes(part.key().unwrap_or(&Item::new()))
                }
            };
            // A part without a valid key is told so in its place.
            if let Ok(key) = key
                && !keys.insert(layout::item(table.id, &key))
            {
                return Err(Refusal::DuplicateParts.into());
            }
        }
        if size > TRANSACTION_SIZE_MAX {
            return Err(Refusal::TransactionTooLarge.into());
        }
        Ok(())
    }

    fn do_part(
        &self,
        draft: &mut Draft,
        transaction: &TransactWrite,
        part: &TransactPart,
    ) -> Result<Written, Stop<E::Error>> {
        let mut write = match part {
            TransactPart::Check(check) => return self.check(transaction, check),
            TransactPart::Put(put) => ItemWrite::of_put(put),
            TransactPart::Delete(delete) => ItemWrite::of_delete(delete),
            TransactPart::Update(update) => ItemWrite::of_update(update),
        };
        (write.capacity, write.metrics) = (transaction.capacity, transaction.metrics);
        write.price = Price::Transaction;
        debug_assert!(matches!(write.intent, Intent::Put(_)) == write.key.is_none());
        self.write(draft, &write)
    }

    fn check(
        &self,
        transaction: &TransactWrite,
        check: &ConditionCheck,
    ) -> Result<Written, Stop<E::Error>> {
        let table = self.find(&check.table)?;
        let key = table.definition.key_schema.key_of_attributes(&check.key);
        let stored = self.stored(&layout::item(table.id, &key.map_err(Refusal::Key)?))?;
        if !check.condition.holds_packed(stored.as_ref()) {
            let wanted = check.return_values_on_failure == ringleader_item::ReturnOld::AllOld;
            return Err(Refusal::ConditionFailed { old: stored.filter(|_| wanted) }.into());
        }
        let size = stored.as_ref().map(PackedItem::size);
        let units = Units::write(size, None, Price::Transaction);
        let kind = ConsumedKind::TransactionWrite;
        let consumed = Consumed::new(&check.table, kind, units, transaction.capacity);
        Ok(Written { consumed, ..Written::default() })
    }

    /// A request whose transaction is done already: it has no second effect, and costs what reading
    /// its items costs.
    fn repeated(&self, transaction: &TransactWrite) -> Result<Answer, Stop<E::Error>> {
        let mut sums = Sums::default();
        if transaction.capacity != ReturnCapacity::None {
            for part in &transaction.parts {
                let table = self.find(part.table())?;
                let schema = &table.definition.key_schema;
                let key = match part {
                    TransactPart::Put(put) => schema.key_of_item(&put.item),
                    TransactPart::Check(_) | TransactPart::Delete(_) | TransactPart::Update(_) => {
                        schema.key_of_attributes(part.key().unwrap_or(&Item::new()))
                    }
                };
                let stored = self.stored(&layout::item(table.id, &key.map_err(Refusal::Key)?))?;
                let size = stored.as_ref().map_or(0, PackedItem::size);
                let units = Units::read(size, Price::Transaction);
                let kind = ConsumedKind::TransactionRead;
                let consumed = Consumed::new(part.table(), kind, units, transaction.capacity);
                if let Some(consumed) = consumed {
                    sums.consume(consumed);
                }
            }
        }
        Ok(sums.answer())
    }

    /// The fingerprint of the transaction that had a token, and when it came.
    fn known_token(&self, token: &str) -> Result<Option<(u128, u64)>, Stop<E::Error>> {
        let key = layout::token(token);
        let Some(record) = self.stored(&key)? else { return Ok(None) };
        let known = || {
            let AttributeValue::B(print) = record.get("print")? else { return None };
            let AttributeValue::B(at) = record.get("at")? else { return None };
            let print = u128::from_be_bytes(print.as_slice().try_into().ok()?);
            Some((print, u64::from_be_bytes(at.as_slice().try_into().ok()?)))
        };
        let damaged = || TableError::Damaged { what: "token", key: key.clone() };
        Ok(Some(known().ok_or_else(damaged)?))
    }

    /// Remembers a token and forgets some that have had their time.
    fn remember(
        &self,
        draft: &mut Draft,
        token: &str,
        fingerprint: u128,
        now_unix_ms: u64,
    ) -> Result<(), Stop<E::Error>> {
        let mut old = Vec::new();
        self.visit(&layout::under(&layout::token_times()), &mut |key, _| {
            let time = layout::token_time_of(key);
            let is_old = time.is_some_and(|(at, _)| at + TOKEN_LIFETIME_MS <= now_unix_ms);
            if is_old {
                old.push(key.to_vec());
            }
            Ok(is_old && old.len() < FORGOTTEN_TOKENS_MAX)
        })?;
        for key in old {
            if let Some((_, token)) = layout::token_time_of(&key) {
                draft.delete(layout::token(&String::from_utf8_lossy(token)));
            }
            draft.delete(key);
        }
        // This token may be among those; then it begins anew.
        if let Some((_, at)) = self.known_token(token)? {
            draft.delete(layout::token_time(at, token.as_bytes()));
        }
        draft.put(layout::token_time(now_unix_ms, token.as_bytes()), Vec::new());
        let record = Item::from([
            ("print", AttributeValue::B(fingerprint.to_be_bytes().to_vec())),
            ("at", AttributeValue::B(now_unix_ms.to_be_bytes().to_vec())),
        ]);
        draft.put(layout::token(token), PackedItem::pack(&record).into_bytes());
        Ok(())
    }
}

/// Whether all of a batch can be written: each key is one of its table, and none is there twice.
///
/// # Errors
/// With what is wrong first.
pub fn check_batch(
    batch: &BatchWrite,
    find: impl Fn(&TableName) -> Result<TableDescription, Refusal>,
) -> Result<(), Refusal> {
    let mut keys = BTreeSet::new();
    for (name, writes) in &batch.tables {
        let TableDescription { definition, id, .. } = find(name)?;
        for write in writes {
            let key = match write {
                BatchedWrite::Put(item) => {
                    definition.check_index_keys(item)?;
                    definition.key_schema.key_of_item(item)?
                }
                BatchedWrite::Delete(key) => definition.key_schema.key_of_attributes(key)?,
            };
            if !keys.insert(layout::item(id, &key)) {
                return Err(Refusal::DuplicateKeys);
            }
        }
    }
    Ok(())
}

/// What a part that cannot be done has to do with the cancellation.
fn reason_of(refusal: Refusal) -> CancellationReason {
    if let Refusal::ConditionFailed { old } = refusal {
        CancellationReason::ConditionalCheckFailed { item: old }
    } else if refusal == Refusal::ItemCollectionTooLarge {
        CancellationReason::ItemCollectionSizeLimitExceeded
    } else {
        CancellationReason::ValidationError(refusal.to_string())
    }
}
