#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Lists the clauses of the protocol that no test proves.

regress/clauses.txt has a line for each clause: its id, its status, and the
clause in a few words.  The status is one of
    tested    a test must name it (this is checked)
    later     comes with a feature that is not there yet
    client    binds the sending side, which is not there yet
    site      binds the people who run the server
    none      cannot be tested here; the line says why
A test names its clauses in @clauses("S1-04", ...), a C test in a comment
`clauses: S1-04 ...`.  Exit 0 when the list and the tests agree.

    clauses.py          what does not agree, and a count
    clauses.py -v       every clause and the tests that name it
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent
STATUS = ("tested", "later", "client", "site", "none")
NAME = re.compile(r"(?:S1|R|H|RS|M|F|X|D-S|D-R|D-M)-?[0-9]+")


def listed():
    """{id: (status, words)} of clauses.txt."""
    found = {}
    for number, line in enumerate((TOP / "clauses.txt").read_text(
            "utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, status, words = (line.split(None, 2) + ["", ""])[:3]
        if status not in STATUS or not words or name in found:
            sys.exit("clauses.txt:%d: %s" % (number, line))
        found[name] = status, words
    return found


def named():
    """{id: [file:line of the tests that name it]}."""
    found = {}
    mark = re.compile(r"@clauses\(([^)]*)\)", re.DOTALL)
    for path in sorted(TOP.rglob("test_*.py")):
        text = path.read_text("utf-8")
        for match in mark.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            for name in re.findall(r'"([^"]+)"', match.group(1)):
                found.setdefault(name, []).append(
                    "%s:%d" % (path.relative_to(TOP), line))
    for path in sorted(TOP.rglob("test_*.c")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if "clauses:" in line:
                for name in NAME.findall(line.split("clauses:", 1)[1]):
                    found.setdefault(name, []).append(
                        "%s:%d" % (path.relative_to(TOP), number))
    return found


def main():
    clauses, tests = listed(), named()
    wrong = 0
    for name, places in sorted(tests.items()):
        if name not in clauses:
            print("%s: named by %s, not in clauses.txt" % (name, places[0]))
            wrong += 1
    for name, (status, words) in clauses.items():
        places = tests.get(name, [])
        if status == "tested" and not places:
            print("%s: no test: %s" % (name, words))
            wrong += 1
        elif status != "tested" and places and status != "none":
            print("%s: %s, but named by %s" % (name, status, places[0]))
            wrong += 1
        elif "-v" in sys.argv[1:]:
            print("%s\t%s\t%s\t%s" % (name, status, words, " ".join(places)))
    counts = {x: sum(1 for s, _ in clauses.values() if s == x)
              for x in STATUS}
    print("%d clauses: %s" % (len(clauses), ", ".join(
        "%d %s" % (counts[x], x) for x in STATUS)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
