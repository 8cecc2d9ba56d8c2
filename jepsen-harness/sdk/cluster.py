"""A three-node `ringleader dev` cluster, and a thread that kills one node after the other."""

import json
import random
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request

NODES = 3


def three_free_ports():
    """The first of three neighbouring ports that nobody listens on."""
    for port in range(18100, 60000, 10):
        held = []
        try:
            for offset in range(NODES):
                held.append(socket.create_server(("127.0.0.1", port + offset)))
            return port
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
    raise RuntimeError("no three free ports")


class Cluster:
    """Processes and endpoints. Nodes that died are started again by the line that `dev` prints."""

    def __init__(self, server, directory, *arguments):
        self.server = server
        self.directory = directory
        self.port = three_free_ports()
        command = [server, "dev", "--port", str(self.port), "--data", str(directory), *arguments]
        self.dev = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.processes = {}
        self.again = {}
        for line in self.dev.stdout:
            node = re.match(r"node (\d+) .*\(process (\d+)\)", line)
            if node:
                self.processes[int(node[1])] = int(node[2])
            if line.startswith("ready"):
                break
        else:
            raise RuntimeError("the cluster did not start")
        # What it says later would block it once the pipe is full.
        threading.Thread(target=self.dev.stdout.read, daemon=True).start()
        self.wait_for_leader()

    def endpoint(self, node):
        return f"http://127.0.0.1:{self.port + node}"

    def status(self, node):
        """What a node says of itself; none if it does not answer."""
        try:
            url = self.endpoint(node) + "/ringleader/status"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return json.load(answer)
        except OSError:
            return None

    def leader(self):
        for node in range(NODES):
            status = self.status(node)
            if status and status["role"] == "leader":
                return node
        return None

    def wait_for_leader(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            leader = self.leader()
            if leader is not None:
                return leader
            time.sleep(0.05)
        raise RuntimeError("no node leads")

    def signal(self, node, number):
        again = self.again.get(node)
        if again is not None:
            again.send_signal(number)
        else:
            subprocess.run(["kill", f"-{int(number)}", str(self.processes[node])], check=True)

    def kill(self, node):
        self.signal(node, signal.SIGKILL)
        if node in self.again:
            self.again.pop(node).wait()

    def start(self, node):
        config = self.directory / f"node-{node}.toml"
        process = subprocess.Popen(
            [self.server, "serve", "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.again[node] = process
        if "ready" not in process.stdout.readline():
            raise RuntimeError(f"node {node} did not start again")

    def stop(self):
        self.dev.terminate()
        for process in self.again.values():
            process.terminate()
        for process in [self.dev, *self.again.values()]:
            process.wait(timeout=30)


class Killer:
    """Kills a random node every so many seconds, and starts it again a second later."""

    def __init__(self, cluster, seconds):
        self.cluster = cluster
        self.seconds = seconds
        self.kills = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(self.seconds - 1):
            node = random.randrange(NODES)
            self.cluster.kill(node)
            self.kills += 1
            self.stopping.wait(1)
            self.cluster.start(node)

    def stop(self):
        """Returns how many nodes were killed."""
        self.stopping.set()
        self.thread.join()
        return self.kills
