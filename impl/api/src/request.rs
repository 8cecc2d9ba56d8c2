//! Requests: from operation name and body to a typed request. One file per operation.

mod create_table;
mod delete_item;
mod describe_table;
mod get_item;
mod parameters;
mod put_item;

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
    "BatchGetItem",
    "BatchWriteItem",
    "CreateBackup",
    "CreateGlobalTable",
    "DeleteBackup",
    "DeleteResourcePolicy",
    "DeleteTable",
    "DescribeBackup",
    "DescribeContinuousBackups",
    "DescribeContributorInsights",
    "DescribeEndpoints",
    "DescribeExport",
    "DescribeGlobalTable",
    "DescribeGlobalTableSettings",
    "DescribeImport",
    "DescribeKinesisStreamingDestination",
    "DescribeLimits",
    "DescribeTableReplicaAutoScaling",
    "DescribeTimeToLive",
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
    "ListTables",
    "ListTagsOfResource",
    "PutResourcePolicy",
    "Query",
    "RestoreTableFromBackup",
    "RestoreTableToPointInTime",
    "Scan",
    "TagResource",
    "TransactGetItems",
    "TransactWriteItems",
    "UntagResource",
    "UpdateContinuousBackups",
    "UpdateContributorInsights",
    "UpdateGlobalTable",
    "UpdateGlobalTableSettings",
    "UpdateItem",
    "UpdateKinesisStreamingDestination",
    "UpdateTable",
    "UpdateTableReplicaAutoScaling",
    "UpdateTimeToLive",
];

/// Translates a request: the value of `X-Amz-Target`, and the body.
///
/// # Errors
/// The answer to give, for a request that can be refused without looking at a table.
pub fn parse(target: &str, body: &[u8]) -> Result<Request, ApiError> {
    let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
    let read = match operation {
        "CreateTable" => |fields| create_table::read(fields).map(Request::CreateTable),
        "DescribeTable" => |fields| describe_table::read(fields).map(Request::DescribeTable),
        "PutItem" => |fields| put_item::read(fields).map(Request::PutItem),
        "GetItem" => |fields| get_item::read(fields).map(Request::GetItem),
        "DeleteItem" => |fields| delete_item::read(fields).map(Request::DeleteItem),
        known if KNOWN_OPERATIONS.contains(&known) => {
            let message = format!("The operation {known} is not supported yet");
            return Err(ApiError::new(ErrorKind::UnknownOperation, message));
        }
        _ => {
            let message = format!("There is no operation {target:?}");
            return Err(ApiError::new(ErrorKind::UnknownOperation, message));
        }
    };
    let mut fields = Fields::of(Json::parse(body)?, &format!("{operation}Input"))?;
    read(&mut fields)
}
