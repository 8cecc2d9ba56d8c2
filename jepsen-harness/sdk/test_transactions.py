"""TransactWriteItems and TransactGetItems."""

import uuid

import pytest


@pytest.mark.calm
def test_all_or_nothing(db, make, fails):
    table = make("id")
    key = lambda name: {"id": {"S": name}}
    db.put_item(TableName=table, Item={**key("a"), "v": {"N": "1"}})

    def transact(*parts, **options):
        return db.transact_write_items(
            TransactItems=[
                {kind: {"TableName": table, **part}} for kind, part in parts
            ],
            **options,
        )

    answer = transact(
        ("Put", {"Item": {**key("b"), "v": {"N": "5"}}}),
        (
            "Update",
            {
                "Key": key("a"),
                "UpdateExpression": "SET v = v + :n",
                "ExpressionAttributeValues": {":n": {"N": "1"}},
            },
        ),
        ("ConditionCheck", {"Key": key("c"), "ConditionExpression": "attribute_not_exists(id)"}),
        ("Delete", {"Key": key("d")}),
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == 8.0
    found = db.transact_get_items(
        TransactItems=[
            {"Get": {"TableName": table, "Key": key(name)}} for name in ("a", "b", "c")
        ]
    )
    assert [one.get("Item", {}).get("v") for one in found["Responses"]] == [
        {"N": "2"},
        {"N": "5"},
        None,
    ]
    cancelled = fails(
        "TransactionCanceledException",
        transact,
        ("Put", {"Item": key("x")}),
        (
            "Put",
            {
                "Item": key("a"),
                "ConditionExpression": "attribute_not_exists(id)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        ),
    )
    codes = [reason["Code"] for reason in cancelled["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed"]
    assert cancelled["CancellationReasons"][1]["Item"]["v"] == {"N": "2"}
    assert "Item" not in db.get_item(TableName=table, Key=key("x"), ConsistentRead=True)
    fails("ValidationException", transact, ("Put", {"Item": key("a")}), ("Delete", {"Key": key("a")}))
    fails("ResourceNotFoundException", db.transact_get_items, TransactItems=[
        {"Get": {"TableName": "nowhere", "Key": key("a")}}
    ])


def test_a_token_makes_repetitions_harmless(db, make, fails):
    """Every transaction of an SDK has a token: repeated after a lost answer, it counts once."""
    table = make("id")

    def add(amount, token):
        db.transact_write_items(
            ClientRequestToken=token,
            TransactItems=[
                {
                    "Update": {
                        "TableName": table,
                        "Key": {"id": {"S": "sum"}},
                        "UpdateExpression": "ADD n :n",
                        "ExpressionAttributeValues": {":n": {"N": str(amount)}},
                    }
                }
            ],
        )

    for _ in range(30):
        token = str(uuid.uuid4())
        for _ in range(3):
            add(1, token)
    fails("IdempotentParameterMismatchException", add, 2, token)
    answer = db.get_item(TableName=table, Key={"id": {"S": "sum"}}, ConsistentRead=True)
    assert answer["Item"]["n"] == {"N": "30"}


def test_a_large_transaction(db, make):
    table = make("id")
    text = {"S": "x" * 39_000}
    parts = [
        {"Put": {"TableName": table, "Item": {"id": {"S": str(number)}, "text": text}}}
        for number in range(100)
    ]
    db.transact_write_items(TransactItems=parts)
    gets = [{"Get": {"TableName": table, "Key": {"id": {"S": str(n)}}}} for n in range(100)]
    found = db.transact_get_items(TransactItems=gets)["Responses"]
    assert all(one["Item"]["text"] == text for one in found)
