# SPDX-License-Identifier: Apache-2.0
"""Two nodes with so many policies and workloads: what bench/policy measures on."""

import contextlib
import json
import pathlib
import signal

from lab import LabError
from lab.process import Place
from lab.settings import build_directory
from peers import BASE_PORT, Culvert, memory_of

PODS_OF_A_FILE = 1000
ONE_FILE, OWN_FILE = "policies", "changed"
# Which policy changes: of the pod that all policies are about, or of one with two of its own.
SUBJECTS = {"server": "shop", "desk": "till"}


class Cell(Culvert):
    """`policies` of them select the server, each for an identity of its own; `workloads` are pods of
    a third node, each with an identity of its own."""

    start_timeout = 300  # 100,000 manifests

    def __init__(self, lab_name, threads, policies, workloads):
        super().__init__("userspace", lab_name, threads, "warm")
        self.policies, self.workloads = policies, workloads
        self.name = f"{policies}x{workloads}"
        self.title = f"{plural(policies, 'policy', 'policies')}, {plural(workloads, 'workload', 'workloads')}"

    def start(self):
        self.lab.namespace("till")
        self.lab.namespace("far")
        self.desk = self.lab.pod("desk", "b", namespace="till")
        for first in range(0, self.workloads, PODS_OF_A_FILE):
            numbers = range(first, min(first + PODS_OF_A_FILE, self.workloads))
            write(self.lab.resources / f"far-{first // PODS_OF_A_FILE}.yaml", map(pod, numbers))
        self.put_policies()
        super().start()

    def put_policies(self):
        write(self.lab.resources / f"{ONE_FILE}.yaml", self.documents())

    def documents(self, changed=()):
        """All policies; those that change are in the middle."""
        allowed = [policy("shop", f"number-{number}", named(number), str(BASE_PORT), "server")
                   for number in range(self.policies)]
        allowed.append(policy("till", "number-0", named(0), str(BASE_PORT)))
        middle = len(allowed) // 2
        return [*allowed[:middle], *changed, *allowed[middle:]]

    def judge(self, mode, *words, timeout=600):
        """bench_policy about a pod of node b."""
        daemon, maps = self.lab.b.daemon.pid, self.lab.b.bpffs / "maps"
        return bench_policy(self.lab.b.host, mode, daemon, maps, *words, timeout=timeout)

    def kernel_ns(self, repeat):
        return self.judge("kernel", self.server.ip4, BASE_PORT, repeat)["ns"]

    def change_ms(self, subject, alone, count):
        """[milliseconds of each of `count` changes], and CPU milliseconds of the control thread for one.
        `alone`: in a file of its own, or in the file of all policies."""
        changing = policy(SUBJECTS[subject], "changed", None, "@PORT@", subject)
        model = self.lab.directory / "model"
        write(model, [changing] if alone else self.documents([changing]))
        target = self.lab.resources / f"{OWN_FILE if alone else ONE_FILE}.yaml"
        ip4 = (self.server if subject == "server" else self.desk).ip4
        other = self.lab.a.daemon  # in life it has a machine of its own
        other.process.send(signal.SIGSTOP)
        try:
            answer = self.judge("changes", ip4, model, target, count)
            return answer["ms"], answer["cpu_ms"]
        finally:
            other.process.send(signal.SIGCONT)
            if alone:
                target.unlink()
            else:
                self.put_policies()

    def memory_mb(self):
        """(resident, maps) of node b's daemon. Maps: by the kernel's own account."""
        pid = self.lab.b.daemon.pid
        return memory_of(pid)["Rss"] * 1024 / 1e6, sum(maps_of(pid).values()) / 1e6


def plural(count, one, more):
    return f"{count:,} {one if count == 1 else more}"


def named(number):
    """Whom a policy names: the client, or the pod of this number, which may not be there."""
    return "cluster.local/ns/" + ("shop/sa/client" if number == 0 else f"far/sa/account-{number}")


def policy(namespace, name, principal, port, app=None):
    selector = f"selector: {{matchLabels: {{app: {app}}}}}, " if app else ""
    source = f'from: [{{source: {{principals: ["{principal}"]}}}}], ' if principal else ""
    return f"""apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{{selector}rules: [{{{source}to: [{{operation: {{ports: ["{port}"]}}}}]}}]}}
"""


def pod(number):
    address = f"10.{128 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    return f"""apiVersion: v1
kind: Pod
metadata: {{name: far-{number}, namespace: far, labels: {{app: far-{number % 100}}}}}
spec: {{nodeName: node-c, serviceAccountName: account-{number}}}
status: {{phase: Running, podIP: {address}, podIPs: [{{ip: {address}}}]}}
"""


def write(path, documents):
    """Aside and renamed, as every writer should."""
    draft = path.parent / f".{path.name}.draft"
    draft.write_text("".join(f"---\n{document}" for document in documents), encoding="utf-8")
    draft.rename(path)


def maps_of(pid):
    """{id: bytes} of the BPF maps that a process holds."""
    found = {}
    for path in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        fields = {}
        with contextlib.suppress(OSError):  # closed meanwhile
            for line in path.read_text().splitlines():
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if "map_id" in fields:
            found[fields["map_id"]] = int(fields["memlock"])
    return found


def judge_program():
    return build_directory() / "bench_policy"


def bench_policy(place: Place, *words, timeout=600):
    done = place.try_run(judge_program(), *words, timeout=timeout)
    if done.returncode != 0:
        raise LabError(f"bench_policy {words[0]}: {done.stderr.strip()}")
    return json.loads(done.stdout)
