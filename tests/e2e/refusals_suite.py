#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reasons of refusals that need a special situation: limits reached, nothing left to work with, peers
and applications that do not answer. Each: a counter moves and a log line names the reason.

Node a: client. Node b: server, neighbour. Outside: outsider (a machine in no manifest), impostor (a
meshed pod by its manifest, of a node that is not ours: its peer is whatever the test makes it).
"""

import os
import pathlib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import certificates  # noqa: E402
from lab.pressure import held, no_descriptors, runnable_seconds, without_module  # noqa: E402
from lab.process import Place  # noqa: E402
from lab.refusals import refused  # noqa: E402
from lab.settings import build_directory, patience, scaled  # noqa: E402
from lab.suite import Suite, check, equal, eventually  # noqa: E402
from lab.system import LabError, run  # noqa: E402

suite = Suite("refusals")
PORT, SILENT, FULL = 9001, 9002, 9003  # on FULL the server pod accepts nothing
TIMEOUT_MS = int(1000 * min(4, patience()))
CONNECTIONS, HANDSHAKES = 8, 8
HANDSHAKES_OF_ONE = HANDSHAKES // 4
REFUSED = {"ECONNREFUSED", "ECONNRESET", "EPIPE"}


def setup(lab):
    lab.pod("client", "a")
    server = lab.pod("server", "b")
    lab.pod("neighbour", "b")
    lab.pod("outsider", "a", outside=True, listed=False)
    lab.pod("impostor", "b", outside=True)
    for daemon in lab.daemons:
        daemon.configure(dataThreads=1, tunnel={
            "records": daemon.configuration()["tunnel"]["records"], "connectionsMax": CONNECTIONS,
            "handshakesMax": HANDSHAKES, "handshakeTimeout": f"{TIMEOUT_MS}ms"})
    server.spawn("peer.serve", port=PORT, canary=lab.canary).ready()
    server.spawn("peer.full", port=FULL).ready()


suite.setup = setup


def case(name, timeout=60):
    return suite.case(name, timeout, mesh=True)


def outcome(lab, to="server", port=PORT, pod="client", **arguments):
    return lab.pods[pod].call("talk.outcome", host=lab.pods[to].ip4, port=port, **arguments)


def engine(daemon):
    return daemon.ask("status")["records"]["engine"]


def works(lab, pod="client"):
    eventually("connections work", lambda: outcome(lab, pod=pod)["end"] == "end")


def is_refused(seen):
    check(seen["read"] == 0 and {seen["connect"], seen["end"]} & REFUSED, f"saw {seen}")


def fails(call):
    try:
        call()
    except LabError:
        return
    check(False, "it worked")


# --- steering -------------------------------------------------------------------------------------

@case("a process in a pod's namespace, outside its cgroup, at 15001 and 15006")
def reserved(lab):
    client = lab.pods["client"]
    group = lab.cgroup / "outside" / "escaped"
    group.mkdir(parents=True, exist_ok=True)
    escaped = Place("escaped", client.netns, group, lab.directory)
    for host in ("127.0.0.1", "::1"):
        for port, direction, reason in ((15001, "outbound", "not_captured"),
                                        (15006, "inbound", "not_steered")):
            with refused(lab.a.daemon, reason, direction=direction):
                is_refused(escaped.call("talk.outcome", host=host, port=port))


@case("a destination that is gone when the daemon comes to accept the connection")
def unknown_destination(lab):
    daemon = lab.a.daemon
    brief = lab.pod("brief", "b", outside=True)
    lab.settle()
    with refused(daemon, "unknown_destination", direction="outbound"):
        with held(daemon):
            late = lab.pod("late", "a")
            eventually("the pod is captured", lambda: any(
                "pod captured" in line and late.key in line for line in daemon.log_text().splitlines()))
            waiting = late.spawn("talk.silent", host=brief.ip4, port=PORT)
            waiting.ready()
            brief.remove()
            eventually("the destination is forgotten", lambda: "brief" not in {
                workload["name"] for workload in daemon.ask("workloads")["workloads"]})
        equal(waiting.result(), "ECONNRESET", "how the connection ended")
    late.remove()


@case("no SVID for the pod: nothing goes out, nothing comes in")
def no_identity(lab):
    unfit = lab.scratch_for()  # a root that may not speak for cluster.local
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", 2, "-subj", "/CN=unfit", "-addext", "nameConstraints=critical,permitted;URI:.test",
        "-keyout", unfit / "ca.key", "-out", unfit / "ca.crt")
    with lab.a.daemon.reconfigured(identity={"authority": {"directory": str(unfit), "ttl": "1h"}}):
        for direction, ends in (("outbound", ("client", "server")), ("inbound", ("server", "client"))):
            source, to = ends
            with refused(lab.a.daemon, "no_identity", direction=direction):
                is_refused(outcome(lab, to, pod=source))
    works(lab)


# --- limits ---------------------------------------------------------------------------------------

def hold(lab, pod, count):
    process = lab.pods[pod].spawn("talk.hold", host=lab.pods["server"].ip4, port=PORT, canary=lab.canary,
                                  count=count, seconds=600)
    process.ready()
    return process


@case("tunnel.connectionsMax: one more is refused on either side, the others go on")
def connections_max(lab):
    holding = hold(lab, "client", CONNECTIONS)
    with refused(lab.a.daemon, "connections_max", direction="outbound"):
        is_refused(outcome(lab))
    check(holding.running(), "the connections that were there are gone")
    holding.kill()
    works(lab)
    holding = hold(lab, "neighbour", CONNECTIONS // 2)  # each counts twice on its one node
    with refused(lab.b.daemon, "connections_max", direction="inbound"), \
            refused(lab.a.daemon, "peer_refused", direction="outbound", detail="unavailable"):
        is_refused(outcome(lab))
    holding.kill()
    works(lab)


@case("tunnel.handshakesMax: one more of the same source is refused, another source is served")
def handshakes_max(lab):
    seconds = TIMEOUT_MS / 3000
    crowd = {"port": PORT, "count": HANDSHAKES_OF_ONE + 1, "seconds": seconds}
    with refused(lab.b.daemon, "handshakes_max", direction="inbound"):
        attack = lab.pods["outsider"].spawn("attack.crowd", host=lab.pods["server"].ip4, **crowd)
        works(lab)
        equal(attack.result(), 1, "connections that were ended")
    silent = lab.pods["impostor"].spawn("attack.tls_server", port=PORT, directory="", stall=True)
    silent.ready()
    with refused(lab.a.daemon, "handshakes_max", direction="outbound"):
        equal(lab.pods["client"].call("attack.crowd", host=lab.pods["impostor"].ip4, **crowd), 1,
              "connections that were ended")
    silent.stop()


@case("no descriptor for a tunnel, and none towards the application")
def no_socket(lab):
    with refused(lab.a.daemon, "no_resources", direction="outbound", detail="open files"), \
            no_descriptors(lab.a.daemon):
        is_refused(outcome(lab, "impostor"))
    with refused(lab.b.daemon, "no_resources", direction="inbound", detail="open files"), \
            refused(lab.a.daemon, "peer_refused", detail="unavailable"), no_descriptors(lab.b.daemon):
        is_refused(outcome(lab))
    works(lab)


@case("no descriptor for what is to be accepted: refused, not kept waiting, and no busy loop")
def no_accept(lab):
    """Accepts of a pod that is new begin when there is no descriptor any more."""
    daemon, server = lab.a.daemon, lab.pods["server"]
    files = daemon.files()
    with refused(daemon, "no_resources", times=3, direction="outbound", detail="accept"):
        with held(daemon):
            late = lab.pod("late", "a")
            eventually("the pod is captured", lambda: any(
                "pod captured" in line and late.key in line for line in daemon.log_text().splitlines()))
            waiting = [late.spawn("talk.silent", host=host, port=PORT)
                       for host in (server.ip4, server.ip6, server.ip4)]
            for process in waiting:
                process.ready()
            limit = no_descriptors(daemon)
            limit.__enter__()
        try:
            before = runnable_seconds(daemon)
            time.sleep(1)
            busy = runnable_seconds(daemon) - before
            check(busy < 0.5, f"the data thread was busy for {busy:.2f} s of a second")
            for process in waiting:
                equal(process.result(10), "ECONNRESET", "how a connection ended")
        finally:
            limit.__exit__(None, None, None)
    works(lab, "late")
    late.remove()
    eventually("descriptors are back", lambda: daemon.files() <= files + 3)


# --- towards the peer node ------------------------------------------------------------------------

@case("nobody listens at the destination pod, or nobody has its address")
def connect_failed(lab):
    with refused(lab.a.daemon, "connect_failed", direction="outbound", detail="refused"):
        is_refused(outcome(lab, "impostor"))
    gone = lab.pod("gone", "b", outside=True)
    gone.ip("link", "set", "eth0", "down")
    lab.settle()
    # The daemon's own limit or the kernel's, whichever comes first; Linux 6.1's io_uring says "connected"
    # of a host that is unreachable, and the next step finds out.
    with refused(lab.a.daemon, "connect_failed", "handshake_closed", "offload_failed", direction="outbound"):
        is_refused(outcome(lab, "gone"))
    gone.remove()


def bare_client(lab, function, **arguments):
    return lab.pods["outsider"].call(f"attack.{function}", host=lab.pods["server"].ip4, port=PORT,
                                     **arguments)


def good(lab):
    """The outsider's certificate: a valid one, of the client pod."""
    if not hasattr(lab, "good"):
        lab.good = certificates.issue(lab, lab.pods["client"].spiffe_id)
    return str(lab.good)


def asked_impostor(lab, function, **arguments):
    """The client pod asks the impostor, which runs this."""
    server = lab.pods["impostor"].spawn(f"attack.{function}", port=PORT, **arguments)
    server.ready()
    try:
        is_refused(outcome(lab, "impostor"))
    finally:
        server.stop()


@case("the peer hangs up or resets during the handshake")
def handshake_closed(lab):
    with refused(lab.b.daemon, "handshake_closed", direction="inbound"):
        bare_client(lab, "reset_at", directory=good(lab), state="hello-part")
    with refused(lab.a.daemon, "handshake_closed", direction="outbound"):
        asked_impostor(lab, "hang_up")


@case("the peer refuses us by an alert, as a client and as a server")
def peer_alert(lab):
    with refused(lab.b.daemon, "peer_alert", direction="inbound"):
        fails(lambda: say(lab, server_id=lab.pods["impostor"].spiffe_id))
    with refused(lab.b.daemon, "peer_alert", direction="inbound"):
        equal(say(lab, OPEN, "wait", record(ALERT, 2, 80), "end"), [OPENED, "ECONNRESET"], "answers")
    files = certificates.issue(lab, lab.pods["impostor"].spiffe_id)
    with refused(lab.a.daemon, "peer_alert", direction="outbound"):
        asked_impostor(lab, "tls_server", directory=str(files), distrust=True)


@case("a certificate of another trust domain, from the same root")
def unknown_trust_domain(lab):
    files = certificates.issue(lab, "spiffe://other.test/ns/shop/sa/client")
    with refused(lab.b.daemon, "unknown_trust_domain", direction="inbound"):
        seen = bare_client(lab, "tls_client", words="names", directory=str(files))
        check(seen["answer"] == "" and seen["end"] != "close_notify", f"saw {seen}")


# --- in the tunnel --------------------------------------------------------------------------------

DATA, CONTROL, HANDSHAKE, ALERT = 23, 0xCC, 22, 21  # inner content types


def record(kind, *content):
    return f"{kind}:{bytes(content).hex()}"


OPEN, OPENED, END = record(CONTROL, 1, 0x12, 0x34), record(CONTROL, 2), record(CONTROL, 4)


def say(lab, *words, port=PORT, server_id=None):
    """What a peer of culvert/1 is answered that says these words (tests/support/tunnel_peer.cc)."""
    server = lab.pods["server"]
    return lab.pods["outsider"].run(
        build_directory() / "tunnel_peer", lab.authority, lab.pods["client"].spiffe_id,
        server_id or server.spiffe_id, server.ip4, port, *words).split()


@case("a peer that does not keep to culvert/1")
def protocol(lab):
    equal(say(lab, OPEN, "wait", record(DATA, *b"echo\nhello"), END, "wait", "wait"),
          [OPENED, record(DATA, *b"hello"), END], "answers to a peer that keeps to it")
    wrong = {"an unknown kind": [record(CONTROL, 9)], "END while idle": [END],
             "data while idle": [record(DATA, 1)], "OPENED by a client": [OPENED],
             "OPEN twice": [OPEN, "wait", OPEN], "data behind END": [OPEN, "wait", END, record(DATA, 1)],
             "a handshake message": [record(HANDSHAKE, 1, 0, 0, 0)], "an unknown type": [record(99, 1)],
             "no OPEN": []}
    for what, words in wrong.items():
        with refused(lab.b.daemon, "protocol", direction="inbound"):
            said = say(lab, *words, "end")
            check(said[-1] == "ECONNRESET", f"{what}: {said}")


@case("a KeyUpdate that the kernel engine cannot follow cuts off; every other engine follows it")
def key_limit(lab):
    """Node a renews its key after 20 records. Kernels before 6.14 take no second key."""
    daemon, old_kernel = lab.b.daemon, "rekey no" in lab.b.daemon.ask("status")["records"]["reason"]
    size = scaled(4 << 20, 1 << 20)
    put = {"host": lab.pods["server"].ip4, "port": PORT, "size": size, "canary": lab.canary}
    before = daemon.metric("culvert_key_updates_total", direction="received")
    with lab.a.daemon.reconfigured(tunnel={"records": "userspace", "keyUpdateRecords": 20}):
        if engine(daemon) == "kernel" and old_kernel:
            with refused(daemon, "key_limit", direction="inbound"):
                fails(lambda: lab.pods["client"].call("talk.put", **put))
        else:
            equal(lab.pods["client"].call("talk.put", **put), size, "bytes that came")
            received = daemon.metric("culvert_key_updates_total", direction="received")
            check(received > before, "no KeyUpdate came")
    works(lab)


@case("the record engine does not take the keys; the userspace engine always does")
def offload_failed(lab):
    """The kernel's modules are everybody's on a machine: they are taken away in virtual machines only."""
    chacha = {"cipherSuites": ["TLS_CHACHA20_POLY1305_SHA256"]}
    if "CULVERT_VM" in os.environ and engine(lab.b.daemon) == "kernel":
        with without_module("chacha20poly1305"):  # which nobody has needed so far
            for records, daemon, direction in (("userspace", lab.b.daemon, "inbound"),
                                               ("kernel", lab.a.daemon, "outbound")):
                with lab.a.daemon.reconfigured(tunnel={"records": records, **chacha}), \
                        refused(daemon, "offload_failed", direction=direction):
                    is_refused(outcome(lab))
    with lab.a.daemon.reconfigured(tunnel=chacha):
        works(lab)


# --- towards the application ----------------------------------------------------------------------

@case("nobody listens: application_refused there, peer_refused here")
def application_refused(lab):
    with refused(lab.b.daemon, "application_refused", direction="inbound"), \
            refused(lab.a.daemon, "peer_refused", direction="outbound", detail="application_refused"):
        is_refused(outcome(lab, port=SILENT))


@case("an application resets: application_reset there, peer_reset here")
def application_reset(lab):
    for words, here, there in (("reset-now", lab.b.daemon, lab.a.daemon),
                               (None, lab.a.daemon, lab.b.daemon)):
        with refused(here, "application_reset"), refused(there, "peer_reset"):
            if words:
                equal(outcome(lab, words=words)["end"], "ECONNRESET", words)
            else:
                lab.pods["client"].call("talk.reset", host=lab.pods["server"].ip4, port=PORT)


@case("a peer node that stops answering, on a tunnel that was used before")
def no_answer(lab):
    works(lab)
    before = lab.a.daemon.metric("culvert_tunnels_reused_total")
    with refused(lab.a.daemon, "handshake_timeout", direction="outbound", detail="no answer from"), \
            held(lab.b.daemon):
        is_refused(outcome(lab))
    equal(lab.a.daemon.metric("culvert_tunnels_reused_total") - before, 1, "tunnels used again")
    works(lab)


@case("an application that does not accept: refused in time, also the next one on the same tunnel")
def application_failed(lab):
    for reused in ("false", "true"):
        with refused(lab.b.daemon, "application_failed", direction="inbound",
                     detail=f'reused={reused} error=application_failed detail="no answer from'), \
                refused(lab.a.daemon, "peer_refused", direction="outbound",
                        detail=f"reused={reused} error=peer_refused detail=unavailable"):
            equal(lab.pods["client"].call("talk.silent", host=lab.pods["server"].ip4, port=FULL),
                  "ECONNRESET", "how the connection ended")
    with refused(lab.b.daemon, "application_failed", direction="inbound", times=2):
        unavailable = record(CONTROL, 3, 3)
        equal(say(lab, OPEN, OPEN, "wait", "wait", port=FULL), [unavailable] * 2, "answers")


if __name__ == "__main__":
    sys.exit(suite.main())
