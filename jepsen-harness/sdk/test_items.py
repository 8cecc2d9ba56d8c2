"""PutItem, GetItem, UpdateItem, DeleteItem: every type, every option, every error."""

import decimal

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from conftest import RETRIES

EVERY_TYPE = {
    "s": {"S": "tëxt"},
    "n": {"N": "-1.5"},
    "b": {"B": b"\x00\xff"},
    "t": {"BOOL": True},
    "z": {"NULL": True},
    "m": {"M": {"k": {"L": [{"S": "x"}, {"M": {}}]}}},
    "l": {"L": []},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2.5"]},
    "bs": {"BS": [b"1", b"2"]},
}


def normal(item):
    plain = TypeDeserializer()
    return {name: plain.deserialize(value) for name, value in item.items()}


def test_every_type_comes_back(db, make):
    table = make("id")
    item = {"id": {"S": "a"}, **EVERY_TYPE}
    assert db.put_item(TableName=table, Item=item).get("Attributes") is None
    answer = db.get_item(TableName=table, Key={"id": {"S": "a"}}, ConsistentRead=True)
    assert normal(answer["Item"]) == normal(item)
    none = db.get_item(TableName=table, Key={"id": {"S": "b"}}, ConsistentRead=True)
    assert "Item" not in none


def test_numbers_are_exact(db, make):
    table = make("id:N")
    digits = "1" * 38
    for text, told in [
        (digits, digits),
        ("0001.500", "1.5"),
        ("-0", "0"),
        ("1e-130", "0." + "0" * 129 + "1"),
        ("9.99e125", "999" + "0" * 123),
    ]:
        db.put_item(TableName=table, Item={"id": {"N": text}, "n": {"N": text}})
        answer = db.get_item(TableName=table, Key={"id": {"N": text}}, ConsistentRead=True)
        number = decimal.Decimal(answer["Item"]["n"]["N"])
        assert number == decimal.Decimal(told)


def test_parts_of_an_item(db, make):
    table = make("id")
    db.put_item(TableName=table, Item={"id": {"S": "a"}, **EVERY_TYPE})
    answer = db.get_item(
        TableName=table,
        Key={"id": {"S": "a"}},
        ProjectionExpression="#m.k[0], n, nowhere",
        ExpressionAttributeNames={"#m": "m"},
        ConsistentRead=True,
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["Item"] == {"m": {"M": {"k": {"L": [{"S": "x"}]}}}, "n": {"N": "-1.5"}}
    assert answer["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 1.0}


@pytest.mark.calm
def test_old_items_and_conditions(db, make, fails):
    table = make("id")
    put = lambda value, **options: db.put_item(
        TableName=table, Item={"id": {"S": "a"}, "v": {"N": value}}, **options
    )
    put("1", ConditionExpression="attribute_not_exists(id)")
    old = put("2", ReturnValues="ALL_OLD", ReturnConsumedCapacity="INDEXES")
    assert old["Attributes"]["v"] == {"N": "1"}
    assert old["ConsumedCapacity"]["Table"] == {"CapacityUnits": 1.0}
    refused = fails(
        "ConditionalCheckFailedException",
        put,
        "3",
        ConditionExpression="v < :two",
        ExpressionAttributeValues={":two": {"N": "2"}},
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert refused["Item"]["v"] == {"N": "2"}
    assert refused["Error"]["Message"] == "The conditional request failed"
    gone = db.delete_item(
        TableName=table,
        Key={"id": {"S": "a"}},
        ConditionExpression="v BETWEEN :low AND :high AND NOT contains(id, :x)",
        ExpressionAttributeValues={":low": {"N": "1"}, ":high": {"N": "2"}, ":x": {"S": "x"}},
        ReturnValues="ALL_OLD",
    )
    assert gone["Attributes"]["v"] == {"N": "2"}
    assert "Attributes" not in db.delete_item(
        TableName=table, Key={"id": {"S": "a"}}, ReturnValues="ALL_OLD"
    )


@pytest.mark.calm
def test_updates(db, make, fails):
    table = make("id")
    key = {"id": {"S": "a"}}

    def update(expression, values=None, names=None, **options):
        more = {}
        if values:
            more["ExpressionAttributeValues"] = {
                name: TypeSerializer().serialize(value) for name, value in values.items()
            }
        if names:
            more["ExpressionAttributeNames"] = names
        answer = db.update_item(
            TableName=table, Key=key, UpdateExpression=expression, **more, **options
        )
        return normal(answer.get("Attributes", {}))

    values = {":list": ["x"], ":map": {"k": 1}, ":n": 1, ":set": {"a", "b"}}
    made = update("SET l = :list, m = :map ADD n :n, s :set", values, ReturnValues="ALL_NEW")
    assert made == {"id": "a", "l": ["x"], "m": {"k": 1}, "n": 1, "s": {"a", "b"}}
    new = update(
        "SET l = list_append(l, :more), m.#k = m.#k + :n, z = if_not_exists(z, :n) REMOVE n "
        "DELETE s :gone",
        {":more": ["y"], ":n": 2, ":gone": {"a"}},
        {"#k": "k"},
        ReturnValues="UPDATED_NEW",
    )
    assert new == {"l": ["x", "y"], "m": {"k": 3}, "z": 2, "s": {"b"}}
    old = update("SET l[5] = :v, m.q = :v", {":v": "v"}, ReturnValues="UPDATED_OLD")
    assert old == {}
    assert update("REMOVE l[0]", ReturnValues="ALL_OLD")["l"] == ["x", "y", "v"]
    message = fails(
        "ValidationException",
        update,
        "SET q.r = :v",
        {":v": 1},
    )["Error"]["Message"]
    assert message == "The document path provided in the update expression is invalid for update"
    fails("ValidationException", update, "SET id = :v", {":v": "b"})
    fails("ValidationException", update, "SET l = :v + l", {":v": 1})
    fails(
        "ConditionalCheckFailedException",
        update,
        "SET z = :v",
        {":v": 1},
        ConditionExpression="attribute_not_exists(id)",
    )


def test_legacy_parameters(db, make):
    table = make("id")
    key = {"id": {"S": "a"}}
    db.update_item(
        TableName=table,
        Key=key,
        AttributeUpdates={"v": {"Action": "PUT", "Value": {"N": "1"}}},
    )
    db.put_item(
        TableName=table,
        Item={**key, "v": {"N": "1"}, "w": {"S": "x"}},
        Expected={"v": {"ComparisonOperator": "EQ", "AttributeValueList": [{"N": "1"}]}},
    )
    answer = db.get_item(TableName=table, Key=key, AttributesToGet=["w"], ConsistentRead=True)
    assert answer["Item"] == {"w": {"S": "x"}}


def test_what_is_refused(db, make, fails):
    table = make("id", "n:N")
    fails("ResourceNotFoundException", db.get_item, TableName="nowhere", Key={"id": {"S": "a"}})
    for item in [
        {"id": {"S": "a"}},
        {"id": {"S": "a"}, "n": {"S": "1"}},
        {"id": {"S": ""}, "n": {"N": "1"}},
        {"id": {"S": "x" * 2049}, "n": {"N": "1"}},
        {"id": {"S": "a"}, "n": {"N": "1e126"}},
        {"id": {"S": "a"}, "n": {"N": "1"}, "s": {"SS": []}},
        {"id": {"S": "a"}, "n": {"N": "1"}, "big": {"S": "x" * 409_600}},
    ]:
        fails("ValidationException", db.put_item, TableName=table, Item=item)
    message = fails(
        "ValidationException", db.get_item, TableName=table, Key={"id": {"S": "a"}}
    )["Error"]["Message"]
    assert message == "The provided key element does not match the schema"


def test_the_largest_item(db, make):
    table = make("id")
    text = "x" * (409_600 - len("id") - len("a") - len("text"))
    db.put_item(TableName=table, Item={"id": {"S": "a"}, "text": {"S": text}})
    answer = db.get_item(TableName=table, Key={"id": {"S": "a"}}, ConsistentRead=True)
    assert answer["Item"]["text"]["S"] == text


def test_the_resource_interface(cluster, make):
    table = boto3.resource(
        "dynamodb",
        endpoint_url=cluster.endpoint(0),
        region_name="local",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=RETRIES,
    ).Table(make("id"))
    with table.batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"id": f"item-{number}", "n": number})
    found = table.scan(ConsistentRead=True)["Items"]
    assert sorted(item["n"] for item in found) == list(range(60))
