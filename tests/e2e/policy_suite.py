#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Istio's AuthorizationPolicy between pods: who gets in, who is reset, and that the moment of a change
lets nobody through.

Node a: client, other (whose account begins like client's), guest (an account called client, in a
namespace that begins like shop). Node b: server, second, neighbour. Outside: outsider, a bare peer.
"""

import contextlib
import json
import pathlib
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import certificates  # noqa: E402
from lab.policies import deny, in_force, policy, put, source, to_port, when, write  # noqa: E402
from lab.reach import PORT, POD_WAYS, REFUSED, SERVICE_PORT, gets_in, is_reset, outcome, stay  # noqa: E402
from lab.refusals import refused  # noqa: E402
from lab.settings import build_directory, patience, scaled  # noqa: E402
from lab.suite import WAYS, Suite, check, equal, eventually  # noqa: E402

suite = Suite("policy")
OTHER_PORT = 9002
CLIENT = "cluster.local/ns/shop/sa/client"
OTHER = "cluster.local/ns/shop/sa/client-2"
GUEST = "cluster.local/ns/shop-b/sa/client"
NEIGHBOUR = "cluster.local/ns/shop/sa/neighbour"


def setup(lab):
    lab.namespace("shop-b")
    lab.namespace("istio-system", meshed=False)
    lab.pod("client", "a")
    lab.pod("other", "a", service_account="client-2")
    lab.pod("guest", "a", namespace="shop-b", service_account="client")
    server, second = lab.pod("server", "b"), lab.pod("second", "b")
    lab.pod("neighbour", "b")
    lab.pod("outsider", "a", outside=True, listed=False)
    lab.service("server", [server], {SERVICE_PORT: PORT})
    for pod, port in ((server, PORT), (server, OTHER_PORT), (second, PORT)):
        pod.spawn("peer.serve", port=port, canary=lab.canary).ready()


suite.setup = setup


def case(name, timeout=60):
    return suite.case(name, timeout, mesh=True)


# --- who ------------------------------------------------------------------------------------------

@case("principal: the account that is named gets in; another is reset, counted, and logged with the policy")
def by_principal(lab):
    gets_in(lab, "client", "other")
    with in_force(lab, policy("only-client", source(principals=[CLIENT]))):
        gets_in(lab, "client", ways=WAYS)
        with refused(lab.b.daemon, "policy_denied", direction="inbound", times=4, detail="only-client"), \
                refused(lab.a.daemon, "peer_refused", direction="outbound", times=4, detail="denied"):
            is_reset(lab, "other", ways=WAYS)
        hits = lab.b.daemon.ask("policies")["policies"][0]["hits"]
        check(hits["allowed"] >= 4 and hits["denied"] >= 4, f"hits: {hits}")
    gets_in(lab, "other")


@case("names that begin or end alike are others; prefix*, *suffix and * are what they say")
def alike(lab):
    for value, allowed in ((CLIENT, {"client"}), (OTHER, {"other"}), (GUEST, {"guest"}),
                           ("cluster.local/ns/shop/*", {"client", "other"}),
                           ("*/sa/client", {"client", "guest"}), ("*", {"client", "other", "guest"}),
                           ("spiffe://" + CLIENT, set())):
        with in_force(lab, policy("alike", source(principals=[value]))):
            gets_in(lab, *allowed, ways=POD_WAYS[:1])
            is_reset(lab, *{"client", "other", "guest"} - allowed, ways=POD_WAYS[:1])


@case("namespaces, serviceAccounts, trustDomains, the same by `when`, and what is `not`")
def other_names(lab):
    everybody = {"client", "other", "guest"}
    for rule, allowed in (
            (source(namespaces=["shop"]), {"client", "other"}),
            (source(serviceAccounts=["client"]), {"client"}),
            (source(serviceAccounts=["shop-b/client"]), {"guest"}),
            (source(trustDomains=["cluster.local"]), everybody),
            (source(trustDomains=["cluster.localhost", "*.local"], notNamespaces=["shop"]), {"guest"}),
            (source(namespaces=["shop*"], notPrincipals=[CLIENT]), {"other", "guest"}),
            (when("source.namespace", values=["shop-b"]), {"guest"}),
            (when("source.principal", notValues=[CLIENT, GUEST]), {"other"}),
            (when("source.serviceAccount", values=["shop/client-2"]), {"other"}),
            (when("source.ip", values=["10.77.1.0/24", "fd77:0:0:1::/64"]), everybody),
            (when("destination.ip", notValues=["10.77.2.0/24", "fd77:0:0:2::/64"]), set())):
        with in_force(lab, policy("names", rule)):
            gets_in(lab, *allowed)
            is_reset(lab, *everybody - allowed)


@case("ipBlocks: IPv4, IPv6, and an IPv4 client by an IPv6 socket; a block of one family has none of the other")
def by_block(lab):
    client = lab.pods["client"]
    v4, v6 = ([way] for way in POD_WAYS)
    with in_force(lab, policy("block4", source(ipBlocks=[client.ip4]))):
        gets_in(lab, "client", ways=v4)
        mapped = client.call("talk.outcome", host="::ffff:" + lab.pods["server"].ip4, port=PORT)
        equal(mapped["end"], "end", "an IPv4 connection by an IPv6 socket")
        is_reset(lab, "client", ways=v6)
        is_reset(lab, "other")
    with in_force(lab, policy("block6", source(ipBlocks=[client.ip6 + "/128"]))):
        gets_in(lab, "client", ways=v6)
        is_reset(lab, "client", ways=v4)
        is_reset(lab, "other")
    with in_force(lab, policy("mapped", source(ipBlocks=["::ffff:10.77.1.0/120"]))):
        gets_in(lab, "client", "other", ways=v4)
        is_reset(lab, "neighbour")
    with in_force(lab, policy("all6", source(ipBlocks=["::/0"], notIpBlocks=["fd77:0:0:2::/64"]))):
        gets_in(lab, "client", ways=v6)
        is_reset(lab, "client", ways=v4)
        is_reset(lab, "neighbour")


@case("ports: the pod's own port, not the Service's")
def by_port(lab):
    with in_force(lab, policy("port", to_port(PORT))):
        gets_in(lab, "client", ways=WAYS)
        is_reset(lab, "client", port=OTHER_PORT)
    with in_force(lab, policy("service-port", to_port(SERVICE_PORT))):
        is_reset(lab, "client", ways=WAYS)
    with in_force(lab, deny("not-port", to_port(PORT))):
        gets_in(lab, "client", port=OTHER_PORT)
        is_reset(lab, "client")


# --- which policies -------------------------------------------------------------------------------

@case("DENY comes before ALLOW")
def deny_first(lab):
    with in_force(lab, policy("all", {}), deny("not-other", source(principals=[OTHER]))):
        gets_in(lab, "client", "guest")
        with refused(lab.b.daemon, "policy_denied", direction="inbound", detail="not-other"):
            is_reset(lab, "other")


@case("spec: {} denies all; removed, all get in again")
def deny_all(lab):
    everybody = ("client", "other", "guest", "neighbour")
    with in_force(lab, policy("nothing")):
        is_reset(lab, *everybody)
    gets_in(lab, *everybody)


@case("a policy in istio-system is for every namespace")
def mesh_wide(lab):
    lab.pods["guest"].spawn("peer.serve", port=PORT, canary=lab.canary).ready()
    with in_force(lab, deny("not-client", source(principals=[CLIENT]), namespace="istio-system")):
        for to in ("server", "second", "guest"):
            is_reset(lab, "client", to=to)
            gets_in(lab, "other", to=to)
    with in_force(lab, policy("nothing", namespace="shop-b")):
        is_reset(lab, "client", to="guest")
        gets_in(lab, "client")


@case("a selector picks one workload, the others stay open until they have that label")
def selector(lab):
    second = lab.pods["second"]
    with in_force(lab, policy("nothing", app="server")):
        is_reset(lab, "client")
        gets_in(lab, "client", to="second")
        second.relabel(app="server")
        eventually("the label closes it", lambda: outcome(lab, "client", "second")["end"] != "end")
        is_reset(lab, "client", to="second")
        second.relabel()
        eventually("it opens again", lambda: outcome(lab, "client", "second")["end"] == "end")


@case("ALLOW with a mistake or with fields of HTTP allows nothing, its other rules count")
def allow_with_mistakes(lab):
    spare = source(principals=[OTHER])
    mistakes = {"ports": to_port("http"), "block": source(ipBlocks=["10.77.1.0/33"]),
                "field": source(principals=[CLIENT], colour=["red"]),
                "path": {"to": [{"operation": {"paths": ["/"]}}]},
                "request": source(principals=[CLIENT], requestPrincipals=["*"])}
    for name, rule in mistakes.items():
        with in_force(lab, policy(name, rule, spare)):
            is_reset(lab, "client", ways=POD_WAYS[:1])
            gets_in(lab, "other", ways=POD_WAYS[:1])
            check(lab.b.daemon.ask("policies")["policies"][0]["notes"], f"nothing is said of {name}")


@case("DENY with fields of HTTP denies by what is left of it")
def deny_with_http(lab):
    rule = {**source(principals=[CLIENT]), "to": [{"operation": {"methods": ["GET"]}}]}
    with in_force(lab, deny("no-get", rule)):
        is_reset(lab, "client")
        gets_in(lab, "other")


@case("AUDIT and dry-run decide nothing; an unknown action denies everything")
def no_decision(lab):
    dry = {"annotations": {"istio.io/dry-run": "true"}}
    with in_force(lab, policy("audit", {}, action="AUDIT"), deny("dry", {}, **dry)):
        gets_in(lab, "client")
    with in_force(lab, policy("unknown", {}, action="PERMIT")):
        is_reset(lab, "client", "other")


# --- what is counted of them ----------------------------------------------------------------------

@contextlib.contextmanager
def counted(lab, metric, name, verdict, times):
    """Within the block this counter of the server's daemon moves by so much and not more."""
    def count():
        return lab.b.daemon.metric(metric, namespace="shop", policy=name, verdict=verdict)
    before = count()
    yield
    eventually(f"{metric} {name} {verdict}", lambda: count() >= before + times)
    equal(count() - before, times, f"{metric} {name} {verdict}")


@case("verdicts are counted by policy, for as long as the policy is there")
def verdicts_counted(lab):
    metric = "culvert_policy_verdicts_total"
    with in_force(lab, policy("counted", source(principals=[CLIENT]))):
        with counted(lab, metric, "counted", "allowed", 2), counted(lab, metric, "counted", "denied", 2):
            gets_in(lab, "client")
            is_reset(lab, "other")
    check(not any(series == metric for series, _ in lab.b.daemon.metrics()), f"{metric} is still there")


@case("dry-run: what it would have changed is counted and logged, and nothing else of it")
def dry_run(lab):
    metric, dry = "culvert_policy_dry_run_total", {"annotations": {"istio.io/dry-run": "true"}}
    begun = len(lab.b.daemon.log_text())

    def logged(text):
        return any(text in line for line in lab.b.daemon.log_text()[begun:].splitlines())
    with in_force(lab, deny("dry-deny", source(principals=[OTHER]), **dry)):
        with counted(lab, metric, "dry-deny", "denied", 2):
            gets_in(lab, "client", "other")
    eventually("a line names the policy", lambda: logged("dry_run=denied dry_run_policy=shop/dry-deny"))
    with in_force(lab, policy("real", source(principals=[CLIENT])),
                  policy("dry-allow", source(principals=[OTHER]), **dry)):
        with counted(lab, metric, "dry-allow", "allowed", 2):
            gets_in(lab, "client")
            is_reset(lab, "other", "guest")
    eventually("a line names the policy", lambda: logged("dry_run=allowed dry_run_policy=shop/dry-allow"))


# --- which connections ----------------------------------------------------------------------------

@case("the same node, and a pod to itself through its Service, are judged too")
def same_node(lab):
    with in_force(lab, policy("only-client", source(principals=[CLIENT]))):
        is_reset(lab, "neighbour", "server", ways=WAYS[2:])
    with in_force(lab, policy("near", source(serviceAccounts=["neighbour", "server"]))):
        gets_in(lab, "neighbour", "server", ways=WAYS[2:])
        is_reset(lab, "client", ways=WAYS[2:])


@case("a bare peer is judged by its identity, which no pod needs to have")
def bare_peer(lab):
    ghost = certificates.issue(lab, "spiffe://cluster.local/ns/shop/sa/ghost")

    def ask(address):
        return lab.pods["outsider"].call("attack.tls_client", host=address, port=PORT, words="names",
                                         directory=str(ghost))
    addresses = (lab.pods["server"].ip4, lab.pods["server"].ip6)
    with in_force(lab, policy("ghost", source(principals=["cluster.local/ns/shop/sa/ghost"]))):
        for address in addresses:
            seen = ask(address)
            check("accept" in seen["answer"] and seen["end"] == "close_notify", f"{address}: {seen}")
        is_reset(lab, "client")
    with in_force(lab, policy("only-client", source(principals=[CLIENT]))):
        for address in addresses:
            with refused(lab.b.daemon, "policy_denied", direction="inbound", detail="only-client"):
                equal(ask(address), {"answer": "", "end": "ECONNRESET"}, address)


@case("an address that another identity takes over gets nothing of what was allowed before")
def address_again(lab):
    brief = lab.pod("brief", "a")
    with in_force(lab, policy("only-brief", source(serviceAccounts=["brief"]))):
        lab.settle()
        gets_in(lab, "brief")
        brief.remove()
        late = lab.pod("late", "a")
        late.move(brief.number)
        lab.settle()
        is_reset(lab, "late")
    gets_in(lab, "late")
    late.remove()


@case("a warm idle tunnel lets nothing through after the policy closed")
def warm_tunnel(lab):
    for _ in range(3):
        gets_in(lab, "other", ways=WAYS)
        with in_force(lab, policy("only-client", source(principals=[CLIENT]))):
            is_reset(lab, "other", ways=WAYS)


@case("late rejection: what is no longer allowed is reset within 1 s, what still is goes on")
def late(lab):
    idle = [stay(lab, "wait_end", "other", way) for way in POD_WAYS]
    busy = [stay(lab, "long_echo", "other", way) for way in POD_WAYS]
    good = [stay(lab, "long_echo", "client", way) for way in POD_WAYS]
    with refused(lab.b.daemon, "policy_denied", direction="inbound", times=4, detail="only-client"):
        began = time.monotonic()
        write(lab, policy("only-client", source(principals=[CLIENT])))
        for process in idle + busy:
            process.wait(10)
        seconds = time.monotonic() - began
    try:
        check(seconds < patience(), f"reset after {seconds:.2f} s")
        equal([process.result()["end"] for process in idle], ["ECONNRESET"] * 2, "idle connections")
        for process in busy:
            check("ConnectionReset" in process.output() or "BrokenPipe" in process.output(),
                  f"a busy connection: {process.tail()}")
        for process in good:
            check(process.finish() > 10, "a connection that is still allowed")
    finally:
        put(lab)


# --- changes under load ---------------------------------------------------------------------------

@case("policies change under load: who is allowed by old and new is never refused, others never get in",
      timeout=120)
def flips(lab):
    sets = (policy("by-principal", source(principals=[CLIENT])),
            policy("by-account", {**source(serviceAccounts=["client"]),
                                  **when("destination.port", values=[str(PORT)])}))
    with in_force(lab, sets[0]):
        staying = stay(lab, "long_echo", "client")
        allowed = [stay(lab, "churn", "client", way, least=scaled(10)) for way in POD_WAYS]
        denied = [stay(lab, "churn", "other", way) for way in POD_WAYS]
        for number in range(scaled(60, 10)):
            put(lab, sets[1 - number % 2])
        staying.finish()
        judge(allowed, denied, REFUSED)


def judge(allowed, denied, errors):
    """Ends the loops: every connection of the allowed went well, each of the denied ended so."""
    for process in allowed:
        seen = process.finish()
        check(set(seen) == {"ok"} and seen["ok"] >= scaled(10), f"who is allowed saw {seen}")
    for process in denied:
        seen = process.finish()
        check(seen and set(seen) <= errors, f"who is denied saw {seen}")


def two_sets():
    """The client gets in by both, the neighbour by neither: but without policies, or by the first ALLOW
    without its DENY."""
    first = ([CLIENT, OTHER, NEIGHBOUR], [GUEST, NEIGHBOUR])
    second = ([CLIENT, GUEST], [OTHER])
    return [(policy(f"{name}-allow", source(principals=allowed), app="server"),
             deny(f"{name}-deny", source(principals=denied), app="server"))
            for name, (allowed, denied) in (("first", first), ("second", second))]


@case("10,000 connections while two sets change places 100 times: each is judged by one of the two",
      timeout=400)
def sets_change_places(lab):
    sets = two_sets()
    pods = ("client", "other", "guest", "neighbour")
    total, flips_least = scaled(10_000, 200), scaled(100, 10)
    with in_force(lab, *sets[0]):
        each = -(-total // (len(pods) * len(POD_WAYS)))
        loops = [(pod, stay(lab, "churn", pod, way, least=each))
                 for pod in pods for way in POD_WAYS]
        done = 0
        while done < flips_least or any(loop.running() for _, loop in loops):
            done += 1
            put(lab, *sets[done % 2])
            if done in (1, 2):  # held while the loops go on: the others may see sets shorter than a connection
                decided_by(lab, done % 2)
            if done == flips_least:  # each of them goes on until it has made enough
                for _, loop in loops:
                    loop.send(signal.SIGTERM)
        seen = {pod: {} for pod in pods}
        for pod, loop in loops:
            for end, times in loop.result().items():
                seen[pod][end] = seen[pod].get(end, 0) + times
        judge_two_sets(seen, total)
        decided_by(lab, done % 2)


def decided_by(lab, second):
    welcome, unwelcome = ("guest", "other") if second else ("other", "guest")
    gets_in(lab, "client", welcome)
    is_reset(lab, "neighbour", unwelcome)


def judge_two_sets(seen, total):
    """seen: {pod: {how a connection ended: times}}"""
    made = sum(sum(ends.values()) for ends in seen.values())
    check(made >= total, f"{made} connections: {seen}")
    check(set(seen["client"]) == {"ok"}, f"whom both sets allow saw {seen['client']}")
    check(set(seen["neighbour"]) <= REFUSED, f"whom both sets deny saw {seen['neighbour']}")
    for pod in ("other", "guest"):
        ends = set(seen[pod])
        check(ends <= REFUSED | {"ok"}, f"{pod}, whom one set allows, saw {seen[pod]}")


@case("a policy that comes while the daemon is dead, daemons killed again: who is denied never gets in")
def killed(lab):
    lab.b.daemon.kill()
    write(lab, policy("only-client", source(principals=[CLIENT])))
    denied = [stay(lab, "churn", pod, way) for pod in ("other", "neighbour") for way in POD_WAYS]
    try:
        for daemon in (lab.b.daemon, lab.a.daemon, lab.b.daemon):
            daemon.kill()
            time.sleep(0.3)
            daemon.start()
            eventually("who is allowed gets in again", lambda: outcome(lab, "client")["end"] == "end")
        judge([], denied, REFUSED | {"cut", "timeout", "EPERM", "EHOSTUNREACH"})
    finally:
        put(lab)


# --- culvert explain ------------------------------------------------------------------------------

def explain(lab, source_pod, to, code):
    """What the server's daemon says of it; `culvert explain` must end with this code."""
    words = ["--socket", lab.b.daemon.socket, "explain", source_pod, to, "-o", "json"]
    done = lab.b.host.try_run(build_directory() / "culvert", *words)
    equal(done.returncode, code, f"exit code of explain {source_pod} {to} ({done.stderr})")
    return json.loads(done.stdout)


@case("culvert explain: the answer, the exit code, the rule, and that the maps agree")
def explained(lab):
    server = lab.pods["server"]
    rules = (source(principals=["cluster.local/ns/none/sa/none"]), source(principals=[CLIENT]))
    with in_force(lab, policy("two-rules", *rules), deny("not-port", to_port(OTHER_PORT))):
        said = explain(lab, "shop/client", f"shop/server:{PORT}", 0)
        equal([said["allowed"], said["decision"]["policy"], said["agree"]],
              [True, "shop/two-rules", True], "client")
        check("rules[1]" in said["decision"]["rule"], f"the rule: {said['decision']}")
        for to in (f"shop/server:{PORT}", f"[{server.ip6}]:{PORT}"):
            said = explain(lab, "shop/other", to, 1)
            equal([said["allowed"], said["decision"]["policy"], said["agree"], said["live"]["allowed"]],
                  [False, "shop/two-rules", True, False], f"other to {to}")
        said = explain(lab, "shop/client", f"{server.ip4}:{OTHER_PORT}", 1)
        equal([said["decision"]["policy"], said["agree"]], ["shop/not-port", True], "the other port")
    said = explain(lab, "shop/other", f"shop/server:{PORT}", 0)
    equal([said["decision"]["policy"], said["agree"]], [None, True], "without policies")


if __name__ == "__main__":
    sys.exit(suite.main())
