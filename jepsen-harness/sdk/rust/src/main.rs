//! The AWS SDK for Rust, once through the calls that everybody uses: `sdk-rust ENDPOINT`. Says `ok`,
//! or panics at the first answer that is not what AWS documents.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, KeysAndAttributes,
    Put, PutRequest, ReturnValue, ScalarAttributeType, TableStatus, TransactWriteItem,
    WriteRequest,
};
use aws_smithy_http_client::Builder;
use std::collections::HashMap;
use std::time::Duration;

const TABLE: &str = "rust";

type Item = HashMap<String, AttributeValue>;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key(order: u32) -> Item {
    HashMap::from([("id".to_owned(), text("a")), ("n".to_owned(), number(order))])
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let endpoint = std::env::args().nth(1).expect("an argument: the endpoint");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("local"))
        .credentials_provider(Credentials::new("any", "any", None, None, "fixed"))
        .http_client(Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    make_table(&client).await;
    write_items(&client).await;
    read_items(&client).await;
    remove_table(&client).await;
    println!("ok");
}

async fn make_table(client: &Client) {
    let key = |name: &str, role| {
        KeySchemaElement::builder().attribute_name(name).key_type(role).build().expect("complete")
    };
    let attribute = |name: &str, kind| {
        let builder = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
        builder.build().expect("complete")
    };
    let made = client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("id", ScalarAttributeType::S))
        .attribute_definitions(attribute("n", ScalarAttributeType::N))
        .key_schema(key("id", KeyType::Hash))
        .key_schema(key("n", KeyType::Range))
        .send()
        .await
        .expect("a table can be made");
    let made = made.table_description.expect("it is described");
    assert_eq!(made.table_status, Some(TableStatus::Creating));
    let waiter = client.wait_until_table_exists().table_name(TABLE);
    waiter.wait(Duration::from_secs(30)).await.expect("it is there");
}

async fn write_items(client: &Client) {
    let bytes = AttributeValue::B(Blob::new([0, 255]));
    let item = key(1).into_iter().chain([("b".to_owned(), bytes)]).collect();
    let put = || client.put_item().table_name(TABLE);
    put().set_item(Some(item)).send().await.expect("an item can be put");
    let again = put()
        .set_item(Some(key(1)))
        .condition_expression("attribute_not_exists(id)")
        .send()
        .await
        .expect_err("it is there already")
        .into_service_error();
    assert!(again.is_conditional_check_failed_exception(), "{again}");
    let updated = client
        .update_item()
        .table_name(TABLE)
        .set_key(Some(key(1)))
        .update_expression("ADD v :one")
        .expression_attribute_values(":one", number(1))
        .return_values(ReturnValue::UpdatedNew)
        .send()
        .await
        .expect("an item can be changed");
    assert_eq!(updated.attributes, Some(HashMap::from([("v".to_owned(), number(1))])));
    let part = Put::builder().table_name(TABLE).set_item(Some(key(2))).build().expect("complete");
    client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(part).build())
        .send()
        .await
        .expect("a transaction can be done");
    let writes = (3..8).map(|order| {
        let put = PutRequest::builder().set_item(Some(key(order))).build().expect("complete");
        WriteRequest::builder().put_request(put).build()
    });
    let batch = client.batch_write_item().request_items(TABLE, writes.collect());
    let left = batch.send().await.expect("a batch can be written").unprocessed_items;
    assert_eq!(left, Some(HashMap::new()));
}

async fn read_items(client: &Client) {
    let found = client
        .get_item()
        .table_name(TABLE)
        .set_key(Some(key(1)))
        .consistent_read(true)
        .send()
        .await
        .expect("an item can be read")
        .item
        .expect("it is there");
    assert_eq!((found["b"].as_b(), &found["v"]), (Ok(&Blob::new([0, 255])), &number(1)));
    let mut pages = client
        .query()
        .table_name(TABLE)
        .key_condition_expression("id = :a AND n BETWEEN :low AND :high")
        .expression_attribute_values(":a", text("a"))
        .expression_attribute_values(":low", number(2))
        .expression_attribute_values(":high", number(6))
        .consistent_read(true)
        .limit(2)
        .into_paginator()
        .items()
        .send();
    let mut orders = Vec::new();
    while let Some(item) = pages.next().await {
        orders.push(item.expect("a page can be read")["n"].clone());
    }
    assert_eq!(orders, [2, 3, 4, 5, 6].map(number));
    let keys = KeysAndAttributes::builder().set_keys(Some(vec![key(1), key(9)]));
    let keys = keys.consistent_read(true).build().expect("complete");
    let batch = client.batch_get_item().request_items(TABLE, keys).send().await;
    let found = batch.expect("a batch can be read").responses.expect("there are some");
    assert_eq!(found[TABLE].len(), 1);
    let absent = client.get_item().table_name("nowhere").set_key(Some(key(1))).send().await;
    let absent = absent.expect_err("there is no such table").into_service_error();
    assert!(absent.is_resource_not_found_exception(), "{absent}");
}

async fn remove_table(client: &Client) {
    client.delete_item().table_name(TABLE).set_key(Some(key(1))).send().await.expect("it can go");
    let gone = client.delete_table().table_name(TABLE).send().await.expect("a table can go");
    let gone = gone.table_description.expect("it is described");
    assert_eq!(gone.table_status, Some(TableStatus::Deleting));
    let waiter = client.wait_until_table_not_exists().table_name(TABLE);
    waiter.wait(Duration::from_secs(30)).await.expect("it is gone");
}
