"""Tables: made, described, listed, changed, labelled, removed; items that expire; limits."""

import time

import pytest
from test_reads import eventually, put_all


def test_a_table_is_described(db, make):
    name = make("id", "n:N", Tags=[{"Key": "team", "Value": "blue"}])
    table = db.describe_table(TableName=name)["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["TableArn"] == f"arn:aws:dynamodb:local:000000000000:table/{name}"
    assert table["KeySchema"] == [
        {"AttributeName": "id", "KeyType": "HASH"},
        {"AttributeName": "n", "KeyType": "RANGE"},
    ]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert (table["ItemCount"], table["TableSizeBytes"]) == (0, 0)
    by_arn = db.describe_table(TableName=table["TableArn"])["Table"]
    assert by_arn["TableId"] == table["TableId"]


@pytest.mark.calm
def test_a_table_is_made_changed_and_removed_as_waiters_expect(db):
    name = "statuses"
    key = [{"AttributeName": "id", "KeyType": "HASH"}]
    made = db.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=key,
        GlobalSecondaryIndexes=[
            {"IndexName": "again", "KeySchema": key, "Projection": {"ProjectionType": "ALL"}}
        ],
    )["TableDescription"]
    assert made["TableStatus"] == "CREATING"
    assert made["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
    db.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    changed = db.update_table(
        TableName=name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "again"}}]
    )["TableDescription"]
    assert changed["TableStatus"] == "UPDATING"
    assert changed["GlobalSecondaryIndexes"][0]["IndexStatus"] == "DELETING"
    described = db.describe_table(TableName=name)["Table"]
    assert described["TableStatus"] == "ACTIVE" and "GlobalSecondaryIndexes" not in described
    assert db.delete_table(TableName=name)["TableDescription"]["TableStatus"] == "DELETING"
    db.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


def test_what_a_table_holds_is_counted(db, make):
    by_shelf = {
        "IndexName": "by-shelf",
        "KeySchema": [{"AttributeName": "shelf", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    name = make("id", attributes={"shelf": "S"}, GlobalSecondaryIndexes=[by_shelf])
    for _ in range(2):
        put_all(db, name, [{"id": {"S": "ab"}, "shelf": {"S": "c"}, "n": {"N": "1"}}])
    put_all(db, name, [{"id": {"S": "other"}}, {"id": {"S": "gone"}}])
    db.delete_item(TableName=name, Key={"id": {"S": "gone"}})

    def counted():
        table = db.describe_table(TableName=name)["Table"]
        # "id" and "ab", "shelf" and "c", "n" and two bytes for a number; "id" and "other".
        assert (table["ItemCount"], table["TableSizeBytes"]) == (2, 4 + 6 + 3 + 7)
        index = table["GlobalSecondaryIndexes"][0]
        assert (index["ItemCount"], index["IndexSizeBytes"]) == (1, 4 + 6)

    eventually(counted)


def test_what_cannot_be_made(db, make, fails):
    name = make("id")
    definition = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    }
    fails("ResourceInUseException", db.create_table, **definition)
    other = {**definition, "TableName": "other-" + name}
    for change in [
        {"KeySchema": [{"AttributeName": "id", "KeyType": "RANGE"}]},
        {"KeySchema": [{"AttributeName": "missing", "KeyType": "HASH"}]},
        {"BillingMode": "PROVISIONED"},
        {"TableName": "with space"},
    ]:
        fails("ValidationException", db.create_table, **{**other, **change})


def test_tables_are_listed(db, make):
    made = {make("id") for _ in range(4)}
    pages = db.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 3})
    names = [name for page in pages for name in page["TableNames"]]
    assert names == sorted(names) and made <= set(names)


@pytest.mark.calm
def test_a_table_is_changed_protected_and_removed(db, make, fails):
    name = make("id")
    put_all(db, name, [{"id": {"S": str(number)}} for number in range(50)])
    changed = db.update_table(
        TableName=name,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        DeletionProtectionEnabled=True,
    )["TableDescription"]
    assert changed["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    fails("ValidationException", db.delete_table, TableName=name)
    db.update_table(TableName=name, DeletionProtectionEnabled=False)
    gone = db.delete_table(TableName=name)["TableDescription"]
    assert gone["TableStatus"] == "DELETING"
    db.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    fails("ResourceNotFoundException", db.describe_table, TableName=name)
    fails("ResourceNotFoundException", db.delete_table, TableName=name)


def test_labels(db, make):
    arn = db.describe_table(TableName=make("id"))["Table"]["TableArn"]
    labels = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    db.tag_resource(ResourceArn=arn, Tags=labels)
    db.untag_resource(ResourceArn=arn, TagKeys=["a"])
    told = db.list_tags_of_resource(ResourceArn=arn)["Tags"]
    assert told == [{"Key": "b", "Value": "2"}]


def test_items_expire(db, make):
    table = make("id")

    def switch():
        told = db.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        if told["TimeToLiveStatus"] == "DISABLED":
            specification = {"Enabled": True, "AttributeName": "until"}
            db.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)

    now = int(time.time())
    put_all(
        db,
        table,
        [
            {"id": {"S": "before"}, "until": {"N": str(now - 60)}},
            {"id": {"S": "soon"}, "until": {"N": str(now + 2)}},
            {"id": {"S": "later"}, "until": {"N": str(now + 3600)}},
            {"id": {"S": "never"}},
        ],
    )
    switch()
    told = db.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert told == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}

    def expired():
        items = db.scan(TableName=table, ConsistentRead=True)["Items"]
        assert {item["id"]["S"] for item in items} == {"later", "never"}

    eventually(expired)


test_items_expire = pytest.mark.calm(test_items_expire)


def test_limits_and_endpoints(db):
    limits = db.describe_limits()
    assert limits["TableMaxReadCapacityUnits"] >= 40_000
    assert db.describe_endpoints()["Endpoints"][0]["Address"].startswith("127.0.0.1:")


def test_what_does_not_exist_here_says_so(db, make, fails):
    told = fails("UnknownOperationException", db.list_backups)
    assert "not supported yet" in told["Error"]["Message"]
    fails("UnknownOperationException", db.execute_statement, Statement="SELECT * FROM x")
