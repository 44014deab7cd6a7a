"""Villages merged (撤并): one is offline with unsent work when the town records that it is part of the other."""
import datetime

from harness import Case, Town, aid_case, facility, line, person, visit, village_code

YESTERDAY = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=8) - datetime.timedelta(days=1)).date().isoformat()


class Merged(Case):
    """P2, P4, P5, P6, P10: nothing of the old village is lost, what lives on is the other's, what has taken place stays, and totals do not move"""

    def figures(self, *more):
        found = self.hub.json("count", "I09", "I12", "I14", "I22", *more)["indicators"]
        return {k: v["value"] for k, v in found.items()}, found

    def test_offline_when_it_is_merged(self):
        town = Town(self, villages=3)
        self.hub, one, two = town.hub, town.v[1], town.v[2]
        who, seen, asks, room = one.add_ids([person(members={"ref": "p"}), visit(["@p"]), aid_case("@p"), facility()])
        two.add_ids([person(code=village_code(2))])
        town.sync_all()
        who_late, late_visit = one.add_ids([person(members={"ref": "q"}), visit(["@q"])])  # offline from here on
        one.add([{"id": who, "fields": {"phone": "13800000001"}}])
        before, _ = self.figures()

        look = ("station", "merge", village_code(1), "--into", village_code(2), "--on", YESTERDAY)
        numbers = self.hub.json(*look, "--preview")
        self.assertEqual({m["type"]: m["n"] for m in numbers["moves"]}, {"person": 1, "aid_case": 1, "facility": 1})
        self.assertEqual((numbers["stays"], numbers["waits"]["pcs"]), (1, 1))
        self.assertNotEqual(self.hub.run(*look, check=False).rc, 0, "no reason")
        self.assertEqual(self.hub.json("count", "I01v")["indicators"]["I01v"]["value"], 3, "a preview")
        self.hub.run(*look, "--reason", "民发〔2026〕1号", user="admin")
        self.assertEqual(self.figures()[0], before, "nothing was lost and nothing came twice")
        self.assertEqual(self.hub.json("count", "I01v")["indicators"]["I01v"]["value"], 2)
        coverage = self.hub.json("count", "I12")["coverage"]
        self.assertEqual(coverage["stations"], 3, "what its PC has saved is not known before it is heard of again")
        self.assertIn(village_code(1), coverage["stale"])

        one.sync()
        town.sync_all()
        after, found = self.figures("--by", "village")
        self.assertEqual(after, {**before, "I12": before["I12"] + 1}, "and the visit that came late, once")
        self.assertEqual({r["village_code"] for r in self.hub.rows("records", "person")}, {village_code(2)})
        groups = {g["key"]: (g["label"], g["value"]) for g in found["I12"]["groups"]}
        self.assertEqual(groups[village_code(1)], ("示例村1（已并入示例村2）", 2), "visits stay where they were made")
        coverage = self.hub.json("count", "I12")["coverage"]
        self.assertEqual(coverage["stations"], 2, "nothing more of it is awaited")
        self.assertNotIn(village_code(1), coverage["stale"] + coverage["never"])

        theirs = {r["id"] for t in ("person", "aid_case", "facility") for r in two.list(t)}
        self.assertLessEqual({who, who_late, asks, room}, theirs)
        self.assertEqual(two.get(who)["fields"]["phone"], "13800000001", "what was written before it knew")
        self.assertTrue(two.get(who)["fields"]["household_no"].startswith("201-"))
        self.assertEqual([r["id"] for r in one.list("person")], [], "the files have left")
        self.assertEqual({r["id"] for r in one.list("visit")}, {seen, late_visit})
        self.assertEqual(self.hub.rows("returned") + self.hub.rows("held"), [])
        two.add([{"id": who_late, "fields": {"residence_text": "二组"}}])
        two.sync()
        self.assertEqual(self.hub.rows("returned"), [], "and the other village works on them")

        self.hub.run("station", "revoke", village_code(1))
        self.assertEqual(self.hub.json("count", "I12")["coverage"]["stations"], 2)
        self.cli_refused(self.hub.run("station", "add", village_code(1), "新名", check=False), "merged")
        self.cli_refused(self.hub.run(*look, "--reason", "再来", check=False), "merged")
        self.hub.verify()
