"""Peers that wear a hub out instead of lying to it: handshakes that never end, a reader that never reads, frames
of an earlier session (P3, P11, P12). Through all of it an honest node is served, and the hub's memory stays bounded."""
import pathlib
import os
import resource
import socket

import zmq

from adversary import ACK, ERROR, FEED, HELLO, PULL, PUSH, Client, client_of, pack
from harness import RELEASE, Case, consultation, wait_for

GROWTH_MAX_KB = 96 * 1024  # a sanitizer's programs would need more: these run without


class Peers(Case):
    villages = 3

    @classmethod
    def setUpClass(cls):
        import harness
        cls.bin, harness.BIN = harness.BIN, RELEASE
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        import harness
        super().tearDownClass()
        harness.BIN = cls.bin

    @classmethod
    def prepare(cls, town):
        cls.hub, cls.node, cls.kit_no = town.hub, town.v[1], 0

    def client(self):
        type(self).kit_no += 1
        c = client_of(self.t.new_kit(2, f"peer-{self.kit_no}"))
        self.addCleanup(c.close)
        return c

    def memory_kb(self):
        text = pathlib.Path(f"/proc/{self.hub.server.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])

    def others_are_served(self):
        made = self.node.add_ids([consultation()])[0]
        self.node.sync(timeout_s=30)
        self.assertEqual(len(self.hub.rows("history", made)), 1)

    def test_handshakes_that_never_end(self):
        """300 connections that say a byte now and then: others are served, and the hub closes them all"""
        greeting = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0CURVE" + b"\0" * 40
        sockets = [socket.create_connection(("127.0.0.1", self.hub.port), timeout=10) for _ in range(300)]
        try:
            for s in sockets:
                s.setblocking(False)
            said, open_ones = 0, set(sockets)

            def all_closed():
                nonlocal said
                for s in list(open_ones):
                    try:
                        if said < len(greeting):
                            s.send(greeting[said:said + 1])
                        while s.recv(4096):
                            pass
                        open_ones.discard(s)
                    except BlockingIOError:
                        pass
                    except OSError:
                        open_ones.discard(s)
                said += 1
                return not open_ones
            all_closed()
            self.others_are_served()
            wait_for(all_closed, "the hub to close what never finishes", 90, 0.5)
        finally:
            for s in sockets:
                s.close()
        self.others_are_served()

    def test_a_reader_that_never_reads(self):
        """20,000 PULLs and not one page read: pages don't pile up at the hub, and others are served"""
        c = self.client()
        c.push([c.consultation() for _ in range(500)])
        before = self.memory_kb()
        c.socket.setsockopt(zmq.SNDTIMEO, 5000)
        pull = pack([c.session, [0, None], 262144])
        try:
            for _ in range(20000):
                c.send_frames(bytes([PULL]), pull)
        except zmq.Again:
            pass
        self.others_are_served()
        self.assertLess(self.memory_kb() - before, GROWTH_MAX_KB)

    def test_a_message_without_end(self):
        """4,096 frames of 64 KiB in one message, from an enrolled key on four connections and more: the door before the ROUTER stops at its
        bound, others are served, and the connections are closed; a fifth connection of the key costs the first one"""
        enrolled, frame = self.client(), b"x" * 65536
        before = self.memory_kb()
        attackers = []
        for _ in range(6):
            c = Client(enrolled.endpoint, enrolled.hub_key, enrolled.public, enrolled.secret).connect()
            self.addCleanup(c.close)
            c.monitor = c.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            c.send_frames(*([frame] * (4096 if not attackers else 512)))
            attackers.append(c)
        most = 0

        def the_first_is_cut():
            nonlocal most
            most = max(most, self.memory_kb() - before)
            return attackers[0].monitor.poll(0)
        wait_for(the_first_is_cut, "the first connection to be cut", 60, 0.05)
        self.others_are_served()
        for c in attackers:
            c.close()
        alone = Client(enrolled.endpoint, enrolled.hub_key, enrolled.public, enrolled.secret).connect()
        self.addCleanup(alone.close)
        monitor = alone.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        alone.send_frames(*([frame] * 512))
        wait_for(lambda: monitor.poll(0), "a lone one to be cut for what it never ends", 60, 0.2)
        most = max(most, self.memory_kb() - before)
        self.assertLess(most, GROWTH_MAX_KB)
        self.others_are_served()
        print(f"note: messages without end: the hub grew by {most // 1024} MiB", flush=True)

    def test_strangers_by_thousands(self):
        """2,500 half greetings, all kept open: the hub keeps the newest 1,024 of them, and whoever has a key gets in"""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard < 8192:
            self.skipTest("needs 8,192 files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        greeting = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0CU"
        sockets = []
        try:
            for _ in range(2500):
                s = socket.create_connection(("127.0.0.1", self.hub.port), timeout=10)
                s.send(greeting)
                sockets.append(s)
            self.others_are_served()
            files = len(os.listdir(f"/proc/{self.hub.server.process.pid}/fd"))
            self.assertLess(files, 3 * 1024 + 200)
        finally:
            for s in sockets:
                s.close()
        self.others_are_served()

    def test_a_stranger_sends_no_more_than_a_handshake(self):
        """Without a key nothing past a handshake's bytes is read: the connection is closed"""
        with socket.create_connection(("127.0.0.1", self.hub.port), timeout=10) as s:
            s.settimeout(10)
            with self.assertRaises(OSError):
                for _ in range(4096):
                    s.sendall(b"\0" * 65536)

    def test_frames_of_an_earlier_session(self):
        """What was recorded in one session and sent again in a later one changes nothing"""
        c = self.client()
        old_hello, old_session = c.hello_body(), c.session
        old_push = c.push_body([c.consultation(), c.consultation()])
        c.push([c.consultation()])
        c.connect()
        c.hello()
        c.send(PULL, [c.session, [0, None], 262144])  # the later lease counts as held
        c.expect(FEED)
        entries = self.hub.entries()
        c.send(PULL, [old_session, [0, None], 262144])
        self.assertEqual(c.error(), "hello_first")
        c.send(PUSH, old_push)  # the same place in the log with another content: the branch's own chain speaks against it
        kind, body = c.expect(ACK, ERROR)
        self.assertEqual((kind, body[0]), (ERROR, "rolled_back"), body)
        c.send(HELLO, old_hello)
        self.assertEqual(c.error(), "rolled_back", "a lease of before")
        self.assertEqual(self.hub.entries(), entries)
