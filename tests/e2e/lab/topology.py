# SPDX-License-Identifier: Apache-2.0
"""Two nodes on one machine.

    node a: netns culvert-<lab>-a          node b: netns culvert-<lab>-b
      br0 10.77.1.1  fd77:0:0:1::1           br0 10.77.2.1  fd77:0:0:2::1
       |    |                                 |    |
      pod  pod   (netns <lab>-<pod>, eth0)   pod  pod
      wire 10.77.0.1 fd77::1  ===== veth =====  wire 10.77.0.2 fd77::2

The wire is routed. Services (10.96.0.N, fd77:96::N) exist nowhere: only culvertd knows them.

    <cgroup2>/culvert-lab/<lab>/node-<x>/pods/<pod>   the pods' programs; the daemon's `cgroup:`
                                        /daemon       culvertd
                                        /host         programs of the node, and of no pod
                               /outside/<pod>         machines that are not nodes of ours
    /var/lib/culvert-lab/<lab>/                       resources/, authority/, logs, scratch, owner
    /sys/fs/bpf/culvert/<lab>-<x>, /run/culvert/<lab>-<x>
"""

import pathlib
import shutil

from . import manifests, sweep
from .daemon import Daemon
from .process import Place
from .settings import patience
from .system import (LabError, cgroup2_root, end_cgroup, inside, make_netns, mount_bpffs,
                     netns_path, raise_file_limit, remove_netns, run, wait_for)


class Node:
    def __init__(self, lab, letter):
        self.lab, self.letter, self.number = lab, letter, "ab".index(letter) + 1
        self.node_name = f"node-{letter}"
        self.netns = f"culvert-{lab.name}-{letter}"
        self.cgroup = lab.cgroup / self.node_name
        self.pods_cgroup = self.cgroup / "pods"
        self.bpffs = pathlib.Path(f"/sys/fs/bpf/culvert/{lab.name}-{letter}")
        self.runtime_directory = pathlib.Path(f"/run/culvert/{lab.name}-{letter}")
        self.ip4, self.ip6 = f"10.77.{self.number}.1", f"fd77:0:0:{self.number}::1"
        self.host = Place(self.node_name, self.netns, self.cgroup / "host", lab.directory)
        self.daemon_place = Place(f"culvertd-{letter}", self.netns, self.cgroup / "daemon",
                                  lab.directory)
        self.daemon = Daemon(self, lab)

    def up(self):
        for group in ("pods", "daemon", "host"):
            (self.cgroup / group).mkdir(parents=True)
        self.runtime_directory.parent.mkdir(parents=True, exist_ok=True)
        self.lab.note("netns", self.netns)
        make_netns(self.netns)
        with inside(self.netns):
            for family in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                pathlib.Path("/proc/sys/net", family).write_text("1")
        # An address of its own: else a bridge takes the lowest of its ports', and a pod that comes later
        # leaves the others with a gateway that is not there any more, for seconds.
        self.ip("link", "add", "br0", "address", f"02:77:00:00:00:0{self.number}", "type", "bridge",
                "forward_delay", 0, "mcast_snooping", 0)
        self.ip("addr", "add", f"{self.ip4}/24", "dev", "br0")
        self.ip("addr", "add", f"{self.ip6}/64", "dev", "br0", "nodad")
        self.ip("link", "set", "br0", "up")

    def join_wire(self):
        """Also again, after the link was down, which takes routes and IPv6 addresses along."""
        me, other = self.number, 3 - self.number
        self.ip("addr", "replace", f"10.77.0.{me}/24", "dev", "wire")
        self.ip("link", "set", "wire", "up")
        self.ip("addr", "replace", f"fd77::{me}/64", "dev", "wire", "nodad")
        self.ip("route", "replace", f"10.77.{other}.0/24", "via", f"10.77.0.{other}")
        self.ip("-6", "route", "replace", f"fd77:0:0:{other}::/64", "via", f"fd77::{other}")

    def ip(self, *words):
        run("ip", "-n", self.netns, *words)


class Pod(Place):
    """A namespace on a node's bridge, with programs in it. `outside`: no node of ours knows it."""

    def __init__(self, lab, node, name, number, options):
        self.lab, self.node = lab, node
        self.namespace = options.pop("namespace", "shop")
        self.service_account = options.pop("service_account", name)
        self.app = options.pop("app", name)
        self.labels = options.pop("labels", {})
        self.probes = options.pop("probes", {})  # of its container, as in the manifest
        self.outside = options.pop("outside", False)
        self.listed = options.pop("listed", True)
        if options:
            raise LabError(f"pod {name}: unknown options {', '.join(options)}")
        self.node_name = "elsewhere" if self.outside else node.node_name
        self._set_number(number)
        above = lab.cgroup / "outside" if self.outside else node.pods_cgroup
        super().__init__(name, f"{lab.name}-{name}", above / name, lab.directory)

    def _set_number(self, number):
        self.number = number
        self.ip4 = f"10.77.{self.node.number}.{number}"
        self.ip6 = f"fd77:0:0:{self.node.number}::{number}"

    @property
    def spiffe_id(self):
        return f"spiffe://cluster.local/ns/{self.namespace}/sa/{self.service_account}"

    @property
    def key(self):
        return f"{self.namespace}/{self.name}"

    def up(self):
        self.cgroup.mkdir(parents=True)
        self.lab.note("netns", self.netns)
        make_netns(self.netns)
        port = f"veth-{self.name}"[:15]
        self.node.ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.netns)
        self.node.ip("link", "set", port, "master", "br0", "up")
        self.ip("link", "set", "eth0", "up")
        self._add_addresses()
        if self.listed:
            self.write()
        return self

    def _add_addresses(self):
        self.ip("addr", "add", f"{self.ip4}/24", "dev", "eth0")
        self.ip("addr", "add", f"{self.ip6}/64", "dev", "eth0", "nodad")
        self.ip("route", "replace", "default", "via", self.node.ip4)
        self.ip("-6", "route", "replace", "default", "via", self.node.ip6)
        # What a network plugin does by a gratuitous ARP: nobody remembers who had the address before.
        self.node.ip("neigh", "flush", "dev", "br0")

    def ip(self, *words):
        run("ip", "-n", self.netns, *words)

    def write(self):
        """The manifest as it should be now."""
        path = None if self.outside else netns_path(self.netns)
        manifests.write(self.lab.resources, f"pod-{self.namespace}-{self.name}",
                        manifests.pod(self, self.node_name, path))

    def relabel(self, **labels):
        self.labels = labels
        self.write()

    def mesh(self, enabled):
        self.relabel(**{"culvert.dev/mesh": "enabled" if enabled else "disabled"})

    def unlist(self):
        """The manifest goes; namespace and programs stay."""
        path = self.lab.resources / f"pod-{self.namespace}-{self.name}.yaml"
        path.unlink(missing_ok=True)

    def move(self, number=None):
        """Another address, as when a pod was made anew."""
        self.ip("addr", "flush", "dev", "eth0", "scope", "global")
        self._set_number(number or self.lab.next_number())
        self._add_addresses()
        self.write()

    def remove(self):
        """Manifest, programs, namespace: all of the pod."""
        self.unlist()
        end_cgroup(self.cgroup)
        remove_netns(self.netns)
        self.lab.pods.pop(self.name, None)


class Service:
    """A cluster IP of each family; `ports` maps its ports to those of the pods."""

    def __init__(self, lab, name, pods, ports, number, namespace="shop"):
        self.lab, self.name, self.namespace = lab, name, namespace
        self.pods, self.ports, self.not_ready = list(pods), dict(ports), set()
        self.ip4, self.ip6 = f"10.96.0.{number}", f"fd77:96::{number}"

    def write(self):
        manifests.write(self.lab.resources, f"service-{self.namespace}-{self.name}",
                        manifests.service(self), *manifests.endpoint_slices(self))

    def remove(self):
        (self.lab.resources / f"service-{self.namespace}-{self.name}.yaml").unlink(missing_ok=True)


class Lab:
    """Use as a context manager. `owned`: ends with this program; whatever kills it, the next lab to
    start on this machine removes what is left."""

    def __init__(self, name, meshed=True, owned=True):
        sweep.check_name(name)
        self.name, self.meshed, self.owned = name, meshed, owned
        self.directory = sweep.ROOT / name
        self.resources = self.directory / "resources"
        self.authority = self.directory / "authority"
        self.scratch = self.directory / "scratch"
        self.cgroup = cgroup2_root() / "culvert-lab" / name
        self.nodes = {letter: Node(self, letter) for letter in "ab"}
        self.pods, self.services = {}, {}
        self._number = 9

    @property
    def a(self):
        return self.nodes["a"]

    @property
    def b(self):
        return self.nodes["b"]

    @property
    def daemons(self):
        return [node.daemon for node in self.nodes.values()]

    def __enter__(self):
        try:
            return self.up()
        except BaseException:
            self.down()
            raise

    def __exit__(self, *_):
        self.down()

    def up(self):
        raise_file_limit()
        sweep.down_abandoned()
        sweep.down(self.name)
        sweep.claim(self.name, (self.resources, self.authority, self.scratch), self.owned)
        self.scratch.chmod(0o755)
        self.authority.chmod(0o700)
        with sweep.alone():
            mount_bpffs()
        for node in self.nodes.values():
            node.up()
        run("ip", "-n", self.a.netns, "link", "add", "wire", "type", "veth",
            "peer", "name", "wire", "netns", self.b.netns)
        for node in self.nodes.values():
            node.join_wire()
        self.namespace("shop")
        return self

    def down(self):
        sweep.down(self.name)

    def note(self, kind, name):
        """Remembers what is about to be made, for whoever has to clean up."""
        with open(self.directory / kind, "a", encoding="utf-8") as notes:
            notes.write(name + "\n")

    def next_number(self):
        self._number += 1
        return self._number

    def namespace(self, name, meshed=None):
        meshed = self.meshed if meshed is None else meshed
        manifests.write(self.resources, f"namespace-{name}", manifests.namespace(name, meshed))

    def pod(self, name, node, **options):
        pod = Pod(self, self.nodes[node], name, self.next_number(), options)
        self.pods[name] = pod
        return pod.up()

    def service(self, name, pods, ports, **options):
        service = Service(self, name, pods, ports, len(self.services) + 10, **options)
        self.services[name] = service
        service.write()
        return service

    def settle(self, timeout=5):
        """Waits until every daemon knows every listed pod as the manifests have it."""
        wanted = {(pod.namespace, pod.name, pod.ip4) for pod in self.pods.values() if pod.listed}

        def known(daemon):
            has = daemon.ask("workloads")["workloads"]
            return wanted <= {(workload["namespace"], workload["name"], address)
                              for workload in has for address in workload["addresses"]}
        for daemon in self.daemons:
            wait_for(f"{daemon.node.node_name} to know {sorted(wanted)}", lambda: known(daemon),
                     timeout * patience())

    def start_daemons(self, timeout=30):
        """Both at once, then waits for both."""
        if self.meshed:
            for daemon in self.daemons:
                daemon.start(wait=False)
            for daemon in self.daemons:
                daemon.wait_ready(timeout)

    def stop_daemons(self):
        for daemon in self.daemons:
            if daemon.running():
                daemon.stop()

    def scratch_for(self, user=None, name=None):
        """A directory of its own for a program's data."""
        self._number_of_scratch = getattr(self, "_number_of_scratch", 0) + 1
        directory = self.scratch / (name or f"data-{self._number_of_scratch}")
        directory.mkdir()
        if user:
            shutil.chown(directory, user, user)
        return directory

    def cut_wire(self):
        self.a.ip("link", "set", "wire", "down")

    def mend_wire(self):
        for node in self.nodes.values():
            node.join_wire()
