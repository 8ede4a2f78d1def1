"""What the server and the load generator of Python's own manager share.

Both speak one JSON object a line with the benchmark: the first line that comes
in says what to serve or to connect to, the first line that goes out says that
all is ready, and the end of standard input ends the process.
"""

import json
import queue
import sys
import threading
from multiprocessing.managers import AcquirerProxy, BaseProxy, DictProxy, SyncManager

STORE = {}
QUEUE = queue.Queue()
LOCKS = {}


class Adder:
    def add(self, a, b):
        return a + b


def lock_number(i):
    return LOCKS.setdefault(i, threading.Lock())


class QueueProxy(BaseProxy):
    _exposed_ = ("put", "get", "qsize")

    def put(self, item):
        return self._callmethod("put", (item,))

    def get(self):
        return self._callmethod("get")


class AdderProxy(BaseProxy):
    _exposed_ = ("add",)

    def add(self, a, b):
        return self._callmethod("add", (a, b))


class Bench(SyncManager):
    """Python's SyncManager with objects that every client gets by name."""


Bench.register("bench_dict", callable=lambda: STORE, proxytype=DictProxy)
Bench.register("bench_queue", callable=lambda: QUEUE, proxytype=QueueProxy)
Bench.register("bench_lock", callable=lock_number, proxytype=AcquirerProxy)
Bench.register("bench_adder", callable=Adder, proxytype=AdderProxy)


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def hear():
    """The next request, or None at the end of the input."""
    line = sys.stdin.readline()
    return json.loads(line) if line else None
