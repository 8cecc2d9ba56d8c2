"""Signatures, compression, and the AWS CLI."""

import gzip
import json
import os
import shutil
import subprocess
import urllib.request
import zlib

import pytest
from cluster import Cluster
from conftest import client_of

KEYS = "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret/+\n"


@pytest.fixture(scope="module")
def guarded(server, tmp_path_factory):
    """A node that takes only signed requests."""
    directory = tmp_path_factory.mktemp("guarded")
    (directory / "credentials").write_text(KEYS)
    options = ["--single", "--region", "eu-west-3", "--credentials", str(directory / "credentials")]
    cluster = Cluster(server, directory / "data", *options)
    yield cluster.endpoint(0)
    cluster.stop()


@pytest.mark.calm
def test_signatures(guarded, fails):
    good = dict(region="eu-west-3", key="AKIDEXAMPLE", secret="secret/+")
    assert client_of(guarded, **good).list_tables()["TableNames"] == []
    for change, code in [
        ({"secret": "wrong"}, "InvalidSignatureException"),
        ({"region": "us-east-1"}, "InvalidSignatureException"),
        ({"key": "AKIDOTHER"}, "UnrecognizedClientException"),
    ]:
        fails(code, client_of(guarded, **{**good, **change}).list_tables)


def test_compression_and_checksum(cluster, make):
    table = make("id")

    def call(operation, body):
        request = urllib.request.Request(
            cluster.endpoint(0),
            gzip.compress(json.dumps(body).encode()),
            {
                "X-Amz-Target": f"DynamoDB_20120810.{operation}",
                "Content-Type": "application/x-amz-json-1.0",
                "Content-Encoding": "gzip",
                "Accept-Encoding": "gzip",
            },
        )
        with urllib.request.urlopen(request) as answer:
            sent = answer.read()
            assert int(answer.headers["x-amz-crc32"]) == zlib.crc32(sent)
            assert len(answer.headers["x-amzn-RequestId"]) == 52
            coded = answer.headers["Content-Encoding"] == "gzip"
            return json.loads(gzip.decompress(sent) if coded else sent), coded

    item = {"id": {"S": "a"}, "text": {"S": "la" * 5_000}}
    call("PutItem", {"TableName": table, "Item": item})
    key = {"TableName": table, "Key": {"id": {"S": "a"}}, "ConsistentRead": True}
    answer, coded = call("GetItem", key)
    assert coded and answer["Item"] == item


test_compression_and_checksum = pytest.mark.calm(test_compression_and_checksum)


@pytest.mark.calm
@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_the_command_line(cluster):
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "local",
    }

    def aws(operation, *arguments):
        command = ["aws", "dynamodb", operation, "--endpoint-url", cluster.endpoint(1), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return json.loads(done.stdout or "{}") if done.returncode == 0 else done.stderr

    table = ["--table-name", "command-line"]
    made = aws(
        "create-table",
        *table,
        "--attribute-definitions",
        "AttributeName=id,AttributeType=S",
        "--key-schema",
        "AttributeName=id,KeyType=HASH",
        "--billing-mode",
        "PAY_PER_REQUEST",
    )
    assert made["TableDescription"]["TableName"] == "command-line"
    assert aws("put-item", *table, "--item", '{"id":{"S":"a"},"n":{"N":"1"}}') == {}
    values = ["--expression-attribute-values", '{":one":{"N":"1"}}']
    updated = aws(
        "update-item",
        *table,
        "--key",
        '{"id":{"S":"a"}}',
        "--update-expression",
        "SET n = n + :one",
        "--return-values",
        "ALL_NEW",
        *values,
    )
    assert updated["Attributes"]["n"] == {"N": "2"}
    found = aws("scan", *table, "--consistent-read")
    assert found["Count"] == 1
    refused = aws("get-item", "--table-name", "nowhere", "--key", '{"id":{"S":"a"}}')
    assert "ResourceNotFoundException" in refused
    assert "command-line" in aws("list-tables")["TableNames"]
    assert aws("delete-table", *table)["TableDescription"]["TableStatus"] == "DELETING"
