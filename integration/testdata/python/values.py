"""Put random values into a dict and a queue, and compare what comes back.

    python values.py ADDRESS SEED COUNT
"""

import array
import collections
import datetime
import decimal
import enum
import fractions
import math
import multiprocessing
import os
import random
import struct
import sys
import uuid
from multiprocessing.managers import SyncManager

KEY = os.environ["SYNCMANAGER_AUTHKEY"].encode()


class Colour(enum.Enum):
    RED = 1


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return type(other) is Point and same(self.__dict__, other.__dict__)

    def __hash__(self):
        return 7


Pair = collections.namedtuple("Pair", "a b")


def text(r):
    alphabet = r.choice(["ab", "\u00e4\u20ac", "\U0001f600x", "\ud800\udfff", "\x00\x7f"])
    return "".join(r.choice(alphabet) for _ in range(r.choice([0, 1, 5, 31, 32, 255, 256, 300])))


def scalar(r):
    return r.choice([
        lambda: None, lambda: r.random() < 0.5, lambda: r.randint(-300, 300), lambda: r.getrandbits(63),
        lambda: -r.getrandbits(64), lambda: r.getrandbits(r.choice([64, 65, 500, 70000])), lambda: r.uniform(-1e9, 1e9),
        lambda: r.choice([math.inf, -math.inf, -0.0, 5e-324]), lambda: complex(r.random(), -0.0), lambda: text(r),
        lambda: bytes(r.getrandbits(8) for _ in range(r.choice([0, 1, 255, 256]))), lambda: Colour.RED,
        lambda: decimal.Decimal(r.randint(0, 999)) / 7, lambda: fractions.Fraction(r.randint(1, 9), 7),
        lambda: uuid.UUID(int=r.getrandbits(128)), lambda: datetime.date(r.randint(1, 9999), 2, 3),
        lambda: datetime.datetime(r.randint(1, 9999), 2, 3, 4, 5, 6, r.randint(0, 999999)),
        lambda: datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
        lambda: datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(minutes=r.randint(-1439, 1439)))),
        lambda: datetime.timedelta(r.randint(-99, 99), 5, 6), lambda: datetime.time(1, 2, 3), lambda: range(r.randint(0, 9), 99, 3),
        lambda: Pair(1, text(r)), lambda: len, lambda: Point, lambda: Ellipsis, lambda: NotImplemented,
    ])()


def value(r, depth):
    if depth == 0 or r.random() < 0.3:
        return scalar(r)
    n = r.choice([0, 1, 2, 3, 4, 15, 16])
    some = lambda: [value(r, depth - 1) for _ in range(n)]
    return r.choice([
        some, lambda: tuple(some()), lambda: {key(r): v for v in some()}, lambda: {key(r) for _ in range(n)},
        lambda: frozenset(key(r) for _ in range(n)), lambda: bytearray(text(r).encode("utf8", "surrogatepass")),
        lambda: array.array(r.choice("bBhHiIlLqQ"), [r.randint(0, 127) for _ in range(n)]), lambda: array.array("d", [r.random()]),
        lambda: Point(value(r, depth - 1), some()), lambda: collections.OrderedDict((text(r), v) for v in some()),
        lambda: collections.deque(some(), 20), lambda: collections.defaultdict(list, {text(r): v for v in some()}),
        lambda: collections.Counter(text(r)), lambda: ValueError(text(r), n).args, lambda: slice(n, None, scalar(r)),
    ])()


def key(r):
    while True:
        k = scalar(r)
        if isinstance(k, slice) or k != k:
            continue
        return (k, 1) if r.random() < 0.1 else k


def same(a, b):
    """Equal, of the same types, in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple, collections.deque)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items()))
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, datetime.datetime):
        return a == b and a.utcoffset() == b.utcoffset()
    return a == b


def main():
    multiprocessing.current_process().authkey = KEY
    host, colon, port = sys.argv[1].rpartition(":")
    m = SyncManager(address=(host, int(port)) if colon else sys.argv[1], authkey=KEY)
    m.connect()
    d, q = m.dict(), m.Queue()
    r = random.Random(int(sys.argv[2]))
    for i in range(int(sys.argv[3])):
        v = value(r, 4)
        d["v"] = v
        assert same(d["v"], v), ("dict", i, v, d["v"])
        q.put(v)
        w = q.get()
        assert same(w, v), ("queue", i, v, w)
        k = key(r)
        d[k] = i
        assert d[k] == i and k in d, ("key", i, k)
        del d[k]
    assert len(d) == 1
    loop = [1, (2,)]
    loop.append(loop)
    d["v"] = loop
    back = d["v"]
    assert back[2] is back and back[:2] == loop[:2]
    print("ok")


if __name__ == "__main__":
    main()
