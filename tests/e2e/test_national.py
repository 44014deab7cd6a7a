"""Files for the national systems: what is ready, what lacks something and where, and the file with whole ID numbers, for clerks alone (P11);
and the yearly assessment of the stations, as its page enters it."""
import io
import json
import zipfile
from xml.etree import ElementTree

from harness import aid_case, village_code
from test_town import WithTown


def sheet(raw):
    with zipfile.ZipFile(io.BytesIO(raw)) as z:
        assert z.testzip() is None
        book, root = z.read("xl/workbook.xml").decode(), ElementTree.fromstring(z.read("xl/worksheets/sheet1.xml"))
    return book, [["".join(c.itertext()) for c in r] for r in root[0]], root


class National(WithTown):
    PERIOD = "from=2025-01-01&to=2025-12-31"

    def take(self, file, role="clerk", **body):
        api = self.role(role)
        body = {"from": "2025-01-01", "to": "2025-12-31", "reason": "每月上报", **body}
        return api.raw("POST", f"/api/v1/national/{file}", json.dumps(body, ensure_ascii=False).encode(), {"Cookie": api.cookie, "Content-Type": "application/json"})

    def test_aid(self):
        one, two = self.people
        self.node.add([{"type": "person_identity", "fields": {"person_id": one, "code": "02"}}, {"type": "person_identity", "fields": {"person_id": one, "code": "07"}}])
        self.node.sync()
        paid = {"state": "paid", "county_doc_no": "批2025-1", "amount_approved_fen": 50000, "amount_paid_fen": 50000, "paid_on": "2025-04-01", "form": "money"}
        cases = self.hub.add_ids([aid_case(one, **paid, reason="=1+1"), aid_case(two, **paid, applied_on="2025-03-01"), aid_case(one, applied_on="2025-05-01"),
                                  aid_case(one, **{**paid, "paid_on": "2024-04-01"}, applied_on="2024-03-01")])
        there = self.clerk("GET", f"national/aid?{self.PERIOD}", status=200).json
        self.assertEqual((there["ready"], there["lacking"]), (1, 1), there)
        self.assertEqual([(r["id"], r["lacks"]) for r in there["rows"]], [(cases[1], [{"what": "人员类别", "record": two}])])
        number = self.row(one)["fields"]["id_no"]
        self.assertNotIn(self.row(two)["fields"]["id_no"], json.dumps(there))
        answer = self.take("aid")
        self.assertEqual(answer.status, 200, answer)
        self.assertIn("aid-2025-01-01-2025-12-31.xlsx", answer.headers["Content-Disposition"])
        book, rows, root = sheet(answer.raw)
        self.assertIn('sheet name="困难帮扶"', book)
        row = dict(zip(rows[0], rows[1]))
        self.assertEqual(len(rows), 2)
        self.assertEqual({k: row[k] for k in ("序号", "姓名", "公民身份号码", "人员类别", "帮扶类型", "情况说明", "申请日期", "批准金额(元)", "县批文号", "户籍地", "服务站")},
                         {"序号": "1", "姓名": "张建国", "公民身份号码": number, "人员类别": "退役士兵、残疾军人", "帮扶类型": row["帮扶类型"], "情况说明": "=1+1",
                          "申请日期": "2025-02-01", "批准金额(元)": "500", "县批文号": "批2025-1", "户籍地": "示例村1", "服务站": row["服务站"]})
        self.assertRegex(row["帮扶类型"], "[一-龥]")  # in words
        for cell in root.iter("{http://schemas.openxmlformats.org/spreadsheetml/2006/main}f"):
            self.fail(f"a formula: {cell}")
        # What is missing is filled in, and the row is there.
        self.node.add([{"type": "person_identity", "fields": {"person_id": two, "code": "05"}}])
        self.node.sync()
        self.assertEqual(len(sheet(self.take("aid").raw)[1]), 3)
        log = [(r["user"], r["object"], r["reason"], r["detail"]) for r in self.role("auditor")("GET", "audit?what=export", status=200).json["rows"]]
        self.assertEqual(log, [("clerk1", "national aid", "每月上报", "2, 2025-01-01–2025-12-31"), ("clerk1", "national aid", "每月上报", "1, 2025-01-01–2025-12-31")])

    def test_confirmations_wait_for_the_town(self):
        one = self.people[0]
        self.node.add([{"type": "person_identity", "fields": {"person_id": one, "code": "02"}},
                       {"type": "annual_confirm", "fields": {"person_id": one, "year": 2025, "method": "face", "result": "ok", "confirmed_on": "2025-06-01"}}])
        self.node.sync()
        there = self.clerk("GET", f"national/confirm?{self.PERIOD}", status=200).json
        self.assertEqual((there["ready"], [lack["what"] for lack in there["rows"][0]["lacks"]]), (0, ["镇里还没核定"]))
        self.assertEqual(self.take("confirm").status, 404)
        self.hub.run("approve", "annual_confirm")
        rows = sheet(self.take("confirm").raw)[1]
        self.assertEqual(dict(zip(*rows))["年度"], "2025")
        self.assertRegex(dict(zip(*rows))["确认方式"], "[一-龥]")

    def test_who_gets_it(self):
        for role in ("leader", "admin", "security", "auditor"):
            self.error(self.role(role)("GET", f"national/aid?{self.PERIOD}", status=403), "not_allowed")
            self.assertEqual(self.take("aid", role).status, 403)
        for more, status in ((dict(reason="x"), 422), (dict(reason=None), 422), ({"from": "2025-13-01"}, 422), (dict(to="heute"), 422), ({}, 404)):
            self.assertEqual(self.take("aid", **more).status, status, more)
        self.assertEqual(self.take("nothing").status, 404)
        self.error(self.clerk("GET", "national/aid", status=422), "bad_date")
        self.error(self.clerk("GET", f"national/x?{self.PERIOD}", status=404), "not_found")
        self.assertEqual(self.role("auditor")("GET", "audit?what=export", status=200).json["rows"], [])

    def test_five_haves(self):
        """entered for each village, once a year; counted in I02n; the village sees its own"""
        five = {"year": 2025, "has_org": True, "has_establishment": True, "has_staff": True, "has_budget": True, "has_guarantee": True, "assessed_on": "2025-11-20"}
        made = [self.clerk("POST", "types/station_assessment/records", {"station": village_code(v), "fields": {**five, "has_budget": v == 1}}, status=201).json for v in (1, 2)]
        self.error(self.clerk("POST", "types/station_assessment/records", {"station": village_code(1), "fields": five}, status=422), "not_unique")
        self.assertEqual(self.hub.json("count", "I02n")["indicators"]["I02n"]["value"], 1)
        change = {"fields": {"has_budget": True, "assessed_on": "2025-11-21"}, "was": {"has_budget": False}}
        self.clerk("PATCH", f"records/{made[1]['id']}", change, status=200)
        self.error(self.clerk("PATCH", f"records/{made[1]['id']}", change, status=409), "changed_meanwhile")
        self.assertEqual(self.hub.json("count", "I02n")["indicators"]["I02n"]["value"], 2)
        self.assertEqual(self.clerk("GET", "types/station_assessment/records?f.year=2025", status=200).json["total"], 2)
        self.error(self.leader("GET", "types/station_assessment/records?f.year=2025", status=403), "not_allowed")
        self.node.sync()
        self.assertEqual([r["fields"]["year"] for r in self.node.list("station_assessment")], [2025])
