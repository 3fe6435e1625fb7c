#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bulk: much data in one direction or both, ends and resets right behind it. With the kernel engine
it goes by splice(2), where the kernel's loses nothing, and the counters must say so."""

import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab.settings import scaled  # noqa: E402
from lab.suite import Suite, check, equal, eventually  # noqa: E402

suite = Suite("splice")
PORT = 9001
MIB = 1 << 20
SIZE = scaled(100 * MIB, 8 * MIB)


def setup(lab):
    lab.pod("client", "a")
    lab.pod("client2", "a")
    server = lab.pod("server", "b")
    lab.service("server", [server], {PORT: PORT})
    lab.peer = server.spawn("peer.serve", port=PORT, canary=lab.canary)
    lab.peer.ready()


suite.setup = setup


def call(lab, function, pod="client", timeout=240, **arguments):
    return lab.pods[pod].call(function, host=lab.pods["server"].ip4, port=PORT, timeout=timeout,
                              **arguments)


def spliced(daemon, direction):
    return daemon.metric("culvert_spliced_bytes_total", direction=direction)


def moved(lab, work, up, down):
    """Does `work`; the client's (a) and the server's (b) daemon must have spliced as it says."""
    pairs = [(lab.a.daemon, "sent", up), (lab.b.daemon, "received", up),
             (lab.b.daemon, "sent", down), (lab.a.daemon, "received", down)]
    before = [spliced(daemon, direction) for daemon, direction, _ in pairs] if lab.meshed else []
    work()
    for (daemon, direction, wanted), was in zip(pairs, before):
        grown = spliced(daemon, direction) - was
        records = daemon.ask("status")["records"]
        print(f"# {daemon.node.node_name} {direction}: {grown:.0f} bytes spliced; {records}",
              file=sys.stderr)
        if records["engine"] == "userspace" or "splice no" in records["reason"]:
            equal(grown, 0, f"{direction} bytes spliced")
        elif "splice yes" in records["reason"] and wanted:
            check(grown > 0, f"{daemon.node.node_name} {direction}: nothing was spliced")


@suite.case("upload")
def upload(lab):
    moved(lab, lambda: call(lab, "talk.put", size=SIZE, canary=lab.canary), True, False)


@suite.case("download")
def download(lab):
    moved(lab, lambda: call(lab, "talk.get", size=SIZE, canary=lab.canary), False, True)


@suite.case("upload to a reader that sleeps")
def sleeping_server(lab):
    moved(lab, lambda: call(lab, "talk.put", size=SIZE, canary=lab.canary, stall=3), True, False)


@suite.case("download by a reader that sleeps")
def sleeping_client(lab):
    def work():
        lab.pods["client"].spawn("talk.slow_reader", host=lab.pods["server"].ip4, port=PORT, size=SIZE,
                                 canary=lab.canary, seconds=3).result(timeout=240)
    moved(lab, work, False, True)


@suite.case("both directions at once")
def both_ways(lab):
    call(lab, "bulk.both_ways", size=SIZE, canary=lab.canary)


@suite.case("the end right behind bulk, at every offset in a record")
def ends(lab):
    for rest in (0, 1, 4095, 4096, 16383, 16384, 16385):
        call(lab, "talk.put", size=2 * MIB + rest, canary=lab.canary)
        call(lab, "talk.get", size=2 * MIB + rest, canary=lab.canary)


@suite.case("half-close: one side ends, the other sends bulk")
def half_close(lab):
    call(lab, "talk.get", size=SIZE, canary=lab.canary, words="after-end")
    sent = call(lab, "talk.server_ends_first", size=SIZE, canary=lab.canary)
    eventually("the server has it all", lambda: call(
        lab, "talk.ask", pod="client2", words="ended") == sent)


@suite.case("the client resets right behind bulk")
def client_resets(lab):
    call(lab, "bulk.reset_behind", size=SIZE, canary=lab.canary)
    eventually("the server saw a reset", lambda: call(
        lab, "talk.ask", pod="client2", words="ended") == "ECONNRESET")


@suite.case("the server resets in the middle of bulk")
def server_resets(lab):
    seen = call(lab, "bulk.reset_by_server", size=SIZE, canary=lab.canary)
    check(seen in ("ECONNRESET", "EPIPE"), f"the client saw {seen}")


@suite.case("nothing stays behind", mesh=True)
def nothing_left(lab):
    for daemon in lab.daemons:
        eventually("no connection is left",
                   lambda: daemon.metric("culvert_connections") == 0)


if __name__ == "__main__":
    sys.exit(suite.main())
