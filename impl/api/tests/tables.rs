//! Requests on tables and what they become; their answers and the bytes of these.
#![allow(clippy::unwrap_used, reason = "a test may, and clippy sees only the functions marked so")]

mod dialogue;

use dialogue::{body, index, name, read, refused, request};
use ringleader_api::{Answer, Request};
use ringleader_item::{
    BillingMode, Extent, IndexName, IndexProjection, IndexUpdate, TableClass, TableDescription,
    TableId, TableReport, TableStatus, Throughput,
};
use std::collections::BTreeMap;

const CREATE: &str = r#"{"TableName":"orders","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"},
        {"AttributeName":"at","AttributeType":"N"},{"AttributeName":"day","AttributeType":"B"}],
    "KeySchema":[{"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],
    "LocalSecondaryIndexes":[{"IndexName":"by-day","Projection":{"ProjectionType":"KEYS_ONLY"},
        "KeySchema":[{"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"day","KeyType":"RANGE"}]}],
    "GlobalSecondaryIndexes":[{"IndexName":"of-day",
        "Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["x"]},
        "KeySchema":[{"AttributeName":"day","KeyType":"HASH"}]}],
    "TableClass":"STANDARD_INFREQUENT_ACCESS","DeletionProtectionEnabled":true,
    "Tags":[{"Key":"team","Value":"a"}]}"#;

#[test]
fn tables_with_indexes_and_options() {
    let table = read!(CreateTable, CREATE);
    assert_eq!(
        table.index_names().map(IndexName::as_str).collect::<Vec<_>>(),
        ["by-day", "of-day"]
    );
    assert_eq!(table.global_indexes[0].projection, IndexProjection::Include(vec!["x".into()]));
    assert_eq!((table.class, table.deletion_protection), (TableClass::InfrequentAccess, true));
    assert_eq!(table.tags, BTreeMap::from([("team".to_owned(), "a".to_owned())]));
    let description = TableDescription {
        definition: table.clone(),
        id: TableId(1),
        created_unix_ms: 2_000,
        expiry_attribute: None,
    };
    // An index that comes with its table is made like it, and is not filled from anything.
    let created = body(&Answer::CreateTable(TableReport::creating(description)));
    assert!(created.contains(r#""TableName":"orders","TableStatus":"CREATING""#), "{created}");
    assert!(created.contains(r#""IndexStatus":"CREATING","ProvisionedThroughput""#), "{created}");
    let report = TableReport {
        extent: Extent { status: TableStatus::Updating, items: 3, bytes: 300 },
        indexes: [(index("of-day"), Extent { status: TableStatus::Creating, items: 1, bytes: 9 })]
            .into(),
        ..TableReport::from(TableDescription {
            definition: table,
            id: TableId(1),
            created_unix_ms: 2_000,
            expiry_attribute: None,
        })
    };
    assert_eq!(
        body(&Answer::DescribeTable(report)),
        r#"{"Table":{"TableName":"orders","TableStatus":"UPDATING","TableId":"00000000-0000-0000-0000-000000000001","TableArn":"arn:aws:dynamodb:local:000000000000:table/orders","CreationDateTime":2.000,"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"},{"AttributeName":"at","AttributeType":"N"},{"AttributeName":"day","AttributeType":"B"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],"ItemCount":3,"TableSizeBytes":300,"ProvisionedThroughput":{"NumberOfDecreasesToday":0,"ReadCapacityUnits":0,"WriteCapacityUnits":0},"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST","LastUpdateToPayPerRequestDateTime":2.000},"LocalSecondaryIndexes":[{"IndexName":"by-day","KeySchema":[{"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"day","KeyType":"RANGE"}],"Projection":{"ProjectionType":"KEYS_ONLY"},"IndexSizeBytes":0,"ItemCount":0,"IndexArn":"arn:aws:dynamodb:local:000000000000:table/orders/index/by-day"}],"GlobalSecondaryIndexes":[{"IndexName":"of-day","KeySchema":[{"AttributeName":"day","KeyType":"HASH"}],"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["x"]},"IndexStatus":"CREATING","Backfilling":true,"ProvisionedThroughput":{"NumberOfDecreasesToday":0,"ReadCapacityUnits":0,"WriteCapacityUnits":0},"IndexSizeBytes":9,"ItemCount":1,"IndexArn":"arn:aws:dynamodb:local:000000000000:table/orders/index/of-day"}],"TableClassSummary":{"TableClass":"STANDARD_INFREQUENT_ACCESS"},"DeletionProtectionEnabled":true}}"#
    );
}

#[test]
fn wrong_tables_are_refused() {
    let cases = [
        (r#""IndexName":"of-day""#, r#""IndexName":"by-day""#, "Duplicate index name: by-day"),
        (
            r#""ProjectionType":"KEYS_ONLY""#,
            r#""ProjectionType":"INCLUDE""#,
            "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            r#""ProjectionType":"INCLUDE""#,
            r#""ProjectionType":"ALL""#,
            "ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (r#""ProjectionType":"KEYS_ONLY""#, "", "Unknown ProjectionType: null"),
        (
            r#""KeySchema":[{"AttributeName":"day","KeyType":"HASH"}]"#,
            r#""ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1},"KeySchema":[{"AttributeName":"day","KeyType":"HASH"}]"#,
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: of-day when BillingMode is PAY_PER_REQUEST",
        ),
        (
            r#""KeySchema":[{"AttributeName":"day","KeyType":"HASH"}]"#,
            r#""KeySchema":[{"AttributeName":"week","KeyType":"HASH"}]"#,
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [week], AttributeDefinitions: [id, at, day]",
        ),
        (
            r#""AttributeDefinitions":["#,
            r#""AttributeDefinitions":[{"AttributeName":"x","AttributeType":"S"},"#,
            "Some AttributeDefinitions are not used. AttributeDefinitions: [x, id, at, day], keys used: [at, day, id]",
        ),
    ];
    for (part, replacement, expected) in cases {
        assert!(CREATE.contains(part), "{part}");
        let expected =
            format!("ValidationException: One or more parameter values were invalid: {expected}");
        assert_eq!(refused("CreateTable", &CREATE.replacen(part, replacement, 1)), expected);
    }
    let few = r#"{"TableName":"orders","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}]}"#;
    assert_eq!(
        refused("CreateTable", few),
        "ValidationException: Invalid KeySchema: Some index key attribute have no definition"
    );
}

#[test]
fn changes_of_tables() {
    let change = |rest: &str| format!(r#"{{"TableName":"orders"{rest}}}"#);
    let throughput = r#","ProvisionedThroughput":{"ReadCapacityUnits":3,"WriteCapacityUnits":4}"#;
    let request =
        read!(UpdateTable, &change(&format!(r#","DeletionProtectionEnabled":false{throughput}"#)));
    assert_eq!(request.billing, Some(BillingMode::Provisioned { read_units: 3, write_units: 4 }));
    assert_eq!(request.deletion_protection, Some(false));
    let indexes = r#","AttributeDefinitions":[{"AttributeName":"g","AttributeType":"S"}],
        "GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"new","Projection":{"ProjectionType":"ALL"},
            "KeySchema":[{"AttributeName":"g","KeyType":"HASH"}]}},{"Delete":{"IndexName":"old"}},
            {"Update":{"IndexName":"same","ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":2}}}]"#;
    let request = read!(UpdateTable, &change(indexes));
    let [
        IndexUpdate::Create(new),
        IndexUpdate::Delete(old),
        IndexUpdate::Update { throughput, .. },
    ] = &request.indexes[..]
    else {
        panic!("{request:?}")
    };
    assert_eq!((&new.name, old), (&index("new"), &index("old")));
    assert_eq!(*throughput, Throughput { read_units: 1, write_units: 2 });
    assert!(
        refused("UpdateTable", &change("")).starts_with("ValidationException: At least one of")
    );
    assert_eq!(
        refused("UpdateTable", &change(r#","GlobalSecondaryIndexUpdates":[{}]"#)),
        "ValidationException: One or more parameter values were invalid: One of GlobalSecondaryIndexUpdate Update, Create or Delete must not be null"
    );
    assert_eq!(
        refused("UpdateTable", &change(r#","ReplicaUpdates":[{}]"#)),
        "ValidationException: The parameter ReplicaUpdates is not supported yet"
    );
    let arn = r#"{"TableName":"arn:aws:dynamodb:eu:123456789012:table/orders"}"#;
    assert_eq!(read!(DeleteTable, arn), name("orders"));
}

#[test]
fn names_labels_and_expiry() {
    let list = read!(ListTables, r#"{"ExclusiveStartTableName":"orders","Limit":5}"#);
    assert_eq!((list.start, list.limit), (Some(name("orders")), 5));
    assert_eq!(read!(ListTables, "{}").limit, 100);
    let arn = r#""ResourceArn":"arn:aws:dynamodb:local:000000000000:table/orders""#;
    let tag = read!(TagResource, &format!(r#"{{{arn},"Tags":[{{"Key":"k","Value":""}}]}}"#));
    assert_eq!((tag.table, tag.tags.len()), (name("orders"), 1));
    let untag = read!(UntagResource, &format!(r#"{{{arn},"TagKeys":["k"]}}"#));
    assert_eq!((untag.table, untag.keys), (name("orders"), vec!["k".to_owned()]));
    assert_eq!(read!(ListTagsOfResource, &format!("{{{arn}}}")), name("orders"));
    assert_eq!(
        refused("ListTagsOfResource", r#"{"ResourceArn":"orders"}"#),
        "ValidationException: Invalid TableArn: Invalid ResourceArn provided as input orders"
    );
    let twice = r#""Tags":[{"Key":"k","Value":"1"},{"Key":"k","Value":"2"}]"#;
    assert!(refused("TagResource", &format!("{{{arn},{twice}}}")).contains("Duplicate tag key"));
    let expiry = r#"{"TableName":"orders","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"until"}}"#;
    let expiry = read!(UpdateTimeToLive, expiry);
    assert_eq!((expiry.enabled, expiry.attribute.as_str()), (true, "until"));
    assert_eq!(request("DescribeLimits", "{}"), Ok(Request::DescribeLimits));
    let cases = [
        (
            Answer::ListTables { names: vec![name("orders")], last: Some(name("orders")) },
            r#"{"TableNames":["orders"],"LastEvaluatedTableName":"orders"}"#,
        ),
        (Answer::TagResource, ""),
        (
            Answer::ListTagsOfResource([("k".to_owned(), "v".to_owned())].into()),
            r#"{"Tags":[{"Key":"k","Value":"v"}]}"#,
        ),
        (
            Answer::UpdateTimeToLive(expiry),
            r#"{"TimeToLiveSpecification":{"Enabled":true,"AttributeName":"until"}}"#,
        ),
        (
            Answer::DescribeTimeToLive(Some("until".into())),
            r#"{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"until"}}"#,
        ),
        (
            Answer::DescribeTimeToLive(None),
            r#"{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}"#,
        ),
        (
            Answer::DescribeEndpoints("127.0.0.1:8000".into()),
            r#"{"Endpoints":[{"Address":"127.0.0.1:8000","CachePeriodInMinutes":1440}]}"#,
        ),
    ];
    for (answer, expected) in cases {
        assert_eq!(body(&answer), expected);
    }
}
