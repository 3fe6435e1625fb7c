# SPDX-License-Identifier: Apache-2.0
"""What is compared: the same two pods on two nodes, with nothing, a pair of haproxy sidecars, or
culvert between them. Each peer has a lab of its own, so all can be up at once."""

import json
import os
import pathlib
import subprocess
import time

from lab import Lab, LabError
from lab.process import Place
from lab.settings import build_directory
from lab.system import inside, run, wait_for
from lab.wire import Wire
from rows import TUNNELS

BASE_PORT = 9000  # of bench_load's services: echo, sink, echo-fresh
TITLES = {"direct": "plain TCP", "plain": "haproxy", "splice": "haproxy splice",
          "tls": "haproxy TLS", "userspace": "culvert userspace", "kernel": "culvert kernel"}
FILES_BESIDE_CONNECTIONS = 300  # descriptors a proxy needs for anything but its connections


class Peer:
    """`key` names it in options and results; `mesh` are the cgroups that are billed to it."""

    in_clear = True  # what the wire must show

    def __init__(self, key, lab_name, meshed=False):
        self.key, self.title = key, TITLES[key]
        self.lab = Lab(lab_name, meshed=meshed)
        self.mesh = []

    def up(self):
        self.lab.up()
        self.client = self.lab.pod("client", "a")
        self.server = self.lab.pod("server", "b")
        for pod in (self.client, self.server):
            tune(pod)
        self.server.start(load_program(), "serve", BASE_PORT)
        self.start()
        self.wait_ready()

    def start(self):
        """Starts what is between the pods."""

    def down(self):
        self.lab.down()

    def pids(self):
        """The daemons, whose memory is read."""
        return []

    def wait_ready(self):
        def works():
            return self.try_load("connects", 1, 1, 0, 0.01).returncode == 0
        wait_for(f"{self.title} to pass a connection", works, 20, every=0.2)

    def try_load(self, mode, *numbers, timeout=60):
        words = (load_program(), mode, self.server.ip4, BASE_PORT, *numbers)
        groups = (self.client.cgroup, self.server.cgroup, *self.mesh) if mode != "idle" else ()
        return self.client.try_run(*words, *groups, timeout=timeout)

    def load(self, row, warm, window):
        """One measurement: bench_load's answer."""
        mode, count, size = row.load
        done = self.try_load(mode, count, size, warm, window, timeout=window + warm + 60)
        if done.returncode != 0:
            raise LabError(f"{self.title}, {row.name}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def memory(self):
        """[{Rss, Pss} in KiB] of each daemon."""
        return [memory_of(pid) for pid in self.pids()]

    def idle_kib(self, count):
        """Resident KiB of both daemons together while `count` connections are open and idle."""
        command = self.client.command(
            [load_program(), "idle", self.server.ip4, BASE_PORT, count])
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as holder:
            try:
                if holder.stdout.readline() != "ready\n":
                    raise LabError(f"{self.title}, {count} idle: {holder.stderr.read().strip()}")
                time.sleep(1.5)  # buffers of the last exchanges go back
                return sum(each["Rss"] for each in self.memory())
            finally:
                holder.stdin.close()
                holder.wait(60)

    def check_wire(self):
        """The wire must show what the peer claims: the payload in clear, or not at all."""
        payload = "b" * 64
        with Wire(self.lab, [payload]) as wire:
            self.try_load("bulk", 1, 1024, 0, 0.05)
            seen = wire.stop()
        clear = seen["canaries"].get(payload, 0) > 0
        if seen["bytes"] < 10000 or clear != self.in_clear:
            raise LabError(f"{self.title}: {seen['bytes']} bytes were on the wire, the payload in "
                           f"clear was {'' if clear else 'not '}among them")


class Sidecars(Peer):
    """haproxy in both pods' namespaces; nft leads the connections through them, as sidecar
    injection does. Both verify the other's certificate and its name."""

    def __init__(self, key, lab_name, threads):
        super().__init__(key, lab_name)
        self.threads, self.tls, self.splice = threads, key == "tls", key == "splice"
        self.in_clear = not self.tls
        self.processes = []

    def start(self):
        if self.tls:
            make_certificates(self.lab.directory)
        first, fresh = BASE_PORT, BASE_PORT + 2
        steer(self.client, "output", f"""
            meta skuid haproxy accept
            ip daddr {self.server.ip4} tcp dport {first}-{fresh - 1} redirect to :15001
            ip daddr {self.server.ip4} tcp dport {fresh} redirect to :15002""")
        steer(self.server, "prerouting",
              f'iifname "eth0" tcp dport {first}-{fresh} redirect to :15006')
        self._start(self.client, self._outbound())
        self._start(self.server, self._inbound())

    def _start(self, pod, sections):
        config = self.lab.directory / f"haproxy-{pod.name}.cfg"
        config.write_text(self._common() + sections)
        group = pod.node.cgroup / f"sidecar-{pod.name}"
        group.mkdir()
        place = Place(f"sidecar-{pod.name}", pod.netns, group, self.lab.directory)
        self.processes.append(place.start("haproxy", "-db", "-f", config))
        self.mesh.append(group)

    def _common(self):
        return f"""global
  nbthread {self.threads}
  maxconn {connections_most()}
  maxpipes 32
  user haproxy
  group haproxy
defaults
  mode tcp
  {"option splice-request" if self.splice else ""}
  {"option splice-response" if self.splice else ""}
  timeout connect 10s
  timeout client 1h
  timeout server 1h
"""

    def _outbound(self):
        """0.0.0.0:0 is the address the application asked for."""
        tls = (f"ssl {self._material('client')} verifyhost server" if self.tls else "")
        fresh = "no-ssl-reuse" if self.tls else ""
        return f"""listen outbound
  bind 127.0.0.1:15001
  server peer 0.0.0.0:0 {tls}
listen outbound-without-resumption
  bind 127.0.0.1:15002
  server peer 0.0.0.0:0 {tls} {fresh}
"""

    def _inbound(self):
        tls = f"ssl {self._material('server')} curves X25519" if self.tls else ""
        named = "tcp-request session reject unless { ssl_c_s_dn(cn) client }" if self.tls else ""
        return f"""listen inbound
  bind :15006 {tls}
  {named}
  server application 127.0.0.1
"""

    def _material(self, name):
        directory = self.lab.directory
        return (f"crt {directory}/{name}.pem ca-file {directory}/ca.crt verify required "
                "ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256")

    def pids(self):
        return [process.pid for process in self.processes]


class Culvert(Peer):
    """Two culvertd. `tunnels`: see rows.Row; the knobs are those of the configuration."""

    in_clear = False
    start_timeout = 30

    def __init__(self, key, lab_name, threads, tunnels):
        super().__init__(key, lab_name, meshed=True)
        self.title += "" if tunnels == "warm" else f" ({tunnels})"
        self.threads, self.tunnels = threads, tunnels

    def start(self):
        tunnel = {"records": self.key, "cipherSuites": ["TLS_AES_128_GCM_SHA256"]}
        if self.tunnels != "warm":
            tunnel["reuse"] = {"idleMax": 0}
        if self.tunnels == "full":
            tunnel["resumption"] = False
        for node in self.lab.nodes.values():
            # haproxy logs nothing here, so neither does culvertd
            node.daemon.configure(tunnel=tunnel, dataThreads=self.threads,
                                  log={"level": "warn", "format": "text"})
            self.mesh.append(node.daemon_place.cgroup)
        self.lab.start_daemons(self.start_timeout)

    def load(self, row, warm, window):
        before = self._handshakes()
        sample = super().load(row, warm, window)
        if row.load[0].startswith("connects"):
            full, resumed = (now - then for now, then in zip(self._handshakes(), before))
            self._check_tunnels(sample["connections"], full, resumed)
        return sample

    def _handshakes(self):
        """(full, resumed) so far, by the client side's daemon."""
        return tuple(self.lab.a.daemon.metric("culvert_handshakes_total", side="client",
                                              result="success", resumed=resumed)
                     for resumed in ("false", "true"))

    def _check_tunnels(self, connections, full, resumed):
        """The row is what its title says: this kind of tunnel, but for a few at the start."""
        expected = {"warm": connections - full - resumed, "resumed": resumed, "full": full}
        if expected[self.tunnels] < 0.95 * connections:
            raise LabError(f"{self.title}: {connections} connections made {full:.0f} full and "
                           f"{resumed:.0f} resumed handshakes; {self.tunnels} tunnels expected")

    def pids(self):
        return [daemon.pid for daemon in self.lab.daemons]


def load_program():
    return build_directory() / "bench_load"


def connections_most():
    """How many connections a proxy can hold: two descriptors each."""
    limit = int(run("sh", "-c", "ulimit -Hn").strip().replace("unlimited", "1000000"))
    return min(20000, (limit - FILES_BESIDE_CONNECTIONS) // 2)


def kernel_records():
    """Whether the kernel has the `tls` module, which the kernel engine needs."""
    return "tls" in pathlib.Path("/proc/sys/net/ipv4/tcp_available_ulp").read_text().split()


def tune(pod):
    """New connections by the thousand need ports that come back; the same for every peer."""
    with inside(pod.netns):
        settings = pathlib.Path("/proc/sys/net")
        (settings / "ipv4/ip_local_port_range").write_text("16384 65000")
        (settings / "ipv4/tcp_tw_reuse").write_text("1")


def steer(pod, hook, rules):
    table = (f"table ip sidecar {{ chain steer {{ type nat hook {hook} priority -100;\n"
             f"{rules}\n}}\n}}\n")
    run("nsenter", f"--net=/run/netns/{pod.netns}", "nft", "-f", "-", input=table)
    timeout = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_"
    with inside(pod.netns):  # else the table of connections is full of dead ones
        for state in ("time_wait", "close", "fin_wait", "last_ack", "close_wait"):
            pathlib.Path(timeout + state).write_text("1")


def make_certificates(directory):
    """A P-256 root and a P-256 leaf for each side: ca.crt, client.pem, server.pem."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    root = ("-CA", directory / "ca.crt", "-CAkey", directory / "ca.key")
    run("openssl", "req", "-x509", *key, "-subj", "/CN=bench root",
        "-keyout", directory / "ca.key", "-out", directory / "ca.crt")
    for name in ("client", "server"):
        run("openssl", "req", "-x509", *root, *key, "-subj", f"/CN={name}",
            "-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=CA:FALSE",
            "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.crt")
        both = [(directory / f"{name}.{part}").read_text() for part in ("crt", "key")]
        (directory / f"{name}.pem").write_text("".join(both))


def memory_of(pid):
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("Rss", "Pss"):
            found[name] = int(rest.split()[0])
    return found


def make_peers(keys, threads, rows):
    """The peers in this order. culvert is there once for each kind of tunnel that the rows need."""
    mark = f"bench{os.getpid()}"
    made = []
    for key in keys:
        if key == "direct":
            made.append(Peer(key, mark + "d"))
        elif key in ("plain", "splice", "tls"):
            made.append(Sidecars(key, mark + key[0], threads))
        else:
            for tunnels in [word for word in TUNNELS if word in {row.tunnels for row in rows}]:
                made.append(Culvert(key, mark + key[0] + tunnels[0], threads, tunnels))
    return made
