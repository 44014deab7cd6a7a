"""People move between villages, leave the town, die: what the town's confirmation does on both villages' PCs."""
from harness import Case, Town, consultation, line, person, village_code, visit

PROOF = "01932f00-1111-7222-8333-444444444444"  # an attachment's id; its bytes come later


def event(person_id, kind, **fields):
    return line("residency_event", {"person_id": person_id, "kind": kind, "event_on": "2025-03-01", "proof": PROOF}, fields)


class Moves(Case):
    """P5, P6, P11: the file goes where the person goes, what happened stays where it happened, no edit is lost"""

    def test_transfer_death_and_restoration(self):
        town = Town(self, villages=2)
        hub, one, two = town.hub, town.v[1], town.v[2]
        ids = one.add_ids([person(members={"ref": "p"}), line("service_history", {"person_id": "@p", "enlist_on": "1975-12-01"}, {}), visit(["@p"])])
        who, history, visited = ids
        moved = one.add_ids([event(who, "transfer", from_village=village_code(1), to_village=village_code(2))])[0]
        town.sync_all()
        one.add([{"id": who, "fields": {"phone": "13800000001"}}])  # before this village knows that the town confirmed
        done = hub.json("approve", "residency_event", user="clerk")
        self.assertEqual((done["approved"], done["left"]), (1, []))
        town.sync_all()
        town.sync_all()

        self.assertNotIn(who, [r["id"] for r in one.list("person")], "the file has left the old village's PC")
        self.assertNotIn(history, [r["id"] for r in one.list("service_history")])
        self.assertIn(visited, [r["id"] for r in one.list("visit")], "the visit stays with the village that made it")
        there = two.get(who)
        self.assertEqual(there["fields"]["village_code"], village_code(2))
        self.assertEqual(there["fields"]["phone"], "13800000001", "what the old village wrote meanwhile is kept")
        self.assertEqual(two.get(history)["fields"]["enlist_on"], "1975-12-01")
        for node in (one, two):
            self.assertEqual(node.get(moved)["state"], "verified", "both see why")
        self.assertEqual(two.rows("history", who), [], "done elsewhere")
        told = two.rows("history", who, "--fetch")
        self.assertEqual([(r["op"], r["verdict"]) for r in told][0], ("create", "applied"))
        self.assertIn("13800000001", [r.get("fields", {}).get("phone") for r in told], "who did what before the move")
        self.assertEqual({r["station"] for r in told} - {village_code(1)}, {r["station"] for r in told if r["user"] == "clerk"})
        denied = one.run("history", who, "--fetch", check=False)
        self.assertNotEqual(denied.rc, 0, "no longer this village's file")
        two.add([{"id": who, "fields": {"residence_text": "二组"}}])
        one.add_ids([consultation()])
        town.sync_all()
        self.assertEqual(hub.rows("returned") + hub.rows("held"), [])
        self.assertNotEqual(hub.run("send-back", moved, "--note", "有误", check=False).rc, 0)
        self.assertEqual(two.get(moved)["state"], "verified", "in force: to be undone by a move back only")

        died = two.add_ids([event(who, "death", event_on="2025-04-01", from_village=village_code(2))])[0]
        town.sync_all()
        hub.run("approve", "residency_event")
        town.sync_all()
        self.assertEqual((two.get(who)["state"], two.get(who)["fields"]["left_on"]), ("deceased", "2025-04-01"))
        self.assertEqual(two.get(died)["state"], "verified")
        hub.verify()

    def test_what_does_not_fit_is_left(self):
        town = Town(self, villages=2)
        hub, one = town.hub, town.v[1]
        who = one.add_ids([person()])[0]
        one.add_ids([event(who, "transfer", from_village=village_code(1), to_village="999999101999")])
        town.sync_all()
        done = hub.json("approve", "residency_event")
        self.assertEqual((done["approved"], [row["code"] for row in done["left"]]), (0, ["no_station"]))
        town.sync_all()
        self.assertEqual(one.get(who)["fields"]["village_code"], village_code(1))
        hub.verify()
