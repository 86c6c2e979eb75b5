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
from relay_sink import close, close_after, half, raw, reply, reset
from test_octets import ALL, lies
from token_sender import (
    FROM, LMTP, MESSAGE, OK, PROGRAM, TEMPFAIL, liar, lines)
from token_sender import liars_certificate, sender  # noqa: F401
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
    # Not all of those which do not wait: each is a process.
    cases = [x for x in cases if x.kind == "stall" or
             (x.offset + KINDS.index(x.kind)) % 3 == 0]
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


# Behind the answer for the first of three recipients.
TOO_FEW = {"close": close(), "reset": reset(), "half": half(9),
           "421": close_after("421 4.3.2 down"), "nonsense": raw("what?\r\n"),
           "another kind": reply("354 go on")}


@clauses("S1-60")
@pytest.mark.parametrize("chunking", (True, False))
@pytest.mark.parametrize("what", TOO_FEW)
def test_too_few_answers(sender, liars_certificate, what, chunking):
    """Who was answered has it; of the others nobody says so."""
    names = ["u%d@a.example" % i for i in range(3)]
    sender.tokens("".join("%s %s HELDtoken%d\n" % (FROM, name, i)
                          for i, name in enumerate(names)))
    with liar(liars_certificate, [x for x in LMTP if
                                  x != "CHUNKING" or chunking]) as sink:
        sink.fault("end", reply("250 2.1.13 <u0@a.example> NEWtoken id x"),
                   nth=1)
        sink.fault("end", TOO_FEW[what], nth=2)
        done = sender.run(sink.port, names,
                          liars_certificate / "a.example.crt")
    assert done.returncode == TEMPFAIL, done
    said = dict(line.split(" ", 1) for line in lines(done))
    assert said["u0@a.example"].startswith("250 2.1.13 ")
    for name in names[1:]:
        assert said[name].startswith("451 4.7.0 The ordinary route: ")
        if what != "421":
            assert "may have been accepted" in said[name], said
    assert b"token0" not in done.stderr and b"NEWtoken" not in done.stderr
    assert [x.split()[2] for x in sender.file.read_text().splitlines()] == [
        "NEWtoken", "HELDtoken1", "HELDtoken2"]
