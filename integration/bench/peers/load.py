"""Generates load with Python's own client: the closed loop of internal/load.

The server is Python's own, or another one that speaks its protocol. Only the
dict is there on both; what the other workloads need is asked for with them.
"""

import os
import random
import threading
import time
import traceback

from common import Bench, hear, say


def connect(spec):
    address = spec["addr"]
    if spec["network"] != "unix":
        host, port = address.rsplit(":", 1)
        address = (host, int(port))
    manager = Bench(address=address, authkey=spec["key"].encode())
    manager.connect()
    return manager


class Load:
    def __init__(self, manager):
        self.manager = manager
        self.store = manager.bench_dict()
        self.queue = None
        self.adder = None
        self.locks = {}

    def prepare(self, r):
        if r["op"] in ("get", "set"):
            value = "v" * r["size"]
            self.store.update({"key:%012d" % i: value for i in range(r["keys"])})
        if r["op"] == "queue" and self.queue is None:
            self.queue = self.manager.bench_queue()
        if r["op"] == "add" and self.adder is None:
            self.adder = self.manager.bench_adder()
        if r["op"] == "lock":
            for i in range(r["callers"]):
                if i not in self.locks:
                    self.locks[i] = self.manager.bench_lock(i)

    def op(self, r, i):
        """The operation that caller i repeats."""
        value = "v" * r.get("size", 0)
        names = ["key:%012d" % k for k in range(r.get("keys", 0))]
        pick = random.Random(i).randrange
        mine = "own:%012d" % i
        store, queue = self.store, self.queue

        def get():
            if len(store[names[pick(len(names))]]) != len(value):
                raise ValueError("got a value of another size")

        def put_get():
            queue.put(value)
            if len(queue.get()) != len(value):
                raise ValueError("got a value of another size")

        def set_one():
            store[names[pick(len(names))]] = value

        def copy():
            store[mine] = value
            if len(store[mine]) != len(value):
                raise ValueError("got a value of another size")

        def lock():
            self.locks[i].acquire()
            self.locks[i].release()

        def create():
            made = self.manager.dict()
            del made

        def add():
            if self.adder.add(4, 3) != 7:
                raise ValueError("4 + 3 is not 7")

        ops = {"get": get, "set": set_one, "copy": copy, "queue": put_get, "lock": lock, "create": create, "add": add}
        if r["op"] not in ops:
            raise KeyError("Python's manager has no workload %r" % r["op"])
        return ops[r["op"]]

    def loop(self, r, millis, hold=False):
        """Runs all callers for that long; the sample of internal/load.

        With hold it waits for the parent's word once all are connected, and
        again when all are done and no thread has ended.
        """
        step = threading.Barrier(r["callers"] + 1)  # connected, start, done, end
        stop, connecting = threading.Event(), threading.Lock()
        times, errors = [], []

        def caller(op):
            mine = []
            try:
                # A thread's first call connects it. One after the other: many
                # at once overflow the server's backlog, and then wait for ever.
                with connecting:
                    op()
                step.wait()
                step.wait()
                while not stop.is_set():
                    began = time.perf_counter()
                    op()
                    mine.append(time.perf_counter() - began)
                step.wait()
                step.wait()
            except Exception:
                errors.append(traceback.format_exc(limit=-1))
                stop.set()
                step.abort()
            times.append(mine)

        threads = [threading.Thread(target=caller, args=(self.op(r, i),)) for i in range(r["callers"])]
        for t in threads:
            t.start()

        def pause():
            if hold:
                say({})
                hear()

        elapsed = 0
        try:
            step.wait()
            pause()
            step.wait()
            began = time.perf_counter()
            stop.wait(millis / 1000)
            stop.set()
            step.wait()
            elapsed = time.perf_counter() - began
            pause()
            step.wait()
        except threading.BrokenBarrierError:
            pass  # the reason stands in errors
        for t in threads:
            t.join()
        if errors:
            raise RuntimeError(errors[0].strip())
        every = sorted(t for mine in times for t in mine)
        if not every:
            raise RuntimeError("no operation ended within %d ms" % millis)

        def quantile(q):
            return every[int(q * (len(every) - 1))] * 1e6

        return {
            "ops": len(every) / elapsed,
            "calls": len(every),
            "p50": quantile(0.5),
            "p99": quantile(0.99),
            "max": every[-1] * 1e6,
        }

    def run(self, r):
        self.prepare(r)
        if r.get("warm"):
            self.loop(r, r["warm"])
        return self.loop(r, r["millis"], r.get("hold", False))


def main():
    load = Load(connect(hear()))
    say({"pid": os.getpid()})
    while (r := hear()) is not None:
        try:
            say(load.run(r))
        except Exception as e:
            say({"error": "%s: %s" % (type(e).__name__, e)})


if __name__ == "__main__":
    main()
