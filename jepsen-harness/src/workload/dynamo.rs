//! Operations as requests of the DynamoDB API, and their answers as completions.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use ringleader_client::{Client, Condition as ItemCondition, Item, Outcome, Reason};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::kind::Kind;
use super::script::{ACCOUNTS, BALANCE, account};
use crate::generator::Operation;
use crate::history::{Fields, Function};
use crate::recorder::Completion;

/// Whoever wants a signature to know whom to answer gets one; nobody here checks it.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
    Credential=jepsen/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00";
/// How long making the table may take.
const CREATE_MAX: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// The table of a workload.
fn table(kind: Kind) -> String {
    format!("jepsen-{kind}")
}

/// A client of a node's DynamoDB endpoint.
pub(super) fn client(api: SocketAddr, timeout: Duration) -> Client {
    Client::new(api, timeout).with_authorization(AUTHORIZATION)
}

/// Makes what a workload needs. An attempt whose outcome is unknown is made again: that it exists is
/// all that matters.
///
/// # Errors
///
/// If it does not exist within ten seconds.
pub(super) async fn prepare(kind: Kind, api: SocketAddr, prefix: &str) -> Result<()> {
    if kind == Kind::Tables {
        return Ok(());
    }
    let mut client = client(api, CREATE_MAX);
    let deadline = Instant::now() + CREATE_MAX;
    insist(&mut client, "CreateTable", &create(kind), "ResourceInUseException", deadline).await?;
    loop {
        let described = client.call("DescribeTable", &json!({"TableName": table(kind)})).await;
        match described {
            Outcome::Ok(body) if body["Table"]["TableStatus"] == "ACTIVE" => break,
            Outcome::Ok(_)
            | Outcome::ConditionFailed { .. }
            | Outcome::Refused(_)
            | Outcome::Unknown(_) => {
                if Instant::now() >= deadline {
                    bail!("the table {} is not active", table(kind));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    if kind == Kind::Bank {
        for number in 0..ACCOUNTS {
            let item = json!({
                "k": {"S": format!("{prefix}{}", account(number))}, "bal": {"N": BALANCE.to_string()},
                "ver": {"N": "0"}, "w": {"N": "0"},
            });
            let body = json!({"TableName": table(kind), "Item": item});
            insist(&mut client, "PutItem", &body, "", deadline).await?;
        }
    }
    Ok(())
}

/// Asks again until it is done, or refused because it was done before.
async fn insist(
    client: &mut Client,
    operation: &str,
    body: &Value,
    done: &str,
    deadline: Instant,
) -> Result<()> {
    loop {
        let reason = match client.call(operation, body).await {
            Outcome::Ok(_) => return Ok(()),
            Outcome::Refused(reason) if reason.code == done => return Ok(()),
            Outcome::Refused(reason) | Outcome::Unknown(reason) => reason,
            Outcome::ConditionFailed { .. } => bail!("{operation} has no condition to fail"),
        };
        if Instant::now() >= deadline {
            bail!("cannot {operation}: {reason}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn create(kind: Kind) -> Value {
    let mut body = json!({
        "TableName": table(kind),
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    if kind == Kind::Index {
        body["AttributeDefinitions"] = json!([
            {"AttributeName": "k", "AttributeType": "S"},
            {"AttributeName": "r", "AttributeType": "S"},
            {"AttributeName": "v", "AttributeType": "N"},
            {"AttributeName": "g", "AttributeType": "S"},
        ]);
        body["KeySchema"] = json!([
            {"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"},
        ]);
        body["LocalSecondaryIndexes"] = json!([{
            "IndexName": "local", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [
                {"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "v", "KeyType": "RANGE"},
            ],
        }]);
        body["GlobalSecondaryIndexes"] = json!([{
            "IndexName": "global", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
        }]);
    }
    body
}

/// What came back, and what no correct node answers.
pub(super) struct Answered {
    pub(super) completion: Completion,
    pub(super) surprise: Option<String>,
}

/// Asks once.
pub(super) async fn ask(
    client: &mut Client,
    kind: Kind,
    prefix: &str,
    operation: &Operation,
) -> Answered {
    let asked = Asked { kind, operation, prefix, table: table(kind) };
    let result = match (kind, operation.f) {
        (Kind::Tables, _) => asked.table(client).await,
        (Kind::Bank, _) => asked.transaction(client).await,
        (Kind::Counter | Kind::Set, Function::Add | Function::Remove) => asked.update(client).await,
        (_, Function::Get | Function::Read) => asked.read(client).await,
        (_, Function::Delete) => {
            let outcome = client.delete(&asked.table, &asked.key(), None).await;
            written(outcome)
        }
        (_, _) => asked.put(client).await,
    };
    match result {
        Ok(completion) => Answered { completion, surprise: None },
        Err(surprise) => {
            let completion = if is_read(operation.f) {
                Completion::NoEffect(surprise.clone())
            } else {
                Completion::Unknown(surprise.clone())
            };
            Answered { completion, surprise: Some(surprise) }
        }
    }
}

fn is_read(f: Function) -> bool {
    matches!(f, Function::Get | Function::Read)
}

/// A completion, or an answer that no correct node gives.
type Told = Result<Completion, String>;

/// Every request of the load is well formed and its table exists: a node that says otherwise is
/// wrong.
const NEVER: [&str; 4] = [
    "ValidationException",
    "SerializationException",
    "UnknownOperationException",
    "ResourceNotFoundException",
];

fn without_effect(reason: &Reason) -> Told {
    if NEVER.contains(&reason.code.as_str()) {
        return Err(reason.to_string());
    }
    Ok(Completion::NoEffect(reason.to_string()))
}

/// A write without an answer may have happened.
fn write_failed<T>(outcome: Outcome<T>) -> Told {
    match outcome {
        Outcome::Ok(_) => Ok(Completion::done()),
        Outcome::ConditionFailed { old } => {
            let old = old.as_ref().map(value_of).transpose()?;
            Ok(Completion::condition_failed(old))
        }
        Outcome::Refused(reason) => without_effect(&reason),
        Outcome::Unknown(reason) => Ok(Completion::Unknown(reason.to_string())),
    }
}

fn written(outcome: Outcome<()>) -> Told {
    write_failed(outcome)
}

/// A read without an answer had no effect all the same.
fn read_failed<T>(outcome: Outcome<T>) -> Told {
    match outcome {
        Outcome::Refused(reason) => without_effect(&reason),
        Outcome::Unknown(reason) => Ok(Completion::NoEffect(reason.to_string())),
        Outcome::Ok(_) | Outcome::ConditionFailed { .. } => {
            Err("a condition failed on a read".into())
        }
    }
}

struct Asked<'a> {
    kind: Kind,
    operation: &'a Operation,
    /// Before every name: what an earlier run left on the same server is not ours.
    prefix: &'a str,
    table: String,
}

impl Asked<'_> {
    /// The name of the object on the server.
    fn name(&self) -> String {
        format!("{}{}", self.prefix, self.operation.key())
    }

    fn key(&self) -> Item {
        let mut key = Item::from_iter([("k".to_owned(), json!({"S": self.name()}))]);
        if self.kind == Kind::Index {
            key.insert("r".into(), json!({"S": "r"}));
        }
        key
    }

    async fn put(&self, client: &mut Client) -> Told {
        let value = &self.operation.fields["value"];
        let (condition, value) = match (self.operation.f, value.as_array()) {
            (Function::Cas, Some(pair)) => (Some(json!({"equals": pair[0]})), pair[1].clone()),
            _ => (self.operation.fields.get("if").cloned(), value.clone()),
        };
        let mut item = self.key();
        if self.kind == Kind::Index {
            item.insert("g".into(), json!({"S": self.name()}));
        }
        item.insert("v".into(), json!({"N": value.to_string()}));
        let condition = condition.map(|condition| item_condition(&condition));
        written(client.put(&self.table, &item, condition.as_ref()).await)
    }

    async fn read(&self, client: &mut Client) -> Told {
        let consistent = self.kind != Kind::Sessions;
        if self.operation.fields.contains_key("through") {
            let body = json!({
                "TableName": self.table, "IndexName": "local", "ConsistentRead": true,
                "KeyConditionExpression": "k = :k",
                "ExpressionAttributeValues": {":k": {"S": self.name()}},
            });
            return match client.call("Query", &body).await {
                Outcome::Ok(answer) => match answer["Items"].as_array().map(Vec::as_slice) {
                    Some([]) => Ok(Completion::read(None::<i64>)),
                    Some([Value::Object(item)]) => Ok(Completion::read(value_of(item)?)),
                    _ => Err(format!("one item more than once in an index: {answer}")),
                },
                other @ (Outcome::ConditionFailed { .. }
                | Outcome::Refused(_)
                | Outcome::Unknown(_)) => read_failed(other),
            };
        }
        let body =
            json!({"TableName": self.table, "Key": self.key(), "ConsistentRead": consistent});
        match client.call("GetItem", &body).await {
            Outcome::Ok(answer) => self.read_item(answer.get("Item").and_then(Value::as_object)),
            other @ (Outcome::ConditionFailed { .. }
            | Outcome::Refused(_)
            | Outcome::Unknown(_)) => read_failed(other),
        }
    }

    fn read_item(&self, item: Option<&Item>) -> Told {
        Ok(match (self.kind, item) {
            (Kind::Counter, None) => Completion::read(0),
            (Kind::Set, item) => {
                let elements = item.and_then(|item| item.get("s")?.get("NS")?.as_array());
                let elements = elements.map_or(&[][..], Vec::as_slice);
                let numbers: Option<Vec<i64>> =
                    elements.iter().map(|one| one.as_str()?.parse().ok()).collect();
                let numbers = numbers.ok_or_else(|| format!("no set of numbers: {elements:?}"))?;
                Completion::read(numbers)
            }
            (_, None) => Completion::read(None::<i64>),
            (_, Some(item)) => Completion::read(value_of(item)?),
        })
    }

    /// `ADD` to a counter or a set, `DELETE` from a set.
    async fn update(&self, client: &mut Client) -> Told {
        let number = self.operation.value().unwrap_or_default().to_string();
        let (expression, operand) = match (self.kind, self.operation.f) {
            (Kind::Counter, _) => ("ADD v :n", json!({"N": number})),
            (_, Function::Add) => ("ADD s :n", json!({"NS": [number]})),
            _ => ("DELETE s :n", json!({"NS": [number]})),
        };
        let body = json!({
            "TableName": self.table, "Key": self.key(), "UpdateExpression": expression,
            "ExpressionAttributeValues": {":n": operand}, "ReturnValues": "UPDATED_NEW",
        });
        match client.call("UpdateItem", &body).await {
            Outcome::Ok(answer) if self.kind == Kind::Counter => {
                let sum = answer["Attributes"].as_object().map(value_of).transpose()?;
                let sum = sum.ok_or_else(|| format!("an addition without a sum: {answer}"))?;
                Ok(Completion::Done(Fields::from_iter([("sum".to_owned(), sum.into())])))
            }
            other @ (Outcome::Ok(_)
            | Outcome::ConditionFailed { .. }
            | Outcome::Refused(_)
            | Outcome::Unknown(_)) => write_failed(other),
        }
    }

    /// A table is an item whose value is the capacity that it was made with.
    async fn table(&self, client: &mut Client) -> Told {
        let name = format!("{}-{}", self.table, self.name());
        let f = self.operation.f;
        if f == Function::Get {
            return match client.call("DescribeTable", &json!({"TableName": name})).await {
                Outcome::Ok(answer) => {
                    let units = &answer["Table"]["ProvisionedThroughput"]["ReadCapacityUnits"];
                    Ok(Completion::read(units.as_i64()))
                }
                Outcome::Refused(reason) if reason.code == "ResourceNotFoundException" => {
                    Ok(Completion::read(None::<i64>))
                }
                other @ (Outcome::ConditionFailed { .. }
                | Outcome::Refused(_)
                | Outcome::Unknown(_)) => read_failed(other),
            };
        }
        if f == Function::Delete {
            return match client.call("DeleteTable", &json!({"TableName": name})).await {
                // To delete what is not there leaves it absent as well.
                Outcome::Refused(reason) if reason.code == "ResourceNotFoundException" => {
                    Ok(Completion::done())
                }
                other @ (Outcome::Ok(_)
                | Outcome::ConditionFailed { .. }
                | Outcome::Refused(_)
                | Outcome::Unknown(_)) => write_failed(other),
            };
        }
        let mut body = create(Kind::Item);
        let units = self.operation.value().unwrap_or(1);
        body["TableName"] = name.into();
        body["BillingMode"] = "PROVISIONED".into();
        body["ProvisionedThroughput"] =
            json!({"ReadCapacityUnits": units, "WriteCapacityUnits": 1});
        match client.call("CreateTable", &body).await {
            Outcome::Refused(reason) if reason.code == "ResourceInUseException" => {
                // Which one is in its way it does not say.
                let failed = [("failed".to_owned(), true.into())];
                Ok(Completion::Done(failed.into_iter().collect()))
            }
            other @ (Outcome::Ok(_)
            | Outcome::ConditionFailed { .. }
            | Outcome::Refused(_)
            | Outcome::Unknown(_)) => write_failed(other),
        }
    }

    /// Reads accounts at one moment; if money is to move, writes them if nobody did meanwhile.
    async fn transaction(&self, client: &mut Client) -> Told {
        let steps = self.operation.fields["value"].as_array().cloned().unwrap_or_default();
        let reads: Vec<&str> = steps
            .iter()
            .filter(|step| step[0] == "r")
            .filter_map(|step| step[1].as_str())
            .collect();
        let gets: Vec<Value> = reads
            .iter()
            .map(|name| {
                let name = format!("{}{name}", self.prefix);
                json!({"Get": {"TableName": self.table, "Key": {"k": {"S": name}}}})
            })
            .collect();
        let answer = match client.call("TransactGetItems", &json!({"TransactItems": gets})).await {
            Outcome::Ok(answer) => answer,
            other @ (Outcome::ConditionFailed { .. }
            | Outcome::Refused(_)
            | Outcome::Unknown(_)) => return read_failed(other),
        };
        let accounts: Option<Vec<Account>> = answer["Responses"]
            .as_array()
            .filter(|all| all.len() == reads.len())
            .and_then(|all| all.iter().map(Account::of).collect());
        let accounts = accounts.ok_or_else(|| format!("no accounts: {answer}"))?;
        let mut done: Vec<Value> =
            reads.iter().zip(&accounts).map(|(name, account)| account.read(name)).collect();
        if steps.len() == reads.len() {
            let total: i64 = accounts.iter().map(|account| account.balance).sum();
            let fields =
                [("value".to_owned(), Value::from(done)), ("total".to_owned(), total.into())];
            return Ok(Completion::Done(fields.into_iter().collect()));
        }
        let amount = self.operation.fields["amount"].as_i64().unwrap_or_default();
        let mut puts = Vec::new();
        for ((name, account), (step, change)) in
            reads.iter().zip(&accounts).zip(steps[reads.len()..].iter().zip([-amount, amount]))
        {
            let write = step[2].as_i64().unwrap_or_default();
            let full = format!("{}{name}", self.prefix);
            puts.push(account.put(&self.table, &full, account.balance + change, write));
            done.push(json!(["w", name, write, account.version + 1]));
        }
        match client.call("TransactWriteItems", &json!({"TransactItems": puts})).await {
            Outcome::Ok(_) => {
                let fields = [("value".to_owned(), Value::from(done))];
                Ok(Completion::Done(fields.into_iter().collect()))
            }
            other @ (Outcome::ConditionFailed { .. }
            | Outcome::Refused(_)
            | Outcome::Unknown(_)) => write_failed(other),
        }
    }
}

/// An account as it was read.
struct Account {
    balance: i64,
    version: i64,
    /// Names the write that left it so; 0 is none.
    write: i64,
}

impl Account {
    fn of(answer: &Value) -> Option<Self> {
        let number = |name: &str| answer["Item"][name]["N"].as_str()?.parse().ok();
        Some(Self { balance: number("bal")?, version: number("ver")?, write: number("w")? })
    }

    fn read(&self, name: &str) -> Value {
        let write = (self.version > 0).then_some(self.write);
        json!(["r", name, write, self.version])
    }

    /// The request for its next version, if it still has this one.
    fn put(&self, table: &str, name: &str, balance: i64, write: i64) -> Value {
        let version = self.version.to_string();
        json!({"Put": {
            "TableName": table,
            "Item": {
                "k": {"S": name}, "bal": {"N": balance.to_string()},
                "ver": {"N": (self.version + 1).to_string()}, "w": {"N": write.to_string()},
            },
            "ConditionExpression": "ver = :ver",
            "ExpressionAttributeValues": {":ver": {"N": version}},
        }})
    }
}

/// With everything quiet the global index holds what the table holds: each key with the value that
/// was read last, and no other. Says what does not fit after `patience`.
pub(super) async fn index_differs(
    client: &mut Client,
    prefix: &str,
    last: &[(String, Option<i64>)],
    patience: Duration,
) -> Option<String> {
    let deadline = Instant::now() + patience;
    for (key, value) in last {
        let body = json!({
            "TableName": table(Kind::Index), "IndexName": "global",
            "KeyConditionExpression": "g = :g",
            "ExpressionAttributeValues": {":g": {"S": format!("{prefix}{key}")}},
        });
        loop {
            let answer = match client.call("Query", &body).await {
                Outcome::Ok(answer) => answer,
                other @ (Outcome::ConditionFailed { .. }
                | Outcome::Refused(_)
                | Outcome::Unknown(_)) => json!({"failed": format!("{other:?}")}),
            };
            let items = answer["Items"].as_array().map(Vec::as_slice);
            let same = match (items, value) {
                (Some([]), None) => true,
                (Some([Value::Object(item)]), Some(value)) => value_of(item) == Ok(*value),
                _ => false,
            };
            if same {
                break;
            }
            if Instant::now() >= deadline {
                return Some(format!(
                    "the global index says {answer} of {key}, the table {value:?}"
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    None
}

/// The value in an item that the load wrote.
fn value_of(item: &Item) -> Result<i64, String> {
    let value = item.get("v").and_then(|value| value.get("N")).and_then(Value::as_str);
    let value = value.and_then(|digits| digits.parse().ok());
    value.ok_or_else(|| format!("an item that nobody wrote: {}", Value::Object(item.clone())))
}

fn item_condition(condition: &Value) -> ItemCondition {
    if condition.get("absent").is_some() {
        ItemCondition::new("attribute_not_exists(k)")
    } else if condition.get("exists").is_some() {
        ItemCondition::new("attribute_exists(k)")
    } else {
        let value = json!({"N": condition["equals"].to_string()});
        ItemCondition::new("v = :old").value(":old", value)
    }
}
