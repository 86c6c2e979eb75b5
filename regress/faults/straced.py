# SPDX-License-Identifier: ISC
"""Reads what strace -f -y wrote: calls with their begin and their end."""
import re
import subprocess
import time

CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
RESULT = re.compile(r"\) += +(-?\d+|\?)")


class Call:
    """One system call: the lines on which it began and ended."""

    def __init__(self, pid, name, text, begin):
        self.pid, self.name, self.text = pid, name, text
        self.begin, self.end, self.result = begin, None, None

    def finish(self, text, line):
        self.text += text
        self.end = line
        match = RESULT.search(self.text)
        self.result = match.group(1) if match else "?"

    def __repr__(self):
        return "%d-%s %d %s(%s" % (self.begin, self.end, self.pid, self.name,
                                   self.text[:150])


def parse(text):
    calls, pending = [], {}
    for number, line in enumerate(text.splitlines()):
        match = RESUMED.match(line)
        if match:
            call = pending.pop((match.group(1), match.group(2)), None)
            if call:
                call.finish(match.group(3), number)
            continue
        match = CALL.match(line)
        if not match:
            continue
        call = Call(int(match.group(1)), match.group(2), match.group(3),
                    number)
        calls.append(call)
        if call.text.endswith("<unfinished ...>"):
            pending[match.group(1), match.group(2)] = call
        else:
            call.finish("", number)
    return calls


class Attached:
    """`with Attached(pids, options):` runs strace on living processes."""

    def __init__(self, pids, options, output):
        self.command = ["strace", "-f", "-qq", "-o", str(output)] + options
        for pid in pids:
            self.command += ["-p", str(pid)]
        self.pids = pids

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not all(traced(x) for x in self.pids):
            if self.process.poll() is not None:
                words = self.process.stderr.read()
                # Nothing to complain of: an injected signal was that fast.
                assert not words.strip(), words
                break
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(60)
        self.process.stderr.close()


def traced(pid):
    try:
        with open("/proc/%d/status" % pid) as status:
            for line in status:
                if line.startswith("TracerPid:"):
                    return int(line.split()[1]) != 0
    except OSError:
        pass
    return False
