"""Proxies inside values that only Python can open: their objects live as long as
the values, and whoever takes them out can use them."""

import collections
import dataclasses
import functools
import gc
import threading

from judged import manager, show


@dataclasses.dataclass
class Task:
    n: int
    out: object


class Slots:
    __slots__ = "out", "__weakref__"

    def __init__(self, out):
        self.out = out


class Own(list):
    pass


class Loop:
    def __init__(self, out):
        self.out, self.self = out, self


class Reduced:
    def __init__(self, out):
        self.out = out

    def __reduce__(self):
        return Reduced, (self.out,)


NT = collections.namedtuple("NT", "a p")

WRAP = {  # how it is wrapped, how it is taken out
    "list": (lambda p: [p], lambda o: o[0]),
    "dataclass": (lambda p: Task(1, p), lambda o: o.out),
    "dataclass in a list": (lambda p: [1, [Task(1, p)]], lambda o: o[1][0].out),
    "slots": (Slots, lambda o: o.out),
    "subclass of list": (lambda p: Own([p]), lambda o: o[0]),
    "reduced": (Reduced, lambda o: o.out),
    "loop": (Loop, lambda o: o.self.self.out),
    "namedtuple": (lambda p: NT(1, p), lambda o: o.p),
    "namedtuple in a dataclass": (lambda p: Task(1, NT(1, p)), lambda o: o.out.p),
    "defaultdict": (lambda p: collections.defaultdict(int, p=p), lambda o: o["p"]),
    "OrderedDict": (lambda p: collections.OrderedDict(p=p), lambda o: o["p"]),
    "ChainMap": (lambda p: collections.ChainMap({"p": p}), lambda o: o["p"]),
    "deque": (lambda p: collections.deque([p]), lambda o: o[0]),
    "partial": (lambda p: functools.partial(print, p), lambda o: o.args[0]),
    "bound method": (lambda p: p.append, lambda o: o.__self__),
    "exception": (lambda p: ValueError(p), lambda o: o.args[0]),
    "shared 40 times": (lambda p: {"d": [["x" * 100] * 100] * 40, "p": p}, lambda o: o["p"]),
    "150 deep": (
        lambda p: functools.reduce(lambda a, _: [a], range(150), p),
        lambda o: functools.reduce(lambda a, _: a[0], range(150), o),
    ),
    "the same twice": (lambda p: Task(p, p), lambda o: o.n),
}


def main():
    m = manager()
    q, d, l, ns = m.Queue(), m.dict(), m.list([None]), m.Namespace()
    for name, (wrap, take) in WRAP.items():

        def through_queue():
            q.put(wrap(m.list([1])))
            gc.collect()
            return take(q.get())._getvalue()

        def through_dict():
            d["k"] = wrap(m.list([1]))
            gc.collect()
            take(d["k"]).append(2)
            return take(d["k"])._getvalue()

        def through_list():
            l[0] = wrap(m.list([1]))
            gc.collect()
            return [take(v)._getvalue() for v in (l[0], l[:][0], l._getvalue()[0])]

        def through_namespace():
            ns.x = wrap(m.list([1]))
            gc.collect()
            return take(ns.x)._getvalue()

        def through_thread():
            d["k"] = wrap(m.list([1]))
            got = []
            t = threading.Thread(target=lambda: got.append(take(d["k"])))
            t.start()
            t.join()
            del d["k"]  # what was taken out keeps it
            gc.collect()
            return got[0]._getvalue()

        for f in (through_queue, through_dict, through_list, through_namespace, through_thread):
            show(name + ", " + f.__name__, f)

    # A lock that travels in a value works for whoever gets it.
    lock = m.Lock()
    q.put(Task(1, lock))
    task = q.get()
    show("a lock that came in a task", task.out.acquire)
    show("is taken", lock.acquire, False)


if __name__ == "__main__":
    main()
