"""Disks and directories: full, read-only, missing, used twice, damaged, of a newer version. Clear errors, nothing lost (P1, P2)."""
import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import unittest

from harness import Case, Hub, Node, Town, TOWN_CODE, consultation, lm_nodes_of_db, person, run, village_code, wait_for

NOBODY = 65534
ROOT = os.geteuid() == 0


@contextlib.contextmanager
def small_disk(case, mib):
    """A tmpfs of so many MiB; skips the test where that can't be mounted."""
    where = case.work / "disk"
    where.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0755", "tmpfs", str(where)], capture_output=True)
    if done.returncode != 0:
        raise unittest.SkipTest("a tmpfs can't be mounted here; the file-size tests show the same by another way")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=False)


def fill(path, leave_mib):
    """Fills the disk of path up to so many MiB."""
    stat = os.statvfs(path.parent)
    size = stat.f_bavail * stat.f_frsize - leave_mib * 1024 * 1024
    with open(path, "wb") as f:
        left = size
        while left > 0:
            left -= f.write(b"\0" * min(left, 1 << 20))
    return path


class DiskFull(Case):
    """P1, P2: what was answered is there; what was not is not; the rest goes on when there is room again"""

    @unittest.skipUnless(ROOT, "needs root to mount")
    def test_node_refuses_when_little_is_left(self):
        """A node refuses saves below 50 MB free, says so, and saves again when there is room"""
        town = Town(self, villages=1)
        with small_disk(self, 120) as disk:
            node = self.watch(Node(disk / "node", self.work / "small.log", town.code(1)))
            node.enrol(town.new_kit(1, "kit-small"))
            kept = node.add_ids([consultation() for _ in range(50)])
            filler = fill(disk / "filler", 20)
            result = node.run("add", stdin='{"type":"consultation","fields":{"on":"2025-03-01","channel":"phone","topic":"policy","item_count":1}}\n' * 3, check=False)
            self.assertEqual(result.rc, 1, result)
            for answer in result.rows():
                self.refused(answer, "disk_full")
            self.assertEqual({r["id"] for r in node.list("consultation")}, set(kept), "reading goes on, nothing else was kept")
            node.serve()
            self.assertEqual(node.server.http("/healthz")[0], 503)
            node.stop()
            filler.unlink()
            kept += node.add_ids([consultation()])
            node.sync()
            self.assertEqual({r["id"] for r in town.hub.rows("records", "consultation")}, set(kept))
            town.hub.verify()

    def test_node_file_size(self):
        """The same by a limit on files: answered lines are kept, others say why, nothing is torn"""
        town = Town(self, villages=1)
        node = town.v[1]
        kept = node.add_ids([consultation() for _ in range(20)])
        limit = max(f.stat().st_size for f in node.dir.iterdir() if f.is_file()) + 60 * 1024
        lines = "".join('{"type":"consultation","fields":{"on":"2025-03-01","channel":"phone","topic":"policy","item_count":%d}}\n' % (i % 90 + 1)
                        for i in range(6000))
        result = node.run("add", stdin=lines, check=False, fsize=limit)
        self.assertEqual(result.rc, 1, result)
        kept += [a["id"] for a in result.rows() if "id" in a]
        refused = [a for a in result.rows() if "error" in a]
        self.assertTrue(refused or "stopped at line" in result.err, result)
        for answer in refused:
            self.refused(answer, ("disk_full", "io_error"))
        self.assertEqual({r["id"] for r in node.list("consultation")}, set(kept))
        node.sync()
        self.assertEqual({r["id"] for r in town.hub.rows("records", "consultation")}, set(kept))
        town.hub.verify()

    @unittest.skipUnless(ROOT, "needs root to mount")
    def test_hub_disk_full(self):
        """P2: a hub that can't commit acks nothing; with room again, all arrives once"""
        with small_disk(self, 60) as disk:
            self_work, self.work = self.work, disk
            try:
                town = Town(self, villages=1)
            finally:
                self.work = self_work
            hub = town.hub
            node = self.watch(Node(self.work / "node-big", self.work / "node-big.log", town.code(1)))
            node.enrol(town.new_kit(1, "kit-big"))
            node.sync()
            made = node.add_ids([consultation(item_count=i % 90 + 1) for i in range(4000)])
            filler = fill(disk / "filler", 0)
            hub.server.expected_end = True
            result = node.run("sync", "--timeout", "8", check=False, timeout_s=60)
            self.assertEqual(result.rc, 1, result)
            self.assertGreater(node.status()["pending"], 0)
            filler.unlink()
            if not hub.alive():
                hub.server.process.wait()
                hub.serve()
            hub.server.expected_end = False
            node.sync(timeout_s=120)
            self.assertEqual(node.status()["pending"], 0)
            self.assertEqual({r["id"] for r in hub.rows("records", "consultation")}, set(made))
            for record in made[::500]:
                self.assertEqual(len(hub.rows("history", record)), 1)
            hub.verify()
            hub.stop()

    def test_hub_file_size(self):
        """The same by a limit on files: the hub ends or says busy, and nothing acked is lost"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        hub.stop()
        hub.run("verify")  # a checkpoint of the log
        limit = max(f.stat().st_size for f in hub.dir.iterdir() if f.is_file()) + 100 * 1024
        hub.serve(fsize=limit)
        hub.server.expected_end = True
        made = node.add_ids([consultation(item_count=i % 90 + 1) for i in range(3000)])
        result = node.run("sync", "--timeout", "8", check=False, timeout_s=60)
        self.assertEqual(result.rc, 1, result)
        hub.kill()
        hub.serve()
        node.sync(timeout_s=120)
        self.assertEqual({r["id"] for r in hub.rows("records", "consultation")}, set(made))
        self.assertEqual(node.status()["pending"], 0)
        hub.verify()


class Directories(Case):
    """Missing, read-only, taken, foreign and damaged data directories: exit 1, a message, nothing made or changed"""

    def made(self):
        town = Town(self, villages=1, serve=True)
        town.v[1].add([consultation()])
        town.v[1].sync()
        return town

    def test_missing(self):
        for program in (Hub(self.work / "no-hub", self.work / "h.log"), Node(self.work / "no-node", self.work / "n.log")):
            for argv in (["status"], ["serve"], ["add"]):
                with self.subTest(program=program.program, argv=argv):
                    self.cli_refused(program.run(*argv, check=False))
                    self.assertFalse(program.dir.exists(), "a mistyped path must not be made")

    def test_a_file_in_its_place(self):
        (self.work / "file").write_text("x")
        for program in (Hub(self.work / "file", self.work / "h.log"), Node(self.work / "file", self.work / "n.log")):
            self.cli_refused(program.run("status", check=False))

    def test_not_enrolled(self):
        (self.work / "empty").mkdir()
        node = Node(self.work / "empty", self.work / "n.log")
        for argv in (["status"], ["serve"], ["sync"], ["add"]):
            self.cli_refused(node.run(*argv, check=False), "not_enrolled")
        hub = Hub(self.work / "empty", self.work / "h.log")
        for argv in (["status"], ["serve"], ["add"], ["count"]):
            self.cli_refused(hub.run(*argv, check=False))
        self.assertEqual([f.name for f in (self.work / "empty").iterdir() if not f.name.endswith(".lock")], [])

    @unittest.skipUnless(ROOT and shutil.which("setpriv"), "needs root to become another user")
    def test_read_only(self):
        """As a user who may not write: a message that says so, at the node and at the hub, and nothing changed"""
        town = self.made()
        hub, node = town.hub, town.v[1]
        hub.stop()
        binaries = self.work / "bin"
        binaries.mkdir()
        for program in (hub, node):
            shutil.copy(program.bin, binaries)
            program.bin = binaries / program.program
        for path in [self.work, *self.work.rglob("*")]:
            os.chmod(path, 0o755 if path.is_dir() or path.parent == binaries else 0o444)
        if node.run("--version", check=False, uid=NOBODY).rc != 0:
            self.skipTest("another user cannot even start a program here (a root directory closed to others)")
        for program, argv in ((node, ["add"]), (node, ["serve"]), (node, ["sync", "--timeout", "2"]), (hub, ["serve"]), (hub, ["add"]), (hub, ["approve", "consultation"])):
            with self.subTest(program=program.program, argv=argv):
                result = program.run(*argv, stdin='{"type":"consultation","fields":{"on":"2025-03-01","channel":"phone","topic":"policy","item_count":1}}\n',
                                     check=False, uid=NOBODY)
                self.assertEqual(result.rc, 1, result)
                self.assertRegex(result.err + result.out, "data_dir_denied|read_only|denied|权限")
        for path in [self.work, *self.work.rglob("*")]:
            os.chmod(path, 0o755 if path.is_dir() or path.parent == binaries else 0o600)
        self.assertEqual(len(node.list("consultation")), 1)

    def test_commands_at_once(self):
        """Of several commands without a server each has its turn: one that waits for the other is not told that no server runs"""
        town = Town(self, villages=1, serve=False)
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            done = list(pool.map(lambda n: town.hub.run("station", "add", village_code(n), f"示例村{n}", "--office", "第一办事处", check=False), range(10, 16)))
        self.assertEqual([(d.rc, d.err) for d in done], [(0, "")] * 6)

    def test_second_serve(self):
        """A second serve on the same data says who has it; the first goes on"""
        town = self.made()
        hub, node = town.hub, town.v[1]
        node.serve()
        for program, argv in ((hub, ["serve", "--sync", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"]), (node, ["serve", "--http", "127.0.0.1:0"])):
            with self.subTest(program=program.program):
                result = program.run(*argv, check=False)
                self.cli_refused(result)
                self.assertIn(str(program.server.process.pid), result.err, "the message names the process")
                self.assertTrue(program.alive())
        node.add([consultation()])
        wait_for(lambda: node.status()["pending"] == 0, "the first serve to go on", 30)

    def test_port_in_use(self):
        town = self.made()
        other = Hub(self.work / "other", self.work / "other.log")
        other.run("init", "--town", "另一镇", "--code", TOWN_CODE)
        result = other.run("serve", "--sync", town.hub.endpoint, "--http", "127.0.0.1:0", check=False)
        self.cli_refused(result, "address_in_use", "listen")
        result = other.run("serve", "--sync", "tcp://127.0.0.1:0", "--http", town.hub.server.ready["http"], check=False)
        self.assertEqual(result.rc, 1, result)
        result = other.run("serve", "--sync", "nonsense", "--http", "127.0.0.1:0", check=False)
        self.assertIn(result.rc, (1, 2), result)

    def test_newer_version(self):
        """A database that a newer program has made is left alone, by every command"""
        town = self.made()
        town.hub.stop()
        for program, name in ((town.hub, "hub.db"), (town.v[1], "node.db")):
            with sqlite3.connect(program.dir / name) as db:
                version = db.execute("PRAGMA user_version").fetchone()[0]
                db.execute(f"PRAGMA user_version = {version + 1}")
            db.close()
            for argv in (["status"], ["serve"], ["add"]):
                with self.subTest(program=program.program, argv=argv):
                    self.cli_refused(program.run(*argv, check=False), "newer_database")
            self.assertEqual(lm_nodes_of_db(program.dir / name, "PRAGMA user_version"), [(version + 1,)])
            with sqlite3.connect(program.dir / name) as db:
                db.execute(f"PRAGMA user_version = {version}")
            db.close()
            program.run("status")

    def test_foreign_database(self):
        town = self.made()
        town.hub.stop()
        for program, name in ((town.hub, "hub.db"), (town.v[1], "node.db")):
            with sqlite3.connect(program.dir / name) as db:
                db.execute("PRAGMA application_id = 42")
            db.close()
            self.cli_refused(program.run("status", check=False))

    def test_corrupt_database(self):
        """A damaged file is said to be damaged; it is neither replaced nor written to"""
        town = self.made()
        town.hub.stop()
        for program, name in ((town.hub, "hub.db"), (town.v[1], "node.db")):
            path = program.dir / name
            for side in ("-wal", "-shm"):
                pathlib.Path(f"{path}{side}").unlink(missing_ok=True)
            good = path.read_bytes()
            for what, bad in (("header", b"garbage garbage!" + good[16:]), ("empty", b""), ("cut", good[:4096 + 100]),
                              ("noise", good[:4096] + os.urandom(len(good) - 4096))):
                with self.subTest(program=program.program, what=what):
                    path.write_bytes(bad)
                    for argv in (["status"], ["add"], ["serve"]):
                        result = program.run(*argv, stdin='{"type":"consultation","fields":{"on":"2025-03-01","channel":"phone","topic":"policy","item_count":1}}\n',
                                             check=False, timeout_s=30)
                        self.assertEqual(result.rc, 1, result)
                        self.assertTrue(result.err or "error" in result.out, result)
            for side in ("-wal", "-shm"):
                pathlib.Path(f"{path}{side}").unlink(missing_ok=True)
            path.write_bytes(good)
            program.run("status")

    def test_damaged_keys(self):
        town = self.made()
        town.hub.stop()
        for program, name in ((town.hub, "hub.key"), (town.v[1], "node.key")):
            path = program.dir / name
            good = path.read_bytes()
            for bad in (b"", b"{}", b"\xff" * 100, good[:len(good) // 2], good.replace(b'"', b"'")):
                with self.subTest(program=program.program, bad=bad[:10]):
                    path.write_bytes(bad)
                    self.cli_refused(program.run("serve", check=False))
            path.unlink()
            self.cli_refused(program.run("serve", check=False))
            path.write_bytes(good)

    def test_private_files(self):
        """The directory is 0700, keys and database 0600"""
        town = self.made()
        for program, names in ((town.hub, ("hub.db", "hub.key")), (town.v[1], ("node.db", "node.key"))):
            self.assertEqual(program.dir.stat().st_mode & 0o777, 0o700)
            for name in names:
                self.assertEqual((program.dir / name).stat().st_mode & 0o077, 0, name)

    def test_journal_damage_is_found(self):
        """verify names a changed byte in the journal, a changed value in the master, a missing feed row"""
        town = self.made()
        hub = town.hub
        hub.stop()
        good = {f: (hub.dir / f).read_bytes() for f in ("hub.db",)}
        for sql in ("UPDATE r_consultation SET item_count = item_count + 1", "DELETE FROM feed WHERE record = (SELECT min(record) FROM feed)",
                    "DELETE FROM r_consultation", "UPDATE journal SET body = CAST(body || x'00' AS BLOB) WHERE pos = (SELECT max(pos) FROM journal)",
                    "UPDATE journal SET received_ms = received_ms + 1 WHERE pos = 2", "DELETE FROM journal WHERE pos = (SELECT max(pos) FROM journal)"):
            with self.subTest(sql=sql):
                with contextlib.closing(sqlite3.connect(hub.dir / "hub.db", isolation_level=None)) as db:
                    db.execute(sql)
                result = hub.run("verify", check=False)
                self.assertEqual(result.rc, 1, result)
                self.assertTrue(result.out.strip() or result.err.strip())
                for side in ("-wal", "-shm"):
                    pathlib.Path(f"{hub.dir / 'hub.db'}{side}").unlink(missing_ok=True)
                (hub.dir / "hub.db").write_bytes(good["hub.db"])
        hub.verify()


class LeftBehind(Case):
    """Copies that a killed backup or restore left half made do not stay for ever; whatever else is there does"""

    def marks(self):
        ended = subprocess.Popen(["true"])
        ended.wait()
        return f"{ended.pid:08x}0123abcd", f"{os.getpid():08x}0123abcd"

    def plant(self, names):
        for name in names:
            name.write_bytes(b"half a register")
        return names

    def test_hub(self):
        town = Town(self, villages=0)
        hub = town.hub
        dead, alive = self.marks()
        shelf = self.work / "shelf"
        shelf.mkdir()
        kept = self.plant([hub.dir / f"hub.db.restore-{alive}", hub.dir / "hub.db.restore-notes", hub.dir / f"my.hub.db.restore-{dead}", shelf / f"b.db.part-{alive}",
                           shelf / f"other.db.part-{dead}", shelf / f"b.db.{dead}"])
        gone = self.plant([hub.dir / f"hub.db.restore-{dead}", hub.dir / f"hub.db.restore-{dead}-wal", shelf / f"b.db.part-{dead}", shelf / f"old.db.part-{dead}"])
        os.utime(gone[-1], (1, 1))  # nobody makes this one any more, on whichever computer it was begun
        told = hub.run("backup", shelf / "b.db").err
        for name in gone[2:]:
            self.assertIn(str(name), told)
        hub.run("restore", shelf / "b.db")
        self.assertEqual([str(f) for f in gone if f.exists()], [])
        self.plant(gone[:2])
        hub.stop()
        hub.serve()
        self.assertEqual([str(f) for f in gone if f.exists()], [])
        self.assertEqual([str(f) for f in kept if not f.exists()], [])

    def test_node(self):
        town = Town(self, villages=1)
        node = town.v[1]
        dead, alive = self.marks()
        node.add_ids([consultation()])
        for mark in (dead, alive):
            (node.dir / f"restore-{mark}").mkdir()
            self.plant([node.dir / f"restore-{mark}" / "node.db", self.work / f"n.db.part-{mark}"])
        told = node.run("backup", self.work / "n.db").err
        self.assertIn(f"n.db.part-{dead}", told)
        told = node.run("restore", self.work / "n.db").err
        self.assertIn(f"restore-{dead}", told)
        self.assertEqual([p.exists() for p in (node.dir / f"restore-{dead}", self.work / f"n.db.part-{dead}")], [False, False])
        self.assertEqual([p.exists() for p in (node.dir / f"restore-{alive}", self.work / f"n.db.part-{alive}")], [True, True])
        (node.dir / f"restore-{dead}").mkdir()
        node.serve()
        self.assertFalse((node.dir / f"restore-{dead}").exists())


class ReadOnlyDisk(Case):
    @unittest.skipUnless(ROOT, "needs root to mount")
    def test_said(self):
        """A file system that went read-only is called that, and nobody is sent to look for another user"""
        town = Town(self, villages=1)
        town.hub.stop()
        with small_disk(self, 64) as disk:
            for program in (town.hub, town.v[1]):
                shutil.copytree(program.dir, disk / program.program, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            for program in (Hub(disk / town.hub.program, self.work / "h.log"), Node(disk / town.v[1].program, self.work / "n.log")):
                for argv in (["status"], ["add"], ["serve"]):
                    told = program.run(*argv, check=False, stdin="")
                    self.cli_refused(told, "read_only_disk")
                    self.assertIn("只读", told.err)
