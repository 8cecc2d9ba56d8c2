//! Requests: from operation name and body to a typed request. One file per operation.

mod create_table;
mod delete_item;
mod describe_table;
mod get_item;
mod parameters;
mod put_item;

pub use get_item::GetItem;

use crate::fields::Fields;
use crate::header::TARGET_PREFIX;
use crate::json::Json;
use crate::{ApiError, ErrorKind};
use ringleader_item::{Delete, Put, TableDefinition, TableName};

/// A request that is well formed as far as one can tell without looking at a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Create a table.
    CreateTable(TableDefinition),
    /// Describe a table.
    DescribeTable(TableName),
    /// Store an item.
    PutItem(Put),
    /// Read an item.
    GetItem(GetItem),
    /// Remove an item.
    DeleteItem(Delete),
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
