# SPDX-License-Identifier: ISC
"""tokensend(1) and servers that lie behind each octet of each answer: what it
says is so, the file has the token that it should, and none is shown."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

import pytest

from clause import clauses
from octet_liar import KINDS, OctetLiar
from test_octets import ALL, lies
from test_tokensend import FROM, MESSAGE, OK, PROGRAM, TEMPFAIL
from token_world import Authority

LIMIT = "2"  # seconds: for those who wait


@pytest.fixture(scope="module")
def place():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="tokensend-",
                                              dir="/var/tmp"))
    authority = Authority(directory)
    liar = OctetLiar(authority.issue("liars", "*.liar.example"))
    yield directory, authority.file, liar
    liar.close()
    shutil.rmtree(directory)


def run(place, case):
    directory, ca, liar = place
    old = "HELDtoken" + case.new[-5:]
    line = "%s %s %%s\n" % (FROM, case.friend)
    file = directory / case.domain
    file.touch(0o600)
    file.write_text(line % old)
    done = subprocess.run(
        [PROGRAM, "-v", "-f", FROM, "-t", str(file), "-C", ca, "-s",
         "127.0.0.1:%d" % liar.port] +
        (["-w", LIMIT] if case.kind == "stall" else []) + [case.friend],
        input=MESSAGE * (3000 if case.large else 1), capture_output=True,
        timeout=300, env=dict(os.environ, HOME=str(directory)))
    shown = done.stdout + done.stderr
    story = (case, done.returncode, shown)
    assert done.returncode in (OK, TEMPFAIL), story
    assert len(done.stdout.splitlines()) == 1, story
    assert b"HELDtoken" not in shown and b"NEWtoken" not in shown, story
    assert (done.returncode == OK) == (b" 250 2." in done.stdout), story
    if done.returncode == OK:
        assert case.taken == 1, story
    elif case.taken:
        assert case.step == "end" and \
            b"may have been accepted" in done.stdout, story
    if case.said and case.kind != "stall":
        assert done.returncode == OK, story
    # The new one is there before it is said to be delivered. (421 in the
    # middle of it makes another one, in a reply that is whole.)
    text = file.read_text()
    if case.kind != "421":
        assert text == line % (case.new if done.returncode == OK
                               else old), story
    elif case.step != "end":
        assert text == line % old, story


@clauses("S1-01", "S1-31")
@pytest.mark.parametrize("kinds,width", [
    (("stall",), 90), (KINDS[1:], 8)],
                         ids=["stall", "others"])
def test_each_octet_of_each_answer(place, kinds, width):
    cases = [*lies(ALL, kinds), *lies(("bdat",), kinds, large=True),
             *lies(("data", "end"), kinds, chunking=False)]
    # Half of those which do not wait: they are processes.
    cases = [x for x in cases if x.kind in ("stall", "fin") or
             x.offset % 3 == 0]
    liar = place[2]
    liar.cases.clear()
    for number, case in enumerate(cases):
        case.domain = "d%d.liar.example" % number
        case.friend = "friend@" + case.domain
        case.new = "NEWtoken%05d" % number
        liar.cases[case.domain] = case
    left, errors, lock = list(reversed(cases)), [], threading.Lock()

    def work():
        while True:
            with lock:
                if not left or errors:
                    return
                case = left.pop()
            try:
                run(place, case)
            except BaseException as error:
                errors.append(error)
                raise
    threads = [threading.Thread(target=work) for _ in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    assert all(x.reached or x.kind == "stall" for x in cases)
    assert [x for x in cases if x.taken and not x.said]
