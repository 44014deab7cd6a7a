"""A client written from proto/PROTOCOL.md alone: CURVE DEALER, messages, changes, chain, batches.

It behaves as long as it is told to; tests make it lie. It shares no code with the programs: that it can talk to a hub at all shows
that the protocol document is complete.
"""
import base64
import hashlib
import json
import os
import struct
import time

import msgpack
import zmq
import zmq.utils.z85

import harness

ENROL, ENROLLED, HELLO, WELCOME, PUSH, ACK, PULL, FEED, WANT, BODIES, NEWS, ERROR = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15
APPLIED, CONCURRENT, INVALID, HELD, REFUSED, DUPLICATE = 1, 2, 3, 4, 5, 6
CREATE, EDIT, DELETE, UNDELETE = 0, 1, 2, 3
FRAME_MAX = 1048576
BATCH_BYTES, BATCH_CHANGES = 786432, 8192


def hash32(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def u64le(n):
    return struct.pack("<Q", n)


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def uid(text):
    return bytes.fromhex(text.replace("-", ""))


def replica_of(public_key):
    return (int.from_bytes(hash32(public_key)[:8], "little") & (2**63 - 1)) or 1


def chain_start(replica, branch):
    return hash32(b"lastmile branch", u64le(replica), u64le(branch))


def zstd_raw(data, declared=None):
    """One zstd frame of raw blocks (RFC 8878) that declares its content size (a lie when `declared` is given)."""
    size = len(data) if declared is None else declared
    out = bytearray(b"\x28\xb5\x2f\xfd")
    if size < 256:
        out += bytes([0x20, size])
    elif size < 65536 + 256:
        out += b"\x60" + struct.pack("<H", size - 256)
    else:
        out += b"\xa0" + struct.pack("<I", size)
    blocks = [data[i:i + 65536] for i in range(0, len(data), 65536)] or [b""]
    for i, block in enumerate(blocks):
        out += struct.pack("<I", len(block) << 3 | (i == len(blocks) - 1))[:3] + block
    return bytes(out)


def zstd_bomb(blocks, declared):
    """A few bytes that unpack to blocks × 128 KiB."""
    out = bytearray(b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", declared))
    for i in range(blocks):
        out += struct.pack("<I", 131072 << 3 | 1 << 1 | (i == blocks - 1))[:3] + b"A"
    return bytes(out)


def batch(bodies):
    return b"".join(pack(body) for body in bodies)


def hlc_now():
    return int(time.time() * 1000) << 16


class Client:
    """One installation. Keys are its own unless given."""

    def __init__(self, endpoint, hub_key, public=None, secret=None):
        self.endpoint, self.hub_key = endpoint, hub_key
        if public is None:
            public, secret = zmq.curve_keypair()
        self.public, self.secret = public, secret
        self.raw_public = zmq.utils.z85.decode(public)
        self.replica = replica_of(self.raw_public)
        self.context = zmq.Context()
        self.socket = None
        self.branch, self.seq, self.lease, self.hlc = 1, 0, [0, 0], 0
        self.hash = chain_start(self.replica, 1)
        self.session = None
        self.catalogue = 1
        self.catalogue_hash = bytes(32)

    # ---- sockets ----

    def connect(self, public=None, secret=None):
        self.disconnect()
        s = self.context.socket(zmq.DEALER)
        s.setsockopt(zmq.LINGER, 0)
        s.setsockopt(zmq.CURVE_SERVERKEY, self.hub_key)
        s.setsockopt(zmq.CURVE_PUBLICKEY, public or self.public)
        s.setsockopt(zmq.CURVE_SECRETKEY, secret or self.secret)
        s.setsockopt(zmq.SNDHWM, 1000)
        s.connect(self.endpoint)
        self.socket = s
        return self

    def disconnect(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def close(self):
        self.disconnect()
        self.context.destroy(linger=0)

    def send_frames(self, *frames):
        self.socket.send_multipart(list(frames))

    def send(self, kind, body):
        """body: what is to be packed, or bytes as they are."""
        self.send_frames(bytes([kind]), body if isinstance(body, bytes) else pack(body))

    def receive(self, timeout_s=10):
        """(kind, body) or None."""
        if not self.socket.poll(int(timeout_s * harness.SLOW * 1000)):
            return None
        frames = self.socket.recv_multipart()
        assert len(frames) == 2 and len(frames[0]) == 1, frames
        return frames[0][0], msgpack.unpackb(frames[1], raw=False, strict_map_key=False)

    def expect(self, *kinds, timeout_s=10):
        """The next message of one of these kinds; others are passed over."""
        deadline = time.monotonic() + timeout_s * harness.SLOW
        others = []
        while time.monotonic() < deadline:
            got = self.receive(max(0.001, (deadline - time.monotonic()) / harness.SLOW))
            if got is None:
                break
            if got[0] in kinds:
                return got
            others.append(got)
        raise AssertionError(f"waited for {kinds}, got {[(k, b if k == ERROR else '…') for k, b in others]}")

    def error(self, timeout_s=10):
        """The code of the next ERROR."""
        return self.expect(ERROR, timeout_s=timeout_s)[1][0]

    # ---- enrolment and greeting ----

    def enrol(self, kit, nonce=None, answer=True):
        """With a kit's one-time key. Returns ENROLLED's body, or the ERROR's."""
        self.connect(kit["enrol_public_key"].encode(), kit["enrol_secret_key"].encode())
        self.send(ENROL, [1, 1, self.raw_public, nonce or os.urandom(16), "test-machine", "adversary 1"])
        if not answer:
            return None
        kind, body = self.expect(ENROLLED, ERROR)
        self.disconnect()
        if kind == ENROLLED:
            assert body[0] == self.replica, (body[0], self.replica)
            self.station = body[1]
            self.connect()
        return kind, body

    def hello_body(self, **changes):
        body = {"min": 1, "max": 1, "branch": self.branch, "head": [self.seq, self.hash], "lease": self.lease, "cursor": [0, None],
                "seen": [0, bytes(32)], "incarnation": [0, 0], "catalogue": self.catalogue, "catalogue_hash": self.catalogue_hash,
                "wall": int(time.time() * 1000), "program": "adversary 1"}
        body.update(changes)
        return list(body.values())

    def hello(self, **changes):
        """Greets; takes over what WELCOME says. Returns WELCOME's body."""
        self.send(HELLO, self.hello_body(**changes))
        kind, body = self.expect(WELCOME, ERROR)
        if kind == ERROR:
            raise AssertionError(f"HELLO was answered with ERROR {body}")
        self.session, self.lease, self.credit = body[1], body[7], body[13]
        self.acked = body[5]
        self.catalogue, self.catalogue_hash = body[9], body[10]
        return body

    # ---- changes ----

    def next_hlc(self, above=0):
        self.hlc = max(self.hlc + 1, above + 1, hlc_now())
        return self.hlc

    def change(self, type_name, record_id, op, fields, bases=None, seen=None, hlc=None, catalogue=None, user="对手", offset=0, fmt=1):
        hlc = hlc or self.next_hlc()
        return pack([fmt, type_name, uid(record_id), op, hlc, user, self.catalogue if catalogue is None else catalogue, 0, offset,
                     {k: self.value(v) for k, v in fields.items()}, bases, seen])

    @staticmethod
    def value(v):
        """UUID texts travel as bin 16."""
        if isinstance(v, str) and len(v) == 36 and v.count("-") == 4 and v == v.lower():
            try:
                return uid(v)
            except ValueError:
                return v
        if isinstance(v, list):
            return [Client.value(x) for x in v]
        return v

    def consultation(self, record_id=None, **changes):
        fields = harness.consultation(**changes)["fields"]
        fields.setdefault("state", "submitted")
        return self.change("consultation", record_id or harness.uuid7(), CREATE, fields)

    def push_body(self, bodies, first=None, before=None, head=None, as_of=None, packed=None, raw=None, count=None):
        data = batch(bodies)
        last = before if before is not None else self.hash
        for body in bodies:
            last = hash32(last, body)
        first = self.seq + 1 if first is None else first
        return [self.branch, first, self.hash if before is None else before, len(bodies) if count is None else count,
                len(data) if raw is None else raw, (zstd_raw(data) if bodies else b"") if packed is None else packed,
                head or [first + len(bodies) - 1, last], int(time.time() * 1000) if as_of is None else as_of]

    def push(self, bodies, wait=True, **lies):
        """Pushes changes and moves the own head; returns ACK's verdicts as {seq: (verdict, code)} (applied ones included)."""
        first = self.seq + 1
        self.send(PUSH, self.push_body(bodies, **lies))
        for body in bodies:
            self.hash = hash32(self.hash, body)
        self.seq += len(bodies)
        return self.acked_to(self.seq, first) if wait else None

    def acked_to(self, seq, first):
        verdicts = {}
        while True:
            kind, body = self.expect(ACK, ERROR)
            if kind == ERROR:
                raise AssertionError(f"PUSH was answered with ERROR {body}")
            for n, verdict, code in body[4]:
                verdicts[n] = (verdict, code)
            if body[1][0] >= seq:
                assert body[1][1] == self.hash or seq != self.seq, "the hub acked another chain"
                return {n: verdicts.get(n, (APPLIED, "")) for n in range(first, seq + 1)}

    def pull_all(self):
        """Everything in scope: {id hex: (kind, type, payload)} and the verdicts by (id, hlc)."""
        cursor, entries, verdicts = [0, None], {}, {}
        while True:
            self.send(PULL, [self.session, cursor, 262144])
            kind, body = self.expect(FEED, ERROR)
            if kind == ERROR:
                raise AssertionError(f"PULL was answered with ERROR {body}")
            assert body[1] == cursor, body[1]
            for entry in body[8]:
                entries[entry[1].hex()] = (entry[0], entry[2], entry[4])
                for v in entry[5]:
                    verdicts[entry[1].hex(), v[0]] = (v[1], v[2], v[3])
            cursor = body[2]
            if body[6]:
                return entries, verdicts


def client_of(kit_path):
    """A fresh installation, enrolled with this kit, greeted."""
    kit = json.loads(open(kit_path, encoding="utf-8").read())
    client = Client(kit["endpoint"], kit["hub_public_key"].encode())
    kind, body = client.enrol(kit)
    assert kind == ENROLLED, body
    client.hello()
    return client


def read_kit(path):
    return json.loads(open(path, encoding="utf-8").read())


def body_of(payload):
    """A record on its way down, as a dict."""
    type_name, record_id, position, stamps, fields, unknown, issue = msgpack.unpackb(payload, raw=False, strict_map_key=False)
    return {"type": type_name, "id": record_id.hex(), "position": position, "stamps": stamps, "fields": fields, "unknown": unknown, "issue": issue}


def version_of(record):
    """The version of the newest group: what an edit that saw the record may name as its base."""
    return max([s[0], s[1]] for s in record["stamps"])


def sign_bytes(kit):
    """What a kit's signature is over; for tests that take a kit apart."""
    return base64.b64decode(kit["signature"])
