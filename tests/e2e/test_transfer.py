"""People move between villages, leave the town, die: what the town's confirmation does on both villages' PCs."""
import json

from harness import Case, Town, aid_case, consultation, line, person, village_code, visit

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


class Ends(Case):
    """P4, P6: a death or a move out ends what the person has, whatever stands in it; what cannot be ended is named in words"""

    def at(self, type_name, fields, n=1):
        return {"type": type_name, "station": village_code(n), "fields": fields}

    def everything(self, hub, name):
        """A verified person who has one of each thing that a file can have, each with all that can be filled in; ids by type."""
        made = {"person": hub.add_ids([{**person(name=name), "station": village_code(1)}])[0]}
        who = made["person"]
        rows = [self.at("service_history", {"person_id": who, "enlist_on": "1975-12-01", "discharge_on": "1980-01-01"}),
                self.at("person_identity", {"person_id": who, "code": "01"}),
                self.at("contact_plan", {"person_id": who, "owner": PROOF, "frequency": "quarter", "start_on": "2024-01-01"}),
                self.at("benefit", {"person_id": who, "code": "b01", "start_on": "2020-01-01", "approved_doc": "文号1", "state": "verified"}),
                self.at("pref_card", {"person_id": who, "kind": "vet", "state": "issued", "issued_on": "2024-06-01", "valid_to": "2034-06-01",
                                      "stage_dates": [{"stage": "accepted", "on": "2024-05-01"}, {"stage": "issued", "on": "2024-06-01"}]}),
                self.at("aid_case", aid_case(who, applied_on="2024-02-01")["fields"]),
                self.at("family_member", {"person_id": who, "name": "李玉兰", "kin": "1"}),
                self.at("annual_confirm", {"person_id": who, "year": 2024, "confirmed_on": "2024-03-01", "method": "home", "result": "ok"})]
        for row in rows:
            answer = hub.add([row], check=False)
            self.assertNotIn("error", answer[0], (row, answer))
            made[row["type"]] = answer[0]["id"]
        hub.add([{"id": who, "fields": {"state": "active"}}])
        return made

    def fields(self, hub, type_name, record):
        return next({**r["fields"], "state": r["state"]} for r in hub.rows("records", type_name) if r["id"] == record)

    def end(self, hub, who, kind, **fields):
        return hub.add([{**event(who, kind, from_village=village_code(1), state="verified", **fields), "station": village_code(1)}], check=False)[0]

    def test_death_of_who_has_one_of_everything(self):
        town = Town(self, villages=1)
        hub, one = town.hub, town.v[1]
        has = self.everything(hub, "王建国")
        hub.add([{"type": "period_lock", "fields": {"from_on": "2020-01-01", "to_on": "2024-12-31", "locked_on": "2025-01-05", "state": "verified"}}])
        self.assertEqual(self.fields(hub, "benefit", has["benefit"])["state"], "locked", "a figure of a month that was reported")
        said = self.end(hub, has["person"], "death")
        self.assertNotIn("error", said)
        self.assertEqual((self.fields(hub, "person", has["person"])["state"], self.fields(hub, "person", has["person"])["left_on"]), ("deceased", "2025-03-01"))
        card = self.fields(hub, "pref_card", has["pref_card"])
        self.assertEqual((card["state"], card["stage_dates"][-1], card["close_note"]), ("cancelled", {"stage": "cancelled", "on": "2025-03-01"}, "持证人去世（2025-03-01）"))
        self.assertEqual(len(card["stage_dates"]), 3, "what was there stays")
        benefit = self.fields(hub, "benefit", has["benefit"])
        self.assertEqual((benefit["end_on"], benefit["end_reason"]), ("2025-03-01", "death"))
        self.assertEqual(self.fields(hub, "contact_plan", has["contact_plan"])["end_on"], "2025-03-01")
        self.assertEqual(self.fields(hub, "aid_case", has["aid_case"])["state"], "applied", "whether the family still gets the aid is the town's to decide")
        one.sync()
        self.assertEqual((one.get(has["pref_card"])["state"], one.get(has["person"])["state"]), ("cancelled", "deceased"))
        hub.verify()

    def test_death_while_the_card_is_on_its_way(self):
        """In every stage; the day of the stage is never before the one above it, and the note has the day of the death"""
        town = Town(self, villages=1)
        hub = town.hub
        for stage in ("accepted", "review", "returned", "making", "received", "reissue"):
            who = self.everything(hub, "卡在" + stage)
            card, stages = who["pref_card"], [{"stage": "issued", "on": "2024-06-01"}]
            to = {"accepted": [], "reissue": ["reissue"], "making": ["reissue", "making"], "received": ["reissue", "making", "received"]}.get(stage)
            if to is None or stage == "accepted":
                hub.add([{"id": card, "fields": {"stage_dates": stages + [{"stage": "cancelled", "on": "2024-06-02"}], "state": "cancelled", "close_note": "另办"}}])
                stages = [{"stage": "accepted", "on": "2024-06-03"}]
                card = hub.add_ids([self.at("pref_card", {"person_id": who["person"], "kind": "vet", "stage_dates": stages})])[0]
                to = {"review": ["review"], "returned": ["review", "returned"]}.get(stage, [])
            for step in to:
                stages = stages + [{"stage": step, "on": "2025-03-09"}]
                hub.add([{"id": card, "fields": {"state": step, "stage_dates": stages, **({"return_note": "请补照片"} if step == "returned" else {})}}])
            said = self.end(hub, who["person"], "death")
            self.assertNotIn("error", said, stage)
            now = self.fields(hub, "pref_card", card)
            self.assertEqual((stage, now["state"], now["close_note"]), (stage, "cancelled", "持证人去世（2025-03-01）"))
            self.assertEqual(now["stage_dates"][-1], {"stage": "cancelled", "on": "2025-03-09" if to else "2025-03-01"})
        hub.verify()

    def test_moving_out_leaves_the_card(self):
        town = Town(self, villages=1)
        hub = town.hub
        has = self.everything(hub, "王建国")
        self.assertNotIn("error", self.end(hub, has["person"], "out", outside_text="邻省"))
        self.assertEqual(self.fields(hub, "person", has["person"])["state"], "moved_out")
        self.assertEqual(self.fields(hub, "pref_card", has["pref_card"])["state"], "issued", "it is good in the whole country")
        self.assertEqual(self.fields(hub, "benefit", has["benefit"])["end_reason"], "moved")
        self.assertEqual(self.fields(hub, "contact_plan", has["contact_plan"])["end_on"], "2025-03-01")
        hub.verify()

    def test_what_is_left_to_do_by_hand_is_named(self):
        town = Town(self, villages=1)
        hub = town.hub
        has = self.everything(hub, "王建国")
        hub.add([{"id": has["benefit"], "fields": {"start_on": "2025-04-01"}}])
        error = self.end(hub, has["person"], "death")["error"]
        self.assertEqual(error["code"], "not_closed")
        self.assertIn("2025-04-01 · 文号1", error["text"])
        self.assertIn("停止日期不能早于享受起", error["text"])
        self.assertNotIn(has["benefit"], error["text"])
        self.assertNotIn("残疾军人", error["text"], "what the benefit is for is nobody's without a reason")
        self.assertEqual(self.fields(hub, "person", has["person"])["state"], "active", "all of it, or nothing")
        hub.add([{"id": has["benefit"], "fields": {"start_on": "2025-01-01"}}])
        self.assertNotIn("error", self.end(hub, has["person"], "death"))
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
