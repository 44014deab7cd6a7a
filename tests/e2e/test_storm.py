"""All come back at once (cht-core #6246): the hub restarts, and 1,000 installations with keys of their own reconnect, greet and push in the
same moment. Each gets WELCOME and each is acked; the hub's memory stays bounded (P2, P3, P12)."""
import concurrent.futures
import os
import pathlib
import resource
import time

import zmq

from adversary import ACK, ENROLLED, ERROR, HELLO, PUSH, WELCOME, Client, hash32, read_kit
from harness import RELEASE, SLOW, Case, Town, uuid7

REPLICAS = int(os.environ.get("LASTMILE_STORM", "1000"))
STATIONS = 20
MEMORY_MAX_KB = 512 * 1024


class Storm(Case):
    weight = 9

    def test_all_at_once(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        town = Town(self, villages=STATIONS, bin_dir=RELEASE, enrol=False)
        hub, context = town.hub, zmq.Context(io_threads=1)
        context.set(zmq.MAX_SOCKETS, 2 * REPLICAS + 100)
        self.addCleanup(context.destroy, linger=0)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            kits = list(pool.map(lambda n: read_kit(town.new_kit(1 + n % STATIONS, f"storm-{n}")), range(REPLICAS)))
        clients = []
        for kit in kits:
            c = Client(kit["endpoint"], kit["hub_public_key"].encode())
            c.context.term()
            c.context = context
            kind, body = c.enrol(kit)
            self.assertEqual(kind, ENROLLED, body)
            c.disconnect()
            clients.append(c)
        hub.kill()
        hub.serve()
        began, poller, waiting, by = time.monotonic(), zmq.Poller(), {}, {}
        welcomed = acked = 0
        for c in clients:
            c.connect()
            c.send(HELLO, c.hello_body())
            poller.register(c.socket, zmq.POLLIN)
            waiting[c.replica], by[c.socket] = WELCOME, c
        while waiting and time.monotonic() - began < 90 * SLOW:
            for socket, _ in poller.poll(1000):
                c = by[socket]
                kind, body = c.receive()
                self.assertNotEqual(kind, ERROR, body)
                if kind == WELCOME:
                    welcomed += 1
                    c.session, c.lease, c.catalogue = body[1], body[7], body[9]
                    change = c.consultation(uuid7())
                    c.send(PUSH, c.push_body([change]))
                    c.seq, c.hash = 1, hash32(c.hash, change)
                    waiting[c.replica] = ACK
                elif kind == ACK and body[1] == [1, c.hash]:
                    acked += waiting.pop(c.replica, 0) == ACK
        took = time.monotonic() - began
        status = pathlib.Path(f"/proc/{hub.server.process.pid}/status").read_text()
        peak_kb = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        for c in clients:
            c.disconnect()
        self.assertEqual((welcomed, acked), (REPLICAS, REPLICAS), "some starved")
        self.assertLess(peak_kb, MEMORY_MAX_KB)
        self.assertEqual(len(hub.rows("records", "consultation")), REPLICAS, "each change once")
        hub.verify()
        print(f"note: {REPLICAS} installations at once after a restart: all greeted and acked in {took:.1f} s; the hub held {peak_kb // 1024} MiB at most", flush=True)
