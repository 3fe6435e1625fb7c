#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Identities: short-lived SVIDs rotated under connections, and OpenSSL as a peer on either side."""

import pathlib
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import certificates  # noqa: E402
from lab.settings import patience, scaled  # noqa: E402
from lab.suite import Suite, check, equal, eventually  # noqa: E402

suite = Suite("identity")
PORT = 9001
TTL = int(10 * min(3, patience()))  # seconds; renewed at half


def setup(lab):
    lab.pod("client", "a")
    server = lab.pod("server", "b")
    lab.service("server", [server], {PORT: PORT})
    lab.pod("outsider", "a", outside=True)
    for daemon in lab.daemons:
        daemon.configure(identity={"authority": {"directory": str(lab.authority), "ttl": f"{TTL}s"}})
    server.spawn("peer.serve", port=PORT, canary=lab.canary).ready()


suite.setup = setup


def case(name, timeout=180):
    return suite.case(name, timeout, mesh=True)


def talk(lab, function, **arguments):
    return lab.pods["client"].spawn(f"talk.{function}", host=lab.pods["server"].ip4, port=PORT, **arguments)


def s_client(lab, words, files=None, address=None):
    """What openssl s_client says when the outsider asks the server's port."""
    pair = f"-cert {files}/tls.crt -key {files}/tls.key -CAfile {files}/ca.crt -verify_return_error" \
        if files else ""
    host = address or lab.pods["server"].ip4
    host = f"[{host}]" if ":" in host else host
    done = lab.pods["outsider"].try_run(
        "sh", "-c", f"(echo '{words}'; sleep {min(10, 1 * patience())}) | "
        f"openssl s_client -connect {host}:{PORT} -tls1_3 {pair} 2>&1")
    return done.stdout


def server_certificate(lab, files):
    """Text of the certificate that the server's pod shows."""
    said = s_client(lab, "ended", files)
    pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", said, re.S)
    check(pem, f"no certificate: {said[-1000:]}")
    return lab.pods["outsider"].run("openssl", "x509", "-noout", "-text", input=pem[0])


@case("openssl s_client with a pod's certificate is a client like any other")
def bare_client(lab):
    files = certificates.issue(lab, lab.pods["outsider"].spiffe_id)
    for address in (lab.pods["server"].ip4, lab.pods["server"].ip6):
        said = s_client(lab, f"echo\n{lab.canary}", files, address)
        check(said.count(lab.canary) >= 1 and "Verify return code: 0 (ok)" in said, said[-1500:])
        check("TLSv1.3" in said, f"not TLS 1.3: {said[-1500:]}")
    text = server_certificate(lab, files)
    check(f"URI:{lab.pods['server'].spiffe_id}" in text, f"the server's certificate: {text}")


@case("openssl s_server stands in for a pod outside")
def bare_server(lab):
    outsider = lab.pods["outsider"]
    files = certificates.issue(lab, outsider.spiffe_id)
    page = lab.scratch / "page"
    page.write_text(f"HTTP/1.0 200 OK\r\n\r\n{lab.canary}\n")
    server = outsider.start("openssl", "s_server", "-accept", "8443", "-cert", files / "tls.crt", "-key",
                            files / "tls.key", "-CAfile", files / "ca.crt", "-Verify", "3", "-tls1_3",
                            "-verify_return_error", "-HTTP", cwd=lab.scratch)
    eventually("s_server listens", lambda: "ACCEPT" in server.output())
    for address in (outsider.ip4, f"[{outsider.ip6}]"):
        said = lab.pods["client"].run("curl", "-sS", "--noproxy", "*", f"http://{address}:8443/page")
        check(lab.canary in said, f"curl said {said!r}; s_server: {server.tail()}")
    server.stop()


@case("SVIDs rotate: long connections live on, new ones work, idle tunnels end")
def rotation(lab):
    files = certificates.issue(lab, lab.pods["outsider"].spiffe_id)
    seconds = 3 * TTL
    running = talk(lab, "long_echo", canary=lab.canary, least=seconds + 1)
    running.ready()
    serials, made = set(), lab.wire.connections(PORT)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = talk(lab, "many", canary=lab.canary, count=scaled(20, 3)).result()
        equal(set(seen), {"ok"}, "outcomes of new connections")
        text = server_certificate(lab, files)
        serials.add(re.search(r"Serial Number:\s*(\S+)", text)[1])
        time.sleep(1)
    check(running.finish() > seconds, "the long connection did not go on")
    check(3 <= len(serials) <= 9, f"{len(serials)} certificates of the server in {seconds} s")
    # s_client's own connections are one a round; the client pod's tunnels must be more than one.
    check(lab.wire.connections(PORT) - made >= 3 + len(serials), "tunnels outlived their certificates")
    for daemon in lab.daemons:
        soonest = min(value for (name, _), value in daemon.metrics().items()
                      if name == "culvert_svid_expiry_timestamp_seconds")
        check(time.time() < soonest < time.time() + TTL + 1, "expiry metric is not in the lifetime")


@case("the authority's files: made once, private, shared by both nodes")
def authority(lab):
    equal((lab.authority / "ca.key").stat().st_mode & 0o777, 0o600, "mode of ca.key")
    before = (lab.authority / "ca.crt").read_bytes()
    for daemon in lab.daemons:
        daemon.restart()
    equal((lab.authority / "ca.crt").read_bytes(), before, "ca.crt after both restarted")
    talk(lab, "echo", canary=lab.canary).result()


@case("resumption: later handshakes are resumed, and still the right identity")
def resumption(lab):
    saved = dict(lab.a.daemon.settings)
    lab.a.daemon.configure(tunnel={"records": lab.a.daemon.configuration()["tunnel"]["records"],
                                   "reuse": {"idleMax": 0}})
    lab.a.daemon.restart()
    try:
        before = lab.a.daemon.metric("culvert_handshakes_total", side="client", resumed="true")
        equal(talk(lab, "many", canary=lab.canary, count=10).result(), {"ok": 10}, "connections")
        after = lab.a.daemon.metric("culvert_handshakes_total", side="client", resumed="true")
        check(after - before >= 7, f"{after - before:.0f} of 10 handshakes were resumed")
    finally:
        lab.a.daemon.settings = saved
        lab.a.daemon.restart()


if __name__ == "__main__":
    sys.exit(suite.main())
