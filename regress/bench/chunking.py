# SPDX-License-Identifier: ISC
"""The chunking part of make bench (W8): what BDAT costs beside DATA, in CPU of
all our processes for a MiB, for large and for small messages, over TLS by
token into a mailbox.  The rounds take turns, so that both have the same
machine.
"""
import statistics

import bench

SIZES = (("10 MiB", 10 << 20, 2, ()), ("4 KiB", 4096, 16, ()),
         ("4 KiB, pipelined", 4096, 16, ("-P",)))
TARGET = 1.5  # times as many octets for a CPU-second, for large messages


def cpu(one, size, clients, *options):
    """CPU milliseconds for a MiB, and MiB/s."""
    before = bench.cpu_seconds(one.pid)
    operations, errors, seconds, _, _ = bench.run_load(
        one, "W4", ["-c", str(clients), "-k", "1000", "-s", str(size), "-t",
                    str(bench.SECONDS), *options])
    bench.time.sleep(0.3)
    used = bench.cpu_seconds(one.pid) - before
    one.empty()
    moved = operations * size / (1 << 20)
    if errors or not operations:
        raise RuntimeError("%d errors" % errors)
    return used * 1000 / moved, moved / seconds


def main():
    print("BDAT beside DATA")
    one = bench.Ours()
    try:
        for name, size, clients, options in SIZES:
            by = {"DATA": [], "BDAT": []}
            for _ in range(bench.ROUNDS):
                by["DATA"].append(cpu(one, size, clients, *options))
                by["BDAT"].append(cpu(one, size, clients, "-B", *options))
            middle = {verb: tuple(map(statistics.median, zip(*rounds)))
                      for verb, rounds in by.items()}
            for verb, (used, rate) in middle.items():
                print("   %-16s %s %8.2f CPU-ms/MiB %8.1f MiB/s" % (
                    name, verb, used, rate))
            ratio = middle["DATA"][0] / middle["BDAT"][0]
            print("   %-16s %.2f x the octets of DATA for a CPU-second" % (
                name, ratio) + (", target >= %.1f: %s" % (
                    TARGET, bench.yes(ratio >= TARGET))
                    if size > 1 << 20 else ""))
    finally:
        one.stop()


if __name__ == "__main__":
    main()
