"""Clocks that are wrong by decades, jump, stand still, pass 2038, or are set back at the hub (P9), and what coverage says of it (P10). Real
processes whose wall clock comes from a file (clock_shim.c); monotonic time stays true. Every test ends by comparing node, master and what was saved."""
import datetime
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import BIN, Case, Hub, Node, Server, Town, consultation, lm_nodes_of_db, run, wait_for

YEAR_MS = 365 * 86400 * 1000
HERE = pathlib.Path(__file__).resolve().parent
_built = {}


def shim():
    """The shim, compiled once a process, and what must stand before it in LD_PRELOAD (the sanitizer's library, when the programs have one)."""
    if not _built:
        where = pathlib.Path(tempfile.mkdtemp(prefix="lastmile-clock."))
        _built["dir"] = where
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", str(where / "shim.so"), str(HERE / "clock_shim.c")], check=True)
        linked = subprocess.run(["ldd", str(BIN / "lastmile-node")], capture_output=True, text=True, check=True).stdout
        before = [part.split()[2] for part in linked.splitlines() if "libasan" in part or "libtsan" in part]
        _built["preload"] = " ".join([*before, str(where / "shim.so")])
    return _built["preload"]


def tearDownModule():
    if _built:
        shutil.rmtree(_built["dir"], ignore_errors=True)


class Clocked:
    """A program whose wall clock the test sets: clock("+N"), clock("-N") ms off, clock("=N") stands still at N."""

    def clock(self, text):
        path = self.dir.with_name(self.dir.name + ".clock")
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, path)
        return path

    def faked(self):
        path = self.dir.with_name(self.dir.name + ".clock")
        if not path.exists():
            self.clock("+0")
        return ["/usr/bin/env", f"LD_PRELOAD={shim()}", f"LASTMILE_TEST_CLOCK={path}"]

    def run(self, *args, **kw):
        return run([*self.faked(), self.bin, *args, "--data", self.dir, "--user", kw.pop("user", "测试员")], **kw)


class ClockNode(Clocked, Node):
    def enrol(self, kit, **kw):
        return run([*self.faked(), self.bin, "enrol", kit, "--data", self.dir], **kw)

    def serve(self, **kw):
        self.server = Server([*self.faked(), self.bin, "serve", "--data", self.dir, "--http", "127.0.0.1:0"], self.log, **kw)
        return self.server


class ClockHub(Clocked, Hub):
    def serve(self, **kw):
        self.server = Server([*self.faked(), self.bin, "serve", "--data", self.dir, "--sync", self.endpoint, "--http", "127.0.0.1:0"], self.log, **kw)
        return self.server


def parse(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Base(Case):
    def start(self):
        self.town = Town(self, villages=1, enrol=False)
        self.node = self.watch(ClockNode(self.work / "clocked", self.work / "clocked.log", self.town.code(1)))
        self.saved = []
        return self.town.hub, self.node

    def save(self, n=1, **changes):
        ids = self.node.add_ids([consultation(**{"item_count": i + 1, **changes}) for i in range(n)])
        self.saved += ids
        return ids

    def compare(self, hub, node, counts=None):
        at_hub = {r["id"]: r for r in hub.rows("records", "consultation")}
        here = {r["id"]: r for r in node.list("consultation")}
        self.assertEqual(sorted(at_hub), sorted(self.saved))
        self.assertEqual({i: r["fields"] for i, r in here.items()}, {i: r["fields"] for i, r in at_hub.items()})
        for record, count in (counts or {}).items():
            self.assertEqual(at_hub[record]["fields"]["item_count"], count)
        self.assertEqual(node.status()["pending"], 0)
        self.assertEqual(hub.rows("conflicts"), [])
        self.assertEqual(hub.rows("returned"), [])
        hub.verify()
        self.check_order(hub)

    def check_order(self, hub):
        """The HLCs of one replica rise in every branch, whatever its wall clock did."""
        rows = lm_nodes_of_db(hub.dir / "hub.db", "SELECT replica, branch, hlc FROM journal WHERE kind = 0 AND replica <> 0 ORDER BY replica, branch, seq")
        for before, after in zip(rows, rows[1:]):
            if before[:2] == after[:2]:
                self.assertGreater(after[2], before[2])

    def check_coverage(self, hub, code, at=None):
        """Never more than the hub knows: nothing is complete through a time that is still to come."""
        through = hub.json("count", "I12")["coverage"]["complete_through"]
        if through is not None:
            self.assertLessEqual(parse(through), (at or now()) + datetime.timedelta(seconds=1))
        return through


class Wrong(Base):
    def off_by(self, ms):
        hub, node = self.start()
        node.clock(f"{ms:+d}")
        said = node.enrol(self.town.kits[1])
        record = self.save(3)[0]
        node.sync()
        self.assertAlmostEqual(node.status()["clock_offset_ms"], -ms, delta=60000)
        hub.add([{"id": record, "fields": {"item_count": 50}}])  # a good clock edits after the bad one …
        node.sync()
        self.assertEqual(node.get(record)["fields"]["item_count"], 50)
        node.add([{"id": record, "fields": {"item_count": 51}}])  # … and the bad one after the good
        node.sync()
        self.compare(hub, node, {record: 51})
        for row in hub.rows("history", record):  # raw, offset and corrected are all kept
            self.assertLess(abs((parse(row["received_at"]) - now()).total_seconds()), 600)
            self.assertLess(abs((parse(row["at"]) - now()).total_seconds()), 600)
            if row["replica"] != "0":
                self.assertAlmostEqual(row["clock_offset_ms"], -ms, delta=60000)
                self.assertLess(abs((parse(row["clock_at"]) - now()).total_seconds() - ms / 1000), 600)
        through = self.check_coverage(hub, node.code)
        self.assertLess(abs((parse(through) - now()).total_seconds()), 600)
        replica = hub.status()["replicas"][0]
        self.assertAlmostEqual(replica["clock_offset_ms"], -ms, delta=60000)
        return said, node

    def test_20_years_ahead(self):
        """P9, P10: enrols, saves, edits and is edited as with a good clock; offset and receipt are kept; coverage is in hub time"""
        said, node = self.off_by(20 * YEAR_MS)
        self.assertIn("过期", said.err)  # by its clock the kit has expired: the hub decides

    def test_20_years_behind(self):
        """P9, P10: likewise with a clock in the past"""
        self.off_by(-20 * YEAR_MS)

    def test_past_2038(self):
        """P9: over the end of 32-bit seconds, while it runs, and beyond"""
        hub, node = self.start()
        end = 2**31 * 1000
        node.clock(f"={end - 1500}")
        node.enrol(self.town.kits[1])
        node.serve()
        record = self.save(2)[0]
        node.clock(f"={end + 1500}")
        self.save(2)
        node.add([{"id": record, "fields": {"item_count": 7}}])
        node.sync()
        node.clock(f"={end + 10 * YEAR_MS}")
        self.save(1)
        node.add([{"id": record, "fields": {"item_count": 8}}])
        node.sync()
        self.check_coverage(hub, node.code)
        self.compare(hub, node, {record: 8})

    def test_jumps_while_running(self):
        """P9, P10: ahead and back by years in one session: as_of follows monotonic time, HLCs rise, the last edit stands"""
        hub, node = self.start()
        node.enrol(self.town.kits[1])
        node.serve()
        record = self.save(1)[0]
        for i, off in enumerate((5 * YEAR_MS, -20 * YEAR_MS, 20 * YEAR_MS, -YEAR_MS, 0)):
            node.clock(f"{off:+d}")
            self.save(1)
            node.add([{"id": record, "fields": {"item_count": 60 + i}}])
            node.sync()
            self.check_coverage(hub, node.code)
        self.compare(hub, node, {record: 64})

    def test_stopped(self):
        """P9, P8: a clock that stands still, and the same PC put back to an older copy under it"""
        hub, node = self.start()
        node.clock("=1764000000000")
        node.enrol(self.town.kits[1])
        record = self.save(3)[0]
        node.sync()
        for i in range(3):
            node.add([{"id": record, "fields": {"item_count": 70 + i}}])
        node.sync()
        self.compare(hub, node, {record: 72})
        old = node.dir.with_name("old")
        shutil.copytree(node.dir, old)
        self.save(2)
        node.sync()
        shutil.rmtree(node.dir)
        shutil.copytree(old, node.dir)
        self.save(2)  # the very HLCs of the two that were lost with the disk, on other records
        node.sync()
        self.assertGreater(node.status()["branch"], 1)
        self.compare(hub, node, {record: 72})


class HubClock(Base):
    def test_set_back(self):
        """P10: times told while the hub's clock was a day ahead count as never told once it is set right, also after a restart"""
        town = self.town = Town(self, villages=1, enrol=False, serve=False)
        hub = self.watch(ClockHub(town.hub.dir, self.work / "hub2.log", port=town.hub.port))
        hub.clock(f"+{86400000}")
        hub.serve()
        self.node = node = self.watch(ClockNode(self.work / "clocked", self.work / "clocked.log", town.code(1)))
        self.saved = []
        node.enrol(town.kits[1])
        self.save(2)
        node.sync()
        tomorrow = now() + datetime.timedelta(days=1)
        self.assertGreater(parse(self.check_coverage(hub, node.code, at=tomorrow)), now())
        hub.clock("+0")
        self.assertIsNone(self.check_coverage(hub, node.code))  # at once: a reader judges by its own present
        self.assertIn(node.code, hub.json("count", "I12")["coverage"]["stale"] + hub.json("count", "I12")["coverage"]["never"])
        wait_for(lambda: lm_nodes_of_db(hub.dir / "hub.db", "SELECT max(complete_ms) FROM replicas")[0][0] == 0, "it to be taken back for good")
        hub.stop()
        hub.serve()
        self.assertIsNone(self.check_coverage(hub, node.code))
        node.sync()
        self.assertIsNotNone(self.check_coverage(hub, node.code))
        self.compare(hub, node)

    def test_hub_jumps_ahead(self):
        """P9: the hub's clock jumps a year ahead and back under a node that runs: nothing is lost, and coverage comes back to the true time"""
        town = self.town = Town(self, villages=1, enrol=False, serve=False)
        hub = self.watch(ClockHub(town.hub.dir, self.work / "hub2.log", port=town.hub.port))
        hub.serve()
        self.node = node = self.watch(ClockNode(self.work / "clocked", self.work / "clocked.log", town.code(1)))
        self.saved = []
        node.enrol(town.kits[1])
        node.serve()
        self.save(1)
        node.sync()
        hub.clock(f"+{YEAR_MS}")
        self.save(1)
        node.sync()
        hub.clock("+0")
        self.save(1)
        node.sync()
        self.check_coverage(hub, node.code)
        self.compare(hub, node)


if __name__ == "__main__":
    unittest.main()
