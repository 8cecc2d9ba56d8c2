//! Requests: from operation name and body to a typed request. One file per operation.

mod batch;
mod create_table;
mod delete_item;
mod get_item;
mod legacy;
mod parameters;
mod put_item;
mod read;
mod table;
mod transaction;
mod update_item;

use crate::fields::Fields;
use crate::header::TARGET_PREFIX;
use crate::json::Json;
use crate::{ApiError, ErrorKind};
use ringleader_item::{
    BatchGet, BatchWrite, Delete, Get, ListTables, Put, Query, Scan, TableDefinition, TableName,
    TagTable, TransactGet, TransactWrite, UntagTable, Update, UpdateTable, UpdateTimeToLive,
};

/// A request that is well formed as far as one can tell without looking at a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Create a table.
    CreateTable(TableDefinition),
    /// Describe a table.
    DescribeTable(TableName),
    /// List the tables.
    ListTables(ListTables),
    /// Change a table.
    UpdateTable(UpdateTable),
    /// Remove a table.
    DeleteTable(TableName),
    /// Store an item.
    PutItem(Put),
    /// Read an item.
    GetItem(Get),
    /// Change an item.
    UpdateItem(Update),
    /// Remove an item.
    DeleteItem(Delete),
    /// Read items with one partition key.
    Query(Query),
    /// Read all items.
    Scan(Scan),
    /// Read several items.
    BatchGetItem(BatchGet),
    /// Write several items.
    BatchWriteItem(BatchWrite),
    /// Read several items as they are at one moment.
    TransactGetItems(TransactGet),
    /// Write several items, all or nothing.
    TransactWriteItems(TransactWrite),
    /// Label a table.
    TagResource(TagTable),
    /// Remove labels of a table.
    UntagResource(UntagTable),
    /// Tell the labels of a table.
    ListTagsOfResource(TableName),
    /// Tell whether items expire.
    DescribeTimeToLive(TableName),
    /// Have items expire, or no longer.
    UpdateTimeToLive(UpdateTimeToLive),
    /// Tell how much throughput can be asked for.
    DescribeLimits,
    /// Tell where to send requests.
    DescribeEndpoints,
}

impl Request {
    /// The operation's name.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self {
            Self::CreateTable(_) => "CreateTable",
            Self::DescribeTable(_) => "DescribeTable",
            Self::ListTables(_) => "ListTables",
            Self::UpdateTable(_) => "UpdateTable",
            Self::DeleteTable(_) => "DeleteTable",
            Self::PutItem(_) => "PutItem",
            Self::GetItem(_) => "GetItem",
            Self::UpdateItem(_) => "UpdateItem",
            Self::DeleteItem(_) => "DeleteItem",
            Self::Query(_) => "Query",
            Self::Scan(_) => "Scan",
            Self::BatchGetItem(_) => "BatchGetItem",
            Self::BatchWriteItem(_) => "BatchWriteItem",
            Self::TransactGetItems(_) => "TransactGetItems",
            Self::TransactWriteItems(_) => "TransactWriteItems",
            Self::TagResource(_) => "TagResource",
            Self::UntagResource(_) => "UntagResource",
            Self::ListTagsOfResource(_) => "ListTagsOfResource",
            Self::DescribeTimeToLive(_) => "DescribeTimeToLive",
            Self::UpdateTimeToLive(_) => "UpdateTimeToLive",
            Self::DescribeLimits => "DescribeLimits",
            Self::DescribeEndpoints => "DescribeEndpoints",
        }
    }
}

/// Operations of the service that this server does not have yet.
const KNOWN_OPERATIONS: &[&str] = &[
    "BatchExecuteStatement",
    "CreateBackup",
    "CreateGlobalTable",
    "DeleteBackup",
    "DeleteResourcePolicy",
    "DescribeBackup",
    "DescribeContinuousBackups",
    "DescribeContributorInsights",
    "DescribeExport",
    "DescribeGlobalTable",
    "DescribeGlobalTableSettings",
    "DescribeImport",
    "DescribeKinesisStreamingDestination",
    "DescribeTableReplicaAutoScaling",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "ExecuteStatement",
    "ExecuteTransaction",
    "ExportTableToPointInTime",
    "GetResourcePolicy",
    "ImportTable",
    "ListBackups",
    "ListContributorInsights",
    "ListExports",
    "ListGlobalTables",
    "ListImports",
    "PutResourcePolicy",
    "RestoreTableFromBackup",
    "RestoreTableToPointInTime",
    "UpdateContinuousBackups",
    "UpdateContributorInsights",
    "UpdateGlobalTable",
    "UpdateGlobalTableSettings",
    "UpdateKinesisStreamingDestination",
    "UpdateTableReplicaAutoScaling",
];

/// Translates a request: the value of `X-Amz-Target`, and the body.
///
/// # Errors
/// The answer to give, for a request that can be refused without looking at a table.
pub fn parse(target: &str, body: &[u8]) -> Result<Request, ApiError> {
    let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
    let read = match operation {
        "CreateTable" => |fields| create_table::create(fields).map(Request::CreateTable),
        "DescribeTable" => |fields| table::name(fields).map(Request::DescribeTable),
        "ListTables" => |fields| table::list(fields).map(Request::ListTables),
        "UpdateTable" => |fields| create_table::update(fields).map(Request::UpdateTable),
        "DeleteTable" => |fields| table::name(fields).map(Request::DeleteTable),
        "PutItem" => |fields| put_item::read(fields).map(Request::PutItem),
        "GetItem" => |fields| get_item::read(fields).map(Request::GetItem),
        "UpdateItem" => |fields| update_item::read(fields).map(Request::UpdateItem),
        "DeleteItem" => |fields| delete_item::read(fields).map(Request::DeleteItem),
        "Query" => |fields| read::query(fields).map(Request::Query),
        "Scan" => |fields| read::scan(fields).map(Request::Scan),
        "BatchGetItem" => |fields| batch::get(fields).map(Request::BatchGetItem),
        "BatchWriteItem" => |fields| batch::write(fields).map(Request::BatchWriteItem),
        "TransactGetItems" => |fields| transaction::get(fields).map(Request::TransactGetItems),
        "TransactWriteItems" => |it| transaction::write(it).map(Request::TransactWriteItems),
        "TagResource" => |fields| table::tag(fields).map(Request::TagResource),
        "UntagResource" => |fields| table::untag(fields).map(Request::UntagResource),
        "ListTagsOfResource" => |it| table::list_tags(it).map(Request::ListTagsOfResource),
        "DescribeTimeToLive" => |fields| table::name(fields).map(Request::DescribeTimeToLive),
        "UpdateTimeToLive" => |it| table::update_time_to_live(it).map(Request::UpdateTimeToLive),
        "DescribeLimits" => |_| Ok(Request::DescribeLimits),
        "DescribeEndpoints" => |_| Ok(Request::DescribeEndpoints),
        known if KNOWN_OPERATIONS.contains(&known) => {
            let message = format!("The operation {known} is not supported yet");
            return Err(ApiError::new(ErrorKind::UnknownOperation, message));
        }
        _ => {
            let message = format!("There is no operation {target:?}");
            return Err(ApiError::new(ErrorKind::UnknownOperation, message));
        }
    };
    let mut fields = Fields::of_input(operation, Json::parse(body)?)?;
    read(&mut fields)
}
