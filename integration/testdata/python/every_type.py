"""Use every type of SyncManager, and print what comes back.

    python every_type.py own                    against Python's own server
    python every_type.py ADDRESS                against another one

The two must print the same. ADDRESS is host:port or a path; the authkey is in
SYNCMANAGER_AUTHKEY. Addresses of objects are left out of what is printed.
"""

import array
import collections
import multiprocessing
import os
import queue
import re
import sys
import threading
from multiprocessing.managers import RemoteError, SyncManager

KEY = os.environ["SYNCMANAGER_AUTHKEY"].encode()


def show(*values):
    print(re.sub(r"0x[0-9a-f]+", "0x", " ".join(map(str, values))))


def raises(f, *args, **kwds):
    try:
        show("no error:", repr(f(*args, **kwds)))
    except Exception as e:
        args = e.args
        if isinstance(e, RemoteError):
            args = args[0].splitlines()[-1:]  # the rest is about the server's files
        show(type(e).__module__, type(e).__name__, args)


def main(m):
    d = m.dict({"a": 1}, b=2)
    show(d, repr(d.copy()), d.keys(), d.values(), d.items(), len(d), "a" in d, "z" in d)
    d[1, 2] = [1, {"x": (3, 4)}, {5}, frozenset([6]), None, True, 1.5, 2**70, 1j, b"x", bytearray(b"y")]
    show(d[1, 2], d.get("z"), d.get("z", 5), d.pop("b"), d.pop("b", None), d.setdefault("s", 1), d.setdefault("s", 2))
    raises(d.__getitem__, "zz")
    raises(d.pop, ("zz", 1))
    raises(d.__delitem__, 7)
    raises(d.__setitem__, [], 1)
    raises(d.update, 5)
    raises(d.update, [1])
    raises(d.update, [(1, 2, 3)])
    d.update([("u", 1)], v=2)
    d.update({1.0: "one"})
    d.update(collections.OrderedDict(o=1))
    show(d, d[True], d[1], d.popitem())
    show(list(d), sorted(map(str, d)))

    def grow():
        for _ in d:
            d[len(d)] = 1

    raises(grow)
    d.clear()
    raises(d.popitem)
    show(d, m.dict([(1, 2)]), m.dict(m.dict(x=1)), m.dict(collections.Counter("aab")))
    if hasattr(d, "__or__"):
        show(d | {1: 5, "n": 1}, {1: 5, "n": 1} | d)
    raises(m.dict, 1, 2)

    l = m.list(range(5))
    l.append(7)
    l.sort(reverse=True)
    show(l, l[1:3], l[::-2], l[-1], list(reversed(l)), [x for x in l], len(l), 7 in l, l.index(3), l.count(7))
    l[1:3] = [9, 9, 9]
    del l[0]
    l[::2] = [0, 0, 0]
    del l[::3]
    l.insert(1, "i")
    l.extend((1, 2))
    l += [4]
    l *= 2
    show(l, l + [1], l * 2, 2 * l, l.pop(), l.pop(0), l.remove(2), l)
    l.reverse()
    show(l, l._getvalue(), type(l._getvalue()))
    raises(l.__getitem__, 100)
    raises(l.__getitem__, "x")
    raises(l.__setitem__, 100, 1)
    raises(l.__delitem__, 100)
    raises(l.pop, 100)
    raises(l.remove, "nope")
    raises(l.index, "nope")
    raises(l.sort)
    raises(l.extend, 5)
    raises(l.__setitem__, slice(None, None, 2), [1])
    raises(m.list().pop)
    raises(m.list, 5)
    show(m.list("abc"), m.list((1, 2)), m.list(l)[0] == l[0])

    for q in m.Queue(2), m.JoinableQueue(2):
        q.put(1)
        q.put([2])
        show(q.qsize(), q.full(), q.empty())
        raises(q.put, 3, timeout=0.01)
        raises(q.put, 3, False)
        raises(q.put_nowait, 3)
        show(q.get(), q.get(timeout=1), q.empty())
        raises(q.get, timeout=0.01)
        raises(q.get, block=False)
        raises(q.get_nowait)
        raises(q.get, timeout=-1)
        q.task_done()
        q.task_done()
        q.join()
        raises(q.task_done)

    lock = m.Lock()
    with lock:
        show(lock.acquire(False), lock.acquire(True, 0.01), lock)
    raises(lock.release)
    raises(lock.acquire, False, 1)
    rlock = m.RLock()
    show(rlock.acquire(), rlock.acquire(), rlock.release(), rlock.release())
    raises(rlock.release)
    for c in m.Condition(), m.Condition(m.Lock()):
        raises(c.notify)
        raises(c.wait)
        with c:
            show(c.wait(0.01), c.wait_for(lambda: False, 0.01), c.wait_for(lambda: 5))
            c.notify()
            c.notify_all()
        raises(c.release)
    for s in m.Semaphore(), m.BoundedSemaphore(2):
        show(s.acquire(), s.acquire(False), s.acquire(timeout=0.01), s.release())
    raises(lambda: [s.release() for _ in range(5)])
    raises(m.Event().wait, 0.01)
    e = m.Event()
    show(e.is_set(), e.set(), e.is_set(), e.wait(), e.clear(), e.is_set())
    b = m.Barrier(1)
    show(b.wait(), b.parties, b.n_waiting, b.broken, b.reset(), b.abort(), b.broken)
    try:
        b.wait()
    except threading.BrokenBarrierError:
        show("broken")

    n = m.Namespace(x=1)
    n.y = [2]
    n._z = 3
    show(n.x, n.y, n, n._z, n._getvalue())
    del n.x
    raises(lambda: n.x)
    raises(lambda: delattr(n, "x"))
    v = m.Value("i", 5)
    v.value += 1
    show(v.value, v.get(), v, v._getvalue(), type(v._getvalue()))
    v.set("anything")
    show(v, m.Value("", None).value, m.Value(str, "").value)
    show(m.Value(str, ""), repr(m.Value(str, "")._getvalue()), m.Value(array.array, [1]))
    a = m.Array("i", [1, 2, 3])
    a[0] = 9
    a[1:] = array.array("i", [7, 8, 9])
    show(a[:], a[1], a[-1], len(a), a, a._getvalue(), list(a))
    raises(a.__getitem__, 10)
    raises(a.__setitem__, 0, "x")
    raises(a.__setitem__, 0, 2**40)
    show(m.Array("d", range(3)), m.Array("B", b"ab"), m.Array("u", "xy"))

    outer, inner = m.dict(), m.list([1])
    outer["l"] = inner
    outer["l"].append(2)
    show(inner, outer, type(outer["l"]), outer["l"], outer.values())
    ll = m.list([m.list([1]), m.dict(a=1), inner])
    ll[2].append(3)
    show(ll, ll[0], ll[1]["a"], inner, ll[0:2], ll.pop())
    d2 = m.dict(q=m.Queue())
    d2["q"].put(outer)
    show(d2["q"].get()["l"])
    show(m._number_of_objects() > 5)


if __name__ == "__main__":
    multiprocessing.current_process().authkey = KEY
    if sys.argv[1] == "own":
        with SyncManager(authkey=KEY) as manager:
            main(manager)
    else:
        host, colon, port = sys.argv[1].rpartition(":")
        manager = SyncManager(address=(host, int(port)) if colon else sys.argv[1], authkey=KEY)
        manager.connect()
        main(manager)
