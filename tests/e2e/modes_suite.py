#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Istio's PeerAuthentication between pods, and between pods and what is outside the mesh.

Node a: client, and plain, which is not in the mesh. Node b: server (it declares a probe port).
`outsider` is no pod that anybody knows. What goes in plaintext here carries no canary.
"""

import contextlib
import json
import pathlib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import manifests  # noqa: E402
from lab.policies import deny, policy, source, write as write_policies  # noqa: E402
from lab.reach import PORT, POD_WAYS, SERVICE_PORT, gets_in, is_reset, stay  # noqa: E402
from lab.refusals import refused  # noqa: E402
from lab.servers import nginx  # noqa: E402
from lab.settings import patience  # noqa: E402
from lab.suite import WAYS, Suite, check, equal, eventually, target  # noqa: E402

suite = Suite("modes")
OTHER_PORT, GREETER, PROBE = 9002, 9003, 9004
DENY_NOBODY = deny("nobody", source(principals=["nobody"]))  # so that the daemon has to judge


def setup(lab):
    lab.namespace("istio-system", meshed=False)
    lab.pod("client", "a")
    lab.pod("plain", "a", labels={"culvert.dev/mesh": "disabled"})
    lab.pod("outsider", "a", outside=True, listed=False)
    server = lab.pod("server", "b", probes={"readinessProbe": {"tcpSocket": {"port": PROBE}}})
    lab.service("server", [server], {SERVICE_PORT: PORT})
    for port in (PORT, OTHER_PORT, PROBE):
        server.spawn("peer.serve", port=port, canary="none").ready()
    server.spawn("peer.greet", port=GREETER, words="welcome").ready()


suite.setup = setup


def case(name, timeout=60):
    return suite.case(name, timeout, mesh=True)


# --- what is asked, and when it is in force -------------------------------------------------------

def peers(name, mode=None, namespace="shop", app=None, ports=None, **metadata):
    spec = {"mtls": {"mode": mode}} if mode else {}
    if app:
        spec["selector"] = {"matchLabels": {"app": app}}
    if ports:
        spec["portLevelMtls"] = {str(port): {"mode": mode} for port, mode in ports.items()}
    return manifests.peer_authentication(name, spec, namespace, **metadata)


def mode(lab, port, daemon):
    return daemon.ask("explain", source="shop/client", destination=f"shop/server:{port}")["mode"]


def put(lab, objects, policies=(), **modes):
    """These are all the objects and policies; `modes`: pPORT=mode of the server, which is waited for."""
    path = lab.resources / "peers.yaml"
    if objects:
        manifests.write(lab.resources, "peers", *objects)
    else:
        path.unlink(missing_ok=True)
    write_policies(lab, *policies)
    names = {item["metadata"]["name"] for item in policies}
    for daemon in lab.daemons:
        eventually(f"policies {names}", lambda daemon=daemon: names == {
            known["name"] for known in daemon.ask("policies")["policies"]}, 5)
        for port, wanted in modes.items():
            eventually(f"{port} in mode {wanted}",
                       lambda daemon=daemon: mode(lab, port[1:], daemon) == wanted, 5)


@contextlib.contextmanager
def in_force(lab, objects, policies=(), **modes):
    try:
        put(lab, objects, policies, **modes)
        yield
    finally:
        put(lab, [], p9001="STRICT", p9002="STRICT")


def passed(lab, event):
    return lab.b.daemon.metric("culvert_capture_events_total", event=event)


# --- modes ----------------------------------------------------------------------------------------

@case("STRICT: plaintext is reset, counted and logged, from a pod outside the mesh and from nowhere")
def strict(lab):
    with in_force(lab, [peers("default", "STRICT")], p9001="STRICT"):
        with refused(lab.b.daemon, "plaintext", direction="inbound", times=4):
            is_reset(lab, "plain", "outsider")
        gets_in(lab, "client", ways=WAYS)


@case("PERMISSIVE: tunnels get in as before, plaintext goes straight through the kernel")
def permissive(lab):
    with in_force(lab, [peers("default", "PERMISSIVE")], p9001="PERMISSIVE"):
        before = passed(lab, "passed_plaintext")
        gets_in(lab, "plain", "outsider")
        check(passed(lab, "passed_plaintext") >= before + 4, "it did not pass in the kernel")
        mark = len(lab.b.daemon.log_text())
        gets_in(lab, "client", ways=WAYS)
        eventually("the daemon's log has four tunnels", lambda: lab.b.daemon.log_text()[mark:].count(
            "tls_version=TLSv1.3") >= 4, 5)


@case("PERMISSIVE where a policy applies: plaintext is judged, without an identity")
def permissive_judged(lab):
    server, plain = lab.pods["server"], lab.pods["plain"]
    permissive = [peers("default", "PERMISSIVE")]
    with in_force(lab, permissive, [deny("no-names", source(notPrincipals=["*"]))], p9001="PERMISSIVE"):
        with refused(lab.b.daemon, "policy_denied", times=2, detail="no-names"):
            is_reset(lab, "plain")
        gets_in(lab, "client")
    blocks = policy("by-block", source(ipBlocks=[plain.ip4, plain.ip6]), app="server")
    with in_force(lab, permissive, [blocks], p9001="PERMISSIVE"):
        gets_in(lab, "plain")
        is_reset(lab, "client", "outsider")
    with in_force(lab, permissive, [policy("named", source(principals=["*"]), app="server")],
                  p9001="PERMISSIVE"):
        is_reset(lab, "plain", "outsider")
        gets_in(lab, "client", ways=WAYS)
    for address, own in ((server.ip4, plain.ip4), (server.ip6, plain.ip6)):
        with in_force(lab, permissive, [DENY_NOBODY], p9001="PERMISSIVE"):
            names = json.loads(plain.call("talk.ask", host=address, port=PORT, words="names"))
            equal(names["accept"][0].removeprefix("::ffff:"), own, "the client the application sees")
    unknown = {"reporter": "destination", "connection_security_policy": "unknown", "source_principal": "unknown",
               "destination_workload": "server"}
    check(lab.b.daemon.metric("istio_tcp_connections_opened_total", **unknown) >= 4, "no plaintext in the metrics")


@case("PERMISSIVE through the daemon: a server that speaks first is delayed by a moment only, data are whole")
def greeting(lab):
    with in_force(lab, [peers("default", "PERMISSIVE")], [DENY_NOBODY], p9001="PERMISSIVE"):
        for place, limit in (("plain", 1.0), ("client", 1.0)):
            for way in POD_WAYS:
                seen = lab.pods[place].call("talk.listens", host=target(lab, "server", way).address,
                                            port=GREETER)
                check(seen["line"] == "welcome" and seen["seconds"] < limit * patience(),
                      f"{place} {way}: {seen}")
        for function in ("get", "put"):
            lab.pods["plain"].call(f"talk.{function}", host=lab.pods["server"].ip4, port=PORT,
                                   size=3 << 20, canary="none")
        lab.pods["plain"].call("talk.get", host=lab.pods["server"].ip6, port=PORT, size=100000,
                               canary="none", words="after-end")


@case("PERMISSIVE through the daemon: an application's own TLS is plaintext, and its own business")
def own_tls(lab):
    web = nginx(lab.pods["server"], {"index.html": b"its own\n"})
    with in_force(lab, [peers("default", "PERMISSIVE")], [DENY_NOBODY], p9001="PERMISSIVE"):
        for place in ("plain", "client"):
            for way in POD_WAYS:
                page = lab.pods[place].run(
                    "curl", "-sS", "--max-time", 20, "--cacert", web.directory / "tls.crt", "--connect-to",
                    f"::{target(lab, 'server', way).url}:443", "https://web.test/")
                equal(page, "its own\n", f"the page that {place} got by {way}")
    web.stop()


@case("DISABLE: the mesh dials it in plaintext because desired state says so, by pod and by Service")
def disable(lab):
    with in_force(lab, [peers("default", "DISABLE")], p9001="DISABLE"):
        gets_in(lab, "plain", "outsider")
        gets_in(lab, "client", ways=WAYS)
        mark = len(lab.a.daemon.log_text())
        gets_in(lab, "client", ways=WAYS[2:])
        eventually("the log calls it plaintext", lambda: "plaintext=true" in
                   lab.a.daemon.log_text()[mark:], 5)
    with in_force(lab, [peers("default", "DISABLE")], [policy("nobody-at-all")], p9001="DISABLE"):
        is_reset(lab, "plain", "client")


@case("portLevelMtls: each port has its own mode, the others the workload's")
def by_port(lab):
    with in_force(lab, [peers("server", "STRICT", app="server", ports={OTHER_PORT: "PERMISSIVE"})],
                  p9001="STRICT", p9002="PERMISSIVE"):
        is_reset(lab, "plain")
        gets_in(lab, "plain", "client", port=OTHER_PORT)
        gets_in(lab, "client")
    with in_force(lab, [peers("server", "PERMISSIVE", app="server", ports={OTHER_PORT: "STRICT"})],
                  p9001="PERMISSIVE", p9002="STRICT"):
        gets_in(lab, "plain", "client")
        is_reset(lab, "plain", port=OTHER_PORT)
        gets_in(lab, "client", port=OTHER_PORT)
    with in_force(lab, [peers("server", "STRICT", app="server", ports={OTHER_PORT: "DISABLE"})],
                  p9001="STRICT", p9002="DISABLE"):
        is_reset(lab, "plain")
        gets_in(lab, "plain", "client", port=OTHER_PORT)
        gets_in(lab, "client", ways=WAYS)


@case("mesh, namespace and workload: the nearest decides, UNSET inherits")
def nearest(lab):
    mesh = peers("mesh", "PERMISSIVE", namespace="istio-system")
    with in_force(lab, [mesh], p9001="PERMISSIVE"):
        gets_in(lab, "plain")
    with in_force(lab, [mesh, peers("default", "STRICT")], p9001="STRICT"):
        is_reset(lab, "plain")
    with in_force(lab, [mesh, peers("default", "UNSET"), peers("server", "UNSET", app="server")],
                  p9001="PERMISSIVE"):
        gets_in(lab, "plain")
    with in_force(lab, [mesh, peers("default", "STRICT"), peers("server", "PERMISSIVE", app="server")],
                  p9001="PERMISSIVE"):
        gets_in(lab, "plain")


# --- change and failure ---------------------------------------------------------------------------

@case("a stricter mode ends live plaintext that the daemon relays within a second, and no tunnel")
def stricter(lab):
    with in_force(lab, [peers("default", "PERMISSIVE")], [DENY_NOBODY], p9001="PERMISSIVE"):
        plain = stay(lab, "wait_end", "plain", canary="none")
        tunnel = stay(lab, "long_echo", "client", canary="none")
        with refused(lab.b.daemon, "plaintext", direction="inbound"):
            began = time.monotonic()
            put(lab, [peers("default", "STRICT")], [DENY_NOBODY], p9001="STRICT")
            seen = plain.result()
        check(seen["end"] == "ECONNRESET", f"it ended as {seen}")
        check(time.monotonic() - began < 1 + 4 * patience(), "it took too long")
        check(tunnel.finish() > 5, "the tunnel did not go on")
        is_reset(lab, "plain")


@case("a stricter mode or policy ends plaintext that passes the daemon by within a second, and no more")
def stricter_directly(lab):
    def held():
        return [stay(lab, "wait_end", "plain", way, canary="none") for way in POD_WAYS]

    def ends(processes):
        began = time.monotonic()
        check({process.result()["end"] for process in processes} == {"ECONNRESET"}, "they were not reset")
        check(time.monotonic() - began < 1 + 4 * patience(), "it took too long")

    permissive = peers("default", "PERMISSIVE")
    for objects, policies, modes in (
            ([peers("default", "STRICT")], [], {"p9001": "STRICT"}),
            ([permissive], [policy("named", source(principals=["*"]), app="server")], {"p9001": "PERMISSIVE"})):
        with in_force(lab, [permissive], p9001="PERMISSIVE"):
            ended = passed(lab, "ended_plaintext")
            plain = held()
            tunnel = stay(lab, "long_echo", "client", canary="none")
            put(lab, objects, policies, **modes)
            ends(plain)
            check(passed(lab, "ended_plaintext") == ended + 2, "they are not counted")
            eventually("the log names them", lambda: lab.b.daemon.log_text().count(
                "plaintext connection ended") >= ended + 2, 5)
            check(tunnel.finish() > 5, "the tunnel did not go on")
            is_reset(lab, "plain")
    blocks = policy("by-block", source(ipBlocks=[lab.pods["plain"].ip4]), app="server")
    with in_force(lab, [permissive], p9001="PERMISSIVE"):
        stays, goes = held()  # IPv4, IPv6
        put(lab, [permissive], [blocks], p9001="PERMISSIVE")
        ends([goes])
        time.sleep(1.5 * patience())
        check(stays.running(), f"what the policy allows ended: {stays.tail()}")
        put(lab, [permissive], [DENY_NOBODY, policy("nobody-at-all")], p9001="PERMISSIVE")
        ends([stays])  # judged again, though nothing passes any more


@case("a dead daemon: PERMISSIVE never makes plaintext of what should be a tunnel")
def dead(lab):
    with in_force(lab, [peers("default", "PERMISSIVE")], p9001="PERMISSIVE"):
        lab.b.daemon.kill()
        try:
            is_reset(lab, "client")
            gets_in(lab, "plain")  # which needs no daemon
        finally:
            lab.b.daemon.start()
        lab.a.daemon.kill()
        try:
            is_reset(lab, "client", ways=WAYS)
        finally:
            lab.a.daemon.start()
        gets_in(lab, "client")


@case("declared probe ports: open in plaintext to their own node and to nobody else, in STRICT")
def probes(lab):
    before = passed(lab, "passed_probe")
    gets_in(lab, lab.b.host, port=PROBE)
    check(passed(lab, "passed_probe") >= before + 2, "probes are not counted")
    is_reset(lab, "plain", "outsider", port=PROBE)
    is_reset(lab, lab.a.host, port=PROBE)
    is_reset(lab, lab.b.host, port=PORT)
    with in_force(lab, [], [policy("nobody-at-all")]):
        gets_in(lab, lab.b.host, port=PROBE)  # as Istio exempts it
        is_reset(lab, "client", port=PROBE)


@case("a PeerAuthentication that cannot be understood opens nothing")
def not_understood(lab):
    for wrong in (peers("default", "OPEN"), peers("default", "PERMISSIVE", ports={OTHER_PORT: "PERMISSIVE"}),
                  peers("server", "PERMISSIVE", app="server", ports={70000: "DISABLE"})):
        mark = len(lab.b.daemon.log_text())
        put(lab, [wrong])
        eventually("the error is told", lambda: "PeerAuthentication" in
                   lab.b.daemon.log_text()[mark:], 5)
        is_reset(lab, "plain")
        gets_in(lab, "client")
    put(lab, [], p9001="STRICT")
    is_reset(lab, "plain", port=OTHER_PORT)


if __name__ == "__main__":
    sys.exit(suite.main())
