"""What the town does to a record is done to what it saw: steps, approvals, returns, deletions, choices, mergers and signatures are of a
rev, and what was changed since is left as it is (design, merge: an approval of 500 must not become one of 5,000)."""
import datetime
import json

from harness import aid_case, person, uuid7, village_code, visit
from test_town import WithTown

TODAY = (datetime.datetime.utcnow() + datetime.timedelta(hours=8)).date().isoformat()


class WithCase(WithTown):
    def case(self, **more):
        made = self.node.add_ids([aid_case(self.people[0], **{"state": "village_checked", "village_checked_on": "2025-02-03", "village_opinion": "属实",
                                                              "amount_applied_fen": 50000, **more})])[0]
        self.node.sync()
        return made

    def step(self, ids, revs, came, to, kind="aid_case", **more):
        return self.clerk("POST", "review/step", {"type": kind, "ids": ids, "revs": dict(zip(ids, revs)), "from": came, "to": to, **more}, status=200).json

    def changed(self, row):
        self.node.add([row])
        self.node.sync()

    def codes(self, done):
        return [one["code"] for one in done["left"]]


class Guard(WithCase):
    def test_an_approval_of_500_is_none_of_5000(self):
        """each act on a case that its village changed after the clerk had read it: nothing is done, and what was there stays"""
        case = self.case()
        seen = self.clerk.revs(case)
        self.changed({"id": case, "fields": {"amount_applied_fen": 500000}})
        self.assertEqual(self.codes(self.step([case], seen, "village_checked", "town_reviewed")), ["changed_meanwhile"])
        self.assertEqual(self.codes(self.step([case], seen, "village_checked", "returned", note="请核对金额")), ["changed_meanwhile"])
        edit = lambda **body: self.clerk("PATCH", f"records/{case}", {**body, "rev": seen[0]}, status=409)
        self.error(edit(fields={"state": "town_reviewed", "town_reviewed_on": TODAY}, was={"state": "village_checked"}), "changed_meanwhile")
        self.error(edit(delete_reason="重复"), "changed_meanwhile")
        self.error(self.clerk("POST", f"records/{case}/return", {"note": "请核对", "rev": seen[0]}, status=409), "changed_meanwhile")
        row = self.row(case, "aid_case")
        self.assertEqual((row["state"], row["fields"]["amount_applied_fen"]), ("village_checked", 500000))
        # Approved in bulk: the one that stands goes on, the other is left and named.
        more = self.node.add_ids([visit([self.people[1]], gift_fen=10000)])[0]
        self.node.sync()
        seen = self.clerk.revs(self.visits[0], more)
        self.changed({"id": more, "fields": {"gift_fen": 90000}})
        done = self.clerk("POST", "review/approve", {"type": "visit", "ids": [self.visits[0], more], "revs": dict(zip((self.visits[0], more), seen))}, status=200).json
        self.assertEqual((done["approved"], [(one["id"], one["code"]) for one in done["left"]]), (1, [(more, "changed_meanwhile")]))
        self.assertEqual([self.row(v, "visit")["state"] for v in (self.visits[0], more)], ["verified", "submitted"])
        # As it is now it may be done.
        self.assertEqual(self.step([case], self.clerk.revs(case), "village_checked", "town_reviewed")["done"], 1)
        self.hub.verify()

    def test_who_acts_says_what_was_seen(self):
        """no act without a rev: not for one record, not for many"""
        case = self.case()
        for body in ({}, {"revs": []}, {"revs": self.clerk.revs(case)}, {"revs": "x"}, {"revs": {}}, {"revs": {case: None}}, {"revs": self.clerk.as_seen(self.people[0])}):
            for path, more in (("review/step", {"type": "aid_case", "from": "village_checked", "to": "town_reviewed"}), ("review/approve", {"type": "visit"})):
                self.error(self.clerk("POST", path, {**more, "ids": [case], **body}, status=422), "required")
        for method, path, body in (("POST", f"records/{case}/return", {"note": "请核对"}), ("PATCH", f"records/{case}", {"delete_reason": "重复"}),
                                   ("PATCH", f"records/{case}", {"fields": {"state": "withdrawn", "close_note": "不办了"}, "was": {"state": "village_checked"}}),
                                   ("POST", "review/conflicts/1/resolve", {"keep": 1}), ("POST", "review/duplicates/merge", {"id": self.people[0], "into": self.people[1]})):
            self.error(self.clerk(method, path, body, status=422), "required")
        self.error(self.leader("POST", f"summaries/{uuid7()}/sign", {}, status=422), "required")
        self.assertEqual(self.row(case, "aid_case")["state"], "village_checked")

    def test_a_summary_is_signed_as_it_was_read(self):
        made = self.clerk("POST", "summaries", {"year": 2025}, status=201).json["id"]
        read = self.leader("GET", f"summaries/{made}", status=200).json
        self.clerk("PATCH", f"summaries/{made}", {"text": read["text"] + "= 另一句。\n", "rev": read["rev"]}, status=200)
        self.error(self.leader("POST", f"summaries/{made}/sign", {"rev": read["rev"]}, status=409), "changed_meanwhile")
        self.assertEqual(self.leader("GET", f"summaries/{made}", status=200).json["state"], "draft")
        now = self.leader("GET", f"summaries/{made}", status=200).json["rev"]
        self.leader("POST", f"summaries/{made}/sign", {"rev": now}, status=200)

    def test_a_choice_is_made_of_what_was_seen(self):
        """a conflict is settled, and two files made one, by who saw the records as they are"""
        self.hub.server.stop()
        self.node.add([{"id": self.visits[0], "fields": {"gift_fen": 60000}}])
        self.hub.run("add", "-", stdin=json.dumps({"id": self.visits[0], "fields": {"gift_fen": 70000}}) + "\n")
        self.hub.serve()
        self.node.sync()
        self.address, self.roles = self.hub.server.ready["http"], {}
        conflict = self.clerk("GET", "review/conflicts", status=200).json["rows"][0]
        self.assertEqual([conflict["rev"]], self.clerk.revs(self.visits[0]))
        self.changed({"id": self.visits[0], "fields": {"item_note": "米面油"} if "item_note" in self.row(self.visits[0], "visit")["fields"] else {"visitors": "书记乙"}})
        choose = lambda rev, status: self.clerk("POST", f"review/conflicts/{conflict['id']}/resolve", {"keep": 1, "record": self.visits[0], "rev": rev}, status=status)
        self.error(choose(conflict["rev"], 409), "changed_meanwhile")
        self.assertEqual(len(self.clerk("GET", "review/conflicts", status=200).json["rows"]), 1)
        choose(self.clerk.revs(self.visits[0])[0], 200)
        both = self.clerk.revs(*self.people)
        self.changed({"id": self.people[1], "fields": {"phone": "13800000009"}})
        self.error(self.clerk("POST", "review/duplicates/merge", {"id": self.people[0], "rev": both[0], "into": self.people[1], "into_rev": both[1]}, status=409), "changed_meanwhile")
        self.assertEqual(self.row(self.people[0])["state"], "submitted")
        self.hub.verify()


class Steps(WithCase):
    def test_a_step_has_its_day(self):
        """taken for many at once, it needs no date in a form; the day that somebody wrote stays"""
        mine, written = self.case(), self.case()
        self.clerk("PATCH", f"records/{written}", {"fields": {"town_reviewed_on": "2025-02-05"}}, status=200)
        done = self.step([mine, written], self.clerk.revs(mine, written), "village_checked", "town_reviewed")
        self.assertEqual((done["done"], done["left"]), (2, []))
        self.assertEqual([self.row(one, "aid_case")["fields"]["town_reviewed_on"] for one in (mine, written)], [TODAY, "2025-02-05"])
        self.hub.verify()

    def test_what_was_sent_back_is_checked_again(self):
        """a case sent back after the town's review is checked by its village on a later day, and the town's steps have new days"""
        case = self.case()
        self.clerk("PATCH", f"records/{case}", {"fields": {"town_reviewed_on": "2025-02-05"}}, status=200)
        take = lambda came, to, **more: self.step([case], self.clerk.revs(case), came, to, **more)
        self.assertEqual(take("village_checked", "town_reviewed")["left"], [])
        self.clerk("PATCH", f"records/{case}", {"fields": {"publicity_from": "2025-02-06", "publicity_to": "2025-02-12"}}, status=200)
        self.assertEqual(take("town_reviewed", "publicity")["left"], [])
        self.assertEqual(take("publicity", "returned", note="请再核实")["left"], [])
        self.node.sync()
        self.changed({"id": case, "fields": {"state": "village_checked", "village_checked_on": "2025-03-03"}})
        row = self.row(case, "aid_case")
        self.assertEqual((row["state"], row["fields"]["village_checked_on"], self.node.list("aid_case")[0].get("returned")), ("village_checked", "2025-03-03", None))
        self.assertEqual(take("village_checked", "town_reviewed")["left"], [])
        self.assertEqual(self.row(case, "aid_case")["fields"]["town_reviewed_on"], TODAY)
        self.assertEqual([one["field"] for one in take("town_reviewed", "publicity")["left"]], ["publicity_to"])  # the former end is none of this one
        self.clerk("PATCH", f"records/{case}", {"fields": {"state": "publicity", "publicity_from": TODAY, "publicity_to": (datetime.date.fromisoformat(TODAY) + datetime.timedelta(days=14)).isoformat()}, "rev": self.clerk.revs(case)[0]}, status=200)
        self.hub.verify()

    def test_what_ends_says_why(self):
        """not granted, withdrawn, struck off: the step takes the reason along, and without one says that it lacks"""
        case = self.case()
        lacks = self.step([case], self.clerk.revs(case), "village_checked", "withdrawn")
        self.assertEqual((lacks["done"], lacks["left"][0]["field"]), (0, "close_note"))
        self.assertEqual(self.step([case], self.clerk.revs(case), "village_checked", "withdrawn", note="本人不再申请")["done"], 1)
        self.assertEqual(self.row(case, "aid_case")["fields"]["close_note"], "本人不再申请")
        received = (datetime.date.fromisoformat(TODAY) - datetime.timedelta(days=3)).isoformat()
        fields = {"received_on": received, "channel": "visit", "head_count": 1, "is_backlog": False, "petitioners": [{"name": "王五"}], "demand": "反映优待金"}
        petition = self.clerk("POST", "types/petition/records", {"station": village_code(1), "fields": fields}, status=201).json["id"]
        for came, to, note in (("registered", "accepted", None), ("accepted", "handling", None), ("handling", "withdrawn", "本人撤回")):
            done = self.step([petition], self.clerk.revs(petition), came, to, "petition", **({"note": note} if note else {}))
            self.assertEqual((done["done"], done["left"]), (1, []), to)
        ended = self.row(petition, "petition")["fields"]
        self.assertEqual((ended["accepted_on"], ended["final_on"], ended["outcome"], ended["close_note"]), (TODAY, TODAY, "withdrawn", "本人撤回"))
        one = self.people[1]
        self.assertEqual(self.step([one], self.clerk.revs(one), "submitted", "cancelled", "person", note="重复建档")["done"], 1)
        self.node.sync()
        self.assertEqual(self.node.get(one)["fields"]["close_note"], "重复建档")
        self.hub.verify()


class Entered(WithCase):
    def test_judged_before_it_is_kept(self):
        """keep false: what its author is to be warned of is said, and nothing is there"""
        said = {"station": village_code(1), "id": uuid7(), "fields": visit([self.people[0]])["fields"]}
        told = self.clerk("POST", "types/visit/records", {**said, "keep": False}, status=200).json
        self.assertTrue([i for i in told["issues"] if i["level"] == "warn"], told)
        self.assertEqual(self.clerk("GET", "types/visit/records", status=200).json["total"], 1)
        self.clerk("POST", "types/visit/records", {**said, "keep": True}, status=201)
        self.clerk("PATCH", f"records/{said['id']}", {"fields": {"gift_fen": 123}, "keep": False}, status=200)
        self.assertNotEqual(self.row(said["id"], "visit")["fields"].get("gift_fen"), 123)
        self.assertEqual(self.clerk("POST", "types/visit/records", {"fields": {}, "station": village_code(1), "keep": False}).status, 422)
        log = [r for r in self.role("auditor")("GET", "audit", status=200).json["rows"] if r["what"] in ("create", "edit")]
        self.assertEqual([(r["what"], r["object"]) for r in log], [("create", said["id"])])
        self.hub.verify()

    def test_a_locked_record_is_corrected(self):
        """what the page's button sends: taken in the locked period, and once verified it counts in place of the other"""
        self.clerk("POST", "review/approve", {"type": "visit", "ids": self.visits, "revs": self.clerk.as_seen(*self.visits)}, status=200)
        lock = self.clerk("POST", "types/period_lock/records", {"fields": {"from_on": "2025-01-01", "to_on": "2025-03-31", "locked_on": "2025-07-01"}}, status=201).json["id"]
        self.clerk("PATCH", f"records/{lock}", {"fields": {"state": "verified"}, "rev": self.clerk.revs(lock)[0]}, status=200)
        old = self.row(self.visits[0], "visit")
        self.assertEqual(old["state"], "locked")
        said = {name: value for name, value in visit([self.people[0], self.people[1]])["fields"].items()}
        self.clerk("POST", "types/visit/records", {"station": village_code(1), "fields": said}, status=403)
        alike = {**{name: old["fields"][name] for name in said if name in old["fields"]}, "gift_fen": 54321}
        told = lambda of: [i["code"] for i in self.clerk("POST", "types/visit/records", {"station": village_code(1), "keep": False, "fields": {**alike, "correction_of": of}}, status=200).json.get("issues", [])]
        self.assertNotIn("near_duplicate", told(self.visits[0]))  # a correction resembles what it corrects
        made = self.clerk("POST", "types/visit/records", {"station": village_code(1), "fields": {**said, "correction_of": self.visits[0]}}, status=201).json["id"]
        self.assertIn("near_duplicate", told(made))
        self.clerk("POST", "review/approve", {"type": "visit", "ids": [made], "revs": self.clerk.as_seen(made)}, status=200)
        self.assertEqual(self.hub.json("count", "I12")["indicators"]["I12"]["value"], 2)
        self.hub.verify()


class Doubles(WithCase):
    def test_nobody_leaves_the_register_by_a_merger(self):
        """a file on the register does not go into one that nobody verified; the other way it does"""
        kept = self.people[0]
        twin = self.t.v[2].add_ids([person(village_code(2), name="张建国", id_no=self.row(kept)["fields"]["id_no"])])[0]
        self.t.v[2].sync()
        self.hub.add([{"type": "person_identity", "fields": {"person_id": kept, "code": "04", "state": "verified"}}, {"id": kept, "fields": {"legal_basis": "duty"}}])
        self.clerk("POST", "review/approve", {"type": "person", "ids": [kept], "revs": self.clerk.as_seen(kept)}, status=200)
        self.assertEqual(self.row(kept)["state"], "active")
        merge = lambda one, into, status: self.clerk("POST", "review/duplicates/merge", {"id": one, "rev": self.clerk.revs(one)[0], "into": into, "into_rev": self.clerk.revs(into)[0]}, status=status)
        self.error(merge(kept, twin, 422), "unverified_target")
        self.assertEqual(self.row(kept)["state"], "active")
        self.assertEqual({f["id"]: f["state"] for f in self.clerk("GET", "review/duplicates", status=200).json["rows"][0]["records"]}, {kept: "active", twin: "submitted"})
        merge(twin, kept, 200)
        self.assertEqual(self.row(twin)["state"], "merged")
        self.hub.verify()
