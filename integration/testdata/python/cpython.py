"""Run CPython's own tests of shared objects against a manager server.

    python cpython.py ADDRESS START_METHOD [PATTERN...]

ADDRESS is host:port or the path of a unix socket; the authkey is in the
environment variable SYNCMANAGER_AUTHKEY. START_METHOD is fork, spawn or
forkserver. The tests are those of test._test_multiprocessing that use a
SyncManager. Nothing of them is changed but where SyncManager.start() connects.

A PATTERN is a test as in "WithManagerTestLock.test_lock"; without any, all run
but those in NEEDS_PYTHON, which need Python code in the server.
"""

import faulthandler
import fnmatch
import multiprocessing
import os
import sys
import unittest
from multiprocessing import managers, process
from test import _test_multiprocessing as tests

# Tests that cannot pass against a server without Python, and why.
NEEDS_PYTHON = {
    "WithManagerTestPool.*": "Pool runs the test's functions in the server",
    "TestSyncManagerTypes.test_pool": "Pool runs the test's functions in the server",
    "WithManagerTestBarrier.test_action": "the barrier's action is a Python function in the server",
    "WithManagerTestMyManager.*": "starts a server of its own with the test's classes",
    "WithManagerTestRemoteManager.*": "starts a server of its own that speaks XML-RPC",
    "WithManagerTestManagerRestart.*": "starts and restarts a server of its own",
}

# Classes without a manager variant that use one all the same.
CLASSES = ("TestSyncManagerTypes", "TestManagerExceptions")


def address():
    text = sys.argv[1]
    if text.startswith("/"):
        return text
    host, _, port = text.rpartition(":")
    return host, int(port)


def start(self, initializer=None, initargs=()):
    """SyncManager.start: connect to the server instead of starting one."""
    if self._state.value != managers.State.INITIAL:
        if self._state.value == managers.State.STARTED:
            raise process.ProcessError("Already started server")
        raise process.ProcessError("Manager has shut down")
    self._address = address()
    self._authkey = process.AuthenticationString(KEY)
    self.connect()
    self._process = None

    def shutdown():
        self._state.value = managers.State.SHUTDOWN

    self.shutdown = shutdown


KEY = os.environ["SYNCMANAGER_AUTHKEY"].encode()


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def all_tests(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from all_tests(item)
        else:
            yield item


# Spawned children import this file and find the tests' functions here.
tests.install_tests_in_module_dict(globals(), sys.argv[2])


def main():
    patterns = sys.argv[3:]
    faulthandler.dump_traceback_later(500, exit=True)
    managers.SyncManager.start = start
    process.current_process().authkey = KEY

    loader, chosen = unittest.TestLoader(), unittest.TestSuite()
    needs_python = 0
    for name, value in sorted(globals().items()):
        if not (isinstance(value, type) and issubclass(value, unittest.TestCase)):
            continue
        if not (name.startswith("WithManager") or name in CLASSES or name + ".*" in patterns):
            continue
        for test in all_tests(loader.loadTestsFromTestCase(value)):
            full = name + "." + test.id().rsplit(".", 1)[1]
            if patterns:
                if matches(full, patterns):
                    chosen.addTest(test)
            elif matches(full, NEEDS_PYTHON):
                needs_python += 1
            else:
                chosen.addTest(test)

    setUpModule()
    try:
        result = unittest.TextTestRunner(verbosity=2, stream=sys.stderr).run(chosen)
    finally:
        tearDownModule()
    failed = len(result.failures) + len(result.errors)
    print("ran=%d skipped=%d failed=%d needs_python=%d" % (
        result.testsRun, len(result.skipped), failed, needs_python))
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
