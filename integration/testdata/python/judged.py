"""What the programs of this directory have in common that run against Python's
own server and against another one, and must print the same.

    python PROGRAM.py own          against Python's own server
    python PROGRAM.py ADDRESS      against another one: host:port or a path

The authkey is in SYNCMANAGER_AUTHKEY.
"""

import multiprocessing
import os
import re
import sys
from multiprocessing.managers import SyncManager


def manager():
    key = os.environ["SYNCMANAGER_AUTHKEY"].encode()
    multiprocessing.current_process().authkey = key
    if sys.argv[1] == "own":
        m = SyncManager(authkey=key)
        m.start()
        return m
    host, colon, port = sys.argv[1].rpartition(":")
    m = SyncManager(address=(host, int(port)) if colon and "/" not in port else sys.argv[1], authkey=key)
    m.connect()
    return m


def show(name, f, *args, **kwds):
    """Print the result of a call, or its error: the class and the last line."""
    try:
        text = repr(f(*args, **kwds))
    except Exception as e:
        last = (str(e).strip().strip("-").strip().splitlines() or [""])[-1]
        # The text of a traceback begins with the class.
        text = "%s: %s" % (type(e).__name__, last[:150])
        text = re.sub(r"^RemoteError: (\w+: )", r"\1", text)
    print(name + ":", re.sub(r"0x[0-9a-f]+", "0x", text), flush=True)
