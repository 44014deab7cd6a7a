"""The hub goes back in time (P7): restored from backups of several ages while it works, put back as a file, and alive twice. Each test
ends by comparing the nodes, the master and what was saved."""
import shutil

from harness import Case, Hub, Town, consultation


class Back(Case):
    def saved(self, node, made, n):
        """n more records at the node, synchronised and remembered."""
        made += node.add_ids([consultation(item_count=i + 1) for i in range(n)])
        node.sync(timeout_s=90)
        return made

    def check(self, hub, node, made):
        self.assertEqual(sorted(r["id"] for r in hub.rows("records", "consultation", "--station", node.code)), sorted(made))
        self.assertEqual(sorted(r["id"] for r in node.list("consultation")), sorted(made))
        self.assertEqual(node.status()["pending"], 0)
        for record in made:
            verdicts = [r["verdict"] for r in hub.rows("history", record) if r["op"] == "create"]
            self.assertEqual(verdicts.count("applied"), 1, verdicts)
        self.assertEqual(hub.rows("conflicts"), [])
        self.assertEqual(hub.rows("held"), [])
        hub.verify()

    def test_restored_while_it_works(self):
        """P7: backup and restore beside the working hub; what came later is sent again once; revoked stays revoked; open kits are void"""
        town = Town(self, villages=2)
        hub, node, other = town.hub, town.v[1], town.v[2]
        self.assertIsNone(hub.status()["backup_age_s"])
        mine, theirs = self.saved(node, [], 3), self.saved(other, [], 2)
        first = hub.dir.with_name("first.backup")
        self.assertEqual(hub.json("backup", first)["entries"], hub.entries())
        self.assertIsNotNone(hub.status()["backup_age_s"])
        self.cli_refused(hub.run("backup", first, check=False), "file_exists")
        self.saved(node, mine, 1)
        self.assertEqual(node.status()["safe"], 3)  # what the backup holds
        second = hub.dir.with_name("second.backup")
        hub.run("backup", second)
        self.saved(node, mine, 2)
        lost_pc = town.new_node(2, "lost")
        lost_pc.enrol(town.new_kit(2, "lost.kit"))
        lost_pc.sync()
        kit = town.new_kit(1, "late.kit")
        third = hub.dir.with_name("third.backup")
        token = hub.json("token", "add", "tk")["token"]
        hub.run("user", "add", "u_gone", "--role", "clerk")
        hub.run("backup", third)
        hub.run("token", "revoke", "tk")
        hub.run("user", "disable", "u_gone")
        hub.run("station", "revoke", other.code, "--replica", str(lost_pc.status()["replica"]))
        self.cli_refused(hub.run("restore", hub.dir / "hub.db", check=False), "in_use")
        for incarnation, backup in enumerate((second, first, third), 2):
            done = hub.json("restore", backup)
            self.assertEqual(done["incarnation"], incarnation)
            self.assertTrue((hub.dir / done["set_aside"]).exists())
            self.assertIsNotNone(hub.status()["backup_age_s"])  # what it was restored from is one, and was checked
            if backup == third:
                self.assertEqual(done["kits_void"], 1)
            self.saved(node, mine, 1)
            self.saved(other, theirs, 1)
            self.check(hub, node, mine)
            self.check(hub, other, theirs)
        # who was shut out since stays out: an address for spreadsheets, an account
        self.assertEqual(hub.server.http(f"/api/v1/tables/{token}/counts.csv?by=village")[0], 404)
        self.assertEqual(hub.rows("token", "list"), [])
        self.assertEqual([u["disabled"] for u in hub.json("user", "list") if u["name"] == "u_gone"], [True])
        self.assertEqual(lost_pc.run("sync", "--timeout", "5", check=False).rc, 1)
        revoked = [r["replica"] for r in hub.status()["replicas"] if r["revoked"]]
        self.assertEqual(revoked, [str(lost_pc.status()["replica"])])
        late = town.new_node(1, "late")
        self.assertEqual(late.run("enrol", kit, check=False).rc, 1)
        shutil.copy(second, hub.dir.with_name("cut"))
        with open(hub.dir.with_name("cut"), "r+b") as file:
            file.truncate(100_000)
        entries = hub.entries()
        self.assertEqual(hub.run("restore", hub.dir.with_name("cut"), check=False).rc, 1)
        self.assertEqual(hub.entries(), entries)
        self.assertEqual([p.name for p in hub.dir.iterdir() if ".restore-" in p.name and "before" not in p.name], [])

    def test_restored_beside_lost_files(self):
        """P7: revoked.log is gone and doors.log written over: a restore takes who was shut out from the database that it sets aside, whether the hub works or not"""
        town = Town(self, villages=2)
        hub, node = town.hub, town.v[1]
        node.sync()
        hub.run("user", "add", "u_gone", "--role", "clerk")
        backup = hub.dir.with_name("b.backup")
        hub.run("backup", backup)
        hub.run("user", "disable", "u_gone")
        hub.run("station", "revoke", node.code)
        for works in (True, False):
            with self.subTest(works=works):
                if not works:
                    hub.stop()
                (hub.dir / "revoked.log").unlink()
                (hub.dir / "doors.log").write_bytes(b"\0" * 100 + b"\xff\xfe noise\n" + b"\0" * 50)
                hub.run("restore", backup)
                if not works:
                    hub.serve()
                self.assertEqual([u["disabled"] for u in hub.json("user", "list") if u["name"] == "u_gone"], [True])
                self.assertEqual([bool(r["revoked"]) for r in hub.status()["replicas"] if r["replica"] == str(node.status()["replica"])], [True])
                self.assertEqual(node.run("sync", "--timeout", "5", check=False).rc, 1)
        hub.verify()

    def test_put_back_and_grown(self):
        """P7: the whole directory is put back in silence and the journal grows past what a node has seen: it notices, and so does the hub"""
        town = Town(self, villages=2)
        hub, node, other = town.hub, town.v[1], town.v[2]
        mine, theirs = self.saved(node, [], 2), self.saved(other, [], 1)
        hub.stop()
        old = hub.dir.with_name("old-hub")
        shutil.copytree(hub.dir, old)
        hub.serve()
        self.saved(node, mine, 2)
        seen = hub.entries()
        hub.stop()
        shutil.rmtree(hub.dir)
        shutil.copytree(old, hub.dir)
        hub.serve()
        self.saved(other, theirs, 6)
        self.assertGreater(hub.entries(), seen)
        self.assertEqual(hub.status()["incarnation"], 1)
        self.saved(node, mine, 1)
        self.assertEqual(hub.status()["incarnation"], 2)
        other.sync()
        self.check(hub, node, mine)
        self.check(hub, other, theirs)

    def test_two_alive(self):
        """P7: a hub that is shown a later incarnation of itself takes nothing in until a technician says that it is the one"""
        town = Town(self, villages=2)
        hub, node, other = town.hub, town.v[1], town.v[2]
        mine = self.saved(node, [], 2)
        kit = town.new_kit(2, "kit-more")
        hub.stop()
        twin = Hub(hub.dir.with_name("twin"), self.log if hasattr(self, "log") else hub.log, port=hub.port)
        shutil.copytree(hub.dir, twin.dir)
        twin.run("incarnation", "raise")
        self.watch(twin)
        twin.serve()
        self.saved(node, mine, 1)
        twin.stop()
        hub.serve()
        mine += node.add_ids([consultation()])
        self.assertEqual(node.run("sync", "--timeout", "10", check=False).rc, 1)
        self.assertEqual(node.status()["pending"], 1)
        self.assertTrue(hub.status()["read_only"])
        # A village that saw but this one is told too, at once: nothing but a person ends it.
        told = other.run("sync", "--timeout", "600", check=False, timeout_s=60)
        self.cli_refused(told, "hub_read_only")
        self.assertIn("技术员", told.err)
        other.serve()
        self.cli_refused(other.run("sync", "--timeout", "600", check=False, timeout_s=60), "hub_read_only")
        self.assertIn("技术员", other.status()["state_text"])
        self.cli_refused(town.new_node(2, "more").enrol(kit, check=False), "hub_read_only")
        self.cli_refused(hub.run("station", "add", "999999101299", "新村", check=False), "read_only")
        hub.run("backup", hub.dir.with_name("anyway.backup"))
        self.assertEqual(hub.json("incarnation", "raise")["incarnation"], 3)
        self.assertFalse(hub.status()["read_only"])
        for _ in range(2):
            node.sync(timeout_s=90)
        other.sync()
        self.check(hub, node, mine)
