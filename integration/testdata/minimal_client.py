"""A client of a manager server, written from docs/protocol.md alone, with
nothing but Python's standard library: what a client in another language needs
at least.

    minimal_client.py unix:///path|tcp+plain://host:port AUTHKEY-FILE

It opens the queue "minimal", uses it, and prints what it got.
"""
import hashlib, hmac, os, socket, struct, sys


class Ext(tuple):
    """An ext value: (type, payload)."""


class Error(Exception):
    """An error of the server: code, type, message, detail, flags."""


# Values: the part of msgpack that this program sends, and all that may arrive.

def pack(v):
    if v is None or v is True or v is False:
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[v]
    if isinstance(v, int):
        if 0 <= v < 128:
            return bytes([v])
        return b"\xd3" + struct.pack(">q", v) if v < 2**63 else b"\xcf" + struct.pack(">Q", v)
    if isinstance(v, float):
        return b"\xcb" + struct.pack(">d", v)
    if isinstance(v, Ext):
        return b"\xc9" + struct.pack(">Ib", len(v[1]), v[0]) + v[1]
    if isinstance(v, str):
        v = v.encode("utf-8", "surrogatepass")
        return b"\xdb" + struct.pack(">I", len(v)) + v
    if isinstance(v, bytes):
        return b"\xc6" + struct.pack(">I", len(v)) + v
    if isinstance(v, list):
        return b"\xdd" + struct.pack(">I", len(v)) + b"".join(map(pack, v))
    if isinstance(v, dict):
        return b"\xdf" + struct.pack(">I", len(v)) + b"".join(pack(k) + pack(x) for k, x in v.items())
    raise TypeError(type(v))


NUMBERS = {0xca: ">f", 0xcb: ">d", 0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q",
           0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}
SIZED = {0xc4: (bytes, ">B"), 0xc5: (bytes, ">H"), 0xc6: (bytes, ">I"), 0xc7: (Ext, ">B"),
         0xc8: (Ext, ">H"), 0xc9: (Ext, ">I"), 0xd9: (str, ">B"), 0xda: (str, ">H"),
         0xdb: (str, ">I"), 0xdc: (list, ">H"), 0xdd: (list, ">I"), 0xde: (dict, ">H"), 0xdf: (dict, ">I")}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        if self.at > len(self.data):
            raise EOFError("message is too short")
        return self.data[self.at - n:self.at]

    def num(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        n = shift = 0
        while True:
            b = self.num("B")
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n

    def text(self):
        return self.take(self.uvarint()).decode()

    def value(self):
        c = self.num("B")
        if c < 0x80 or c >= 0xe0:
            return c if c < 0x80 else c - 256
        if c < 0xc0:
            kind, n = (dict, c & 15) if c < 0x90 else (list, c & 15) if c < 0xa0 else (str, c & 31)
        elif c in (0xc0, 0xc2, 0xc3):
            return {0xc0: None, 0xc2: False, 0xc3: True}[c]
        elif c in NUMBERS:
            return self.num(NUMBERS[c])
        elif 0xd4 <= c <= 0xd8:
            kind, n = Ext, 1 << (c - 0xd4)
        else:
            kind, n = SIZED[c][0], self.num(SIZED[c][1])
        if kind is list:
            return [self.value() for _ in range(n)]
        if kind is dict:
            return {self.value(): self.value() for _ in range(n)}
        if kind is Ext:
            return Ext((self.num("b"), self.take(n)))
        return self.take(n) if kind is bytes else self.take(n).decode("utf-8", "surrogatepass")


def uvarint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def text(s):
    return uvarint(len(s.encode())) + s.encode()


OPEN, WELCOME, CALL, REPLY, PING, PONG, CLOSE, BYE, FRAGMENT = 1, 3, 4, 5, 8, 9, 11, 12, 13


class Client:
    def __init__(self, address, key):
        scheme, rest = address.split("://", 1)
        if scheme == "unix":
            self.kind, self.sock = b"unix", socket.socket(socket.AF_UNIX)
            self.sock.connect(rest)
        else:
            host, port = rest.rsplit(":", 1)
            self.kind, self.sock = b"tcp", socket.create_connection((host.strip("[]"), int(port)))
        self.stream = self.sock.makefile("rb")
        self.partial, self.serial = {}, 0
        self.authenticate(key)
        self.send(OPEN, uvarint(1) + uvarint(0) + text("minimal") + text("host") + uvarint(os.getpid()) + uvarint(1 << 30))
        r = self.receive(WELCOME)
        names = "version session generation lease largest calls".split()
        self.welcome = {name: r.uvarint() for name in names}
        self.welcome.update(role=r.text(), server=r.text())

    def authenticate(self, key):
        def send(message):
            self.sock.sendall(struct.pack(">H", len(message)) + message)

        def recv():
            return self.exactly(struct.unpack(">H", self.exactly(2))[0])

        def proof(label, last):
            prk = hmac.digest(bytes(32), key, "sha256")  # HKDF: extract, then expand to one block
            okm = hmac.digest(prk, label + b"\x01", "sha256")
            fields = [label, self.kind, b"", hello, answer, last]
            return hmac.digest(okm, b"".join(struct.pack(">H", len(f)) + f for f in fields), "sha256")

        name = b"default"
        hello = (b"syncmgr\n" + struct.pack(">HHB", 1, 1, len(self.kind)) + self.kind
                 + bytes([len(name)]) + name + os.urandom(32))
        send(hello)
        answer = recv()
        if answer[:9] != b"syncmgr\n\x01":
            raise Error("no common version", answer)
        mine = proof(b"syncmanager/1 client", b"")
        send(mine)
        if not hmac.compare_digest(recv(), proof(b"syncmanager/1 server", mine)):
            raise Error("authentication failed")

    def exactly(self, n):
        data = self.stream.read(n)
        if len(data) != n:
            raise EOFError("connection closed")
        return data

    def send(self, kind, body=b""):
        whole = bytes([kind]) + body
        if len(whole) <= 64 << 10:
            self.sock.sendall(struct.pack(">I", len(whole)) + whole)
            return
        for at in range(0, len(whole), 32 << 10):
            flags = (at == 0) | 2 * (at + (32 << 10) >= len(whole))
            head = uvarint(1) + bytes([flags]) + (struct.pack(">I", len(whole)) if at == 0 else b"")
            piece = bytes([FRAGMENT]) + head + whole[at:at + (32 << 10)]
            self.sock.sendall(struct.pack(">I", len(piece)) + piece)

    def receive(self, want):
        """Returns the body of the next frame of a kind, and skips others."""
        while True:
            frame = self.exactly(struct.unpack(">I", self.exactly(4))[0])
            if frame[0] == FRAGMENT:
                r = Reader(frame[1:])
                number, flags = r.uvarint(), r.num("B")
                if flags & 1:
                    r.take(4)
                    self.partial[number] = b""
                self.partial[number] += r.data[r.at:]
                if not flags & 2:
                    continue
                frame = self.partial.pop(number)
            if frame[0] == want:
                return Reader(frame[1:])
            if frame[0] == BYE:
                raise Error(*Reader(frame[1:]).value())

    def call(self, obj, method, *args, timeout=None):
        self.serial += 1
        flags = b"\x00" if timeout is None else b"\x01" + uvarint(int(timeout * 1e9))
        # One call at a time: all replies before this one have been read.
        self.send(CALL, uvarint(self.serial) + uvarint(1) + uvarint(obj)
                  + uvarint(0) + text(method) + flags + pack(list(args)))
        r = self.receive(REPLY)
        assert r.uvarint() == self.serial
        status, value = r.num("B"), r.value()
        if status & 1:
            raise Error(*value)
        return value

    def ping(self, number):
        self.send(PING, uvarint(number))
        return self.receive(PONG).uvarint() == number

    def close(self):
        self.send(CLOSE)
        return Error(*self.receive(BYE).value())


def main():
    with open(sys.argv[2], "rb") as f:
        key = f.read()
    c = Client(sys.argv[1], key[:-1] if key.endswith(b"\n") else key)
    print("welcome", c.welcome["version"], c.welcome["role"])
    reference = c.call(0, "open", "minimal", "Queue")
    queue, _secret = struct.unpack(">QQ", reference[1][:16])
    print("object", reference[0], reference[1][16:].decode())
    c.call(queue, "put", {"n": [1, -2, 2.5, None, True], "s": "h\u00e9"})
    c.call(queue, "put", b"x" * 300000)
    print("get", c.call(queue, "get"))
    print("bytes", len(c.call(queue, "get", timeout=1)))
    try:
        c.call(queue, "get", timeout=0.01)
    except Error as e:
        print("error", e.args[0], repr(e.args[2]))
    print("pong", c.ping(7))
    c.call(queue, "put", "for another")
    c.call(0, "release", [queue, 1])
    try:
        c.call(queue, "qsize")
    except Error as e:
        print("released", e.args[0])
    print("bye", c.close().args[0])


if __name__ == "__main__":
    main()
