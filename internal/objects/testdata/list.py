"""Makes random calls on a list, and prints each with what CPython answered:
one JSON object a line. usage: list.py SEED CALLS"""
import json
import random
import sys

r = random.Random(int(sys.argv[1]))
the_list = []


def number():
    return r.choice([None, 0, 1, -1, 2, -2, 3, -3, 5, -5, 7, -7, 40, -40, 2**63 - 1, -(2**63), 2**70, -(2**70), r.randint(-20, 20)])


def index():
    return r.choice([0, -1, 1, -2, r.randint(-25, 25), r.randint(-25, 25), 2**70, "x", 1.5, None]) if r.random() < 0.3 else r.randint(-12, 12)


def value():
    return r.choice([r.randint(0, 9), r.randint(0, 9), r.randint(0, 9), "a", "b", None, 1.5, True, [1], [1, 2]])


def values():
    return [r.randint(0, 9) for _ in range(r.choice([0, 1, 1, 2, 3, 4, 6, 12]))]


def iterable():
    return r.choice([values(), values(), values(), values(), values(), "xyz", 5, None])


def step():
    return r.choice([None, 1, 1, 1, -1, 2, -2, 3, -3, 0]) if r.random() < 0.9 else number()


def call():
    op = r.choice(sorted(OPS))
    return op, OPS[op][0]()


def find(v, start, stop):
    return the_list.index(v, start) if stop is None else the_list.index(v, start, stop)


def imul(n):
    the_list.__imul__(n)
    if len(the_list) > 60:
        del the_list[60:]


OPS = {
    "getitem": (lambda: [index()], lambda i: the_list[i]),
    "setitem": (lambda: [index(), value()], lambda i, v: the_list.__setitem__(i, v)),
    "delitem": (lambda: [index()], lambda i: the_list.__delitem__(i)),
    "getslice": (lambda: [number(), number(), step()], lambda a, b, s: the_list[a:b:s]),
    "setslice": (lambda: [number(), number(), step(), iterable()], lambda a, b, s, v: the_list.__setitem__(slice(a, b, s), v)),
    "delslice": (lambda: [number(), number(), step()], lambda a, b, s: the_list.__delitem__(slice(a, b, s))),
    "append": (lambda: [value()], lambda v: the_list.append(v)),
    "extend": (lambda: [iterable()], lambda v: the_list.extend(v)),
    "iadd": (lambda: [iterable()], lambda v: the_list.__iadd__(v) and None),
    "insert": (lambda: [r.randint(-40, 40), value()], lambda i, v: the_list.insert(i, v)),
    "pop": (lambda: r.choice([[], [r.randint(-12, 12)], ["x"]]), lambda *a: the_list.pop(*a)),
    "remove": (lambda: [value()], lambda v: the_list.remove(v)),
    "index": (lambda: [value(), r.randint(-12, 12), r.choice([None, r.randint(-12, 12)])], find),
    "count": (lambda: [value()], lambda v: the_list.count(v)),
    "contains": (lambda: [value()], lambda v: v in the_list),
    "reverse": (lambda: [], lambda: the_list.reverse()),
    "sort": (lambda: r.choice([[], [False], [True]]), lambda d=False: the_list.sort(reverse=d)),
    "concat": (lambda: [r.choice([values(), values(), 5])], lambda v: the_list + v),
    "repeat": (lambda: [r.choice([0, 1, 2, -1, "x", 1.5])], lambda n: the_list * n),
    "len": (lambda: [], lambda: len(the_list)),
}

for _ in range(int(sys.argv[2])):
    if len(the_list) > 40:
        op, args = "delslice", [None, 20, None]
    else:
        op, args = call()
    row = {"method": op, "args": args}
    try:
        before = list(the_list)
        row["result"] = repr(OPS[op][1](*args))
    except Exception as e:
        row["error"] = type(e).__name__
        row["message"] = str(e)
        the_list[:] = before  # a sort that failed may have moved elements
    row["list"] = repr(the_list)
    print(json.dumps(row))
