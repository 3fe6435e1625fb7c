# SPDX-License-Identifier: Apache-2.0
"""Peers that are not culvert: well-behaved, wrong and hostile. TLS by Python's ssl over memory, so
that each byte on the wire is decided here."""

import os
import resource
import select
import signal
import socket
import ssl
import time

import peer
import talk
from remote import ready


def context(directory=None, server=False, version=None):
    """TLS with the files of the directory; the other side's certificate is not judged here."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers("ALL:@SECLEVEL=0")  # so that weak keys are the other side's to refuse
    if version:
        made.minimum_version = made.maximum_version = ssl.TLSVersion[version]
    if directory:
        made.load_cert_chain(f"{directory}/tls.crt", f"{directory}/tls.key")
    return made


class Tunnel:
    """A TLS client whose records pass through our hands."""

    def __init__(self, host, port, directory=None, version=None):
        self.socket = talk.connect(host, port, 20)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context(directory, version=version).wrap_bio(self.incoming, self.outgoing)

    def flush(self):
        if self.outgoing.pending:
            self.socket.sendall(self.outgoing.read())

    def feed(self):
        data = self.socket.recv(1 << 16)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        return data

    def step(self):
        """One step of the handshake; true when it is done on this side."""
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    def handshake(self):
        while not self.step():
            self.flush()
            self.feed()
        self.flush()

    def write(self, data):
        self.tls.write(data)
        self.flush()

    def record(self, data):
        """The record that would go out."""
        self.tls.write(data)
        return self.outgoing.read()

    def read(self):
        """Some plaintext; b"" at close_notify. Truncation and alerts are ssl errors."""
        while True:
            try:
                return self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self.flush()
                self.feed()
            except ssl.SSLZeroReturnError:
                return b""

    def end(self):
        """close_notify, and no FIN."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, talk.LINGER_RESET)
        self.socket.close()


def tls_client(host, port, words, directory=None, version=None):
    """A whole connection as a bare peer. {"answer", "end": "close_notify" | error}"""
    answer = b""
    try:
        tunnel = Tunnel(host, port, directory, version)
        tunnel.handshake()
        tunnel.write(words.encode() + b"\n")
        tunnel.end()
        while piece := tunnel.read():
            answer += piece
        end = "close_notify"
    except ssl.SSLError as error:
        end = error.reason or str(error)
    except OSError as error:
        end = talk._name(error)
    return {"answer": answer.decode(errors="replace"), "end": end}


def cut(host, port, directory, how):
    """A bare peer that observes no rules: how its tunnel ends. The application behind must see a
    reset, never an end. mid-record, no-close-notify, flipped-bit, reset, oversized, unknown-type"""
    tunnel = Tunnel(host, port, directory)
    tunnel.handshake()
    tunnel.write(b"observe\nsome data")
    tunnel.read()
    record = tunnel.record(b"x" * 1000)
    if how == "mid-record":
        tunnel.socket.sendall(record[:500])
    elif how == "flipped-bit":
        tunnel.socket.sendall(record[:100] + bytes([record[100] ^ 1]) + record[101:])
    elif how == "oversized":
        try:
            tunnel.socket.sendall(b"\x17\x03\x03\xff\xff" + bytes(65535))
        except ConnectionError:  # the header alone was enough to be cut off
            return True
    elif how == "unknown-type":
        tunnel.socket.sendall(b"\x63\x03\x03\x00\x20" + bytes(32))
    elif how == "reset":
        tunnel.reset()
        return True
    if how in ("mid-record", "no-close-notify"):
        tunnel.socket.shutdown(socket.SHUT_WR)
    try:
        while tunnel.socket.recv(1 << 16):
            pass
    except OSError:
        pass
    return True


def reset_at(host, port, directory, state):
    """RST in a state: connected, hello-part, hello, server-flight, finished, data, close-notify."""
    tunnel = Tunnel(host, port, directory)
    if state != "connected":
        tunnel.step()
        hello = tunnel.outgoing.read()
        tunnel.socket.sendall(hello[:50] if state == "hello-part" else hello)
    if state in ("server-flight", "finished", "data", "close-notify"):
        tunnel.feed()
    if state in ("finished", "data", "close-notify"):
        tunnel.handshake()
    if state in ("data", "close-notify"):
        tunnel.write(b"observe\nsome data")
        tunnel.read()
    if state == "close-notify":
        tunnel.end()
    time.sleep(0.1)
    tunnel.reset()
    return True


def garbage(host, port, how, seconds=30):
    """Bytes that are no ClientHello; answers how and after how long the other side ends it.
    random, text, handshake-header, huge-record, zero-records, drip"""
    began = time.monotonic()
    first = {"random": os.urandom(4000), "text": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
             "handshake-header": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(506),
             "huge-record": b"\x16\x03\x01\xff\xff" + os.urandom(65535),
             "zero-records": b"\x16\x03\x01\x00\x00" * 2000}
    end, got = "nothing", 0
    try:
        with talk.connect(host, port, seconds) as connection:
            if how == "drip":
                return {**_drip(connection, seconds), "seconds": time.monotonic() - began}
            connection.sendall(first[how])
            while piece := connection.recv(4096):
                got += len(piece)
            end = "end"
    except OSError as error:
        end = talk._name(error)
    return {"end": end, "read": got, "seconds": time.monotonic() - began}


def _drip(connection, seconds):
    """A good ClientHello, one byte a second."""
    outgoing = ssl.MemoryBIO()
    tls = context().wrap_bio(ssl.MemoryBIO(), outgoing)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    for byte in outgoing.read()[:seconds]:
        try:
            connection.send(bytes([byte]))
        except OSError as error:
            return {"end": talk._name(error), "read": 0}
        if select.select([connection], [], [], 1)[0]:
            try:
                return {"end": "data" if connection.recv(4096) else "end", "read": 0}
            except OSError as error:
                return {"end": talk._name(error), "read": 0}
    return {"end": "nothing", "read": 0}


def half_open(host, port, count, at_once):
    """`count` connections that send the beginning of a ClientHello and stay, `at_once` of them held;
    the oldest go when new ones come. Says ready when as many as that are held."""
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    at_once = min(at_once, files_max - 100)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held, seen = [], {"held": 0, "failed": 0}
    for number in range(count):
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(5)
        try:
            connection.connect((host, port))
            connection.send(b"\x16\x03\x01\x02\x00\x01")
            held.append(connection)
            seen["held"] += 1
        except OSError:
            connection.close()
            seen["failed"] += 1
        if len(held) > at_once:
            held.pop(0).close()
        if number == min(count, at_once) - 1:
            ready(seen)
    return seen


def crowd(host, port, count, seconds):
    """`count` connections side by side, each with the beginning of a ClientHello; how many of them the
    other side has ended after so long."""
    held, ended = [], 0
    for _ in range(count):
        try:
            connection = talk.connect(host, port, 5)
            connection.send(b"\x16\x03\x01\x02\x00\x01")
            held.append(connection)
        except ConnectionError:
            ended += 1
    time.sleep(seconds)
    return ended + sum(_has_ended(connection) for connection in held)


def _has_ended(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def hang_up(port):
    """Until SIGTERM: a server that closes every connection as soon as something came."""
    listener = peer.listen(port)
    signal.signal(signal.SIGTERM, lambda *_: listener.shutdown(socket.SHUT_RDWR))
    ready()
    count = 0
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return count
        with connection:
            connection.recv(1 << 16)
        count += 1


def tls_server(port, directory, answer="hello\n", version=None, stall=False, distrust=False):
    """Until SIGTERM: a TLS server with these files that answers every connection; `stall`: it takes
    connections and never says anything; `distrust`: it believes no client's certificate. Answers what
    became of each."""
    listener = peer.listen(port)
    listener.settimeout(None)
    seen, held = [], []
    signal.signal(signal.SIGTERM, lambda *_: listener.shutdown(socket.SHUT_RDWR))
    tls = None if stall else context(directory, server=True, version=version)
    if distrust:
        tls.verify_mode = ssl.CERT_REQUIRED
    ready()
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return seen
        if stall:
            held.append(connection)
            seen.append("stalled")
            continue
        connection.settimeout(10)
        seen.append(_answer(tls, connection, answer))


def _answer(tls, connection, answer):
    try:
        with tls.wrap_socket(connection, server_side=True) as wrapped:
            line = wrapped.recv(4096)
            wrapped.sendall(answer.encode())
            wrapped.unwrap().close()
            return line.decode(errors="replace")
    except (OSError, ssl.SSLError) as error:
        return str(error)


def closes_early(host, port, count, reset):
    """Connections that their application closes while the handshake is under way."""
    for _ in range(count):
        connection = talk.connect(host, port)
        connection.sendall(b"names\n")
        time.sleep(0.05)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, talk.LINGER_RESET)
        connection.close()
    return count
