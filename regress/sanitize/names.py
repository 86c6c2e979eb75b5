# SPDX-License-Identifier: ISC
"""Reports of sanitizers on standard input: the different ones, with how often
each was made and with names and lines for the frames in our programs."""
import collections
import functools
import os
import re
import shutil
import subprocess
import sys

FRAME = re.compile(r"^ +#\d+ 0x[0-9a-f]+ +\(([^()+]+)\+(0x[0-9a-f]+)\)")
HEAD = re.compile(r"ERROR: |runtime error: |leak of |SUMMARY: ")
TOP = os.path.join(os.path.dirname(__file__), "../../out")
SYMBOLIZER = shutil.which("llvm-symbolizer") or \
    shutil.which("llvm-symbolizer-14")


@functools.lru_cache(None)
def program(path):
    """The program may have been a copy that is gone."""
    for top, _, names in os.walk(TOP):
        if os.path.basename(path) in names:
            return os.path.join(top, os.path.basename(path))
    return path


@functools.lru_cache(None)
def place(path, offset):
    """FUNCTION FILE:LINE"""
    if SYMBOLIZER is None or not os.path.exists(program(path)):
        return "%s+%s" % (path, offset)
    lines = subprocess.run(
        [SYMBOLIZER, "--obj=" + program(path), "--output-style=GNU",
         "--no-inlines", offset], capture_output=True, text=True).stdout
    found = " ".join(lines.split("\n")[:2])
    return os.path.basename(path) + " " + found


def blocks(lines):
    """Each head with the frames below it, as one text."""
    block = []
    for line in lines:
        frame = FRAME.match(line)
        if frame:
            block.append("    " + place(*frame.groups()))
        elif HEAD.search(line):
            if block:
                yield "\n".join(block)
            block = [re.sub(r"==\d+==|0x[0-9a-f]+|T\d+", "", line.rstrip())]
    if block:
        yield "\n".join(block)


for text, count in collections.Counter(blocks(sys.stdin)).most_common(40):
    print("%d times: %s" % (count, text))
