"""Fixtures: one cluster for all tests, clients of its nodes, tables with names of their own."""

import itertools
import os
import pathlib

import boto3
import pytest
from botocore.config import Config
from cluster import Cluster, Killer

ROUNDS = 6

# What an application would have that knows that nodes fail.
RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 12}, connect_timeout=2, read_timeout=15
)

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption("--kill-every", type=float, help="kill a node every so many seconds")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "calm: an SDK that repeats a call may change its result, so no node is killed"
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--kill-every") is None:
        return
    skip = pytest.mark.skip(reason="a call repeated by the SDK may answer otherwise")
    for item in items:
        if "calm" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def server():
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return os.environ.get("RINGLEADER", str(pathlib.Path(target) / "release" / "ringleader"))


def pytest_generate_tests(metafunc):
    """While nodes are killed, every test runs often enough to meet some of it."""
    if metafunc.config.getoption("--kill-every") is not None:
        metafunc.fixturenames.append("round")
        metafunc.parametrize("round", range(ROUNDS))


@pytest.fixture(scope="session")
def cluster(server, tmp_path_factory, request):
    cluster = Cluster(server, tmp_path_factory.mktemp("cluster") / "data")
    seconds = request.config.getoption("--kill-every")
    killer = Killer(cluster, seconds) if seconds else None
    try:
        yield cluster
        if killer:
            kills = killer.stop()
            print(f"\n{kills} nodes were killed")
            assert kills > 3, "too few to mean anything"
    finally:
        if killer:
            killer.stop()
        cluster.stop()


def client_of(endpoint, **options):
    """A client with the retries that an application would have."""
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=options.get("region", "local"),
        aws_access_key_id=options.get("key", "any"),
        aws_secret_access_key=options.get("secret", "any"),
        config=RETRIES,
    )


@pytest.fixture(scope="session")
def clients(cluster):
    """A client for each node."""
    return [client_of(cluster.endpoint(node)) for node in range(3)]


TURNS = itertools.count()


@pytest.fixture
def db(clients):
    """A client of one of the nodes, each in its turn."""
    return clients[next(TURNS) % len(clients)]


NAMES = itertools.count(1)


@pytest.fixture
def make(db):
    """Makes tables and returns their names: make("id") or make("id", "n:N", more options)."""

    def make(*keys, **options):
        name = f"table-{next(NAMES)}"
        attributes = [(key + ":S").split(":")[:2] for key in keys]
        more = options.pop("attributes", {})
        definition = {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": attribute, "AttributeType": kind}
                for attribute, kind in [*attributes, *more.items()]
            ],
            "KeySchema": [
                {"AttributeName": attribute, "KeyType": role}
                for (attribute, _), role in zip(attributes, ["HASH", "RANGE"])
            ],
            **options,
        }
        try:
            db.create_table(**definition)
        except db.exceptions.ResourceInUseException:
            # A repeated call whose first attempt was not answered.
            pass
        db.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        return name

    return make


@pytest.fixture
def fails(db):
    """fails("ValidationException", db.put_item, ...) returns the whole answer."""

    def fails(code, call, *arguments, **parameters):
        with pytest.raises(db.exceptions.ClientError) as raised:
            call(*arguments, **parameters)
        assert raised.value.response["Error"]["Code"] == code, raised.value
        return raised.value.response

    return fails
