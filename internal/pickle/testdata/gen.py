"""Makes and judges pickles for the tests of the Go codec.

  gen.py record                 the recordings of this interpreter
  gen.py merge PYTHON...        recordings.txt from these interpreters
  gen.py random COUNT SEED      random nested values, with sharing and cycles
  gen.py judge                  compares pairs of pickles
  gen.py repr                   checks pickles against expressions

Lines are "name protocol base64", and in recordings.txt
"name protocol versions base64". judge reads "name base64 base64" and prints a
line for each pair whose second pickle does not load as what the first does, and
last a line "judged N, skipped M"; skipped are those of which this interpreter
cannot load the first. repr reads "base64 base64", a pickle and the expression
that it should be, and prints a line for each that has another repr. Runs on Python 3.6 and later.
"""
import array
import base64
import collections
import copyreg
import datetime
import decimal
import fractions
import functools
import multiprocessing.managers
import operator
import os
import pathlib
import pickle
import queue
import random
import subprocess
import sys
import threading
import types
import uuid
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
warnings.simplefilter('ignore')
import shapes  # noqa: E402


def cases():
    yield 'none', None
    yield 'true', True
    yield 'false', False
    for i, v in enumerate([
            0, 1, 255, 256, 65535, 65536, -1, -128, -129, -32768, 2**31 - 1, 2**31, -2**31,
            -2**31 - 1, 2**63 - 1, 2**63, -2**63, -2**63 - 1, 2**64 - 1, 2**64, 10**50,
            -10**50, 2**2039, 2**2040, -2**2047, 1 << 4000]):
        yield 'int%d' % i, v
    for i, v in enumerate([0.0, -0.0, 1.5, -1e300, 5e-324, float('inf'), float('-inf'), float('nan')]):
        yield 'float%d' % i, v
    for i, v in enumerate([
            '', 'a', 'text', 'h\xe9', '\u20ac', '\U0001f600', '\ud800', 'a\udfffb', '\ud83d\ude00',
            '\ud7ff\ue000', 'x' * 255, 'x' * 256, '\0\n\\u0041']):
        yield 'str%d' % i, v
    for i, v in enumerate([b'', b'a', bytes(range(256)), b'\xff' * 255, b'y' * 300]):
        yield 'bytes%d' % i, v
        yield 'bytearray%d' % i, bytearray(v)
    for i, v in enumerate([1 + 2j, complex('nan'), -0j]):
        yield 'complex%d' % i, v
    yield 'tuples', [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((),), tuple(range(300))]
    yield 'lists', [[], [1], [1, 2], [[[]]], list(range(1001)), list(range(1000))]
    yield 'dicts', [{}, {1: 2}, {'a': 1, 'b': [2], (1, 'x'): None, 1.5: b'', None: {}}]
    yield 'bigdict', dict((str(i), i) for i in range(1001))
    yield 'sets', [set(), {1}, {1, 'a', (2,)}, frozenset(), frozenset([1, 2]), {frozenset([3])}]
    yield 'bigset', set(range(1001))
    yield 'range', [range(3), range(1, 10, 2), range(10**30)]
    yield 'slice', [slice(1), slice(None, -1, 2)]
    yield 'ellipsis', [..., NotImplemented, type(None), type(...)]

    x = ['shared']
    yield 'shared_list', [x, x, {'k': x}]
    t = (1, [2])
    yield 'shared_tuple', [t, t]
    s = 'a string that is shared'
    yield 'shared_str', [s, s, {s: s}]
    f = frozenset(['f'])
    yield 'shared_frozenset', [f, f]
    o = shapes.Plain(a=1)
    yield 'shared_object', [o, o]
    yield 'many_shared', [[x], [t], [o]] * 100
    yield 'memo_300', [[str(i), [i]] for i in range(300)] + ['299']

    x = []
    x.append(x)
    yield 'list_cycle', x
    d = {}
    d['self'] = d
    yield 'dict_cycle', d
    x = []
    for n in (1, 2, 3, 4):
        t = (x,) * n
        x.append(t)
    yield 'tuple_cycle', t
    yield 'tuple_cycle_list', x
    x = []
    t = (x, 1)
    x.append(t)
    yield 'tuple_cycle2', t
    p = shapes.Plain()
    p.me = p
    yield 'object_cycle', p
    p = shapes.Plain()
    p.peers = {p}
    yield 'set_cycle', p.peers
    p = shapes.Plain()
    p.peers = frozenset([p])
    yield 'frozenset_cycle', p.peers
    yield 'frozenset_cycle_object', p
    x = []
    r = shapes.Reducer(x)
    x.append(r)
    yield 'reduce_cycle', r
    yield 'reduce_cycle_list', x
    parent = shapes.Plain(name='parent', children=[])
    for i in range(3):
        parent.children.append(shapes.Plain(name=i, parent=parent))
    yield 'parents', parent

    yield 'plain', shapes.Plain(a=1, b=[2, 3], c={'d': None})
    yield 'inner', [shapes.Plain.Inner, shapes.Plain.Inner()]
    o = shapes.Slots()
    o.a = 1
    yield 'slots', o
    o = shapes.SlotsAndDict()
    o.a, o.c = 1, 2
    yield 'slots_dict', o
    yield 'newargs', shapes.NewArgs()
    yield 'newargs_ex', shapes.NewArgsEx(x=1)
    if sys.version_info >= (3, 8):
        o = shapes.Setter()
        o.x = o
        yield 'setter', [o, o]
    o = shapes.StateTuple()
    o.x = 1
    yield 'state_tuple', o
    l = shapes.MyList([1, 2])
    l.append(l)
    l.attr = 'x'
    yield 'mylist', l
    yield 'mylist1', shapes.MyList([1])
    yield 'mylist_big', shapes.MyList(range(1001))
    yield 'mydict', [shapes.MyDict(), shapes.MyDict(a=1), shapes.MyDict(a=1, b=2)]
    yield 'myset', shapes.MySet([1])
    yield 'mytuple', shapes.MyTuple([1, 2])
    yield 'myint', [shapes.MyInt(5), shapes.MyStr('x'), shapes.MyInt(2**70)]
    yield 'enum', [shapes.Colour.RED, shapes.Colour.GREEN, shapes.Flags.A, shapes.Colour]
    yield 'namedtuple', shapes.Point(1, [2])
    if hasattr(shapes, 'Data'):
        yield 'dataclass', [shapes.Data('n', ['t']), shapes.Frozen(1)]
    yield 'functions', [len, os.path.join, shapes.function, [].append.__class__, 'x'.upper, dict.fromkeys, operator.add]
    yield 'classes', [int, dict, shapes.Plain, KeyError, collections.OrderedDict]
    yield 'partial', functools.partial(shapes.function, 1)
    yield 'attrgetter', [operator.attrgetter('a.b'), operator.itemgetter(1, 2)]

    yield 'decimal', [decimal.Decimal('1.50'), decimal.Decimal('NaN'), fractions.Fraction(1, 3)]
    yield 'datetime', [
        datetime.datetime(2024, 2, 29, 12, 30, 15, 123456), datetime.datetime.min,
        datetime.date(2000, 1, 1), datetime.time(1, 2, 3), datetime.timedelta(-1, 5, 7),
        datetime.datetime(2024, 10, 27, 2, 30, fold=1)]
    utc = datetime.timezone.utc
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    named = datetime.timezone(datetime.timedelta(hours=-3), 'X')
    yield 'datetime_tz', [datetime.datetime(2024, 1, 1, tzinfo=z) for z in (utc, east, named)]
    yield 'uuid', uuid.UUID(int=5)
    for tc in 'bBhHiIlLqQ':
        yield 'array_' + tc, [array.array(tc), array.array(tc, [1, 2, 127])]
    yield 'array_f', array.array('f', [1.5, -2.0])
    yield 'array_d', array.array('d', [1.5, -2.0])
    yield 'array_u', array.array('u', 'a\U0001f600')
    if sys.version_info >= (3, 13):
        yield 'array_w', array.array('w', 'a\U0001f600')
    yield 'deque', [collections.deque([1, 2]), collections.deque([1], 5)]
    yield 'ordered', collections.OrderedDict([('b', 1), ('a', 2)])
    yield 'defaultdict', [collections.defaultdict(list, a=[1]), collections.Counter('aab')]
    yield 'path', [pathlib.PurePosixPath('/a/b'), pathlib.PureWindowsPath('c:/x')]
    yield 'namespace', types.SimpleNamespace(a=1)
    yield 'exceptions', [
        KeyError('k'), ValueError(), shapes.MyError(5, 'text'), OSError(2, 'no', 'file'),
        StopIteration(1), queue.Empty(), threading.BrokenBarrierError(),
        UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')]
    try:
        1 / 0
    except ZeroDivisionError as e:
        e.note = 'x'
        yield 'exception_state', e
    it = iter([1, 2, 3])
    next(it)
    yield 'iterators', [it, iter((1,)), reversed([1, 2]), enumerate(['a'])]

    managers = multiprocessing.managers
    token = managers.Token('dict', ('127.0.0.1', 5000), '7f00')
    yield 'token', [token, managers.Token('Queue', '/tmp/s', '1')]
    ns = managers.Namespace()
    ns.x = 1
    yield 'managers', [ns, managers.Value('i', 5)]
    yield 'request', ('7f00', 'update', ([('a', 1)],), {'b': 2})
    yield 'request_none', (None, 'create', ('dict',), {})
    yield 'reply', ('#RETURN', {'a': [1, 2.5]})

    from multiprocessing.reduction import ForkingPickler
    yield 'mp_views', bytes(ForkingPickler.dumps([{'a': 1}.keys(), array.array('i', [1])]))


# Proxies cannot be made without a server: this is what they send.
class Proxy(object):
    def __reduce__(self):
        managers = multiprocessing.managers
        return managers.RebuildProxy, (managers.DictProxy, managers.Token('dict', ('h', 1), '7f'), 'pickle', {})


# Classes with codes in the registry of extensions.
CODED = [(shapes.Coded1, 1), (shapes.Coded2, 300), (shapes.Coded3, 70000)]


def write(*words):
    sys.stdout.write(' '.join(words) + '\n')


def b64(data):
    return base64.b64encode(data).decode()


def record():
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        for name, value in cases():
            if name.startswith('mp_'):
                if protocol == pickle.DEFAULT_PROTOCOL:
                    write(name, str(protocol), b64(value))
                continue
            try:
                data = pickle.dumps(value, protocol)
            except (TypeError, pickle.PicklingError, OverflowError, AttributeError, RecursionError):
                continue  # this interpreter cannot, or not in this protocol
            if protocol < 4 and len(data) > 5000:
                continue
            write(name, str(protocol), b64(data))
        write('proxy', str(protocol), b64(pickle.dumps(Proxy(), protocol)))
    register_extensions()
    for cls, code in CODED:
        write('ext%d' % code, '2', b64(pickle.dumps([cls, cls, cls()], 2)))


def register_extensions():
    for cls, code in CODED:
        copyreg.add_extension('shapes', cls.__name__, code)



def merge(pythons):
    seen = collections.OrderedDict()
    for python in pythons:
        env = dict(os.environ, PYTHONHASHSEED='0')
        ver = '3.' + subprocess.check_output(
            [python, '-c', 'import sys; print(sys.version_info[1])']).decode().strip()
        out = subprocess.check_output([python, __file__, 'record'], env=env).decode()
        for line in out.splitlines():
            seen.setdefault(tuple(line.split()), []).append(ver)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'recordings.txt'), 'w') as f:
        for (name, protocol, data), vers in seen.items():
            f.write('%s %s %s %s\n' % (name, protocol, ','.join(vers), data))


class Maker(object):
    """Makes random values out of plain types, with sharing and cycles."""

    def __init__(self, rnd):
        self.rnd = rnd
        self.made = []
        self.left = rnd.choice([3, 10, 40, 200])

    def leaf(self, hashable=False):
        r = self.rnd
        k = r.randrange(15 if hashable else 18)
        if k < 3:
            return r.choice([None, True, False])
        if k < 6:
            return r.randrange(-300, 300)
        if k == 6:
            v = r.getrandbits(r.choice([8, 16, 31, 32, 63, 64, 65, 200, 2100]))
            return v if r.random() < 0.5 else -v
        if k < 9:
            return r.choice([0.0, -0.0, r.random(), r.uniform(-1e308, 1e308), float('inf')])
        if k < 12:
            return ''.join(r.choice('ab\xe9\u20ac\ud800\udc00\U0001f600\n\0') for _ in range(r.choice([0, 1, 5, 90])))
        if k == 12:
            return bytes(bytearray(r.randrange(256) for _ in range(r.choice([0, 1, 5, 300]))))
        if k == 13:
            return complex(r.random(), -0.0)
        if k == 14:
            return r.choice([datetime.datetime(2024, 1, 2, 3, 4, 5, r.randrange(10**6)), decimal.Decimal(r.randrange(99)) / 7,
                             range(r.randrange(9)), int, shapes.Colour.RED, len, datetime.timezone.utc])
        if k == 15:
            return bytearray(r.randrange(256) for _ in range(r.choice([0, 1, 5])))
        if k == 16:
            return slice(r.randrange(5), None)
        return array.array(r.choice('bhilqfd'), [r.randrange(100) for _ in range(r.randrange(4))])

    def hashable(self, depth):
        r = self.rnd
        self.left -= 1
        k = r.randrange(8)
        if depth <= 0 or k < 5 or self.left < 0:
            return self.leaf(True)
        items = [self.hashable(depth - 1) for _ in range(r.randrange(5))]
        v = tuple(items) if k < 7 else frozenset(items)
        return v

    def value(self, depth):
        r = self.rnd
        self.left -= 1
        if self.made and r.random() < 0.15:
            return r.choice(self.made)
        k = r.randrange(12)
        if depth <= 0 or self.left < 0 or k < 3:
            return self.leaf()
        n = r.choice([0, 1, 2, 3, 4, 7])
        if k < 5:
            v = r.choice([list, list, shapes.MyList, collections.deque])()
            self.made.append(v)
            for _ in range(n):
                v.append(self.value(depth - 1))
        elif k < 8:
            v = r.choice([dict, dict, collections.OrderedDict, shapes.MyDict])()
            self.made.append(v)
            for _ in range(n):
                v[self.hashable(2)] = self.value(depth - 1)
        elif k < 10:
            v = tuple([self.value(depth - 1) for _ in range(n)])
            self.made.append(v)
        elif k == 10:
            v = r.choice([set, frozenset])(self.hashable(2) for _ in range(n))
            self.made.append(v)
        else:
            v = r.choice([shapes.Plain, shapes.SlotsAndDict, shapes.StateTuple])()
            self.made.append(v)
            v.attr = self.value(depth - 1)
            if r.random() < 0.5:
                v.me = v
        return v


def make_random(count, seed):
    rnd = random.Random(seed)
    for i in range(count):
        value = Maker(rnd).value(rnd.choice([1, 3, 6, 12]))
        protocol = rnd.randrange(2, pickle.HIGHEST_PROTOCOL + 1)
        write('random%d' % i, str(protocol), b64(pickle.dumps(value, protocol)))


class Walk(object):
    """Turns a value into tokens that tell its types, contents, and which of
    its parts are one object."""

    def __init__(self, sets=()):
        self.sets = sets  # those that are being put in order
        self.seen = {}
        self.keep = []
        self.out = []

    def walk(self, v):
        t = type(v)
        self.out.append(t.__module__ + '.' + t.__qualname__)
        if t in (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), range):
            self.out.append(repr(v))
            return
        if isinstance(v, (type, types.FunctionType)) or t is types.BuiltinFunctionType and not (
                hasattr(v.__self__, '__reduce_ex__') and not isinstance(v.__self__, (type, types.ModuleType))):
            self.out.append('%s.%s' % (v.__module__, v.__qualname__))
            return
        if t is tuple and not v:
            return
        if id(v) in self.sets:
            self.out.append('##%d' % self.sets.index(id(v)))
            return
        if id(v) in self.seen:
            self.out.append('#%d' % self.seen[id(v)])
            return
        self.seen[id(v)] = len(self.seen)
        self.keep.append(v)
        if t is bytearray:
            self.out.append(repr(v))
        elif t in (list, tuple):
            self.out.append(len(v))
            for x in v:
                self.walk(x)
        elif t is dict:
            self.out.append(len(v))
            for k, x in v.items():
                self.walk(k)
                self.walk(x)
        elif t in (set, frozenset):
            self.out.append(len(v))
            for x in self.ordered(v):
                self.walk(x)
        else:
            self.reduced(v.__reduce_ex__(4))

    def ordered(self, items):
        def key(x):
            w = Walk(self.sets + (id(items),))
            w.walk(x)
            return repr(w.out)
        return sorted(items, key=key)

    def reduced(self, rv):
        if isinstance(rv, str):
            self.out.append(rv)
            return
        self.keep.append(rv)
        rv = tuple(rv) + (None,) * (6 - len(rv))
        self.walk(rv[0])
        self.out.append(len(rv[1]))
        for a in rv[1]:
            if type(a) in (list, dict, set, tuple):
                self.fresh(a)
            else:
                self.walk(a)
        self.fresh(rv[2])
        for items in rv[3:5]:
            items = None if items is None else list(items)
            self.keep.append(items)
            if items is not None:
                self.out.append(len(items))
                for x in items:
                    self.fresh(x)

    def fresh(self, v):
        # Made for the occasion: its contents count, not its identity.
        self.keep.append(v)
        if type(v) in (tuple, list):
            self.out.append(len(v))
            for x in v:
                self.walk(x)
        elif type(v) is dict:
            self.out.append(len(v))
            for k, x in v.items():
                self.walk(k)
                self.walk(x)
        else:
            self.walk(v)


def tokens(data):
    w = Walk()
    w.walk(pickle.loads(data))
    return w.out


def judge():
    register_extensions()
    # The real one calls the server.
    multiprocessing.managers.RebuildProxy = shapes.rebuild_proxy
    judged = skipped = 0
    for line in sys.stdin:
        name, a, b = line.split()
        try:
            want = tokens(base64.b64decode(a))
        except Exception:
            skipped += 1
            continue
        try:
            got = tokens(base64.b64decode(b))
            pickle._loads(base64.b64decode(b))  # stricter about frames
        except Exception as e:
            write(name, 'does not load:', repr(e))
            continue
        judged += 1
        if want != got:
            write(name, 'differs:', ascii(want)[:1000], '!=', ascii(got)[:1000])
    write('judged %d, skipped %d' % (judged, skipped))


def check_repr():
    names = dict(vars(multiprocessing.managers), datetime=datetime, array=array.array, queue=queue)
    for line in sys.stdin:
        data, expr = [base64.b64decode(w) for w in line.split()]
        want = repr(eval(expr, names))
        got = repr(pickle.loads(data))
        if want != got:
            write('%s is not %s' % (ascii(got), ascii(want)))


if __name__ == '__main__':
    if sys.argv[1] == 'record':
        record()
    elif sys.argv[1] == 'merge':
        merge(sys.argv[2:])
    elif sys.argv[1] == 'random':
        make_random(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1] == 'judge':
        judge()
    elif sys.argv[1] == 'repr':
        check_repr()
    else:
        sys.exit(__doc__)
