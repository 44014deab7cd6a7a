"""Two sides changed one record without seeing each other: what a station's page is shown and what decides it, over real HTTP; the same
at the town. Every answer is held against openapi.json (api.py)."""
import unittest

from api import Api
from harness import Case, Town, consultation, person, village_code, wait_for

SECRETARY = ("王秘书", "135792")


class TwoPcs(Case):
    """A station with two PCs, one of which serves its page once there is something to decide."""

    def setUp(self):
        super().setUp()
        self.t = Town(self, villages=1)
        self.hub, self.a = self.t.hub, self.t.v[1]
        self.b = self.t.new_node(1, "second")
        self.b.enrol(self.t.new_kit(1, "kit-second"))

    def error(self, answer, code, field=None):
        self.assertEqual((answer.json["error"]["code"], answer.json["error"]["field"]), (code, field or answer.json["error"]["field"]), answer)

    def apart(self, line, *sides):
        """line is at both PCs, then each side does something without the others, and the hub gets it in this order. The record's id."""
        made = self.a.add_ids([line])[0]
        self.a.sync(), self.b.sync()
        for where, does in sides:
            where.add([{"id": made, **does}])
        for where, _ in sides:
            if where is not self.hub:
                where.sync()
        self.a.sync(), self.b.sync()
        return made

    def page(self):
        self.a.run("user", "add", SECRETARY[0], "-", stdin=SECRETARY[1] + "\n", check=False)  # again: there is one
        self.a.serve()
        api = Api(self.a.server.ready["http"])
        api.login(*SECRETARY)
        return api

    def versions(self, api, made):
        """The record's versions, once what the others wrote was fetched."""
        api("POST", f"records/{made}/history", {}, status=202)
        rows = lambda: api("GET", f"records/{made}", status=200).json["conflicts"]
        wait_for(lambda: all("values" in v for v in rows()), "what the other side wrote")
        return rows()

    def same_everywhere(self, made):
        self.a.sync(), self.b.sync()
        self.assertEqual(self.hub.rows("conflicts"), [])
        self.assertEqual(self.a.json("status")["conflicts"] + self.b.json("status")["conflicts"], 0)
        self.assertEqual(self.a.get(made), self.b.get(made))
        self.hub.verify()


class DeletedAndEdited(TwoPcs):
    """One deletes what another edits: who did what is shown, and either can be chosen"""
    DELETION, EDIT = {"delete": True, "reason": "录错了"}, {"fields": {"item_count": 22}}

    def deletion_stands(self):
        return self.apart(consultation(item_count=1), (self.b, self.DELETION), (self.a, self.EDIT))

    def edit_stands(self):
        return self.apart(consultation(item_count=1), (self.a, self.EDIT), (self.b, self.DELETION))

    def shown(self, api, made):
        rows = self.versions(api, made)
        self.assertEqual({v["group"] for v in rows}, {"deleted"})
        self.assertEqual(len(rows), 2)
        deletes, keeps = sorted(rows, key=lambda v: not v["deletes"])
        self.assertEqual((deletes["values"], keeps["values"]["item_count"]), ({"delete_reason": "录错了"}, 22))
        self.assertTrue(deletes["user"] and deletes["at"] and keeps["user"] and keeps["at"])
        edit = next(c for c in api("GET", f"records/{made}/history", status=200).json["changes"] if c["op"] == "edit")
        self.assertEqual((keeps["user"], keeps["at"]), (edit["user"], edit["at"]), "whose edit it was, not who had entered the record")
        return deletes, keeps

    def delete(self, api, made):
        return api("DELETE", f"records/{made}", {"reason": "录错了", "rev": api("GET", f"records/{made}", status=200).json["rev"]}, status=200).json

    def keep(self, api, made):
        return api("POST", f"records/{made}/undelete", {"rev": api("GET", f"records/{made}", status=200).json["rev"]}, status=200).json

    def decided(self, api, made, deleted):
        self.same_everywhere(made)
        row = api("GET", f"records/{made}", status=200).json
        self.assertNotIn("conflicts", row)
        self.assertEqual((row.get("deleted", False), row["fields"]["item_count"], row["fields"].get("delete_reason")), (deleted, 22, "录错了" if deleted else None))

    def test_a_deletion_that_stands_is_confirmed(self):
        made = self.deletion_stands()
        api = self.page()
        deletes, keeps = self.shown(api, made)
        self.assertEqual((deletes["stands"], keeps["stands"]), (True, False))
        at = api("GET", f"records/{made}", status=200).json["fields"]["deleted_at"]
        self.delete(api, made)
        self.delete(api, made)  # its answer was lost: the same
        self.decided(api, made, deleted=True)
        self.assertEqual(api("GET", f"records/{made}", status=200).json["fields"]["deleted_at"], at)
        self.assertEqual([c["op"] for c in api("GET", f"records/{made}/history", status=200).json["changes"]].count("delete"), 2)

    def test_a_deletion_that_stands_is_taken_back(self):
        made = self.deletion_stands()
        api = self.page()
        self.shown(api, made)
        self.keep(api, made)
        self.decided(api, made, deleted=False)

    def test_an_edit_that_stands_is_confirmed(self):
        made = self.edit_stands()
        api = self.page()
        deletes, keeps = self.shown(api, made)
        self.assertEqual((deletes["stands"], keeps["stands"]), (False, True))
        self.keep(api, made)
        self.keep(api, made)
        self.decided(api, made, deleted=False)
        self.assertEqual([c["op"] for c in api("GET", f"records/{made}/history", status=200).json["changes"]].count("undelete"), 1)

    def test_the_deletion_is_chosen_over_an_edit_that_stands(self):
        made = self.edit_stands()
        api = self.page()
        self.shown(api, made)
        self.delete(api, made)
        self.decided(api, made, deleted=True)

    def test_the_town_edited_what_the_village_deletes(self):
        """town against village, and either ends at the village"""
        for choose, deleted in ((self.delete, True), (self.keep, False)):
            made = self.apart(consultation(item_count=1), (self.hub, self.EDIT), (self.a, self.DELETION))
            api = self.page()
            self.shown(api, made)
            choose(api, made)
            self.decided(api, made, deleted)
            self.a.server.stop()

    def test_the_town_deleted_what_the_village_edits(self):
        for choose, deleted in ((self.delete, True), (self.keep, False)):
            made = self.apart(consultation(item_count=1), (self.hub, self.DELETION), (self.a, self.EDIT))
            api = self.page()
            self.shown(api, made)
            choose(api, made)
            self.decided(api, made, deleted)
            self.a.server.stop()

    def test_the_village_keeps_what_the_town_verified(self):
        """what is verified a village neither edits nor deletes; that it stays, it may say"""
        made = self.a.add_ids([consultation(item_count=1)])[0]
        self.a.sync()
        self.a.add([{"id": made, **self.DELETION}])
        self.hub.run("approve", "consultation")
        self.a.sync()
        api = self.page()
        rows = self.versions(api, made)
        keeps = next(v for v in rows if not v["deletes"])
        self.assertEqual((keeps["values"]["state"], keeps["stands"]), ("verified", True))
        self.error(api("DELETE", f"records/{made}", {"reason": "录错了"}, status=422), "not_allowed")
        self.keep(api, made)
        self.same_everywhere(made)
        self.assertEqual(self.a.get(made)["state"], "verified")

    def test_the_confirmed_deletion_ends_the_other_conflicts_of_the_record(self):
        made = self.apart(consultation(item_count=1), (self.b, {"fields": {"item_count": 20}}), (self.a, self.EDIT))
        for node in (self.a, self.b):
            self.assertEqual(node.json("status")["conflicts"], 1)
        self.b.add([{"id": made, **self.DELETION}])
        self.a.add([{"id": made, "fields": {"channel": "home"}}])
        self.b.sync(), self.a.sync()
        self.assertEqual({c["group"] for c in self.hub.rows("conflicts")}, {"deleted", "item_count"})
        api = self.page()
        self.delete(api, made)
        self.same_everywhere(made)
        self.assertTrue(api("GET", f"records/{made}", status=200).json["deleted"])

    def test_at_the_town(self):
        """the conflicts' page and the command show and do the same"""
        for make in (self.deletion_stands, self.edit_stands):
            for keep_it in (True, False):
                made = make()
                (conflict,) = self.hub.rows("conflicts")
                deletes, keeps = sorted(conflict["siblings"], key=lambda s: s["value"]["deleted_at"] is None)
                self.assertEqual((deletes["value"]["delete_reason"], keeps["changed"]["item_count"]), ("录错了", 22))
                edit = next(r for r in self.hub.rows("history", made) if r["op"] == "edit")
                self.assertEqual((keeps["at"], keeps["user"]), (edit["at"], edit["user"]))
                self.hub.run("conflicts", "resolve", conflict["id"], "--keep", str((keeps if keep_it else deletes)["n"]))
                self.same_everywhere(made)
                self.assertEqual((self.a.get(made) or {}).get("fields", {}).get("deleted_at") is None, keep_it)


class NotByEditing(TwoPcs):
    def test_a_deletion_is_no_value(self):
        """P11: a reason for deletion set like a value stood in a live record"""
        made = self.a.add_ids([consultation(item_count=1)])[0]
        self.a.sync()
        api = self.page()
        for fields in ({"delete_reason": "录错了"}, {"deleted_at": "2026-01-01T00:00:00.000Z"}, {"delete_reason": "录错了", "item_count": 3}):
            self.assertIn("删除", self.error_text(api("PATCH", f"records/{made}", {"fields": fields}, status=422)))
        self.error(api("POST", "types/consultation/records", {"id": made[:-1] + ("0" if made[-1] != "0" else "1"), "fields": {**consultation()["fields"], "delete_reason": "x"}}, status=422), "use_delete", "delete_reason")
        self.assertNotIn("delete_reason", api("GET", f"records/{made}", status=200).json["fields"])
        self.hub.server.stop()
        out = self.hub.run("add", "-", stdin='{"id":"%s","fields":{"delete_reason":"录错了"}}\n' % made, check=False)
        self.assertNotEqual(out.rc, 0)
        self.assertIn("use_delete", out.out + out.err)
        self.hub.serve()

    def error_text(self, answer):
        return answer.json["error"]["text"]


class GroupByGroup(TwoPcs):
    def test_one_choice_per_group(self):
        """P6: of two fields that both sides set, one side's first with the other's second"""
        made = self.apart(person(village_code(1), phone="13900000001"), (self.a, {"fields": {"phone": "13900000002", "residence_text": "东头"}}),
                          (self.b, {"fields": {"phone": "13900000003", "residence_text": "西头"}}))
        self.assertEqual({c["group"] for c in self.hub.rows("conflicts")}, {"phone", "residence_text"})
        api = self.page()
        rows = self.versions(api, made)
        said = {name: {v["values"][name] for v in rows if v["group"] == name} for name in ("phone", "residence_text")}
        self.assertEqual(said, {"phone": {"13900000002", "13900000003"}, "residence_text": {"东头", "西头"}})
        self.assertTrue(all(v["fields"] == [v["group"]] and list(v["values"]) == v["fields"] for v in rows), rows)
        self.assertEqual([v["group"] for v in rows if v["stands"]], ["phone", "residence_text"])
        for name, value in (("phone", "13900000002"), ("residence_text", "西头")):
            api("PATCH", f"records/{made}", {"fields": {name: value}}, status=200)
        self.same_everywhere(made)
        fields = self.b.get(made)["fields"]
        self.assertEqual((fields["phone"], fields["residence_text"]), ("13900000002", "西头"))


if __name__ == "__main__":
    unittest.main()
