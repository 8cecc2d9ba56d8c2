//! One API request: from bytes to what the node is asked, and from its answer to bytes.

use crate::random::Random;
use crate::state::{CommandAnswer, Query, QueryAnswer};
use ringleader_api::{Answer, ApiError, ErrorKind, Place, Request};
use ringleader_item::{
    PackedItem, ReturnCapacity, ReturnMetrics, TableDefinition, TableDescription, TableId,
};
use ringleader_node::{Handle, Outcome, RefusedBecause};
use ringleader_table as table;
use ringleader_wire::limits::{ANSWER_LENGTH_MAX, COMMAND_LENGTH_MAX};
use ringleader_wire::{Command, codec};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// What answers requests: the node, and what a request may need beside it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) node: Handle,
    pub(crate) place: Place,
    pub(crate) random: Random,
}

impl Service {
    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request) -> Result<Vec<u8>, ApiError> {
        refuse_unexecuted(&request)?;
        let answer = match request {
            Request::CreateTable(definition) => {
                let command = table::Command::CreateTable(self.describe(definition));
                let table::Answer::Created(table) = self.write(&command).await? else {
                    return Err(ApiError::outcome_unknown());
                };
                Answer::CreateTable(table.into())
            }
            Request::PutItem(put) => {
                Answer::PutItem(self.write_item(&table::Command::Put(put)).await?.into())
            }
            Request::DeleteItem(delete) => {
                Answer::DeleteItem(self.write_item(&table::Command::Delete(delete)).await?.into())
            }
            Request::GetItem(get) => {
                let query = Query::Item { table: get.table.clone(), key: get.key.clone() };
                let QueryAnswer::Item(item) = self.read(&query).await? else {
                    return Err(not_understood());
                };
                Answer::GetItem { item: get.project(item), consumed: None }
            }
            Request::DescribeTable(table) => {
                let QueryAnswer::Table(table) = self.read(&Query::Table(table)).await? else {
                    return Err(not_understood());
                };
                Answer::DescribeTable(table.into())
            }
            other @ (Request::ListTables(_)
            | Request::UpdateTable(_)
            | Request::DeleteTable(_)
            | Request::UpdateItem(_)
            | Request::Query(_)
            | Request::Scan(_)
            | Request::BatchGetItem(_)
            | Request::BatchWriteItem(_)
            | Request::TransactGetItems(_)
            | Request::TransactWriteItems(_)
            | Request::TagResource(_)
            | Request::UntagResource(_)
            | Request::ListTagsOfResource(_)
            | Request::DescribeTimeToLive(_)
            | Request::UpdateTimeToLive(_)
            | Request::DescribeLimits
            | Request::DescribeEndpoints) => {
                return Err(ApiError::not_supported(other.operation()));
            }
        };
        Ok(answer.encode(&self.place))
    }

    fn describe(&self, definition: TableDefinition) -> TableDescription {
        let id = TableId(u128::from_le_bytes(self.random.bytes()));
        TableDescription { definition, id, created_unix_ms: unix_ms(), expiry_attribute: None }
    }

    async fn write_item(&self, command: &table::Command) -> Result<Option<PackedItem>, ApiError> {
        let table::Answer::Written { old } = self.write(command).await? else {
            return Err(ApiError::outcome_unknown());
        };
        Ok(old)
    }

    /// Has a command applied, unless the table refuses it.
    async fn write(&self, command: &table::Command) -> Result<table::Answer, ApiError> {
        let outcome = self.node.write(encoded(command)?).await;
        let answer = done(outcome)?;
        // The command was applied; that its answer cannot be read does not undo it.
        let answer = codec::decode(answer.as_bytes(), ANSWER_LENGTH_MAX)
            .map_err(|_| ApiError::outcome_unknown())?;
        match answer {
            CommandAnswer::Applied(table::Answer::Refused(refusal)) => Err(refusal.into()),
            CommandAnswer::Applied(answer) => Ok(answer),
            CommandAnswer::NotUnderstood => Err(not_understood()),
        }
    }

    /// Answers a query, unless the table refuses it.
    async fn read(&self, query: &Query) -> Result<QueryAnswer, ApiError> {
        let answer = done(self.node.read(encoded(query)?).await)?;
        match codec::decode(answer.as_bytes(), ANSWER_LENGTH_MAX) {
            Ok(QueryAnswer::Refused(refusal)) => Err(refusal.into()),
            Ok(answer) => Ok(answer),
            Err(_) => Err(not_understood()),
        }
    }
}

/// The time, in milliseconds since 1970; a clock before that is taken for 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What the API understands and the table does not do yet is refused, never ignored.
fn refuse_unexecuted(request: &Request) -> Result<(), ApiError> {
    let (capacity, metrics) = match request {
        Request::CreateTable(table) => {
            let plain =
                TableDefinition::new(table.name.clone(), table.key_schema.clone(), table.billing);
            let plain = *table == plain;
            return if plain { Ok(()) } else { Err(ApiError::not_supported("This kind of table")) };
        }
        Request::PutItem(put) => (put.capacity, put.metrics),
        Request::DeleteItem(delete) => (delete.capacity, delete.metrics),
        Request::GetItem(get) => (get.capacity, ReturnMetrics::None),
        Request::DescribeTable(_)
        | Request::ListTables(_)
        | Request::UpdateTable(_)
        | Request::DeleteTable(_)
        | Request::UpdateItem(_)
        | Request::Query(_)
        | Request::Scan(_)
        | Request::BatchGetItem(_)
        | Request::BatchWriteItem(_)
        | Request::TransactGetItems(_)
        | Request::TransactWriteItems(_)
        | Request::TagResource(_)
        | Request::UntagResource(_)
        | Request::ListTagsOfResource(_)
        | Request::DescribeTimeToLive(_)
        | Request::UpdateTimeToLive(_)
        | Request::DescribeLimits
        | Request::DescribeEndpoints => return Ok(()),
    };
    if capacity != ReturnCapacity::None {
        return Err(ApiError::not_supported("The parameter ReturnConsumedCapacity"));
    }
    if metrics != ReturnMetrics::None {
        return Err(ApiError::not_supported("The parameter ReturnItemCollectionMetrics"));
    }
    Ok(())
}

fn encoded<T: Serialize>(value: &T) -> Result<Command, ApiError> {
    codec::encode(value, COMMAND_LENGTH_MAX)
        .map(Command::from)
        .map_err(|error| ApiError::new(ErrorKind::Validation, error.to_string()))
}

fn done(outcome: Outcome) -> Result<Command, ApiError> {
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
