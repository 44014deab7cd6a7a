"""Lines as villages have them, packet by packet (link.py): 64 kbit/s, 800 ms, 20 % loss, a link that comes and goes, a link that is cut in the
middle of a push. A new PC's first load, a push and edits both ways go over each; in the end node, hub and what was entered are the
same, once each (P2, P3, P5). LASTMILE_LONG=1: more records and more cuts."""
import os
import signal
import time
import unittest

import link
from harness import RELEASE, Case, Town, consultation, wait_for

WHY_NOT = link.why_not()
LONG = os.environ.get("LASTMILE_LONG") == "1"
OLD, NEW, EDITS, CUTS = (300, 200, 50, 4) if LONG else (100, 60, 20, 2)


@unittest.skipIf(WHY_NOT, WHY_NOT or "")
class Lines(Case):
    weight = 8

    def town(self, **line):
        """A hub with OLD records of village 1 from a first PC on a good line; a second PC of the village behind the bad one."""
        self.link = link.Link()
        self.addCleanup(self.link.close)
        town = Town(self, villages=1, bin_dir=RELEASE, enrol=False, serve=False)
        town.hub.host = self.link.here
        town.hub.serve()
        self.hub, self.first = town.hub, town.v[1]
        self.first.enrol(town.new_kit(1, "kit-first"))
        self.model = {i: 1 for i in self.first.add_ids([consultation(item_count=1) for _ in range(OLD)])}
        self.first.sync()
        self.node = town.new_node(1, "far")
        self.node.prefix = self.link.prefix
        kit = town.new_kit(1, "kit-far")
        for name, value in line.items():
            setattr(self.link, name, value)
        return kit

    def work_both_ways(self):
        """NEW records at the far PC, edits there and at the hub."""
        made = self.node.add_ids([consultation(item_count=2) for _ in range(NEW)])
        self.model.update({i: 2 for i in made})
        old = sorted(set(self.model) - set(made))
        self.node.add([{"id": i, "fields": {"item_count": 3}} for i in made[:EDITS]])
        self.model.update({i: 3 for i in made[:EDITS]})
        self.hub.add([{"id": i, "fields": {"item_count": 4}} for i in old[:EDITS]])
        self.model.update({i: 4 for i in old[:EDITS]})

    def agree(self, timeout_s):
        """Waits until the far PC shows what was entered, then compares node, hub and model."""
        def here():
            status = self.node.status()
            return status["pending"] == 0 and {r["id"]: r["fields"]["item_count"] for r in self.node.list("consultation")} == self.model
        started = time.monotonic()
        wait_for(here, "the far PC to have and to have sent all", timeout_s, 0.5)
        took = time.monotonic() - started
        rows = self.hub.rows("records", "consultation")
        self.assertEqual(len(rows), len(self.model), "each once")
        self.assertEqual({r["id"]: r["fields"]["item_count"] for r in rows}, self.model)
        self.assertEqual(self.hub.rows("conflicts") + self.hub.rows("held"), [])
        self.assertEqual(self.node.status()["branch"], 1, "a bad line is no reason for a new branch")
        self.hub.verify()
        print(f"note: {self.id().split('.')[-1]}: {took:.0f} s, {self.link.carried // 1000} kB carried, {self.link.lost} packets lost", flush=True)

    def over(self, timeout_s=150, **line):
        kit = self.town(**line)
        self.node.enrol(kit, timeout_s=120)
        self.node.serve()
        wait_for(lambda: len(self.node.list("consultation")) == OLD, "the first load", timeout_s, 0.5)
        self.work_both_ways()
        self.agree(timeout_s)

    def test_64_kbit(self):
        """A first load and a push over 64 kbit/s"""
        self.over(rate_bit_s=64000, delay_ms=50)

    @unittest.skipUnless(LONG, "takes minutes: LASTMILE_LONG=1")
    def test_first_load_64_kbit(self):
        """A new PC's first load of a large village, 5,000 records, over 64 kbit/s"""
        kit = self.town()
        self.first.add_ids([consultation(item_count=1) for _ in range(5000)])
        self.first.sync()
        self.link.rate_bit_s = 64000
        self.node.enrol(kit, timeout_s=120)
        self.node.serve()
        carried = self.link.carried
        wait_for(lambda: len(self.node.list("consultation")) == OLD + 5000, "the first load", 1500, 2)
        print(f"note: first load: {(self.link.carried - carried) // 1000} kB carried", flush=True)

    def test_800_ms(self):
        """800 ms there and back"""
        self.over(delay_ms=400)

    def test_20_percent_loss(self):
        """One packet of five is lost, each way"""
        self.over(loss=0.2, delay_ms=20)

    def test_flapping(self):
        """The link goes away again and again while the far PC loads and pushes; it finds the hub by itself each time"""
        kit = self.town(rate_bit_s=64000, delay_ms=20)
        self.node.enrol(kit, timeout_s=120)
        self.node.serve()
        wait_for(lambda: self.node.status()["state"] == "online", "the session", 60)
        self.work_both_ways()
        for _ in range(CUTS):
            goal = self.link.carried + 6000  # some packets further, wherever that is
            wait_for(lambda: self.link.carried >= goal or self.node.status()["pending"] == 0, "some traffic", 120, 0.01)
            self.link.up = False
            lost = self.link.lost
            wait_for(lambda: self.link.lost >= lost + 4, "packets to get lost in the cut", 120, 0.01)
            self.link.up = True
        self.agree(200)

    def test_stopped_and_continued(self):
        """SIGSTOP of the hub, then of the node, while changes are on their way; SIGCONT, and all arrives once"""
        kit = self.town(delay_ms=20)
        self.node.enrol(kit)
        self.node.serve()
        for server in (self.hub.server, self.node.server):
            wait_for(lambda: self.node.status()["state"] == "online", "the session", 60)
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                made = []
                if server is self.hub.server:
                    made = self.node.add_ids([consultation(item_count=5) for _ in range(50)])
                    self.assertEqual(self.node.status()["pending"], 50, "the node goes on without the hub")
                else:
                    old = sorted(self.model)[:EDITS]
                    self.hub.add([{"id": i, "fields": {"item_count": 6}} for i in old])
                    self.model.update({i: 6 for i in old})
            finally:
                os.kill(server.process.pid, signal.SIGCONT)
            self.model.update({i: 5 for i in made})
        self.agree(150)
