"""Keys and elements of classes that are equal, though their pickles differ."""

import collections
import dataclasses
import datetime
import decimal
import enum
import http
import pathlib
import signal
import uuid

from judged import manager, show


@dataclasses.dataclass(frozen=True)
class E:
    a: object = None
    b: object = None


@dataclasses.dataclass(frozen=True)
class P:
    x: int = 0
    y: int = 0


class I(int):
    pass


class F(float):
    pass


class S(str):
    pass


class T(tuple):
    pass


class Colour(enum.Enum):
    RED = 1


class Sorted:
    """Attributes in another order."""

    def __init__(self, *names):
        for n in names:
            setattr(self, n, len(n))

    def __eq__(self, other):
        return isinstance(other, Sorted) and self.__dict__ == other.__dict__

    def __hash__(self):
        return hash(frozenset(self.__dict__.items()))


NT = collections.namedtuple("NT", "a b")
NT2 = collections.namedtuple("NT2", "x y")


def main():
    m = manager()

    def same(name, a, b, hashable=True):
        """Whether each is found where the other was put."""
        if hashable:
            show(name + ", key", lambda: (b in m.dict({a: 1}), a in m.dict({b: 1})))
            show(name + ", in a tuple", lambda: (b, 1) in m.dict({(a, 1): 1}))
        show(name + ", element", lambda: (m.list([0, a]).count(b), m.list([0, b]).count(a)))
        show(name + ", inside", lambda: m.list([[a]]).count([b]))

    t1, t2, b1, b2 = tuple([1, 2]), tuple([1, 2]), bytes(bytearray(300)), bytes(bytearray(300))
    same("edge", E(P(1, 2), P(1, 2)), (lambda p: E(p, p))(P(1, 2)))
    same("another edge", E(P(1, 2), P(1, 2)), E(P(1, 2), P(2, 1)))
    same("shared tuple", E(t1, t1), E(t1, t2))
    same("shared bytes", E(b1, b1), E(b1, b2))
    same("shared text", E("x" * 300, "x" * 300), (lambda s: E(s, s))("x" * 300))
    same("1 and 1.0 inside", E(1), E(1.0))
    same("True and 1 inside", E(True), E(1))
    same("0.0 and -0.0 inside", E(0.0), E(-0.0))
    same("1 and 2 inside", E(1), E(2))
    same("2**80 inside", E(2**80), E(float(2**80)))
    same("list and tuple inside", E([1]), E((1,)), hashable=False)
    same("dicts in another order inside", E({1: 2, 3: 4}), E({3: 4, 1: 2}), hashable=False)
    same("attributes in another order", Sorted("a", "bb"), Sorted("bb", "a"))
    same("other attributes", Sorted("a", "bb"), Sorted("a", "cc"))
    same("namedtuple and tuple", NT(1, 2), (1, 2))
    same("two namedtuples", NT(1, 2.0), NT2(1.0, 2))
    same("namedtuple with an instance", NT(1, E(1)), (1.0, E(1.0)))
    same("large namedtuples", NT(1, "x" * 10000), NT(1.0, "x" * 10000))
    same("class derived from int", I(1), 1)
    same("class derived from float", F(1.5), 1.5)
    same("float that is an int", F(1), I(1))
    same("class derived from str", S("x"), "x")
    same("class derived from tuple", T((1, 2)), (1, 2))
    same("IntEnum of the library", signal.SIGTERM, 15)
    same("HTTPStatus", http.HTTPStatus.NOT_FOUND, 404.0)
    same("Enum is no number", Colour.RED, 1)
    same("Enum", Colour.RED, Colour(1))
    same("Decimal", decimal.Decimal("1.50"), decimal.Decimal("1.5"))
    same("other Decimals", decimal.Decimal("1.5"), decimal.Decimal("15"))
    same("UUID", uuid.UUID(int=5), uuid.UUID(int=5))
    same("Path", pathlib.PurePosixPath("/a/b"), pathlib.PurePosixPath("/a") / "b")
    same("date", datetime.date(2020, 1, 2), datetime.date(2020, 1, 2))
    same("frozensets inside", NT(1, frozenset([8, 16, 0])), NT(1, frozenset([16, 8, 0])))
    same("frozensets of texts inside", E(frozenset("abcdefgh")), E(frozenset("hgfedcba")))
    same("Counter", collections.Counter("ab"), collections.Counter("ba"), hashable=False)
    same("OrderedDict", collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), hashable=False)
    same("defaultdict", collections.defaultdict(int, a=1), collections.defaultdict(list, a=1), hashable=False)
    same("deque", collections.deque([1, 2]), collections.deque([1, 2], 5), hashable=False)

    # A dict keeps the key that came first; sets take each once.
    d = m.dict({NT(1, 2): "a"})
    d[(1, 2)] = "b"
    d[I(5)] = "c"
    d[5.0] = "d"
    show("keys", lambda: sorted(d.items(), key=repr))
    show("pop", lambda: d.pop((1.0, 2.0)))
    show("remove", lambda: (lambda l: (l.remove((1, 2)), len(l)))(m.list([NT(1, 2)])))
    show("index", lambda: m.list([E(), E(1)]).index(E(1.0)))
    show("in", lambda: E(1) in m.list([E(1.0)]))

    for name, key in (
        ("deque", collections.deque()),
        ("defaultdict", collections.defaultdict(int)),
        ("OrderedDict", collections.OrderedDict()),
        ("Counter", collections.Counter()),
        ("namedtuple with a list", NT(1, [2])),
        ("deep list", __import__("functools").reduce(lambda a, _: [a], range(150), 1)),
        ("tuple of a deque", (1, collections.deque())),
    ):
        show("unhashable " + name, lambda: m.dict().__setitem__(key, 1))

    day = datetime.date
    for name, values in (
        ("dates", [day(2020, 1, 2), day(2019, 1, 1), day(2020, 1, 1)]),
        ("times", [datetime.time(2), datetime.time(1, 30), datetime.time(1)]),
        ("timedeltas", [datetime.timedelta(1), datetime.timedelta(-1), datetime.timedelta(0, 5)]),
        ("Decimals", [decimal.Decimal(x) for x in ("1.5", "-2", "1E+3", "0", "-0.001", "15", "-15", "1.49")]),
        ("numbers", [I(3), 2.5, F(1.5), 2]),
        ("texts", [S("b"), "a", S("c")]),
        ("namedtuples", [NT(2, 1), (1, 5), NT(1, 2)]),
        ("dates in tuples", [(1, day(2020, 1, 2)), (1, day(2020, 1, 1))]),
        ("a date and a number", [day(2020, 1, 2), 1]),
    ):

        def ordered():
            l = m.list(values)
            l.sort()
            return list(l)

        show("sort of " + name, ordered)


if __name__ == "__main__":
    main()
