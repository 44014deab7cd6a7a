"""People move between villages, leave the town, die: what the town's confirmation does on both villages' PCs."""
import json

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


class Claims(Case):
    """P4, P5, P6, P11: the new village asks for whom it does not have; it learns nothing before the town decides"""

    def claim(self, to, name, id_no, **fields):
        return line("residency_event", {"kind": "transfer", "claim_name": name, "claim_id_no": id_no, "event_on": "2025-03-01", "proof": PROOF,
                                        "to_village": village_code(to)}, fields)

    def test_claim_end_to_end(self):
        town = Town(self, villages=2)
        hub, one, two = town.hub, town.v[1], town.v[2]
        who, history = one.add_ids([person(members={"ref": "p"}), line("service_history", {"person_id": "@p", "enlist_on": "1975-12-01", "discharge_on": "1979-12-01"}, {})])
        known = one.get(who)["fields"]
        town.sync_all()
        hub.run("add", user="clerk", stdin="\n".join(json.dumps(x, ensure_ascii=False) for x in (
            line("person_identity", {"person_id": who, "code": "02", "state": "verified"}, {}),
            {"id": who, "fields": {"household_no": "H1", "notice_at": "2025-01-02", "legal_basis": "duty"}})) + "\n")
        hub.run("approve", "service_history", user="clerk")
        self.assertEqual(hub.json("approve", "person", user="clerk")["left"], [])
        real, nobody = two.add_ids([self.claim(2, known["name"], known["id_no"]), self.claim(2, "查无此人", "110101195308010038")])
        town.sync_all()
        town.sync_all()

        self.assertEqual(one.get(who)["state"], "transferring", "the old village sees that a move waits")
        self.assertEqual([r["id"] for r in one.list("residency_event")], [], "not what was claimed")
        a, b = two.get(real), two.get(nobody)
        for record in (a, b):
            self.assertEqual((record["state"], record["fields"].get("person_id"), record.get("invalid")), ("submitted", None, None))
        self.assertEqual(sorted(set(a["fields"]) ^ set(b["fields"])), [], "one that fits and one that does not look alike")
        self.assertEqual(two.list("person"), [])
        self.assertEqual([r["id"] for r in two.rows("returned")], [])
        one.add([{"id": who, "fields": {"phone": "13800000001"}}])

        rows = {r["id"]: r for r in hub.rows("transfers", "list")}
        self.assertEqual([(s["id"], s["same_number"], s["same_name"]) for s in rows[real]["records"]], [(who, True, True)])
        self.assertEqual(rows[nobody]["records"], [])
        done = hub.json("approve", "residency_event", user="clerk")
        self.assertEqual((done["approved"], [(r["id"], r["code"]) for r in done["left"]]), (1, [(nobody, "no_match")]))
        hub.run("send-back", nobody, "--note", "没有这个人，请核对身份号码", user="clerk")
        town.sync_all()
        town.sync_all()

        self.assertNotIn(who, [r["id"] for r in one.list("person")], "gone from the old village's PC")
        there = two.get(who)
        self.assertEqual((there["state"], there["fields"]["village_code"], there["fields"]["phone"]), ("active", village_code(2), "13800000001"))
        self.assertEqual(two.get(history)["fields"]["enlist_on"], "1975-12-01")
        self.assertIn("create", [r["op"] for r in two.rows("history", who, "--fetch")], "with who did what before")
        for node in (one, two):
            self.assertEqual((node.get(real)["state"], node.get(real)["fields"]["from_village"]), ("verified", village_code(1)))
        self.assertEqual((two.get(nobody)["state"], two.get(nobody)["fields"]["return_note"]), ("returned", "没有这个人，请核对身份号码"))
        self.assertNotIn(nobody, [r["id"] for r in one.list("residency_event")])
        self.assertEqual(hub.rows("held") + hub.rows("conflicts"), [])
        hub.verify()

    def test_decided_one_by_one(self):
        town = Town(self, villages=3)
        hub, one, two, three = town.hub, town.v[1], town.v[2], town.v[3]
        who = one.add_ids([person()])[0]
        known = one.get(who)["fields"]
        released = one.add_ids([event(who, "transfer", from_village=village_code(1), to_village=village_code(2))])[0]
        by_two = two.add_ids([self.claim(2, known["name"], known["id_no"], from_village=village_code(1))])[0]
        by_three = three.add_ids([self.claim(3, known["name"], known["id_no"])])[0]
        backup = hub.dir.parent / "before.db"
        town.sync_all()
        hub.run("backup", backup)
        hub.run("transfers", "confirm", by_two, user="clerk")
        hub.run("transfers", "confirm", released, user="clerk")
        three.add([{"id": by_three, "delete": True, "reason": "填错了"}])
        town.sync_all()
        town.sync_all()
        refused = hub.run("transfers", "confirm", by_three, check=False)
        self.assertNotEqual(refused.rc, 0, "withdrawn by its village")
        self.assertEqual(two.get(who)["fields"]["village_code"], village_code(2))

        # The backup knows the claims, not what the town decided.
        hub.run("restore", backup)
        for _ in range(3):
            town.sync_all()
        hub.run("recovered", "accept", "--all")
        self.assertEqual(hub.rows("records", "person", "--where", "state=submitted")[0]["fields"]["village_code"], village_code(2), "at once: no node could give that back")
        # The old village told of the claim first, which is none of its business here any more: left to be decided by number.
        left = [r for r in hub.rows("recovered", "list") if r["record"] == by_two]
        self.assertEqual([r["other_station"] for r in left], [True])
        hub.run("recovered", "accept", str(left[0]["id"]))
        for _ in range(2):
            town.sync_all()
        self.assertEqual(two.get(who)["fields"]["village_code"], village_code(2), "the decision takes the file along again")
        self.assertNotIn(who, [r["id"] for r in one.list("person")])
        for id_ in (released, by_two):
            self.assertEqual(two.get(id_)["state"], "verified")
        hub.verify()
