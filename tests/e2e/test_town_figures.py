"""What the town reads: figures that follow no day, what waits, what records are called, and questions that are refused instead of
being half understood."""
from api import Api
from harness import consultation, uuid7, village_code
from test_town import WithTown


class Figures(WithTown):
    def test_what_follows_no_day_says_so(self):
        """P10: persons are counted as they stand now, whatever the period; a share of that and of what has a day is none of a day that is over"""
        figures = lambda **q: self.leader("GET", "counts?" + "&".join(f"{k}={v}" for k, v in {"indicators": "I09,I10,I30b,I12,I01", **q}.items()), status=200).json["indicators"]
        now, past = figures(), figures(**{"from": "2019-01-01", "to": "2019-12-31"})
        for found in (now, past):
            self.assertEqual({k for k, f in found.items() if f.get("now")}, {"I09", "I10", "I30b"})
        self.assertEqual((past["I09"]["value"], past["I10"]["value"]), (now["I09"]["value"], now["I10"]["value"]))
        self.assertIsNone(past["I30b"]["value"])

    def test_what_waits_is_what_the_list_has(self):
        """the number beside the list is the sum of what stands in it"""
        waiting = lambda who=None: (who or self.clerk)("GET", "status", status=200).json["waiting"]
        lists = lambda kind: self.clerk("GET", f"types/{kind}/records?f.state=submitted&limit=1", status=200).json["total"]
        self.assertEqual(waiting(), lists("person") + lists("visit"))
        self.node.add_ids([consultation()])
        self.node.sync()
        self.assertEqual(waiting(), lists("person") + lists("visit") + 1)
        self.assertEqual(waiting(self.leader), 0)

    def test_the_port_of_the_hub_is_told(self):
        """the page proposes it for a kit"""
        port = int(self.hub.server.ready["sync"].rsplit(":", 1)[1])
        self.assertEqual(self.role("admin")("GET", "status", status=200).json["sync_port"], port)

    def test_names_have_the_towns_day_and_words(self):
        """a name has the day and the clock of the town, and a record type's own name"""
        catalog = self.clerk("GET", "catalog", status=200).json
        reception = next(t for t in catalog["types"] if t["name"] == "reception")
        first = lambda name: catalog["lists"][next(f for f in reception["fields"] if f["name"] == name)["codes"]][0]
        of = {"at": "2025-08-31T17:30:00.000Z", "visitor_name": "张三", "head_count": 6, "matter_kind": first("matter_kind")["code"],
              "appeal": "问优待证", "reply": "已答复", "outcome": first("outcome")["code"], "handler": uuid7()}
        made = self.clerk("POST", "types/reception/records", {"station": village_code(1), "fields": of})
        self.assertEqual(made.status, 201, made)
        self.assertTrue(made.json["label"].startswith("2025-09-01 01:30 · "), made.json["label"])
        nil = {"month": "2026-10", "record": "visit", "reported_on": "2026-11-01"}
        made = self.clerk("POST", "types/nil_report/records", {"station": village_code(2), "fields": nil}, status=201).json
        self.assertEqual(made["label"], "2026-10 · 走访慰问 · 2026-11-01")

    def test_a_nil_report_of_a_month_with_records_is_warned_of(self):
        """before it is saved, and of the village that it is for"""
        self.clerk("POST", "types/consultation/records", {"station": village_code(1), "fields": consultation(on="2026-09-30")["fields"]}, status=201)
        nil = lambda v: {"station": village_code(v), "keep": False, "fields": {"month": "2026-09", "record": "consultation", "reported_on": "2026-10-01"}}
        warned = lambda v: [i["code"] for i in self.clerk("POST", "types/nil_report/records", nil(v), status=200).json.get("issues", [])]
        self.assertEqual((warned(1), warned(2)), (["has_records"], []))

    def test_what_is_half_understood_is_refused(self):
        """two things at once, a station of figures that are the town's, an account that is none of the hub's, a name that is no document's"""
        made = self.clerk("POST", "types/consultation/records", {"station": village_code(1), "fields": consultation()["fields"], "id": uuid7()}, status=201).json["id"]
        self.error(self.clerk("PATCH", f"records/{made}", {"delete_reason": "重复录入", "undelete": True}, status=422), "one_of")
        self.error(self.clerk("PATCH", f"records/{made}", {"delete_reason": "重复录入", "fields": {}}, status=422), "one_of")
        token = self.hub.json("token", "add", "镇办公室")["token"]
        self.assertEqual(Api(self.address).raw("GET", f"/api/v1/tables/{token}/counts.csv?station={village_code(1)}").status, 422)
        self.error(self.role("security")("POST", "users", {"user": "书记", "password": "a-long-Passw0rd", "role": "secretary"}, status=422), "bad_code")
        self.error(self.role("security")("POST", "users", {"user": "新人", "password": "1234567890", "role": "clerk"}, status=422), "password_simple")
        self.assertEqual(self.hub.run("summary", "--out", self.hub.dir.with_name("q.pdf"), check=False).rc, 2)
        self.assertFalse(self.hub.dir.with_name("q.pdf").exists())
