# SPDX-License-Identifier: Apache-2.0
"""What the wire between the nodes carried. Two tcpdumps: one for every byte, searched as it comes
(programs/wirewatch.py), one for SYNs only, kept; and, on demand, a pcap of all of it."""

import collections
import ipaddress
import socket
import struct
import time

from .settings import patience
from .system import LabError, inside, wait_for

SYNS = "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn or (ip6[6] == 6 and ip6[53] & 0x12 == 0x02)"
MARK_PORT = 1  # nobody listens
RING_SECONDS = 1.2  # after this long at the latest tcpdump has what its ring holds

Segment = collections.namedtuple("Segment", "source source_port to to_port sequence flags payload")
SYN, RST, FIN = 0x02, 0x04, 0x01


class Wire:
    """`canaries`: strings that must not be seen. Use as a context manager."""

    def __init__(self, lab, canaries, keep=None):
        self.lab, self.canaries, self.keep = lab, canaries, keep
        lab.captures = getattr(lab, "captures", 0) + 1
        self.syn_file = lab.directory / f"syn-{lab.captures}.pcap"
        self.seen = None

    def __enter__(self):
        host = self.lab.a.host
        self._watch = host.spawn("wirewatch.watch", interface="wire", canaries=self.canaries,
                                 keep=str(self.keep) if self.keep else None)
        self._syns = host.start("tcpdump", "-i", "wire", "--immediate-mode", "-U", "-n", "-s", 128,
                                "-Z", "root", "-w", self.syn_file, SYNS)
        self._watch.ready()
        wait_for("tcpdump to listen", lambda: "listening on" in self._syns.output(), 10 * patience())
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """{"bytes": N, "packets": N, "dropped": N, "canaries": {string: times}}"""
        if self.seen is None:
            time.sleep(RING_SECONDS)
            self._syns.stop()
            self.seen = self._watch.finish()
        return self.seen

    def connections(self, port=None):
        """How many TCP connections were begun on the wire so far (to this port)."""
        self._catch_up()
        return len({segment[:5] for segment in segments(self.syn_file)
                    if segment.to_port != MARK_PORT and port in (None, segment.to_port)})

    def _catch_up(self):
        """A SYN of our own goes over the wire; once it is in the capture, so is all before it."""
        with inside(self.lab.a.netns), socket.socket() as mark:
            mark.bind((self.lab.a.ip4, 0))
            mark.connect_ex((self.lab.b.ip4, MARK_PORT))
            source_port = mark.getsockname()[1]
        wait_for("tcpdump to see the last SYN", lambda: any(
            (segment.source_port, segment.to_port) == (source_port, MARK_PORT)
            for segment in segments(self.syn_file)), 10 * patience())


def segments(file):
    """TCP segments of a pcap of Ethernet frames, in the order seen."""
    data = file.read_bytes()
    if len(data) < 24 or struct.unpack_from("<I", data)[0] not in (0xA1B2C3D4, 0xA1B23C4D):
        raise LabError(f"{file} is not a little-endian pcap")
    at = 24
    while at + 16 <= len(data):
        captured = struct.unpack_from("<I", data, at + 8)[0]
        segment = _segment(data[at + 16:at + 16 + captured])
        if segment:
            yield segment
        at += 16 + captured


def _segment(frame):
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == 6:
        start = 14 + (frame[14] & 15) * 4
        end = 14 + struct.unpack_from("!H", frame, 16)[0]
        source, to = frame[26:30], frame[30:34]
    elif kind == b"\x86\xdd" and frame[20] == 6:
        start, source, to = 54, frame[22:38], frame[38:54]
        end = 54 + struct.unpack_from("!H", frame, 18)[0]
    else:
        return None
    if end <= start:  # larger than 64 KiB by offload: the length field is 0
        end = len(frame)
    from_port, to_port, sequence = struct.unpack_from("!HHI", frame, start)
    payload = frame[start + (frame[start + 12] >> 4) * 4:end]
    return Segment(str(ipaddress.ip_address(source)), from_port, str(ipaddress.ip_address(to)),
                   to_port, sequence, frame[start + 13], payload)


def streams(file):
    """{(source, port, to, port): bytes in the order of their sequence numbers}, of short captures."""
    starts, pieces = {}, collections.defaultdict(dict)
    for segment in segments(file):
        flow = segment[:4]
        if segment.flags & SYN:
            starts[flow] = segment.sequence + 1
            pieces[flow] = {}
        if segment.payload and flow in starts:
            offset = (segment.sequence - starts[flow]) % 2**32
            pieces[flow].setdefault(offset, segment.payload)
    return {flow: _join(parts) for flow, parts in pieces.items() if flow in starts}


def _join(parts):
    joined = bytearray()
    for offset in sorted(parts):
        if offset > len(joined):
            raise LabError("the capture has a hole")
        joined[offset:offset + len(parts[offset])] = parts[offset]
    return bytes(joined)


def tls_records(stream):
    """[(content type, length)] if the stream is TLS records from its first byte on; LabError else.
    The last record may be cut. RFC 8446 section 5.1: the legacy version is 0x0303, or 0x0301 in a
    first ClientHello."""
    records, at = [], 0
    while at + 5 <= len(stream):
        kind, version, length = struct.unpack_from("!BHH", stream, at)
        if kind not in (20, 21, 22, 23) or version not in (0x0301, 0x0303) or length > 16640:
            raise LabError(f"byte {at} begins no TLS record: {stream[at:at + 16]!r}")
        records.append((kind, length))
        at += 5 + length
    return records
