"""Twenty people at the town's page while 64 villages' PCs, real processes, report what they entered offline: issue 5's proof line. Every
answer is whole, of one moment and nobody else's; everything arrives once (P3, P4, P10, P11). Programs without sanitizers: what is
looked for here is what many do at once."""
import collections
import concurrent.futures
import contextlib
import copy
import csv
import datetime
import io
import json
import threading
import zipfile
from urllib.parse import quote

from api import Api
from harness import RELEASE, Case, Town, consultation, facility, lm_nodes_of_db, person, reception, uuid7, village_code, visit, wait_for

VILLAGES = 64
FIRST_ONES = 8  # drain before the others start: so everybody is seen to see a middle
CONSULTATIONS = 25
RECEPTIONS = 3
# What one village has in its queue when the hub is met: creations, one edit, one deletion.
QUEUED = 2 + 1 + 2 + CONSULTATIONS + RECEPTIONS + 2
ITEMS = CONSULTATIONS - 1 + 2  # one is deleted, one edited from 1 to 3 items
PASSWORD = "first-Passw0rd"
MOST = 500  # rows of one answer


def lines_of(code):
    """A village's work of some days without a network."""
    people = [person(code, {"ref": "p1"}), person(code)]
    talks = [consultation({"ref": f"c{i}"}) for i in range(CONSULTATIONS)]
    return people + [visit(["@p1"]), facility(), facility(kind="office")] + talks + [reception() for _ in range(RECEPTIONS)] + [
        {"id": "@c0", "fields": {"item_count": 3}}, {"id": "@c1", "delete": True, "reason": "重复录入"}]


class Quick(Api):
    """Holds the first answer of each kind against openapi.json: the same server gives the others, and to judge all would take longer than to
    give them."""

    def check(self, method, path, answer):
        kind = (method, path.split("/")[3], path.count("/"), answer.status)
        if answer.status >= 500 or kind not in self.seen:
            super().check(method, path, answer)
            self.seen.add(kind)


class Somebody(threading.Thread):
    """One person of the town at the page: rounds of what his role does, until all is there, and one round more."""

    def __init__(self, case, api, n, name, round_):
        super().__init__(name=name)
        self.case, self.api, self.n, self.round_ = case, api, n, round_
        self.rounds, self.failure = 0, None
        self.seen = collections.defaultdict(int)  # what never gets fewer: nothing that was there is gone
        self.middles = 0  # rounds in which some of what the villages have was there, not all

    def run(self):
        try:
            last = False
            while not last:
                last = self.case.all_there.is_set() or self.case.over.is_set()
                self.round_(self)
                self.rounds += 1
                self.case.all_there.wait(0.2)  # nobody clicks without looking
        except BaseException as why:  # noqa: BLE001: told by the test, and the others stop
            self.failure = f"{self.name}, round {self.rounds}: {type(why).__name__}: {str(why)[:2000]}"
            self.case.over.set()

    # ---- answers, and what holds of each by itself ----

    def get(self, path):
        return self.api("GET", path, status=200).json

    def post(self, path, body, status=200):
        return self.api("POST", path, body, status=status).json

    def same(self, got, wanted, what):
        if got != wanted:
            raise AssertionError(f"{what}: {got} and {wanted}")

    def grows(self, what, n):
        if n < self.seen[what]:
            raise AssertionError(f"{what}: {n} after {self.seen[what]}")
        self.seen[what] = n

    def rows(self, path, limit=MOST):
        """A list from its beginning: as many rows as it says, each once."""
        page = self.get(f"{path}{'&' if '?' in path else '?'}limit={limit}")
        ids = [r["id"] for r in page["records"]]
        self.same(len(ids), min(page["total"], limit), f"rows and total of {path}")
        self.same(len(set(ids)), len(ids), f"rows of {path}, each once")
        return page

    def coverage(self, c, where):
        self.same(c["complete"] + len(c["stale"]) + len(c["never"]), VILLAGES, f"coverage of {where}")
        self.same((c["held"], c["conflicts"]), (0, 0), f"held and conflicts of {where}")

    def figures(self, indicators, more=""):
        doc = self.get(f"counts?indicators={','.join(indicators)}&by=village{more}")
        self.coverage(doc["coverage"], "counts")
        for name in indicators:
            f = doc["indicators"][name]
            self.same(sum(g["value"] for g in f["groups"]), f["value"] or 0, f"{name} and its villages")
        return {name: {g["key"]: g["value"] for g in doc["indicators"][name]["groups"]} for name in indicators}

    def board(self):
        """The list of stations says the same as the coverage above it."""
        doc, week = self.get("stations"), datetime.timedelta(days=7)
        self.coverage(doc["coverage"], "stations")
        villages = [s for s in doc["stations"] if s["level"] == "village"]
        self.same(len(villages), VILLAGES, "villages of the board")
        since = datetime.datetime.now(datetime.timezone.utc) - week
        complete = [s for s in villages if all(r["complete_through"] and datetime.datetime.fromisoformat(r["complete_through"].replace("Z", "+00:00")) >= since for r in s["replicas"])]
        self.same(doc["coverage"]["complete"], len(complete), "complete villages of the board, and rows that are")
        self.same([s["alarms"] for s in villages if s["alarms"]], [], "alarms")
        acked = sum(r["acked"] for s in villages for r in s["replicas"])
        self.grows("acked", acked)
        self.middles += 0 < acked < VILLAGES * QUEUED


class Crowd(Case):
    weight = 8

    def setUp(self):
        super().setUp()
        self.t = Town(self, villages=VILLAGES, bin_dir=RELEASE, serve=False)
        self.hub = self.t.hub
        self.all_there, self.over, self.lock = threading.Event(), threading.Event(), threading.Lock()
        self.approved, self.returned, self.entered = set(), {}, set()
        self.told = collections.Counter()

    # ---- who does what; each round by one person ----

    def leader(self, me):
        v = village_code(1 + (me.rounds * 5 + me.n) % VILLAGES)
        me.coverage(me.get("status")["coverage"], "status")
        me.coverage(me.get("counts")["coverage"], "counts")
        first = me.figures(("I19v", "I18a", "I12"))
        behind = me.rows(f"counts/I18a/rows?by=village&key={v}")
        then = me.figures(("I19v", "I18a", "I12"), f"&station={v}")
        me.same({r["village_code"] for r in behind["records"]} - {v}, set(), "villages of one village's rows")
        if not first["I18a"].get(v, 0) <= behind["total"] <= then["I18a"].get(v, 0):
            raise AssertionError(f"{v}: {first['I18a'].get(v)}, then {behind['total']} rows, then {then['I18a'].get(v)}")
        me.rows("counts/I18a/rows")
        files = me.rows("counts/I10d/rows")
        me.same([r["id"] for r in files["records"] if not r.get("masked") or "id_no" in r["fields"] and "*" not in r["fields"]["id_no"]], [], "files whose number a leader sees")
        for code, n in first["I19v"].items():
            me.grows(f"consultations of {code}", n)
        me.get("targets?year=2025")
        me.board()
        me.api("POST", "audit/note", {"what": "export", "object": "counts", "detail": "xlsx"}, status=204)
        paper = me.api("GET", "summary?year=2025&format=docx", status=200)
        me.same(zipfile.ZipFile(io.BytesIO(paper.raw)).testzip(), None, "the summary's document")
        for lock in me.get("settings")["locks"]:  # opened by who did not lock it
            answer = me.api("POST", f"records/{lock['id']}/return", {"note": "还要补录", "rev": lock["rev"]})
            self.told[f"opened {answer.status}"] += 1
            me.same(answer.status in (200, 403, 404, 409), True, f"opening a period: {answer}")

    def clerk(self, me):
        v = 1 + (me.rounds * 7 + me.n) % VILLAGES
        status = me.get("status")
        me.coverage(status["coverage"], "status")
        me.same(status["to_verify"] <= VILLAGES * 2, True, "files to verify")
        for kind in ("person", "reception", "consultation", "visit", "facility"):
            me.rows(f"types/{kind}/records?f.state=submitted", 1)
        for kind in ("returned", "held", "conflicts", "duplicates", "transfers"):
            me.same(me.get(f"review/{kind}")["rows"] if kind != "returned" else [], [], kind)
        talks = me.rows(f"types/consultation/records?station={village_code(v)}")
        me.same({r["village_code"] for r in talks["records"]} - {village_code(v)}, set(), "villages of one village's list")
        me.grows(f"consultations of {v}", talks["total"])
        me.rows("types/reception/records")
        me.board()
        self.acts[me.n % len(self.acts)](me, v)
        # A list taken away, as the page does: in parts, while it grows. What was there at the beginning is in it.
        before = {r["id"] for r in me.rows("types/person/records")["records"]}
        found, total, offset = set(), 1, 0
        while offset < total:
            page = me.get(f"types/person/records?limit=50&offset={offset}")
            found |= {r["id"] for r in page["records"]}
            total, offset = page["total"], offset + 50
        me.same(before - found, set(), "files that an export lacks")
        me.api("POST", "audit/note", {"what": "export", "object": "person", "detail": f"xlsx {len(found)}"}, status=204)

    def verify(self, me, v):
        """Those that wait, ten at a time; another does the same, and each is verified by one of them."""
        waiting = {r["id"]: r["rev"] for r in me.rows("types/facility/records?f.state=submitted")["records"][:10]}
        if waiting:
            done = me.post("review/approve", {"type": "facility", "ids": list(waiting), "revs": waiting})
            left = {row["id"] for row in done["left"]}
            me.same(done["approved"] + len(left), len(waiting), f"verified and left of {len(waiting)}")
            with self.lock:
                me.same(self.approved & (set(waiting) - left), set(), "verified twice")
                self.approved |= set(waiting) - left

    def send_back(self, me, v):
        for row in me.rows(f"types/visit/records?station={village_code(v)}&f.state=submitted")["records"]:
            me.post(f"records/{row['id']}/return", {"note": f"请补充走访人员{me.n}", "rev": row["rev"]})
            self.returned[row["id"]] = (v, f"请补充走访人员{me.n}")
            me.same(me.get(f"records/{row['id']}")["state"], "returned", "the state of what was sent back")

    def send_back_many(self, me, v):
        waiting = {r["id"]: r["rev"] for r in me.rows(f"types/reception/records?station={village_code(v)}&f.state=submitted")["records"]}
        ids = list(waiting)
        if ids:
            done = me.post("review/step", {"type": "reception", "ids": ids, "revs": waiting, "from": "submitted", "to": "returned", "note": "请写明答复"})
            me.same((done["done"], done["left"]), (len(ids), []), "sent back together")
            self.returned.update({one: (v, "请写明答复") for one in ids})

    def on_behalf(self, me, v):
        """The same save twice, as after an answer that got lost."""
        made = uuid7()
        for _ in range(2):
            me.post("types/consultation/records", {"id": made, "station": village_code(v), "fields": consultation()["fields"]}, 201)
        with self.lock:
            self.entered.add(made)
        me.same(me.post(f"records/{made}/reveal", {"reason": "核对录入"})["fields"]["topic"], "policy", "what was entered")

    def opening(self, me, v):
        """An opening balance by one, verified by another; a month locked, which a leader opens."""
        wanted = {"indicator": "I27", "area_code": village_code(1 + me.rounds % VILLAGES), "as_of": "2024-12-31", "value": 3, "is_approx": False, "evidence": uuid7(), "approved_by": uuid7()}
        if me.rounds < VILLAGES:
            made = me.post("types/opening_balance/records", {"fields": wanted}, 201)
            me.same([left["code"] for left in me.post("review/approve", {"type": "opening_balance", "ids": [made["id"]], "revs": {made["id"]: made["rev"]}})["left"]], ["second_person"], "one's own opening balance")
        if not me.get("settings")["locks"]:
            month = f"{2010 + me.rounds // 12}-{me.rounds % 12 + 1:02}"
            lock = me.post("types/period_lock/records", {"fields": {"from_on": f"{month}-01", "to_on": f"{month}-28", "locked_on": "2025-01-01"}}, 201)
            me.api("PATCH", f"records/{lock['id']}", {"fields": {"state": "verified"}, "rev": lock["rev"]}, status=200)
            self.told["locked"] += 1

    def second(self, me, v):
        waiting = {r["id"]: r["rev"] for r in me.rows("types/opening_balance/records?f.state=submitted")["records"]}
        if waiting:
            self.told["openings"] += me.post("review/approve", {"type": "opening_balance", "ids": list(waiting), "revs": waiting})["approved"]

    def views(self, me, v):
        mine = [{"name": f"第{me.rounds}次", "to": f"/list/person?state=submitted&station={village_code(v)}"}]
        me.api("PUT", "filters", {"filters": mine}, status=204)
        me.same(me.get("filters")["filters"], mine, "kept filters, mine alone")
        me.get("quality")
        me.get("months?type=visit&year=2025")

    def auditor(self, me):
        me.same(me.get("audit?limit=100&verify=1")["first_bad"], None, "the log's chain")
        log = me.get("audit?limit=100")["rows"]
        me.same([r["n"] for r in log], list(range(log[0]["n"], log[0]["n"] - len(log), -1)), "numbers of the log")
        me.grows("log", log[0]["n"])
        whole = list(csv.reader(io.StringIO(me.api("GET", "audit/export", status=200).raw.decode("utf-8-sig"))))
        me.same(len(whole) - 1 >= me.seen["log"], True, "rows of the log taken away")
        me.api("GET", "types/person/records", status=403)

    def admin(self, me):
        me.board()
        name = f"表{me.rounds}"
        path = me.post("tokens", {"name": name}, 201)["path"]
        for kind in ("csv", "xlsx"):
            answer = me.api.raw("GET", f"{path}/counts.{kind}?indicator=I19v&by=village")
            me.same(answer.status, 200, f"figures for Excel: {answer}")
        me.api("DELETE", f"tokens/{quote(name)}", status=204)
        me.api("GET", "types/person/records", status=403)

    def security(self, me):
        me.same(len(me.get("users")["users"]), len(self.crowd) + 1, "accounts")  # and the first administrator's
        me.get("accounts")
        me.api("GET", "counts", status=403)

    # ---- the test ----

    def seat(self, everybody):
        """An account each, and all logged in. One is made by command; the others are copies of it, for which no password is worked out
        again."""
        self.hub.run("user", "add", "first", "-", "--role", "clerk", stdin=PASSWORD + "\n")
        with contextlib.closing(self.hub.db()) as db, db:
            for n, (role, _) in enumerate(everybody):
                db.execute("INSERT INTO users(name, id, role, password, disabled, created_ms, must_change, person)"
                           " SELECT ?, ?, ?, password, 0, created_ms, 0, ? FROM users WHERE name = 'first'", (f"{role}{n}", uuid7(), role, f"{role}{n}"))
            db.execute("DELETE FROM users WHERE name = 'first'")
        stranger = Quick(self.hub.serve().ready["http"])

        def take(place):
            n, (role, round_) = place
            api = copy.copy(stranger)
            api.seen = set()
            api.login(f"{role}{n}", PASSWORD)
            return Somebody(self, api, n, f"{role}{n}", round_)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(take, enumerate(everybody)))

    def test_twenty_people_while_64_nodes_drain(self):
        """P3, P4, P10, P11: 20 sessions read, export and act while 64 queues drain"""
        made, codes = {}, {v: village_code(v) for v in self.t.v}
        drainers = concurrent.futures.ThreadPoolExecutor(VILLAGES)  # a process ends with the thread that began it
        self.addCleanup(drainers.shutdown)
        self.acts = [self.verify, self.send_back, self.on_behalf, self.opening, self.verify, self.send_back_many, self.second, self.views]
        self.crowd = self.seat([("clerk", self.clerk)] * 11 + [("leader", self.leader)] * 5 + [("auditor", self.auditor)] * 2 + [("admin", self.admin), ("security", self.security)])
        self.assertEqual(len(self.crowd), 20)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda v: self.t.v[v].enrol(self.t.kits[v]), self.t.v))
            answers = pool.map(lambda v: self.t.v[v].add_ids(lines_of(codes[v])), self.t.v)
            made = dict(zip(self.t.v, answers))

        def drain(v):
            node = self.t.v[v]
            node.serve()
            node.sync(timeout_s=120)  # asks the running server, and ends when its queue is empty

        for somebody in self.crowd:
            somebody.start()
        try:
            list(drainers.map(drain, list(self.t.v)[:FIRST_ONES]))
            at = [s.rounds for s in self.crowd]
            wait_for(lambda: self.over.is_set() or all(s.rounds > was + 1 for s, was in zip(self.crowd, at)), "a round of everybody", 90, 0.1)
            list(drainers.map(drain, list(self.t.v)[FIRST_ONES:]))
        finally:
            self.all_there.set()
            for somebody in self.crowd:
                somebody.join()
        self.assertEqual([s.failure for s in self.crowd if s.failure], [])
        self.assertEqual([s.name for s in self.crowd if s.middles == 0 and "auditor" not in s.name and "security" not in s.name], [], "who saw nothing while it drained")
        self.check(made)

    def check(self, made):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda v: self.t.v[v].sync(), range(1, FIRST_ONES + 1)))  # what the town decided has come down
            statuses = list(pool.map(lambda node: node.status(), self.t.v.values()))
        self.assertEqual([s for s in statuses if s["pending"] or s["held"] or s["conflicts"]], [])
        kinds = ["person"] * 2 + ["visit"] + ["facility"] * 2 + ["consultation"] * CONSULTATIONS + ["reception"] * RECEPTIONS
        wanted = collections.defaultdict(set)
        for ids in made.values():
            for kind, one in zip(kinds, ids):
                wanted[kind].add(one)
            wanted["consultation"].discard(ids[5 + 1])
        wanted["consultation"] |= self.entered
        rows = {kind: self.hub.rows("records", kind) for kind in wanted}
        for kind, ids in wanted.items():
            got = [r["id"] for r in rows[kind]]
            self.assertEqual((len(got), set(got) ^ ids), (len(ids), set()), kind)
        per_replica = lm_nodes_of_db(self.hub.dir / "hub.db", "SELECT count(*), count(DISTINCT hlc), count(DISTINCT seq), max(seq), min(code), max(code) FROM journal WHERE replica <> 0 AND kind = 0 GROUP BY replica")
        self.assertEqual([tuple(r) for r in per_replica], [(QUEUED, QUEUED, QUEUED, QUEUED, "", "")] * VILLAGES, "each change of each PC once")
        figures = self.hub.json("count", "I19v", "I18a", "I12", "I27")["indicators"]
        back = {kind: {r["id"] for r in rows[kind] if r["state"] == "returned"} for kind in rows}
        self.assertEqual(back["visit"] | back["reception"], set(self.returned))
        self.assertTrue(back["visit"] and back["reception"] and self.entered and self.told["openings"] and self.told["locked"] and self.told["opened 200"], self.told)
        self.assertEqual((figures["I19v"]["value"], figures["I18a"]["value"], figures["I12"]["value"]),
                         (VILLAGES * ITEMS + len(self.entered), VILLAGES * RECEPTIONS - len(back["reception"]), VILLAGES - len(back["visit"])))
        openings = collections.Counter(r["state"] for r in self.hub.rows("records", "opening_balance"))
        self.assertEqual((openings["verified"], figures["I27"]["opening"]), (self.told["openings"], 3 * openings.total()), openings)
        verified = {r["id"] for r in rows["facility"] if r["state"] == "verified"}
        self.assertEqual(verified, self.approved)
        self.assertTrue(verified)
        for v, node in list(self.t.v.items())[:FIRST_ONES]:
            self.assertEqual({r["id"] for r in node.list("facility", "--where", "state=verified")}, verified & set(made[v]))
            notes = {r["id"]: r["fields"].get("return_note") for kind in ("visit", "reception") for r in node.list(kind, "--where", "state=returned")}
            self.assertEqual(notes, {one: note for one, (w, note) in self.returned.items() if w == v})
        self.hub.verify()
        print(f"note: {len(per_replica)} PCs × {QUEUED} changes; {sum(s.rounds for s in self.crowd)} rounds of {len(self.crowd)} people, at least {min(s.rounds for s in self.crowd)}; {len(verified)} verified, "
              f"{len(self.returned)} sent back, {len(self.entered)} entered, {self.told['openings']} openings", flush=True)
