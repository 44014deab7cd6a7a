"""The client of tests/client/, written from proto/PROTOCOL.md alone, told to lie."""
import json
import pathlib
import struct
import sys

import harness

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "client"))
import lastmile_client  # noqa: E402
from lastmile_client import (ABSENT, ACK, APPLIED, BATCH_BYTES, BATCH_CHANGES, BODIES, BODY, CONCURRENT, CREATE, DELETE, DIGEST, DUPLICATE, EDIT,  # noqa: E402,F401
                             ENROL, ENROLLED, ERROR, FEED, FRAME_MAX, GONE, HELD, HELLO, INVALID, NEWS, PULL, PUSH, REFUSED, UNDELETE, WANT, WELCOME,
                             batch, body_of, chain_start, digest, hash32, hlc_now, pack, replica_of, u64le, uid, zstd_raw)


def zstd_bomb(blocks, declared):
    """A few bytes that unpack to blocks × 128 KiB."""
    out = bytearray(b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", declared))
    for i in range(blocks):
        out += struct.pack("<I", 131072 << 3 | 1 << 1 | (i == blocks - 1))[:3] + b"A"
    return bytes(out)


class Client(lastmile_client.Client):
    def consultation(self, record_id=None, **changes):
        fields = harness.consultation(**changes)["fields"]
        fields.setdefault("state", "submitted")
        return self.change("consultation", record_id or harness.uuid7(), CREATE, fields)


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


def version_of(record):
    """The version of the newest group: what an edit that saw the record may name as its base."""
    return max([s[0], s[1]] for s in record["stamps"])
