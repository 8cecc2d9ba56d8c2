#!/usr/bin/env python3
"""GetItem and PutItem of 900 bytes against another server and against the stub, in one run.

    cargo build --release -p ringleader --bin ringleader --example stub
    pip install boto3                                             # for the signatures
    docs/results/load/compare.py --seconds 5 --rounds 5 --peer 'dynoxide --port {port}' \\
        --durable-peer 'dynoxide --port {port} --db-path {data}/peer.db'

Needs wrk. Every server is started in a directory of its own and loaded with 1,000 items; then each is
asked in turn, round after round, by 16 connections that are kept, so that noise of the machine meets
all of them. Requests are signed beforehand, as boto3 signs them. Printed are the median and the
spread of rate and of requests per second of the CPU time of all the server's processes; the latter
depends less on what else the machine does. A ratio is the median of the ratios of each round, to the
first server of the list.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ITEMS = 1_000
CONNECTIONS = 16
TEXT = "x" * 760
KEY = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench-secret"}
ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def body_of(operation, number):
    """The body of a request for one of the items, which count 900 bytes as JSON."""
    key = {"id": {"S": f"user-{number:04}"}}
    if operation == "GetItem":
        return {"TableName": "bench", "Key": key, "ConsistentRead": True}
    item = {**key, "text": {"S": TEXT}, "count": {"N": "12345"}, "price": {"N": "19.99"}}
    item |= {"tags": {"SS": ["a", "b"]}, "flag": {"BOOL": True}}
    return {"TableName": "bench", "Item": item}


def headers_of(operation, body, url, signed):
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
    }
    if not signed:
        return headers
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("POST", url, headers, body)
    SigV4Auth(Credentials(*KEY.values()), "dynamodb", "local").add_auth(request)
    return dict(request.headers.items())


def script(directory, operation, url, signed):
    """A wrk script that sends the same requests in turn. Signatures live for 15 minutes."""
    # wrk knows the host only when it calls `init`.
    lines = ["local all = {}", "function init()"]
    for number in range(ITEMS):
        body = json.dumps(body_of(operation, number), separators=(",", ":"))
        headers = headers_of(operation, body, url, signed)
        pairs = ",".join(f"[{json.dumps(name)}]={json.dumps(value)}" for name, value in headers.items())
        lines.append(f"all[{number + 1}] = wrk.format('POST', '/', {{{pairs}}}, '{body}')")
    lines.append("end\nlocal at = 0")
    lines.append(f"request = function() at = at % {ITEMS} + 1; return all[at] end")
    path = directory / f"{operation}-{'signed' if signed else 'unsigned'}.lua"
    path.write_text("\n".join(lines))
    return path


def call(url, operation, body):
    data = json.dumps(body, separators=(",", ":")).encode()
    request = urllib.request.Request(url, data, headers_of(operation, data, url, True))
    return urllib.request.urlopen(request, timeout=30).read()


class Server:
    """A server that runs in a directory of its own, and is asked at one URL."""

    def __init__(self, name, command, loaded=True):
        self.name = name
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="compare-", dir=arguments.directory))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        command = command.format(port=port, data=self.directory)
        self.log = open(self.directory / "output", "w")
        self.process = subprocess.Popen(
            shlex.split(command), cwd=self.directory, stdout=self.log, stderr=self.log, start_new_session=True
        )
        self.wait()
        if loaded:
            self.load()

    def wait(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                self.find_leader()
                call(self.url, "ListTables", {})
                return
            except OSError:
                time.sleep(0.1)
        sys.exit(f"{self.name} does not answer; see {self.directory}/output")

    def find_leader(self):
        """Of several nodes that one is asked which leads: what another one is asked, it passes on."""
        for line in (self.directory / "output").read_text().splitlines():
            node = re.match(r"node \d+ +(http://\S+)", line)
            if node:
                with urllib.request.urlopen(node[1] + "/ringleader/status", timeout=5) as answer:
                    if json.load(answer)["role"] == "leader":
                        self.url = node[1] + "/"

    def load(self):
        schema = {
            "TableName": "bench",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        }
        call(self.url, "CreateTable", schema)
        for number in range(ITEMS):
            call(self.url, "PutItem", body_of("PutItem", number))
        answer = json.loads(call(self.url, "GetItem", body_of("GetItem", 7)))
        assert answer == {"Item": body_of("PutItem", 7)["Item"]}, answer

    def cpu_seconds(self):
        """That of the process and of all that it has started."""
        ticks = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(") ", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def ask(self, operation, signed):
        lua = script(self.directory, operation, self.url, signed)
        before = self.cpu_seconds()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{arguments.seconds}s", "-s", lua, self.url]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        cpu = self.cpu_seconds() - before
        if "Non-2xx" in out:
            sys.exit(f"{self.name} refuses:\n{out}")
        requests = int(re.search(r"(\d+) requests in", out)[1])
        return float(re.search(r"Requests/sec: *([\d.]+)", out)[1]), requests / max(cpu, 0.01)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(self.directory)


def compare(title, operation, signed, servers):
    """Asks servers in turn; the first is what the others are compared with."""
    if arguments.only and arguments.only not in title:
        return
    rounds = {server.name: [] for server in servers}
    for _ in range(arguments.rounds):
        for server in servers:
            rounds[server.name].append(server.ask(operation, signed))
    print(f"\n{title}; load {os.getloadavg()[0]:.1f}")
    print(f"{'':28} {'per second':>26} {'per CPU second':>26} {'ratios':>12}")
    first = list(zip(*rounds[servers[0].name]))
    for name, found in rounds.items():
        columns = list(zip(*found))
        shown = [
            f"{statistics.median(column):,.0f} ({min(column):,.0f} - {max(column):,.0f})"
            for column in columns
        ]
        ratios = " ".join(
            f"{statistics.median(own / of for own, of in zip(column, others)):.2f}"
            for column, others in zip(columns, first)
        )
        print(f"{name:28} {shown[0]:>26} {shown[1]:>26} {ratios:>12}", flush=True)


def main():
    ringleader = arguments.server or TARGET / "ringleader"
    handle, path = tempfile.mkstemp(prefix="compare-", dir=arguments.directory)
    os.close(handle)
    credentials = pathlib.Path(path)
    credentials.write_text("[default]\n" + "".join(f"{name} = {value}\n" for name, value in KEY.items()))
    dev = f"{shlex.quote(str(ringleader))} dev --port {{port}} --data {{data}}/nodes"
    signed = f"{dev} --credentials {shlex.quote(str(credentials))}"
    running = []

    def start(*parts, **options):
        running.append(Server(*parts, **options))
        return running[-1]

    try:
        peer = [start("peer in memory", arguments.peer)] if arguments.peer else []
        single, three = start("one node", f"{signed} --single"), start("three nodes", signed)
        compare("GetItem, signed", "GetItem", True, [*peer, single, three])
        peer = [start("peer on disk", arguments.durable_peer)] if arguments.durable_peer else []
        compare("PutItem, signed", "PutItem", True, [*peer, single, three])
        stub = start("stub", f"{shlex.quote(str(TARGET / 'examples' / 'stub'))} 127.0.0.1:{{port}}", loaded=False)
        plain = start("one node", f"{dev} --single")
        compare("GetItem, not signed", "GetItem", False, [stub, plain])
        compare("PutItem, not signed", "PutItem", False, [stub, plain])
    finally:
        for server in running:
            server.stop()
        credentials.unlink()


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
parser.add_argument("--rounds", type=int, default=5, help="measurements of each server")
parser.add_argument("--server", type=pathlib.Path, help="another ringleader binary")
parser.add_argument("--peer", help="command of a server that keeps its data in memory")
parser.add_argument("--durable-peer", help="command of one that answers when the data is on the disk")
parser.add_argument("--only", help="only measurements whose title has this in it")
parser.add_argument("--directory", help="where servers keep their data, instead of the temporary one")
arguments = parser.parse_args()
if __name__ == "__main__":
    main()
