#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile and broken peers. Each refusal: nothing reaches the application, a counter moves, a log line
names the reason.

Node a: client, plain (a pod outside the mesh), unknown (a pod nobody declared). Node b: server.
Outside: outsider (a machine in no manifest), impostor (a meshed pod by its manifest, of a node that is
not ours: its peer is whatever the test makes it).
"""

import pathlib
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import certificates  # noqa: E402
from lab.process import Place  # noqa: E402
from lab.refusals import refused  # noqa: E402
from lab.servers import listening  # noqa: E402
from lab.settings import patience, scaled  # noqa: E402
from lab.suite import Suite, check, equal, eventually  # noqa: E402

suite = Suite("adverse")
PORT = 9001
HANDSHAKE_SECONDS = int(3 * min(2, patience()))
ENDED = ("ECONNRESET", "EPIPE", "end")  # a peer that was refused may see any of these


def setup(lab):
    lab.pod("client", "a")
    lab.pod("plain", "a", labels={"culvert.dev/mesh": "disabled"})
    lab.pod("unknown", "a", listed=False)
    server = lab.pod("server", "b")
    lab.service("server", [server], {PORT: PORT})
    lab.pod("outsider", "a", outside=True, listed=False)
    lab.pod("impostor", "b", outside=True)
    for daemon in lab.daemons:
        daemon.configure(tunnel={"records": daemon.configuration()["tunnel"]["records"],
                                 "handshakeTimeout": f"{HANDSHAKE_SECONDS}s"})
    lab.peer = server.spawn("peer.serve", port=PORT, canary=lab.canary)
    lab.peer.ready()


suite.setup = setup


def case(name, timeout=120):
    return suite.case(name, timeout, mesh=True)


def ask(lab, words):
    return lab.pods["client"].call("talk.ask", host=lab.pods["server"].ip4, port=PORT, words=words)


def connections(lab):
    """How many connections the server application has accepted; asking makes one more."""
    return int(ask(lab, "connections"))


def ended(lab):
    return ask(lab, "ended")


class nothing_reaches_the_application:
    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        self.before = connections(self.lab)

    def __exit__(self, kind, *_):
        if kind is None:
            equal(connections(self.lab) - self.before, 1, "connections accepted, the question's included")


def good(lab):
    """The outsider's certificate: a valid one, of the client pod."""
    if not hasattr(lab, "good"):
        lab.good = certificates.issue(lab, lab.pods["client"].spiffe_id)
    return lab.good


def outsider(lab, function, timeout=60, address=None, **arguments):
    address = address or lab.pods["server"].ip4
    return lab.pods["outsider"].call(f"attack.{function}", host=address, port=PORT, timeout=timeout,
                                     **arguments)


# --- plaintext ------------------------------------------------------------------------------------

def plaintext(lab, place):
    server = lab.pods["server"]
    for address in (server.ip4, server.ip6):
        with nothing_reaches_the_application(lab), refused(lab.b.daemon, "plaintext"):
            seen = place.call("talk.outcome", host=address, port=PORT)
            check(seen["read"] == 0 and seen["end"] in ("ECONNRESET", None), f"saw {seen}")


@case("plaintext from a machine outside")
def plaintext_outside(lab):
    plaintext(lab, lab.pods["outsider"])


@case("plaintext from a pod outside the mesh")
def plaintext_pod(lab):
    plaintext(lab, lab.pods["plain"])


@case("plaintext from a node")
def plaintext_node(lab):
    plaintext(lab, lab.b.host)


@case("plaintext from a process in a meshed pod's namespace, outside its cgroup")
def plaintext_escaped(lab):
    client = lab.pods["client"]
    group = lab.cgroup / "outside" / "escaped"
    group.mkdir(parents=True, exist_ok=True)
    plaintext(lab, Place("escaped", client.netns, group, lab.directory))


@case("a pod nobody declared reaches nothing that is meshed, and what is not")
def unknown_pod(lab):
    before = lab.wire.connections(PORT)
    for address in (lab.pods["server"].ip4, lab.services["server"].ip6):
        seen = lab.pods["unknown"].call("talk.outcome", host=address, port=PORT)
        check(seen["connect"] != "ok", f"saw {seen}")
    equal(lab.wire.connections(PORT), before, "connections on the wire")
    plain = lab.pods["plain"].spawn("peer.serve", port=PORT, canary="in-clear")
    plain.ready()
    seen = lab.pods["unknown"].call("talk.outcome", host=lab.pods["plain"].ip4, port=PORT)
    plain.stop()
    equal(seen["end"], "end", "a connection to a pod outside the mesh")


@case("garbage instead of TLS")
def garbage(lab):
    reasons = {"random": ("plaintext", "handshake_failed"), "text": ("plaintext",),
               "handshake-header": ("handshake_failed", "tls_version"),
               "huge-record": ("handshake_failed", "plaintext"),
               "zero-records": ("handshake_failed", "plaintext")}
    for how, expected in reasons.items():
        with nothing_reaches_the_application(lab), refused(lab.b.daemon, *expected):
            seen = outsider(lab, "garbage", how=how)
            check(seen["end"] in ENDED and seen["seconds"] < HANDSHAKE_SECONDS, f"{how}: {seen}")


@case("one byte a second: ended by the handshake's time limit")
def drip(lab):
    limit = HANDSHAKE_SECONDS
    with nothing_reaches_the_application(lab), refused(lab.b.daemon, "handshake_timeout"):
        seen = outsider(lab, "garbage", how="drip", seconds=limit * 4, timeout=limit * 5)
        check(seen["end"] in ENDED and seen["seconds"] < limit * 2 + 2, f"saw {seen}")


@case("silence after the TCP handshake: ended by the handshake's time limit")
def silence(lab):
    with refused(lab.b.daemon, "handshake_timeout"):
        lab.pods["outsider"].try_run("timeout", HANDSHAKE_SECONDS * 2, "nc", "-d",
                                     lab.pods["server"].ip4, PORT)


@case("100,000 half-open handshakes: memory bounded, other connections unharmed", timeout=300)
def half_open(lab):
    server, daemon = lab.pods["server"], lab.b.daemon
    running = lab.pods["client"].spawn("talk.long_echo", host=server.ip4, port=PORT,
                                       canary=lab.canary)
    running.ready()
    before = daemon.resident_kib()
    attack = lab.pods["outsider"].spawn("attack.half_open", host=server.ip4, port=PORT,
                                        count=scaled(100000, 500), at_once=scaled(20000, 300))
    attack.ready(120)
    most = before
    while attack.running():
        most = max(most, daemon.resident_kib())
        time.sleep(0.2)
    attack.result()
    check(running.finish() > 20, "the connection that was there did not go on")
    check(most - before < 300 * 1024, f"the daemon grew by {(most - before) >> 10} MiB")
    eventually("new connections are served", lambda: lab.pods["client"].call(
        "talk.outcome", host=server.ip4, port=PORT)["end"] == "end", 20)
    eventually("no handshake is left", lambda: daemon.metric("culvert_handshakes_in_progress") == 0, 20)
    eventually("memory is back", lambda: daemon.resident_kib() - before < 64 * 1024, 20)


# --- certificates of clients ----------------------------------------------------------------------

@case("TLS without a client certificate")
def no_certificate(lab):
    with nothing_reaches_the_application(lab), refused(lab.b.daemon, "no_certificate"):
        seen = outsider(lab, "tls_client", words="names")
        check(seen["answer"] == "" and seen["end"] != "close_notify", f"saw {seen}")


@case("TLS 1.2")
def old_version(lab):
    with nothing_reaches_the_application(lab), refused(lab.b.daemon, "tls_version"):
        seen = outsider(lab, "tls_client", words="names", directory=str(good(lab)), version="TLSv1_2")
        check(seen["answer"] == "" and seen["end"] != "close_notify", f"saw {seen}")


NAMED = {"certificate of another root": "other-root", "expired certificate": "expired",
         "certificate not yet valid": "not-yet-valid", "two URI names": "two-uri-names",
         "wrong extended key usage": "eku-neither", "server-only certificate of a client":
         "eku-server-only", "a CA as leaf": "ca-as-leaf"}
# OpenSSL, which plays the client, cannot sign TLS 1.3 with these, or BoringSSL offers no such algorithm.
UNPLAYABLE = ("unknown-curve-p224", "unknown-curve-p521", "weak-rsa1024", "good-ed25519")


def shown(lab):
    if not hasattr(lab, "shown"):
        lab.shown = certificates.cases(lab, lab.pods["client"].spiffe_id)
    return lab.shown


def show(lab, name):
    """The outsider shows this certificate; it is judged as it must be."""
    directory, expected = shown(lab)[name]
    words = {"words": "names", "directory": str(directory)}
    if expected is None:
        seen = outsider(lab, "tls_client", **words)
        check(seen["end"] == "close_notify" and "accept" in seen["answer"], f"{name}: {seen}")
        return
    reasons = [f"certificate_{expected}", "unknown_trust_domain"]
    with nothing_reaches_the_application(lab), refused(lab.b.daemon, *reasons):
        seen = outsider(lab, "tls_client", **words)
        check(seen["answer"] == "" and seen["end"] != "close_notify", f"{name}: {seen}")


for text, name in NAMED.items():
    case(text)(lambda lab, name=name: show(lab, name))


@case("every other certificate a client may show", timeout=300)
def other_certificates(lab):
    for name in sorted(set(shown(lab)) - set(NAMED.values()) - set(UNPLAYABLE)):
        show(lab, name)


# --- servers that are not who they should be ------------------------------------------------------

def impostor(lab, directory, reasons, **options):
    """A client pod asks the impostor, which shows these files: refused before a byte is sent."""
    server = lab.pods["impostor"].spawn("attack.tls_server", port=PORT, directory=str(directory), **options)
    server.ready()
    try:
        with refused(lab.a.daemon, *reasons):
            seen = lab.pods["client"].call("talk.outcome", host=lab.pods["impostor"].ip4, port=PORT)
            check(seen["end"] == "ECONNRESET" or seen["connect"] != "ok", f"saw {seen}")
            equal(seen["read"], 0, "bytes read")
    finally:
        answers = server.finish()
    check(not any("names" in answer for answer in answers), f"the impostor read {answers}")


@case("a server that is not the expected workload")
def wrong_server(lab):
    for identity in (lab.pods["server"].spiffe_id, lab.pods["impostor"].spiffe_id + "x"):
        impostor(lab, certificates.issue(lab, identity), ["unexpected_identity"])


@case("a server with a certificate of another root, expired, or with two names")
def bad_server(lab):
    made = certificates.cases(lab, lab.pods["impostor"].spiffe_id)
    for name in ("other-root", "expired", "two-uri-names", "eku-client-only", "ca-as-leaf"):
        directory, expected = made[name]
        impostor(lab, directory, [f"certificate_{expected}"])


@case("a server that speaks TLS 1.2 only")
def old_server(lab):
    files = certificates.issue(lab, lab.pods["impostor"].spiffe_id)
    impostor(lab, files, ["tls_version", "peer_alert", "handshake_failed"], version="TLSv1_2")


@case("a server that speaks no TLS: never a byte in clear")
def plain_server(lab):
    server = lab.pods["impostor"].spawn("peer.serve", port=PORT, canary=lab.canary)
    server.ready()
    with refused(lab.a.daemon, "plaintext", "handshake_failed", "handshake_closed", "handshake_timeout"):
        seen = lab.pods["client"].call("talk.outcome", host=lab.pods["impostor"].ip6, port=PORT,
                                       timeout=HANDSHAKE_SECONDS * 3)
        check(seen["read"] == 0 and seen["end"] != "end", f"saw {seen}")
    server.stop()


@case("the application closes or resets during the handshake: nothing stays behind")
def closes_early(lab):
    silent = lab.pods["impostor"].spawn("attack.tls_server", port=PORT, directory="", stall=True)
    silent.ready()
    before = lab.a.daemon.files()
    for reset in (False, True):
        lab.pods["client"].call("attack.closes_early", host=lab.pods["impostor"].ip4, port=PORT,
                                count=50, reset=reset)
    eventually("file descriptors are back", lambda: lab.a.daemon.files() <= before + 3,
               HANDSHAKE_SECONDS * 3)
    silent.send(signal.SIGTERM)
    eventually("no handshake is left",
               lambda: lab.a.daemon.metric("culvert_handshakes_in_progress") == 0, 20)


# --- inside a tunnel ------------------------------------------------------------------------------

CUTS = {"mid-record": ("truncated",), "no-close-notify": ("truncated",),
        "flipped-bit": ("record_invalid",), "oversized": ("record_invalid",),
        "unknown-type": ("record_invalid", "protocol"), "reset": ("peer_reset",)}


def cut(lab, how):
    with refused(lab.b.daemon, *CUTS[how]):
        outsider(lab, "cut", directory=str(good(lab)), how=how)
        eventually("the application saw a reset", lambda: ended(lab) == "ECONNRESET")


for how in CUTS:
    case(f"a tunnel ends irregularly: {how}")(lambda lab, how=how: cut(lab, how))


@case("the peer resets in each state")
def reset_states(lab):
    for state in ("connected", "hello-part", "hello", "server-flight", "finished"):
        outsider(lab, "reset_at", directory=str(good(lab)), state=state)
    for state in ("data", "close-notify"):
        outsider(lab, "reset_at", directory=str(good(lab)), state=state)
        eventually(f"the application saw its connection end ({state})",
                   lambda: ended(lab) in ("ECONNRESET", "end"))
    eventually("no connection is left", lambda: lab.b.daemon.metric(
        "culvert_connections", direction="inbound") == 0)
    eventually("no handshake is left",
               lambda: lab.b.daemon.metric("culvert_handshakes_in_progress") == 0)


@case("KeyUpdate by the peer, with and without one in return")
def key_update(lab):
    files = good(lab)
    lines = ["echo", "one " + lab.canary, "K", "two " + lab.canary, "k", "three " + lab.canary]
    pause = f"sleep {0.6 * min(4, patience()):.1f}"
    typed = "; ".join(f"{pause}; echo '{line}'" for line in lines)
    before = lab.b.daemon.metric("culvert_key_updates_total", direction="received")
    refusals = lab.b.daemon.refusals("key_limit")
    said = lab.pods["outsider"].try_run(
        "sh", "-c", f"({typed}; {pause}; {pause}) | openssl s_client -connect {lab.pods['server'].ip4}:{PORT} "
        f"-cert {files}/tls.crt -key {files}/tls.key -CAfile {files}/ca.crt -tls1_3 2>&1").stdout
    if not said.count("two " + lab.canary) and lab.b.daemon.ask("status")["records"]["engine"] == "kernel":
        # Kernels before 6.14 cannot change the keys of a kTLS socket: cut off, counted, never ignored.
        eventually("the cut is counted", lambda: lab.b.daemon.refusals("key_limit") > refusals)
        return
    for word in ("one", "two", "three"):
        check(f"{word} {lab.canary}" in said, f"{word} did not come back: {said[-1500:]}")
    check(lab.b.daemon.metric("culvert_key_updates_total", direction="received") >= before + 2,
          "culvert_key_updates_total{direction=received} did not move by 2")


# --- the daemon's own doors -----------------------------------------------------------------------

@case("reserved ports: nobody gets in by 15001 or 15006")
def reserved(lab):
    client, server = lab.pods["client"], lab.pods["server"]
    tries = [(client, host, port) for host in ("127.0.0.1", "::1", client.ip4, client.ip6, server.ip4,
                                               server.ip6) for port in (15001, 15006)]
    tries += [(lab.pods["outsider"], host, port) for host in (server.ip4, server.ip6)
              for port in (15001, 15006)]
    with nothing_reaches_the_application(lab):
        for place, host, port in tries:
            seen = place.call("talk.outcome", host=host, port=port, timeout=5)
            check(seen["read"] == 0 and (seen["connect"] in ("ECONNREFUSED", "EPERM", "ECONNRESET")
                                         or seen["end"] == "ECONNRESET"),
                  f"{place.name} to {host}:{port}: {seen}")
    said = client.try_run("nc", "-l", "127.0.0.1", 15001, timeout=5)
    check(said.returncode != 0, "an application took port 15001")


@case("an application that already listens on 15001: a named error for that pod alone")
def squatter(lab):
    pod = lab.pod("squatter", "a", listed=False)
    squatting = pod.start("nc", "-l", "-k", "127.0.0.1", 15001)
    listening(pod, 15001, squatting)
    pod.write()
    eventually("status names the pod and the port",
               lambda: pod.key in (said := lab.a.daemon.command("status", "-o", "json", check=False))
               and "15001" in said)
    equal(lab.pods["client"].call("talk.outcome", host=lab.pods["server"].ip4, port=PORT)["end"], "end",
          "a connection of another pod")
    squatting.kill()
    eventually("the pod is captured once the port is free",
               lambda: pod.key not in lab.a.daemon.command("status", "-o", "json", check=False), 20)
    pod.remove()


@case("the daemon's sockets: not for users, not for pods")
def sockets(lab):
    equal(lab.a.daemon.socket.stat().st_mode & 0o777, 0o600, "mode of admin.sock")
    done = lab.pods["client"].try_run(
        "/usr/bin/python3", "-c", "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])",
        lab.a.daemon.socket, user="nobody")
    check("PermissionError" in done.stderr, f"as nobody: {done.stderr}")
    for host in ("127.0.0.1", lab.a.ip4):
        seen = lab.pods["client"].call("talk.outcome", host=host, port=15020)
        check(seen["connect"] != "ok", f"the metrics answered a pod at {host}: {seen}")


if __name__ == "__main__":
    sys.exit(suite.main())
