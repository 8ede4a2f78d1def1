"""Serves Python's own manager on one address until standard input ends."""

import os
import sys
import threading

from common import Bench, hear, say


def main():
    spec = hear()
    unix = spec["network"] == "unix"
    address = spec["addr"] if unix else ("127.0.0.1", 0)
    manager = Bench(address=address, authkey=spec["key"].encode())
    server = manager.get_server()

    def end_with_input():
        while sys.stdin.readline():
            pass
        if unix:
            os.unlink(server.address)
        os._exit(0)

    threading.Thread(target=end_with_input, daemon=True).start()
    where = server.address if unix else "%s:%d" % server.address
    say({"addrs": {spec["network"]: where}, "pid": os.getpid()})
    server.serve_forever()


if __name__ == "__main__":
    main()
