//! Every operation once, from request to answer.

use super::*;

const ORDERS: &str = r#"{"TableName":"orders","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"},{"AttributeName":"n","AttributeType":"N"},
        {"AttributeName":"state","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"n","KeyType":"RANGE"}],
    "GlobalSecondaryIndexes":[{"IndexName":"by-state","KeySchema":[{"AttributeName":"state","KeyType":"HASH"}],
        "Projection":{"ProjectionType":"KEYS_ONLY"}}]}"#;

async fn ok(address: SocketAddr, operation: &str, body: &str) -> String {
    let answer = status_and_body(address, operation, body).await;
    let body = answer.strip_prefix("200 ");
    body.unwrap_or_else(|| panic!("{operation} {body:?}: {answer}")).to_owned()
}

fn order(n: u8, state: &str) -> String {
    format!(r#"{{"id":{{"S":"a"}},"n":{{"N":"{n}"}},"state":{{"S":"{state}"}}}}"#)
}

#[test]
fn items_are_written_and_read_by_every_operation() {
    with_node(|address| async move {
        ok(address, "CreateTable", ORDERS).await;
        let puts: Vec<String> = (1..=5)
            .map(|n| format!(r#"{{"PutRequest":{{"Item":{}}}}}"#, order(n, "new")))
            .collect();
        let batch = format!(r#"{{"RequestItems":{{"orders":[{}]}}}}"#, puts.join(","));
        assert_eq!(ok(address, "BatchWriteItem", &batch).await, r#"{"UnprocessedItems":{}}"#);
        let update = r##"{"TableName":"orders","Key":{"id":{"S":"a"},"n":{"N":"2"}},
            "UpdateExpression":"SET #s = :s","ExpressionAttributeNames":{"#s":"state"},
            "ExpressionAttributeValues":{":s":{"S":"paid"}},"ReturnValues":"UPDATED_NEW"}"##;
        let updated = ok(address, "UpdateItem", update).await;
        assert_eq!(updated, r#"{"Attributes":{"state":{"S":"paid"}}}"#);

        let query = r#"{"TableName":"orders","KeyConditionExpression":"id = :a AND n > :n","Limit":2,
            "ExpressionAttributeValues":{":a":{"S":"a"},":n":{"N":"1"}},"ProjectionExpression":"n",
            "ConsistentRead":true}"#;
        assert_eq!(
            ok(address, "Query", query).await,
            r#"{"Items":[{"n":{"N":"2"}},{"n":{"N":"3"}}],"Count":2,"ScannedCount":2,"LastEvaluatedKey":{"id":{"S":"a"},"n":{"N":"3"}}}"#
        );
        let scan = r#"{"TableName":"orders","Select":"COUNT","ConsistentRead":true}"#;
        assert_eq!(ok(address, "Scan", scan).await, r#"{"Count":5,"ScannedCount":5}"#);
        let keys = r#"{"RequestItems":{"orders":{"Keys":[{"id":{"S":"a"},"n":{"N":"2"}}],"ConsistentRead":true}}}"#;
        let expected = format!(
            r#"{{"Responses":{{"orders":[{}]}},"UnprocessedKeys":{{}}}}"#,
            order(2, "paid")
        );
        assert_eq!(ok(address, "BatchGetItem", keys).await, expected);

        let transact = r#"{"ClientRequestToken":"t","TransactItems":[
            {"Delete":{"TableName":"orders","Key":{"id":{"S":"a"},"n":{"N":"1"}}}},
            {"ConditionCheck":{"TableName":"orders","Key":{"id":{"S":"a"},"n":{"N":"2"}},
                "ConditionExpression":"attribute_exists(id)"}}]}"#;
        assert_eq!(ok(address, "TransactWriteItems", transact).await, "{}");
        assert_eq!(ok(address, "TransactWriteItems", transact).await, "{}");
        let gets = r#"{"TransactItems":[{"Get":{"TableName":"orders","Key":{"id":{"S":"a"},"n":{"N":"1"}}}}]}"#;
        assert_eq!(ok(address, "TransactGetItems", gets).await, r#"{"Responses":[{}]}"#);
    });
}

/// The global index follows by what the leader does of its own accord.
#[test]
fn a_global_index_is_followed_by_the_leader() {
    with_node(|address| async move {
        ok(address, "CreateTable", ORDERS).await;
        let put = format!(r#"{{"TableName":"orders","Item":{}}}"#, order(1, "new"));
        ok(address, "PutItem", &put).await;
        let query = r##"{"TableName":"orders","IndexName":"by-state","KeyConditionExpression":"#s = :s",
            "ExpressionAttributeNames":{"#s":"state"},"ExpressionAttributeValues":{":s":{"S":"new"}}}"##;
        let shown = async || {
            while !ok(address, "Query", query).await.contains(r#""Count":1"#) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), shown()).await.unwrap();
    });
}

#[test]
fn tables_are_managed_by_every_operation() {
    with_node(|address| async move {
        ok(address, "CreateTable", ORDERS).await;
        assert_eq!(ok(address, "ListTables", "{}").await, r#"{"TableNames":["orders"]}"#);
        let arn = "arn:aws:dynamodb:local:000000000000:table/orders";
        let tag = format!(r#"{{"ResourceArn":"{arn}","Tags":[{{"Key":"k","Value":"v"}}]}}"#);
        assert_eq!(ok(address, "TagResource", &tag).await, "");
        let of = format!(r#"{{"ResourceArn":"{arn}"}}"#);
        let tags = ok(address, "ListTagsOfResource", &of).await;
        assert_eq!(tags, r#"{"Tags":[{"Key":"k","Value":"v"}]}"#);
        let untag = format!(r#"{{"ResourceArn":"{arn}","TagKeys":["k"]}}"#);
        assert_eq!(ok(address, "UntagResource", &untag).await, "");

        let table = r#"{"TableName":"orders"}"#;
        let expire = r#"{"TableName":"orders","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"until"}}"#;
        ok(address, "UpdateTimeToLive", expire).await;
        let lifetime = ok(address, "DescribeTimeToLive", table).await;
        assert!(lifetime.contains(r#""AttributeName":"until""#), "{lifetime}");
        let update = r#"{"TableName":"orders","DeletionProtectionEnabled":true}"#;
        ok(address, "UpdateTable", update).await;
        let refused = status_and_body(address, "DeleteTable", table).await;
        assert!(refused.starts_with("400 ") && refused.contains("protected"), "{refused}");
        ok(address, "UpdateTable", &update.replace("true", "false")).await;
        assert!(ok(address, "DeleteTable", table).await.contains("DELETING"));
        let gone = status_and_body(address, "DescribeTable", table).await;
        assert!(gone.contains("ResourceNotFoundException"), "{gone}");
        assert!(ok(address, "DescribeLimits", "{}").await.contains("40000"));
        let endpoints = ok(address, "DescribeEndpoints", "{}").await;
        assert!(endpoints.contains(&address.to_string()), "{endpoints}");
    });
}
