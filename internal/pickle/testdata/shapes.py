"""Classes whose instances the recordings hold. Runs on Python 3.6 and later."""
import collections
import enum


class Plain(object):
    def __init__(self, **kw):
        self.__dict__.update(kw)

    class Inner(object):
        pass


class Slots(object):
    __slots__ = ('a', 'b')


class SlotsAndDict(Slots):
    pass


class NewArgs(object):
    def __new__(cls, *args):
        return object.__new__(cls)

    def __getnewargs__(self):
        return (1, 'two')


class NewArgsEx(object):
    def __new__(cls, *args, **kw):
        self = object.__new__(cls)
        self.kw = kw
        return self

    def __getnewargs_ex__(self):
        return (1,), {'key': self.kw}


class Reducer(object):
    """Its arguments may lead back to it."""

    def __init__(self, arg):
        self.arg = arg

    def __reduce__(self):
        return Reducer, (self.arg,), {'state': 1}


def set_state(obj, state):
    obj.__dict__.update(state)


class Setter(object):
    """Has a state setter, where Python knows that (3.8 and later)."""

    def __reduce__(self):
        return Setter, (), dict(self.__dict__), None, None, set_state


class StateTuple(object):
    def __getstate__(self):
        return (self.__dict__, 'extra')

    def __setstate__(self, state):
        self.__dict__.update(state[0])


class MyList(list):
    pass


class MyDict(dict):
    pass


class MySet(set):
    pass


class MyTuple(tuple):
    pass


class MyInt(int):
    pass


class MyStr(str):
    pass


class MyError(Exception):
    def __init__(self, code, text):
        Exception.__init__(self, code, text)
        self.code = code


class Colour(enum.Enum):
    RED = 1
    GREEN = 'green'


class Flags(enum.IntFlag):
    A = 1
    B = 2


Point = collections.namedtuple('Point', 'x y')


class Coded1(object):
    pass


class Coded2(object):
    pass


class Coded3(object):
    pass


def rebuild_proxy(*args):
    return Plain(args=args)


def function(x):
    return x


try:
    import dataclasses
except ImportError:
    pass
else:
    @dataclasses.dataclass
    class Data(object):
        name: str
        tags: list = dataclasses.field(default_factory=list)

    @dataclasses.dataclass(frozen=True)
    class Frozen(object):
        x: int
