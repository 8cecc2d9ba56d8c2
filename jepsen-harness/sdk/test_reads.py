"""Query, Scan, indexes, batches: pages, filters, directions, segments."""

import threading
import time

import pytest


def put_all(db, table, items):
    for start in range(0, len(items), 25):
        left = {table: [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]}
        while left:
            left = db.batch_write_item(RequestItems=left)["UnprocessedItems"]


def numbers(answer):
    return [int(item["n"]["N"]) for item in answer["Items"]]


def eventually(check, seconds=20):
    """Waits until a check no longer fails: global indexes and eventual reads lag."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.fixture
def songs(db, make):
    table = make("id", "n:N")
    put_all(
        db,
        table,
        [
            {"id": {"S": f"p{number % 3}"}, "n": {"N": str(number)}, "v": {"N": str(number % 5)}}
            for number in range(60)
        ],
    )
    return table


def test_query(db, songs, fails):
    def query(condition, values, **options):
        return db.query(
            TableName=songs,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={
                name: {"S": value} if isinstance(value, str) else {"N": str(value)}
                for name, value in values.items()
            },
            ConsistentRead=True,
            **options,
        )

    p1 = list(range(1, 60, 3))
    assert numbers(query("id = :p", {":p": "p1"})) == p1
    assert numbers(query("id = :p", {":p": "p1"}, ScanIndexForward=False)) == p1[::-1]
    assert numbers(query("id = :p AND n < :n", {":p": "p1", ":n": 10})) == [1, 4, 7]
    between = query("id = :p AND n BETWEEN :a AND :b", {":p": "p1", ":a": 7, ":b": 13})
    assert numbers(between) == [7, 10, 13]
    filtered = query("id = :p", {":p": "p1", ":v": 0}, FilterExpression="v = :v")
    assert numbers(filtered) == [10, 25, 40, 55]
    assert (filtered["Count"], filtered["ScannedCount"]) == (4, 20)
    count = query("id = :p", {":p": "p1"}, Select="COUNT", ReturnConsumedCapacity="TOTAL")
    assert count["Count"] == 20 and "Items" not in count
    assert count["ConsumedCapacity"]["CapacityUnits"] == 1.0
    page = query("id = :p", {":p": "p1"}, Limit=7)
    assert numbers(page) == p1[:7]
    rest = query("id = :p", {":p": "p1"}, ExclusiveStartKey=page["LastEvaluatedKey"])
    assert numbers(rest) == p1[7:] and "LastEvaluatedKey" not in rest
    part = query("id = :p", {":p": "p1"}, ProjectionExpression="v", Limit=1)
    assert part["Items"] == [{"v": {"N": "1"}}]
    fails("ValidationException", query, "n = :n", {":n": 1})
    fails("ValidationException", query, "id > :p", {":p": "p1"})
    fails("ValidationException", query, "id = :p", {":p": "p1", ":unused": 1})
    fails("ValidationException", query, "id = :p", {":p": "p1", ":n": 1}, FilterExpression="n = :n")
    outside = {"id": {"S": "p2"}, "n": {"N": "2"}}
    fails("ValidationException", query, "id = :p", {":p": "p1"}, ExclusiveStartKey=outside)


def test_scan_in_pages_and_segments(db, songs, fails):
    def pages(**options):
        paginator = db.get_paginator("scan")
        return [
            number
            for page in paginator.paginate(TableName=songs, ConsistentRead=True, **options)
            for number in numbers(page)
        ]

    assert sorted(pages()) == list(range(60))
    assert sorted(pages(PaginationConfig={"PageSize": 7})) == list(range(60))
    parts = [pages(Segment=number, TotalSegments=4) for number in range(4)]
    assert sorted(sum(parts, [])) == list(range(60))
    assert sum(1 for part in parts if part) > 1
    filtered = db.scan(
        TableName=songs,
        FilterExpression="v IN (:a, :b)",
        ExpressionAttributeValues={":a": {"N": "1"}, ":b": {"N": "2"}},
        Select="COUNT",
        ConsistentRead=True,
    )
    assert (filtered["Count"], filtered["ScannedCount"]) == (24, 60)
    fails("ValidationException", db.scan, TableName=songs, Segment=4, TotalSegments=4)
    fails("ValidationException", db.scan, TableName=songs, Segment=1)


def test_a_page_is_a_megabyte(db, make):
    table = make("id", "n:N")
    text = "x" * (131_072 - len("idan") - 2 - len("text"))
    for number in range(10, 28):
        item = {"id": {"S": "a"}, "n": {"N": str(number)}, "text": {"S": text}}
        db.put_item(TableName=table, Item=item)
    page = db.query(
        TableName=table,
        KeyConditionExpression="id = :a",
        ExpressionAttributeValues={":a": {"S": "a"}},
        ProjectionExpression="n",
        ConsistentRead=True,
        ReturnConsumedCapacity="TOTAL",
    )
    assert numbers(page) == list(range(10, 19))
    assert page["LastEvaluatedKey"]["n"] == {"N": "18"}
    assert page["ConsumedCapacity"]["CapacityUnits"] == 288.0
    whole = db.scan(TableName=table, ConsistentRead=True)
    assert len(whole["Items"]) == 9


INDEXED = {
    "attributes": {"price": "N", "state": "S"},
    "LocalSecondaryIndexes": [
        {
            "IndexName": "by-price",
            "KeySchema": [
                {"AttributeName": "id", "KeyType": "HASH"},
                {"AttributeName": "price", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-state",
            "KeySchema": [
                {"AttributeName": "state", "KeyType": "HASH"},
                {"AttributeName": "price", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]},
        }
    ],
}


def order(number, **attributes):
    item = {"id": {"S": "a"}, "n": {"N": str(number)}, "text": {"S": "x"}}
    return {**item, **attributes}


def test_indexes(db, make, fails):
    table = make("id", "n:N", **INDEXED)
    new, price = {"S": "new"}, lambda value: {"N": str(value)}
    put_all(
        db,
        table,
        [
            order(1, state=new, price=price(30), note={"S": "one"}),
            order(2, state=new, price=price(20)),
            order(3, state=new),
            order(4, price=price(10)),
        ],
    )
    local = db.query(
        TableName=table,
        IndexName="by-price",
        KeyConditionExpression="id = :a",
        ExpressionAttributeValues={":a": {"S": "a"}},
        ConsistentRead=True,
    )
    assert numbers(local) == [4, 2, 1]
    assert set(local["Items"][0]) == {"id", "n", "price"}
    whole = db.query(
        TableName=table,
        IndexName="by-price",
        KeyConditionExpression="id = :a AND price > :p",
        ExpressionAttributeValues={":a": {"S": "a"}, ":p": price(25)},
        Select="ALL_ATTRIBUTES",
        ConsistentRead=True,
    )
    assert whole["Items"][0]["text"] == {"S": "x"}

    def by_state(state, **options):
        return db.query(
            TableName=table,
            IndexName="by-state",
            KeyConditionExpression="#s = :s",
            ExpressionAttributeNames={"#s": "state"},
            ExpressionAttributeValues={":s": {"S": state}},
            **options,
        )

    def shown():
        answer = by_state("new")
        assert numbers(answer) == [2, 1]
        assert "note" in answer["Items"][1] and "text" not in answer["Items"][1]

    eventually(shown)
    page = by_state("new", Limit=1)
    assert set(page["LastEvaluatedKey"]) == {"id", "n", "state", "price"}
    assert numbers(by_state("new", ExclusiveStartKey=page["LastEvaluatedKey"])) == [1]
    fails("ValidationException", by_state, "new", ConsistentRead=True)
    fails("ValidationException", by_state, "new", Select="ALL_ATTRIBUTES")
    db.delete_item(TableName=table, Key={"id": {"S": "a"}, "n": {"N": "1"}})
    put_all(db, table, [order(2, state={"S": "paid"}, price=price(5))])

    def moved():
        assert numbers(by_state("new")) == []
        assert numbers(by_state("paid")) == [2]

    eventually(moved)
    described = db.describe_table(TableName=table)["Table"]
    assert described["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    assert described["LocalSecondaryIndexes"][0]["IndexName"] == "by-price"


def test_an_index_is_made_and_removed(db, make):
    table = make("id", "n:N")
    put_all(db, table, [order(number, shelf={"S": "a"}) for number in range(100)])
    if "GlobalSecondaryIndexes" not in db.describe_table(TableName=table)["Table"]:
        db.update_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": "shelf", "AttributeType": "S"}],
            GlobalSecondaryIndexUpdates=[
                {
                    "Create": {
                        "IndexName": "by-shelf",
                        "KeySchema": [{"AttributeName": "shelf", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "ALL"},
                    }
                }
            ],
        )

    def filled():
        described = db.describe_table(TableName=table)["Table"]
        assert described["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"

    eventually(filled)

    def shown():
        answer = db.query(
            TableName=table,
            IndexName="by-shelf",
            KeyConditionExpression="shelf = :a",
            ExpressionAttributeValues={":a": {"S": "a"}},
            Select="COUNT",
        )
        assert answer["Count"] == 100

    eventually(shown)


test_an_index_is_made_and_removed = pytest.mark.calm(test_an_index_is_made_and_removed)


def test_batches(db, make, fails):
    first, second = make("id"), make("id", "n:N")
    put_all(db, first, [{"id": {"S": str(number)}} for number in range(100)])
    put_all(db, second, [order(number) for number in range(10)])
    keys = [{"id": {"S": str(number)}} for number in range(90)]
    answer = db.batch_get_item(
        RequestItems={
            first: {"Keys": keys, "ConsistentRead": True},
            second: {
                "Keys": [{"id": {"S": "a"}, "n": {"N": "3"}}, {"id": {"S": "b"}, "n": {"N": "3"}}],
                "ProjectionExpression": "#n",
                "ExpressionAttributeNames": {"#n": "n"},
                "ConsistentRead": True,
            },
        },
        ReturnConsumedCapacity="TOTAL",
    )
    assert len(answer["Responses"][first]) == 90
    assert answer["Responses"][second] == [{"n": {"N": "3"}}]
    assert answer["UnprocessedKeys"] == {}
    units = {one["TableName"]: one["CapacityUnits"] for one in answer["ConsumedCapacity"]}
    assert units == {first: 90.0, second: 2.0}
    twice = [{"DeleteRequest": {"Key": {"id": {"S": "1"}}}}] * 2
    fails("ValidationException", db.batch_write_item, RequestItems={first: twice})
    many = [{"DeleteRequest": {"Key": {"id": {"S": str(number)}}}} for number in range(26)]
    fails("ValidationException", db.batch_write_item, RequestItems={first: many})
    fails("ValidationException", db.batch_get_item, RequestItems={first: {"Keys": [keys[0]] * 2}})
    nowhere = {"nowhere": {"Keys": keys[:1]}}
    fails("ResourceNotFoundException", db.batch_get_item, RequestItems=nowhere)


def test_a_large_batch(db, make):
    table = make("id")
    text = {"S": "x" * 400_000}
    put_all(db, table, [{"id": {"S": str(number)}, "text": text} for number in range(20)])
    keys = [{"id": {"S": str(number)}} for number in range(20)]
    found, left = [], {table: {"Keys": keys, "ConsistentRead": True}}
    while left:
        answer = db.batch_get_item(RequestItems=left)
        found += answer["Responses"][table]
        left = answer["UnprocessedKeys"]
    assert sorted(int(item["id"]["S"]) for item in found) == list(range(20))
    assert all(item["text"] == text for item in found)


def test_eventual_reads_are_old_and_strong_ones_are_not(cluster, clients, make, request):
    """A node that does not run while others write still knows the old item when it runs again."""
    if request.config.getoption("--kill-every"):
        pytest.skip("nodes that are killed cannot be stopped as well")
    import signal

    table = make("id")
    key = {"id": {"S": "a"}}
    leader = cluster.wait_for_leader()
    behind, writer = [node for node in range(3) if node != leader][0], clients[leader]
    writer.put_item(TableName=table, Item={**key, "v": {"N": "0"}})

    def caught_up():
        assert read_of(clients[behind], table, key, False) == "0"

    eventually(caught_up)
    stale = 0
    for value in range(1, 21):
        cluster.signal(behind, signal.SIGSTOP)
        writer.put_item(TableName=table, Item={**key, "v": {"N": str(value)}})
        answers = {}
        # The requests wait in its sockets, and are the first that it sees when it goes on.
        asked = [
            threading.Thread(
                target=lambda strong=strong: answers.__setitem__(
                    strong, read_of(clients[behind], table, key, strong)
                )
            )
            for strong in (False, True)
        ]
        for thread in asked:
            thread.start()
        time.sleep(0.05)
        cluster.signal(behind, signal.SIGCONT)
        for thread in asked:
            thread.join()
        assert answers[True] == str(value)
        stale += answers[False] != str(value)
    print(f"{stale} of 20 eventual reads were old")
    assert stale > 0


def read_of(client, table, key, strong):
    answer = client.get_item(TableName=table, Key=key, ConsistentRead=strong)
    return answer["Item"]["v"]["N"] if "Item" in answer else None
