#!/usr/bin/env python3
"""The tour of the README with boto3: create a table, put, get, a refused condition, delete.

Usage: python3 boto3_tour.py [ENDPOINT]
The endpoint is the argument, or RINGLEADER_ENDPOINT, or http://127.0.0.1:8000.
A command in TOUR_MIDDLE runs after the put: it may kill a node, and all must go on as before.
Exits with 0 when every answer is as expected.
"""

import os
import subprocess
import sys
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = (sys.argv[1:] or [os.environ.get("RINGLEADER_ENDPOINT", "http://127.0.0.1:8000")])[0]
dynamodb = boto3.resource(
    "dynamodb",
    endpoint_url=endpoint,
    region_name="local",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    # A write that timed out may have happened. Whether to ask again is for us to decide.
    config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10),
)

# A name of its own, so that the script can run many times on one cluster.
name = f"songs-{uuid.uuid4().hex[:8]}"
table = dynamodb.create_table(
    TableName=name,
    AttributeDefinitions=[{"AttributeName": "artist", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "artist", "KeyType": "HASH"}],
    BillingMode="PAY_PER_REQUEST",
)
table.wait_until_exists()
print(f"created {name} at {endpoint}")

key = {"artist": "Nina Simone"}
table.put_item(Item={**key, "song": "Sinnerman", "minutes": 10})
subprocess.run(os.environ.get("TOUR_MIDDLE", ":"), shell=True, check=True)
item = table.get_item(Key=key, ConsistentRead=True)["Item"]
assert item == {**key, "song": "Sinnerman", "minutes": 10}, item
print("put and got", item)

try:
    table.put_item(Item={**key, "song": "none"}, ConditionExpression="attribute_not_exists(artist)")
    sys.exit("a put under a condition that does not hold was accepted")
except ClientError as error:
    code = error.response["Error"]["Code"]
    assert code == "ConditionalCheckFailedException", code
    print("refused as it should be:", code)

table.put_item(
    Item={**key, "song": "Feeling Good", "minutes": 3},
    ConditionExpression="#s = :s AND minutes >= :m",
    ExpressionAttributeNames={"#s": "song"},
    ExpressionAttributeValues={":s": "Sinnerman", ":m": 10},
)
old = table.delete_item(Key=key, ReturnValues="ALL_OLD")["Attributes"]
assert old["song"] == "Feeling Good", old
assert "Item" not in table.get_item(Key=key, ConsistentRead=True)
print("deleted", old)
print("boto3 tour: ok")
