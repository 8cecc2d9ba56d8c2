"""What clients saw, judged: calls that must not be repeated blindly, each sent once, recorded with
unknown outcomes and given to `lincheck`. Histories of single items are split by key; those of
transactions, queries and eventual reads are about several items, each of them a list that grows."""

import itertools
import json
import os
import pathlib
import random
import subprocess
import threading
import time

import boto3
import pytest
from botocore import exceptions
from botocore.config import Config
from conftest import ROOT

SECONDS = 4
CLIENTS = 6
KEYS = ["x", "y", "z"]

# Nothing was sent: these calls certainly had no effect.
UNSENT = (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError)


class Recorder:
    def __init__(self):
        self.lines = []
        self.lock = threading.Lock()
        self.values = itertools.count(1)
        self.processes = itertools.count(CLIENTS)

    def add(self, **line):
        with self.lock:
            self.lines.append({**line, "time": time.monotonic_ns()})


class Client(threading.Thread):
    """One thread, one node, one call at a time, none of them repeated."""

    def __init__(self, number, endpoint, table, recorder):
        super().__init__()
        self.process, self.table, self.recorder = number, table, recorder
        self.random = random.Random(number)
        once = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=3)
        self.db = boto3.session.Session().client(
            "dynamodb",
            endpoint_url=endpoint,
            region_name="local",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=once,
        )

    def run(self):
        deadline = time.monotonic() + SECONDS
        seen = {}
        while time.monotonic() < deadline:
            key = self.random.choice(KEYS)
            kind = self.random.choice(["get", "put", "update", "put_if", "transact"])
            self.call(kind, key, seen)

    def call(self, kind, key, seen):
        f = {"update": "put", "transact": "put_if"}.get(kind, kind)
        line = {"process": self.process, "f": f, "key": key}
        value = None if kind == "get" else next(self.recorder.values)
        condition = None
        if f == "put_if":
            old = seen.get(key)
            condition = {"absent": True} if old is None else {"equals": old}
            line["if"] = condition
        told = self.attempt(lambda: self.send(kind, key, value, condition), value, line)
        if told is None:
            return
        if kind == "get":
            value = seen[key] = told["read"]
        elif "failed" not in told:
            seen[key] = value
        elif "old" in told:
            seen[key] = told["old"]
        told.pop("read", None)
        self.recorder.add(type="ok", value=value, **line, **told)

    def attempt(self, send, value, line):
        """Sends something once. Returns the answer, or nothing if there was none, which is recorded."""
        self.recorder.add(type="invoke", value=value, **line)
        try:
            return send()
        except UNSENT:
            self.recorder.add(type="fail", value=value, **line)
            time.sleep(0.05)
        except exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # 503 says that there was no effect, 500 that nobody knows.
            kind = "fail" if status == 503 else "info"
            assert status in (500, 503), error
            self.recorder.add(type=kind, value=value, **line)
            self.renew(kind)
        except (exceptions.HTTPClientError, exceptions.ConnectionError):
            self.recorder.add(type="info", value=value, **line)
            self.renew("info")
        return None

    def renew(self, kind):
        """After an unknown outcome the process has one operation open for ever."""
        if kind == "info":
            self.process = next(self.recorder.processes)

    def send(self, kind, key, value, condition):
        name = {"TableName": self.table}
        item = {"id": {"S": key}, "v": {"N": str(value)}}
        if kind == "get":
            answer = self.db.get_item(**name, Key={"id": {"S": key}}, ConsistentRead=True)
            return {"read": value_of(answer.get("Item"))}
        if kind == "put":
            self.db.put_item(**name, Item=item)
            return {}
        if kind == "update":
            self.db.update_item(
                **name,
                Key={"id": {"S": key}},
                UpdateExpression="SET v = :v",
                ExpressionAttributeValues={":v": item["v"]},
            )
            return {}
        put = {**name, "Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if "absent" in condition:
            put["ConditionExpression"] = "attribute_not_exists(id)"
        else:
            put["ConditionExpression"] = "v = :old"
            put["ExpressionAttributeValues"] = {":old": {"N": str(condition["equals"])}}
        try:
            if kind == "put_if":
                self.db.put_item(**put)
            else:
                self.db.transact_write_items(TransactItems=[{"Put": put}])
        except self.db.exceptions.ConditionalCheckFailedException as error:
            return {"failed": True, "old": value_of(error.response.get("Item"))}
        except self.db.exceptions.TransactionCanceledException as error:
            (reason,) = error.response["CancellationReasons"]
            return {"failed": True, "old": value_of(reason.get("Item"))}
        return {}


class Transactor(Client):
    """Appends to several lists at once and reads several at once. Lists are items of one partition,
    and another one every so often, so that they stay short."""

    LISTS = range(3)
    APPENDS_PER_PARTITION = 60

    def __init__(self, number, endpoint, table, recorder, consistent):
        super().__init__(number, endpoint, table, recorder)
        self.consistent = consistent

    def run(self):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            value = next(self.recorder.values)
            partition = f"p{value // self.APPENDS_PER_PARTITION}"
            lists = self.random.sample(self.LISTS, self.random.randint(1, 3))
            kind = self.random.choice(["append", "append", "update", "moment", "query", "get"])
            getattr(self, kind)(partition, lists, value)

    def transaction(self, partition, operations, send):
        """One transaction: operations of lists by number; `send` returns what was read."""
        value = [[f, f"{partition}/{at}", of] for f, at, of in operations]
        line = {"process": self.process, "f": "txn"}
        read = self.attempt(send, value, line)
        if read is not None:
            told = [[f, key, read.get(key, []) if f == "r" else of] for f, key, of in value]
            self.recorder.add(type="ok", value=told, **line)

    def key(self, partition, at):
        return {"id": {"S": partition}, "n": {"N": str(at)}}

    def appending(self, partition, at, value):
        return {
            "TableName": self.table,
            "Key": self.key(partition, at),
            "UpdateExpression": "SET v = list_append(if_not_exists(v, :none), :one)",
            "ExpressionAttributeValues": {
                ":none": {"L": []},
                ":one": {"L": [{"N": str(value)}]},
            },
        }

    def append(self, partition, lists, value):
        parts = [{"Update": self.appending(partition, at, value)} for at in lists]

        def send():
            self.db.transact_write_items(TransactItems=parts)
            return {}

        self.transaction(partition, [("append", at, value) for at in lists], send)

    def update(self, partition, lists, value):
        """An append to one list that tells the list."""
        at = lists[0]

        def send():
            request = {**self.appending(partition, at, value), "ReturnValues": "ALL_NEW"}
            return lists_of([self.db.update_item(**request)["Attributes"]])

        self.transaction(partition, [("append", at, value), ("r", at, None)], send)

    def moment(self, partition, lists, _):
        gets = [{"Get": {"TableName": self.table, "Key": self.key(partition, at)}} for at in lists]

        def send():
            answers = self.db.transact_get_items(TransactItems=gets)["Responses"]
            return lists_of(answer["Item"] for answer in answers if "Item" in answer)

        self.transaction(partition, [("r", at, None) for at in lists], send)

    def get(self, partition, lists, _):
        at = lists[0]

        def send():
            key = {"TableName": self.table, "Key": self.key(partition, at)}
            answer = self.db.get_item(**key, ConsistentRead=self.consistent)
            return lists_of([answer["Item"]] if "Item" in answer else [])

        self.transaction(partition, [("r", at, None)], send)

    def query(self, partition, *_):
        def send():
            answer = self.db.query(
                TableName=self.table,
                KeyConditionExpression="id = :id",
                ExpressionAttributeValues={":id": {"S": partition}},
                ConsistentRead=self.consistent,
            )
            return lists_of(answer["Items"])

        self.transaction(partition, [("r", at, None) for at in self.LISTS], send)


def lists_of(items):
    return {
        f"{item['id']['S']}/{item['n']['N']}": [int(value["N"]) for value in item["v"]["L"]]
        for item in items
    }


def value_of(item):
    return int(item["v"]["N"]) if item else None


@pytest.fixture(scope="session")
def lincheck():
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    path = pathlib.Path(os.environ.get("LINCHECK", pathlib.Path(target) / "release" / "lincheck"))
    if not path.exists():
        pytest.skip("lincheck is not built: cargo build --release -p lincheck --bin lincheck")
    return path


def test_what_clients_saw_is_linearizable(cluster, make, lincheck, tmp_path):
    table, recorder = make("id"), Recorder()
    clients = [
        Client(number, cluster.endpoint(number % 3), table, recorder) for number in range(CLIENTS)
    ]
    judge(clients, recorder, [lincheck, "check", "--model", "item"], tmp_path)


@pytest.mark.parametrize(
    "consistent, level", [(True, "strict-serializable"), (False, "serializable")]
)
def test_transactions_and_queries_are(consistent, level, cluster, make, lincheck, tmp_path):
    """Strong queries see each transaction whole and in time; eventual ones see it whole, maybe late."""
    table, recorder = make("id", "n:N"), Recorder()
    clients = [
        Transactor(number, cluster.endpoint(number % 3), table, recorder, consistent)
        for number in range(CLIENTS)
    ]
    judge(clients, recorder, [lincheck, "check", "--model", "list-append", "--level", level], tmp_path)


def judge(clients, recorder, command, tmp_path):
    """Has clients do their work, and a checker judge what they saw."""
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    history = tmp_path / "history.jsonl"
    history.write_text("".join(json.dumps(line) + "\n" for line in recorder.lines))
    verdict = subprocess.run([*command, history], capture_output=True, text=True)
    kinds = [line["type"] for line in recorder.lines]
    print({kind: kinds.count(kind) for kind in ("ok", "fail", "info")}, verdict.stdout.strip())
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert kinds.count("ok") > 0
