# SPDX-License-Identifier: Apache-2.0
"""Real applications, started in a pod with throw-away data. Each function answers the Process, ready
to serve on IPv4 and IPv6; databases run as their own users."""

import pathlib
import shutil

from .settings import patience
from .system import inside, run, wait_for

NGINX = """\
daemon off;
user root;
worker_processes 1;
error_log {directory}/error.log;
pid {directory}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  log_format lab '$remote_addr $remote_port $server_addr $server_port $status $request_uri';
  access_log {directory}/access.log lab;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  client_max_body_size 0;
  keepalive_requests 100000;
  sendfile on;
  root {directory}/html;
  ssl_certificate {directory}/tls.crt; ssl_certificate_key {directory}/tls.key;
  server {{ listen 80; listen [::]:80; location /upload/ {{ dav_methods PUT; }} }}
  server {{ listen 8080 http2; listen [::]:8080 http2; }}
  server {{ listen 443 ssl; listen [::]:443 ssl; }}
}}
"""


def listening(pod, port, process=None, timeout=30):
    """Waits until something in the pod listens on the port, without connecting to it."""
    wanted = f":{port:04X}"

    def found():
        if process and not process.running():
            return True
        with inside(pod.netns):
            for table in ("tcp", "tcp6"):
                for line in pathlib.Path("/proc/thread-self/net", table).read_text().splitlines()[1:]:
                    _, local, _, state, *_ = line.split()
                    if state == "0A" and local.endswith(wanted):
                        return True
        return False
    wait_for(f"{pod.name} to listen on {port}", found, timeout * patience())
    if process and not process.running():
        from .system import LabError
        raise LabError(f"{process.name} ended at once:\n{process.tail()}")


def nginx(pod, files):
    """`files`: name -> bytes, under /. Plain on 80 (PUT to /upload/), HTTP/2 on 8080, TLS on 443.
    The answer's `directory` has access.log, html/, tls.crt."""
    directory = pod.lab.scratch_for()
    (directory / "html" / "upload").mkdir(parents=True)
    for name, content in files.items():
        (directory / "html" / name).write_bytes(content)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", 2, "-subj", "/CN=web.test", "-addext", "subjectAltName=DNS:web.test",
        "-keyout", directory / "tls.key", "-out", directory / "tls.crt")
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory))
    server = pod.start("nginx", "-p", directory, "-c", directory / "nginx.conf")
    server.directory = directory
    listening(pod, 443, server)
    return server


def redis(pod):
    server = pod.start("redis-server", "--port", 6379, "--bind", "*", "-::*", "--protected-mode", "no",
                       "--save", "", "--dir", pod.lab.scratch_for())
    listening(pod, 6379, server)
    return server


def postgresql_program(name):
    """The program itself: in $PATH are scripts that look for it."""
    newest = max(pathlib.Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name))
    return newest / "bin" / name


def postgresql(pod):
    directory = pod.lab.scratch_for("postgres")
    pod.run(postgresql_program("initdb"), "-D", directory / "data", "-A", "trust", "-E", "UTF8",
            "--no-sync", user="postgres", cwd=directory)
    with open(directory / "data" / "pg_hba.conf", "a", encoding="utf-8") as rules:
        rules.write("host all all 0.0.0.0/0 trust\nhost all all ::/0 trust\n")
    server = pod.start(postgresql_program("postgres"), "-D", directory / "data", "-c",
                       "listen_addresses=*", "-c", f"unix_socket_directories={directory}", "-c",
                       "fsync=off", "-c", "shared_buffers=16MB", user="postgres", cwd=directory)
    listening(pod, 5432, server)
    ask = [postgresql_program("psql"), "-h", directory, "-U", "postgres", "-c", "select 1"]
    wait_for("PostgreSQL to answer", lambda: pod.try_run(*ask).returncode == 0, 30 * patience())
    return server


def mariadb(pod, client_addresses):
    """User `lab` without password, from exactly these addresses: the server must see them."""
    directory = pod.lab.scratch_for("mysql")
    pod.run("mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={directory}/data",
            "--skip-test-db", "--auth-root-authentication-method=normal", timeout=120)
    server = pod.start("mariadbd", "--no-defaults", "--user=mysql", f"--datadir={directory}/data",
                       f"--socket={directory}/sock", f"--pid-file={directory}/pid", "--port=3306",
                       "--bind-address=*", "--skip-name-resolve",
                       "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M")
    listening(pod, 3306, server, timeout=60)
    grants = "".join(f"create user 'lab'@'{address}'; grant all on *.* to 'lab'@'{address}';"
                     for address in client_addresses)
    wait_for("MariaDB to answer", lambda: pod.try_run(
        "mariadb", "--no-defaults", "-uroot", f"-S{directory}/sock", "-e", grants).returncode == 0,
        60 * patience(), every=0.5)
    return server


def openssh(pod):
    """The answer's `identity` is the key file of a client that may come in as root."""
    directory = pod.lab.scratch_for()
    for name in ("host", "client"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name)
    shutil.copy(directory / "client.pub", directory / "authorized")
    privileges = pathlib.Path("/run/sshd")  # sshd insists on this directory
    privileges.mkdir(mode=0o755, exist_ok=True)
    server = pod.start("/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", directory / "host",
                       "-o", "Port=22", "-o", f"AuthorizedKeysFile={directory}/authorized",
                       "-o", "StrictModes=no", "-o", "UsePAM=yes", "-o", "PermitRootLogin=yes",
                       "-o", "PasswordAuthentication=no", "-o", "PidFile=none")
    server.identity = directory / "client"
    listening(pod, 22, server)
    return server


def iperf3(pod):
    server = pod.start("iperf3", "-s", "-p", 5201)
    listening(pod, 5201, server)
    return server
