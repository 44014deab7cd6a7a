"""What stations give back to a hub that went back in time (P7): the town's work since the backup comes back after one confirmation,
and nobody can use that door for anything else (P11)."""
from harness import Case, Town, consultation, notice, person, village_code, wait_for


class Recover(Case):
    def test_town_work_comes_back(self):
        """P7: approvals, corrections and notices made after the backup are offered, wait for one `recovered accept --all`, and are as before"""
        town = Town(self, villages=2)
        hub, one, two = town.hub, town.v[1], town.v[2]
        kept = one.add_ids([consultation(item_count=1)])
        one.sync()
        two.sync()
        backup = hub.dir.with_name("old.backup")
        hub.run("backup", backup)
        # Everything from here on is lost at the hub.
        made = one.add([person(village_code(1), members={"ref": "p"}),
                        {"type": "person_identity", "fields": {"person_id": "@p", "code": "02"}},
                        {"type": "service_history", "fields": {"person_id": "@p", "enlist_on": "1974-12-01", "discharge_on": "1979-01-15",
                                                               "branch": "army", "resettlement": "self"}}])
        who = made[0]["id"]
        theirs = two.add_ids([consultation(item_count=2), consultation(item_count=3)])
        town.sync_all()
        for t in ("person_identity", "service_history", "consultation", "person"):
            hub.run("approve", t)
        told = hub.add_ids([notice()])
        town.sync_all()
        self.assertEqual([one.get(who)["state"], two.get(theirs[0])["state"], one.get(kept[0])["state"]], ["active", "verified", "verified"])
        registered = one.get(who)["fields"]["registered_on"]
        # A village's edit that builds on the approval, not sent before the restore.
        one.add([{"id": who, "fields": {"phone": "13900000001"}}])
        was = {n.code: {r["id"]: r["fields"] for t in ("person", "consultation", "notice") for r in n.list(t)} for n in (one, two)}
        self.assertEqual(hub.json("restore", backup)["incarnation"], 2)
        self.assertEqual(hub.rows("records", "person"), [])
        one.sync(timeout_s=90)
        two.sync(timeout_s=90)
        # The villages' own came by itself; the town's waits, and each once.
        self.assertEqual([r["state"] for r in hub.rows("records", "person")], ["submitted"])
        self.assertEqual(sorted(r["id"] for r in hub.rows("records", "consultation")), sorted(kept + theirs))
        rows = hub.rows("recovered", "list")
        self.assertTrue(all(r["author"] == "town" for r in rows), rows)
        self.assertEqual(len({(r["record"], r["at"], r["op"]) for r in rows}), len(rows), "each is there once")
        self.assertIn(told[0], [r["record"] for r in rows])
        self.assertEqual(hub.rows("records", "notice"), [])
        self.assertEqual([r["code"] for r in hub.rows("held")], ["base"], "the edit waits for the approval that it builds on")
        decided = hub.json("recovered", "accept", "--all")
        self.assertEqual((decided["accepted"], decided["left"]), (len(rows), 0), hub.rows("recovered"))
        self.assertEqual(hub.rows("recovered"), [])
        self.assertEqual((hub.rows("held"), hub.rows("conflicts")), ([], []))
        town.sync_all()
        self.assertEqual(one.get(who)["fields"]["registered_on"], registered)
        for node in (one, two):
            now = {r["id"]: r["fields"] for t in ("person", "consultation", "notice") for r in node.list(t)}
            for i, fields in was[node.code].items():
                self.assertEqual({k: v for k, v in now[i].items() if k != "created_by"},
                                 {k: v for k, v in fields.items() if k != "created_by"})
                at_hub = [r for t in ("person", "consultation", "notice") for r in hub.rows("records", t) if r["id"] == i][0]
                self.assertEqual(at_hub["fields"].get("state"), fields["state"])
            self.assertEqual(node.status()["pending"], 0)
        self.assertIn("找回自", hub.rows("history", theirs[0])[-1]["user"])
        hub.verify()
        # It is the same again after another restore.
        hub.run("backup", hub.dir.with_name("new.backup"))
        hub.run("restore", backup)
        town.sync_all()
        town.sync_all()
        hub.run("recovered", "accept", "--all")
        town.sync_all()
        self.assertEqual([r["id"] for r in hub.rows("records", "notice")], told)
        hub.verify()

    def test_dismissed(self):
        """P11: nothing that is given back has effect before a person says so, and what is dismissed stays out"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        node.sync()
        backup = hub.dir.with_name("old.backup")
        hub.run("backup", backup)
        told = hub.add_ids([notice(), notice()])
        node.sync()
        hub.run("restore", backup)
        node.sync(timeout_s=90)
        rows = wait_for(lambda: hub.rows("recovered"), "what the village gives back")
        self.assertEqual(sorted(r["record"] for r in rows), sorted(told))
        self.assertEqual(node.list("notice"), [])
        self.assertEqual(hub.json("recovered", "dismiss", str(rows[0]["id"]))["dismissed"], 1)
        self.cli_refused(hub.run("recovered", "accept", str(rows[0]["id"]), check=False), "no_recovered")
        self.assertEqual(hub.run("recovered", "accept", check=False).rc, 2)
        self.assertEqual(hub.json("recovered", "accept", str(rows[1]["id"]))["accepted"], 1)
        node.sync()
        self.assertEqual([r["id"] for r in node.list("notice")], [rows[1]["record"]])
        hub.verify()

    def test_replaced_pc(self):
        """P7, P10: a PC was replaced and its former one not revoked; what that one had written, which only the new one still has, is a gap
        until somebody decides, and each list says why it waits and what to do"""
        town = Town(self, villages=1)
        hub, old = town.hub, town.v[1]
        old.add_ids([consultation(item_count=1)])
        old.sync()
        hub.run("backup", hub.dir.with_name("old.backup"))
        old.add_ids([consultation(item_count=10), consultation(item_count=20), person(village_code(1))])
        old.sync()
        old.run("backup", old.dir.with_name("pc.backup"))
        new = town.new_node(1, "new")
        kit = hub.run("enrol", village_code(1), "--out", hub.dir.with_name("new.kit"), "--endpoint", hub.endpoint)
        self.assertIn("station revoke", kit.err)  # one is in use: told when the other's kit is made
        new.enrol(hub.dir.with_name("new.kit"))
        number = str(old.status()["replica"])
        told = new.run("restore", old.dir.with_name("pc.backup")).out
        self.assertIn(number, told)
        self.assertIn("station revoke", told)
        new.sync()
        told = hub.run("restore", hub.dir.with_name("old.backup")).out
        self.assertIn("station revoke", told)
        new.sync(timeout_s=90)
        rows = wait_for(lambda: hub.rows("recovered", "list"), "what the new PC gives back")

        def coverage():
            c = hub.json("count", "I19v")["coverage"]
            return c["complete"], c["stale"]

        self.assertEqual(coverage(), (0, [village_code(1)]))
        decided = hub.json("recovered", "accept", "--all")
        self.assertEqual((decided["accepted"], decided["left"], decided["author_may_send"]), (0, len(rows), len(rows)))
        self.assertIn(f"station revoke {village_code(1)} --replica {number}", hub.run("recovered", "accept", "--all").out)
        for row in hub.rows("recovered", "list"):
            self.assertEqual((row["why"]["code"], row["author_station"]), ("author_may_send", village_code(1)))
            for text in (row["why"]["zh"], row["why"]["en"]):
                self.assertIn(f"station revoke {village_code(1)} --replica {number}", text)
                self.assertIn(f"recovered accept {row['id']}", text)
        hub.run("station", "revoke", village_code(1), "--replica", number)
        self.assertEqual(coverage(), (0, [village_code(1)]))
        self.assertEqual(hub.json("recovered", "accept", "--all")["left"], 0)
        new.sync()
        self.assertEqual((len(new.list("consultation")), len(new.list("person"))), (3, 1))
        self.assertEqual(hub.json("count", "I19v")["indicators"]["I19v"]["value"], 31)
        self.assertEqual(coverage(), (1, []))
        hub.verify()

    def test_author_sends_after_all(self):
        """P10: what one PC gives back of another is a gap until that one has sent it, and then none, whoever decides or not"""
        town = Town(self, villages=1)
        hub, one = town.hub, town.v[1]
        two = town.new_node(1, "two")
        two.enrol(town.new_kit(1, "two.kit"))
        town.sync_all()
        hub.run("backup", hub.dir.with_name("old.backup"))
        made = one.add_ids([consultation(item_count=7)])
        one.sync()
        two.sync()
        hub.run("restore", hub.dir.with_name("old.backup"))
        two.sync(timeout_s=90)
        wait_for(lambda: hub.rows("recovered", "list"), "what the other PC gives back")
        self.assertEqual(hub.json("count", "I19v")["coverage"]["stale"], [village_code(1)])
        one.sync(timeout_s=90)
        self.assertEqual([r["id"] for r in hub.rows("records", "consultation")], made)
        self.assertEqual([r["why"]["code"] for r in hub.rows("recovered", "list")], ["came_by_itself"])
        self.assertEqual(hub.json("count", "I19v")["coverage"]["stale"], [])
        self.assertEqual(hub.json("recovered", "accept", "--all")["came_by_itself"], 1)
        self.assertEqual(hub.rows("recovered", "list"), [])
        hub.verify()

    def test_enrolled_after_the_backup(self):
        """P7: a PC, and a whole station, enrolled after the backup go on working by their certificates; a revoked one does not"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        backup = hub.dir.with_name("old.backup")
        hub.run("backup", backup)
        late = town.new_node(1, "late")
        late.enrol(town.new_kit(1, "late.kit"))
        stolen = town.new_node(1, "stolen")
        stolen.enrol(town.new_kit(1, "stolen.kit"))
        hub.run("station", "add", village_code(9), "九村")
        far = town.new_node(9, "far")
        far.enrol(town.new_kit(9, "far.kit"))
        made = late.add_ids([consultation(item_count=1)]) + far.add_ids([consultation(item_count=2)])
        for n in (late, stolen, far):
            n.sync()
        hub.run("station", "revoke", village_code(1), "--replica", str(stolen.status()["replica"]))
        self.assertEqual(len(hub.status()["replicas"]), 4)
        hub.run("restore", backup)
        self.assertEqual(len(hub.status()["replicas"]), 1)
        made += late.add_ids([consultation(item_count=4)])
        for n in (late, far, node):
            n.sync(timeout_s=120)
            self.assertEqual((n.status()["pending"], n.status()["state"]), (0, "offline"))
        self.assertEqual(sorted(r["id"] for r in hub.rows("records", "consultation")), sorted(made))
        self.assertEqual(stolen.run("sync", "--timeout", "30", check=False).rc, 1)
        known = {r["replica"]: r["revoked"] for r in hub.status()["replicas"]}
        self.assertNotIn(str(stolen.status()["replica"]), known)
        kinds = [a["kind"] for s in hub.json("station", "list") for a in s["alarms"]]
        self.assertEqual(kinds.count("readmitted"), 2, kinds)
        hub.run("recovered", "accept", "--all")
        self.assertIn(village_code(9), [r["fields"].get("code") for r in hub.rows("records", "area_unit")])
        hub.verify()
