"""A village PC whose database file is damaged: `restore` sets it aside, takes the backup, keeps every change that can still be read, and says what
cannot (P1, P8). The files are really damaged: header gone, pages overwritten, cut to nothing, noise."""
import os
import pathlib

from harness import Case, Town, consultation, person

PAGE = 4096


class Damaged(Case):
    def start(self):
        self.t = Town(self, villages=1)
        self.hub, self.node = self.t.hub, self.t.v[1]
        self.file = self.work / "backup"
        self.db = self.node.dir / "node.db"
        node = self.node
        old = node.add_ids([person(), consultation(item_count=1), consultation(item_count=2)])
        node.sync()
        node.run("backup", self.file)
        self.sent = node.add_ids([consultation(item_count=n + 10) for n in range(30)])
        node.add([{"id": old[1], "fields": {"item_count": 100}}])
        node.sync()
        self.unsent = node.add_ids([consultation(item_count=n + 50) for n in range(30)])
        node.add([{"id": self.sent[0], "fields": {"item_count": 101}}, {"id": old[2], "delete": True, "reason": "重复"}])
        self.old, self.deleted = old, old[2]
        self.changes = 63  # since the backup

    def killed(self):
        """The server is killed while changes lie in the log beside the file only."""
        self.node.serve()
        more = self.node.add_ids([consultation(item_count=n + 90) for n in range(5)])
        self.unsent += more
        self.changes += 5
        self.node.kill()
        self.assertGreater(os.path.getsize(f"{self.db}-wal"), 0)

    def overwrite(self, at, data):
        with open(self.db, "r+b") as f:
            f.seek(at)
            f.write(data)

    def restore(self):
        self.cli_refused(self.node.run("status", check=False))
        told = self.node.run("restore", self.file)
        self.assertIn("node.db.damaged-", told.out)
        asides = [p.name for p in self.node.dir.iterdir() if p.name.startswith("node.db.damaged-") and not p.name.endswith("-wal")]
        self.assertEqual(len(asides), 1)
        self.assertIn(asides[0], told.out)
        return told.out

    def healed(self, lost=()):
        """Hub and PC agree; everything that was saved is there once, but for what was said to be lost and had not been sent."""
        hub, node = self.hub, self.node
        node.sync()
        node.sync()
        here = {r["id"]: r["fields"] for t in ("person", "consultation") for r in node.list(t)}
        there = {r["id"]: {k: v for k, v in r["fields"].items() if k != "dup_key"} for t in ("person", "consultation") for r in hub.rows("records", t)}
        expected = set(self.old + self.sent + self.unsent) - set(lost)
        if not lost or self.deleted not in there:  # the deletion was not sent either: it may be among what was lost
            expected -= {self.deleted}
        self.assertEqual(sorted(there), sorted(expected))
        self.assertEqual(here, there)
        self.assertEqual(node.status()["pending"], 0)
        self.assertEqual((hub.rows("conflicts"), hub.rows("returned"), hub.rows("held")), ([], [], []))
        for record in self.sent:
            creations = [r["verdict"] for r in hub.rows("history", record) if r["op"] == "create"]
            self.assertEqual(creations.count("applied"), 1, creations)
        self.assertEqual([p.name for p in node.dir.iterdir() if p.name.startswith("restore-")], [])
        hub.verify()
        made = node.add_ids([consultation()])
        node.sync()
        self.assertIn(made[0], [r["id"] for r in hub.rows("records", "consultation")])

    def test_header_destroyed_and_a_log_beside_it(self):
        """P1: nothing is lost: the rows are read from the pages and from the log of the killed server"""
        self.start()
        self.killed()
        self.overwrite(0, os.urandom(PAGE))
        said = self.restore()
        self.assertIn(f"找回备份之后在本机录入的 {self.changes} 条", said)
        self.assertIn("对照纸质登记", said)
        self.healed()

    def test_pages_in_the_middle_destroyed(self):
        """P1: what stood on the pages is lost and counted; what the town has of it comes again; the rest of it is said to be entered anew"""
        self.start()
        victim = self.unsent[15]
        data = self.db.read_bytes()
        self.assertFalse(pathlib.Path(f"{self.db}-wal").exists())
        pages, at = set(), data.find(victim.encode())
        while at >= 0:
            pages.add(at // PAGE)
            at = data.find(victim.encode(), at + 1)
        pages -= {0}
        self.assertTrue(pages)
        for page in pages:
            self.overwrite(page * PAGE, os.urandom(PAGE))
        done = self.node.json("restore", self.file)
        self.assertTrue(done["damaged"] and done["end_known"], done)
        self.assertGreater(done["lost"], 0)
        self.assertEqual(done["repeated"] + done["lost"], self.changes)
        self.assertTrue((self.node.dir / done["aside"]).exists())
        self.node.sync()
        self.node.sync()
        there = {r["id"] for r in self.hub.rows("records", "consultation")}
        lost = set(self.unsent) - there
        self.assertIn(victim, lost)
        self.assertLessEqual(len(lost), done["lost"])
        self.healed(lost)

    def test_cut_to_nothing(self):
        """P1, P8: a file without a byte: the log beside it is not thrown away by looking; without one the town has what was sent"""
        self.start()
        self.killed()
        self.overwrite(0, b"")
        os.truncate(self.db, 0)
        before = os.path.getsize(f"{self.db}-wal")
        for argv in (["status"], ["add"], ["serve"], ["bundle", "export", self.work / "x.lmb"]):
            self.cli_refused(self.node.run(*argv, stdin="", check=False))
        self.assertEqual(os.path.getsize(f"{self.db}-wal"), before)
        said = self.restore()
        self.assertRegex(said, r"找回备份之后在本机录入的 [1-9]\d* 条")
        self.node.sync()
        there = {r["id"] for r in self.hub.rows("records", "consultation")}
        self.assertLessEqual(set(self.sent), there)
        self.assertLessEqual(set(self.unsent[-5:]), there, "what was in the log")
        self.healed(set(self.unsent) - there)

    def test_noise_and_missing(self):
        """P8: nothing can be read: the backup, and what the town has; said in words"""
        self.start()
        size = os.path.getsize(self.db)
        self.db.write_bytes(os.urandom(size))
        self.assertIn("找回备份之后在本机录入的 0 条", self.restore())
        self.node.sync()
        self.healed(set(self.unsent))
        self.unsent = []
        made = [r["id"] for r in self.node.list("consultation")]
        self.db.unlink()
        told = self.node.run("restore", self.file)
        self.assertIn("数据库文件不见了", told.out)
        self.node.sync()
        self.node.sync()
        self.assertEqual(sorted(r["id"] for r in self.node.list("consultation")), sorted(made))
        self.hub.verify()

    def test_while_it_serves_and_what_is_no_damage(self):
        """A running server says that it must be stopped first; a backup that is damaged itself, of another village, or none changes nothing"""
        self.start()
        node = self.node
        node.serve()
        whole = self.db.read_bytes()
        bad = self.work / "bad"
        bad.write_bytes(self.file.read_bytes()[:PAGE] + os.urandom(PAGE * 4))
        self.overwrite(PAGE * 3, os.urandom(PAGE))
        for file in (bad, self.work / "nothing"):
            self.cli_refused(node.run("restore", file, check=False))
        result = node.run("restore", self.file, check=False)
        if result.rc:  # unless the server held the page in memory and mended the file
            self.cli_refused(result, "damaged", "corrupt")
            self.assertIn("停止", result.err)
        node.kill()
        self.db.write_bytes(whole)
        for side in ("-wal", "-shm"):
            pathlib.Path(f"{self.db}{side}").unlink(missing_ok=True)
        self.overwrite(0, os.urandom(PAGE))
        self.cli_refused(node.run("restore", bad, check=False))
        self.assertEqual([p.name for p in node.dir.iterdir() if "damaged" in p.name or p.name.startswith("restore-")], [])
        done = node.json("restore", self.file)
        self.assertTrue(done["damaged"])
        self.healed()


if __name__ == "__main__":
    import unittest
    unittest.main()
