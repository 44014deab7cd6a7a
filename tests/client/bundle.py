"""Bundles, read and written from proto/PROTOCOL.md alone. The box is libsodium's, by ctypes: the programs need that library anyway."""
import ctypes
import ctypes.util
import os
import struct

import msgpack

from lastmile_client import FEED, HELLO, PUSH, WELCOME, hash32, pack

MAGIC = b"lastmile-bundle\n"
UP, REPLY, REQUEST, ANSWER = 1, 2, 3, 4
HEAD = struct.Struct("<16sBBHHHQ16s32s24sQ")  # 112 bytes
sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
assert sodium.sodium_init() >= 0 and HEAD.size == 112


def box(plain, nonce, public, secret):
    out = ctypes.create_string_buffer(len(plain) + 16)
    assert sodium.crypto_box_easy(out, plain, ctypes.c_ulonglong(len(plain)), nonce, public, secret) == 0
    return out.raw


def box_open(sealed, nonce, public, secret):
    out = ctypes.create_string_buffer(max(1, len(sealed) - 16))
    if sodium.crypto_box_open_easy(out, sealed, ctypes.c_ulonglong(len(sealed)), nonce, public, secret) != 0:
        raise ValueError("the box does not open")
    return out.raw[:len(sealed) - 16]


def write(frames, number, hub_id, key, secret, hub_key, kind=UP, part=1, parts=1):
    """frames: [(kind, body)]; body: what is to be packed."""
    content = b"".join(bytes([k]) + struct.pack("<I", len(b)) + b for k, b in ((k, pack(body)) for k, body in frames))
    nonce = os.urandom(24)
    head = HEAD.pack(MAGIC, 1, kind, part, parts, 0, number, hub_id, key, nonce, len(content))
    whole = head + box(hash32(head) + content, nonce, hub_key, secret)
    return whole + hash32(whole)


def read(data, secret, hub_key):
    """(kind, number, key, [(kind, body)])."""
    head = data[:HEAD.size]
    magic, version, kind, part, parts, zero, number, _, key, nonce, n = HEAD.unpack(head)
    assert magic == MAGIC and version == 1 and zero == 0 and 1 <= part <= parts <= 999
    assert len(data) == HEAD.size + 16 + 32 + n + 32 and hash32(data[:-32]) == data[-32:]
    plain = box_open(data[HEAD.size:-32], nonce, hub_key, secret)
    assert plain[:32] == hash32(head), "the header is another one's"
    frames, at = [], 32
    while at < len(plain):
        length = struct.unpack_from("<I", plain, at + 1)[0]
        frames.append((plain[at], msgpack.unpackb(plain[at + 5:at + 5 + length], raw=False, strict_map_key=False)))
        at += 5 + length
    assert at == len(plain)
    return kind, number, key, frames


def export(client, bodies, number, hub_id):
    """A client's changes as a bundle; the client's head moves."""
    import zmq.utils.z85
    push = client.push_body(bodies)
    client.seq, client.hash = push[6]
    return write([(HELLO, client.hello_body()), (PUSH, push)], number, hub_id, client.raw_public,
                 zmq.utils.z85.decode(client.secret), zmq.utils.z85.decode(client.hub_key))


def take(client, data, number):
    """The hub's reply: WELCOME's body and the feed's entries."""
    import zmq.utils.z85
    kind, answered, key, frames = read(data, zmq.utils.z85.decode(client.secret), zmq.utils.z85.decode(client.hub_key))
    assert kind == REPLY and answered == number and key == client.raw_public and frames[0][0] == WELCOME
    return frames[0][1], [e for k, body in frames[1:] if k == FEED for e in body[8]]
