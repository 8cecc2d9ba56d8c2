//! Bytes that nobody should send: an answer to each, never a panic, and what is accepted can be
//! passed on and carried out. `PROPTEST_CASES=1000000 cargo test -p ringleader-api --test hostile`
//! asks as often as one likes.
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]
#![allow(clippy::wildcard_enum_match_arm, reason = "most kinds have nothing to be carried out")]

use proptest::prelude::*;
use ringleader_api::{Request, parse};
use ringleader_item::{
    AttributeValue, BillingMode, Condition, GlobalIndex, IndexName, IndexProjection, Item,
    KeyAttribute, KeyKind, KeySchema, PackedItem, Query, Scan, TableDefinition, TableName,
    TransactPart, TransactWrite, Update,
};

/// Requests that are accepted, and their operations.
const ACCEPTED: &[(&str, &str)] = &[
    (
        "PutItem",
        r##"{"TableName":"abc","Item":{"p":{"S":"x"},"l":{"L":[{"M":{"k":{"NS":["1"]}}}]}},"ConditionExpression":"#p <> :v AND NOT (size(l) IN (:v, :w) OR contains(l, :w))","ExpressionAttributeNames":{"#p":"p"},"ExpressionAttributeValues":{":v":{"N":"1"},":w":{"B":"AA=="}},"ReturnValues":"ALL_OLD"}"##,
    ),
    (
        "UpdateItem",
        r#"{"TableName":"abc","Key":{"p":{"S":"x"}},"UpdateExpression":"SET a[1].b = if_not_exists(c, :v) + :v, d = list_append(:l, e) REMOVE f[2] ADD g :s DELETE h :s","ExpressionAttributeValues":{":v":{"N":"1"},":l":{"L":[]},":s":{"SS":["x"]}},"ReturnValues":"UPDATED_NEW"}"#,
    ),
    (
        "UpdateItem",
        r#"{"TableName":"abc","Key":{"p":{"S":"x"}},"AttributeUpdates":{"a":{"Action":"ADD","Value":{"N":"1"}},"b":{"Action":"DELETE"}},"Expected":{"a":{"ComparisonOperator":"BETWEEN","AttributeValueList":[{"N":"1"},{"N":"2"}]}}}"#,
    ),
    (
        "GetItem",
        r#"{"TableName":"abc","Key":{"p":{"S":"x"}},"ProjectionExpression":"a[0].b, c","ConsistentRead":true}"#,
    ),
    (
        "DeleteItem",
        r#"{"TableName":"abc","Key":{"p":{"S":"x"}},"Expected":{"a":{"Exists":false},"b":{"Value":{"BOOL":true}}},"ConditionalOperator":"OR"}"#,
    ),
    (
        "Query",
        r#"{"TableName":"abc","IndexName":"by-g","KeyConditionExpression":"g = :v AND begins_with(s, :w)","FilterExpression":"a BETWEEN :v AND :w","ExpressionAttributeValues":{":v":{"S":"a"},":w":{"S":"b"}},"Limit":3,"ScanIndexForward":false,"ExclusiveStartKey":{"g":{"S":"a"},"s":{"S":"b"},"p":{"S":"x"}}}"#,
    ),
    (
        "Query",
        r#"{"TableName":"abc","KeyConditions":{"p":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"x"}]}},"AttributesToGet":["a"]}"#,
    ),
    (
        "Scan",
        r#"{"TableName":"abc","Segment":1,"TotalSegments":3,"ScanFilter":{"a":{"ComparisonOperator":"NOT_CONTAINS","AttributeValueList":[{"S":"x"}]}},"ExclusiveStartKey":{"p":{"S":"x"}}}"#,
    ),
    (
        "BatchGetItem",
        r##"{"RequestItems":{"abc":{"Keys":[{"p":{"S":"x"}}],"ProjectionExpression":"#a","ExpressionAttributeNames":{"#a":"a"}}}}"##,
    ),
    (
        "BatchWriteItem",
        r#"{"RequestItems":{"abc":[{"PutRequest":{"Item":{"p":{"S":"x"}}}},{"DeleteRequest":{"Key":{"p":{"S":"y"}}}}]}}"#,
    ),
    (
        "TransactWriteItems",
        r#"{"ClientRequestToken":"t","TransactItems":[{"Put":{"TableName":"abc","Item":{"p":{"S":"x"}}}},{"Update":{"TableName":"abc","Key":{"p":{"S":"y"}},"UpdateExpression":"REMOVE a"}},{"ConditionCheck":{"TableName":"abc","Key":{"p":{"S":"z"}},"ConditionExpression":"attribute_exists(p)"}}]}"#,
    ),
    (
        "TransactGetItems",
        r#"{"TransactItems":[{"Get":{"TableName":"abc","Key":{"p":{"S":"x"}}}}]}"#,
    ),
    (
        "CreateTable",
        r#"{"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"g","AttributeType":"S"}],"KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],"GlobalSecondaryIndexes":[{"IndexName":"by-g","Projection":{"ProjectionType":"ALL"},"KeySchema":[{"AttributeName":"g","KeyType":"HASH"}]}],"Tags":[{"Key":"a","Value":"b"}]}"#,
    ),
    (
        "UpdateTable",
        r#"{"TableName":"abc","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"by-g"}}]}"#,
    ),
    (
        "TagResource",
        r#"{"ResourceArn":"arn:aws:dynamodb:local:0:table/abc","Tags":[{"Key":"a","Value":"b"}]}"#,
    ),
    ("UntagResource", r#"{"ResourceArn":"arn:aws:dynamodb:local:0:table/abc","TagKeys":["a"]}"#),
    (
        "UpdateTimeToLive",
        r#"{"TableName":"abc","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"a"}}"#,
    ),
    ("ListTables", r#"{"ExclusiveStartTableName":"abc","Limit":3}"#),
];

/// What is put in place of something else: pieces of JSON and of expressions.
const PIECES: &[&str] = &[
    "null",
    "true",
    "1",
    "-1",
    "1.5",
    "1e400",
    "99999999999999999999",
    "\"x\"",
    "\"\"",
    "[]",
    "{}",
    "[{}]",
    "{\"S\":\"x\"}",
    "{\"N\":\"1\"}",
    "{\"L\":[]}",
    "{\"M\":{}}",
    "{\"SS\":[]}",
    "{\"NULL\":false}",
    "\\u0000",
    "\\ud800",
    "é",
    "(",
    ")",
    "NOT ",
    " AND ",
    " OR ",
    " IN ",
    " BETWEEN ",
    "#p",
    ":v",
    ".",
    "[0]",
    "[99999999999]",
    " + ",
    " - ",
    "SET ",
    "REMOVE ",
    "size(",
    "if_not_exists(",
    "list_append(",
    "begins_with(",
    ",",
    "\"",
    ":",
    "name",
];

fn table() -> TableDefinition {
    let attribute = |name: &str| KeyAttribute { name: name.into(), kind: KeyKind::S };
    let schema = |name: &str, sort: Option<&str>| KeySchema {
        partition: attribute(name),
        sort: sort.map(attribute),
    };
    TableDefinition {
        global_indexes: vec![GlobalIndex {
            name: IndexName::new("by-g").unwrap(),
            key_schema: schema("g", Some("s")),
            projection: IndexProjection::All,
            throughput: None,
        }],
        ..TableDefinition::new(
            TableName::new("abc").unwrap(),
            schema("p", None),
            BillingMode::PayPerRequest,
        )
    }
}

fn stored() -> Item {
    let list = AttributeValue::L(vec![1_u64.into(), AttributeValue::M([].into()), "x".into()]);
    let names = ["a", "b", "c", "d", "e", "f", "l"];
    names
        .iter()
        .map(|&name| (name.to_owned(), list.clone()))
        .chain([("p".to_owned(), "x".into())])
        .collect()
}

fn judge(condition: Option<&Condition>) {
    let holds = condition.map(|condition| condition.holds(Some(&stored())));
    let packed = PackedItem::pack(&stored());
    assert_eq!(holds, condition.map(|condition| condition.holds_packed(Some(&packed))));
}

fn change(update: &Update) {
    judge(update.condition.as_ref());
    for before in [None, Some(&stored())] {
        if let Ok(after) = update.update.apply(before, &update.key) {
            assert_eq!(
                PackedItem::from_bytes(PackedItem::pack(&after).into_bytes()).unwrap().unpack(),
                after
            );
            let _ = update.update.updated_parts(&after);
        }
    }
}

fn query(query: &Query) {
    judge(query.filter.as_ref());
    let _ = query.plan(&table());
}

fn scan(scan: &Scan) {
    judge(scan.filter.as_ref());
    let _ = scan.plan(&table());
}

fn transact(transaction: &TransactWrite) {
    for part in &transaction.parts {
        match part {
            TransactPart::Check(check) => judge(Some(&check.condition)),
            TransactPart::Put(put) => judge(put.condition.as_ref()),
            TransactPart::Delete(delete) => judge(delete.condition.as_ref()),
            TransactPart::Update(update) => change(update),
        }
    }
}

/// Does what can be done with a request without a table behind it.
fn carry_out(request: &Request) {
    let key = |key: &Item| drop(table().key_schema.key_of_attributes(key));
    match request {
        Request::PutItem(put) => {
            judge(put.condition.as_ref());
            let _ = table().key_schema.key_of_item(&put.item);
            let _ = table().check_index_keys(&put.item);
        }
        Request::UpdateItem(update) => change(update),
        Request::DeleteItem(delete) => {
            judge(delete.condition.as_ref());
            key(&delete.key);
        }
        Request::GetItem(get) => {
            key(&get.key);
            let _ = get.project(Some(PackedItem::pack(&stored())));
        }
        Request::Query(it) => query(it),
        Request::Scan(it) => scan(it),
        Request::TransactWriteItems(it) => transact(it),
        _ => {}
    }
}

fn ask(operation: &str, body: &[u8]) {
    match parse(&format!("DynamoDB_20120810.{operation}"), body) {
        Ok(request) => carry_out(&request),
        Err(error) => assert!((400..500).contains(&error.status()), "{error}"),
    }
}

#[test]
fn the_requests_to_start_from_are_accepted() {
    for (operation, body) in ACCEPTED {
        let request = parse(&format!("DynamoDB_20120810.{operation}"), body.as_bytes());
        carry_out(&request.unwrap_or_else(|error| panic!("{body}: {error}")));
    }
}

/// A request with some stretches replaced by pieces.
fn damaged() -> impl Strategy<Value = (&'static str, String)> {
    let edits = prop::collection::vec(
        (any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(PIECES)),
        0..4,
    );
    (prop::sample::select(ACCEPTED), edits).prop_map(|((operation, body), edits)| {
        let mut body = body.to_owned();
        for (at, length, piece) in edits {
            let start = body.floor_char_boundary(at.index(body.len() + 1));
            let end = body.floor_char_boundary((start + length).min(body.len())).max(start);
            body.replace_range(start..end, piece);
        }
        (operation, body)
    })
}

/// A request whose JSON is whole, with some values replaced.
fn misshapen() -> impl Strategy<Value = (&'static str, String)> {
    fn places(json: &serde_json::Value, at: &str, out: &mut Vec<String>) {
        out.push(at.to_owned());
        match json {
            serde_json::Value::Object(members) => {
                members.iter().for_each(|(name, json)| places(json, &format!("{at}/{name}"), out));
            }
            serde_json::Value::Array(elements) => {
                elements
                    .iter()
                    .enumerate()
                    .for_each(|(n, json)| places(json, &format!("{at}/{n}"), out));
            }
            _ => {}
        }
    }
    let whole = PIECES.iter().filter_map(|piece| serde_json::from_str(piece).ok());
    let values: Vec<serde_json::Value> = whole.collect();
    let edits =
        prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(values)), 1..4);
    (prop::sample::select(ACCEPTED), edits).prop_map(|((operation, body), edits)| {
        let mut json: serde_json::Value = serde_json::from_str(body).unwrap();
        for (at, value) in edits {
            let mut all = Vec::new();
            places(&json, "", &mut all);
            let place = &all[at.index(all.len())];
            *json.pointer_mut(place).unwrap() = value;
        }
        (operation, json.to_string())
    })
}

/// As many cases as the environment says, and not few.
fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2_000), ..default }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn damaged_requests_get_an_answer((operation, body) in damaged()) {
        ask(operation, body.as_bytes());
    }

    #[test]
    fn misshapen_requests_get_an_answer((operation, body) in misshapen()) {
        ask(operation, body.as_bytes());
    }

    #[test]
    fn bytes_get_an_answer(
        (operation, _) in prop::sample::select(ACCEPTED), body in any::<Vec<u8>>(),
    ) {
        ask(operation, &body);
    }

    /// Expressions of any words, in every parameter that takes one.
    #[test]
    fn expressions_get_an_answer(words in prop::collection::vec(prop::sample::select(PIECES), 0..16)) {
        let text = serde_json::Value::from(words.concat());
        let placeholders = r##""ExpressionAttributeNames":{"#p":"p"},"ExpressionAttributeValues":{":v":{"N":"1"}}"##;
        let key = r#""Key":{"p":{"S":"x"}}"#;
        for (operation, parameter) in [
            ("UpdateItem", "UpdateExpression"),
            ("UpdateItem", "ConditionExpression"),
            ("Query", "KeyConditionExpression"),
            ("Scan", "FilterExpression"),
            ("Scan", "ProjectionExpression"),
        ] {
            let body = format!(r#"{{"TableName":"abc",{key},"{parameter}":{text},{placeholders}}}"#);
            ask(operation, body.as_bytes());
        }
    }
}
