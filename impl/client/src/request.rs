//! The requests a client can make, as DynamoDB JSON, and how their answers are read.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// An item or a key in DynamoDB's JSON: attribute name to `{"S": ..}`, `{"N": ..}` and so on.
pub type Item = Map<String, Value>;

/// A condition on the item that is there before a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The expression, for example `attribute_not_exists(k) OR #v = :old`.
    pub expression: String,
    /// What each `#name` stands for.
    pub names: Map<String, Value>,
    /// What each `:value` stands for, in DynamoDB JSON.
    pub values: Map<String, Value>,
}

impl Condition {
    /// A condition that uses neither `#names` nor `:values`.
    pub fn new(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), ..Self::default() }
    }

    /// The same condition with one more `:value`.
    #[must_use]
    pub fn value(mut self, placeholder: &str, value: Value) -> Self {
        self.values.insert(placeholder.into(), value);
        self
    }

    /// The same condition with one more `#name`.
    #[must_use]
    pub fn name(mut self, placeholder: &str, attribute: &str) -> Self {
        self.names.insert(placeholder.into(), attribute.into());
        self
    }
}

/// What `GET /ringleader/status` tells about one node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// The node's replica id.
    pub id: u64,
    /// Its current term.
    pub term: u64,
    /// `leader`, `candidate` or `follower`.
    pub role: String,
    /// Whom it takes for the leader of its term.
    pub leader: Option<u64>,
    /// The highest log index it knows committed.
    pub commit: u64,
    /// The highest log index it applied.
    pub applied: u64,
    /// The highest log index it holds.
    pub last: u64,
    /// What injected faults did to it, if it was started to have any.
    #[serde(default)]
    pub faults: Option<InjectedFaults>,
}

/// What a node that was told to have faults says of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InjectedFaults {
    /// The version of the orders that is in force.
    pub number: u64,
    /// What the replica's clock shows.
    pub clock_us: u64,
    /// How far the time of day is off.
    pub wall_offset_ms: i64,
    /// Syncs that were delayed.
    pub syncs_slowed: u64,
    /// Writes that were refused for want of room.
    pub writes_refused: u64,
    /// Syncs that failed.
    pub syncs_failed: u64,
    /// Bytes that a power loss would take now.
    pub unsynced_bytes: u64,
}

/// One operation and its body.
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) body: Value,
}

pub(crate) fn create_table(table: &str, partition_key: &str) -> Call {
    Call {
        operation: "CreateTable".into(),
        body: json!({
            "TableName": table,
            "AttributeDefinitions": [{"AttributeName": partition_key, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": partition_key, "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        }),
    }
}

pub(crate) fn get(table: &str, key: &Item) -> Call {
    Call {
        operation: "GetItem".into(),
        body: json!({"TableName": table, "Key": key, "ConsistentRead": true}),
    }
}

pub(crate) fn put(table: &str, item: &Item, condition: Option<&Condition>) -> Call {
    let body = json!({"TableName": table, "Item": item});
    Call { operation: "PutItem".into(), body: with_condition(body, condition) }
}

pub(crate) fn delete(table: &str, key: &Item, condition: Option<&Condition>) -> Call {
    let body = json!({"TableName": table, "Key": key});
    Call { operation: "DeleteItem".into(), body: with_condition(body, condition) }
}

/// Adds the condition, and asks for the item that made it fail: a history in which a failed
/// condition says what it saw is far cheaper to judge.
fn with_condition(mut body: Value, condition: Option<&Condition>) -> Value {
    let Some(condition) = condition else { return body };
    body["ConditionExpression"] = condition.expression.as_str().into();
    body["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD".into();
    // DynamoDB rejects empty maps here.
    if !condition.names.is_empty() {
        body["ExpressionAttributeNames"] = condition.names.clone().into();
    }
    if !condition.values.is_empty() {
        body["ExpressionAttributeValues"] = condition.values.clone().into();
    }
    body
}

/// The body of an error answer. DynamoDB writes `message` for most errors, `Message` for some.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorBody {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(alias = "Message")]
    pub(crate) message: String,
    #[serde(rename = "Item")]
    pub(crate) item: Option<Item>,
}

impl ErrorBody {
    /// The error's name without its name space: `com.amazonaws.dynamodb.v20120810#X` is `X`.
    pub(crate) fn name(&self) -> &str {
        self.kind.rsplit('#').next().unwrap_or_default()
    }
}

/// The body of a `GetItem` answer.
#[derive(Deserialize)]
pub(crate) struct GetBody {
    #[serde(rename = "Item")]
    pub(crate) item: Option<Item>,
}
