#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What TCP means to applications, kept across the mesh: ends, resets, addresses, backpressure; and
what culvert adds: reuse of tunnels, drain, its face."""

import json
import pathlib
import re
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import wire as wires  # noqa: E402
from lab.refusals import refused  # noqa: E402
from lab.settings import build_directory, patience, scaled  # noqa: E402
from lab.suite import WAYS, Suite, check, equal, eventually  # noqa: E402

suite = Suite("semantics")
PORT, SILENT = 9001, 9099
MIB = 1 << 20


def setup(lab):
    lab.pod("client", "a")
    lab.pod("client2", "a")
    server = lab.pod("server", "b")
    lab.service("server", [server], {PORT: PORT, SILENT: SILENT})
    for daemon in lab.daemons:
        daemon.configure(tunnel={"records": daemon.configuration()["tunnel"]["records"],
                                 "keepalive": "2s"})
    lab.peer = server.spawn("peer.serve", port=PORT, canary=lab.canary)
    lab.peer.ready()


suite.setup = setup


def call(lab, function, to, port=PORT, pod="client", timeout=60, **arguments):
    return lab.pods[pod].call(f"talk.{function}", host=to.address, port=port, timeout=timeout,
                              **arguments)


def spawn(lab, function, address, pod="client", **arguments):
    return lab.pods[pod].spawn(f"talk.{function}", host=address, port=PORT, **arguments)


def ended(lab):
    """How the server saw its last observed connection end."""
    return lab.pods["client2"].call("talk.ask", host=lab.pods["server"].ip4, port=PORT, words="ended")


@suite.each_way("the client ends first, then reads", "server")
def client_ends_first(lab, to):
    for size in (0, 1, 100000, scaled(20 * MIB, MIB)):
        call(lab, "get", to, size=size, canary=lab.canary, words="after-end")
        call(lab, "put", to, size=size, canary=lab.canary)


@suite.each_way("the server ends first, the client goes on writing", "server")
def server_ends_first(lab, to):
    sent = call(lab, "server_ends_first", to, size=scaled(5 * MIB, MIB), canary=lab.canary)
    eventually("the server has it all", lambda: ended(lab) == sent)


@suite.each_way("the client resets: the server's read fails with ECONNRESET", "server")
def client_resets(lab, to):
    call(lab, "reset", to)
    eventually("the server saw a reset", lambda: ended(lab) == "ECONNRESET")


@suite.each_way("the server resets: the client's read fails with ECONNRESET", "server")
def server_resets(lab, to):
    for words in ("reset-now", "reset-after 0"):
        equal(call(lab, "outcome", to, words=words)["end"], "ECONNRESET", words)


@suite.each_way("nobody listens: refused or reset, at once", "server")
def nobody_listens(lab, to):
    seen = call(lab, "outcome", to, port=SILENT)
    check(seen["connect"] in ("ECONNREFUSED", "ECONNRESET") or seen["end"] == "ECONNRESET", f"saw {seen}")
    equal(seen["read"], 0, "bytes read")
    check(seen["seconds"] < 2 * patience(), f"took {seen['seconds']:.1f} s")


@suite.each_way("addresses and ports, as both applications see them", "server")
def names(lab, to):
    client = lab.pods["client"]
    own_port = 20000 + 2 * WAYS.index(to.label)  # below those that the kernel gives out
    any_address = "::" if to.v6 else ""
    for source in (None, (any_address, own_port), (to.client_address(client), own_port + 1)):
        seen = call(lab, "names", to, source=source)
        equal(seen["client"]["peer"], [to.address, PORT], "the client's getpeername")
        mine = seen["client"]["self"]
        if source and source[0] == any_address:
            # Known limit: an application that bound a port and no address sees loopback.
            mine[0] = to.client_address(client)
        equal(mine[0], to.client_address(client), "the client's getsockname")
        if source:
            equal(mine[1], source[1], "the port the client bound")
        server_view = [(address.removeprefix("::ffff:"), port)
                       for address, port in (seen["server"]["accept"], seen["server"]["peer"])]
        equal(server_view, [tuple(mine)] * 2, "accept and getpeername at the server")
        own = to.pod.ip6 if to.v6 else to.pod.ip4
        equal([seen["server"]["self"][0].removeprefix("::ffff:"), seen["server"]["self"][1]],
              [own, PORT], "the server's getsockname")


@suite.case("a connection on a second tunnel round: the port is this connection's own", mesh=True)
def reused_ports(lab):
    to = lab.pods["server"].ip4
    for _ in range(5):
        seen = lab.pods["client"].call("talk.names", host=to, port=PORT)
        equal(seen["server"]["accept"][1], seen["client"]["self"][1], "port at the server")


@suite.case("IPv4 by an IPv6 socket (::ffff:)")
def mapped(lab):
    address = "::ffff:" + lab.pods["server"].ip4
    seen = lab.pods["client"].call("talk.names", host=address, port=PORT)
    equal(seen["client"]["peer"], [address, PORT], "getpeername")


@suite.each_way("TCP fast open, and a socket bound to eth0", "server")
def odd_connects(lab, to):
    for how in ("fastopen", "device"):
        seen = call(lab, "odd_connect", to, canary=lab.canary, how=how)
        equal(seen["peer"], [to.address, PORT], f"getpeername ({how})")


@suite.each_way("small messages there and back, and single bytes", "server")
def small(lab, to):
    slowest = call(lab, "echo", to, canary=lab.canary, rounds=scaled(1000, 50), size=60)
    check(slowest < 0.2 * patience(), f"one round took {slowest:.3f} s: something waits")
    equal(call(lab, "dribble", to, count=scaled(5000, 200)), scaled(5000, 200), "bytes that came")


@suite.case("2,000 connections, 50 at a time", timeout=240)
def many(lab):
    count = scaled(2000, 50)
    seen = lab.pods["client"].call("talk.many", host=lab.pods["server"].ip4, port=PORT, timeout=200,
                                   canary=lab.canary, count=count, at_once=min(50, count))
    equal(seen, {"ok": count}, "connections")


def growth(lab, process, seconds):
    """Peak growth of each daemon's memory in KiB while the process runs for so long."""
    before = [daemon.resident_kib() for daemon in lab.daemons]
    most = [0, 0]
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.running():
        now = [daemon.resident_kib() for daemon in lab.daemons]
        most = [max(m, n - b) for m, n, b in zip(most, now, before)]
        time.sleep(0.1)
    return most


def backpressure(lab, process, size):
    grown = growth(lab, process, 300 * patience()) if lab.meshed else [0, 0]
    process.result(timeout=300)
    check(max(grown) < 1024, f"daemons grew by {grown} KiB while {size >> 20} MiB had to wait")


@suite.case("the server sleeps while the client writes 1 GiB", timeout=400)
def server_sleeps(lab):
    size, address = scaled(1 << 30, 8 * MIB), lab.pods["server"].ip4
    spawn(lab, "put", address, size=16 * MIB, canary=lab.canary).result()  # warm
    backpressure(lab, spawn(lab, "put", address, size=size, canary=lab.canary, stall=5), size)


@suite.case("the client sleeps while the server writes 1 GiB", timeout=400)
def client_sleeps(lab):
    size, address = scaled(1 << 30, 8 * MIB), lab.pods["server"].ip6
    spawn(lab, "get", address, size=16 * MIB, canary=lab.canary).result()  # warm
    process = spawn(lab, "slow_reader", address, size=size, canary=lab.canary, seconds=5)
    process.ready()
    backpressure(lab, process, size)


@suite.case("connections closed before a byte: nothing stays behind", mesh=True)
def open_and_close(lab):
    spawn(lab, "many", lab.pods["server"].ip4, canary=lab.canary, count=20).result()
    before = [daemon.files() for daemon in lab.daemons]
    spawn(lab, "open_and_close", lab.pods["server"].ip4, count=scaled(500, 50)).result()
    allowed = 140  # idle tunnels are kept: idleMax 128
    eventually("file descriptors are back", lambda: all(
        daemon.files() <= was + allowed for daemon, was in zip(lab.daemons, before)))
    eventually("no connection is counted", lambda: all(
        daemon.metric("culvert_connections") == 0 for daemon in lab.daemons))


@suite.case("the wire: nothing but TLS 1.3 records behind the TCP handshake", mesh=True)
def only_records(lab):
    pcap = lab.directory / "records.pcap"
    address = lab.pods["server"].ip4
    for daemon in lab.daemons:  # no tunnel that began before the capture
        daemon.restart()
    with wires.Wire(lab, lab.canaries, keep=pcap):
        spawn(lab, "many", address, canary=lab.canary, count=5).result()
        spawn(lab, "put", address, size=100000, canary=lab.canary).result()
        spawn(lab, "get", address, size=100000, canary=lab.canary, words="after-end").result()
    seen = 0
    for flow, stream in wires.streams(pcap).items():
        check(PORT in (flow[1], flow[3]), f"unexpected flow {flow}")
        kinds = [kind for kind, _ in wires.tls_records(stream)]
        check(not kinds or kinds[0] == 22, f"{flow} does not begin with a handshake record: {kinds[:5]}")
        check(set(kinds[1:]) <= {20, 22, 23, 21}, f"{flow}: record types {set(kinds)}")
        seen += len(kinds)
    check(seen > 20, f"only {seen} records seen")


def restart_with(lab, **tunnel):
    """Both daemons anew with other tunnel settings; answers a function that undoes it."""
    saved = [dict(daemon.settings) for daemon in lab.daemons]

    def apply(settings):
        for daemon, value in zip(lab.daemons, settings):
            daemon.settings = value
            daemon.restart()
    apply([{**was, "tunnel": {**was.get("tunnel", {}), **tunnel}} for was in saved])
    return lambda: apply(saved)


@suite.case("sequential connections share tunnels", mesh=True)
def reuse(lab):
    before = lab.wire.connections(PORT)
    count = scaled(100, 20)
    seen = spawn(lab, "many", lab.pods["server"].ip4, canary=lab.canary, count=count).result()
    equal(seen, {"ok": count}, "connections")
    made = lab.wire.connections(PORT) - before
    check(made <= 3 and lab.wire.connections(PORT) > 0, f"{made} TCP connections on the wire for {count} sequential ones")


@suite.case("reuse.idleMax 0: a tunnel for each connection", mesh=True)
def no_reuse(lab):
    undo = restart_with(lab, reuse={"idleMax": 0})
    try:
        before = lab.wire.connections(PORT)
        seen = spawn(lab, "many", lab.pods["server"].ip4, canary=lab.canary, count=20).result()
        equal(seen, {"ok": 20}, "connections")
        equal(lab.wire.connections(PORT) - before, 20, "TCP connections on the wire")
    finally:
        undo()


@suite.case("reuse.idleTimeout: an idle tunnel ends in time", mesh=True)
def idle_timeout(lab):
    undo = restart_with(lab, reuse={"idleTimeout": "2s"})  # longer than from one connection to the next
    try:
        before = lab.wire.connections(PORT)
        for _ in range(2):
            spawn(lab, "many", lab.pods["server"].ip4, canary=lab.canary, count=3).result()
            time.sleep(4)
        equal(lab.wire.connections(PORT) - before, 2, "TCP connections on the wire")
    finally:
        undo()


@suite.case("keyUpdateRecords: keys change within a transfer, both ways", mesh=True)
def key_updates(lab):
    if any(daemon.ask("status")["records"]["engine"] == "kernel" for daemon in lab.daemons):
        return  # kernels before 6.14 cannot; docs/limits
    undo = restart_with(lab, keyUpdateRecords=20)
    try:
        size = scaled(20 * MIB, MIB)
        for function in ("put", "get"):
            spawn(lab, function, lab.pods["server"].ip4, size=size, canary=lab.canary).result()
        for daemon in lab.daemons:
            for direction in ("sent", "received"):
                check(daemon.metric("culvert_key_updates_total", direction=direction) > 0,
                      f"{daemon.node.node_name} has {direction} no KeyUpdate")
    finally:
        undo()


@suite.case("a node vanishes: its connections end with an error, idle or not", mesh=True, timeout=180)
def vanished(lab):
    spawn(lab, "reset", lab.pods["server"].ip4).result()  # so that `ended` is not stale
    open_ones = [spawn(lab, "wait_end", address, canary=lab.canary, speaks_after=speaks_after)
                 for address in (lab.pods["server"].ip4, lab.pods["server"].ip6)
                 for speaks_after in (None, 2)]
    for process in open_ones:
        process.ready()
    lab.cut_wire()
    try:
        with refused(lab.a.daemon, "peer_silent", times=2):
            for process in open_ones:
                seen = process.result(timeout=90)
                check(seen["end"] not in ("end", "data", "timeout"), f"it ended as {seen}")
    finally:
        lab.mend_wire()
    eventually("connections work again", lambda: lab.pods["client"].call(
        "talk.outcome", host=lab.pods["server"].ip6, port=PORT)["end"] == "end", 30)


@suite.case("a silent wire for a short while: connections live on", mesh=True)
def short_silence(lab):
    process = spawn(lab, "long_echo", lab.pods["server"].ip4, canary=lab.canary)
    process.ready()
    lab.cut_wire()
    time.sleep(1)
    lab.mend_wire()
    check(process.finish() > 5, "the connection did not go on")


@suite.case("a reader sleeps for longer than a vanished node is given: nothing is cut", mesh=True,
            timeout=120)
def long_sleep(lab):
    size = scaled(200 * MIB, 32 * MIB)  # more than the buffers on the way take: windows close
    for process in (spawn(lab, "slow_reader", lab.pods["server"].ip4, size=size, canary=lab.canary,
                          seconds=12),
                    spawn(lab, "put", lab.pods["server"].ip6, size=size, canary=lab.canary, stall=12)):
        process.result(timeout=110)


def drain(lab, daemon):
    size, server = scaled(200 * MIB, 2 * MIB), lab.pods["server"]
    process = spawn(lab, "slow_reader", server.ip4, size=size, canary=lab.canary,
                    seconds=3 * min(4, patience()))
    process.ready()
    spawn(lab, "echo", server.ip4, "client2", canary=lab.canary).result()  # leaves an idle tunnel
    mark = len(daemon.log_text())
    daemon.process.send(signal.SIGTERM)
    eventually("it drains", lambda: " draining " in daemon.log_text()[mark:])
    for address in (server.ip4, server.ip6):  # an idle tunnel, and none
        with refused(daemon, "draining"):
            seen = lab.pods["client2"].call("talk.outcome", host=address, port=PORT)
            check(seen["connect"] != "ok" or seen["end"] == "ECONNRESET",
                  f"a new connection while draining: {seen}")
    process.result(timeout=90)
    equal(daemon.process.wait(40), 0, "exit code of the drained daemon")
    daemon.start()
    spawn(lab, "echo", lab.pods["server"].ip4, canary=lab.canary).result()


@suite.case("SIGTERM at the client's node: running transfers finish, new ones are refused", mesh=True)
def drain_client(lab):
    drain(lab, lab.a.daemon)


@suite.case("SIGTERM at the server's node: running transfers finish, new ones are refused", mesh=True)
def drain_server(lab):
    drain(lab, lab.b.daemon)


@suite.case("face: status, connections, metrics and access log tell of a connection", mesh=True)
def face(lab):
    client, server = lab.pods["client"], lab.pods["server"]
    process = spawn(lab, "hold", server.ip4, canary=lab.canary, count=1, seconds=600)
    process.ready()
    for daemon in lab.daemons:
        status = daemon.ask("status")
        check(daemon.node.node_name in json.dumps(status), f"status without the node: {status}")
        listed = json.dumps(daemon.ask("connections"))
        for word in (client.spiffe_id, server.spiffe_id, client.ip4):
            check(word in listed, f"{word} is not in connections of {daemon.node.node_name}: {listed}")
        check(daemon.metric("culvert_connections") >= 1, "culvert_connections is 0")
        check(daemon.get("/ready") is not None, "/ready does not say ready")
    process.kill()
    for daemon, reporter in zip(lab.daemons, ("source", "destination")):
        labels = {"reporter": reporter, "source_principal": client.spiffe_id,
                  "destination_principal": server.spiffe_id,
                  "connection_security_policy": "mutual_tls"}
        eventually("istio_tcp_connections_closed_total", lambda: daemon.metric(
            "istio_tcp_connections_closed_total", **labels) >= 1)
        eventually("an access log line", lambda: any(
            re.search(rf"src\.identity\W+{client.spiffe_id}\b.*dst\.identity\W+{server.spiffe_id}\b", line)
            for line in daemon.log_text().splitlines()))


@suite.case("face: culvertd --check and a wrong configuration", mesh=True)
def check_config(lab):
    daemon = lab.a.daemon
    place = daemon.node.daemon_place
    binary = build_directory() / "culvertd"
    place.run(binary, "--config", daemon.config_file, "--check")
    wrong = lab.directory / "wrong.yaml"
    wrong.write_text(daemon.config_file.read_text() + "tunel: {}\n")
    done = place.try_run(binary, "--config", wrong, "--check")
    equal(done.returncode, 2, "exit code")
    check("tunel" in done.stderr and "wrong.yaml" in done.stderr, f"said {done.stderr!r}")


if __name__ == "__main__":
    sys.exit(suite.main())
