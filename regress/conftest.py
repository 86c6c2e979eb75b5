# SPDX-License-Identifier: ISC
"""What every end-to-end test shares: the instance, and a look at it after."""
import pathlib
import signal
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "protocol"))

import server as instance  # noqa: E402

# Whoever runs the tests in the background, or under nohup(1), ignores some
# signals, and what is started here would inherit that.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM,
               signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD,
               signal.SIGALRM):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT
                      else signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_SETMASK, ())


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "clauses(*ids): the clauses that the test proves")
    config.addinivalue_line(
        "markers", "restarts: processes are killed on purpose")


def pytest_make_parametrize_id(config, val, argname):
    """Short names without control characters for hostile parameters."""
    if isinstance(val, bytes):
        val = val.decode("latin-1")
    if not isinstance(val, str):
        return None
    text = "".join(x if x.isascii() and x.isprintable() else "_" for x in val)
    return text[:40] or "empty"


@pytest.fixture(scope="session")
def shared():
    """The instance that most tests use, one after another."""
    one = instance.Server()
    with one:
        yield one


@pytest.fixture
def server(shared):
    """The shared instance; afterwards all its processes must be the same."""
    yield shared
    shared.check()


@pytest.fixture
def own():
    """own(**configuration) starts an instance for this test alone."""
    started = []

    def start(**options):
        one = instance.Server(**options)
        started.append(one)
        try:
            one.start()
        except BaseException:
            one.kill()
            raise
        return one

    yield start
    errors = []
    for one in started:
        try:
            one.stop()
        except AssertionError as error:
            errors.append(error)
    if errors:
        raise errors[0]


_count = [0]


@pytest.fixture
def pair(server):
    """A remote address that no other test uses, and a local user."""
    _count[0] += 1
    return "friend%d@b.example" % _count[0], "alice@a.example"
