#!/usr/bin/env python3
"""A small Lastmile client in another language, written from proto/PROTOCOL.md and the catalogue's JSON files alone: it enrols, pushes
its own changes with chain and digests, pulls its feed, asks for bodies, and checks every digest. It shares no code with the
programs: that it agrees with a hub shows that the document is complete. Needs Debian's python3-zmq and python3-msgpack.

    lastmile_client.py enrol KIT --data DIR                 makes an installation of the kit's station
    lastmile_client.py push LINES.ndjson --data DIR         {"type":T,"fields":{…}} a line: creates; prints id and verdict
    lastmile_client.py pull --data DIR                      prints every record in scope, digests checked, as NDJSON

Its whole state is DIR/client.json; it keeps no records, so that each pull is a first load.
"""
import argparse
import hashlib
import json
import os
import pathlib
import struct
import sys
import time
import uuid

import msgpack
import zmq
import zmq.utils.z85

ENROL, ENROLLED, HELLO, WELCOME, PUSH, ACK, PULL, FEED, WANT, BODIES, NEWS, ERROR = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15
APPLIED, CONCURRENT, INVALID, HELD, REFUSED, DUPLICATE = 1, 2, 3, 4, 5, 6
CREATE, EDIT, DELETE, UNDELETE = 0, 1, 2, 3
BODY, DIGEST, GONE, ABSENT = 0, 1, 2, 3
WANT_MAX = 500
SLOW = float(os.environ.get("LASTMILE_SLOW", "1"))  # waits are multiplied by this
PROGRAM = "lastmile-client.py 1"
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
        self.seen, self.proof = [0, bytes(32)], None
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
        if not self.socket.poll(int(timeout_s * SLOW * 1000)):
            return None
        frames = self.socket.recv_multipart()
        assert len(frames) == 2 and len(frames[0]) == 1, frames
        return frames[0][0], msgpack.unpackb(frames[1], raw=False, strict_map_key=False)

    def expect(self, *kinds, timeout_s=10):
        """The next message of one of these kinds; others are passed over."""
        deadline = time.monotonic() + timeout_s * SLOW
        others = []
        while time.monotonic() < deadline:
            got = self.receive(max(0.001, (deadline - time.monotonic()) / SLOW))
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
        self.send(ENROL, [1, 1, self.raw_public, nonce or os.urandom(16), "", PROGRAM])
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
                "seen": self.seen, "proof": self.proof, "catalogue": self.catalogue, "catalogue_hash": self.catalogue_hash,
                "wall": int(time.time() * 1000), "program": PROGRAM, "checkpoints": []}
        body.update(changes)
        return list(body.values())

    def hello(self, **changes):
        """Greets; takes over what WELCOME says. Returns WELCOME's body."""
        self.send(HELLO, self.hello_body(**changes))
        kind, body = self.expect(WELCOME, ERROR)
        if kind == ERROR:
            raise AssertionError(f"HELLO was answered with ERROR {body}")
        self.session, self.lease, self.credit = body[1], body[7], body[13]
        self.acked, self.mark, self.incarnation = body[5], body[8], body[3]
        self.seen, self.proof, self.common = body[8], [body[3], body[8], body[15]], body[14]
        self.hlc = max(self.hlc, body[12])
        self.catalogue, self.catalogue_hash = body[9], body[10]
        return body

    # ---- changes ----

    def next_hlc(self, above=0):
        self.hlc = max(self.hlc + 1, above + 1, hlc_now())
        return self.hlc

    def change(self, type_name, record_id, op, fields, bases=None, seen=None, hlc=None, catalogue=None, user="客户端", offset=0, fmt=1):
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

    def bodies(self, ids):
        """The records with these ids (bin 16) as they are at the hub: {id: entry}."""
        found = {}
        for n in range(0, len(ids), WANT_MAX):
            self.send(WANT, [self.session, ids[n:n + WANT_MAX]])
            kind, body = self.expect(BODIES, ERROR)
            if kind == ERROR:
                raise AssertionError(f"WANT was answered with ERROR {body}")
            found.update({e[1]: e for e in body[8]})
        return found

    def pull_checked(self):
        """Everything in scope, as {id hex: record}. Own changes come as digests: their bodies are fetched, and each must have the
        digest that the feed named. The sum over all must be the scope sum, where the feed tells one."""
        cursor, records, digests, scope_sum = [0, None], {}, {}, None
        while True:
            self.send(PULL, [self.session, cursor, 262144])
            kind, body = self.expect(FEED, ERROR)
            if kind == ERROR:
                raise AssertionError(f"PULL was answered with ERROR {body}")
            assert body[0] == self.session and body[1] == cursor, "a page of something else"
            for kind, record_id, _, position, payload, _ in body[8]:
                records.pop(record_id, None)
                digests.pop(record_id, None)
                if kind == BODY:
                    records[record_id] = body_of(payload)
                    assert records[record_id]["position"] == position and records[record_id]["id"] == record_id.hex()
                elif kind == DIGEST:
                    digests[record_id] = payload
            cursor, scope_sum = body[2], body[7]
            if body[6]:
                break
        for record_id, entry in self.bodies(list(digests)).items():
            assert entry[0] == BODY, "a record of the feed has no body"
            records[record_id] = body_of(entry[4])
            made = digest(records[record_id])
            assert made == digests[record_id], f"digest of {record_id.hex()}: {made:016x}, the hub says {digests[record_id]:016x}"
        assert set(digests) <= set(records), "a body that was asked for did not come"
        if scope_sum is not None:
            made = sum(digest(r) for r in records.values()) % 2**64
            assert made == scope_sum, f"scope sum {made:016x}, the hub says {scope_sum:016x}"
        return {i.hex(): r for i, r in records.items()}

    # ---- its state between runs ----

    def save(self, path):
        path.write_text(json.dumps({"endpoint": self.endpoint, "hub_key": self.hub_key.decode(), "public": self.public.decode(),
                                    "secret": self.secret.decode(), "branch": self.branch, "seq": self.seq, "hash": self.hash.hex(),
                                    "lease": self.lease, "hlc": self.hlc}))
        path.chmod(0o600)

    @classmethod
    def load(cls, path):
        kept = json.loads(path.read_text())
        client = cls(kept["endpoint"], kept["hub_key"].encode(), kept["public"].encode(), kept["secret"].encode())
        client.branch, client.seq, client.hash = kept["branch"], kept["seq"], bytes.fromhex(kept["hash"])
        client.lease, client.hlc = kept["lease"], kept["hlc"]
        return client


# ---- records ----

def body_of(payload):
    """A record on its way down, as a dict."""
    type_name, record_id, position, stamps, fields, unknown, issue = msgpack.unpackb(payload, raw=False, strict_map_key=False)
    return {"type": type_name, "id": record_id.hex(), "position": position, "stamps": stamps, "fields": fields, "unknown": unknown, "issue": issue}


def hashed(value):
    """A value as it is hashed: UUIDs as text."""
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value))
    if isinstance(value, list):
        return [hashed(v) for v in value]
    if isinstance(value, dict):
        return {k: hashed(v) for k, v in value.items()}
    return value


def digest(record):
    """PROTOCOL.md, Digest."""
    versions, everything = {}, None
    for hlc, replica, _, names in record["stamps"]:
        if names is None:
            everything = (hlc, replica)
        else:
            versions.update({name: (hlc, replica) for name in names})
    run = pack(record["type"]) + pack(str(uuid.UUID(record["id"])))
    fields = {**record["fields"], **(record["unknown"] or {})}
    for name in sorted(fields, key=str.encode):
        if fields[name] is not None:
            run += pack(name) + pack(hashed(fields[name]))
    run += pack(everything[0]) + pack(everything[1])
    for name in sorted(versions, key=str.encode):
        if versions[name] != everything:
            run += pack(name) + pack(versions[name][0]) + pack(versions[name][1])
    return int.from_bytes(hash32(run)[:8], "little")


# ---- by hand ----

def main():
    parser = argparse.ArgumentParser(description="a small Lastmile client, for tests")
    parser.add_argument("command", choices=("enrol", "push", "pull"))
    parser.add_argument("file", nargs="?", help="the kit, or the lines to push")
    parser.add_argument("--data", required=True, type=pathlib.Path)
    args = parser.parse_args()
    state = args.data / "client.json"
    if args.command == "enrol":
        kit = json.loads(pathlib.Path(args.file).read_text(encoding="utf-8"))
        args.data.mkdir(parents=True, exist_ok=True)
        client = Client(kit["endpoint"], kit["hub_public_key"].encode())
        kind, body = client.enrol(kit)
        if kind == ERROR:
            print(f"not admitted: {body[0]}: {body[1]}", file=sys.stderr)
            return 1
        client.save(state)
        client.close()
        return 0
    client = Client.load(state).connect()
    client.hello()
    client.seq, client.hash = client.acked
    client.save(state)  # the lease is kept before the first PUSH
    if args.command == "pull":
        for record_id, record in client.pull_checked().items():
            print(json.dumps({"id": str(uuid.UUID(record_id)), "type": record["type"], "fields": hashed(record["fields"])}, ensure_ascii=False))
    else:
        bodies, ids = [], []
        for line in pathlib.Path(args.file).read_text(encoding="utf-8").splitlines():
            made = json.loads(line)
            now = int(time.time() * 1000)
            ids.append(str(uuid.UUID(int=now << 80 | 7 << 76 | 2 << 62 | int.from_bytes(os.urandom(7), "big"))))
            bodies.append(client.change(made["type"], ids[-1], CREATE, made["fields"]))
        for record_id, (verdict, code) in zip(ids, client.push(bodies).values()):
            print(json.dumps({"id": record_id, "verdict": verdict, "code": code}))
        client.save(state)
    client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
