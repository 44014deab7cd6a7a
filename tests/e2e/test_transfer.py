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
        two.add([{"id": who, "fields": {"phone": "13800000002"}}])
        town.sync_all()
        self.assertEqual(hub.rows("held") + hub.rows("returned"), [])

        # The backup knows the claims, not what the town decided.
        hub.run("restore", backup)
        for _ in range(3):
            town.sync_all()
        held = hub.rows("held")
        self.assertEqual([(r["id"], r["code"], r["station"]) for r in held], [(who, "moved", village_code(2))], "what the new village wrote waits for the move")
        refused = hub.run("held", "release", str(held[0]["position"]), check=False)
        self.assertNotEqual(refused.rc, 0, "nobody lets it into another village's record")
        self.assertEqual(hub.rows("returned"), [])
        self.assertNotIn(who, [r["id"] for r in two.list("person")])
        hub.run("recovered", "accept", "--all")
        self.assertEqual(hub.rows("held"), [])
        self.assertEqual(hub.rows("records", "person", "--where", "state=submitted")[0]["fields"]["village_code"], village_code(2), "at once: no node could give that back")
        # The old village told of the claim first, which is none of its business here any more; the claimant told the same.
        self.assertEqual([r for r in hub.rows("recovered", "list") if r["record"] == by_two], [])
        for _ in range(2):
            town.sync_all()
        there = two.get(who)["fields"]
        self.assertEqual((there["village_code"], there["phone"]), (village_code(2), "13800000002"), "the decision takes the file along again, and what waited for it")
        self.assertNotIn(who, [r["id"] for r in one.list("person")])
        for id_ in (released, by_two):
            self.assertEqual(two.get(id_)["state"], "verified")
        hub.verify()

        # Back once more, and nobody wants that move: all that the village waits with is sent back at once.
        hub.run("restore", backup)
        for _ in range(3):
            town.sync_all()
        n = len(hub.rows("held"))
        self.assertGreater(n, 0)
        group = ("held", "refuse", "--station", village_code(2), "--code", "moved")
        self.assertEqual(hub.json(*group, "--preview")["waiting"], n)
        self.assertEqual(len(hub.rows("held")), n, "a preview writes nothing")
        self.assertNotEqual(hub.run(*group, check=False).rc, 0, "not without a reason")
        told = hub.json(*group, "--note", "没有转到你村")
        self.assertEqual((told["waiting"], told["refused"], told["kept"]), (n, n, 0))
        self.assertEqual((hub.rows("held"), {r["text"] for r in hub.rows("returned")}), ([], {"没有转到你村"}))
        self.assertEqual(hub.json(*group, "--note", "没有转到你村")["refused"], 0, "the same again")
        self.assertTrue(hub.json("verify")["clean"])


class Requests(Case):
    """What a village may not change itself it asks for (变更申请): the town's consent writes it, and both sides see it"""

    def ask(self, who, field, old, new):
        return line("change_request", {"target": f"person:{who}", "field": field, "old_value": old, "new_value": new, "reason": "户口本上写错了"}, {})

    def decide(self, hub, request, **fields):
        return hub.add([{"id": request, "fields": {"state": "verified", **fields}}], check=False, user="王芳")[0]

    def test_asked_for_and_written(self):
        town = Town(self, villages=1)
        hub, one = town.hub, town.v[1]
        who = one.add_ids([person(name="张建国")])[0]
        town.sync_all()
        hub.add([line("person_identity", {"person_id": who, "code": "04", "state": "verified"}, {}), {"id": who, "fields": {"legal_basis": "duty"}}], user="clerk")
        self.assertEqual(hub.json("approve", "person", user="clerk")["left"], [])
        town.sync_all()
        number = one.get(who)["fields"]["id_no"]

        # What is wrong is said at the PC, beside its field, and nothing is saved.
        bad = ((self.ask(who, "no_such_field", "张建国", "张建军"), "field"), (self.ask(who, "phone", None, "13800000001"), "field"),
               (self.ask(who, "name", "张建", "张建军"), "old_value"), (self.ask(who, "id_no", number, number[:17] + "01"[number[17] == "0"]), "new_value"),
               (self.ask(who, "birth_on", one.get(who)["fields"]["birth_on"], "2950-02-30"), "new_value"))
        self.assertEqual([a["error"]["field"] for a in one.add([asked for asked, _ in bad], check=False)], [at for _, at in bad])
        self.assertEqual(one.list("change_request"), [])

        agreed, refused, late = one.add_ids([self.ask(who, "name", "张建国", name) for name in ("张建军", "张建民", "张建华")])
        town.sync_all()
        self.assertIn("error", self.decide(hub, refused, decision="refused"), "not without a reason")
        self.assertNotIn("error", self.decide(hub, refused, decision="refused", return_note="身份证上不是张建民"))
        done = hub.json("approve", "change_request", user="王芳")
        self.assertEqual((done["approved"], [row["code"] for row in done["left"]]), (1, ["stale_value"]), "the second one speaks of what was")
        self.assertEqual(hub.rows("records", "person")[0]["fields"]["name"], "张建军")
        hub.run("send-back", late, "--note", "已改为张建军", user="王芳")
        town.sync_all()

        self.assertEqual(one.get(who)["fields"]["name"], "张建军", "the village has it")
        self.assertEqual([(one.get(r)["state"], one.get(r)["fields"].get("decision"), one.get(r)["fields"].get("return_note")) for r in (agreed, refused, late)],
                         [("verified", "approved", None), ("verified", "refused", "身份证上不是张建民"), ("returned", None, "已改为张建军")])
        written = [r for r in one.rows("history", who, "--fetch") if r["user"] == "王芳"]
        self.assertEqual([r["fields"] for r in written], [{"name": "张建军"}], "who agreed")
        hub.verify()
