"""A village PC's own backups: made while it serves, gone back to without losing what was entered since, taken over by another PC.

P1: what was answered as saved is there after a restore. P8: the hub and the PC heal by themselves.
"""
import os
import random
import signal
import subprocess

from harness import ENV, SLOW, Case, Town, consultation, person


class Backup(Case):
    def start(self, villages=1):
        self.t = Town(self, villages=villages)
        self.node = self.t.v[1]
        return self.t.hub, self.node

    def everything(self, hub, node, saved):
        """Each saved record is at the hub and here, once and alike; nothing waits; the journal verifies."""
        node.sync()
        here = {r["id"]: r["fields"] for kind in ("consultation", "person") for r in node.list(kind)}
        there = {r["id"]: {k: v for k, v in r["fields"].items() if k != "dup_key"} for kind in ("consultation", "person") for r in hub.rows("records", kind)}
        self.assertEqual(sorted(here), sorted(saved))
        self.assertEqual(here, there)
        self.assertEqual(node.status()["pending"], 0)
        self.assertEqual((hub.rows("conflicts"), hub.rows("returned"), hub.rows("held")), ([], [], []))
        hub.verify()
        self.assertEqual([p.name for p in node.dir.iterdir() if p.name.startswith("restore-")], [])

    def test_back_while_it_serves_and_nothing_is_lost(self):
        """P1, P8: sent, unsent and edited since the backup: all of it stays; a save repeated is the same save"""
        hub, node = self.start()
        node.serve()
        old = node.add_ids([person(), consultation()])
        node.sync()
        old += node.add_ids([consultation(item_count=2)])  # in the backup, not sent yet
        file = self.work / "backup"
        node.run("backup", file)
        sent = node.add_ids([consultation(item_count=3)])
        node.add([{"id": old[1], "fields": {"item_count": 30}}])
        node.sync()
        keyed = {**consultation(item_count=4), "key": "k1"}
        unsent = node.add_ids([keyed])
        node.add([{"id": sent[0], "fields": {"item_count": 31}}, {"id": old[2], "fields": {"item_count": 20}}])
        done = node.json("restore", file)
        self.assertEqual((done["repeated"], done["other_pc"]), (5, False))
        self.assertTrue((node.dir / done["aside"]).exists())
        saved = old + sent + unsent
        self.assertEqual(node.add_ids([keyed]), unsent)
        self.assertEqual(sorted(r["id"] for r in node.list("consultation")), sorted(saved[1:]))
        self.everything(hub, node, saved)
        values = {r["id"]: r["fields"]["item_count"] for r in hub.rows("records", "consultation")}
        self.assertEqual([values[i] for i in saved[1:]], [30, 20, 31, 4])
        saved += node.add_ids([consultation()])  # and it goes on
        self.everything(hub, node, saved)

    def test_back_without_a_server_and_twice(self):
        hub, node = self.start()
        saved = node.add_ids([consultation()])
        first, second = self.work / "first", self.work / "second"
        node.run("backup", first)
        saved += node.add_ids([consultation()])
        node.sync()
        node.run("backup", second)
        saved += node.add_ids([consultation()])
        node.run("restore", first)
        node.run("restore", second)
        node.run("restore", first)
        self.everything(hub, node, saved)

    def test_the_towns_changes_come_again(self):
        """P5: what the hub had sent since the backup comes once more"""
        hub, node = self.start()
        saved = node.add_ids([consultation()])
        node.sync()
        file = self.work / "backup"
        node.run("backup", file)
        hub.run("approve", "consultation")
        node.sync()
        self.assertEqual(node.get(saved[0])["state"], "verified")
        node.run("restore", file)
        self.assertEqual(node.get(saved[0])["state"], "submitted")
        self.everything(hub, node, saved)
        self.assertEqual(node.get(saved[0])["state"], "verified")

    def test_another_pc_takes_over(self):
        """P8: the PC is gone, its last backup is not: a new PC goes on with what it had not sent"""
        hub, node = self.start()
        saved = node.add_ids([consultation()])
        node.sync()
        saved += node.add_ids([consultation(item_count=5)])
        node.add([{"id": saved[0], "fields": {"item_count": 9}}])
        file = self.work / "backup"
        node.run("backup", file)
        fresh = self.t.new_node(1, "fresh")
        fresh.enrol(self.t.new_kit(1, "kit-fresh"))
        saved += fresh.add_ids([consultation(item_count=7)])
        self.assertTrue(fresh.json("restore", file)["other_pc"])
        self.everything(hub, fresh, saved)
        self.assertEqual({r["id"]: r["fields"]["item_count"] for r in hub.rows("records", "consultation")}[saved[0]], 9)

    def test_what_is_no_backup_of_this_station(self):
        hub, node = self.start(villages=2)
        saved = node.add_ids([consultation()])
        other, cut, noise = (self.work / name for name in ("other", "cut", "noise"))
        self.t.v[2].run("backup", other)
        node.run("backup", cut)
        self.cli_refused(node.run("backup", cut, check=False), "file_exists")
        data = cut.read_bytes()
        cut.write_bytes(data[: len(data) // 2])
        noise.write_bytes(os.urandom(100000))
        self.cli_refused(node.run("restore", other, check=False), "other_station")
        for file in (cut, noise, self.work / "missing", hub.dir / "hub.db"):
            self.assertNotEqual(node.run("restore", file, check=False).rc, 0, file)
        self.assertNotEqual(node.run("restore", check=False).rc, 0)
        self.everything(hub, node, saved)

    def test_killed_at_any_moment(self):
        """P1: kill -9 in the middle of a restore leaves the state before or the state after"""
        hub, node = self.start()
        saved = node.add_ids([consultation() for _ in range(30)])
        file = self.work / "backup"
        node.run("backup", file)
        saved += node.add_ids([consultation() for _ in range(200)])
        order = random.Random(7)
        for _ in range(12):
            process = subprocess.Popen([node.bin, "restore", str(file), "--data", str(node.dir)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENV)
            try:
                process.wait(timeout=order.random() * 0.6 * SLOW)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            self.assertEqual(sorted(r["id"] for r in node.list("consultation")), sorted(saved))
        for left in node.dir.glob("restore-*"):  # what a kill leaves behind is a copy, and no more
            for part in left.iterdir():
                part.unlink()
            left.rmdir()
        self.everything(hub, node, saved)
