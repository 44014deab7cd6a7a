"""The hub's API as the town's page and a hostile neighbour use it, over real HTTP, with a real village behind it: accounts and roles,
figures and the rows behind them, what waits and what is done about it, what is covered, the audit log. Every answer is held against
openapi.json (api.py).

P10: figures state their coverage. P11: nobody reads or does what is not theirs.
"""
import base64
import csv
import datetime
import getpass
import hashlib
import io
import json
import pathlib
import shutil
import sqlite3
import threading
import time
import zipfile
from urllib.parse import quote
from xml.etree import ElementTree

from api import Api
from harness import Case, Town, consultation, person, run, uuid7, village_code, visit, wait_for

ROLES = ("clerk", "leader", "admin", "security", "auditor")
FIRST, SECOND = "first-Passw0rd", "second-Passw0rd"


W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def word_text(element):
    """What stands in a part of a Word document, a line a paragraph."""
    return "\n".join("".join(t.text or "" for t in p.iter(W + "t")) for p in element.iter(W + "p"))


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

    def role(self, role, name=None, *more):
        name = name or f"{role}1"
        if name not in self.roles:
            self.hub.run("user", "add", name, "-", "--role", role, *more, stdin=FIRST + "\n")
            self.roles[name] = api = Api(self.address)
            api.login(name, FIRST)
            api("POST", "session/password", {"old": FIRST, "password": SECOND}, status=204)
        return self.roles[name]

    @property
    def clerk(self):
        return self.role("clerk")

    @property
    def other(self):
        """another clerk: the second person"""
        return self.role("clerk", "clerk2")

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
        """who guesses is locked out, whether the account exists or not, and nobody else with him"""
        self.clerk("GET", "session", status=200)
        elsewhere = Api(self.address, "127.0.0.2")
        elsewhere.login("clerk1", SECOND)
        locked = []
        for name, source in (("clerk1", "127.0.0.1"), ("nobody", "127.0.0.3")):  # each address has a budget of tries
            api = Api(self.address, source)
            for _ in range(5):
                self.error(api("POST", "session", {"user": name, "password": "wrong-wrong"}, status=403), "wrong_password")
            locked.append(api("POST", "session", {"user": name, "password": SECOND}, status=403))
        self.error(locked[0], "locked_out")
        self.assertEqual(locked[0].json, locked[1].json)
        # Not at another address, and not who is logged in at this one.
        Api(self.address, "127.0.0.2").login("clerk1", SECOND)
        for inside in (self.clerk, elsewhere):
            inside("POST", "session/lock", {}, status=200)
            inside("POST", "session/unlock", {"password": SECOND}, status=200)
        self.clerk("POST", "session/lock", {}, status=200)
        for _ in range(5):
            self.error(self.clerk("POST", "session/unlock", {"password": "wrong-wrong"}, status=403), "wrong_password")
        self.error(self.clerk("POST", "session/unlock", {"password": SECOND}, status=403), "locked_out")
        self.hub.server.stop()
        self.hub.serve()
        for name, source in (("clerk1", "127.0.0.1"), ("nobody", "127.0.0.3")):
            self.error(Api(self.hub.server.ready["http"], source)("POST", "session", {"user": name, "password": SECOND}, status=403), "locked_out")

    def test_a_flood_of_logins_keeps_nobody_waiting(self):
        """a neighbour without an account tries passwords over 64 connections: most are refused unjudged, and who is logged in goes on"""
        inside = Api(self.address, "127.0.0.2")
        self.leader("GET", "session", status=200)
        inside.login("leader1", SECOND)
        stop, statuses, failures = threading.Event(), [], []

        def flood(n):
            api = Api(self.address)
            while not stop.is_set():
                answer = api("POST", "session", {"user": f"stranger{n}", "password": "wrong-wrong"})
                statuses.append(answer.status)
                if answer.status == 429 and int(answer.headers["Retry-After"]) < 1:
                    failures.append(answer)
                time.sleep(0.2)  # 64 threads of this language would starve the test itself

        threads = [threading.Thread(target=flood, args=(n,)) for n in range(64)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                self.leader("GET", "counts", status=200)
            inside("POST", "session/lock", {}, status=200)
            inside("POST", "session/unlock", {"password": SECOND}, status=200)
            inside.login("leader1", SECOND)
            while 429 not in statuses:
                time.sleep(0.1)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual((set(statuses), failures), ({403, 429}, []))
        self.hub.server.stop()
        db = sqlite3.connect(self.hub.dir / "audit.db")
        self.addCleanup(db.close)
        told = [int(n) for (n,) in db.execute("SELECT detail FROM audit WHERE what = 'login_refused'")]
        self.assertEqual(sum(told), statuses.count(429))
        self.assertLess(len(told), 5)
        self.assertEqual(db.execute("SELECT count(*) FROM audit WHERE what = 'login_failed'").fetchone()[0], statuses.count(403))

    def test_each_role_on_every_route(self):
        """P11: a table of who may use what; and nobody without a session"""
        staff, figures, board = {"clerk"}, {"clerk", "leader"}, {"clerk", "leader", "admin"}
        may = {"backups": {"admin"}, "filters": staff, "post types": staff, "summaries": figures, "post summaries": staff, "patch summaries": staff, "targets": figures, "search": staff, "staff": staff, "lines": staff, "put settings": {"clerk", "admin"}, "quality": staff, "months": staff, "bundles": {"clerk", "admin"}, "audit/export": {"auditor"}, "audit/note": board, "users": {"security"}, "accounts": {"security"}, "national": staff, "audit": {"auditor"}, "counts": figures, "summary": figures, "stations": board, "post stations": {"admin"}, "types": staff,
               "review": staff, "records": staff}
        stranger = Api(self.address)
        for path, methods in stranger.document["paths"].items():
            for method, operation in methods.items():
                if operation.get("security") == [] or "/session" in path:
                    continue
                name = path.removeprefix("/api/v1/").replace("{type}", "person").replace("{id}", uuid7()).replace("{indicator}", "I12")
                name = name.replace("{check}", "age_100").replace("{key}", "report_days").replace("{kind}", "held").replace("{name}", "x").replace("{position}", "1").replace("{code}", village_code(1)).replace("{upload}", uuid7()).replace("{file}", "aid")
                body = None if method == "get" else {}
                self.assertEqual(stranger(method.upper(), name, body).status, 401, path)
                first = name.split("/")[0]
                allowed = may.get(f"{method} {first}", may.get(name, may.get(first, set(ROLES))))
                allowed = figures if (method, path) == ("get", "/api/v1/records/{id}") else allowed
                allowed = {"leader"} if path.endswith("/sign") else figures if path.endswith("/return") else allowed
                allowed = {"admin"} if path.endswith(("/merger", "/settle")) or first == "tokens" else allowed
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
        told = self.role("auditor")("GET", "audit?what=export", status=200).json["rows"]
        self.assertEqual([(r["user"], r["object"], r["detail"]) for r in told], [("leader1", "summary", "html 2025")])
        self.error(self.leader("GET", "summary?year=3000", status=422), "bad_year")
        self.assertNotEqual(self.hub.run("summary", "--year", "20x5", check=False).rc, 0)

    def test_versions_of_the_summary_are_signed_and_never_change(self):
        """P10: a signed summary keeps its figures while the records go on; another version has those of its day"""
        made = self.clerk("POST", "summaries", {"year": 2025}, status=201).json["id"]
        doc = self.leader("GET", f"summaries/{made}", status=200).json
        self.assertEqual((doc["year"], doc["version"], doc["state"], doc["figures"]["I12"]["value"]), (2025, 1, "draft", 1))
        text = doc["text"].replace("共走访{I12}人次", "全年共走访{I12}人次,比上年扎实")
        self.error(self.clerk("PATCH", f"summaries/{made}", {"text": text}, status=422), "required")
        self.clerk("PATCH", f"summaries/{made}", {"text": text, "rev": doc["rev"]}, status=200)
        # Two who opened the same words: the second is told who saved them, and nothing is lost.
        late = self.other("PATCH", f"summaries/{made}", {"text": text + "= 晚了一步。\n", "rev": doc["rev"]}, status=409)
        self.error(late, "changed_meanwhile")
        self.assertIn("clerk1 在 2", late.json["error"]["text"])
        self.error(self.other("PATCH", f"summaries/{made}", {"figures": True, "rev": doc["rev"]}, status=409), "changed_meanwhile")
        saved = self.leader("GET", f"summaries/{made}", status=200).json
        self.assertEqual(saved["text"], text)
        rev = saved["rev"]
        for bad in (text + "= {I99}", text + "= {I12", "= " + "{" * 3):
            self.error(self.clerk("PATCH", f"summaries/{made}", {"text": bad, "rev": rev}, status=422), "unknown_token")
        self.error(self.clerk("PATCH", f"summaries/{made}", {"text": text + "{I12}", "rev": rev}, status=422), "bad_text")
        self.clerk("PATCH", f"summaries/{made}", {}, status=422)
        self.clerk("PATCH", f"summaries/{made}", {"figures": True}, status=200)
        self.error(self.clerk("PATCH", f"records/{made}", {"fields": {"text": "x"}}, status=403), "not_allowed")
        self.clerk("POST", "types/report_snapshot/records", {"fields": {}}, status=403)
        self.leader("POST", f"summaries/{made}/sign", {"rev": self.leader("GET", f"summaries/{made}", status=200).json["rev"]}, status=200)
        signed = self.leader("GET", f"summaries/{made}", status=200).json
        self.assertEqual((signed["state"], signed["text"], bool(signed["signed_by"])), ("locked", text, True))
        self.node.add_ids([visit([self.people[1]])])
        self.node.sync()
        for body in ({"text": "x", "rev": signed["rev"]}, {"figures": True}):
            self.error(self.clerk("PATCH", f"summaries/{made}", body, status=403), "signed")
        self.error(self.leader("POST", f"summaries/{made}/sign", {"rev": signed["rev"]}, status=403), "signed")
        self.assertNotEqual(self.hub.run("add", "-", stdin=json.dumps({"id": made, "fields": {"text": "x"}}) + "\n", check=False).rc, 0)
        self.assertNotEqual(self.hub.run("add", "-", stdin=json.dumps({"id": made, "delete": True, "reason": "x"}) + "\n", check=False).rc, 0)
        self.assertEqual(self.leader("GET", f"summaries/{made}", status=200).json, signed)
        again = self.clerk("POST", "summaries", {"year": 2025}, status=201).json["id"]
        second = self.leader("GET", f"summaries/{again}", status=200).json
        self.assertEqual((second["version"], second["figures"]["I12"]["value"]), (2, 2))
        self.assertIn("比上年扎实", second["text"])
        # Who wrote it does not sign it, by whatever account.
        self.error(self.role("leader", "副站长", "--person", "clerk1")("POST", f"summaries/{again}/sign", {"rev": second["rev"]}, status=403), "second_person")
        self.assertEqual([r["version"] for r in self.leader("GET", "summaries", status=200).json["rows"]], [2, 1])
        page = self.leader.raw("GET", f"/api/v1/summaries/{made}?format=html", None, {"Cookie": self.leader.cookie}).raw.decode()
        self.assertIn('全年共走访<span data-indicator="I12">1</span>人次', page)
        self.word_documents(made, again, signed)
        self.error(self.clerk("POST", "summaries", {"year": 3000}, status=422), "bad_year")
        self.hub.verify()

    def word(self, address):
        """A paper as Word reads it: every part is XML, what a relation names is there and has a type."""
        answer = self.leader.raw("GET", f"/api/v1/{address}format=docx", None, {"Cookie": self.leader.cookie})
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"))
        with zipfile.ZipFile(io.BytesIO(answer.raw)) as z:
            self.assertIsNone(z.testzip())
            self.assertEqual(z.namelist()[0], "[Content_Types].xml")
            parts = {name: ElementTree.fromstring(z.read(name)) for name in z.namelist()}
        typed = {t.get("PartName") for t in parts["[Content_Types].xml"] if t.tag.endswith("Override")}
        for relations, base in (("_rels/.rels", ""), ("word/_rels/document.xml.rels", "word/")):
            for relation in parts[relations]:
                self.assertIn(base + relation.get("Target"), parts)
                self.assertIn("/" + base + relation.get("Target"), typed)
        styles = {s.get(W + "styleId") for s in parts["word/styles.xml"].iter(W + "style")}
        body = parts["word/document.xml"][0]
        self.assertLessEqual({s.get(W + "val") for s in body.iter(W + "pStyle")}, styles)
        return answer, parts, body

    def word_documents(self, made, again, signed):
        admin = self.other
        rev = self.leader("GET", f"summaries/{again}", status=200).json["rev"]
        text = signed["text"].replace(",比上年扎实", ",<b>𠮷&\"扎实\"</b>") + "= 新添一段,走访{I12}人次。\n"
        admin("PATCH", f"summaries/{again}", {"text": text, "rev": rev}, status=200)
        answer, parts, body = self.word(f"summaries/{again}?")
        self.assertIn('filename="summary-2025-2.docx"', answer.headers["Content-Disposition"])
        size, margins = body.find(f".//{W}pgSz"), body.find(f".//{W}pgMar")
        mm = lambda element, name: round(int(element.get(W + name)) / 1440 * 25.4, 1)  # noqa: E731
        self.assertEqual((mm(size, "w"), mm(size, "h")), (210, 297))
        self.assertEqual([mm(margins, side) for side in ("top", "bottom", "left", "right")], [37, 35, 28, 26])
        foot = parts["word/footer1.xml"]
        self.assertEqual((word_text(foot), [f.text.strip() for f in foot.iter(W + "instrText")]), ("第1页/共1页", ["PAGE", "NUMPAGES"]))
        text = word_text(body)
        styled = lambda style: [word_text(p) for p in body.iter(W + "p") if p.find(f".//{W}pStyle").get(W + "val") == style]  # noqa: E731
        self.assertEqual((len(styled("Title")), len(styled("Heading1"))), (1, 4))
        self.assertIn('全年共走访2人次,<b>𠮷&"扎实"</b>', text)
        self.assertIn("（第2版草稿，未签发）", text)
        self.assertEqual(styled("LmAnnex"), ["附件"])
        self.assertEqual(styled("LmSign")[1:4], ["编制人：clerk1、clerk2", "审核人：＿＿＿＿＿＿", "签发日期：＿＿＿＿年＿＿月＿＿日"])
        self.assertEqual(styled("LmSign")[-1], "（盖章处）")
        # The annex: who signed what and when, its check code, and what this version says otherwise.
        lines = signed["text"] + "".join(f"{i}\t{'' if f.get('value') is None else format(f['value'], '.4f')}\t{f['display']}\n" for i, f in sorted(signed["figures"].items()))
        self.assertEqual(signed["hash"], hashlib.sha256(lines.encode()).hexdigest())
        register, differences = list(body.iter(W + "tbl"))
        rows = [[word_text(c) for c in r.iter(W + "tc")] for r in register.iter(W + "tr")]
        self.assertEqual([r[0] for r in rows], ["版本", "第1版", "第2版（草稿）"])
        self.assertEqual((rows[1][1], rows[1][3].replace(" ", "")), ("leader1", signed["hash"]))
        self.assertRegex(rows[1][2], "^20[0-9]{2}年[0-9]+月[0-9]+日$")
        self.assertIn(["走访人次", "1", "2"], [[word_text(c) for c in r.iter(W + "tc")] for r in differences.iter(W + "tr")])
        self.assertIn("增加：新添一段,走访2人次。", text)
        self.assertIn("删去：", text)
        # The signed one has its signer, and nothing that came after it; the live one the villages too.
        _, _, body = self.word(f"summaries/{made}?")
        self.assertIn("编制人：clerk1\n审核人：leader1\n签发日期：20", word_text(body))
        self.assertNotIn("第2版", word_text(body))
        _, _, body = self.word("summary?year=2025&")
        self.assertIn("示例村2（未报全）", word_text(body))
        self.assertIn("\n附件1\n各村数据", word_text(body))
        self.assertIn("\n附件2\n签发的版本", word_text(body))
        self.assertIn("第1版", word_text(body))
        self.assertNotIn("第2版", word_text(body))  # a draft
        told = self.role("auditor")("GET", "audit?what=export", status=200).json["rows"]
        self.assertEqual([(r["object"], r["detail"]) for r in told[:3]], [("summary", "docx 2025"), (made, "docx"), (again, "docx")])
        for role in ("security", "auditor"):
            self.assertEqual(self.role(role).raw("GET", f"/api/v1/summaries/{made}?format=docx", None, {"Cookie": self.role(role).cookie}).status, 403)
        page = self.work / "summary.docx"
        self.hub.run("summary", "--year", "2025", "--out", page)
        self.assertTrue(zipfile.is_zipfile(page))

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
        self.clerk("PATCH", f"records/{of['id']}", {"delete_reason": "重复录入", "rev": self.clerk.revs(of["id"])[0]}, status=200)
        self.clerk("PATCH", f"records/{of['id']}", {"undelete": True}, status=200)
        opening = {"indicator": "I19", "area_code": "999999101000", "as_of": "2024-12-31", "value": 1500, "is_approx": True, "evidence": uuid7(), "approved_by": uuid7()}
        self.error(self.clerk("POST", "types/opening_balance/records", {"fields": {**opening, "state": "verified"}}, status=403), "second_person")
        made = self.clerk("POST", "types/opening_balance/records", {"fields": opening}, status=201).json["id"]
        self.error(self.clerk("PATCH", f"records/{made}", {"fields": {"state": "verified"}, "rev": self.clerk.revs(made)[0]}, status=403), "second_person")
        left = self.clerk("POST", "review/approve", {"type": "opening_balance", "ids": [made], "revs": self.clerk.as_seen(*[made])}, status=200).json
        self.assertEqual((left["approved"], left["left"][0]["code"]), (0, "second_person"))
        # Not by another account of the same person, nor by who made it under the village's account.
        self.error(self.role("clerk", "clerk1b", "--person", "clerk 1")("PATCH", f"records/{made}", {"fields": {"state": "verified"}, "rev": self.clerk.revs(made)[0]}, status=403), "second_person")
        self.other("PATCH", f"records/{made}", {"fields": {"state": "verified"}, "rev": self.clerk.revs(made)[0]}, status=200)
        self.clerk("POST", "types/target/records", {"fields": {"indicator": "I12", "area_code": "999999101000", "year": 2025, "value": 500}}, status=201)
        self.assertEqual(self.leader("GET", "targets?year=2025", status=200).json["targets"], {"I12": 500})
        self.assertEqual([h["label"] for h in self.clerk("GET", f"search?q={quote('建国')}", status=200).json["hits"]], ["张建国"])
        self.clerk("GET", "search", status=422)
        log = {(r["what"], r["object"]) for r in self.role("auditor")("GET", "audit", status=200).json["rows"]}
        self.assertLessEqual({("create", of["id"]), ("edit", made), ("delete", of["id"])}, log)
        self.node.sync()
        self.hub.verify()

    def test_opening_balances_from_a_table(self):
        """P1, P3, P11: what the page's import sends: judged without a trace, good lines entered and bad ones explained, again the same save; another person verifies; undone by rev but for what was verified"""
        of = lambda indicator, value, area="999999101000": {"type": "opening_balance", "id": uuid7(), "fields": {"indicator": indicator, "area_code": area, "as_of": "2024-12-31", "value": value, "is_approx": False, "evidence": uuid7(), "approved_by": uuid7()}}
        lines = [of("I19", 1500), of("I12", -1), of("I12", 40), of("I12", 41), of("I14", 7, village_code(1)), {"type": "visit", "id": uuid7(), "fields": visit(self.people[:1])["fields"]}, {"type": "opening_balance"}]
        lines.append({"id": self.visits[0], "delete": True, "reason": "撤销表格导入"})
        verified = of("I15", 3)
        verified["fields"]["state"] = "verified"
        lines.append(verified)
        good = [True, False, True, False, True, False, False, False, False]
        send = lambda lines, keep=True: self.clerk("POST", "lines", {"keep": keep, "lines": lines}, status=200).json["lines"]
        total = lambda: self.clerk("GET", "types/opening_balance/records", status=200).json["total"]
        entries = len(self.hub.rows("history", self.visits[0]))
        judged = send(lines, keep=False)
        self.assertEqual(([a["good"] for a in judged], total()), (good, 0))
        self.hub.verify()
        saved = send(lines)
        self.assertEqual(([a["good"] for a in saved], total()), (good, 3))
        self.assertEqual([a["error"]["code"] for a in saved if not a["good"]], ["out_of_range", "not_unique", "not_imported", "required", "not_imported", "second_person"])
        self.assertEqual([a.get("rev") for a in send(lines)], [a.get("rev") for a in saved])
        self.assertEqual((total(), len(self.hub.rows("history", self.visits[0]))), (3, entries))
        # They count at once; the leader is told which figures hold some that nobody else verified.
        held = lambda: {key: f.get("opening_unverified") for key, f in self.leader("GET", "counts?indicators=I12,I15,I19", status=200).json["indicators"].items()}
        said = lambda: json.dumps(self.leader("GET", "summary", status=200).json, ensure_ascii=False)
        self.assertEqual(held(), {"I12": 40, "I15": None, "I19": 1500})
        self.assertIn("3项数字含未经另一人核定的期初数", said())
        opened = lambda rows: self.leader("GET", f"counts/{rows}&by=village&key=opening", status=200).json
        shown = opened("I12/rows?to=2025-12-31")
        self.assertEqual((shown["type"], shown["total"], [r["fields"]["value"] for r in shown["records"]]), ("opening_balance", 1, [40]))
        self.assertEqual((opened("I12/rows?from=2025-01-01")["total"], opened("I12/rows?to=2024-12-30")["total"]), (0, 0))
        # Who imported them cannot verify them; somebody else can, all at once.
        ids = [a["id"] for a in saved if a["good"]]
        mine = self.clerk("POST", "review/approve", {"type": "opening_balance", "ids": ids, "revs": self.clerk.as_seen(*ids)}, status=200).json
        self.assertEqual((mine["approved"], {r["code"] for r in mine["left"]}), (0, {"second_person"}))
        self.assertEqual(self.other("POST", "review/approve", {"type": "opening_balance", "ids": ids[:2], "revs": self.clerk.as_seen(*ids[:2])}, status=200).json["approved"], 2)
        self.assertEqual(self.leader("GET", "counts?indicators=I12", status=200).json["indicators"]["I12"]["opening"], 40)
        self.assertEqual(held(), {"I12": None, "I15": None, "I19": None})
        undo = [{"id": a["id"], "delete": True, "reason": "撤销表格导入", "rev": a["rev"]} for a in saved if a["good"]]
        self.assertEqual(([a["good"] for a in send(undo)], total()), ([False, False, True], 2))
        self.assertEqual(send(lines[4:5])[0]["error"]["code"], "deleted")
        # What two persons stand for one alone does not change; who sends it back is not its author.
        admin = self.other
        for fields in ({"value": "500000"}, {"value": "500000", "state": "returned", "return_note": "x"}):
            self.error(self.clerk("PATCH", f"records/{ids[1]}", {"fields": fields, "rev": self.clerk.revs(ids[1])[0]}, status=403), "verified")
        self.error(self.clerk("PATCH", f"records/{ids[1]}", {"delete_reason": "不要了", "rev": self.clerk.revs(ids[1])[0]}, status=403), "verified")
        admin("POST", f"records/{ids[1]}/return", {"note": "与台账不符", "rev": self.clerk.revs(ids[1])[0]}, status=200)
        self.clerk("PATCH", f"records/{ids[1]}", {"fields": {"value": "39", "state": "submitted"}, "rev": self.clerk.revs(ids[1])[0]}, status=200)
        self.assertEqual(self.clerk("POST", "review/approve", {"type": "opening_balance", "ids": ids[1:2], "revs": self.clerk.as_seen(*ids[1:2])}, status=200).json["left"][0]["code"], "second_person")
        self.assertEqual(admin("POST", "review/approve", {"type": "opening_balance", "ids": ids[1:2], "revs": self.clerk.as_seen(*ids[1:2])}, status=200).json["approved"], 1)
        self.assertEqual(self.leader("GET", "counts?indicators=I12", status=200).json["indicators"]["I12"]["opening"], 39)
        # Entered anew, the deleted one does not come back beside it; areas are the town's; a deletion names what it saw.
        self.assertTrue(send([of("I14", 8, village_code(1))])[0]["good"])
        self.error(self.clerk("PATCH", f"records/{ids[2]}", {"undelete": True}, status=422), "not_unique")
        self.assertEqual([a["error"]["code"] for a in send([of("I19", 1, "110101001001"), {"id": ids[0], "delete": True, "reason": "撤销表格导入"}])], ["unknown_area", "required"])
        cut = send([{**of("I19", 1), "type": "期" * 20}, of("I15", 2)])
        self.assertEqual([a["good"] for a in cut], [False, True])
        self.assertIn("期期", cut[0]["error"]["text"])
        for wrong in ({}, {"keep": True}, {"keep": 1, "lines": lines}, {"keep": True, "lines": []}, {"keep": True, "lines": [1]}, {"keep": True, "lines": lines * 60}):
            self.assertIn(self.clerk("POST", "lines", wrong).status, (413, 422), wrong)
        log = [(r["what"], r["object"], r["reason"], r["detail"]) for r in self.role("auditor")("GET", "audit", status=200).json["rows"]]
        self.assertIn(("import", "opening_balance", "", "3/8"), log)
        self.assertEqual([r for r in log if r[0] == "delete"], [("delete", ids[2], "撤销表格导入", "opening_balance")])
        self.hub.verify()

    def test_settings_have_bounds_a_history_and_an_effect(self):
        """P11: what settings there are, who may change them, what is refused; figures follow at once; the audit log has what was and what is"""
        read = lambda who=None: {s["key"]: s for s in (who or self.clerk)("GET", "settings", status=200).json["settings"]}
        self.assertEqual({k: (s["value"], s["default"], s["changed"]) for k, s in read(self.leader).items() if k != "file_fields"},
                         {"complete_days": (None, "7", None), "report_days": (None, "5", None), "backup_days": (None, "7", None), "staff_ratio": (None, "500", None),
                          "publicity_workdays": (None, "5", None), "idle_minutes": (None, "15", None), "town_name": (None, "示例镇", None)})
        put = lambda key, value, was=None, who=None, **more: (who or self.clerk)("PUT", f"settings/{key}", {"value": value, "was": was}, **more)
        for role in ("leader", "auditor", "security"):
            self.error(put("report_days", "9", who=self.role(role), status=403), "not_allowed")
        for key, value, code in (("report_days", "29", "out_of_range"), ("report_days", "0", "out_of_range"), ("complete_days", "x", "bad_number"), ("complete_days", "-1", "bad_number"),
                                 ("complete_days", "9" * 30, "bad_number"), ("file_fields", "", "bad_list"), ("file_fields", "phone,phone", "bad_list"), ("file_fields", "phone,name", "unknown_field"), ("file_fields", "phone,nonsense", "unknown_field")):
            self.error(put(key, value, status=422), code)
        self.error(put("backlog_days", "9", status=404), "no_setting")
        for key, value, code in (("idle_minutes", "2", "out_of_range"), ("idle_minutes", "61", "out_of_range"), ("town_name", " ", "bad_text"), ("town_name", "镇" * 41, "bad_text"), ("town_name", "a\nb", "bad_text")):
            self.error(put(key, value, status=422), code)
        for body in ({}, {"value": "9"}, {"value": 9, "was": None}):
            self.clerk("PUT", "settings/report_days", body, status=422)
        # The name is on every page and in the summary at once; the idle time holds for who is logged in already.
        put("town_name", "示范镇", status=204)
        self.assertEqual(self.leader("GET", "session", status=200).json["town"], "示范镇")
        self.assertIn("示范镇", json.dumps(self.leader("GET", "summary", status=200).json, ensure_ascii=False))
        put("town_name", None, "示范镇", status=204)
        put("idle_minutes", "3", status=204)
        self.assertEqual(self.leader("GET", "session", status=200).json["idle_ms"], 180000)
        # Publicity of an aid case: a Friday to the next Wednesday are four working days.
        self.clerk("POST", "review/approve", {"type": "person", "ids": self.people[:1], "revs": self.clerk.as_seen(*self.people[:1])}, status=200)
        case = self.clerk("POST", "types/aid_case/records", {"station": village_code(1), "fields": {"person_id": self.people[0], "state": "draft"}}).json["id"]
        days = lambda to, **more: self.clerk("PATCH", f"records/{case}", {"fields": {"publicity_from": "2025-03-07", "publicity_to": to}}, **more)
        self.error(days("2025-03-12", status=422), "publicity_short")
        days("2025-03-13", status=200)
        put("publicity_workdays", "7", status=204)
        days("2025-03-13", status=200)  # what is there already stands, until it is entered otherwise
        self.error(days("2025-03-14", status=422), "publicity_short")
        days("2025-03-17", status=200)
        put("report_days", "9", status=204)
        self.assertEqual(self.clerk("GET", "months?type=visit&year=2025", status=200).json["due_days"], 9)
        self.error(put("report_days", "10", status=409), "changed_meanwhile")
        put("report_days", "10", "9", who=self.role("admin"), status=204)
        now = read(self.role("auditor"))["report_days"]
        self.assertEqual((now["value"], now["changed"]["user"]), ("10", "admin1"))
        # The same bounds in the form of the register.
        record = next(x for x in self.hub.rows("records", "setting") if x["fields"]["key"] == "report_days")
        self.error(self.clerk("PATCH", f"records/{record['id']}", {"fields": {"value": "99"}}, status=422), "out_of_range")
        self.error(self.clerk("POST", "types/setting/records", {"fields": {"key": "complete_days", "value": "0"}}, status=422), "out_of_range")
        self.error(self.clerk("POST", "types/setting/records", {"fields": {"key": " complete_days", "value": "99999"}}, status=422), "out_of_range")
        self.error(self.clerk("POST", "types/setting/records", {"fields": {"key": "backlog_days", "value": "999999"}}, status=422), "unknown_setting")
        named = self.clerk("POST", "types/setting/records", {"fields": {"key": "staff_ratio", "value": "99999"}}, status=201).json["id"]
        self.error(self.clerk("PATCH", f"records/{named}", {"fields": {"key": "complete_days"}}, status=422), "out_of_range")
        self.clerk("PATCH", f"records/{named}", {"delete_reason": "误录", "rev": self.clerk.revs(named)[0]}, status=200)
        fresh = self.leader("GET", "counts?indicators=I31n", status=200).json["indicators"]["I31n"]["value"]
        draft = self.clerk("POST", "types/setting/records", {"fields": {"key": "complete_days", "value": "8", "state": "draft"}}, status=201).json["id"]
        put("complete_days", "90", status=204)  # what somebody began is gone on with
        self.assertEqual((self.row(draft, "setting")["fields"]["value"], self.row(draft, "setting")["state"]), ("90", "submitted"))
        self.assertEqual(self.leader("GET", "counts?indicators=I31n", status=200).json["indicators"]["I31n"]["value"], fresh)
        # Sent back, it does not count; set anew it does. Taken away, the default is in force, and it may be set again.
        self.clerk("POST", f"records/{record['id']}/return", {"note": "核对", "rev": self.clerk.revs(record['id'])[0]}, status=200)
        self.assertEqual(read()["report_days"]["value"], None)
        put("report_days", "11", status=204)
        put("report_days", None, "11", status=204)
        put("report_days", None, status=204)
        self.assertEqual(read()["report_days"]["value"], None)
        put("report_days", "12", status=204)
        put("file_fields", "phone", status=204)
        self.assertEqual((read()["report_days"]["value"], read()["file_fields"]["value"]), ("12", "phone"))
        log = [(r["object"], r["detail"], r["user"]) for r in self.role("auditor")("GET", "audit", status=200).json["rows"] if r["what"] == "setting"]
        self.assertLessEqual({("report_days", "— → 9", "clerk1"), ("report_days", "9 → 10", "admin1"), ("report_days", "11 → —", "clerk1")}, set(log))
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
        through = get(f"{token}/counts.csv?indicator=I12").raw.decode("utf-8-sig").split("\r\n")[1].split(",")[10]
        told = self.clerk("GET", "counts?indicators=I12", status=200).json["coverage"]["complete_through"]
        there = datetime.datetime.fromisoformat(told.replace("Z", "+00:00")) + datetime.timedelta(hours=8)
        self.assertLess(abs((datetime.datetime.fromisoformat(through + "+00:00") - there).total_seconds()), 300)  # the town's clock
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
        log = self.role("auditor")("GET", "audit", status=200).json["rows"]
        self.assertEqual([(r["what"], r["role"]) for r in log if r["object"] == "镇办公室"], [("token_revoke", "command"), ("token_add", "command")])
        self.clerk("POST", "audit/note", {"what": "export", "object": "服务对象", "detail": "2"}, status=204)
        self.clerk("POST", "audit/note", {"what": "sing", "object": "x"}, status=422)
        self.assertEqual({r["what"] for r in self.role("auditor")("GET", "audit", status=200).json["rows"]} & {"table", "export"}, {"table", "export"})

    def test_addresses_for_tables_are_the_administrators(self):
        """P11: the address is told once, to who makes it; each use, made and revoked one is in the audit log; P12: so many and no more"""
        admin = self.role("admin")
        made = admin("POST", "tokens", {"name": "镇办公室 月报"}, status=201).json
        listed = lambda: admin("GET", "tokens", status=200)  # noqa: E731
        self.assertEqual([(t["name"], t["user"], t["last_used"]) for t in listed().json["tokens"]], [("镇办公室 月报", "admin1", None)])
        self.assertNotIn(made["token"], listed().raw.decode())
        self.assertNotIn(made["token"].encode(), (self.hub.dir / "hub.db").read_bytes() + (self.hub.dir / "audit.db").read_bytes())
        get = lambda: Api(self.address).raw("GET", f"{made['path']}/counts.csv?indicator=I12", None, {})  # noqa: E731
        self.assertEqual((get().status, made["path"]), (200, f"/api/v1/tables/{made['token']}"))
        used = listed().json["tokens"][0]
        self.assertGreaterEqual(used["last_used"], used["made"])
        for path in (made["path"].removeprefix("/api/v1/") + "/counts.csv?by=zzz", "counts?by=zzz"):
            wrong = (self.leader if path.startswith("counts") else admin)("GET", path, status=422).json["error"]
            self.assertEqual((wrong["code"], wrong["field"]), ("bad_code", "by"))
            self.assertNotIn("--", wrong["text"] + wrong["text_en"], "the page's words, not the command line's")
        self.error(admin("POST", "tokens", {"name": "镇办公室 月报"}, status=409), "token_exists")
        for bad in ("", "x" * 65, "a\u0001b", f"张建国{self.row(self.people[0])['fields']['id_no']}"):
            self.error(admin("POST", "tokens", {"name": bad}, status=422), "bad_text")
        self.error(admin("POST", "tokens", {}, status=422), "required")
        revoke = "tokens/" + quote("镇办公室 月报")
        admin("DELETE", revoke, status=204)
        self.assertEqual(get().status, 404)
        self.error(admin("DELETE", revoke, status=404), "no_token")
        # One of the same name is another: nobody has used it yet.
        admin("POST", "tokens", {"name": "镇办公室 月报"}, status=201)
        self.assertEqual(listed().json["tokens"][0]["last_used"], None)
        for n in range(listed().json["max"] - 1):
            admin("POST", "tokens", {"name": f"表{n}"}, status=201)
        self.error(admin("POST", "tokens", {"name": "再一个"}, status=422), "too_many")
        told = self.role("auditor")("GET", "audit?user=admin1", status=200).json["rows"]
        self.assertEqual({(r["what"], r["object"]) for r in told if r["what"].startswith("token")} & {("token_add", "镇办公室 月报"), ("token_revoke", "镇办公室 月报")}, {("token_add", "镇办公室 月报"), ("token_revoke", "镇办公室 月报")})
        self.assertEqual([r["object"] for r in self.role("auditor")("GET", f"audit?what=table&user={quote('镇办公室 月报')}", status=200).json["rows"]], ["I12"])

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
        self.assertEqual(self.clerk("GET", f"search?q={number[:17]}", status=200).json["hits"], [])
        # A clerk who holds the card finds its person, and is written down; whoever else asks learns nothing.
        for path, found in (("search?q=", "hits"), ("types/person/records?q=", "records")):
            answer = self.clerk("GET", path + number.lower(), status=200)
            self.assertEqual([r["id"] for r in answer.json[found]], [self.people[0]])
            self.assertNotIn(number, answer.raw.decode())
            self.assertEqual(self.clerk("GET", path + "110101199003070134", status=200).json[found], [])
            self.leader("GET", path + number, status=403)
        views = self.role("auditor")("GET", "audit?what=view", status=200)
        self.assertEqual([r["object"] for r in views.json["rows"] if r["user"] == "clerk1"], ["person", self.people[0]] * 2)
        self.assertNotIn(number, views.raw.decode())
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

    def test_what_a_visit_notes_of_a_person_is_covered_as_it_is_there(self):
        """P11: the hardship and the benefits of the day of a visit are as sensitive as the person's own: in no answer, list, history, figure's rows or view"""
        who = self.people[0]
        self.clerk("POST", "types/benefit/records", {"station": village_code(1), "fields": {"person_id": who, "code": "b09", "start_on": "2020-01-01", "approved_doc": "文号1"}}, status=201)
        self.clerk("PATCH", f"records/{who}", {"fields": {"difficulty": "special", "difficulty_reason": ["s1"]}, "rev": self.clerk.revs(who)[0]}, status=200)
        made = self.clerk("POST", "types/visit/records", {"station": village_code(1), "fields": visit([who])["fields"]}, status=201)
        noted = [{"benefit": "b09", "difficulty": "special"}]
        self.assertEqual(self.row(made.json["id"], "visit")["fields"]["category_at_visit"], noted)
        one = made.json["id"]
        self.clerk("PATCH", f"records/{one}", {"fields": {"visitors": "书记乙"}, "rev": self.clerk.revs(one)[0]}, status=200)
        outlets = [made, self.clerk("PATCH", f"records/{one}", {"fields": {"visitors": "书记丙"}, "rev": self.clerk.revs(one)[0]}, status=200)]
        outlets += [self.clerk("GET", path, status=200) for path in (f"records/{one}/history", "review/conflicts", f"types/visit/records?station={village_code(1)}",
                                                                     f"types/visit/records?q={quote('书记丙')}")]
        for api in (self.clerk, self.leader):
            outlets += [api("GET", path, status=200) for path in (f"records/{one}", f"counts/I12/rows?by=village&key={village_code(1)}")]
        outlets.append(self.role("auditor")("GET", "audit?limit=500", status=200))
        for answer in outlets:
            for secret in ('"b09"', '"special"'):
                self.assertNotIn(secret, answer.raw.decode(), answer)
        self.assertEqual(self.clerk("GET", f"types/visit/records?q=special", status=200).json["total"], 0, "not found by trying either")
        self.assertEqual(self.clerk("GET", f"records/{one}", status=200).json["fields"]["category_at_visit"], "＊＊＊")
        db = sqlite3.connect(f"file:{self.hub.dir / 'hub.db'}?mode=ro", uri=True)
        self.addCleanup(db.close)
        for view in [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]:
            self.assertNotIn("special", str(db.execute(f'SELECT * FROM "{view}"').fetchall()), view)
        self.assertNotIn(("v_visit", "category_at_visit"), set(db.execute('SELECT view, "column" FROM v_columns')))
        full = self.clerk("POST", f"records/{one}/reveal", {"reason": "核对走访对象"}, status=200).json
        self.assertEqual(full["fields"]["category_at_visit"], noted)
        groups = self.leader("GET", "counts?indicator=I12&by=category", status=200).json["indicators"]["I12"]["groups"]
        self.assertEqual({g["key"]: g["value"] for g in groups}["b09"], 1, "what is counted is nobody's secret")

    def test_a_village_is_called_by_its_name(self):
        """a record's label says which village, not its code"""
        post = lambda kind, fields: self.clerk("POST", f"types/{kind}/records", {"station": village_code(1), "fields": fields}, status=201).json["id"]
        moved = post("residency_event", {"person_id": self.people[0], "kind": "death", "event_on": "2025-03-01", "from_village": village_code(1), "proof": uuid7()})
        target = post("target", {"indicator": "I12", "area_code": village_code(2), "year": 2025, "value": 10})
        for kind, made, label in (("residency_event", moved, "死亡 · 2025-03-01 · 示例村1"), ("target", target, "走访人次 · 示例村2 · 2025")):
            row = next(r for r in self.clerk("GET", f"types/{kind}/records", status=200).json["records"] if r["id"] == made)
            self.assertEqual((row["label"], self.clerk("GET", f"records/{made}", status=200).json["label"]), (label, label))
        refused = self.clerk("POST", "types/target/records", {"fields": {"indicator": "I12", "area_code": "999999101777", "year": 2025, "value": 10}}, status=422)
        self.assertEqual((refused.json["error"]["code"], refused.json["error"]["field"]), ("unknown_area", "area_code"))
        # Found by what it is called.
        self.assertEqual(self.clerk("GET", f"types/residency_event/records?q={quote('示例村1')}", status=200).json["total"], 1)

    def test_a_locked_period_takes_its_records_along(self):
        """P11: what is verified and dated in a locked period is locked with it, and nobody changes it; opened, it is as before"""
        late = self.node.add_ids([visit([self.people[1]], visit_on="2025-06-01", occasion_year=2025)])
        self.node.sync()
        self.clerk("POST", "review/approve", {"type": "visit", "ids": self.visits + late, "revs": self.clerk.as_seen(*self.visits + late)}, status=200)
        lock = self.clerk("POST", "types/period_lock/records", {"fields": {"from_on": "2025-01-01", "to_on": "2025-03-31", "locked_on": "2025-07-01"}}, status=201).json["id"]
        self.assertEqual(self.row(self.visits[0], "visit")["state"], "verified")
        self.clerk("PATCH", f"records/{lock}", {"fields": {"state": "verified"}, "rev": self.clerk.revs(lock)[0]}, status=200)
        self.assertEqual([self.row(v, "visit")["state"] for v in self.visits + late], ["locked", "verified"])
        self.error(self.clerk("PATCH", f"records/{self.visits[0]}", {"fields": {"gift_fen": 1}}, status=403), "locked")
        self.error(self.clerk("PATCH", f"records/{self.visits[0]}", {"delete_reason": "试试", "rev": self.clerk.revs(self.visits[0])[0]}, status=403), "locked")
        self.node.sync()
        self.assertNotEqual(self.node.run("add", "-", stdin=json.dumps({"id": self.visits[0], "fields": {"gift_fen": 1}}) + "\n", check=False).rc, 0)
        # what comes late: staff are told no, a village is warned as it enters it, and it waits uncounted
        self.error(self.clerk("POST", "types/visit/records", {"station": village_code(1), "fields": visit([self.people[1]], visit_on="2025-02-02", occasion_year=2025)["fields"]}, status=403), "period_locked")
        came = self.node.run("add", "-", stdin=json.dumps(visit([self.people[1]], visit_on="2025-02-01", occasion_year=2025)) + "\n").rows()[0]
        self.assertIn("period_locked", [w["code"] for w in came["warnings"]])
        self.node.sync()
        waits = [h for h in self.clerk("GET", "review/held", status=200).json["rows"] if h["id"] == came["id"]]
        self.assertEqual([h["code"] for h in waits], ["period_locked"])
        self.assertEqual(self.leader("GET", "counts?indicators=I12", status=200).json["indicators"]["I12"]["value"], 2)
        # A leader opens it, who is not the one that locked it; leaders send nothing else back.
        told = self.leader("GET", "settings", status=200).json["locks"]
        self.assertEqual([(one["id"], one["from_on"], one["to_on"]) for one in told], [(lock, "2025-01-01", "2025-03-31")])
        opened = lambda who, status, record=lock: who("POST", f"records/{record}/return", {"note": "还要补录", "rev": self.clerk.revs(record)[0]}, status=status)
        self.error(opened(self.clerk, 403), "leader_opens")
        self.error(opened(self.other, 403), "leader_opens")
        self.error(opened(self.role("leader", "所长", "--person", "clerk1"), 403), "second_person")
        self.error(opened(self.leader, 403, late[0]), "not_allowed")
        for body in ({"fields": {"state": "returned", "return_note": "x"}}, {"fields": {"to_on": "2025-02-01"}}, {"delete_reason": "x"}):
            self.error(self.clerk("PATCH", f"records/{lock}", {**body, "rev": self.clerk.revs(lock)[0]}, status=403), "verified")
        self.assertEqual(self.row(self.visits[0], "visit")["state"], "locked")
        opened(self.leader, 200)
        self.assertEqual(self.row(self.visits[0], "visit")["state"], "verified")
        self.assertEqual(self.leader("GET", "settings", status=200).json["locks"], [])
        self.assertEqual(self.row(came["id"], "visit")["state"], "submitted")
        # Locked again, the same leader may open it again: to open is not to lock.
        self.clerk("PATCH", f"records/{lock}", {"fields": {"state": "submitted"}, "rev": self.clerk.revs(lock)[0]}, status=200)
        self.clerk("PATCH", f"records/{lock}", {"fields": {"state": "verified"}, "rev": self.clerk.revs(lock)[0]}, status=200)
        opened(self.leader, 200)
        self.hub.verify()

    def test_quality_opens_its_rows(self):
        """P10: what is missing, dangling or doubtful is counted, and each count opens its records"""
        old = self.node.add_ids([person(name="王同名"), person(name="老人", id_no=..., id_status="missing", id_status_reason="无证", birth_on="1920-05-01", sex="1")])
        self.node.sync()
        gone = self.clerk("POST", "types/visit/records", {"station": village_code(1), "fields": visit([old[1]])["fields"]}, status=201).json["id"]
        checks = {(c["check"], c["type"], c["field"]): c["n"] for c in self.clerk("GET", "quality", status=200).json["checks"]}
        self.assertEqual(checks.get(("age_100", "person", "")), 1, checks)
        self.assertNotIn(("dangling", "visit", "persons"), checks)
        self.clerk("PATCH", f"records/{old[1]}", {"delete_reason": "录错", "rev": self.clerk.revs(old[1])[0]}, status=200)
        checks = {(c["check"], c["type"], c["field"]): c["n"] for c in self.clerk("GET", "quality", status=200).json["checks"]}
        self.assertEqual(checks.get(("dangling", "visit", "persons")), 1, checks)
        self.assertNotIn(("age_100", "person", ""), checks)
        # A card in its holder's hands after the last day printed on it; on that day it is still good, and one that is made anew is on its way.
        of = lambda valid_to, n: {"station": village_code(1), "fields": {"person_id": self.people[n], "kind": "vet", "state": "issued", "issued_on": "2020-06-01", "stage_dates": [{"stage": "issued", "on": "2020-06-01"}], "valid_to": valid_to}}
        late = self.clerk("POST", "types/pref_card/records", of("2020-06-01", 0), status=201).json["id"]
        self.clerk("POST", "types/pref_card/records", of("2099-06-01", 1), status=201)
        self.assertEqual(self.clerk("POST", "types/pref_card/records", of("2020-05-31", 1), status=422).json["issues"][0]["code"], "date_order")
        rows = self.clerk("GET", "quality/card_expired/rows?type=pref_card", status=200).json
        self.assertEqual([r["id"] for r in rows["records"]], [late])
        checks = {(c["check"], c["type"], c["field"]): c["n"] for c in self.clerk("GET", "quality", status=200).json["checks"]}
        self.assertEqual(checks[("card_expired", "pref_card", "")], 1)
        for (check, kind, field), n in checks.items():
            rows = self.clerk("GET", f"quality/{check}/rows?type={kind}&field={field}", status=200).json
            self.assertEqual((rows["total"], len(rows["records"])), (n, min(n, 100)))
        self.assertEqual(self.clerk("GET", "quality/dangling/rows?type=visit&field=persons", status=200).json["records"][0]["id"], gone)
        self.clerk("PATCH", f"records/{late}", {"fields": {"state": "reissue", "stage_dates": [{"stage": "issued", "on": "2020-06-01"}, {"stage": "reissue", "on": "2020-06-02"}]}, "rev": self.clerk.revs(late)[0]}, status=200)
        self.assertEqual(self.clerk("GET", "quality/card_expired/rows?type=pref_card", status=200).json["total"], 0)
        for path in ("quality/x/rows?type=person", "quality/missing/rows?type=person&field=x%22", "quality/missing/rows?type=x"):
            self.error(self.clerk("GET", path, status=404), "unknown_check")
        for path in ("quality/missing/rows", "quality/missing/rows?type=person", "quality/missing/rows?type=person&field=name", "quality/age_100/rows", "quality/registry/rows?type=station"):
            self.assertEqual(self.clerk("GET", path, status=200).json["total"], 0, path)  # nothing found is no error

    def test_the_audit_log_is_taken_away_whole(self):
        """P11: every entry, however many pages; a cell is never a formula; and that it was taken is in the log"""
        self.clerk("POST", "audit/note", {"what": "export", "object": '=HYPERLINK("http://evil")', "detail": "+1+1"}, status=204)
        auditor = self.role("auditor")
        answer = auditor.raw("GET", "/api/v1/audit/export", None, {"Cookie": auditor.cookie})
        rows = list(csv.DictReader(io.StringIO(answer.raw.decode("utf-8-sig"))))
        log = auditor("GET", "audit?limit=500&verify=1", status=200).json
        self.assertEqual([int(r["序号"]) for r in rows], [r["n"] for r in log["rows"]])
        self.assertEqual(len(rows), log["entries"])
        self.assertEqual((rows[0]["动作"], rows[0]["对象"]), ("export", "audit"))
        for row in rows:
            for cell in row.values():
                self.assertFalse(cell[:1] in "=+-@" and cell[:1] and not cell.lstrip("+-.").isdigit(), cell)

    def test_approve_and_send_back(self):
        ids = self.people + [uuid7()]
        done = self.clerk("POST", "review/approve", {"type": "person", "ids": ids, "revs": self.clerk.as_seen(*ids)}, status=200).json
        self.assertEqual((done["approved"], len(done["left"])), (0, 3))  # without service and identity nobody becomes active
        self.assertTrue(all(r["text"] for r in done["left"]))
        done = self.clerk("POST", "review/approve", {"type": "visit", "ids": self.visits, "revs": self.clerk.as_seen(*self.visits)}, status=200).json
        self.assertEqual((done["approved"], done["left"]), (1, []))
        self.clerk("POST", f"records/{self.people[1]}/return", {"note": "请补电话", "rev": self.clerk.revs(self.people[1])[0]}, status=200)
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

    def test_steps_of_many(self):
        """P11: the same step of many cards, what is against it said one by one; all sent back with one note; what waits stands in the numbers"""
        waits = lambda who=None: tuple((who or self.clerk)("GET", "status", status=200).json[k] for k in ("to_verify", "petitions_due"))
        self.assertEqual((waits(), waits(self.leader)), ((2, 0), (0, 0)))
        day = lambda n: (datetime.date.today() - datetime.timedelta(days=n)).isoformat()
        case = lambda days: {"received_on": day(days), "channel": "visit", "head_count": 1, "is_backlog": False, "petitioners": [{"name": "王五"}], "demand": "反映优待金"}
        for days in (1, 11):
            answer = self.clerk("POST", "types/petition/records", {"station": village_code(1), "fields": case(days)})
            self.assertEqual(answer.status, 201, answer)
        self.assertEqual(waits(), (2, 1))  # accepted within 15 days
        send = lambda ids, to, status=200, kind="person", came="submitted", **more: self.clerk("POST", "review/step", {"type": kind, "ids": ids, "revs": self.clerk.as_seen(*ids[:9]), "from": came, "to": to, **more}, status=status)
        self.error(send(self.people, "returned", 422), "required")
        self.error(send(self.people, "merged", 422), "no_transition")
        self.error(send(self.people, "active", 422, kind="period_lock"), "no_transition")
        for ids in ([], ["x"], [uuid7()] * 501):
            self.assertEqual(send(ids, "returned", 422, note="x").status, 422)
        for revs in ([], "x", {self.people[0]: 5}):
            send(self.people, "returned", 422, note="x", revs=revs)
        # What was changed since who asks saw it is left, and named; the others go.
        seen = {r["id"]: r["rev"] for r in self.clerk("GET", "types/visit/records", status=200).json["records"]}
        self.other("PATCH", f"records/{self.visits[0]}", {"fields": {"gift_fen": 51000}}, status=200)
        asked = {"type": "visit", "ids": self.visits, "revs": seen}
        said = self.clerk("POST", "review/approve", asked, status=200).json
        self.assertEqual((said["approved"], [(left["id"], left["code"]) for left in said["left"]]), (0, [(self.visits[0], "changed_meanwhile")]))
        said = send(self.visits, "returned", kind="visit", note="请核对", revs=seen).json
        self.assertEqual((said["done"], [left["code"] for left in said["left"]]), (0, ["changed_meanwhile"]))
        self.assertEqual(self.row(self.visits[0], "visit")["state"], "submitted")
        done = send([self.people[0], self.visits[0], uuid7()], "returned", note="请补身份证号").json
        self.assertEqual((done["done"], [left["code"] for left in done["left"]]), (1, ["not_found"] * 2))
        self.node.sync()
        self.assertEqual([r["fields"]["return_note"] for r in self.node.rows("list", "person") if r["state"] == "returned"], ["请补身份证号"])
        self.assertEqual(waits(), (1, 1))
        cards = [self.clerk("POST", "types/pref_card/records", {"station": village_code(1), "fields": {"kind": "vet", "state": "issued", "issued_on": day(30), "stage_dates": [{"stage": "issued", "on": day(30)}], "person_id": self.people[1]}}, status=201).json["id"]]
        done = send(cards, "reissue", kind="pref_card", came="issued").json
        self.assertEqual((done["done"], done["left"]), (1, []), done)
        self.assertEqual([s["stage"] for s in self.row(cards[0], "pref_card")["fields"]["stage_dates"]], ["issued", "reissue"])
        done = send(cards, "reissue", kind="pref_card", came="issued").json
        self.assertEqual((done["done"], [left["code"] for left in done["left"]]), (0, ["changed_meanwhile"]))
        log = [(r["what"], r["object"], r["detail"]) for r in self.role("auditor")("GET", "audit", status=200).json["rows"]]
        self.assertLessEqual({("send_back", "person", "submitted → returned 1/3"), ("step", "pref_card", "issued → reissue 1/1")}, set(log))
        self.hub.verify()

    def test_conflict_and_duplicate(self):
        """P6: both values are shown, a person chooses; one person's two files become one and two again"""
        twin = self.t.v[2].add_ids([person(village_code(2), name="张建国", id_no=self.row(self.people[0])["fields"]["id_no"])])[0]
        self.t.v[2].sync()
        pairs = self.clerk("GET", "review/duplicates", status=200).json["rows"]
        self.assertEqual({r["id"] for r in pairs[0]["records"]}, {self.people[0], twin})
        self.clerk("POST", "review/duplicates/merge", {"id": twin, "rev": self.clerk.revs(twin)[0], "into": self.people[0], "into_rev": self.clerk.revs(self.people[0])[0]}, status=200)
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
        clerk("POST", f"review/conflicts/{conflict['id']}/resolve", {"keep": keep, "record": conflict["record"], "rev": conflict["rev"]}, status=200)
        self.assertEqual(clerk("GET", "review/conflicts", status=200).json["rows"], [])
        self.assertEqual(self.row(self.visits[0], "visit")["fields"]["gift_fen"], 60000)
        # Settled, it stays with the record: who chose, whose value it has; another choice is a change by who saw the record as it is.
        past = lambda: clerk("GET", f"review/conflicts?record={self.visits[0]}", status=200).json["rows"]
        shown = lambda: [(c["open"], c["settled"]["user"], {s["value"]["gift_fen"]: s["stands"] for s in c["siblings"]}) for c in past()]
        self.assertEqual(shown(), [(False, "clerk1", {60000: True, 70000: False})])
        other = next(s["n"] for s in past()[0]["siblings"] if s["value"]["gift_fen"] == 70000)
        rev = clerk("GET", f"records/{self.visits[0]}", status=200).json["rev"]
        again = lambda status, **more: clerk("POST", f"review/conflicts/{conflict['id']}/resolve", {"keep": other, "record": self.visits[0], "rev": rev, "again": True, **more}, status=status)
        self.error(again(409, rev="0" * 16), "changed_meanwhile")
        self.error(again(404, record=uuid7()), "not_found")
        self.error(again(404, keep=99), "no_sibling")
        self.error(clerk("POST", f"review/conflicts/{conflict['id']}/resolve", {"keep": other, "record": self.visits[0], "rev": rev}, status=404), "no_conflict")
        again(200)
        self.assertEqual(self.row(self.visits[0], "visit")["fields"]["gift_fen"], 70000)
        self.error(again(409), "changed_meanwhile")
        clerk("PATCH", f"records/{self.visits[0]}", {"fields": {"gift_fen": 80000}}, status=200)
        self.assertEqual(shown()[0][2], {60000: False, 70000: False})
        self.node.sync()
        self.assertEqual([r["fields"]["gift_fen"] for r in self.node.rows("list", "visit")], [80000])
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

    def test_backup_from_the_page(self):
        """P7: the administrator's button makes what the command makes, into the operator's folder and nowhere else; one at a time; it is in the log and can be restored"""
        admin = self.role("admin")
        self.assertEqual(admin("GET", "backups", status=200).json, {"folder": None, "newest": None, "running": None, "result": None})
        self.error(admin("POST", "backups", {}, status=422), "no_folder")
        self.hub.server.stop()
        refused = self.hub.run("serve", "--backups", self.work / "nowhere", check=False)
        self.assertEqual((refused.rc, "(no_folder)" in refused.err), (1, True), refused)
        folder = self.work / "备份盘"
        folder.mkdir()
        address = self.hub.serve(more=["--backups", folder]).ready["http"]
        self.roles.clear()
        admin, auditor = Api(address), Api(address)
        admin.login("admin1", SECOND)
        self.hub.run("user", "add", "auditor1", "-", "--role", "auditor", stdin=FIRST + "\n")
        auditor.login("auditor1", FIRST)
        auditor("POST", "session/password", {"old": FIRST, "password": SECOND}, status=204)
        # What a hostile administrator sends is no part of a path.
        outside = self.work / "outside.db"
        begun = admin("POST", "backups", {"file": str(outside), "folder": "/", "name": "../outside.db", "user": "别人"}, status=200).json
        self.assertEqual((begun["folder"], begun["running"]["user"] if begun["running"] else begun["result"]["user"]), (str(folder.resolve()), "admin1"))
        ended = wait_for(lambda: (lambda doc: doc if doc["result"] else None)(admin("GET", "backups", status=200).json), "the backup")
        self.assertIsNone(ended["result"]["error"], ended)
        made = pathlib.Path(ended["newest"]["file"])
        self.assertEqual([p for p in folder.iterdir()], [made.parent == folder.resolve() and made])
        self.assertEqual((ended["newest"]["user"], ended["newest"]["checked"], ended["newest"]["there"], ended["newest"]["bytes"], outside.exists()), ("admin1", True, True, made.stat().st_size, False))
        self.assertRegex(made.name, r"^hub-\d{8}-\d{6}-\d{3}\.db$")
        self.assertEqual(made.stat().st_mode & 0o077, 0)
        self.assertLess(admin("GET", "status", status=200).json["backup_age_s"], 600)
        log = auditor("GET", "audit?what=backup", status=200).json["rows"]
        self.assertEqual([(r["user"], r["role"], r["object"], r["detail"].split(" ")[0]) for r in log], [("admin1", "command", str(made), "done"), ("admin1", "admin", str(made), "begun")])
        # One by command is the last one too; a file that was carried away is said to be gone.
        self.hub.run("backup", self.work / "by-command.db", user="技术员")
        self.assertEqual([p.name for p in self.work.iterdir() if p.name.startswith("by-command")], ["by-command.db"])
        made.rename(self.work / "carried-away.db")
        last = admin("GET", "backups", status=200).json["newest"]
        self.assertEqual((last["file"], last["user"], last["there"]), (str(self.work / "by-command.db"), "技术员", True))
        # A folder that is full of them takes no more; one that is gone is said, by the program that runs on.
        for i in range(100):
            (folder / f"hub-{i}.db").touch()
        self.error(admin("POST", "backups", {}, status=409), "too_many")
        shutil.rmtree(folder)
        self.error(admin("POST", "backups", {}, status=422), "no_folder")
        self.assertTrue(self.hub.alive())
        # What was made is what the command makes: it can be restored.
        self.node.add_ids([consultation()])
        self.node.sync()
        self.hub.run("restore", self.work / "carried-away.db")
        self.assertEqual(self.hub.rows("records", "consultation"), [])
        self.node.sync()
        self.assertEqual(len(self.hub.rows("records", "consultation")), 1)
        self.assertTrue(admin("GET", "backups", status=200).json["newest"]["checked"])  # what was restored is a backup of what is there
        self.hub.verify()

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
        for endpoint in ("http://x", "--data=/etc", "", "garbage", "tcp://", "tcp://x", "tcp://:5800", "tcp://x:", "tcp://x:0", "tcp://x:65536", "tcp://x:58a", "tcp://x:5800/y"):
            said = admin("POST", f"stations/{village_code(9)}/kit", {"endpoint": endpoint}, status=422).json["error"]
            self.assertEqual(said["field"], "endpoint", said)
            self.assertNotIn("--", said["text"], "the page's words, not the command line's")
        said = admin("POST", f"stations/{village_code(8)}/kit", {"endpoint": self.hub.endpoint}, status=422).json["error"]
        self.assertEqual((said["code"], said["field"]), ("unknown_station", "code"))
        self.assertNotIn("station add", said["text"])
        number = node.status()["replica"]
        admin("POST", f"stations/{village_code(9)}/revoke", {"replica": number}, status=200)
        self.assertNotEqual(node.run("sync", "--timeout", "5", check=False).rc, 0)
        admin("POST", f"stations/{village_code(9)}/revoke", {"replica": "x"}, status=422)
        # Alarms of a station are closed by who looked into them, with what was found; how much is returned stands on the board.
        for body in ({}, {"note": ""}, {"note": "--help"}, {"note": "字" * 400}, {"note": 5}):
            admin("POST", f"stations/{village_code(9)}/settle", body, status=422)
        admin("POST", f"stations/{village_code(8)}/settle", {"note": "没有这个村"}, status=422)
        self.assertEqual(admin("POST", f"stations/{village_code(9)}/settle", {"note": "旧电脑已收回"}, status=200).json["alarms_closed"], 0)
        self.assertEqual({s["code"]: s["returned"] for s in admin("GET", "stations", status=200).json["stations"]}[village_code(9)], 0)
        log = self.role("auditor")("GET", "audit", status=200).json["rows"]
        self.assertEqual({r["what"] for r in log} & {"station_add", "kit", "revoke", "settle"}, {"station_add", "kit", "revoke", "settle"})

    def test_accounts(self):
        admin = self.role("security")
        admin("POST", "users", {"user": "书记", "role": "leader", "password": FIRST}, status=201)
        self.error(admin("POST", "users", {"user": "书记", "role": "leader", "password": FIRST}, status=409), "user_exists")
        self.error(admin("POST", "users", {"user": "甲", "role": "king", "password": FIRST}, status=422), "bad_code")
        self.error(admin("PATCH", "users/security1", {"disabled": True}, status=403), "own_account")
        self.error(admin("PATCH", "users/nobody", {"disabled": True}, status=404), "no_user")
        leader = self.leader
        admin("PATCH", "users/leader1", {"disabled": True}, status=204)
        self.error(leader("GET", "counts", status=401), "no_session")  # at once
        self.error(Api(self.address)("POST", "session", {"user": "leader1", "password": SECOND}, status=403), "wrong_password")
        admin("PATCH", "users/leader1", {"disabled": False, "password": FIRST}, status=204)
        self.assertTrue(Api(self.address).login("leader1", FIRST).json["must_change"])
        self.assertIn(("书记", "书记", "leader"), [(u["name"], u["person"], u["role"]) for u in admin("GET", "users", status=200).json["users"]])
        # Machines, accounts and the log are three persons'.
        new = lambda name, role, status, **more: admin("POST", "users", {"user": name, "role": role, "password": FIRST, **more}, status=status)
        self.error(new("日志", "auditor", 403, person="security1"), "two_duties")
        new("日志", "auditor", 201, person="赵敏")
        self.error(admin("PATCH", f"users/{quote('日志')}", {"person": " security1"}, status=403), "two_duties")
        self.error(admin("PATCH", "users/security1", {"person": "别人"}, status=403), "own_account")
        self.assertNotEqual(self.hub.run("user", "add", "y", "--role", "security", "--person", "赵敏", check=False).rc, 0)
        log = [(r["what"], r["object"], r["detail"]) for r in self.role("auditor")("GET", "audit", status=200).json["rows"]]
        self.assertIn(("account_add", "日志", "auditor 赵敏"), log)

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
        days = lambda more: self.clerk("GET", f"types/visit/records?{more}", status=200).json["total"]
        self.assertEqual([days("from=2025-01-01&to=2025-12-31"), days("from=2025-12-31"), days("to=2024-12-31"), days(f"from={month}-01")], [1, 0, 0, 1])
        occasion = self.row(self.visits[0], "visit")["fields"]["occasion"]
        self.assertEqual([days(f"to=2025-12-31&f.occasion={occasion}"), days("to=2025-12-31&f.occasion=routine")], [1, 0])
        self.error(self.clerk("GET", "types/visit/records?from=2025-02-30", status=422), "bad_date")
        self.assertEqual(doc["due_days"], 5)
        self.clerk("POST", "types/setting/records", {"fields": {"key": "report_days", "value": "9"}}, status=201)
        self.assertEqual(self.clerk("GET", "months?type=visit&year=2025", status=200).json["due_days"], 9)
        self.error(self.clerk("POST", "types/setting/records", {"fields": {"key": "reportdays", "value": "9"}}, status=422), "unknown_setting")
        self.error(self.clerk("GET", "types/visit/records?month=x", status=422), "bad_date")
        self.error(self.clerk("GET", "months?type=notice&year=2025", status=422), "no_months")
        self.error(self.clerk("GET", "months?year=2025", status=422), "required")

    def test_filters_that_somebody_keeps(self):
        """P11, P12: at the hub, so that they are there from any PC; each user's own; no more than twenty"""
        kept = [{"name": "待核走访", "to": "/list/visit?state=submitted"}, {"name": "李", "to": "/list/person?q=" + quote("李")}]
        self.assertEqual(self.clerk("GET", "filters", status=200).json, {"filters": []})
        self.clerk("PUT", "filters", {"filters": kept}, status=204)
        self.assertEqual(self.other("GET", "filters", status=200).json, {"filters": []})
        for bad in (None, {"filters": "x"}, {"filters": None}):
            self.error(self.clerk("PUT", "filters", bad or {}, status=422), "required")
        for row in ({"name": "", "to": "/list/visit"}, {"name": "x" * 41, "to": "/list/visit"}, {"name": "x", "to": "https://example.org/"}, {"name": "x", "to": "/list/" + "x" * 395}, {"name": "x\n", "to": "/list/visit"}, {"name": 1, "to": "/list/visit"}, "x"):
            self.error(self.clerk("PUT", "filters", {"filters": [row]}, status=422), "bad_filter")
        self.error(self.clerk("PUT", "filters", {"filters": kept[:1] * 21}, status=413), "too_many")
        self.hub.server.stop()
        self.hub.serve()
        again = Api(self.hub.server.ready["http"])
        again.login("clerk1", SECOND)
        self.assertEqual(again("GET", "filters", status=200).json, {"filters": kept})
        again("PUT", "filters", {"filters": []}, status=204)
        self.assertEqual(again("GET", "filters", status=200).json, {"filters": []})

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
        other = self.other
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

    def test_numbers_that_people_typed_are_covered(self):
        """P11: an ID number in a remark, a title or a reason is covered like one in its own field, for leaders mobile numbers too; the village and
        a reveal that is logged show it"""
        number, phone = self.row(self.people[0])["fields"]["id_no"], "13800001234"
        typed = f"陪同张某{number}家属{phone}"
        made = {"visit": self.node.add_ids([visit([self.people[0]], visitors=typed, findings=typed)])[0]}
        self.node.sync()
        for kind, fields in (("notice", {"title": typed, "body": typed, "published_on": "2025-01-01", "need_receipt": False}),
                             ("activity", {"place_text": typed, "on": "2025-03-01", "kind": "talk", "session_count": 1, "is_voluntary": False}),
                             ("period_lock", {"from_on": "2024-01-01", "to_on": "2024-01-31", "locked_on": "2025-01-01", "reason": typed})):
            answer = self.clerk("POST", f"types/{kind}/records", {"fields": fields, **({"station": village_code(1)} if kind == "activity" else {})})
            self.assertEqual(answer.status, 201, answer)
            made[kind] = answer.json["id"]
            self.assertNotIn(number, answer.raw.decode())
            self.assertTrue(answer.json["masked"])
        self.clerk("POST", f"records/{made['visit']}/reveal", {"reason": f"核对{number}和{phone}"}, status=200)
        version = self.clerk("POST", "summaries", {"year": 2025}, status=201).json["id"]
        rev = self.clerk("GET", f"summaries/{version}", status=200).json["rev"]
        self.clerk("PATCH", f"summaries/{version}", {"text": f"# 联系人{typed}", "rev": rev}, status=200)
        self.hub.run("token", "add", f"表{number}")
        for role in ("leader", "auditor", "clerk"):
            api = self.role(role)
            secrets = [number] + [phone] * (role != "clerk")
            for path, methods in api.document["paths"].items():
                if "get" not in methods or "{file}" in path:
                    continue
                for kind, record in [*made.items(), ("report_snapshot", version)][:None if "{id}" in path or "{type}" in path else 1]:
                    name = path.removeprefix("/api/v1/").replace("{type}", kind).replace("{id}", record).replace("{indicator}", "I12")
                    name = name.replace("{kind}", "returned").replace("{check}", "missing").replace("{token}", "x").replace("{name}", "x")
                    for more in ("?year=2025", f"?format=html&q={number}", f"?station={number}"):
                        text = api.raw("GET", "/api/v1/" + name + more, None, {"Cookie": api.cookie}).raw.decode(errors="replace")
                        for secret in secrets:
                            self.assertNotIn(secret, text, f"{role} {name}{more}")
        row = self.leader("GET", f"records/{made['visit']}", status=200).json
        self.assertEqual(row["fields"]["visitors"], f"陪同张某{number[:4]}************{number[-2:]}家属138****34")
        self.assertEqual(self.clerk("GET", f"types/visit/records?q={number[:17]}", status=200).json["total"], 0)
        self.assertEqual(self.clerk("POST", f"records/{made['visit']}/reveal", {"reason": "核对"}, status=200).json["fields"]["visitors"], typed)
        self.assertEqual([r["fields"]["visitors"] for r in self.node.rows("list", "visit") if r["id"] == made["visit"]], [typed])
        self.assertEqual(self.leader("GET", "stations", status=200).json["stations"][0]["code"][:6], village_code(1)[:6])
        # What is covered is not written back over what it stands for.
        shown = self.clerk("GET", f"records/{made['notice']}", status=200).json["fields"]
        self.error(self.clerk("PATCH", f"records/{made['notice']}", {"fields": {"body": shown["body"] + "。"}}, status=422), "covered")
        shown = self.clerk("GET", f"summaries/{version}", status=200).json
        self.error(self.clerk("PATCH", f"summaries/{version}", {"text": shown["text"], "rev": shown["rev"]}, status=422), "covered")
        self.clerk("PATCH", f"records/{made['notice']}", {"fields": {"body": typed + "。"}, "was": {"body": typed}}, status=200)
        db = sqlite3.connect(f"file:{self.hub.dir / 'hub.db'}?mode=ro", uri=True)
        self.addCleanup(db.close)
        for (view,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            rows = str(db.execute(f'SELECT * FROM "{view}"').fetchall())
            self.assertNotIn(number, rows, view)
        self.assertIn("号码", db.execute("SELECT visitors FROM v_visit WHERE visitors <> '书记甲'").fetchone()[0])
        self.assertEqual(db.execute("SELECT visitors FROM v_visit WHERE visitors = '书记甲'").fetchone()[0], "书记甲")

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


class Rules(WithTown):
    """What holds whoever asks: page, command or table."""

    def test_commands_are_in_the_audit_log(self):
        """P11: who did what by command, with its outcome; no secret, no whole number of a person"""
        number = self.row(self.people[0])["fields"]["id_no"]
        made = self.hub.run("user", "add", "新管理员", "--role", "admin", "--json", user="技术员").json()
        self.hub.run("user", "disable", "新管理员", user="技术员")
        self.hub.run("user", "disable", "没有这个人", user="技术员", check=False)
        token = self.hub.run("token", "add", "表格", "--json", user="技术员").out
        self.hub.run("token", "revoke", "表格", user="技术员")
        self.hub.run("approve", "visit", user="技术员")
        self.hub.run("add", "-", user="技术员", stdin=json.dumps({"id": self.visits[0], "delete": True, "reason": "误录"}) + "\n")
        self.hub.run("records", "person", "--where", f"id_no={number}", user="技术员")
        self.hub.run("backup", str(self.work / "copy.db"), user="技术员")
        self.hub.run("user", "add", check=False)  # a slip
        rows = self.role("auditor")("GET", "audit?user=" + quote("技术员"), status=200).json["rows"][::-1]
        self.assertEqual([(r["what"], r["object"], r["detail"].split(" ")[0]) for r in rows], [
            ("account_add", "新管理员", "done"), ("account_disable", "新管理员", "done"), ("account_disable", "没有这个人", "failed"), ("token_add", "表格", ""),
            ("token_revoke", "表格", ""), ("approve", "visit", "done"), ("add", "-", "done"), ("view", "person", "shown"), ("backup", str(self.work / "copy.db"), "done")])
        self.assertTrue(all(r["role"] == "command" for r in rows))
        everything = json.dumps(rows, ensure_ascii=False)
        for secret in (made["password"], number):
            self.assertNotIn(secret, everything)
        self.assertIn("--role admin", rows[0]["detail"])
        for word in token.split('"'):
            self.assertTrue(len(word) < 20 or word not in everything)
        # nobody named: whose process it was
        run([self.hub.bin, "held", "--data", self.hub.dir])
        shown = self.role("auditor")("GET", "audit?what=view", status=200).json["rows"][0]
        self.assertEqual((shown["user"], shown["object"]), (getpass.getuser(), ""))
        self.assertIsNone(self.role("auditor")("GET", "audit?verify=1", status=200).json["first_bad"])

    def test_a_command_and_the_registry_keep_the_rules_of_the_page(self):
        """P10, P11: bounds of a setting, an area that is none, one opening inside another; a station's rows come and go with the registry alone; filters of a clerk"""
        said = lambda line: self.hub.add([line], check=False)[0]["error"]["code"]
        opening = {"indicator": "I12b", "area_code": "999999101999", "as_of": "2024-12-31", "value": 100, "is_approx": False, "evidence": uuid7(), "approved_by": uuid7()}
        self.assertEqual(said({"type": "setting", "fields": {"key": "complete_days", "value": "99999"}}), "out_of_range")
        self.assertEqual(said({"type": "setting", "fields": {"key": "backlog_days", "value": "9"}}), "unknown_setting")
        aid = {"person_id": self.people[0], "state": "draft", "publicity_from": "2025-03-07", "publicity_to": "2025-03-12"}  # a Friday, a Wednesday
        self.assertEqual(said({"type": "aid_case", "station": village_code(1), "fields": aid}), "publicity_short")
        self.hub.add([{"type": "aid_case", "station": village_code(1), "fields": {**aid, "publicity_to": "2025-03-13"}}])
        self.assertEqual(said({"type": "opening_balance", "fields": opening}), "unknown_area")
        self.clerk("POST", "types/opening_balance/records", {"fields": {**opening, "area_code": "999999101000", "value": 40}}, status=201)
        inside = self.clerk("POST", "types/opening_balance/records", {"fields": {**opening, "area_code": village_code(1), "value": 7}}, status=422)
        self.error(inside, "overlaps")
        self.assertIn("2024-12-31", inside.json["error"]["text"])
        self.assertEqual(self.leader("GET", "counts?indicators=I12b", status=200).json["indicators"]["I12b"]["opening"], 40)
        for kind, code in (("station", "area_code"), ("area_unit", "code")):
            mine = next(r["id"] for r in self.hub.rows("records", kind) if r["fields"][code] == village_code(1))
            self.error(self.clerk("PATCH", f"records/{mine}", {"delete_reason": "不要了", "rev": self.clerk.revs(mine)[0]}, status=403), "use_registry")
            self.clerk("PATCH", f"records/{mine}", {"fields": {code: village_code(1), "name": "示例村"}}, status=200)
            self.error(self.clerk("PATCH", f"records/{mine}", {"fields": {code: "999999101250"}}, status=403), "use_registry")
            self.error(self.clerk("POST", f"types/{kind}/records", {"fields": {code: "999999101250", "name": "新村", "level": "village"}}, status=403), "use_registry")
            self.assertEqual(said({"id": mine, "delete": True, "reason": "不要了"}), "use_registry")
        self.assertEqual(self.leader("GET", "counts?indicators=I01", status=200).json["indicators"]["I01"]["value"], 2)
        self.assertEqual(self.clerk("GET", "types/person/records?f.difficulty=none", status=200).json["total"], 2)
        answer = self.clerk("GET", "types/person/records?f.bank_name=x", status=403).json["error"]
        self.assertEqual((answer["code"], "“开户行”" in answer["text"]), ("not_allowed", True))
        self.leader("GET", "types/person/records?f.difficulty=none", status=403)
        self.cli_refused(self.hub.run("user", "add", "某人", "-", "--role", "clerk", "--json", stdin="Password\n", check=False), "password_common")
        self.hub.verify()

    def test_a_notice_is_listed_where_it_is_for(self):
        """P11: every station has it; a village's page lists, finds and counts those that are for it; villages that there are not are refused, whoever asks"""
        fields = lambda title, **more: {"title": title, "body": "请看完后确认。", "published_on": "2025-03-01", "need_receipt": True, "state": "verified", **more}
        made = lambda title, status=201, **more: self.clerk("POST", "types/notice/records", {"fields": fields(title, **more)}, status=status)
        for code in ("999999101999", "999999101000"):
            answer = made("发错的通知", 422, stations=[village_code(1), code])
            self.error(answer, "unknown_station")
            self.assertEqual((answer.json["error"]["field"], code in answer.json["error"]["text"]), ("stations", True))
        self.assertEqual(self.hub.add([{"type": "notice", "fields": fields("发错的通知", stations=["999999101999"])}], check=False)[0]["error"]["code"], "unknown_station")
        self.error(made("发错的通知", 422, stations=["x"]), "too_short")
        ours, other, everybody = (made(title, **more).json["id"] for title, more in (
            ("一村的走访安排", {"stations": [village_code(1)]}), ("二村的走访安排", {"stations": [village_code(2)]}), ("全镇的走访安排", {})))
        one, two = self.t.v[1], self.t.v[2]
        listed, found = {}, {}
        for node in (one, two):
            node.sync()
            self.assertEqual({r["id"] for r in node.list("notice")}, {ours, other, everybody})  # it is no secret
            node.run("user", "add", "王秘书", "-", stdin="135792\n")
            node.serve()
            api = Api(node.server.ready["http"])
            api.login("王秘书", "135792")
            page = api("GET", "types/notice/records", status=200).json
            self.assertEqual(page["total"], len(page["records"]))
            listed[node.code] = {r["id"] for r in page["records"]}
            found[node.code] = {r["id"] for r in api("GET", "search?others=1&q=" + quote("走访安排"), status=200).json["others"]}
            api("GET", f"records/{other}", status=200)
            node.stop()
        self.assertEqual(listed, {one.code: {ours, everybody}, two.code: {other, everybody}})
        self.assertEqual(found, listed)
        # Whom it is for is changed like anything else; nobody named again is all.
        self.clerk("PATCH", f"records/{ours}", {"fields": {"stations": None}, "was": {"stations": [village_code(1)]}}, status=200)
        self.error(self.clerk("PATCH", f"records/{ours}", {"fields": {"stations": ["999999101999"]}}, status=422), "unknown_station")
        self.hub.verify()

    def test_the_audit_log_outlives_the_server(self):
        """P7: a cut log, and one begun anew, show; a backup brings the log back, behind it what was written since; a longer log is never made shorter"""
        auditor, copy = self.role("auditor"), self.work / "with-log.backup"
        self.clerk("POST", f"records/{self.people[0]}/reveal", {"reason": "核对身份证"}, status=200)
        self.hub.run("backup", copy)
        db = lambda sql: sqlite3.connect(self.hub.dir / "audit.db").execute(sql).fetchall()
        chain = lambda: {k: v for k, v in auditor("GET", "audit?limit=1&verify=1", status=200).json.items() if k != "rows"}
        before = db("SELECT n, what, hash FROM audit ORDER BY n")
        self.assertEqual(chain(), {"entries": len(before), "first_bad": None, "missing_from": None})
        self.hub.run("restore", copy)  # older than the log that is here
        now = db("SELECT n, what, hash FROM audit ORDER BY n")
        self.assertEqual((now[:len(before)], now[-1][1]), (before, "restore"))
        self.hub.run("backup", self.work / "again.backup")
        cut = sqlite3.connect(self.hub.dir / "audit.db")
        with cut:
            cut.execute("DELETE FROM audit WHERE n > 3")
        cut.close()
        self.assertEqual(chain(), {"entries": 3, "first_bad": None, "missing_from": 4})
        self.hub.stop()
        for name in ("audit.db", "audit.db-wal", "audit.db-shm"):
            (self.hub.dir / name).unlink(missing_ok=True)
        self.hub.serve()
        auditor = Api(self.hub.server.ready["http"])
        auditor.login("auditor1", SECOND)
        self.assertEqual((chain()["entries"], chain()["missing_from"]), (1, 2))
        self.hub.run("restore", self.work / "again.backup")
        self.assertEqual(db("SELECT n, what, hash FROM audit ORDER BY n")[:len(now)], now)
        self.assertEqual([r[0] for r in db("SELECT what FROM audit ORDER BY n DESC LIMIT 2")], ["restore", "login"])
        self.assertEqual((chain()["first_bad"], chain()["missing_from"]), (None, None))
        self.hub.verify()
