# SPDX-License-Identifier: Apache-2.0
"""culvertd of one node: its configuration, its life, its metrics and its log."""

import contextlib
import http.client
import json
import re
import signal
import socket
import urllib.parse
import urllib.request

from . import manifests
from .process import Process
from .settings import build_directory, data_threads, patience, records
from .system import LabError, inside, open_files, resident_kib, run, wait_for

METRICS = "127.0.0.1:15020"


class Daemon:
    def __init__(self, node, lab):
        self.node, self.lab = node, lab
        self.process = None
        self.config_file = lab.directory / f"node-{node.letter}.yaml"
        self.log = lab.directory / f"node-{node.letter}.log"
        self.socket = node.runtime_directory / "admin.sock"
        self.settings = {}  # what a suite changes; see configure()

    def configure(self, **settings):
        """Replaces top-level keys of the configuration; in force from the next start()."""
        self.settings.update(settings)

    def configuration(self):
        node, lab = self.node, self.lab
        config = {
            "node": node.node_name,
            "trustDomain": "cluster.local",
            "cgroup": str(node.pods_cgroup),
            "bpffs": str(node.bpffs),
            "runtimeDirectory": str(node.runtime_directory),
            "resources": {"directory": str(lab.resources)},
            "identity": {"authority": {"directory": str(lab.authority), "ttl": "1h"}},
            "tunnel": {"records": records(node.letter),
                       "handshakeTimeout": f"{10 * patience():.0f}s"},  # 10 s where nothing is emulated
            "dataThreads": data_threads(),
            "defaultMode": "STRICT",
            "metrics": {"listen": METRICS},
            "log": {"level": "info", "format": "text"},
        }
        for key, value in self.settings.items():
            both = isinstance(value, dict) and isinstance(config.get(key), dict)
            config[key] = {**config[key], **value} if both else value
        return config

    def start(self, wait=True):
        binary = build_directory() / "culvertd"
        if not binary.exists():
            raise LabError(f"{binary} is not built (CULVERT_BUILD names the build directory)")
        self.config_file.write_text(manifests.to_yaml(self.configuration()) + "\n")
        place = self.node.daemon_place
        command = place.command([binary, "--config", self.config_file])
        self.process = Process(command, f"culvertd {self.node.node_name}", self.log)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=30):
        def answer():
            if not self.process.running():
                raise LabError(f"culvertd of {self.node.node_name} ended with "
                               f"{self.process.wait()}:\n{self.process.tail()}")
            return self.get("/ready") is not None
        try:
            wait_for(f"culvertd of {self.node.node_name} to be ready", answer, timeout * patience())
        except LabError as error:
            raise LabError(f"{error}\n{self.process.tail()}") from None

    def stop(self, timeout=40):
        """SIGTERM; answers the exit code (0: drained)."""
        return self.process.stop(signal.SIGTERM, timeout) if self.process else 0

    def kill(self):
        return self.process.kill()

    def restart(self):
        self.stop()
        return self.start()

    @contextlib.contextmanager
    def reconfigured(self, **settings):
        """Restarted with these settings, and afterwards with what it had; a section's other keys stay."""
        saved = dict(self.settings)
        for key, value in settings.items():
            self.settings[key] = {**saved.get(key, {}), **value} if isinstance(value, dict) else value
        self.restart()
        try:
            yield
        finally:
            self.settings = saved
            self.restart()

    def running(self):
        return self.process is not None and self.process.running()

    @property
    def pid(self):
        return self.process.pid

    def get(self, path):
        """GET from the metrics listener inside the node; None: no answer, or not 200."""
        try:
            with inside(self.node.netns):
                with urllib.request.urlopen(f"http://{METRICS}{path}", timeout=5) as answer:
                    return answer.read().decode()
        except OSError:
            return None

    def metrics(self):
        """{(name, frozenset of label pairs): value}"""
        found = {}
        for line in (self.get("/metrics") or "").splitlines():
            match = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
            if match:
                labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")
                found[match[1], frozenset(labels)] = float(match[3])
        return found

    def metric(self, name, **labels):
        """The sum of every series of this name that has these labels."""
        wanted = set(labels.items())
        return sum(value for (series, has), value in self.metrics().items()
                   if series == name and wanted <= has)

    def refusals(self, reason=None, direction=None):
        labels = {"reason": reason, "direction": direction}
        given = {key: value for key, value in labels.items() if value}
        return self.metric("culvert_refusals_total", **given)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def finding(self, most=60):
        """The first report of a sanitizer in the log, or None."""
        lines = self.log_text().splitlines()
        for number, line in enumerate(lines):
            if re.search(r"(ERROR|WARNING): \w+Sanitizer:|: runtime error: ", line):
                return "\n".join(lines[number:number + most])
        return None

    def command(self, *words, check=True):
        """The command line, against this daemon."""
        return run(build_directory() / "culvert", "--socket", self.socket, *words, check=check)

    def ask(self, what, **query):
        """What the command of that name prints as JSON, from the socket that the command asks: where the
        machine is emulated, to start a program takes longer than all the rest."""
        connection = http.client.HTTPConnection("culvert")
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(10 * patience())
            connection.sock.connect(str(self.socket))
            connection.request("GET", f"/{what}" + ("?" + urllib.parse.urlencode(query) if query else ""))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"{what} of {self.node.node_name}: {error}") from None
        finally:
            connection.close()
        if answer.status != 200:
            raise LabError(f"{what} of {self.node.node_name}: HTTP {answer.status}: {body.decode()}")
        return json.loads(body)

    def resident_kib(self):
        """Private memory: pages of the binary that other daemons share do not come and go with load."""
        return resident_kib(self.pid, "RssAnon")

    def files(self):
        return open_files(self.pid)
