"""The main path: entered offline, synchronised, counted, judged by the town, seen by the village; history and conflicts."""
import json
import re

from harness import (Case, Town, TOWN_CODE, aid_case, consultation, facility, notice, person, reception, village_code, visit, wait_for)

ISO_MS = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


def figure(doc, indicator):
    return doc["indicators"][indicator]["value"]


class MainPath(Case):
    """P1, P2, P5, P10: what was entered while the hub was away arrives, is counted with coverage, and comes back verified"""

    def test_from_entry_to_figures(self):
        town = Town(self, villages=2, own_node=True)
        hub, one, two, own = town.hub, town.v[1], town.v[2], town.v[0]
        hub.stop()
        # offline
        p = one.add_ids([person(members={"ref": "p"}),
                         {"type": "person_identity", "fields": {"person_id": "@p", "code": "02"}},
                         {"type": "service_history", "fields": {"person_id": "@p", "enlist_on": "1974-12-01", "discharge_on": "1979-01-15", "branch": "army",
                                                                "resettlement": "self"}},
                         visit(["@p"]), consultation(item_count=4)])
        q = two.add_ids([person(village_code(2), members={"ref": "q"}), visit(["@q"], occasion="army_day", visit_on="2025-07-30"),
                         visit(["@q"], occasion="daily", visit_on="2025-08-30"), consultation(item_count=2)])
        own.add([reception(head_count=3, visitor_name=...), consultation(item_count=30)])
        self.assertEqual([n.status()["pending"] for n in (one, two, own)], [5, 4, 2])
        offline = one.run("sync", "--timeout", "1", check=False)
        self.assertEqual(offline.rc, 1)
        self.assertTrue(offline.err)
        # online
        hub.serve()
        town.sync_all()
        self.assertEqual([n.status()["pending"] for n in (one, two, own)], [0, 0, 0])
        doc = hub.json("count")
        self.assertEqual(figure(doc, "I12"), 2, "festival visits only")
        self.assertEqual(figure(doc, "I19"), 30)
        self.assertEqual(figure(doc, "I19v"), 6)
        self.assertEqual(figure(doc, "I17"), 3)
        self.assertEqual(doc["coverage"]["stations"], 2)
        self.assertEqual(doc["coverage"]["complete"], 2)
        # the town verifies
        for t in ("person_identity", "service_history"):
            hub.run("approve", t)
        left = hub.json("approve", "person")
        self.assertEqual(left["approved"], 1)
        self.assertEqual([row["id"] for row in left["left"]], [q[0]], "whoever has no identity is named and left alone")
        hub.run("approve", "visit", "--station", village_code(1))
        town.sync_all()
        self.assertEqual(one.get(p[0])["state"], "active")
        self.assertEqual(one.get(p[3])["state"], "verified")
        self.assertEqual(two.get(q[0])["state"], "submitted")
        self.assertEqual(figure(hub.json("count"), "I12"), 2, "verifying does not change the figure")
        hub.verify()

    def test_edit_delete_undelete(self):
        """P3, P6: edits, deletes and undeletes reach the hub; nothing disappears from history"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        kept, gone, back = node.add_ids([consultation(item_count=1), consultation(item_count=10), consultation(item_count=100)])
        node.add([{"id": kept, "fields": {"item_count": 2, "channel": "home"}}])
        node.add([{"id": gone, "delete": True, "reason": "录入重复"}, {"id": back, "delete": True, "reason": "错了"}])
        node.sync()
        self.assertEqual(figure(hub.json("count"), "I19v"), 2)
        self.assertEqual([r["id"] for r in hub.rows("records", "consultation")], [kept])
        node.add([{"id": back, "undelete": True}])
        node.sync()
        self.assertEqual(figure(hub.json("count"), "I19v"), 102)
        self.assertEqual(sorted(r["id"] for r in node.list("consultation")), sorted([kept, back]))
        self.assertEqual([r["op"] for r in hub.rows("history", back)], ["create", "delete", "undelete"])
        self.assertEqual([r["op"] for r in hub.rows("history", kept)], ["create", "edit"])
        history = hub.rows("history", kept)
        self.assertEqual([r["fields"].get("item_count") for r in history], [1, 2])
        self.assertEqual({r["user"] for r in history}, {"测试员"})
        self.assertEqual(len(node.rows("history", kept)), 2)
        hub.verify()

    def test_null_empties(self):
        """null, empty text and absent are the same thing"""
        town = Town(self, villages=1)
        node = town.v[1]
        made = node.add_ids([consultation(), person(phone="13900000000")])[1]
        node.add([{"id": made, "fields": {"phone": None}}])
        node.sync()
        self.assertIsNone(node.get(made)["fields"].get("phone"))
        row = next(r for r in town.hub.rows("records", "person") if r["id"] == made)
        self.assertIsNone(row["fields"].get("phone"))

    def test_town_on_behalf(self):
        """What the town enters for a village belongs to it, reaches it, and can be edited by it"""
        town = Town(self, villages=2)
        hub, one, two = town.hub, town.v[1], town.v[2]
        mine, theirs = hub.add_ids([consultation({"station": village_code(1)}, item_count=7), consultation(item_count=1)])
        town.sync_all()
        self.assertEqual(one.get(mine)["village_code"], village_code(1))
        self.assertNotEqual(two.run("get", mine, check=False).rc, 0)
        self.assertNotEqual(one.run("get", theirs, check=False).rc, 0)
        one.add([{"id": mine, "fields": {"item_count": 8}}])
        one.sync()
        self.assertEqual(figure(hub.json("count", "I19v"), "I19v"), 8)
        self.assertEqual({r["village_code"] for r in hub.rows("records", "consultation")}, {village_code(1), TOWN_CODE})
        shared = hub.add_ids([notice()])[0]
        town.sync_all()
        for node in (one, two):
            self.assertEqual(node.get(shared)["fields"]["title"], "通知")
        hub.verify()

    def test_send_back_and_returned(self):
        """A record sent back shows at the village with the note, is not counted, and is counted again when sent in anew"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        made = node.add_ids([consultation(item_count=9)])[0]
        node.sync()
        hub.run("send-back", made, "--note", "请核对条数")
        self.assertEqual(figure(hub.json("count", "I19v"), "I19v"), 0)
        node.sync()
        back = node.get(made)
        self.assertEqual((back["state"], back["fields"]["return_note"]), ("returned", "请核对条数"))
        self.assertIn(made, [r["id"] for r in node.rows("returned")])
        self.assertEqual(node.status()["returned"], 1)
        node.add([{"id": made, "fields": {"item_count": 8, "state": "submitted"}}])
        node.sync()
        self.assertEqual(figure(hub.json("count", "I19v"), "I19v"), 8)
        self.assertEqual(node.status()["returned"], 0)
        hub.verify()

    def test_draft(self):
        town = Town(self, villages=1)
        made = town.v[1].add_ids([consultation(item_count=9, state="draft"), consultation(item_count=1)])[0]
        town.v[1].sync()
        self.assertEqual(figure(town.hub.json("count", "I19v"), "I19v"), 1)
        town.v[1].add([{"id": made, "fields": {"state": "submitted"}}])
        town.v[1].sync()
        self.assertEqual(figure(town.hub.json("count", "I19v"), "I19v"), 10)

    def test_background_sync(self):
        """serve alone brings changes up and down, without `sync`"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        node.serve()
        made = node.add_ids([consultation(item_count=3)])[0]
        wait_for(lambda: node.status()["pending"] == 0, "the background sync", 30)
        self.assertEqual(hub.rows("records", "consultation")[0]["id"], made)
        hub.run("approve", "consultation")
        wait_for(lambda: node.get(made)["state"] == "verified", "the approval (news)", 40)
        self.assertEqual(node.status()["state"], "online")
        self.assertEqual(node.server.http("/healthz")[0], 200)
        self.assertEqual(hub.server.http("/healthz")[0], 200)
        for server in (node.server, hub.server):
            status, text = server.http("/metrics")
            self.assertEqual(status, 200)
            prometheus(text)
            status, text = server.http("/no-such-page")
            self.assertEqual(status, 404)
            self.assertLessEqual({"code", "text", "field"}, set(json.loads(text)["error"]))
        self.assertEqual(node.run("sync", "--timeout", "30").rc, 0, "sync asks the running server")
        self.metrics_of_the_hub(town, hub, node)

    def metrics_of_the_hub(self, town, hub, node):
        """P10: how far behind each village is, how many are, how old the newest backup is"""
        def figures():
            return prometheus(hub.server.http("/metrics")[1])
        of = (("station", node.code),)
        wait_for(lambda: figures()["lastmile_hub_station_pending"] == {of: 0}, "what the page reads is what was committed", 20)
        now = figures()
        self.assertEqual(now["lastmile_hub_stations"], {(("state", "fresh"),): 1, (("state", "stale"),): 0, (("state", "never"),): 0})
        for name in ("complete", "contact"):
            self.assertLess(now[f"lastmile_hub_station_{name}_age_seconds"][of], 120)
        for name, value in (("store_readable", 1), ("healthy", 1), ("pending", 0), ("returned", 0), ("held", 0), ("stations_left_out", 0), ("page_sessions", 0)):
            self.assertEqual(now[f"lastmile_hub_{name}"], {(): value}, name)
        self.assertGreater(now["lastmile_hub_journal_entries"][()], 2)
        self.assertNotIn("lastmile_hub_backup_age_seconds", now)
        hub.run("backup", self.work / "metrics.db")
        self.assertLess(figures()["lastmile_hub_backup_age_seconds"][()], 120)
        hub.run("station", "add", "999999101264", "没来过村")
        new = figures()
        self.assertEqual(new["lastmile_hub_stations"][(("state", "never"),)], 1)
        self.assertEqual(set(new["lastmile_hub_station_complete_age_seconds"]), {of})  # what never was has no age


def prometheus(text):
    """Prometheus text format 0.0.4, strictly → {family: {labels: value}}: HELP and TYPE once before a family's samples, which stand together, each series once."""
    families, typed, family = {}, {}, None
    assert text.endswith("\n"), "the last line has an end"
    for line in text[:-1].split("\n"):
        said = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)", line)
        if said and said[1] == "HELP":
            assert said[2] not in families and re.fullmatch(r"(?:[^\\]|\\[\\n])+", said[3]), line
            family = said[2]
            families[family] = {}
        elif said:
            assert said[2] == family and family not in typed and said[3] in ("gauge", "counter") and not families[family], line
            typed[family] = said[3]
        else:
            sample = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*",?)+)\})? (\S+)', line)
            assert sample and sample[1] == family and family in typed, line
            labels = tuple(re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', sample[2] or ""))
            assert labels not in families[family], f"twice: {line}"
            families[family][labels] = float(sample[3])
    assert set(families) == set(typed) and all(families.values()), "a family without samples"
    return families


class Conflicts(Case):
    """P5, P6: concurrent edits are merged; a person chooses; nothing is lost"""

    def concurrent(self):
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        made = node.add_ids([consultation(item_count=1)])[0]
        node.sync()
        node.add([{"id": made, "fields": {"item_count": 20}}])
        hub.add([{"id": made, "fields": {"item_count": 300}}])
        node.sync()
        return town, hub, node, made

    def test_conflict_is_kept_and_resolved(self):
        town, hub, node, made = self.concurrent()
        rows = hub.rows("conflicts")
        self.assertEqual(len(rows), 1)
        conflict = rows[0]
        self.assertEqual((conflict["record"], conflict["type"]), (made, "consultation"))
        siblings = conflict["siblings"]
        self.assertEqual(sorted(s["value"]["item_count"] for s in siblings), [20, 300])
        self.assertEqual(sum(s["stands"] for s in siblings), 1)
        standing = next(s for s in siblings if s["stands"])["value"]["item_count"]
        self.assertEqual(node.get(made)["fields"]["item_count"], standing, "node and hub agree")
        self.assertEqual(hub.json("count", "I19v")["coverage"]["conflicts"], 1)
        other = next(s for s in siblings if not s["stands"])
        hub.run("conflicts", "resolve", conflict["id"], "--keep", str(other["n"]))
        self.assertEqual(hub.rows("conflicts"), [])
        node.sync()
        self.assertEqual(node.get(made)["fields"]["item_count"], other["value"]["item_count"])
        verdicts = [r["verdict"] for r in hub.rows("history", made)]
        self.assertEqual(len(verdicts), 4)
        self.assertIn("concurrent", verdicts)
        hub.verify()

    def decide_at_village(self, stands):
        town, hub, node, made = self.concurrent()
        siblings = hub.rows("conflicts")[0]["siblings"]
        self.assertEqual(node.json("status")["conflicts"], 1)
        chosen = next(s for s in siblings if s["stands"] == stands)["value"]["item_count"]
        node.add([{"id": made, "fields": {"item_count": chosen}}])
        node.sync()
        self.assertEqual(hub.rows("conflicts"), [])
        self.assertEqual(hub.rows("records", "consultation")[0]["fields"]["item_count"], chosen)
        node.sync()
        self.assertEqual(node.json("status")["conflicts"], 0)
        hub.verify()

    def test_the_village_keeps_what_stands(self):
        self.decide_at_village(stands=True)

    def test_the_village_takes_the_other(self):
        self.decide_at_village(stands=False)

    def test_resolve_says_what_is_wrong(self):
        town, hub, node, made = self.concurrent()
        conflict = hub.rows("conflicts")[0]
        for argv in ((conflict["id"], "--keep", "99"), ("no-such", "--keep", "1")):
            self.cli_refused(hub.run("conflicts", "resolve", *argv, check=False))
        self.assertEqual(hub.run("conflicts", "resolve", conflict["id"], check=False).rc, 2)
        self.assertEqual(len(hub.rows("conflicts")), 1)

    def test_equal_values_are_no_conflict(self):
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        made = node.add_ids([consultation(item_count=1)])[0]
        node.sync()
        node.add([{"id": made, "fields": {"item_count": 5}}])
        hub.add([{"id": made, "fields": {"item_count": 5}}])
        node.sync()
        self.assertEqual(hub.rows("conflicts"), [])
        hub.verify()

    def test_different_fields_are_merged(self):
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        made = node.add_ids([consultation(item_count=1)])[0]
        node.sync()
        node.add([{"id": made, "fields": {"item_count": 5}}])
        hub.add([{"id": made, "fields": {"channel": "home"}}])
        node.sync()
        got = node.get(made)["fields"]
        self.assertEqual((got["item_count"], got["channel"]), (5, "home"))
        self.assertEqual(hub.rows("conflicts"), [])
        hub.verify()

    def test_edit_of_what_was_deleted_meanwhile(self):
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        made = node.add_ids([consultation(item_count=1)])[0]
        node.sync()
        hub.add([{"id": made, "delete": True, "reason": "重复"}])
        node.add([{"id": made, "fields": {"item_count": 5}}])
        node.sync()
        rows = hub.rows("conflicts")
        self.assertEqual(len(rows), 1)
        self.assertEqual(rows[0]["group"], "deleted")
        hub.verify()

    def test_verified_meanwhile(self):
        """An edit that did not know of the verification goes back to be verified again"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        made = node.add_ids([consultation(item_count=1)])[0]
        node.sync()
        node.add([{"id": made, "fields": {"item_count": 5}}])
        hub.run("approve", "consultation")
        node.sync()
        self.assertEqual(node.get(made)["state"], "submitted")
        self.assertEqual(hub.rows("records", "consultation")[0]["fields"]["item_count"], 5)
        hub.verify()

    def test_two_installations_of_a_station(self):
        """Two PCs of one station edit the same record; both see the same in the end (P5)"""
        town = Town(self, villages=1)
        hub, a = town.hub, town.v[1]
        b = town.new_node(1, "second")
        b.enrol(town.new_kit(1, "kit-second"))
        made = a.add_ids([consultation(item_count=1)])[0]
        a.sync()
        b.sync()
        a.add([{"id": made, "fields": {"item_count": 2}}])
        b.add([{"id": made, "fields": {"item_count": 3}}])
        a.sync(), b.sync(), a.sync()
        self.assertEqual(a.get(made)["fields"], b.get(made)["fields"])
        self.assertEqual(len(hub.rows("conflicts")), 1)
        hub.verify()

    def test_an_old_device_deletes_what_was_edited_since(self):
        """P5, P6: a PC that was in a cupboard deletes a record as it last saw it: what was entered since stays, and a person chooses"""
        town = Town(self, villages=1)
        hub, a = town.hub, town.v[1]
        old = town.new_node(1, "second")
        old.enrol(town.new_kit(1, "kit-second"))
        made = a.add_ids([consultation(item_count=1)])[0]
        a.sync(), old.sync()
        a.add([{"id": made, "fields": {"item_count": 2}}])
        a.sync()
        old.add([{"id": made, "delete": True, "reason": "清理旧数据"}])
        old.sync(), a.sync()
        for node in (a, old):
            self.assertEqual(node.get(made)["fields"]["item_count"], 2)
        self.assertEqual([r["fields"]["item_count"] for r in hub.rows("records", "consultation")], [2])
        self.assertEqual([r["group"] for r in hub.rows("conflicts")], ["deleted"])
        hub.verify()


class Returned(Case):
    """What the hub refuses or finds invalid comes back to its station with the reason, and is not counted"""

    def test_invalid_at_the_hub(self):
        """A record right at the node and wrong at the hub: person of the same number at two stations is a review row, not a refusal"""
        town = Town(self, villages=2)
        hub = town.hub
        line = person()
        a = town.v[1].add_ids([line])[0]
        b = town.v[2].add_ids([person(village_code(2), id_no=line["fields"]["id_no"])])[0]
        town.sync_all()
        self.assertEqual({r["id"] for r in hub.rows("records", "person")}, {a, b}, "both are kept")
        hub.verify()

    def test_village_edit_of_town_field_after_local_change(self):
        """A reference that has gone at the hub makes the visit wait or come back, never vanish (P4)"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        p = node.add_ids([person()])[0]
        node.sync()
        hub.add([{"id": p, "delete": True, "reason": "重复建档"}])
        made = node.add_ids([visit([p])])[0]
        node.sync()
        rows = {r["id"] for r in hub.rows("records", "visit")} | {r["id"] for r in hub.rows("held")} | {r["id"] for r in hub.rows("returned")}
        self.assertIn(made, rows)
        self.assertEqual(len(hub.rows("history", made)), 1)
        hub.verify()


class Shapes(Case):
    """Every JSON shape that outside tools rely on: keys and types"""
    villages = 2
    own_node = True

    @classmethod
    def prepare(cls, town):
        cls.hub, cls.node = town.hub, town.v[1]
        cls.made = cls.node.add_ids([consultation(item_count=1), consultation(item_count=2), consultation(item_count=3)])
        cls.node.sync()
        cls.node.add([{"id": cls.made[0], "fields": {"item_count": 20}}])
        cls.hub.add([{"id": cls.made[0], "fields": {"item_count": 30}}])
        cls.hub.run("send-back", cls.made[1], "--note", "请核对")
        cls.node.sync()

    def shape(self, value, wanted, where="$"):
        """wanted: type, tuple of types, list of one shape, dict of shapes, or a regular expression for text."""
        if isinstance(wanted, dict):
            self.assertIsInstance(value, dict, where)
            for key, inner in wanted.items():
                self.assertIn(key, value, where)
                self.shape(value[key], inner, f"{where}.{key}")
        elif isinstance(wanted, list):
            self.assertIsInstance(value, list, where)
            for i, item in enumerate(value):
                self.shape(item, wanted[0], f"{where}[{i}]")
        elif isinstance(wanted, str):
            self.assertIsInstance(value, str, where)
            self.assertRegex(value, wanted, where)
        elif wanted is int:
            self.assertTrue(isinstance(value, int) and not isinstance(value, bool), f"{where}: {value!r}")
        else:
            self.assertIsInstance(value, wanted, where)

    def test_count(self):
        doc = self.hub.json("count")
        self.shape(doc, {"as_of": ISO_MS, "from": type(None), "to": r"^\d{4}-\d\d-\d\d$",
                         "coverage": {"stations": int, "complete": int, "stale": [r"^\d{12}$"], "never": [r"^\d{12}$"], "possible_gap": [r"^\d{12}$"],
                                      "complete_through": (str, type(None)), "held": int, "returned": int, "conflicts": int,
                                      "town": {"stations": int, "complete": int, "complete_through": (str, type(None))}},
                         "indicators": dict})
        c = doc["coverage"]
        self.assertEqual(c["complete"] + len(c["stale"]) + len(c["never"]), c["stations"])
        self.assertEqual((c["stations"], c["never"], c["conflicts"], c["returned"] >= 0), (2, [village_code(2)], 1, True))
        self.assertEqual(len(doc["indicators"]), 71)
        for name, f in doc["indicators"].items():
            self.shape(f, {"label": str, "unit": str, "value": (int, float, type(None)), "display": str, "reported": bool}, name)
            self.assertEqual(f["reported"], f["value"] is not None, name)
        self.assertIsInstance(doc["indicators"]["I12"]["opening"], (int, float))

    def test_count_grouped(self):
        doc = self.hub.json("count", "I19v", "--by", "village", "--from", "2025-01-01", "--to", "2025-12-31")
        self.assertEqual((doc["from"], doc["to"]), ("2025-01-01", "2025-12-31"))
        self.assertEqual(list(doc["indicators"]), ["I19v"])
        groups = doc["indicators"]["I19v"]["groups"]
        self.shape(groups, [{"key": r"^\d{12}$", "label": str, "value": int}])
        self.assertEqual(sum(g["value"] for g in groups), doc["indicators"]["I19v"]["value"])
        for by in ("office", "month", "category"):
            self.shape(self.hub.json("count", "I19v", "--by", by)["indicators"]["I19v"]["groups"], [{"key": str, "label": str, "value": int}])
        self.assertEqual(self.hub.json("count", "I19v", "--station", village_code(2))["indicators"]["I19v"]["value"] or 0, 0)

    def test_count_bad_use(self):
        for argv in (("I99",), ("I19v", "--by", "colour"), ("--from", "2025-02-30"), ("--from", "2025-12-01", "--to", "2025-01-01"),
                     ("--station", "999999999999")):
            with self.subTest(argv=argv):
                result = self.hub.run("count", "--json", *argv, check=False)
                self.assertIn(result.rc, (1, 2), result)
                self.assertTrue(result.err)

    def test_hub_status(self):
        self.shape(self.hub.json("status"), {"uptime_s": int, "stations": int, "last_contact": ISO_MS, "lag": int, "returned": int, "conflicts": int,
                                             "journal": {"entries": int, "bytes": int}, "backup_age_s": (int, type(None))})

    def test_node_status(self):
        status = self.node.status()
        self.shape(status, {"station": r"^\d{12}$", "replica": (str, int), "branch": int, "pending": int, "acked": int, "safe": int, "returned": int,
                            "held": int, "conflicts": int, "cursor": (str, int, list, dict), "last_contact": ISO_MS, "clock_offset_ms": int, "state": str})
        self.assertEqual((status["station"], status["branch"], status["pending"], status["acked"]), (village_code(1), 1, 0, 4))

    def test_records_and_list(self):
        row = {"id": r"^[0-9a-f-]{36}$", "type": "^consultation$", "village_code": r"^\d{12}$", "state": str, "fields": dict}
        self.shape(self.hub.rows("records", "consultation"), [row])
        self.shape(self.node.list("consultation"), [row])
        self.shape(self.node.rows("get", self.made[0]), [row])
        self.assertEqual(len(self.hub.rows("records", "consultation", "--where", "channel=phone", "--station", village_code(1))), 3)
        self.assertEqual(len(self.hub.rows("records", "consultation", "--where", "state=returned")), 1)
        self.assertEqual(len(self.node.list("consultation", "--where", "channel=home")), 0)
        self.assertEqual(self.hub.run("records", "no_such_type", check=False).rc, 1)
        self.assertEqual(self.node.run("list", "no_such_type", check=False).rc, 1)

    def test_histories(self):
        self.shape(self.hub.rows("history", self.made[0]), [{"position": int, "replica": (str, int), "station": str, "hlc": (str, int), "at": ISO_MS,
                                                             "received_at": ISO_MS, "user": str, "op": str, "fields": dict, "verdict": str}])
        self.assertGreaterEqual(len(self.node.rows("history", self.made[0])), 2)
        self.shape(self.node.rows("history", self.made[0]), [{"at": ISO_MS, "user": str, "op": str, "fields": dict}])

    def test_review_lists(self):
        self.shape(self.hub.rows("conflicts"), [{"id": str, "record": str, "type": str, "group": str, "label": str, "at": ISO_MS,
                                                 "siblings": [{"n": int, "value": dict, "user": str, "at": ISO_MS, "stands": bool}]}])
        self.shape(self.hub.rows("held"), [{"position": int, "id": str, "type": str, "code": str, "waits_for": str, "text": str}])
        self.shape(self.hub.rows("returned"), [{"id": str, "type": str, "verdict": str, "code": str, "text": str}])
        self.shape(self.node.rows("returned"), [{"id": str, "type": str, "text": str}])

    def test_stations(self):
        rows = self.hub.json("station", "list")
        self.shape(rows, [{"code": r"^\d{12}$", "name": str, "level": "^(village|town)$", "replicas": [dict]}])
        self.assertEqual({r["code"] for r in rows}, {TOWN_CODE, village_code(1), village_code(2)})

    def test_answers_of_add(self):
        answers = self.hub.add([consultation(item_count=1), consultation(item_count=0)], check=False)
        self.shape(answers[0], {"line": int, "id": r"^[0-9a-f-]{36}$", "warnings": list})
        self.shape(answers[1], {"line": int, "error": {"field": str, "code": str, "text": str}})

    def test_verify_json(self):
        self.assertEqual(self.hub.json("verify")["clean"], True)

    def test_users(self):
        made = self.hub.json("user", "add", "审核员甲", "--role", "clerk")
        self.assertEqual(made["role"], "clerk")
        names = {u["name"]: u for u in self.hub.json("user", "list")}
        self.assertIn("审核员甲", names)
        self.hub.run("user", "disable", "审核员甲")
        self.assertTrue({u["name"]: u for u in self.hub.json("user", "list")}["审核员甲"]["disabled"])
        self.assertEqual(self.hub.run("user", "add", "x", "--role", "emperor", check=False).rc, 1)


class Stations(Case):
    """The registry: adding again changes nothing, a wrong list imports nothing"""

    def test_import(self):
        town = Town(self, villages=2, enrol=False, serve=False)
        hub = town.hub
        entries = hub.entries()
        hub.run("station", "import", self.work / "stations.csv")
        self.assertEqual(hub.entries(), entries, "the same list again is no change")
        bad = self.work / "bad.csv"
        for text in ("code,name\n999999101203,三村\n12,坏\n", "name\n三村\n", "", "code,name\n999999101203,\"三村\n", "code,name,level\n999999101203,三村,planet\n"):
            with self.subTest(text=text):
                bad.write_text(text)
                self.cli_refused(hub.run("station", "import", bad, check=False))
                self.assertEqual(len(hub.json("station", "list")), 3)
        bad.write_bytes(b"\xef\xbb\xbfcode,name,level,office\r\n999999101203,\"\xe4\xb8\x89,\xe6\x9d\x91\",village,\r\n")
        hub.run("station", "import", bad)
        self.assertIn("三,村", [s["name"] for s in hub.json("station", "list")])
        hub.run("station", "add", "999999101204", "四村", "--office", "办事处1")
        self.cli_refused(hub.run("station", "add", "abc", "坏", check=False))
        hub.verify()

    def test_init(self):
        from harness import Hub
        hub = Hub(self.work / "hub", self.work / "hub.log")
        self.cli_refused(hub.run("init", "--town", "镇", "--code", "12", check=False))
        self.assertEqual(hub.run("init", check=False).rc, 2)
        made = hub.json("init", "--town", "镇", "--code", TOWN_CODE)
        self.assertTrue(made["password"])
        self.cli_refused(hub.run("init", "--town", "镇", "--code", TOWN_CODE, check=False))
        hub.verify()
