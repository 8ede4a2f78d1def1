"""Arguments that Python can pickle: iterables, numbers of other classes, and what
is refused."""

import array
import collections
import enum
import http
import itertools
import multiprocessing
import signal

from judged import manager, show


class I(int):
    pass


class Attr(int):
    def __new__(cls, n):
        self = int.__new__(cls, n)
        self.note = "x"
        return self


class F(float):
    pass


class Level(enum.IntEnum):
    ONE = 1


class L(list):
    pass


class D(dict):
    pass


class T(tuple):
    pass


NT = collections.namedtuple("NT", "x y")


def advanced(it, n=1):
    for _ in range(n):
        next(it)
    return it


def iterables():
    d = {"a": 1, "b": 2}
    yield "keys", d.keys()
    yield "values", d.values()
    yield "items", d.items()
    yield "iter of keys", iter(d)
    yield "iter of items", iter(d.items())
    yield "zip", zip("ab", [1, 2])
    yield "zip of three", zip("abc", [1, 2], (3, 4, 5))
    yield "zip of none", zip()
    yield "zip advanced", advanced(zip("abc", [1, 2, 3]))
    yield "enumerate", enumerate("xy")
    yield "enumerate from 5", enumerate("xy", 5)
    yield "reversed list", reversed([1, 2, 3])
    yield "reversed list advanced", advanced(reversed([1, 2, 3]))
    yield "reversed tuple", reversed((1, 2))
    yield "reversed range", reversed(range(3))
    yield "iter of list", iter([1, 2])
    yield "iter of list advanced", advanced(iter([1, 2, 3]), 2)
    yield "iter of tuple", iter((1, 2))
    yield "iter of str", advanced(iter("a\u00e9\U0001f600"))
    yield "iter of bytes", iter(b"ab")
    yield "iter of bytearray", iter(bytearray(b"ab"))
    yield "iter of range", advanced(iter(range(5)))
    yield "iter of set", iter({1})
    yield "iter of deque", iter(collections.deque([1]))
    yield "spent iter", advanced(iter([1]))
    yield "range", range(3)
    yield "range down", range(5, 0, -2)
    yield "empty range", range(3, 1)
    yield "large range", range(2**70, 2**70 + 2)
    yield "map str", map(str, [1, 2.5, None, "x", (1, "y")])
    yield "map int", map(int, ["1", " 22 ", 3.9, True])
    yield "map float", map(float, ["1.5", 2, "inf"])
    yield "map repr", map(repr, ["a", 1])
    yield "map len", map(len, ["ab", [1]])
    yield "map bool", map(bool, [0, "x", []])
    yield "map tuple", map(tuple, ["ab", [1]])
    yield "map of map", map(str, map(int, "12"))
    yield "filter None", filter(None, [0, 1, "", "x"])
    yield "filterfalse", itertools.filterfalse(None, [0, 1, "", "x"])
    yield "chain", itertools.chain([1], (2,), "x")
    yield "chain advanced", advanced(itertools.chain([1, 2], [3]))
    yield "chain.from_iterable", itertools.chain.from_iterable([[1], "ab"])
    yield "islice", itertools.islice([1, 2, 3, 4, 5], 1, 4, 2)
    yield "islice advanced", advanced(itertools.islice(range(10), 2, 8))
    yield "islice of count", itertools.islice(itertools.count(5), 3)
    yield "islice of repeat", itertools.islice(itertools.repeat("x"), 2)
    yield "repeat", itertools.repeat(1, 3)
    yield "zip_longest", itertools.zip_longest("ab", [1], fillvalue=0)
    yield "namedtuple", NT(1, 2)
    yield "list of namedtuples", [NT("a", 1)]
    yield "tuple subclass", T((1, 2))
    yield "list subclass", L([1, 2])
    yield "dict subclass", D(a=1)
    yield "UserDict", collections.UserDict(a=1)
    yield "UserList", collections.UserList([1, 2])
    yield "ChainMap", collections.ChainMap({"a": 1}, {"a": 2, "b": 3})
    yield "OrderedDict", collections.OrderedDict(a=1)
    yield "Counter", collections.Counter("aab")
    yield "defaultdict", collections.defaultdict(int, a=1)
    yield "deque", collections.deque([1, 2], 5)
    yield "array", array.array("i", [1, 2])
    yield "frozenset", frozenset([1])
    yield "str", "ab"
    yield "bytes", b"ab"


def main():
    m = manager()

    def after(o, call):
        call(o)
        return o._getvalue()

    names = [name for name, _ in iterables()]
    for at, name in enumerate(names):

        def fresh():
            return list(iterables())[at][1]

        show("list of " + name, lambda: m.list(fresh())[:])
        show("extend by " + name, lambda: after(m.list([0]), lambda l: l.extend(fresh())))
        show("slice of " + name, lambda: after(m.list([0]), lambda l: l.__setitem__(slice(0, 0), fresh())))
        if name not in ("list of namedtuples", "str", "bytes") and "map" not in name and not name.startswith("filter"):
            show("fromkeys of " + name, lambda: sorted(m.dict().fromkeys(fresh()) if hasattr(m.dict(), "fromkeys") else {}, key=repr))
    for name, make in (
        ("zip", lambda: zip("ab", [1, 2])),
        ("enumerate", lambda: enumerate("xy")),
        ("items", lambda: {"a": 1}.items()),
        ("namedtuples", lambda: [NT("a", 1)]),
        ("UserDict", lambda: collections.UserDict(a=1)),
        ("ChainMap", lambda: collections.ChainMap({"a": 1}, {"b": 2})),
        ("a set of pairs", lambda: {("a", 1)}),
        ("a proxy", lambda: m.dict(a=1)),
        ("a list proxy", lambda: m.list([("a", 1)])),
        ("map of pairs", lambda: map(tuple, ["ab"])),
        ("a range", lambda: range(2)),
        ("an int", lambda: 5),
    ):
        show("dict of " + name, lambda: m.dict(make()).copy())
        show("dict with keywords of " + name, lambda: m.dict(make(), b=2).copy())
        show("update by " + name, lambda: after(m.dict(z=0), lambda d: d.update(make())))
        show("update with keywords by " + name, lambda: after(m.dict(z=0), lambda d: d.update(make(), b=2)))
    for name, make in (("map", lambda: map(int, "12")), ("range", lambda: range(3)), ("of I", lambda: [I(1), I(2)]), ("deque", lambda: collections.deque([1]))):
        show("Array of " + name, lambda: m.Array("i", make())[:])

    l = m.list([7, 8, 9])
    for name, one in (
        ("IntEnum", Level.ONE), ("library's IntEnum", signal.SIGHUP), ("class derived from int", I(1)),
        ("with attributes", Attr(1)), ("True", True),
    ):
        a = m.Array("i", [7, 8])
        show(name + ", index", lambda: l[one])
        show(name + ", slice", lambda: (l[one:], l[:one], l[::one]))
        show(name + ", set", lambda: l.__setitem__(one, 8))
        show(name + ", Array", lambda: (a[one], a[one:], m.Array("i", [one])[:]))
        show(name + ", Array item", lambda: (a.__setitem__(0, one), a[0]))
        show(name + ", pop and insert", lambda: (lambda x: (x.insert(one, 5), x.pop(one), x[:]))(m.list([1, 2])))
        show(name + ", repeat", lambda: m.list([1]) * one)
        show(name + ", maxsize", lambda: (lambda q: (q.put(1), q.full()))(m.Queue(one)))
        show(name + ", semaphore", lambda: (lambda s: (s.acquire(False), s.acquire(False)))(m.Semaphore(one)))
        show(name + ", barrier", lambda: int(m.Barrier(one).parties))
        show(name + ", timeout", lambda: m.Event().wait(one * 0))
        show(name + ", get timeout", lambda: m.Queue().get(True, F(0.01)))
    for name, v in (("class derived from int", I(1)), ("library's IntEnum", signal.SIGHUP), ("HTTPStatus", http.HTTPStatus.OK)):
        show(name + ", key", lambda: m.dict({int(v): "x"})[v])
        show(name + ", sort", lambda: (lambda x: (x.sort(), [int(i) for i in x]))(m.list([v, 0, 300])))
    show("float subclass as timeout", lambda: m.Event().wait(F(0.01)))
    show("float subclass as key", lambda: m.dict({1.5: 1})[F(1.5)])
    show("float as index", lambda: l[1.0])
    show("str as index", lambda: l["x"])

    show("put without bound, timeout -1", lambda: m.Queue().put(1, True, -1))
    show("put with bound, timeout -1", lambda: m.Queue(5).put(1, True, -1))
    show("get, timeout -1", lambda: m.Queue().get(True, -1))
    show("insert far away", lambda: m.list([1]).insert(2**70, 2))
    show("insert far back", lambda: m.list([1]).insert(-(2**70), 2))
    show("pop far away", lambda: m.list([1]).pop(2**70))

    q = m.Queue()
    a, b = multiprocessing.Pipe()
    q.put(b)
    got = q.get()
    got.send("through a queue")
    show("a connection through a queue", a.recv)


if __name__ == "__main__":
    main()
