#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real applications, unchanged, across two nodes: by pod address and Service, IPv4 and IPv6.

Node a: client, client2 (programs that ask). Node b: web, cache, db, files, tools (servers). Every
server is started when the first case needs it.
"""

import hashlib
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import servers  # noqa: E402
from lab.settings import build_directory, scale, scaled  # noqa: E402
from lab.suite import Suite, check, equal, target  # noqa: E402

suite = Suite("apps")
BIG = scaled(100 << 20, 1 << 20)
IPERF_PAYLOAD = "0123456789" * 4  # what iperf3 --repeating-payload sends
PORTS = {"web": (80, 443, 8080), "cache": (6379,), "db": (5432, 3306), "tools": (22, 5201, 9000, 9001)}


def setup(lab):
    for name in ("client", "client2"):
        lab.pod(name, "a")
    for name, ports in PORTS.items():
        pod = lab.pod(name, "b")
        lab.service(name, [pod], {port: port for port in ports})
    lab.canaries.append(IPERF_PAYLOAD)
    lab.running = {}
    lab.big = (lab.canary + "\n").encode() * (BIG // (len(lab.canary) + 1))


suite.setup = setup


def server(lab, name):
    """The application, started once."""
    starts = {
        "nginx": lambda: servers.nginx(lab.pods["web"], {
            "index.html": f"<h1>{lab.canary}</h1>\n".encode(), "big": lab.big}),
        "redis": lambda: servers.redis(lab.pods["cache"]),
        "postgresql": lambda: servers.postgresql(lab.pods["db"]),
        "mariadb": lambda: servers.mariadb(
            lab.pods["db"], [lab.pods["client"].ip4, lab.pods["client"].ip6]),
        "openssh": lambda: servers.openssh(lab.pods["tools"]),
        "iperf3": lambda: servers.iperf3(lab.pods["tools"]),
        "peer": lambda: _peer(lab),
    }
    if name not in lab.running:
        lab.running[name] = starts[name]()
    return lab.running[name]


def _peer(lab):
    process = lab.pods["tools"].spawn("peer.serve", port=9001, canary=lab.canary)
    process.ready()
    return process


def curl(lab, *words, timeout=60, pod="client", binary=False):
    return lab.pods[pod].run("curl", "-sS", "--fail", "--noproxy", "*", *words, timeout=timeout,
                             binary=binary)


@suite.each_way("nginx: page", "web")
def nginx_page(lab, to):
    web = server(lab, "nginx")
    page = curl(lab, f"http://{to.url}/")
    check(lab.canary in page, f"not the page: {page!r}")
    seen = (web.directory / "access.log").read_text().splitlines()[-1].split()
    equal(seen[0], to.client_address(lab.pods["client"]), "client address in nginx's log")


@suite.each_way("nginx: 100 requests on one connection", "web")
def nginx_keepalive(lab, to):
    server(lab, "nginx")
    said = curl(lab, *[f"http://{to.url}/"] * 100, "-w", "connects=%{num_connects}\n")
    equal(said.count(lab.canary), 100, "pages")
    equal(said.count("connects=1"), 1, "connections made")


@suite.each_way("nginx: 100 MB download by hash", "web", timeout=300)
def nginx_download(lab, to):
    server(lab, "nginx")
    got = curl(lab, f"http://{to.url}/big", timeout=240, binary=True)
    equal(hashlib.sha256(got).hexdigest(), hashlib.sha256(lab.big).hexdigest(), "hash")


@suite.each_way("nginx: upload by hash", "web", timeout=300)
def nginx_upload(lab, to):
    web = server(lab, "nginx")
    source = lab.scratch / "upload-source"
    source.write_bytes(lab.big)
    curl(lab, "-T", source, f"http://{to.url}/upload/file", timeout=240)
    stored = (web.directory / "html" / "upload" / "file").read_bytes()
    equal(hashlib.sha256(stored).hexdigest(), hashlib.sha256(lab.big).hexdigest(), "hash")


@suite.each_way("HTTP/2 cleartext: curl and nghttp to nginx", "web")
def http2(lab, to):
    server(lab, "nginx")
    page = curl(lab, "--http2-prior-knowledge", "-w", "version=%{http_version}", f"http://{to.url}:8080/")
    check(lab.canary in page and "version=2" in page, f"not by HTTP/2: {page!r}")
    streams = lab.pods["client"].run("nghttp", "-n", "-s", "-m", 20, f"http://{to.url}:8080/")
    equal(streams.count(" 200 "), 20, "answers to 20 streams")


@suite.each_way("nginx with TLS of its own: TLS inside the tunnel", "web")
def nginx_tls(lab, to):
    web = server(lab, "nginx")
    page = curl(lab, "--cacert", web.directory / "tls.crt", "--connect-to", f"::{to.url}:443",
                "https://web.test/")
    check(lab.canary in page, f"not the page: {page!r}")


@suite.each_way("redis: set, get, redis-benchmark with pipelining", "cache")
def redis(lab, to):
    server(lab, "redis")
    client = lab.pods["client"]
    client.run("redis-cli", "-h", to.address, "set", "key", lab.canary)
    equal(client.run("redis-cli", "-h", to.address, "get", "key").strip(), lab.canary, "value")
    said = client.run("redis-benchmark", "-h", to.address, "-n", scaled(100000, 500), "-P", 16,
                      "-c", scaled(50, 10), "-t", "set,get", "-d", 64, "-q", timeout=120)
    equal(said.count("requests per second"), 2, f"lines of redis-benchmark ({said!r})")


@suite.each_way("PostgreSQL: psql and pgbench", "db", timeout=240)
def postgresql(lab, to):
    server(lab, "postgresql")
    client = lab.pods["client"]
    psql, pgbench = (servers.postgresql_program(name) for name in ("psql", "pgbench"))
    login = ["-h", to.address, "-U", "postgres"]
    said = client.run(psql, *login, "-At", "-c", f"select '{lab.canary}', inet_client_addr()")
    equal(said.strip(), f"{lab.canary}|{to.client_address(client)}", "answer")
    if "pgbench" not in lab.running:
        lab.running["pgbench"] = client.run(pgbench, *login, "-i", "-q", "postgres", timeout=120)
    each = scaled(500, 20)
    said = client.run(pgbench, *login, "-c", 4, "-t", each, "postgres", timeout=120)
    check(f"{4 * each}/{4 * each}" in said, f"not all transactions: {said}")


@suite.each_way("MariaDB: the server speaks first, and knows the client's address", "db", timeout=240)
def mariadb(lab, to):
    server(lab, "mariadb")
    client = lab.pods["client"]
    said = client.run("mariadb", "--no-defaults", "-h", to.address, "-ulab", "-N", "-B", "-e",
                      f"select '{lab.canary}', user(), repeat('x', 1000000)")
    canary, user, long = said.split()
    equal((canary, user), (lab.canary, f"lab@{to.client_address(client)}"), "answer")
    equal(len(long), 1000000, "long column")


SSH = ["-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
       "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"]


@suite.each_way("OpenSSH: a command with 20 MB, and an interactive terminal", "tools")
def openssh(lab, to):
    identity = server(lab, "openssh").identity
    client = lab.pods["client"]
    login = ["ssh", *SSH, "-i", identity, f"root@{to.address}"]
    size = scaled(20 << 20, 1 << 18)
    got = client.run(*login, f"head -c {size} /dev/zero; echo $SSH_CLIENT", binary=True)
    equal(got[:size].count(0), size, "zeros")
    equal(got[size:].split()[0].decode(), to.client_address(client), "SSH_CLIENT")
    said = client.call("terminal.session", command=[str(word) for word in [login[0], "-tt", *login[1:]]],
                       lines=["stty size", f"echo {lab.canary}", "exit 7"])
    check(lab.canary in said["output"], f"terminal said {said['output']!r}")
    equal(said["exit"], 7, "exit code of the shell")


@suite.each_way("iperf3: forward, reverse, both at once", "tools")
def iperf3(lab, to):
    server(lab, "iperf3")
    amount = scaled(256 << 20, 1 << 20)
    for direction in ([], ["-R"], ["--bidir"]):
        said = lab.pods["client"].run("iperf3", "-c", to.address, "-n", amount, "--repeating-payload",
                                      "-P", 2, *direction, timeout=120)
        check("iperf Done." in said, f"iperf3 {direction}: {said[-500:]}")


@suite.each_way("nc -N: half-close", "tools")
def netcat(lab, to):
    reply = lab.scratch / "reply"
    reply.write_bytes((lab.canary + " reply\n").encode() * 20000)
    received = lab.scratch / "received"
    listener = lab.pods["tools"].start(
        "sh", "-c", f"exec nc -l -N {'-6 ::' if to.v6 else '0.0.0.0'} 9000 <{reply} >{received}")
    servers.listening(lab.pods["tools"], 9000, listener)
    request = (lab.canary + " request\n").encode() * 20000
    got = lab.pods["client"].run("nc", "-N", to.address, 9000, input=request, binary=True)
    equal(listener.wait(), 0, "exit code of the listening nc")
    equal(len(got), len(reply.read_bytes()), "bytes of the reply")
    check(got == reply.read_bytes() and received.read_bytes() == request, "not the right bytes")


@suite.each_way("ends writing, then reads 50 MB", "tools")
def half_close(lab, to):
    server(lab, "peer")
    lab.pods["client"].call("talk.get", host=to.address, port=9001, size=scaled(50 << 20, 1 << 20),
                            canary=lab.canary, words="after-end")


@suite.each_way("non-blocking connect and epoll: 200 connections at once", "tools")
def nonblocking(lab, to):
    server(lab, "peer")
    count = scaled(200, 20)
    equal(lab.pods["client"].call("talk.nonblocking", host=to.address, port=9001, canary=lab.canary,
                                  count=count), count, "connections that echoed")


@suite.each_way("io_uring: connect, send, receive", "tools")
def io_uring(lab, to):
    server(lab, "peer")
    program = build_directory() / "uring_client"
    equal(lab.pods["client"].run(program, to.address, 9001, lab.canary), lab.canary, "echo")


@suite.each_way("a statically linked program", "tools")
def static(lab, to):
    server(lab, "peer")
    program = build_directory() / "static_client"
    got = lab.pods["client"].run(program, to.address, 9001, "after-end 1000000")
    equal(len(got), 1000000, "bytes")


@suite.case("several applications at once", timeout=300)
def at_once(lab):
    for name in ("nginx", "redis", "postgresql", "peer"):
        server(lab, name)
    way = "service IPv6" if lab.meshed else "pod IPv6"
    web, cache, tools = (target(lab, name, way) for name in ("web", "cache", "tools"))
    loops = max(1, int(3 * scale()))
    amount = scaled(20 << 20, 1 << 20)
    started = [
        lab.pods["client"].start("sh", "-ec", f"for i in $(seq {loops}); do "
                                 f"curl -sS --fail http://{web.url}/big | cmp - {big_file(lab)}; done"),
        lab.pods["client2"].start("redis-benchmark", "-h", cache.address, "-n", scaled(100000, 500),
                                  "-P", 8, "-t", "set,get", "-q"),
        lab.pods["client"].spawn("talk.put", host=tools.address, port=9001, size=amount,
                                 canary=lab.canary),
        lab.pods["client2"].spawn("talk.get", host=tools.address, port=9001, size=amount,
                                  canary=lab.canary),
        lab.pods["client2"].spawn("talk.many", host=tools.address, port=9001, canary=lab.canary,
                                  count=scaled(300, 20), at_once=4),
    ]
    for process in started:
        equal(process.wait(240), 0, f"exit code of {process.name} ({process.tail(5)})")


def big_file(lab):
    return server(lab, "nginx").directory / "html" / "big"


@suite.case("same node: the pod beside, and the pod itself")
def same_node(lab):
    near = lab.pods["client2"].spawn("peer.serve", port=9001, canary=lab.canary)
    near.ready()
    for pod in ("client", "client2"):
        for address in (lab.pods["client2"].ip4, lab.pods["client2"].ip6):
            lab.pods[pod].call("talk.echo", host=address, port=9001, canary=lab.canary)
    near.stop()


@suite.case("a pod reaches itself through a Service", mesh=True)
def itself(lab):
    server(lab, "peer")
    for address in (lab.services["tools"].ip4, lab.services["tools"].ip6):
        lab.pods["tools"].call("talk.put", host=address, port=9001, size=1 << 20, canary=lab.canary)


@suite.case("the other way: node b asks node a")
def other_way(lab):
    near = lab.pods["client"].spawn("peer.serve", port=9001, canary=lab.canary)
    near.ready()
    for address in (lab.pods["client"].ip4, lab.pods["client"].ip6):
        lab.pods["web"].call("talk.put", host=address, port=9001, size=scaled(20 << 20, 1 << 20),
                             canary=lab.canary)
    near.stop()


if __name__ == "__main__":
    sys.exit(suite.main())
