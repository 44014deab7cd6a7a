"""A bad line between two network namespaces, made in user space: IP packets go from one tun device to another through a thread that
limits the rate, delays, loses and cuts, as `tc qdisc netem` does, but on every kernel that has tun devices (netem is a module that
many lack). TCP on both sides is the kernel's own: it sees real losses, retransmits and backs off.

    with Link(rate_bit_s=64000, delay_ms=400, loss=0.2) as link:   # each way
        hub binds link.here; the node runs through link.prefix (`ip netns exec …`) and reaches it there
"""
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time

from harness import SEED

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
QUEUE_MAX_S = 4  # what waits for the rate longer than this is dropped, as in a router's queue


def why_not():
    """Why links can't be made here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun here"
    name = f"lmprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespaces here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    try:
        os.close(_tun(f"lmp{os.getpid() % 100000}"))
    except OSError as problem:
        return f"no tun devices here: {problem}"
    return None


def _tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(fd)
        raise
    return fd


def _ip(*args):
    subprocess.run(["ip", *args], check=True, capture_output=True, text=True)


class Link(threading.Thread):
    """rate_bit_s: 0 = no limit; delay_ms: of each way; loss: 0 … 1 of packets, each way. All may be changed while it runs; so may `up`:
    a link that is down loses everything, silently."""

    def __init__(self, rate_bit_s=0, delay_ms=0, loss=0.0):
        super().__init__(daemon=True)
        self.rate_bit_s, self.delay_ms, self.loss, self.up = rate_bit_s, delay_ms, loss, True
        self.carried, self.lost = 0, 0
        self.rng = random.Random(SEED)
        tag = f"{os.getpid() % 100000:05d}{random.randrange(100):02d}"
        self.ns = f"lm-{tag}"
        net = random.randrange(64, 128), random.randrange(256), random.randrange(64) * 4  # of 100.64.0.0/10 (RFC 6598)
        self.here, self.there = (f"100.{net[0]}.{net[1]}.{net[2] + n}" for n in (1, 2))
        self.prefix = ["ip", "netns", "exec", self.ns]
        self.ends, self.free_at = [], [0.0, 0.0]
        self.wake_r, self.wake_w = os.pipe()
        try:
            _ip("netns", "add", self.ns)
            self.ends = [_tun(f"lma{tag}")]
            self.ends.append(_tun(f"lmb{tag}"))
            _ip("link", "set", f"lmb{tag}", "netns", self.ns)
            _ip("addr", "add", self.here, "peer", self.there, "dev", f"lma{tag}")
            _ip("link", "set", f"lma{tag}", "up")
            _ip("-n", self.ns, "link", "set", "lo", "up")
            _ip("-n", self.ns, "addr", "add", self.there, "peer", self.here, "dev", f"lmb{tag}")
            _ip("-n", self.ns, "link", "set", f"lmb{tag}", "up")
        except BaseException:
            self._remove()
            raise
        self.start()

    def run(self):
        waiting, order = [], 0  # (due, order, end to write to, packet)
        while True:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, end, packet = heapq.heappop(waiting)
                try:
                    if self.up:
                        os.write(self.ends[end], packet)
                        self.carried += len(packet)
                except OSError:
                    self.lost += 1
            timeout = max(0.0, waiting[0][0] - now) if waiting else None
            readable, _, _ = select.select([*self.ends, self.wake_r], [], [], timeout)
            if self.wake_r in readable:
                return
            now = time.monotonic()
            for fd in readable:
                end = self.ends.index(fd)
                try:
                    packet = os.read(fd, 65536)
                except OSError:
                    continue
                begins = max(now, self.free_at[end])
                if not self.up or self.rng.random() < self.loss or begins - now > QUEUE_MAX_S:
                    self.lost += 1
                    continue
                if self.rate_bit_s:
                    begins += len(packet) * 8 / self.rate_bit_s
                    self.free_at[end] = begins
                order += 1
                heapq.heappush(waiting, (begins + self.delay_ms / 1000, order, 1 - end, packet))

    def _remove(self):
        for fd in self.ends:
            os.close(fd)
        self.ends = []
        subprocess.run(["ip", "netns", "del", self.ns], capture_output=True)

    def close(self):
        if self.ends:
            os.write(self.wake_w, b"x")
            self.join()
            self._remove()
        for fd in (self.wake_r, self.wake_w):
            os.close(fd)
        self.wake_r = self.wake_w = -1
