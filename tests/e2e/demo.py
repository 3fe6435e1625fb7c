#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What scripts/demo shows, once everything is built. Every line with a check mark was checked: the first
that does not hold ends the demo with exit code 1."""

import os
import pathlib
import re
import secrets
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import Lab, LabError, certificates, policies, servers  # noqa: E402
from lab import wire as wires  # noqa: E402
from lab.settings import SOURCE, build_directory  # noqa: E402
from lab.suite import Failed, check, equal, eventually  # noqa: E402
from lab.system import exit_on_signals  # noqa: E402

COLOUR = sys.stdout.isatty()
TLS_1_3 = b"\x00\x2b\x00\x02\x03\x04"  # extension supported_versions of a ServerHello, RFC 8446 4.2.1


def bold(text):
    return f"\033[1m{text}\033[0m" if COLOUR else text


def title(number, text):
    print(f"\n{bold(f'{number}. {text}')}", flush=True)


def command(text):
    print(f"   $ {text}", flush=True)


def shown(text):
    """Something that was checked just before."""
    mark = "\033[32m✓\033[0m" if COLOUR else "✓"
    print(f"   {mark} {text}", flush=True)


def curl(lab, where, pod="client"):
    host = f"[{where}]" if ":" in where else where
    return lab.pods[pod].run("curl", "-sS", "--fail", "-m", 10, "--noproxy", "*", f"http://{host}/")


def set_up(lab):
    lab.canary = "canary-" + secrets.token_hex(8)
    lab.pod("client", "a")
    lab.pod("stranger", "a")
    lab.pod("outsider", "a", outside=True)
    for name, port in (("web", 80), ("cache", 6379), ("db", 5432)):
        lab.service(name, [lab.pod(name, "b")], {port: port})
    lab.nginx = servers.nginx(lab.pods["web"], {"index.html": f"<h1>{lab.canary}</h1>\n".encode()})
    servers.redis(lab.pods["cache"])
    servers.postgresql(lab.pods["db"])
    lab.start_daemons()
    status = lab.a.daemon.ask("status")
    records = status["records"]
    print(f"node-a: pods client, stranger  node-b: pods web (nginx), cache (redis), db (PostgreSQL)")
    print(f"one culvertd each; record engine: {records['engine']} ({records['reason']})")


def applications(lab):
    title(1, "Applications that know nothing of culvert, from node a to node b")
    web, cache, db = (lab.pods[name] for name in ("web", "cache", "db"))
    client = lab.pods["client"]
    for kind, of in (("pod", web), ("service", lab.services["web"])):
        for address in (of.ip4, of.ip6):
            command(f"curl http://{f'[{address}]' if ':' in address else address}/")
            page = curl(lab, address)
            check(lab.canary in page, f"curl got {page!r}")
            shown(f"{page.strip()}   ({kind} address)")
    for kind, of in (("pod", cache), ("service", lab.services["cache"])):
        command(f"redis-cli -h {of.ip4} set key …; get key")
        client.run("redis-cli", "-h", of.ip4, "set", "key", lab.canary)
        equal(client.run("redis-cli", "-h", of.ip4, "get", "key").strip(), lab.canary, "redis")
        shown(f"{lab.canary}   ({kind} address)")
    psql = servers.postgresql_program("psql")
    for kind, of in (("pod", db), ("service", lab.services["db"])):
        query = f"select '{lab.canary}', inet_client_addr()"
        command(f'psql -h {of.ip4} -c "select …, inet_client_addr()"')
        said = client.run(psql, "-h", of.ip4, "-U", "postgres", "-At", "-c", query).strip()
        equal(said, f"{lab.canary}|{client.ip4}", "psql")
        shown(f"{said}   ({kind} address)")


def captured(lab, name):
    """One page with tcpdump on the wire, by a connection whose beginning is seen."""
    pcap = lab.directory / f"{name}.pcap"
    with wires.Wire(lab, [lab.canary], keep=pcap) as wire:
        page = curl(lab, lab.pods["web"].ip4)
        check(lab.canary in page, f"curl got {page!r}")
        return pcap, wire.stop()["canaries"][lab.canary]


def judge_records(lab, pcap):
    """Only TLS 1.3 records to and from nginx's own port; answers how many."""
    client, web, count, hello = lab.pods["client"], lab.pods["web"], 0, b""
    streams = wires.streams(pcap)
    for (source, source_port, to, to_port), stream in streams.items():
        check({source, to} == {client.ip4, web.ip4} and 80 in (source_port, to_port),
              f"a connection {source}:{source_port} to {to}:{to_port}")
        records = wires.tls_records(stream)
        check(records and records[0][0] == 22, "the first record is no handshake")
        check(set(kind for kind, _ in records[1:]) <= {20, 21, 22, 23}, f"record types {records}")
        count += len(records)
        hello = hello or (stream[:2000] if source_port == 80 else b"")
    check(len(streams) >= 2 and TLS_1_3 in hello, "no ServerHello that chooses TLS 1.3")
    return count


def wire(lab):
    title(2, "The wire between the nodes")
    for daemon in lab.daemons:
        daemon.restart()  # so that the capture has a connection from its first byte
    command("tcpdump -i wire …   while curl gets the page")
    pcap, seen = captured(lab, "meshed")
    count = judge_records(lab, pcap)
    shown(f"client to web, port 80, nginx's own: {count} TLS 1.3 records and nothing else")
    equal(seen, 0, "the canary on the wire")
    shown(f"{lab.canary} is not there")
    lab.namespace("shop", meshed=False)
    eventually("the namespace is out of the mesh", lambda: all(
        daemon.ask("status")["pods"]["meshed"] == 0 for daemon in lab.daemons))
    command("… the same with the label culvert.dev/mesh removed from the namespace")
    seen = captured(lab, "plain")[1]
    check(seen >= 1, "the canary was not seen although nothing encrypts: the capture is blind")
    shown(f"{lab.canary} is there, in clear")
    lab.namespace("shop", meshed=True)
    eventually("the namespace is in the mesh again", lambda: all(
        daemon.ask("status")["pods"]["captured"] for daemon in lab.daemons))
    eventually("pages come", lambda: lab.canary in curl(lab, lab.pods["web"].ip4))


def access_log(lab):
    title(3, "What nginx knows of its client")
    client = lab.pods["client"]
    curl(lab, lab.pods["web"].ip4)
    curl(lab, lab.services["web"].ip6)
    command("tail -2 access.log")
    lines = (lab.nginx.directory / "access.log").read_text().splitlines()[-2:]
    equal([line.split()[0] for line in lines], [client.ip4, client.ip6], "addresses in nginx's log")
    for line in lines:
        shown(line)


def s_client(lab, *words):
    done = lab.pods["outsider"].try_run(
        "openssl", "s_client", "-connect", f"{lab.pods['web'].ip4}:80", "-tls1_3", "-ign_eof", *words,
        input="GET / HTTP/1.0\r\n\r\n")
    return done.stdout + done.stderr


def openssl(lab):
    title(4, "openssl s_client at nginx's port, from a machine outside")
    web = lab.pods["web"]
    files = certificates.issue(lab, lab.pods["outsider"].spiffe_id)
    command(f"openssl s_client -connect {web.ip4}:80 -cert tls.crt -key tls.key -CAfile ca.crt")
    said = s_client(lab, "-cert", files / "tls.crt", "-key", files / "tls.key", "-CAfile",
                    files / "ca.crt")
    check("Verify return code: 0 (ok)" in said, f"s_client said {said[-1500:]}")
    check(lab.canary in said, f"no page: {said[-1500:]}")
    pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", said, re.S)[0]
    text = lab.pods["outsider"].run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-dates",
                                    input=pem)
    check(f"URI:{web.spiffe_id}\n" in text, f"the certificate: {text}")
    shown(f"the server is {web.spiffe_id}")
    dates = dict(re.findall(r"(notBefore|notAfter)=(.*)", text))
    shown(f"valid from {dates['notBefore']} to {dates['notAfter']}, verified by the root")
    shown("and it answered with the page")
    command(f"openssl s_client -connect {web.ip4}:80   (no certificate)")
    before = lab.b.daemon.refusals("no_certificate")
    said = s_client(lab)
    check(lab.canary not in said, "a page without a certificate")
    eventually("the refusal is counted",
               lambda: lab.b.daemon.refusals("no_certificate") == before + 1)
    shown('refused; culvert_refusals_total{direction="inbound",reason="no_certificate"} moved by 1')


def policy(lab):
    title(5, "An AuthorizationPolicy: only the service account of `client` may reach nginx")
    client, web = lab.pods["client"], lab.pods["web"]
    principal = client.spiffe_id.removeprefix("spiffe://")
    allow = policies.policy("web", policies.source(principals=[principal]), app="web")
    with policies.in_force(lab, allow):
        command(f"kubectl apply …   AuthorizationPolicy shop/web: principals: [{principal}]")
        for name, wanted in (("client", "allowed"), ("stranger", "denied")):
            command(f"curl http://{web.ip4}/   as {name}")
            done = lab.pods[name].try_run("curl", "-sS", "-m", 10, "--noproxy", "*", f"http://{web.ip4}/")
            check((lab.canary in done.stdout) == (wanted == "allowed"), f"{name} got {done.stdout!r}")
            shown((done.stdout or done.stderr).strip())
        for name, words in (("client", "spec.rules[0]"), ("stranger", "denied")):
            command(f"culvert explain shop/{name} shop/web:80")
            said = lab.b.daemon.command("explain", f"shop/{name}", "shop/web:80", check=False)
            check(words in said and "shop/web" in said, f"culvert explain said {said}")
            for line in said.strip().splitlines()[-3:]:
                shown(line.strip())
        cells = f"{lab.b.bpffs}/maps/policy_cells"
        command(f"bpftool map dump pinned {cells}")
        said = subprocess.run(["bpftool", "map", "dump", "pinned", cells], capture_output=True, text=True,
                              check=False).stdout
        check('"verdict": "VERDICT_ALLOW"' in said, f"bpftool said {said}")
        shown(next(line.strip() for line in said.splitlines() if "VERDICT_ALLOW" in line))


def kill(lab):
    title(6, "kill -9 of culvertd on node a")
    lab.a.daemon.kill()
    command(f"curl http://{lab.pods['web'].ip4}/")
    with wires.Wire(lab, [lab.canary]) as wire_now:
        done = lab.pods["client"].try_run("curl", "-sS", "-m", 10, "--noproxy", "*",
                                          f"http://{lab.pods['web'].ip4}/")
        check(done.returncode != 0, "a page without a daemon")
        equal(wire_now.connections(), 0, "connections on the wire")
    shown(done.stderr.strip())
    shown("nothing left the node, in clear or otherwise")
    lab.a.daemon.start()
    command("… culvertd started again")
    page = curl(lab, lab.pods["web"].ip4)
    check(lab.canary in page, f"curl got {page!r}")
    shown(page.strip())


def benchmark():
    title(7, "Throughput and latency: plain TCP, a pair of haproxy sidecars with TLS, culvert")
    sys.stdout.flush()
    done = subprocess.run([SOURCE / "bench" / "run", "--short"], check=False)
    check(done.returncode == 0, f"bench/run --short ended with {done.returncode}")


def main():
    exit_on_signals()
    if not (build_directory() / "culvertd").exists():
        sys.exit("demo: culvertd is not built; run scripts/demo")
    try:
        with Lab(f"demo{os.getpid()}") as lab:
            set_up(lab)
            for step in (applications, wire, access_log, openssl, policy, kill):
                step(lab)
            equal([daemon.stop() for daemon in lab.daemons], [0, 0], "exit codes of culvertd")
        if "--no-benchmark" not in sys.argv:
            benchmark()
    except (Failed, LabError) as error:
        print(f"   ✗ {error}", flush=True)
        return 1
    print(f"\n{bold('All of it was checked.')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
