//! One API request: from its typed form to what the node is asked, and from that to bytes.

mod batch;

use crate::faults::{Injected, wall_offset_ms};
use crate::random::Random;
use crate::state::{CommandAnswer, ReadAnswer};
use ringleader_api::answer::Written;
use ringleader_api::{Answer, ApiError, ErrorKind, Place, Request};
use ringleader_item::{
    Consumed, Get, ItemCollection, ListTables, Query, ReturnCapacity, Scan, TableDefinition,
    TableDescription, TableId, TableName, TableReport, TransactGet, TransactWrite,
};
use ringleader_node::{Handle, Outcome, RefusedBecause};
use ringleader_table::{Answer as TableAnswer, Command, Found, Read};
use ringleader_wire::codec;
use ringleader_wire::limits::{ANSWER_LENGTH_MAX, COMMAND_LENGTH_MAX};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What answers requests: the node, and what a request may need beside it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) node: Handle,
    pub(crate) place: Place,
    pub(crate) random: Random,
    /// Where this node says that requests should go: host and port.
    pub(crate) endpoint: String,
    /// What it was told to do wrong, if anything.
    pub(crate) faults: Option<Arc<Injected>>,
}

/// What a read must have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consistency {
    /// Every write that was acknowledged before it.
    Strong,
    /// Some prefix of the writes.
    Eventual,
}

impl Consistency {
    fn of(consistent_read: bool) -> Self {
        if consistent_read { Self::Strong } else { Self::Eventual }
    }
}

impl Service {
    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request) -> Result<Vec<u8>, ApiError> {
        let answer = match request {
            Request::PutItem(put) => Answer::PutItem(self.write_item(&Command::Put(put)).await?),
            Request::UpdateItem(update) => {
                Answer::UpdateItem(self.write_item(&Command::Update(update)).await?)
            }
            Request::DeleteItem(delete) => {
                Answer::DeleteItem(self.write_item(&Command::Delete(delete)).await?)
            }
            Request::GetItem(get) => self.get(get).await?,
            Request::Query(query) => self.query(query).await?,
            Request::Scan(scan) => self.scan(scan).await?,
            Request::BatchGetItem(batch) => self.batch_get(batch).await?,
            Request::BatchWriteItem(batch) => self.batch_write(batch).await?,
            Request::TransactGetItems(gets) => self.transact_get(gets).await?,
            Request::TransactWriteItems(write) => {
                let (consumed, collections) = self.write_all(&transaction(write)?).await?;
                Answer::TransactWriteItems { collections, consumed }
            }
            Request::CreateTable(definition) => self.create_table(definition).await?,
            Request::DescribeTable(name) => Answer::DescribeTable(self.table(name).await?),
            Request::ListTables(list) => self.list_tables(list).await?,
            Request::UpdateTable(update) => {
                Answer::UpdateTable(self.change(&Command::UpdateTable(update)).await?)
            }
            Request::DeleteTable(name) => {
                Answer::DeleteTable(self.change(&Command::DeleteTable(name)).await?)
            }
            Request::TagResource(tag) => {
                self.write(&Command::Tag(tag)).await?;
                Answer::TagResource
            }
            Request::UntagResource(untag) => {
                self.write(&Command::Untag(untag)).await?;
                Answer::UntagResource
            }
            Request::ListTagsOfResource(name) => {
                Answer::ListTagsOfResource(self.table(name).await?.description.definition.tags)
            }
            Request::DescribeTimeToLive(name) => {
                Answer::DescribeTimeToLive(self.table(name).await?.description.expiry_attribute)
            }
            Request::UpdateTimeToLive(update) => {
                self.write(&Command::UpdateTimeToLive(update.clone())).await?;
                Answer::UpdateTimeToLive(update)
            }
            Request::DescribeLimits => Answer::DescribeLimits,
            Request::DescribeEndpoints => Answer::DescribeEndpoints(self.endpoint.clone()),
        };
        Ok(answer.encode(&self.place))
    }

    async fn get(&self, get: Get) -> Result<Answer, ApiError> {
        let consistency = Consistency::of(get.consistent_read);
        let found = self.read(&Read::Item(get), consistency).await?;
        let Found::Item { item, consumed } = found else { return Err(not_understood()) };
        Ok(Answer::GetItem { item, consumed })
    }

    async fn query(&self, query: Query) -> Result<Answer, ApiError> {
        let consistency = Consistency::of(query.consistent_read);
        let found = self.read(&Read::Query(query), consistency).await?;
        let Found::Page { page, consumed } = found else { return Err(not_understood()) };
        Ok(Answer::Query { page, consumed })
    }

    async fn scan(&self, scan: Scan) -> Result<Answer, ApiError> {
        let consistency = Consistency::of(scan.consistent_read);
        let found = self.read(&Read::Scan(scan), consistency).await?;
        let Found::Page { page, consumed } = found else { return Err(not_understood()) };
        Ok(Answer::Scan { page, consumed })
    }

    async fn transact_get(&self, gets: TransactGet) -> Result<Answer, ApiError> {
        let found = self.read(&Read::Moment(gets), Consistency::Strong).await?;
        let Found::Moment { items, consumed } = found else { return Err(not_understood()) };
        Ok(Answer::TransactGetItems { items, consumed })
    }

    async fn create_table(&self, definition: TableDefinition) -> Result<Answer, ApiError> {
        let id = TableId(u128::from_le_bytes(self.random.bytes()));
        let created_unix_ms = unix_ms();
        let table = TableDescription { definition, id, created_unix_ms, expiry_attribute: None };
        let answer = self.write(&Command::CreateTable(table)).await?;
        let TableAnswer::Created(table) = answer else { return Err(ApiError::outcome_unknown()) };
        Ok(Answer::CreateTable(TableReport::creating(table)))
    }

    async fn list_tables(&self, list: ListTables) -> Result<Answer, ApiError> {
        let found = self.read(&Read::Tables(list), Consistency::Strong).await?;
        let Found::Tables { names, last } = found else { return Err(not_understood()) };
        Ok(Answer::ListTables { names, last })
    }

    async fn table(&self, name: TableName) -> Result<TableReport, ApiError> {
        let found = self.read(&Read::Table(name), Consistency::Strong).await?;
        let Found::Table(report) = found else { return Err(not_understood()) };
        Ok(*report)
    }

    async fn change(&self, command: &Command) -> Result<TableReport, ApiError> {
        let answer = self.write(command).await?;
        let TableAnswer::Changed(report) = answer else { return Err(ApiError::outcome_unknown()) };
        Ok(*report)
    }

    async fn write_item(&self, command: &Command) -> Result<Written, ApiError> {
        let answer = self.write(command).await?;
        let TableAnswer::Written(written) = answer else { return Err(ApiError::outcome_unknown()) };
        let ringleader_table::Written { attributes, consumed, collection } = written;
        Ok(Written { attributes, consumed, collection })
    }

    async fn write_all(&self, command: &Command) -> Result<AllWritten, ApiError> {
        let answer = self.write(command).await?;
        let TableAnswer::AllWritten { consumed, collections } = answer else {
            return Err(ApiError::outcome_unknown());
        };
        Ok((consumed, collections))
    }

    /// Has a command applied, unless the table refuses it.
    async fn write(&self, command: &Command) -> Result<TableAnswer, ApiError> {
        let outcome = self.node.write(encoded(command)?).await;
        let answer = done(outcome)?;
        // The command was applied; that its answer cannot be read does not undo it.
        let answer = codec::decode(answer.as_bytes(), ANSWER_LENGTH_MAX)
            .map_err(|_| ApiError::outcome_unknown())?;
        match answer {
            CommandAnswer::Applied(TableAnswer::Refused(refusal)) => Err(refusal.into()),
            CommandAnswer::Applied(answer) => Ok(answer),
            CommandAnswer::NotUnderstood => Err(not_understood()),
        }
    }

    /// Reads, unless the table refuses it. A replica that lags may not know a table, or a change of
    /// one, that the client was told of: what it refuses is asked of the leader.
    async fn read(&self, read: &Read, consistency: Consistency) -> Result<Found, ApiError> {
        let query = encoded(read)?;
        if consistency == Consistency::Eventual {
            let found = found(self.node.read_eventual(query.clone()).await)?;
            if !matches!(found, Found::Refused(_)) {
                return Ok(found);
            }
        }
        let found = found(self.node.read(query).await)?;
        if let Found::Refused(refusal) = found { Err(refusal.into()) } else { Ok(found) }
    }
}

/// What several writes cost and which item collections they wrote to.
type AllWritten = (Vec<Consumed>, BTreeMap<TableName, Vec<ItemCollection>>);

/// A transaction with its time and the fingerprint of what it asks. What it wants to be told is not
/// part of that.
fn transaction(write: TransactWrite) -> Result<Command, ApiError> {
    let mut asked = write.clone();
    asked.capacity = ReturnCapacity::None;
    let digest = Sha256::digest(encoded(&asked)?.as_bytes());
    let (fingerprint, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    let fingerprint = u128::from_be_bytes(*fingerprint);
    Ok(Command::Transact { write, fingerprint, now_unix_ms: unix_ms() })
}

/// The time, in milliseconds since 1970; a clock before that is taken for 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    ms.saturating_add_signed(wall_offset_ms())
}

fn encoded<T: Serialize>(value: &T) -> Result<ringleader_wire::Command, ApiError> {
    codec::encode(value, COMMAND_LENGTH_MAX)
        .map(ringleader_wire::Command::from)
        .map_err(|error| ApiError::new(ErrorKind::Validation, error.to_string()))
}

fn found(outcome: Outcome) -> Result<Found, ApiError> {
    match codec::decode(done(outcome)?.as_bytes(), ANSWER_LENGTH_MAX) {
        Ok(ReadAnswer::Found(found)) => Ok(*found),
        Ok(ReadAnswer::NotUnderstood) | Err(_) => Err(not_understood()),
    }
}

fn done(outcome: Outcome) -> Result<ringleader_wire::Command, ApiError> {
    match outcome {
        Outcome::Done(answer) => Ok(answer),
        Outcome::Unknown => Err(ApiError::outcome_unknown()),
        Outcome::Refused(because) => Err(refused(because)),
    }
}

fn refused(because: RefusedBecause) -> ApiError {
    ApiError::new(ErrorKind::ServiceUnavailable, because.to_string())
}

fn not_understood() -> ApiError {
    let message = "the leader runs another version of this program";
    ApiError::new(ErrorKind::ServiceUnavailable, message)
}
