"""The hub's API as the town's page and a hostile neighbour use it, over real HTTP, with a real village behind it: accounts and roles,
figures and the rows behind them, what waits and what is done about it, what is covered, the audit log. Every answer is held against
openapi.json (api.py).

P10: figures state their coverage. P11: nobody reads or does what is not theirs.
"""
import base64
import csv
import io
import json
import pathlib
import sqlite3
import threading
import zipfile
from urllib.parse import quote
from xml.etree import ElementTree

from api import Api
from harness import Case, Town, consultation, person, uuid7, village_code, visit

ROLES = ("clerk", "leader", "admin", "security", "auditor")
FIRST, SECOND = "first-Passw0rd", "second-Passw0rd"


class WithTown(Case):
    """A town of two villages; accounts that have changed their first password, made when a test needs them."""

    def setUp(self):
        super().setUp()
        self.t = Town(self, villages=2)
        self.hub, self.node = self.t.hub, self.t.v[1]
        self.people = self.node.add_ids([person(name="张建国"), person(name="李和平")])
        self.visits = self.node.add_ids([visit([self.people[0]])])
        self.node.sync()
        self.address = self.hub.server.ready["http"]
        self.roles = {}

    def role(self, role):
        if role not in self.roles:
            self.hub.run("user", "add", f"{role}1", "-", "--role", role, stdin=FIRST + "\n")
            self.roles[role] = api = Api(self.address)
            api.login(f"{role}1", FIRST)
            api("POST", "session/password", {"old": FIRST, "password": SECOND}, status=204)
        return self.roles[role]

    @property
    def clerk(self):
        return self.role("clerk")

    @property
    def leader(self):
        return self.role("leader")

    def error(self, answer, code):
        self.assertEqual(answer.json["error"]["code"], code, answer)

    def row(self, record_id, kind="person"):
        return next(r for r in self.hub.rows("records", kind) if r["id"] == record_id)


class Page(WithTown):
    def test_first_password_is_changed_first(self):
        self.hub.run("user", "add", "新人", "-", "--role", "clerk", stdin=FIRST + "\n")
        api = Api(self.address)
        self.assertTrue(api.login("新人", FIRST).json["must_change"])
        self.error(api("GET", "types/person/records", status=403), "must_change")
        self.error(api("POST", "session/password", {"old": FIRST, "password": FIRST}, status=422), "password_same")
        self.error(api("POST", "session/password", {"old": FIRST, "password": "12345678"}, status=422), "password_simple")
        api("POST", "session/password", {"old": FIRST, "password": SECOND}, status=204)
        api("GET", "types/person/records", status=200)
        self.assertFalse(Api(self.address).login("新人", SECOND).json["must_change"])

    def test_wrong_passwords_lock_also_over_a_restart(self):
        self.clerk("GET", "session", status=200)
        api = Api(self.address)
        for _ in range(5):
            self.error(api("POST", "session", {"user": "clerk1", "password": "wrong-wrong"}, status=403), "wrong_password")
        self.error(api("POST", "session", {"user": "clerk1", "password": SECOND}, status=403), "locked_out")
        self.hub.server.stop()
        self.hub.serve()
        api = Api(self.hub.server.ready["http"])
        self.error(api("POST", "session", {"user": "clerk1", "password": SECOND}, status=403), "locked_out")
        self.error(api("POST", "session", {"user": "nobody", "password": SECOND}, status=403), "wrong_password")

    def test_each_role_on_every_route(self):
        """P11: a table of who may use what; and nobody without a session"""
        staff, figures = {"clerk", "admin"}, {"clerk", "leader", "admin"}
        may = {"post types": staff, "summaries": figures, "post summaries": staff, "patch summaries": staff, "targets": figures, "search": staff, "quality": staff, "months": staff, "bundles": staff, "audit/export": {"auditor", "security"}, "audit/note": figures, "users": {"security", "admin"}, "accounts": {"security", "admin"}, "national": {"clerk"}, "audit": {"auditor", "security"}, "counts": figures, "summary": figures, "stations": figures, "post stations": {"admin"}, "types": staff,
               "review": staff, "records": staff}
        stranger = Api(self.address)
        for path, methods in stranger.document["paths"].items():
            for method, operation in methods.items():
                if operation.get("security") == [] or "/session" in path:
                    continue
                name = path.removeprefix("/api/v1/").replace("{type}", "person").replace("{id}", uuid7()).replace("{indicator}", "I12")
                name = name.replace("{check}", "age_100").replace("{kind}", "held").replace("{name}", "x").replace("{position}", "1").replace("{code}", village_code(1)).replace("{upload}", uuid7()).replace("{file}", "aid")
                body = None if method == "get" else {}
                self.assertEqual(stranger(method.upper(), name, body).status, 401, path)
                first = name.split("/")[0]
                allowed = may.get(f"{method} {first}", may.get(name, may.get(first, set(ROLES))))
                allowed = figures if (method, path) == ("get", "/api/v1/records/{id}") else allowed
                allowed = {"leader", "admin"} if path.endswith("/sign") else allowed
                allowed = {"admin"} if path.endswith("/merger") else allowed
                for role in ROLES:
                    answer = self.role(role)(method.upper(), name, body)
                    if role in allowed:
                        self.assertNotEqual(answer.status, 403, f"{role} {method} {path}: {answer}")
                    else:
                        self.error(answer, "not_allowed")

    def test_figures_are_those_of_the_command(self):
        for question, command in ((f"counts?indicators=I12,I19v&by=village", ("I12", "I19v", "--by", "village")), ("counts", ()),
                                  (f"counts?indicators=I12&station={village_code(1)}&from=2025-01-01&to=2025-12-31",
                                   ("I12", "--station", village_code(1), "--from", "2025-01-01", "--to", "2025-12-31"))):
            mine, theirs = self.leader("GET", question, status=200).json, self.hub.json("count", *command)
            for document in (mine, theirs):
                for key in ("as_of", "coverage"):
                    document.pop(key)
            self.assertEqual(mine, theirs)
        self.error(self.leader("GET", "counts?indicators=I12,nonsense", status=422), "unknown_indicator")
        self.error(self.leader("GET", "counts?from=2025-13-01", status=422), "bad_date")

    def test_summary_has_the_figures_of_the_count(self):
        """P10: each number of the yearly text is an indicator's, what nobody reported is no 0, and the text says how complete it is"""
        summary, counts = self.leader("GET", "summary", status=200).json, self.hub.json("count")
        figures = [p for part in summary["parts"] for p in part["pieces"] if "indicator" in p]
        self.assertGreaterEqual(len(figures), 20)
        for piece in figures:
            figure = counts["indicators"][piece["indicator"]]
            self.assertEqual((piece["display"], piece["value"]), (figure["display"], figure["value"]))
        self.assertEqual({p["display"] for p in figures if p["indicator"] == "I25"}, {"(未填报)"})
        text = self.hub.run("summary").out
        self.assertIn("共走访1人次", text)
        self.assertIn("2个村站中1个已报全", text)
        page = self.work / "summary.html"
        self.hub.run("summary", "--year", "2025", "--out", page)
        html = page.read_text(encoding="utf-8")
        self.assertIn('共走访<span data-indicator="I12">1</span>人次', html)
        self.assertIn("2025年1月1日至2025年12月31日", html)
        self.assertEqual(self.leader.raw("GET", "/api/v1/summary?year=2025&format=html", None, {"Cookie": self.leader.cookie}).raw.decode(), html)
        self.error(self.leader("GET", "summary?year=3000", status=422), "bad_year")
        self.assertNotEqual(self.hub.run("summary", "--year", "20x5", check=False).rc, 0)

    def test_versions_of_the_summary_are_signed_and_never_change(self):
        """P10: a signed summary keeps its figures while the records go on; another version has those of its day"""
        made = self.clerk("POST", "summaries", {"year": 2025}, status=201).json["id"]
        doc = self.leader("GET", f"summaries/{made}", status=200).json
        self.assertEqual((doc["year"], doc["version"], doc["state"], doc["figures"]["I12"]["value"]), (2025, 1, "draft", 1))
        text = doc["text"].replace("共走访{I12}人次", "全年共走访{I12}人次,比上年扎实")
        self.clerk("PATCH", f"summaries/{made}", {"text": text}, status=200)
        for bad in (text + "= {I99}", text + "= {I12", "= " + "{" * 3):
            self.error(self.clerk("PATCH", f"summaries/{made}", {"text": bad}, status=422), "unknown_token")
        self.error(self.clerk("PATCH", f"summaries/{made}", {"text": text + "{I12}"}, status=422), "bad_text")
        self.clerk("PATCH", f"summaries/{made}", {}, status=422)
        self.clerk("PATCH", f"summaries/{made}", {"figures": True}, status=200)
        self.error(self.clerk("PATCH", f"records/{made}", {"fields": {"text": "x"}}, status=403), "not_allowed")
        self.clerk("POST", "types/report_snapshot/records", {"fields": {}}, status=403)
        self.leader("POST", f"summaries/{made}/sign", {}, status=200)
        signed = self.leader("GET", f"summaries/{made}", status=200).json
        self.assertEqual((signed["state"], signed["text"], bool(signed["signed_by"])), ("locked", text, True))
        self.node.add_ids([visit([self.people[1]])])
        self.node.sync()
        for body in ({"text": "x"}, {"figures": True}):
            self.error(self.clerk("PATCH", f"summaries/{made}", body, status=403), "signed")
        self.error(self.leader("POST", f"summaries/{made}/sign", {}, status=403), "signed")
        self.assertNotEqual(self.hub.run("add", "-", stdin=json.dumps({"id": made, "fields": {"text": "x"}}) + "\n", check=False).rc, 0)
        self.assertNotEqual(self.hub.run("add", "-", stdin=json.dumps({"id": made, "delete": True, "reason": "x"}) + "\n", check=False).rc, 0)
        self.assertEqual(self.leader("GET", f"summaries/{made}", status=200).json, signed)
        again = self.role("admin")("POST", "summaries", {"year": 2025}, status=201).json["id"]
        second = self.leader("GET", f"summaries/{again}", status=200).json
        self.assertEqual((second["version"], second["figures"]["I12"]["value"]), (2, 2))
        self.assertIn("比上年扎实", second["text"])
        self.error(self.role("admin")("POST", f"summaries/{again}/sign", {}, status=403), "second_person")
        self.assertEqual([r["version"] for r in self.leader("GET", "summaries", status=200).json["rows"]], [2, 1])
        page = self.leader.raw("GET", f"/api/v1/summaries/{made}?format=html", None, {"Cookie": self.leader.cookie}).raw.decode()
        self.assertIn('全年共走访<span data-indicator="I12">1</span>人次', page)
        self.error(self.clerk("POST", "summaries", {"year": 3000}, status=422), "bad_year")
        self.hub.verify()

    def test_staff_enter_on_behalf_and_another_verifies(self):
        """P11: what staff enter is judged, journaled and logged; an opening balance counts once a second person has verified it"""
        of = {"station": village_code(2), "fields": consultation()["fields"], "id": uuid7()}
        for _ in range(2):
            entered = self.clerk("POST", "types/consultation/records", of, status=201).json
        self.assertEqual((entered["id"], entered["village_code"]), (of["id"], village_code(2)))
        self.assertEqual(self.clerk("GET", "types/consultation/records", status=200).json["total"], 1)
        wrong = self.clerk("POST", "types/visit/records", {"station": village_code(1), "fields": {"visit_on": "2099-01-01"}}, status=422).json
        self.assertTrue(wrong["issues"])
        self.error(self.clerk("POST", "types/consultation/records", {"station": "999999109999", "fields": {}}, status=422), "no_station")
        seen = {"gift_fen": self.row(self.visits[0], "visit")["fields"].get("gift_fen")}
        self.clerk("PATCH", f"records/{self.visits[0]}", {"fields": {"gift_fen": 900}, "was": seen}, status=200)
        self.error(self.clerk("PATCH", f"records/{self.visits[0]}", {"fields": {"gift_fen": 901}, "was": seen}, status=409), "changed_meanwhile")
        self.clerk("PATCH", f"records/{of['id']}", {"delete_reason": "重复录入"}, status=200)
        self.clerk("PATCH", f"records/{of['id']}", {"undelete": True}, status=200)
        opening = {"indicator": "I19", "area_code": "999999101000", "as_of": "2024-12-31", "value": 1500, "is_approx": True, "evidence": uuid7(), "approved_by": uuid7()}
        self.error(self.clerk("POST", "types/opening_balance/records", {"fields": {**opening, "state": "verified"}}, status=403), "second_person")
        made = self.clerk("POST", "types/opening_balance/records", {"fields": opening}, status=201).json["id"]
        self.error(self.clerk("PATCH", f"records/{made}", {"fields": {"state": "verified"}}, status=403), "second_person")
        left = self.clerk("POST", "review/approve", {"type": "opening_balance", "ids": [made]}, status=200).json
        self.assertEqual((left["approved"], left["left"][0]["code"]), (0, "second_person"))
        self.role("admin")("PATCH", f"records/{made}", {"fields": {"state": "verified"}}, status=200)
        self.clerk("POST", "types/target/records", {"fields": {"indicator": "I12", "area_code": "999999101000", "year": 2025, "value": 500}}, status=201)
        self.assertEqual(self.leader("GET", "targets?year=2025", status=200).json["targets"], {"I12": 500})
        self.assertEqual([h["label"] for h in self.clerk("GET", f"search?q={quote('建国')}", status=200).json["hits"]], ["张建国"])
        self.clerk("GET", "search", status=422)
        log = {(r["what"], r["object"]) for r in self.role("auditor")("GET", "audit", status=200).json["rows"]}
        self.assertLessEqual({("create", of["id"]), ("edit", made), ("delete", of["id"])}, log)
        self.node.sync()
        self.hub.verify()

    def test_an_address_for_spreadsheets(self):
        """P10, P11: figures without a login for whoever has the address, and nothing else; each line says how complete it is"""
        token = self.hub.json("token", "add", "镇办公室")["token"]
        get = lambda path: Api(self.address).raw("GET", "/api/v1/tables/" + path)
        answer = get(f"{token}/counts.csv?by=village&indicator=I12")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/csv; charset=utf-8"))
        lines = answer.raw.decode("utf-8-sig").split("\r\n")
        self.assertEqual(lines[0].split(",")[:4], ["指标", "名称", "分组", "数值"])
        self.assertEqual(lines[1].split(",")[:6], ["I12", "走访人次", "", "1", "人次", "1"])
        self.assertEqual(lines[2].split(",")[2:4], ["示例村1", "1"])
        self.assertEqual(lines[1].split(",")[8:10], ["1", "2"])
        self.assertIn("I31,", get(f"{token}/counts.csv").raw.decode())
        book = get(f"{token}/counts.xlsx?by=village&indicator=I12")
        self.assertIn("spreadsheetml.sheet", book.headers["Content-Type"])
        with zipfile.ZipFile(io.BytesIO(book.raw)) as z:
            self.assertIsNone(z.testzip())
            root = ElementTree.fromstring(z.read("xl/worksheets/sheet1.xml"))
        sheet = [["".join(c.itertext()) for c in r] for r in root[0]]
        self.assertEqual(sheet, [line.split(",") for line in lines if line])
        for path in ("x/counts.csv", f"{token[:-1]}/counts.csv", f"{token}x/counts.csv"):
            self.assertEqual(get(path).status, 404)
        self.assertEqual(get(f"{token}/counts.csv?indicator=nonsense").status, 422)
        self.assertEqual(get(f"{token}/counts.csv?by=sideways").status, 422)
        self.assertNotIn(token.encode(), (self.hub.dir / "hub.db").read_bytes())
        self.hub.run("token", "revoke", "镇办公室")
        self.assertEqual(get(f"{token}/counts.csv").status, 404)
        self.assertEqual(self.hub.rows("token", "list"), [])
        self.clerk("POST", "audit/note", {"what": "export", "object": "服务对象", "detail": "2"}, status=204)
        self.clerk("POST", "audit/note", {"what": "sing", "object": "x"}, status=422)
        self.assertEqual({r["what"] for r in self.role("auditor")("GET", "audit", status=200).json["rows"]} & {"table", "export"}, {"table", "export"})

    def test_views_for_other_programs(self):
        """P11: any SQLite tool reads the master database by views that say what they hold; no ID number is in one"""
        number = self.row(self.people[0])["fields"]["id_no"]
        db = sqlite3.connect(f"file:{self.hub.dir / 'hub.db'}?mode=ro", uri=True)
        self.addCleanup(db.close)
        self.assertEqual(db.execute("SELECT name, village_name, state_zh FROM v_person ORDER BY name").fetchall()[0], ("张建国", "示例村1", "待镇核"))
        self.assertEqual(db.execute("SELECT occasion_zh, gift_yuan FROM v_visit").fetchone()[0], "春节")
        self.assertEqual(db.execute("SELECT count(*), sum(pcs) FROM v_station_board").fetchone(), (3, 2))
        views = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
        told = {row[0]: row[1:] for row in db.execute("SELECT * FROM v_about")}
        self.assertEqual(views - {"v_about", "v_columns"}, set(told))
        self.assertTrue(all(zh and en for zh, en in told.values()))
        columns = set(db.execute("SELECT view, \"column\" FROM v_columns WHERE zh <> '' AND en <> ''"))
        for view in told:
            found = db.execute(f'SELECT * FROM "{view}"')
            self.assertLessEqual({(view, c[0]) for c in found.description} - {(view, "id"), (view, "station")}, columns)
            self.assertNotIn(number, str(found.fetchall()))
        self.assertIn("/* 姓名 / Name */", db.execute("SELECT sql FROM sqlite_master WHERE name = 'v_person'").fetchone()[0])
        with self.assertRaises(sqlite3.OperationalError):
            db.execute("DELETE FROM v_person")

    def test_rows_behind_a_figure(self):
        """P10: a figure and its rows are one question; a leader sees them covered"""
        for api, shown in ((self.leader, "张＊＊"), (self.clerk, "张建国")):
            rows = api("GET", f"counts/I12/rows?by=village&key={village_code(1)}", status=200).json
            self.assertEqual((rows["total"], rows["type"], [r["id"] for r in rows["records"]]), (1, "visit", self.visits))
            one = api("GET", f"records/{rows['records'][0]['fields']['persons'][0]}", status=200).json
            self.assertEqual(one["label"], shown)
            self.assertNotIn(self.row(self.people[0])["fields"]["id_no"], str(one))
        self.assertEqual(self.leader("GET", f"counts/I12/rows?by=village&key={village_code(2)}", status=200).json["total"], 0)
        self.assertEqual(self.leader("GET", "counts/I12/rows?from=2026-01-01", status=200).json["total"], 0)
        self.error(self.leader("GET", "counts/I12/rows?key=x", status=422), "required")

    def test_what_is_covered_is_shown_for_a_reason_that_is_logged(self):
        """P11: ID numbers leave the hub only by reveal, and the log has it"""
        number = self.row(self.people[0])["fields"]["id_no"]
        listed = self.clerk("GET", f"types/person/records?station={village_code(1)}&q={quote('张建国')}", status=200)
        self.assertEqual(listed.json["total"], 1)
        self.assertNotIn(number, listed.raw.decode())
        self.assertNotIn(number, self.clerk("GET", f"records/{self.people[0]}/history", status=200).raw.decode())
        self.assertEqual(self.clerk("GET", f"types/person/records?q={number[:17]}", status=200).json["total"], 0)
        self.error(self.clerk("GET", f"types/person/records?f.id_no={number}", status=403), "not_allowed")
        self.error(self.clerk("POST", f"records/{self.people[0]}/reveal", {"reason": " "}, status=422), "bad_text")
        full = self.clerk("POST", f"records/{self.people[0]}/reveal", {"reason": "核对身份证"}, status=200).json
        self.assertEqual(full["fields"]["id_no"], number)
        log = self.role("auditor")("GET", "audit?what=reveal&verify=1", status=200).json
        self.assertEqual([(r["user"], r["object"], r["reason"]) for r in log["rows"]], [("clerk1", self.people[0], "核对身份证")])
        self.assertIsNone(log["first_bad"])
        db = sqlite3.connect(self.hub.dir / "audit.db")
        with db:
            db.execute("UPDATE audit SET reason = '' WHERE what = 'reveal'")
        db.close()
        self.assertEqual(self.role("auditor")("GET", "audit?verify=1", status=200).json["first_bad"], log["rows"][0]["n"])

    def test_a_locked_period_takes_its_records_along(self):
        """P11: what is verified and dated in a locked period is locked with it, and nobody changes it; opened, it is as before"""
        late = self.node.add_ids([visit([self.people[1]], visit_on="2025-06-01", occasion_year=2025)])
        self.node.sync()
        self.clerk("POST", "review/approve", {"type": "visit", "ids": self.visits + late}, status=200)
        lock = self.clerk("POST", "types/period_lock/records", {"fields": {"from_on": "2025-01-01", "to_on": "2025-03-31", "locked_on": "2025-07-01"}}, status=201).json["id"]
        self.assertEqual(self.row(self.visits[0], "visit")["state"], "verified")
        self.clerk("PATCH", f"records/{lock}", {"fields": {"state": "verified"}}, status=200)
        self.assertEqual([self.row(v, "visit")["state"] for v in self.visits + late], ["locked", "verified"])
        self.error(self.clerk("PATCH", f"records/{self.visits[0]}", {"fields": {"gift_fen": 1}}, status=403), "locked")
        self.error(self.clerk("PATCH", f"records/{self.visits[0]}", {"delete_reason": "试试"}, status=403), "locked")
        self.node.sync()
        self.assertNotEqual(self.node.run("add", "-", stdin=json.dumps({"id": self.visits[0], "fields": {"gift_fen": 1}}) + "\n", check=False).rc, 0)
        self.assertEqual(self.leader("GET", "counts?indicators=I12", status=200).json["indicators"]["I12"]["value"], 2)
        self.clerk("POST", f"records/{lock}/return", {"note": "还要补录"}, status=200)
        self.assertEqual(self.row(self.visits[0], "visit")["state"], "verified")
        self.hub.verify()

    def test_quality_opens_its_rows(self):
        """P10: what is missing, dangling or doubtful is counted, and each count opens its records"""
        old = self.node.add_ids([person(name="王同名"), person(name="老人", id_no=..., id_status="missing", id_status_reason="无证", birth_on="1920-05-01", sex="1")])
        self.node.sync()
        gone = self.clerk("POST", "types/visit/records", {"station": village_code(1), "fields": visit([old[1]])["fields"]}, status=201).json["id"]
        checks = {(c["check"], c["type"], c["field"]): c["n"] for c in self.clerk("GET", "quality", status=200).json["checks"]}
        self.assertEqual(checks.get(("age_100", "person", "")), 1, checks)
        self.assertNotIn(("dangling", "visit", "persons"), checks)
        self.clerk("PATCH", f"records/{old[1]}", {"delete_reason": "录错"}, status=200)
        checks = {(c["check"], c["type"], c["field"]): c["n"] for c in self.clerk("GET", "quality", status=200).json["checks"]}
        self.assertEqual(checks.get(("dangling", "visit", "persons")), 1, checks)
        self.assertNotIn(("age_100", "person", ""), checks)
        for (check, kind, field), n in checks.items():
            rows = self.clerk("GET", f"quality/{check}/rows?type={kind}&field={field}", status=200).json
            self.assertEqual((rows["total"], len(rows["records"])), (n, min(n, 100)))
        self.assertEqual(self.clerk("GET", "quality/dangling/rows?type=visit&field=persons", status=200).json["records"][0]["id"], gone)
        for path in ("quality/x/rows?type=person", "quality/missing/rows?type=person&field=x%22", "quality/missing/rows?type=x", "quality/age_100/rows"):
            self.error(self.clerk("GET", path, status=404), "unknown_check")

    def test_the_audit_log_is_taken_away_whole(self):
        """P11: every entry, however many pages; a cell is never a formula; and that it was taken is in the log"""
        self.clerk("POST", "audit/note", {"what": "export", "object": '=HYPERLINK("http://evil")', "detail": "+1+1"}, status=204)
        auditor = self.role("auditor")
        answer = auditor.raw("GET", "/api/v1/audit/export", None, {"Cookie": auditor.cookie})
        rows = list(csv.DictReader(io.StringIO(answer.raw.decode("utf-8-sig"))))
        log = auditor("GET", "audit?limit=500&verify=1", status=200).json
        self.assertEqual([int(r["n"]) for r in rows], [r["n"] for r in log["rows"]])
        self.assertEqual(len(rows), log["entries"])
        self.assertEqual((rows[0]["what"], rows[0]["object"]), ("export", "audit"))
        for row in rows:
            for cell in row.values():
                self.assertFalse(cell[:1] in "=+-@" and cell[:1] and not cell.lstrip("+-.").isdigit(), cell)

    def test_approve_and_send_back(self):
        done = self.clerk("POST", "review/approve", {"type": "person", "ids": self.people + [uuid7()]}, status=200).json
        self.assertEqual((done["approved"], len(done["left"])), (0, 3))  # without service and identity nobody becomes active
        self.assertTrue(all(r["text"] for r in done["left"]))
        done = self.clerk("POST", "review/approve", {"type": "visit", "ids": self.visits}, status=200).json
        self.assertEqual((done["approved"], done["left"]), (1, []))
        self.clerk("POST", f"records/{self.people[1]}/return", {"note": "请补电话"}, status=200)
        self.node.sync()
        self.assertEqual(self.node.get(self.visits[0])["state"], "verified")
        back = self.node.get(self.people[1])
        self.assertEqual((back["state"], back["fields"]["return_note"]), ("returned", "请补电话"))
        for ids in ([], ["x"], [1], [uuid7()] * 501):
            self.clerk("POST", "review/approve", {"type": "visit", "ids": ids}, status=422)
        self.error(self.clerk("POST", "review/approve", {"type": "nonsense", "ids": [uuid7()]}, status=422), "not_approvable")
        self.assertNotEqual(self.clerk("POST", f"records/{uuid7()}/return", {"note": "x"}).status, 200)
        self.assertEqual(self.hub.rows("history", self.people[1])[-1]["user"], "clerk1")
        self.hub.verify()

    def test_conflict_and_duplicate(self):
        """P6: both values are shown, a person chooses; one person's two files become one and two again"""
        twin = self.t.v[2].add_ids([person(village_code(2), name="张建国", id_no=self.row(self.people[0])["fields"]["id_no"])])[0]
        self.t.v[2].sync()
        pairs = self.clerk("GET", "review/duplicates", status=200).json["rows"]
        self.assertEqual({r["id"] for r in pairs[0]["records"]}, {self.people[0], twin})
        self.clerk("POST", "review/duplicates/merge", {"id": twin, "into": self.people[0]}, status=200)
        self.assertEqual(self.row(twin)["state"], "merged")
        self.clerk("POST", "review/duplicates/unmerge", {"id": twin}, status=200)
        self.assertNotEqual(self.row(twin)["state"], "merged")
        self.hub.server.stop()
        self.node.add([{"id": self.visits[0], "fields": {"gift_fen": 60000}}])
        self.hub.run("add", "-", stdin='{"id":"%s","fields":{"gift_fen":70000}}\n' % self.visits[0])
        self.hub.serve()
        self.node.sync()
        clerk = Api(self.hub.server.ready["http"])
        clerk.login("clerk1", SECOND)
        conflict = clerk("GET", "review/conflicts", status=200).json["rows"][0]
        keep = next(s["n"] for s in conflict["siblings"] if s["value"]["gift_fen"] == 60000)
        clerk("POST", f"review/conflicts/{conflict['id']}/resolve", {"keep": keep}, status=200)
        self.assertEqual(clerk("GET", "review/conflicts", status=200).json["rows"], [])
        self.assertEqual(self.row(self.visits[0], "visit")["fields"]["gift_fen"], 60000)
        self.hub.verify()

    def test_stations_and_restore_while_it_runs(self):
        """P7: the page's own reader is that of the database that is in place"""
        stations = {s["code"]: s for s in self.leader("GET", "stations", status=200).json["stations"]}
        self.assertEqual(len(stations[village_code(1)]["replicas"]), 1)
        backup = self.work / "backup"
        clerk = self.clerk  # who has an account in that backup; others are out with the restore
        self.hub.run("backup", backup)
        late = self.role("auditor")
        self.node.add_ids([consultation()])
        self.node.sync()
        self.assertEqual(clerk("GET", "types/consultation/records", status=200).json["total"], 1)
        self.hub.run("restore", backup)
        late("GET", "audit", status=401)
        self.assertEqual(clerk("GET", "types/consultation/records", status=200).json["total"], 0)
        self.node.sync()
        self.assertEqual(clerk("GET", "types/consultation/records", status=200).json["total"], 1)

    def test_stations_are_added_enrolled_and_revoked(self):
        """P11: a kit from the page enrols a PC once; a revoked one is out at once; no argument becomes an option"""
        admin = self.role("admin")
        admin("POST", "stations", {"code": village_code(9), "name": "新村", "office": "办事处1"}, status=201)
        for body in ({"code": "12", "name": "x"}, {"code": village_code(9), "name": "--help"}, {"code": village_code(9)}, {"code": 5, "name": "x"}):
            admin("POST", "stations", body, status=422)
        cookie = {"Cookie": admin.cookie, "Content-Type": "application/json"}
        kit = admin.raw("POST", f"/api/v1/stations/{village_code(9)}/kit", json.dumps({"endpoint": self.hub.endpoint}).encode(), cookie)
        self.assertEqual(kit.status, 200, kit)
        self.assertIn(f"{village_code(9)}.kit", kit.headers["Content-Disposition"])
        path = self.work / "page.kit"
        path.write_bytes(kit.raw)
        node = self.t.new_node(9, "nine")
        node.enrol(path)
        node.add_ids([consultation()])
        node.sync()
        self.cli_refused(self.t.new_node(9, "again").enrol(path, check=False), "kit_used")
        for endpoint in ("http://x", "--data=/etc", ""):
            admin("POST", f"stations/{village_code(9)}/kit", {"endpoint": endpoint}, status=422)
        admin("POST", f"stations/{village_code(8)}/kit", {"endpoint": self.hub.endpoint}, status=422)
        number = node.status()["replica"]
        admin("POST", f"stations/{village_code(9)}/revoke", {"replica": number}, status=200)
        self.assertNotEqual(node.run("sync", "--timeout", "5", check=False).rc, 0)
        admin("POST", f"stations/{village_code(9)}/revoke", {"replica": "x"}, status=422)
        log = self.role("auditor")("GET", "audit", status=200).json["rows"]
        self.assertEqual({r["what"] for r in log} & {"station_add", "kit", "revoke"}, {"station_add", "kit", "revoke"})

    def test_accounts(self):
        admin = self.role("admin")
        admin("POST", "users", {"user": "书记", "role": "leader", "password": FIRST}, status=201)
        self.error(admin("POST", "users", {"user": "书记", "role": "leader", "password": FIRST}, status=409), "user_exists")
        self.error(admin("POST", "users", {"user": "甲", "role": "king", "password": FIRST}, status=422), "bad_code")
        self.error(admin("PATCH", "users/admin1", {"disabled": True}, status=403), "own_account")
        self.error(admin("PATCH", "users/nobody", {"disabled": True}, status=404), "no_user")
        leader = self.leader
        admin("PATCH", "users/leader1", {"disabled": True}, status=204)
        self.error(leader("GET", "counts", status=401), "no_session")  # at once
        self.error(Api(self.address)("POST", "session", {"user": "leader1", "password": SECOND}, status=403), "wrong_password")
        admin("PATCH", "users/leader1", {"disabled": False, "password": FIRST}, status=204)
        self.assertTrue(Api(self.address).login("leader1", FIRST).json["must_change"])
        self.assertIn(("书记", "leader"), [(u["name"], u["role"]) for u in admin("GET", "users", status=200).json["users"]])

    def test_other_sites_and_odd_requests(self):
        cookie = {"Cookie": self.clerk.cookie, "Content-Type": "application/json"}
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Content-Type": "text/plain"}):
            answer = self.clerk.raw("POST", "/api/v1/review/approve", b'{"type":"visit","ids":[]}', {**cookie, **headers})
            self.assertIn(answer.status, (400, 403, 415, 421), answer)
        for body in (b"[]", b"\xff", b'{"a":1,"a":2}', b"{" * 2000, b'{"type":5,"ids":{}}', b'{"type":"visit","ids":["\\u0000"]}'):
            answer = self.clerk.raw("POST", "/api/v1/review/approve", body, cookie)
            self.assertIn(answer.status, (400, 422), answer)
        for path in ("types/%00/records", "types/person/records?limit=0", "types/person/records?offset=-1", "counts/..%2f/rows", "review/x", "records/x"):
            self.assertIn(self.clerk.raw("GET", "/api/v1/" + path, None, cookie).status, (400, 404, 422), path)

    def test_months_and_their_rows(self):
        doc = self.clerk("GET", "months?type=visit&year=2025", status=200).json
        self.assertEqual(len(doc["months"]), 12)
        cell = next(v for v in doc["villages"] if v["code"] == village_code(1))["months"]
        month = self.row(self.visits[0], "visit")["fields"]["visit_on"][:7]
        self.assertEqual([(doc["months"][i], c["rows"]) for i, c in enumerate(cell) if c["rows"]], [(month, 1)])
        there = self.clerk("GET", f"types/visit/records?month={month}&station={village_code(1)}", status=200).json
        self.assertEqual([r["id"] for r in there["records"]], self.visits)
        self.assertEqual(self.clerk("GET", "types/visit/records?month=1999-01", status=200).json["total"], 0)
        self.assertEqual(doc["due_days"], 5)
        self.clerk("POST", "types/setting/records", {"fields": {"key": "report_days", "value": "9"}}, status=201)
        self.assertEqual(self.clerk("GET", "months?type=visit&year=2025", status=200).json["due_days"], 9)
        self.error(self.clerk("POST", "types/setting/records", {"fields": {"key": "reportdays", "value": "9"}}, status=422), "unknown_setting")
        self.error(self.clerk("GET", "types/visit/records?month=x", status=422), "bad_date")
        self.error(self.clerk("GET", "months?type=notice&year=2025", status=422), "no_months")
        self.error(self.clerk("GET", "months?year=2025", status=422), "required")

    def test_bundles_through_the_page(self):
        """P3: what a stick brings is taken once, the answer is carried back; what is no bundle is refused in words"""
        node, path = self.t.v[1], self.work / "a.lmb"
        ids = node.add_ids([consultation(), consultation()])
        data = pathlib.Path(node.json("bundle", "export", path)["files"][0]).read_bytes()

        def bring(data, api=self.clerk, size=300):
            upload = uuid7()
            for offset in range(0, len(data), size):
                api("POST", "bundles/parts", {"upload": upload, "offset": offset, "data": base64.b64encode(data[offset:offset + size]).decode()}, status=204)
            return upload, api("POST", "bundles", {"upload": upload})

        upload, done = bring(data)
        self.assertEqual((done.status, done.json["new"], done.json["complete"], done.json["station"]), (200, 2, True, village_code(1)))
        again = self.clerk("POST", "bundles", {"upload": upload}, status=200).json
        self.assertEqual((again["new"], again["known"]), (0, done.json["new"] + done.json["known"]))
        reply = self.clerk.raw("GET", f"/api/v1/bundles/{upload}/reply", None, {"Cookie": self.clerk.cookie})
        self.assertIn(done.json["reply"], reply.headers["Content-Disposition"])
        (self.work / "reply.lmb").write_bytes(reply.raw)
        self.assertEqual(node.json("bundle", "import", self.work / "reply.lmb")["pending"], 0)
        self.assertEqual(self.row(ids[0], "consultation")["village_code"], village_code(1))
        other = self.role("admin")
        self.assertEqual(other("GET", f"bundles/{upload}/reply").status, 404)  # another's
        self.assertEqual(other("POST", "bundles", {"upload": upload}).status, 404)
        self.error(self.clerk("POST", "bundles/parts", {"upload": upload, "offset": 7, "data": ""}), "bad_offset")
        self.assertEqual(self.clerk("POST", "bundles", {"upload": upload}).status, 404)  # a file with a hole is none
        self.error(self.clerk("POST", "bundles/parts", {"upload": uuid7(), "offset": 0, "data": "!"}), "bad_data")
        for bad in (b"PK\x03\x04 a table", data[:-1], data[:100] + bytes([data[100] ^ 1]) + data[101:]):
            answer = bring(bad)[1]
            self.assertIn(answer.status, (400, 403, 422), answer)
            self.assertTrue(answer.json["error"]["text"])
        for _ in range(20):  # the oldest goes
            bring(b"x")
        self.hub.verify()


HOSTILE = ('<img src=x onerror="window.hit=1">', "'; DROP TABLE r_person; --", '=HYPERLINK("http://evil","x")', "{I12}", "%s%n", "\u202e反", "' OR '1'='1")


class Guests(WithTown):
    def test_leaders_get_no_number_from_any_route(self):
        """P11: whatever a leader or an auditor asks, no ID number, phone or name comes out, in answers or in errors"""
        secrets = []
        for record in self.people:
            fields = self.row(record)["fields"]
            secrets += [fields["id_no"], fields["name"]]
        self.clerk("POST", f"records/{self.people[0]}/reveal", {"reason": "核对"}, status=200)
        for role in ("leader", "auditor", "security"):
            api = self.role(role)
            for path, methods in api.document["paths"].items():
                for method in methods:
                    if method != "get":
                        continue
                    name = path.removeprefix("/api/v1/").replace("{type}", "person").replace("{id}", self.people[0]).replace("{indicator}", "I12")
                    name = name.replace("{kind}", "duplicates").replace("{check}", "missing").replace("{token}", "x").replace("{name}", "x")
                    for more in ("", f"?q={quote(secrets[1])}", f"?f.id_no={secrets[0]}", "?indicators=I09&by=village", f"?by=village&key={village_code(1)}"):
                        text = api.raw("GET", "/api/v1/" + name + more, None, {"Cookie": api.cookie}).raw.decode()
                        for secret in secrets:
                            self.assertNotIn(secret, text, f"{role} {name}{more}")

    def test_hostile_texts_in_every_text_field(self):
        """what somebody types stays text: in the database, in the views, in queries and in what is taken away"""
        types = {t["name"]: t for t in self.clerk("GET", "catalog", status=200).json["types"]}
        fields = [f["name"] for f in types["notice"]["fields"] if f["type"] == "text" and f["entered"] and not f.get("common")]
        self.assertEqual(set(fields), {"title", "body"})
        for text in HOSTILE:
            made = self.clerk("POST", "types/notice/records", {"fields": {"title": text[:80], "body": text, "published_on": "2025-01-01", "need_receipt": False}})
            if made.status == 201:
                self.assertEqual(self.clerk("GET", f"records/{made.json['id']}", status=200).json["fields"]["body"], text)
                self.assertEqual(self.clerk("GET", f"types/notice/records?q={quote(text)}", status=200).json["total"], 1)
                self.assertEqual(self.clerk("GET", f"types/notice/records?f.title={quote(text[:80])}", status=200).json["total"], 1)
            else:
                self.assertEqual(made.status, 422)
            for path in ("types/person/records?station=", "types/person/records?f.state=", "counts?station=", "counts?by=", "quality/missing/rows?type=person&field=",
                         "search?q=", "targets?year=", "audit?what=", "review/returned?station="):
                answer = (self.role("auditor") if path.startswith("audit") else self.clerk)("GET", path + quote(text))
                self.assertIn(answer.status, (200, 404, 422), f"{path}{text}: {answer}")
        self.assertEqual(self.hub.rows("records", "person")[0]["type"], "person")
        self.hub.verify()

    def test_twenty_at_once_while_nodes_drain(self):
        """P4, P10: twenty people read and enter while villages push; every answer is right, every change arrives"""
        apis = [Api(self.address) for _ in range(20)]
        self.role("clerk"), self.role("leader")
        for i, api in enumerate(apis):
            api.login("clerk1" if i % 2 else "leader1", SECOND)
        for node in (self.t.v[1], self.t.v[2]):
            node.add_ids([consultation() for _ in range(300)])
        failures = []

        def act(i, api):
            try:
                for k in range(6):
                    api("GET", "counts?indicators=I19v&by=village", status=200)
                    if i % 2:
                        api("POST", "types/consultation/records", {"station": village_code(1), "fields": consultation()["fields"]}, status=201)
                    api("GET", "stations", status=200)
            except Exception as e:  # noqa: BLE001: told below
                failures.append(f"{i}: {e}")

        def drain(node):
            try:
                node.sync()
            except Exception as e:  # noqa: BLE001
                failures.append(str(e))

        threads = [threading.Thread(target=act, args=pair) for pair in enumerate(apis)]
        threads += [threading.Thread(target=drain, args=(self.t.v[n],)) for n in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.clerk("GET", "types/consultation/records?limit=1", status=200).json["total"], 600 + 60)
        self.hub.verify()
