"""A node that goes back in time, is cloned, or whose PC is replaced (P8), and what coverage says meanwhile (P10). Every test ends by
comparing nodes, master and what was saved."""
import shutil

from harness import Case, Town, consultation, lm_nodes_of_db, wait_for


def copy_of(program, name):
    """The data directory as it is now, also while the program runs."""
    target = program.dir.with_name(name)
    shutil.copytree(program.dir, target, ignore=shutil.ignore_patterns("*.sock", "control*"))
    return target


def put_back(program, copy):
    shutil.rmtree(program.dir)
    shutil.copytree(copy, program.dir)


class Base(Case):
    def start(self, n=4, villages=1, **kw):
        town = Town(self, villages=villages, **kw)
        node = town.v[1]
        self.saved = node.add_ids([consultation(item_count=i + 1) for i in range(n)])
        node.sync()
        return town, town.hub, node

    def save(self, node, n=1, **changes):
        ids = node.add_ids([consultation(**{"item_count": i + 1, **changes}) for i in range(n)])
        self.saved += ids
        return ids

    def settle(self, *nodes):
        for node in nodes:
            node.sync()

    def compare(self, hub, *nodes, conflicts=0):
        """Everything saved is at the hub and at each node, once, with the same content; nothing is pending; the journal verifies."""
        at_hub = {r["id"]: r for r in hub.rows("records", "consultation")}
        self.assertEqual(sorted(at_hub), sorted(set(self.saved)))
        for node in nodes:
            here = {r["id"]: r for r in node.list("consultation")}
            self.assertEqual(sorted(here), sorted(at_hub))
            for record, row in here.items():
                self.assertEqual(row["fields"], at_hub[record]["fields"], record)
                self.assertEqual(row["state"], at_hub[record]["state"], record)
            self.assertEqual(node.status()["pending"], 0)
        twice = lm_nodes_of_db(hub.dir / "hub.db", "SELECT hex(record), hlc FROM journal WHERE kind = 0 AND verdict IN (1, 2, 3) AND record <> x''"
                               " GROUP BY record, replica, hlc HAVING count(*) > 1")
        self.assertEqual(twice, [])  # whatever came again under another branch took effect once
        self.assertEqual(len(hub.rows("conflicts")), conflicts)
        self.assertEqual(hub.rows("returned"), [])
        hub.verify()

    def replica(self, hub, node, station=None):
        row = next(s for s in hub.json("station", "list") if s["code"] == (station or node.code))
        number = node.status()["replica"]
        return next(r for r in row["replicas"] if r["replica"] == number)

    def alarms(self, hub, open_only=True):
        if open_only:
            return [a["kind"] for a in hub.status()["alarms"]]
        return [a["kind"] for s in hub.json("station", "list") for a in s["alarms"]]

    def coverage(self, hub):
        return hub.json("count", "I12")["coverage"]


class RolledBack(Base):
    def test_any_depth_and_twice(self):
        """P8: put back to before its first lease, then to a later copy, then to the first once more"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        self.saved = []
        empty = copy_of(node, "empty")  # enrolled, never connected
        self.save(node, 3)
        node.sync()
        self.save(node, 2)
        node.sync()
        put_back(node, empty)
        self.save(node, 2)
        self.settle(node)
        self.compare(hub, node)
        later = copy_of(node, "later")
        self.save(node, 3)
        node.sync()
        put_back(node, later)
        self.settle(node)
        put_back(node, later)  # twice in a row
        self.save(node, 1)
        self.settle(node)
        put_back(node, empty)
        self.save(node, 1)
        self.settle(node)
        self.compare(hub, node)
        self.assertEqual(self.alarms(hub), [])  # one PC that went back mends itself …
        self.assertEqual(self.alarms(hub, open_only=False).count("went_back"), 4)  # … and is on record
        self.assertFalse(self.replica(hub, node)["in_doubt"])

    def test_equal_length(self):
        """P8: the same lease, as many changes, other ones: the chain's hash tells"""
        town, hub, node = self.start()
        node.serve()
        node.sync()
        same_lease = copy_of(node, "same-lease")
        self.save(node, 3)
        node.sync()
        head = self.replica(hub, node)["head"]
        node.kill()
        put_back(node, same_lease)
        self.save(node, 3, topic="policy")
        self.assertEqual(node.status()["acked"] + node.status()["pending"], head)
        self.settle(node)
        self.assertGreater(node.status()["branch"], 1)
        self.compare(hub, node)

    def test_push_in_flight(self):
        """P8: killed while a push is under way, and put back at once: what had arrived is a duplicate, what had not is kept or gone with the disk"""
        town, hub, node = self.start()
        self.save(node, 50)
        unsent = copy_of(node, "unsent")
        node.serve()
        wait_for(lambda: self.replica(hub, node)["acked"] > 4, "the first of it acked")
        node.kill()
        put_back(node, unsent)
        self.save(node, 5)
        self.settle(node)
        self.compare(hub, node)

    def test_edits_of_both_lines(self):
        """P8, P6: the same record edited before and after the copy was put back: a conflict for a person, not a silent overwrite"""
        town, hub, node = self.start()
        record = self.saved[0]
        old = copy_of(node, "old")
        node.add([{"id": record, "fields": {"item_count": 31}}])
        node.sync()
        put_back(node, old)
        node.add([{"id": record, "fields": {"item_count": 32}}])
        self.settle(node)
        row = next(r for r in hub.rows("records", "consultation") if r["id"] == record)
        self.assertIn(row["fields"]["item_count"], (31, 32))
        self.assertEqual(sorted(s["value"]["item_count"] for c in hub.rows("conflicts") for s in c["siblings"]), [31, 32])
        self.compare(hub, node, conflicts=1)


class Cloned(Base):
    def twin_of(self, town, node, name="twin"):
        twin = town.new_node(1, name)
        shutil.copytree(node.dir, twin.dir, ignore=shutil.ignore_patterns("*.sock", "control*"))
        return twin

    def state(self, node):
        return node.status()["state_code"]

    def test_both_alive(self):
        """P8: a copy of a running PC (a VM with the same machine id) is refused as the second; the first goes on; the town is told, and stays told
        across a restart of the hub, until a person settles it"""
        town, hub, node = self.start()
        node.serve()
        node.sync()
        twin = self.twin_of(town, node)
        node.kill()  # so that the copy's lease is an older one
        node.serve()
        node.sync()
        record = self.saved[0]
        node.add([{"id": record, "fields": {"item_count": 41}}])
        mine = self.save(node, 2)
        theirs = twin.add_ids([consultation(item_count=7)])
        twin.add([{"id": record, "fields": {"item_count": 42}}])
        node.sync()
        twin.serve()
        wait_for(lambda: self.state(twin) == "clone", "the second to be refused", 40)
        self.assertIn("--renew", twin.status()["state_text"])
        refused = twin.run("sync", "--timeout", "20", check=False)
        self.cli_refused(refused, "clone")
        self.save(node, 1)
        node.sync()
        self.assertEqual(self.alarms(hub), ["clone"])
        replica = self.replica(hub, node)
        self.assertTrue(replica["in_doubt"] and replica["clone"], replica)
        self.assertIn(node.code, self.coverage(hub)["stale"])
        hub.stop()
        hub.serve()
        node.sync()
        twin.stop()
        self.cli_refused(twin.run("sync", "--timeout", "20", check=False), "clone")
        self.assertEqual(self.alarms(hub), ["clone"])
        self.assertEqual(twin.status()["pending"], 2)  # kept
        self.assertIn(theirs[0], [r["id"] for r in twin.list("consultation")])
        hub.run("station", "settle", node.code, "--note", "第二台是虚拟机副本，已停用")
        self.assertEqual(self.alarms(hub), [])
        node.sync()
        self.assertNotIn(node.code, self.coverage(hub)["stale"])
        self.compare(hub, node)

    def test_in_turn(self):
        """P8: two copies that are never alive at once: the first return is taken for one PC put back twice, with a word to the town; the next is refused"""
        town, hub, node = self.start()
        twin = self.twin_of(town, node)
        self.save(node, 1)
        node.sync()
        self.saved += twin.add_ids([consultation(item_count=5)])
        twin.sync()  # an older lease: went back
        self.save(node, 1)
        node.sync()  # the line that was given up
        self.assertEqual(self.alarms(hub), ["twin"])
        self.assertIn(node.code, self.coverage(hub)["possible_gap"])
        kept = twin.add_ids([consultation(item_count=6)])
        self.cli_refused(twin.run("sync", "--timeout", "20", check=False), "clone")
        self.assertEqual(sorted(self.alarms(hub)), ["clone", "twin"])
        self.settle(node)
        self.compare(hub, node)
        self.assertIn(kept[0], [r["id"] for r in twin.list("consultation")])


class Renewed(Base):
    def twin_of(self, town, node, name="twin"):
        twin = town.new_node(1, name)
        shutil.copytree(node.dir, twin.dir, ignore=shutil.ignore_patterns("*.sock", "control*"))
        return twin

    def test_clone_goes_on_by_itself(self):
        """P8: the second PC, enrolled anew with a kit of its own, brings its unsent changes along under its new name: creations, edits that build
        on them, a deletion; what the first had sent of the same comes to no harm"""
        town, hub, node = self.start()
        both = self.save(node, 1)  # not sent when the copy is made: both have it
        twin = self.twin_of(town, node)
        node.sync()
        record = self.save(node, 1)[0]
        node.sync()
        made, gone = twin.add_ids([consultation(item_count=7), consultation(item_count=8)])
        self.saved += [made, gone]
        twin.add([{"id": made, "fields": {"item_count": 70}}])
        twin.add([{"id": made, "fields": {"topic": "policy", "item_count": 71}}])
        twin.add([{"id": gone, "delete": True, "reason": "重复"}])
        twin.add([{"id": both[0], "fields": {"item_count": 72}}])
        kit = town.new_kit(1, "kit-twin")
        self.cli_refused(twin.run("enrol", kit, check=False), "already_enrolled")
        former = twin.status()["replica"]
        twin.run("enrol", kit, "--renew")
        twin.run("enrol", kit, "--renew")  # again: the same enrolment
        self.assertNotEqual(twin.status()["replica"], former)
        self.assertGreaterEqual(twin.status()["pending"], 6)
        twin.sync()
        node.sync()
        twin.sync()
        self.assertEqual(self.alarms(hub), [])
        rows = {r["id"]: r for r in hub.rows("records", "consultation")}
        self.assertEqual(rows[made]["fields"]["item_count"], 71)
        self.assertNotIn(gone, rows)
        self.assertEqual(rows[both[0]]["fields"]["item_count"], 72)
        self.assertIn(record, [r["id"] for r in twin.list("consultation")])
        self.saved.remove(gone)
        self.compare(hub, node, twin)

    def test_kit_of_another_station(self):
        """P11: another station's kit does not take this one's data along"""
        town, hub, node = self.start(villages=2)
        self.cli_refused(node.run("enrol", town.new_kit(2, "kit-other"), "--renew", check=False), "other_station")
        self.save(node, 1)
        node.sync()
        self.compare(hub, node)

    def test_hub_away(self):
        """P8: the hub does not answer: the old enrolment goes on, and the same kit finishes it later"""
        town, hub, node = self.start()
        self.save(node, 1)
        kit = town.new_kit(1, "kit-new")
        hub.stop()
        self.assertEqual(node.run("enrol", kit, "--renew", "--timeout", "2", check=False).rc, 1)
        hub.serve()
        self.save(node, 1)
        node.sync()
        node.run("enrol", kit, "--renew")
        self.save(node, 1)
        node.sync()
        self.compare(hub, node)

    def test_disk_replaced(self):
        """P8, P10: a new PC with a fresh kit gets everything that the hub has; what the old one named and did not send is a possible gap until a person
        settles it"""
        town, hub, node = self.start()
        shutil.rmtree(node.dir)
        fresh = town.new_node(1, "fresh")
        fresh.enrol(town.new_kit(1, "kit-fresh"))
        fresh.sync()
        old = next(r["replica"] for s in hub.json("station", "list") for r in s["replicas"] if r["acked"] > 0)
        hub.run("station", "revoke", node.code, "--replica", old)
        self.save(fresh, 2)
        fresh.sync()
        self.compare(hub, fresh)
        coverage = self.coverage(hub)
        self.assertEqual((coverage["stale"], coverage["possible_gap"]), ([], []))  # all that it had named was here
        db = hub.db()
        with db:
            db.execute("UPDATE replicas SET possible_gap = 1 WHERE revoked_ms > 0")  # as if it had named more
        db.close()
        self.assertEqual(self.coverage(hub)["possible_gap"], [node.code])
        hub.run("station", "settle", node.code, "--note", "旧硬盘已核实")
        self.assertEqual(self.coverage(hub)["possible_gap"], [])


class LostFiles(Base):
    """One of the two files that make a PC is gone: the words name the way that loses nothing, and no kit is used up on the way there."""

    def test_database_gone(self):
        """P8: key there, database gone: restore is named; enrol with any kit of the village makes an empty one, which the hub fills, and the kit stays good"""
        town, hub, node = self.start()
        for kit in (town.kits[1], town.new_kit(1, "other.kit")):
            for name in ("node.db", "node.db-wal", "node.db-shm"):
                (node.dir / name).unlink(missing_ok=True)
            refused = node.run("status", check=False)
            self.cli_refused(refused, "no_database")
            self.assertIn("lastmile-node restore", refused.err)
            told = node.enrol(kit)
            self.assertIn("lastmile-node restore", told.out)
            self.save(node, 1)  # it can save at once
            node.sync()
            self.compare(hub, node)
            self.assertEqual(len(hub.status()["replicas"]), 1)
        spare = town.new_node(1, "spare")
        spare.enrol(hub.dir.with_name("other.kit"))  # was not used up
        self.assertEqual(self.alarms(hub), [])

    def test_database_gone_renewed(self):
        """P8: the same with --renew, and with a village's kit that is not this one's"""
        town, hub, node = self.start(villages=2)
        (node.dir / "node.db").unlink()
        self.cli_refused(node.run("enrol", town.new_kit(2, "far.kit"), check=False), "other_station")
        self.assertFalse((node.dir / "node.db").exists())
        former = hub.status()["replicas"][0]["replica"]
        node.run("enrol", town.new_kit(1, "renew.kit"), "--renew")
        self.assertNotEqual(node.status()["replica"], former)
        self.save(node, 1)
        node.sync()
        self.compare(hub, node)

    def test_database_gone_log_left(self):
        """P8: what lies beside the lost database is kept, not thrown away by the new one"""
        town, hub, node = self.start()
        (node.dir / "node.db").rename(node.dir / "elsewhere")
        (node.dir / "node.db-wal").write_bytes(b"the last changes")
        self.assertIn("node.db.lost-", node.enrol(town.kits[1]).out)
        self.assertEqual([f.read_bytes() for f in node.dir.glob("node.db.lost-*-wal")], [b"the last changes"])
        node.sync()
        self.compare(hub, node)

    def test_key_gone(self):
        """P8: key gone or damaged, unsent entries in the database: neither status nor enrol names anything but the new folder, no kit is used up,
        and that way keeps all"""
        town, hub, node = self.start()
        self.save(node, 2)  # not sent
        kit = town.new_kit(1, "new.kit")
        key = node.dir / "node.key"
        for damage, code in ((key.unlink, "key_lost"), (lambda: key.write_bytes(b"\x00noise" * 90), "bad_key_file")):
            damage()
            for argv in (("status",), ("sync",), ("enrol", kit), ("enrol", kit, "--renew"), ("enrol", kit, "--offline", "--out", hub.dir.with_name("no.req")),
                         ("restore", hub.dir.with_name("none"))):
                refused = node.run(*argv, check=False)
                self.cli_refused(refused, code)
                self.assertIn(f"lastmile-node restore {node.dir}/node.db --data", refused.err, argv)
        self.assertEqual(len(hub.status()["replicas"]), 1)
        fresh = town.new_node(1, "fresh")
        fresh.enrol(kit)
        fresh.run("restore", node.dir / "node.db")
        fresh.sync()
        self.compare(hub, fresh)
