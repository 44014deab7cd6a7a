"""The node's API as its page and a hostile neighbour use it, over real HTTP: accounts and sessions, records, drafts, search,
events; every answer is held against openapi.json (api.py)."""
import gzip
import http.client
import json
import os
import socket
import threading
import unittest
from urllib.parse import quote

import harness
from api import Api
from harness import Case, Server, Town, consultation, person, reception, uuid7, village_code, visit, wait_for

SECRETARY = ("王秘书", "135792")


class WithPage(Case):
    """A town of one village whose node serves, with an administrator and a secretary."""

    def setUp(self):
        super().setUp()
        self.t = Town(self, villages=1)
        self.node = self.t.v[1]
        self.node.run("user", "add", "管理员", "-", "--role", "admin", stdin="246813\n")
        self.node.run("user", "add", SECRETARY[0], "-", stdin=SECRETARY[1] + "\n")
        self.node.serve()
        self.api = Api(self.node.server.ready["http"])
        self.api.login(*SECRETARY)

    def save(self, line, status=201, api=None):
        """A creation with an id of its own. The record."""
        record_id = line.get("id") or uuid7()
        return (api or self.api)("POST", f"types/{line['type']}/records", {"id": record_id, "fields": line["fields"]}, status=status).json

    def error(self, answer, code, field=None):
        self.assertEqual(answer.json["error"]["code"], code, answer)
        if field is not None:
            self.assertIn(field, answer.json["error"]["field"], answer)
        return answer.json


class Catalogue(WithPage):
    def test_packed_and_kept_by_the_browser(self):
        """Who accepts gzip gets it; who has it is told so, but only while logged in"""
        def get(**headers):
            return self.api.raw("GET", "/api/v1/catalog", None, {"Cookie": self.api.cookie, **{name.replace("_", "-"): value for name, value in headers.items()}})

        plain = get()
        connection = http.client.HTTPConnection(self.api.address, timeout=30 * harness.SLOW)
        connection.request("GET", "/api/v1/catalog", headers={"Cookie": self.api.cookie, "Accept-Encoding": "gzip, deflate, br"})
        packed = connection.getresponse()
        body = packed.read()
        connection.close()
        self.assertEqual((plain.status, packed.status, packed.headers["Content-Encoding"], plain.headers.get("Content-Encoding")), (200, 200, "gzip", None))
        self.assertEqual(gzip.decompress(body), plain.raw)
        self.assertLess(5 * len(body), len(plain.raw))
        for accepts in ("identity", "gzip;q=0", "br", "xgzip", ""):
            self.assertEqual(get(Accept_Encoding=accepts).raw, plain.raw, accepts)
        tag = plain.headers["ETag"]
        self.assertEqual((packed.headers["ETag"], plain.headers["Cache-Control"]), (tag, "private, no-cache"))
        for accepts in ("identity", "gzip"):
            again = get(Accept_Encoding=accepts, If_None_Match=tag)
            self.assertEqual((again.status, again.raw, again.headers["ETag"]), (304, b"", tag))
        self.assertEqual(get(If_None_Match='W/"0123"').raw, plain.raw)
        stranger = self.api.raw("GET", "/api/v1/catalog", None, {"If-None-Match": tag})
        self.assertEqual((stranger.status, stranger.headers.get("ETag"), stranger.headers["Cache-Control"]), (401, None, "no-store"))
        self.api("POST", "session/lock", status=200)
        self.assertEqual(get(If_None_Match=tag).status, 423)


class FirstAnswers(WithPage):
    """What the page asks first comes with its document: as data, and to nobody who would not get it from the API."""

    def first(self, cookie=None, status=200, path="/", **headers):
        got = self.api.raw("GET", path, None, {**({"Cookie": cookie} if cookie else {}), **headers})
        self.assertEqual((got.status, got.headers["Cache-Control"], got.headers["Cross-Origin-Resource-Policy"], got.headers.get("Access-Control-Allow-Origin")),
                         (status, "no-store", "same-origin", None))
        self.assertIn("default-src 'self'", got.headers["Content-Security-Policy"])
        self.assertNotIn("unsafe", got.headers["Content-Security-Policy"])
        text = got.raw.decode()
        self.assertEqual(text.count("</script>"), 2, text)  # the data, and early.js
        return json.loads(text.split('<script type="application/json" id="first">')[1].split("</script>")[0])

    def test_what_the_api_says(self):
        mine = self.first(self.api.cookie)
        self.assertEqual(mine["session"], self.api("GET", "session", status=200).json)
        self.assertNotIn("setup", mine)
        self.assertEqual(set(mine["status"]), set(self.api("GET", "status", status=200).json))
        stranger = self.first()
        self.assertEqual(stranger, {"session": None, "setup": self.api("GET", "setup", status=200).json})
        self.assertEqual(self.first("lm_node=0123456789abcdef"), stranger)
        self.assertEqual(self.first(self.api.cookie, path="/training/")["session"], None)  # its own door
        self.api("POST", "session/lock", status=200)
        locked = self.first(self.api.cookie)
        self.assertEqual((locked["session"]["locked"], "status" in locked), (True, False))
        self.api("DELETE", "session", status=204)
        self.assertEqual(self.first(self.api.cookie), stranger)

    def test_a_hostile_name_ends_nothing(self):
        """Markup in what the document carries stays data"""
        name = "<!--<script>"
        self.node.run("user", "add", name, "-", stdin="135792\n")
        self.api.login(name, "135792")
        self.assertEqual(self.first(self.api.cookie)["session"]["user"], name)


class Sessions(WithPage):
    def test_login_lock_and_logout(self):
        me = self.api("GET", "session", status=200).json
        self.assertEqual((me["user"], me["role"], me["locked"]), (SECRETARY[0], "secretary", False))
        self.api("POST", "session/lock", status=200)
        self.error(self.api("GET", "types/person/records", status=423), "locked")
        self.error(self.api("POST", "session/unlock", {"password": "000000"}, status=403), "wrong_password")
        self.api("POST", "session/unlock", {"password": SECRETARY[1]}, status=200)
        self.api("GET", "types/person/records", status=200)
        cookie = self.api.cookie
        self.api("DELETE", "session", status=204)
        self.api.cookie = cookie  # a copy of the cookie opens nothing any more
        self.error(self.api("GET", "session", status=401), "no_session")

    def test_nobody_gets_in_without_a_session(self):
        stranger = Api(self.node.server.ready["http"])
        for path, methods in stranger.document["paths"].items():
            for method, operation in methods.items():
                if operation.get("security") == []:
                    continue
                path_ = path.replace("{type}", "person").replace("{id}", uuid7()).replace("{key}", "k").replace("{name}", "n")
                body = {} if method != "get" else None
                answer = stranger(method.upper(), path_.removeprefix("/api/v1/"), body)
                self.assertEqual(answer.status, 401, f"{method} {path}: {answer}")
        name = self.api.cookie.split("=")[0]  # the right one, with a token that is none
        self.assertEqual(stranger.raw("GET", "/api/v1/status", headers={"Cookie": f"{name}={'A' * 43}"}).status, 401)

    def test_a_secretary_manages_no_accounts(self):
        self.error(self.api("GET", "users", status=403), "not_allowed")
        self.error(self.api("POST", "users", {"user": "x", "password": "135792", "role": "admin"}, status=403), "not_allowed")
        self.error(self.api("PATCH", "users/管理员".replace("管理员", "%E7%AE%A1%E7%90%86%E5%91%98"), {"disabled": True}, status=403), "not_allowed")

    def test_accounts(self):
        admin = Api(self.node.server.ready["http"])
        admin.login("管理员", "246813")
        self.error(admin("POST", "users", {"user": "新人", "password": "123456", "role": "secretary"}, status=422), "password_simple")
        self.error(admin("POST", "users", {"user": "新人", "password": "135792", "role": "root"}, status=422), "bad_code")
        self.error(admin("POST", "users", {"user": "a/b", "password": "135792", "role": "secretary"}, status=422), "bad_text")
        admin("POST", "users", {"user": "新人", "password": "864213", "role": "secretary"}, status=201)
        self.error(admin("POST", "users", {"user": "新人", "password": "864213", "role": "secretary"}, status=409), "user_exists")
        new = Api(self.node.server.ready["http"])
        new.login("新人", "864213")
        name = "users/%E6%96%B0%E4%BA%BA"
        admin("PATCH", name, {"disabled": True}, status=204)
        self.error(new("GET", "status", status=401), "no_session")  # whoever is disabled is out at once
        self.error(new("POST", "session", {"user": "新人", "password": "864213"}, status=403), "wrong_password")
        admin("PATCH", name, {"disabled": False, "password": "975318"}, status=204)
        new.login("新人", "975318")
        self.error(new("POST", "session/password", {"old": "000000", "password": "112233"}, status=403), "wrong_password")
        new("POST", "session/password", {"old": "975318", "password": "112233"}, status=204)
        new("GET", "status", status=200)  # one's own session goes on
        self.error(admin("PATCH", "users/%E7%AE%A1%E7%90%86%E5%91%98", {"disabled": True}, status=422), "own_account")
        self.error(admin("PATCH", "users/nobody", {"disabled": True}, status=404), "no_user")
        self.assertEqual({u["name"] for u in admin("GET", "users", status=200).json["users"]}, {"管理员", SECRETARY[0], "新人"})

    def test_a_first_password_is_changed_before_anything_else(self):
        """An account that an administrator made, or gave a new password: session/password and nothing else; by the command with --must-change"""
        admin, new = Api(self.node.server.ready["http"]), Api(self.node.server.ready["http"])
        admin.login("管理员", "246813")
        self.assertFalse(admin("GET", "session", status=200).json["must_change"])
        self.assertFalse(self.api("GET", "session", status=200).json["must_change"])  # `user add` without --must-change

        def duty(given, chosen):
            new.login("新人", given)
            self.assertTrue(new("GET", "session", status=200).json["must_change"])
            self.assertTrue({u["name"]: u for u in admin("GET", "users", status=200).json["users"]}["新人"]["must_change"])
            for method, path, body in (("GET", "status", None), ("GET", "types/person/records", None), ("GET", "catalog", None), ("GET", "search?q=a", None), ("GET", "events", None),
                                       ("POST", "types/person/records", {"id": uuid7(), "fields": person()["fields"]}), ("PUT", "drafts/k", {}), ("POST", "lines", {"keep": True, "lines": [{}]})):
                self.error(new(method, path, body, status=403), "must_change")
            self.error(new("POST", "session/password", {"old": given, "password": given}, status=422), "same_password")
            self.error(new("POST", "session/password", {"old": given, "password": "123456"}, status=422), "password_simple")
            new("GET", "session", status=200)
            self.error(new("GET", "status", status=403), "must_change")
            new("POST", "session/password", {"old": given, "password": chosen}, status=204)
            new("GET", "status", status=200)
            new.login("新人", chosen)
            self.assertFalse(new("GET", "session", status=200).json["must_change"])

        admin("POST", "users", {"user": "新人", "password": "864213", "role": "secretary"}, status=201)
        duty("864213", "975318")
        admin("PATCH", "users/%E6%96%B0%E4%BA%BA", {"password": "531864"}, status=204)
        duty("531864", "864297")
        self.node.run("user", "password", "新人", "-", "--must-change", stdin="719283\n")
        duty("719283", "351972")
        admin("PATCH", "users/%E7%AE%A1%E7%90%86%E5%91%98", {"password": "846213"}, status=204)  # one's own is one's own
        admin.login("管理员", "846213")
        self.assertFalse(admin("GET", "session", status=200).json["must_change"])

    def test_a_new_secretary_takes_over(self):
        """The old account closed, its drafts the new one's, what was done stays under the old name; by the page's address and by the command"""
        admin, new = Api(self.node.server.ready["http"]), Api(self.node.server.ready["http"])
        admin.login("管理员", "246813")
        made = self.save(person())
        self.api("PUT", "drafts/new-person", {"fields": {"name": "测试没填完"}}, status=204)
        old = "users/%E7%8E%8B%E7%A7%98%E4%B9%A6/successor"
        self.error(self.api("POST", old, {"user": "李秘书", "password": "864213"}, status=403), "not_allowed")
        self.error(admin("POST", old, {"user": "管理员", "password": "864213"}, status=409), "user_exists")
        self.error(admin("POST", old, {"user": "李秘书", "password": "123456"}, status=422), "password_simple")
        self.error(admin("POST", "users/nobody/successor", {"user": "李秘书", "password": "864213"}, status=404), "no_user")
        self.error(admin("POST", "users/%E7%AE%A1%E7%90%86%E5%91%98/successor", {"user": "李秘书", "password": "864213"}, status=422), "own_account")
        self.api("GET", "status", status=200)  # what was refused closed nothing
        admin("POST", old, {"user": "李秘书", "password": "864213"}, status=201)
        self.error(self.api("GET", "status", status=401), "no_session")
        self.error(new("POST", "session", {"user": SECRETARY[0], "password": SECRETARY[1]}, status=403), "wrong_password")
        new.login("李秘书", "864213")
        self.error(new("GET", "drafts", status=403), "must_change")
        new("POST", "session/password", {"old": "864213", "password": "975318"}, status=204)
        self.assertEqual([d["body"]["fields"]["name"] for d in new("GET", "drafts", status=200).json["drafts"]], ["测试没填完"])
        self.assertEqual([c["user"] for c in new("GET", f"records/{made['id']}/history", status=200).json["changes"]], [SECRETARY[0]])
        users = {u["name"]: u for u in admin("GET", "users", status=200).json["users"]}
        self.assertEqual((users[SECRETARY[0]]["disabled"], users["李秘书"]["disabled"], users["李秘书"]["role"]), (True, False, "secretary"))
        self.node.run("user", "replace", "李秘书", "张秘书", "-", stdin="642975\n")
        new.login("张秘书", "642975")
        self.assertEqual(len(new("GET", "drafts", status=200).json["drafts"]), 1)

    def test_lock_out_survives_a_restart(self):
        other = Api(self.node.server.ready["http"])
        for _ in range(5):
            self.error(other("POST", "session", {"user": SECRETARY[0], "password": "999999"}, status=403), "wrong_password")
        self.error(other("POST", "session", {"user": SECRETARY[0], "password": SECRETARY[1]}, status=403), "locked_out")
        self.node.stop()
        self.node.serve()
        other = Api(self.node.server.ready["http"])
        self.error(other("POST", "session", {"user": SECRETARY[0], "password": SECRETARY[1]}, status=403), "locked_out")
        other.login("管理员", "246813")  # others are not locked out
        self.node.run("user", "password", SECRETARY[0], "-", stdin="753951\n")
        other.login(SECRETARY[0], "753951")

    def test_first_account(self):
        self.error(self.api("POST", "setup", {"user": "x", "password": "135792"}, status=409), "set_up")
        self.assertFalse(self.api("GET", "setup", status=200).json["needed"])
        fresh = self.t.new_node(1, "fresh")
        fresh.enrol(self.t.new_kit(1, "kit-fresh"))
        fresh.serve()
        api = Api(fresh.server.ready["http"])
        self.assertTrue(api("GET", "setup", status=200).json["needed"])
        self.error(api("POST", "setup", {"user": "第一人", "password": "111111"}, status=422), "password_simple")
        self.assertEqual(api("POST", "setup", {"user": "第一人", "password": "151617"}, status=200).json["role"], "admin")
        self.assertFalse(api("GET", "setup", status=200).json["needed"])

    @unittest.skipIf(os.geteuid() != 0, "network namespaces need root")
    def test_the_first_account_is_made_at_the_pc_itself(self):
        """P11: a page that the network may see (--http 0.0.0.0) takes its first account from the PC alone"""
        fresh = self.t.new_node(1, "fresh")
        fresh.enrol(self.t.new_kit(1, "kit-fresh"))
        alone = ["unshare", "--net", "sh", "-c", "ip link set lo up && ip addr add 100.64.9.9/32 dev lo && exec \"$@\"", "-"]
        server = Server([*alone, fresh.bin, "serve", "--data", fresh.dir, "--http", "0.0.0.0:0"], fresh.log)
        self.addCleanup(server.stop)
        port = server.ready["http"].split(":")[-1]
        inside = ["nsenter", "--net", "--target", str(server.process.pid)]
        ask = lambda host: harness.run([*inside, "/usr/bin/python3", "-c", ASK, host, port]).out.strip()
        self.assertEqual(ask("100.64.9.9"), "403 not_here")
        self.assertEqual(ask("127.0.0.1"), "200 admin")


ASK = """
import json, sys, urllib.request
request = urllib.request.Request(f"http://{sys.argv[1]}:{sys.argv[2]}/api/v1/setup", json.dumps({"user": "第一人", "password": "151617"}).encode(), {"Content-Type": "application/json"})
try:
    with urllib.request.urlopen(request) as answer:
        print(answer.status, json.load(answer)["role"])
except urllib.error.HTTPError as refused:
    print(refused.code, json.load(refused)["error"]["code"])
"""


class Records(WithPage):
    def test_a_record_from_creation_to_bin_and_back(self):
        line = person()
        made = self.save(line)
        self.assertTrue(made["pending"])
        self.assertEqual(made["label"], line["fields"]["name"])
        got = self.api("GET", f"records/{made['id']}", status=200).json
        self.assertEqual(got["fields"]["id_no"], line["fields"]["id_no"])
        edited = self.api("PATCH", f"records/{made['id']}", {"fields": {"phone": "13900000001"}, "was": {"phone": None}}, status=200).json
        self.assertEqual(edited["fields"]["phone"], "13900000001")
        self.assertNotEqual(edited["rev"], made["rev"])
        self.error(self.api("DELETE", f"records/{made['id']}", {}, status=422), "required", "reason")
        self.api("DELETE", f"records/{made['id']}", {"reason": "重复录入"}, status=200)
        self.assertEqual(self.api("GET", "types/person/records", status=200).json["total"], 0)
        self.assertEqual(self.api("GET", "types/person/records?deleted=1", status=200).json["total"], 1)
        other = self.save(consultation())
        self.api("DELETE", f"records/{other['id']}", {"reason": "按错了"}, status=200)
        bin_ = self.api("GET", "bin", status=200).json
        self.assertEqual([(d["record"]["id"], d["record"]["fields"]["delete_reason"], d["user"], d["town"]) for d in bin_["records"]],
                         [(other["id"], "按错了", SECRETARY[0], False), (made["id"], "重复录入", SECRETARY[0], False)])
        self.assertEqual(bin_["total"], 2)
        self.error(self.api("PATCH", f"records/{made['id']}", {"fields": {"phone": None}}, status=422), "deleted")
        self.api("POST", f"records/{made['id']}/undelete", {}, status=200)
        self.assertEqual(self.api("GET", "types/person/records", status=200).json["total"], 1)
        changes = self.api("GET", f"records/{made['id']}/history", status=200).json["changes"]
        self.assertEqual([c["user"] for c in changes], [SECRETARY[0]] * 4)
        # What the page saved is what the town gets.
        self.node.sync()
        self.assertNotIn("pending", self.api("GET", f"records/{made['id']}", status=200).json)
        at_hub = self.t.hub.rows("records", "person")
        self.assertEqual([r["id"] for r in at_hub], [made["id"]])
        self.t.hub.verify()

    def test_a_save_repeated_is_the_same_save(self):
        line, record_id = person(), uuid7()
        first = self.save({**line, "id": record_id})
        again = self.save({**line, "id": record_id})
        self.assertEqual(first["rev"], again["rev"])
        self.assertEqual(self.api("GET", "types/person/records", status=200).json["total"], 1)
        other = dict(line["fields"], name="测试别人")
        self.error(self.api("POST", "types/person/records", {"id": record_id, "fields": other}, status=409), "key_reused")

    def test_a_batch_is_all_or_nothing_and_one_save(self):
        """P1, P3: one visit record a person in one transaction; the same batch again is the same save"""
        people = self.node.add_ids([person() for _ in range(3)])
        rows = [visit([p])["fields"] for p in people]
        path, key = "types/visit/batches", uuid7()
        count = lambda: self.api("GET", "types/visit/records", status=200).json["total"]
        # The last of three is wrong: nothing is kept, and each fault is named with its row.
        wrong = self.error(self.api("POST", path, {"key": key, "records": [rows[0], rows[1], {**rows[2], "visit_on": "2025-02-30"}]}, status=422), "bad_date", "visit_on")
        self.assertEqual(([r["row"] for r in wrong["rows"]], wrong["wrong"], count()), ([2], 1, 0))
        self.assertNotIn("visit", [r["type"] for r in self.api("GET", "pending", status=200).json["records"]])
        made = self.api("POST", path, {"key": key, "records": rows}, status=201).json["records"]
        self.assertEqual((len({r["id"] for r in made}), count()), (3, 3))
        # The answer was lost and the program killed: the same again changes nothing and names the same records.
        self.node.kill()
        self.node.serve()
        self.api = Api(self.node.server.ready["http"])
        self.api.login(*SECRETARY)
        again = self.api("POST", path, {"key": key, "records": rows}, status=201).json["records"]
        self.assertEqual(([r["id"] for r in again], count()), ([r["id"] for r in made], 3))
        for other in (rows[:2], rows + rows[:1], [rows[1], rows[0], rows[2]]):
            self.error(self.api("POST", path, {"key": key, "records": other}), "key_reused")
        self.assertEqual(count(), 3)
        for bad in ({"key": "k", "records": rows}, {"key": uuid7(), "records": []}, {"key": uuid7(), "records": [1]}, {"key": uuid7()}, {"records": rows},
                    {"key": "../" * 4, "records": rows}, {"key": uuid7(), "records": rows * 200}):
            self.assertIn(self.api("POST", path, bad).status, (413, 422), bad)
        self.error(self.api("POST", "types/matter/batches", {"key": uuid7(), "records": [{}]}, status=403), "not_your_type")
        self.assertEqual(count(), 3)
        self.node.sync()
        self.assertEqual(sorted(r["id"] for r in self.t.hub.rows("records", "visit")), sorted(r["id"] for r in made))

    def test_lines_are_saved_each_by_itself(self):
        """P1, P3: what the page's import sends: judged without a trace, good lines saved and bad ones explained, again the same save, undone by rev"""
        people = [{**person(), "id": uuid7()} for _ in range(4)]
        number = people[1]["fields"]["id_no"]
        for name in ("birth_on", "sex"):
            people[1]["fields"].pop(name, None)
        bad = {**people[2], "fields": {**people[2]["fields"], "notice_at": "2025-02-30"}}
        twin = {"type": "person", "id": uuid7(), "fields": dict(people[0]["fields"])}
        lines = [people[0], people[1], bad, people[3], twin, {"type": "person", "fields": {}}, {"id": "x", "delete": True}]
        send = lambda lines, keep=True: self.api("POST", "lines", {"keep": keep, "lines": lines}, status=200).json["lines"]
        count = lambda: self.api("GET", "types/person/records", status=200).json["total"]
        good = [True, True, False, True, False, False, False]
        judged = send(lines, keep=False)
        self.assertEqual(([a["good"] for a in judged], count(), self.node.status()["pending"]), (good, 0, 0))
        saved = send(lines)
        self.assertEqual(([a["good"] for a in saved], count()), (good, 3))
        self.assertEqual([(a["error"]["code"], a["error"]["field"]) for a in saved if not a["good"]][0], ("bad_date", "notice_at"))
        self.assertEqual(saved[4]["error"]["code"], "not_unique", saved[4])
        self.assertEqual(self.api("GET", f"records/{people[1]['id']}", status=200).json["fields"]["birth_on"].replace("-", ""), number[6:14])
        # The answer was lost and the program killed: the same again is the same save.
        self.node.kill()
        self.node.serve()
        self.api = Api(self.node.server.ready["http"])
        self.api.login(*SECRETARY)
        again = send(lines)
        self.assertEqual(([a.get("rev") for a in again], count()), ([a.get("rev") for a in saved], 3))
        self.assertEqual([[a["repeated"] for a in answers if a["good"]] for answers in (judged, saved, again)], [[False] * 3, [False] * 3, [True] * 3])
        # Undone, but what somebody worked on since stays.
        self.api("PATCH", f"records/{people[3]['id']}", {"fields": {"household_no": "改过"}}, status=200)
        undo = [{"id": a["id"], "delete": True, "reason": "撤销表格导入", "rev": a["rev"]} for a in saved if a["good"]]
        self.assertEqual(([a["good"] for a in send(undo)], count()), ([True, True, False], 1))
        self.assertEqual(send([people[0]])[0]["error"]["code"], "deleted")
        for wrong in ({}, {"keep": True}, {"keep": 1, "lines": lines}, {"keep": True, "lines": []}, {"keep": True, "lines": [1]}, {"keep": True, "lines": lines * 80}):
            self.assertIn(self.api("POST", "lines", wrong).status, (413, 422), wrong)
        self.assertEqual(count(), 1)

    def test_an_import_is_known_to_the_program(self):
        """P1: what an import brought is written down with it: after kill -9 the program says what can be undone, and what stays and why"""
        people = [{**person(), "id": uuid7()} for _ in range(4)]
        of = {"id": uuid7(), "file": "名单.xlsx", "source": "person|1|名单.xlsx"}
        send = lambda lines, keep=True, status=200, **more: self.api("POST", "lines", {"keep": keep, "lines": lines, **more}, status=status).json
        send(people, keep=False, **{"import": of})
        self.assertEqual(self.api("GET", "imports", status=200).json["imports"], [])
        for wrong in ({"id": "x"}, {**of, "file": ""}, {**of, "file": "长" * 201}, 7):
            send(people, status=422, **{"import": wrong})
        self.assertEqual(self.api("GET", "types/person/records", status=200).json["total"], 0)
        saved = send(people[:2], **{"import": of})["lines"] + send(people[2:], **{"import": of})["lines"]
        self.node.kill()
        self.node.serve()
        self.api = Api(self.node.server.ready["http"])
        self.api.login(*SECRETARY)
        kept = self.api("GET", "imports", status=200).json["imports"]
        self.assertEqual([(i["id"], i["type"], i["file"], i["user"], i["rows"], i["undone_at"]) for i in kept], [(of["id"], "person", "名单.xlsx", SECRETARY[0], 4, None)])
        self.api("PATCH", f"records/{people[1]['id']}", {"fields": {"household_no": "改过"}}, status=200)
        self.api("DELETE", f"records/{people[2]['id']}", {"reason": "重复"}, status=200)
        again = send(people, **{"import": of})["lines"]  # the same file again: as it was saved first is what is undone
        self.assertEqual([a.get("error", {}).get("code") for a in again], [None, None, "deleted", None])
        found = self.api("GET", f"imports/{of['id']}", status=200).json
        self.assertEqual(sorted((r["id"], r["rev"]) for r in found["undoable"]), sorted((saved[i]["id"], saved[i]["rev"]) for i in (0, 3)))
        self.assertEqual(sorted((s["id"], s["why"], s["label"]) for s in found["stays"]), sorted((people[i]["id"], why, people[i]["fields"]["name"]) for i, why in ((1, "changed"), (2, "deleted"))))
        # Another import of what is there brings only what is new: its undo deletes nothing else.
        more, again = {**person(), "id": uuid7()}, {**of, "id": uuid7()}
        send([people[0], people[1], people[3]], **{"import": again})
        self.api("GET", f"imports/{again['id']}", status=404)
        send([people[1], more], **{"import": again})
        self.assertEqual([r["id"] for r in self.api("GET", f"imports/{again['id']}", status=200).json["undoable"]], [more["id"]])
        self.api("POST", f"imports/{again['id']}/undone", {}, status=204)
        self.api("POST", f"imports/{of['id']}/undone", {}, status=204)
        self.assertIsNotNone(self.api("GET", "imports", status=200).json["imports"][0]["undone_at"])
        self.assertEqual(send([people[2]])["lines"][0]["error"]["code"], "undone")  # told apart: it may be imported anew
        self.error(self.api("GET", "imports/none", status=404), "not_found")
        self.error(self.api("POST", "imports/none/undone", {}, status=404), "not_found")
        # The last twenty are known.
        for i in range(21):
            send([{**person(), "id": uuid7()}], **{"import": {**of, "id": f"import-{i:02d}"}})
        self.assertEqual(sorted(i["id"] for i in self.api("GET", "imports", status=200).json["imports"]), [f"import-{i:02d}" for i in range(1, 21)])
        self.api("GET", f"imports/{of['id']}", status=404)

    def test_the_recycle_bin_to_its_end(self):
        """P7: whatever was deleted is listed, page by page, of one type or of all, and can be brought back"""
        people = [{**person(), "id": uuid7()} for _ in range(210)]
        self.api("POST", "lines", {"keep": True, "lines": people}, status=200)
        self.api("POST", "lines", {"keep": True, "lines": [{"id": p["id"], "delete": True, "reason": "撤销表格导入"} for p in people]}, status=200)
        first = self.api("GET", "bin", status=200).json
        self.assertEqual((len(first["records"]), first["total"], first["types"]), (200, 210, {"person": 210}))
        seen = [r["record"]["id"] for at in range(0, 300, 100) for r in self.api("GET", f"bin?type=person&offset={at}&limit=100", status=200).json["records"]]
        self.assertEqual((len(seen), sorted(seen)), (210, sorted(p["id"] for p in people)))
        other = self.api("GET", "bin?type=visit", status=200).json
        self.assertEqual((other["records"], other["total"], other["types"]), ([], 0, {"person": 210}))
        self.api("POST", f"records/{seen[-1]}/undelete", {}, status=200)
        self.assertEqual(self.api("GET", "bin?limit=1", status=200).json["total"], 209)
        for wrong in ("limit=0", "limit=201", "offset=-1"):
            self.assertIn(self.api("GET", f"bin?{wrong}").status, (400, 422), wrong)

    def test_who_looked_at_a_number_is_written_down(self):
        """P11: a number that was uncovered is written down with who and whose, kept through kill -9, and shown to the station's admin alone"""
        people = [{**person(), "id": uuid7()} for _ in range(2)]
        self.api("POST", "lines", {"keep": True, "lines": people}, status=200)
        for p in (people[0], people[1], people[0]):
            self.api("POST", f"records/{p['id']}/reveal", {}, status=204)
        self.error(self.api("POST", f"records/{uuid7()}/reveal", {}, status=404), "not_found")
        self.error(self.api("POST", "records/x/reveal", {}, status=404), "not_found")
        self.error(self.api("GET", "reveals", status=403), "not_allowed")
        self.node.kill()
        self.node.serve()
        admin = Api(self.node.server.ready["http"])
        admin.login("管理员", "246813")
        seen = admin("GET", "reveals", status=200).json["reveals"]
        self.assertEqual([(r["id"], r["user"], r["type"], r["label"]) for r in seen], [(p["id"], SECRETARY[0], "person", p["fields"]["name"]) for p in (people[0], people[1], people[0])])
        self.assertEqual(admin("GET", f"reveals?before={seen[0]['no']}&limit=1", status=200).json["reveals"], seen[1:2])
        for wrong in ("limit=0", "limit=501", "before=0", "before=x"):
            self.assertIn(admin("GET", f"reveals?{wrong}").status, (400, 422), wrong)

    def test_two_windows_edit_the_same_field(self):
        record = self.save(person(phone="13900000001"))
        path = f"records/{record['id']}"
        self.api("PATCH", path, {"fields": {"phone": "13900000002"}, "was": {"phone": "13900000001"}}, status=200)
        late = self.error(self.api("PATCH", path, {"fields": {"phone": "13900000003"}, "was": {"phone": "13900000001"}}, status=409),
                          "changed_meanwhile", "phone")
        self.assertEqual(late["present"]["fields"]["phone"], "13900000002")
        # Another field is nobody's loss, and the same value is no conflict.
        self.api("PATCH", path, {"fields": {"residence_text": "东头"}, "was": {"residence_text": None, "phone": "13900000001"}}, status=200)
        self.api("PATCH", path, {"fields": {"phone": "13900000002"}, "was": {"phone": "13900000001"}}, status=200)
        self.assertEqual(len(self.api("GET", path + "/history", status=200).json["changes"]), 3)

    def test_undoing_is_a_change_that_takes_back_nothing_newer(self):
        """What the page's undo sends: an edit put back, a delete undeleted, a creation deleted, each with the rev that it takes back"""
        record = self.save(person(phone="13900000001"))
        path = f"records/{record['id']}"
        edited = self.api("PATCH", path, {"fields": {"phone": "13900000002"}, "was": {"phone": "13900000001"}}, status=200).json
        back = {"fields": {"phone": "13900000001"}, "rev": edited["rev"]}
        self.node.sync()  # that the town has it makes it no newer
        undone = self.api("PATCH", path, back, status=200).json
        self.assertEqual(undone["fields"]["phone"], "13900000001")
        self.assertEqual(self.api("PATCH", path, back, status=200).json["rev"], undone["rev"])  # once more, its answer was lost: the same
        # Something newer stands on it, if only in another field: it stays, and so does the record.
        newer = self.api("PATCH", path, {"fields": {"residence_text": "东头"}}, status=200).json
        for method, to, body in (("PATCH", path, {"fields": {"phone": "13900000002"}, "rev": undone["rev"]}), ("DELETE", path, {"reason": "撤销", "rev": record["rev"]})):
            self.assertIn("后来又改过", self.error(self.api(method, to, body, status=409), "changed_meanwhile", "rev")["error"]["text"])
        deleted = self.api("DELETE", path, {"reason": "错", "rev": newer["rev"]}, status=200).json
        self.assertEqual(self.api("DELETE", path, {"reason": "错", "rev": newer["rev"]}, status=200).json["rev"], deleted["rev"])
        self.error(self.api("POST", path + "/undelete", {"rev": newer["rev"]}, status=409), "changed_meanwhile", "rev")
        self.error(self.api("POST", path + "/undelete", {"rev": 5}, status=422), "bad_type", "rev")
        self.assertNotIn("deleted", self.api("POST", path + "/undelete", {"rev": deleted["rev"]}, status=200).json)
        changes = self.api("GET", path + "/history", status=200).json["changes"]
        self.assertEqual([c["op"] for c in changes], ["create", "edit", "edit", "edit", "delete", "undelete"])
        self.node.sync()
        self.assertEqual(self.t.hub.rows("records", "person")[0]["fields"]["phone"], "13900000001")
        self.t.hub.verify()

    def test_what_the_town_did_meanwhile_is_not_undone(self):
        made = self.save(consultation())
        self.node.sync()
        self.t.hub.run("send-back", made["id"], "--note", "请核对")
        self.node.sync()
        self.error(self.api("DELETE", f"records/{made['id']}", {"reason": "撤销", "rev": made["rev"]}, status=409), "changed_meanwhile", "rev")

    def test_what_is_wrong_is_said_field_by_field(self):
        fields = person()["fields"]
        fields.update(id_no="999999195001011234", phone="x", birth_on="1950-02-30")
        answer = self.api("POST", "types/person/records", {"id": uuid7(), "fields": fields}, status=422).json
        self.assertTrue({"id_no", "phone", "birth_on"} <= {i["field"].split(".")[0] for i in answer["issues"]}, answer)
        self.assertEqual(self.api("GET", "types/person/records", status=200).json["total"], 0)
        self.error(self.api("POST", "types/nothing/records", {"id": uuid7(), "fields": {}}, status=422), "unknown_type")
        self.error(self.api("POST", "types/person/records", {"id": "1", "fields": {}}, status=422), "bad_uuid", "id")
        self.error(self.api("POST", "types/person/records", {"fields": {}}, status=422), "required", "id")
        self.error(self.api("POST", "types/matter/records", {"id": uuid7(), "fields": {}}, status=403), "not_your_type")
        self.error(self.api("GET", "types/nothing/records", status=404), "unknown_type")
        self.error(self.api("GET", f"records/{uuid7()}", status=404), "not_found")
        self.error(self.api("GET", "records/1", status=404), "not_found")

    def test_check_keeps_nothing(self):
        line = person()
        fields = {"name": line["fields"]["name"], "id_no": line["fields"]["id_no"]}
        answer = self.api("POST", "types/person/check", {"fields": fields}, status=200).json
        self.assertFalse(answer["good"])
        self.assertIn("household_village", {i["field"] for i in answer["issues"]})
        self.assertEqual(answer["derived"]["birth_on"].replace("-", ""), line["fields"]["id_no"][6:14])
        whole = self.api("POST", "types/person/check", {"fields": line["fields"]}, status=200).json
        self.assertTrue(whole["good"], whole)
        self.assertEqual(whole["after"]["fields"]["sex"], whole["derived"]["sex"])
        self.assertEqual(self.api("GET", "types/person/records", status=200).json["total"], 0)
        record = self.save(line)
        twice = self.api("POST", "types/person/check", {"fields": person(id_no=line["fields"]["id_no"])["fields"]}, status=200).json
        self.assertFalse(twice["good"])
        self.assertIn("id_no", {i["field"] for i in twice["issues"]})
        there = {"id": record["id"], "label": line["fields"]["name"]}  # named, and to be opened
        said = [i for i in twice["issues"] if i["code"] == "not_unique"]
        self.assertEqual([i["other"] for i in said], [there])
        self.assertIn(there["label"], said[0]["text"])
        self.assertNotIn(there["id"], said[0]["text"])
        namesake = self.api("POST", "types/person/check", {"fields": {**person(id_no=...)["fields"], "name": there["label"], "id_status": "missing",
                                                                     "birth_on": record["fields"]["birth_on"]}}, status=200).json
        self.assertEqual([i["other"] for i in namesake["issues"] if i["code"] == "near_duplicate"], [there], namesake)
        edit = self.api("POST", "types/person/check", {"id": record["id"], "fields": {"phone": "13900000001"}}, status=200).json
        self.assertTrue(edit["good"], edit)
        self.assertEqual(self.api("GET", f"records/{record['id']}", status=200).json["rev"], record["rev"])

    def test_lists(self):
        people = [self.save(person(name=name, difficulty=d)) for name, d in
                  (("测试张三", "none"), ("测试李四", "none"), ("测试阿五", "none"))]
        page = self.api("GET", "types/person/records", status=200).json
        self.assertEqual([r["fields"]["name"] for r in page["records"]], ["测试阿五", "测试李四", "测试张三"])  # a, l, z
        page = self.api("GET", "types/person/records?sort=-name&limit=1&offset=1", status=200).json
        self.assertEqual(([r["fields"]["name"] for r in page["records"]], page["total"]), (["测试李四"], 3))
        page = self.api("GET", "types/person/records?q=%E6%9D%8E", status=200).json
        self.assertEqual(page["total"], 1)
        page = self.api("GET", f"types/person/records?f.id_no={people[0]['fields']['id_no']}", status=200).json
        self.assertEqual([r["id"] for r in page["records"]], [people[0]["id"]])
        for bad in ("sort=nothing", "limit=0", "limit=501", "limit=x", "offset=-1", "f.difficulty=nonsense"):
            self.assertIn(self.api("GET", f"types/person/records?{bad}").status, (422, 200), bad)
        self.error(self.api("GET", "types/person/records?limit=501", status=422), "bad_number", "limit")
        self.save(harness.visit([people[0]["id"], people[1]["id"]]))
        visits = self.api("GET", "types/visit/records", status=200).json
        self.assertEqual(visits["labels"][people[1]["id"]], "测试李四")
        # The box finds as the search does: by pinyin, and what names a person by the person's name; each list only its own.
        for q, type_name, n in (("csls", "person", 1), ("%E6%9D%8E%20%E5%9B%9B", "person", 1), ("csls", "visit", 1), ("%E6%9D%8E%E5%9B%9B", "visit", 1),
                                ("csaw", "visit", 0), ("nobody", "visit", 0)):
            self.assertEqual(self.api("GET", f"types/{type_name}/records?q={q}", status=200).json["total"], n, (q, type_name))
        groups = self.api("GET", f"records/{people[1]['id']}/related", status=200).json["groups"]
        self.assertEqual([(g["type"], g["field"], g["total"]) for g in groups], [("visit", "persons", 1)])

    def test_search(self):
        zhang = self.save(person(name="测试张三丰", phone="13911112222"))
        self.save(person(name="测试单雄信"))
        tail = zhang["fields"]["id_no"][-4:]
        household = zhang["fields"]["household_no"]
        for q in ("%E5%BC%A0%E4%B8%89", "cszsf", "ceshizhang", tail, "1111222", household):
            hits = self.api("GET", f"search?q={q}", status=200).json["hits"]
            self.assertEqual([h["id"] for h in hits][:1], [zhang["id"]], q)
        for q in ("测试 张三丰", "　测试张三", "".join(chr(ord(c) + 0xFEE0) for c in tail), "１３９１１１１２２２２", "ＣＳＺＳＦ", "ceshi zhang"):
            hits = self.api("GET", f"search?q={quote(q)}", status=200).json["hits"]
            self.assertEqual([h["id"] for h in hits][:1], [zhang["id"]], q)
        self.assertEqual(self.api("GET", "search?q=nobodyhere", status=200).json["total"], 0)
        # A number is found as it is dialled, however it is written on either side.
        written = {"0555-7654321": ("0555-7654321", "05557654321", "7654321", "765-4321"), "+86 138 0000 3333": ("13800003333", "138-0000-3333", "+86 138 0000 3333")}
        for phone, asked in written.items():
            him = self.save(person(phone=phone))
            self.assertEqual(him["fields"]["phone"], phone)
            for q in asked:
                self.assertEqual([(h["id"], h["phone"]) for h in self.api("GET", f"search?q={quote(q)}", status=200).json["hits"]], [(him["id"], phone)], q)
        # What other records say, when it is asked for; the signs of LIKE are signs like others.
        case = self.save(harness.aid_case(zhang["id"], reason="房屋漏雨100%"))
        self.save(harness.aid_case(zhang["id"], reason="看病", applied_on="2025-02-02", type="other"))
        asked = lambda q: self.api("GET", f"search?others=1&q={quote(q)}", status=200).json["others"]
        self.assertEqual([(o["id"], o["type"], o["person"]) for o in asked("漏 雨")], [(case["id"], "aid_case", "测试张三丰")])
        self.assertEqual(([o["id"] for o in asked("100%")], asked("1%0"), asked("漏")), ([case["id"]], [], []))
        self.assertNotIn("others", self.api("GET", f"search?q={quote('漏雨')}", status=200).json)
        self.error(self.api("GET", "search?q=%20", status=422), "bad_query")
        self.error(self.api("GET", "search", status=422), "bad_query")
        # The index follows what another process saves.
        self.node.add([person(name="测试赵云")])
        self.assertEqual(self.api("GET", "search?q=cszy", status=200).json["total"], 1)

    def test_pending_and_returned(self):
        self.node.stop()
        self.t.hub.stop()
        self.node.serve()
        self.api = Api(self.node.server.ready["http"])
        self.api.login(*SECRETARY)
        made = [self.save(consultation()) for _ in range(3)]
        pending = self.api("GET", "pending", status=200).json["records"]
        self.assertEqual([r["id"] for r in pending], [r["id"] for r in reversed(made)])
        self.api("PATCH", f"records/{made[0]['id']}", {"fields": {"item_count": 2}}, status=200)
        status = self.api("GET", "status", status=200).json  # four changes of three records
        self.assertEqual((status["pending"], status["pending_records"]), (4, 3))
        self.node.add([{"type": "nil_report", "fields": {"month": "2026-02", "record": "visit", "reported_on": "2026-03-01"}}])
        labels = [r["label"] for r in self.api("GET", "pending", status=200).json["records"]]
        self.assertEqual(len(labels), 4)
        self.assertIn("2026-02 · 走访慰问 · 2026-03-01", labels)
        self.t.hub.serve()
        self.node.sync()
        self.assertEqual(self.api("GET", "pending", status=200).json["records"], [])
        self.t.hub.run("send-back", made[0]["id"], "--note", "请补充内容")
        self.node.sync()
        back = wait_for(lambda: self.api("GET", "returned", status=200).json["records"], "the returned record")
        self.assertEqual([(r["id"], r["verdict"], r["note"]) for r in back], [(made[0]["id"], "returned", "请补充内容")])
        self.assertEqual((back[0]["record"]["fields"]["item_count"], back[0]["user"]), (2, SECRETARY[0]))

    def test_names_in_the_language_of_the_page(self):
        """what the catalogue names in a record's name is in English for who reads the pages so, and for nobody else"""
        made = self.save({"type": "nil_report", "fields": {"month": "2026-02", "record": "visit", "reported_on": "2026-03-01"}})
        self.assertEqual(made["label"], "2026-02 · 走访慰问 · 2026-03-01")
        session = self.api.cookie
        for look, name in (("lm_look_language=en", "Visit"), ("lm_look_language=zh", "走访慰问"), ("xlm_look_language=en", "走访慰问"), ("lm_look_language=english", "走访慰问")):
            for cookies in (f"{session}; {look}", f"{look}; {session}"):
                self.api.cookie = cookies
                for read in (lambda: self.api("GET", f"records/{made['id']}", status=200).json, lambda: self.api("GET", "types/nil_report/records", status=200).json["records"][0]):
                    self.assertEqual(read()["label"], f"2026-02 · {name} · 2026-03-01", cookies)
        self.api.cookie = session

    def test_a_nil_report_of_a_month_with_records_is_warned_of(self):
        """By UTC+8, of what stands; a draft is none; it is saved all the same"""
        nil = lambda month, record: {"month": month, "record": record, "reported_on": "2026-08-01"}
        warned = lambda fields: [i["code"] for i in self.api("POST", "types/nil_report/check", {"fields": fields}, status=200).json["issues"] if i["level"] == "warn"]
        self.save(consultation(on="2026-05-31"))
        made = self.save(reception(at="2026-05-31T16:30:00.000Z"))
        self.assertEqual(warned(nil("2026-05", "consultation")), ["has_records"])
        self.assertEqual(warned(nil("2026-06", "consultation")), [])
        self.assertEqual(warned(nil("2026-05", "reception")), [])
        self.assertEqual(warned(nil("2026-06", "reception")), ["has_records"])
        done = self.api("POST", "types/nil_report/records", {"id": uuid7(), "fields": nil("2026-06", "reception")}, status=201).json
        self.assertEqual([i["code"] for i in done["issues"]], ["has_records"])
        self.api("DELETE", f"records/{made['id']}", {"reason": "重复录入"}, status=200)
        self.assertEqual(warned(nil("2026-06", "reception")), [])

    def test_what_the_town_entered_is_told_from_ones_own(self):
        own = self.save(consultation())
        [theirs] = self.t.hub.add_ids([consultation(members={"station": self.t.code(1)})])
        self.node.sync()
        rows = {r["id"]: r.get("origin") for r in self.api("GET", "types/consultation/records", status=200).json["records"]}
        self.assertEqual(rows, {own["id"]: None, theirs: "town"})
        self.assertEqual(self.api("GET", f"records/{theirs}", status=200).json["origin"], "town")
        self.api("PATCH", f"records/{theirs}", {"fields": {"item_count": 4}}, status=200)
        self.assertEqual(self.api("GET", f"records/{theirs}", status=200).json["origin"], "town")  # whoever changes it
        matters = self.api("GET", "types/area_unit/records", status=200).json["records"]
        self.assertTrue(matters and not any("origin" in r for r in matters), matters)  # of the town in its own name

    def test_drafts_survive_kill_9(self):
        body = {"fields": {"name": "测试半"}, "step": 2}
        self.api("PUT", "drafts/person-new", body, status=204)
        self.node.kill()
        self.node.serve()
        self.api = Api(self.node.server.ready["http"])
        self.api.login(*SECRETARY)
        self.assertEqual(self.api("GET", "drafts/person-new", status=200).json["body"], body)
        self.assertEqual(len(self.api("GET", "drafts", status=200).json["drafts"]), 1)
        other = Api(self.node.server.ready["http"])
        other.login("管理员", "246813")
        self.assertEqual(other("GET", "drafts", status=200).json["drafts"], [])  # each his own
        self.error(self.api("PUT", "drafts/x", {"text": "字" * 50000}, status=413), "too_large")
        self.api("DELETE", "drafts/person-new", status=204)
        self.error(self.api("GET", "drafts/person-new", status=404), "not_found")

    def test_kill_9_between_saves(self):
        """P1: whatever was answered is there; a save that was not answered may be repeated."""
        answered, sent, stop = [], [], threading.Event()

        def type_on():
            while not stop.is_set():
                record_id = uuid7()
                sent.append(record_id)
                try:
                    self.save({**consultation(), "id": record_id})
                    answered.append(record_id)
                except OSError:
                    return

        writer = threading.Thread(target=type_on)
        writer.start()
        wait_for(lambda: len(answered) >= 5, "five saves")
        self.node.kill()
        stop.set()
        writer.join()
        self.node.serve()
        self.api = Api(self.node.server.ready["http"])
        self.api.login(*SECRETARY)
        for record_id in answered:
            self.api("GET", f"records/{record_id}", status=200)
        self.save({**consultation(), "id": sent[-1]})  # again, or for the first time
        page = self.api("GET", "types/consultation/records?limit=500", status=200).json
        self.assertEqual(page["total"], len(set(sent)))


class Tasks(WithPage):
    def test_what_is_due(self):
        """people to be contacted by their plan and last visit, the most urgent first; what is far off or closed is none"""
        import datetime
        today = datetime.date.today()
        ago = lambda days: (today - datetime.timedelta(days=days)).isoformat()
        people = self.node.add_ids([person(name=n) for n in ("甲一", "乙二", "丙三", "丁四")])
        plan = lambda p, start, **more: {"type": "contact_plan", "fields": {"person_id": p, "owner": uuid7(), "frequency": "quarter", "start_on": start, **more}}
        self.node.add([plan(people[0], ago(200)), plan(people[1], ago(200)), plan(people[2], ago(85)), plan(people[3], ago(200), end_on=ago(10))])
        self.node.add([visit([people[1]], visit_on=ago(5), occasion="daily", occasion_year=today.year)])
        found = self.api("GET", "tasks", status=200).json
        self.assertEqual([(t["kind"], t["name"], t["overdue"]) for t in found["tasks"]], [("contact", "甲一", True), ("contact", "丙三", False)])
        self.assertEqual(found["total"], 2)
        self.assertEqual((found["answers"], found["backup"]), ([], {"made_at": "", "days": 7, "due": True}))
        self.assertIn((found["festival"] or {"people": 4})["people"], (4,))

    def test_what_a_visit_left_to_do_and_what_is_missing(self):
        """a follow-up is due until the person is visited again, also with the town's word on the visit; materials are called by their names; the town says how long a backup lasts"""
        import datetime
        today = datetime.date.today()
        day = lambda n: (today + datetime.timedelta(days=n)).isoformat()
        people = self.node.add_ids([person(name=n) for n in ("甲一", "乙二", "丙三")])
        left = lambda p, on, due: visit([p], visit_on=day(on), occasion="daily", occasion_year=today.year, follow_up="送表格", follow_up_on=day(due))
        self.node.add([left(people[0], -20, -2), left(people[1], -20, -2), left(people[2], -1, 90), visit([people[1]], visit_on=day(-1), occasion="daily", occasion_year=today.year)])
        materials = [{"no": n, "name": name, "form": "copy", "count": 1, "may_be_late": n > 1} for n, name in ((1, "身份证"), (2, "退伍证"), (3, "照片"))]
        matter = self.t.hub.add_ids([{"type": "matter", "fields": {"name": "优待证申领", "version": 1, "materials": materials, "steps": "受理后报镇。"}}])[0]
        self.t.hub.add([{"type": "setting", "fields": {"key": "backup_days", "value": "30"}}])
        self.node.sync()
        item = {"matter_id": matter, "person_id": people[2], "notice_given_at": f"{day(-3)}T01:30:00.000Z", "mode": "tolerant", "place": "village", "trip_count": 1, "state": "tolerant", "missing_materials": [2, 3], "missing_due": day(3)}
        self.save({"type": "service_item", "fields": item})
        found = self.api("GET", "tasks", status=200).json
        self.assertEqual([(t["kind"], t["name"], t["due"], t.get("missing")) for t in found["tasks"]], [("follow_up", "甲一", day(-2), None), ("materials", "丙三", day(3), ["退伍证", "照片"])])
        self.assertEqual(found["backup"]["days"], 30)

    def test_a_promise_stays_until_it_is_kept_or_cannot_be(self):
        """a festival's visits to everybody before the promised day are not the visit promised; who died, moved out or was deleted is waited for no more"""
        import datetime
        today = datetime.date.today()
        day = lambda n: (today + datetime.timedelta(days=n)).isoformat()
        people = self.node.add_ids([person(name=n) for n in ("甲一", "乙二", "丙三", "丁四", "戊五")])
        left = lambda p, due: visit([p], visit_on=day(-20), occasion="daily", occasion_year=today.year, follow_up="送表格", follow_up_on=day(due))
        self.node.add([left(p, due) for p, due in zip(people, (-2, -12, -2, -2, -2))])
        self.node.add([visit([p], visit_on=day(-10), occasion="national", occasion_year=today.year) for p in people[:2]])
        due = lambda: [t["name"] for t in self.api("GET", "tasks", status=200).json["tasks"]]
        self.assertEqual(sorted(due()), sorted(("甲一", "丙三", "丁四", "戊五")))
        gone = lambda p, kind, **more: {"type": "residency_event", "fields": {"person_id": p, "kind": kind, "event_on": day(-1), "proof": uuid7(), "from_village": village_code(1), **more}}
        self.node.add([gone(people[2], "death"), gone(people[3], "out", outside_text="邻省")])
        self.node.sync()
        self.assertEqual(self.t.hub.json("approve", "residency_event")["left"], [])
        self.node.sync()
        self.api("DELETE", f"records/{people[4]}", {"reason": "重复"}, status=200)
        self.assertEqual(due(), ["甲一"])
        self.node.run("backup", self.work / "own.db")
        noted = self.api("GET", "tasks", status=200).json["backup"]
        self.assertEqual((noted["made_at"] != "", noted["due"]), (True, False))

    def test_a_village_is_called_by_its_name(self):
        """a record's label says which village, not its code"""
        who = self.node.add_ids([person()])[0]
        made = self.node.add_ids([{"type": "residency_event", "fields": {"person_id": who, "kind": "death", "event_on": "2025-03-01", "from_village": village_code(1), "proof": uuid7()}}])[0]
        label = "死亡 · 2025-03-01 · 示例村1"
        self.assertEqual(self.api("GET", f"records/{made}", status=200).json["label"], label)
        self.assertIn(label, [r["label"] for r in self.api("GET", "types/residency_event/records", status=200).json["records"]])

    def test_who_works_here(self):
        """posts of the station, open and past, and the accounts of this PC"""
        self.node.sync()
        station = self.node.station_row()["id"]
        post = lambda name, **more: {"type": "staff_post", "station": village_code(1), "fields": {"station_id_post": station, "post": "head", "holder_name": name, "full_time": False, "concurrent": True, "is_veteran": False, "from_on": "2021-01-01", **more}}
        self.t.hub.add([post("站长甲"), post("前站长", from_on="2018-01-01", to_on="2020-12-31")])
        self.node.sync()
        found = self.api("GET", "staff", status=200).json
        self.assertEqual([(s["name"], s["now"]) for s in found["staff"] if s["post"]], [("前站长", False), ("站长甲", True)])
        mine = next(s for s in found["staff"] if s["id"] == found["me"])
        self.assertEqual((mine["name"], mine["now"], mine["post"]), (SECRETARY[0], True, ""))


class Events(WithPage):
    def test_a_change_is_told(self):
        host, port = self.node.server.ready["http"].split(":")
        with socket.create_connection((host, int(port)), timeout=30 * harness.SLOW) as s:
            s.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nCookie: {self.api.cookie}\r\n\r\n".encode())
            stream = s.makefile("rb")

            def told(what):
                for line in stream:
                    if line.startswith(b"data: ") and what(json.loads(line[6:])):
                        return True
                return False

            self.assertTrue(told(lambda status: status["state"] == "online"))
            self.t.hub.stop()
            self.save(consultation())
            self.assertTrue(told(lambda status: status["pending"] == 1))
            self.t.hub.serve()
            self.api("POST", "sync", {}, status=202)
            self.assertTrue(told(lambda status: status["pending"] == 0))


class Hostile(WithPage):
    def test_other_sites_and_forms(self):
        address = self.node.server.ready["http"]
        cookie = {"Cookie": self.api.cookie}
        body = json.dumps({"id": uuid7(), "fields": consultation()["fields"]})
        path = "/api/v1/types/consultation/records"
        for headers, status in (({**cookie, "Content-Type": "text/plain"}, 415),
                                ({**cookie, "Content-Type": "application/x-www-form-urlencoded"}, 415),
                                ({**cookie, "Content-Type": "application/jsonp"}, 415),
                                (cookie, 415),
                                ({**cookie, "Content-Type": "application/json", "Origin": "http://evil.example"}, 403),
                                ({**cookie, "Content-Type": "application/json", "Host": "evil.example"}, 403),
                                ({**cookie, "Content-Type": "application/json", "Origin": f"http://{address}"}, 201)):
            self.assertEqual(self.api.raw("POST", path, body, headers).status, status, headers)
        answer = self.api.raw("POST", "/api/v1/session", json.dumps({"user": SECRETARY[0], "password": SECRETARY[1]}),
                              {"Content-Type": "application/json"})
        self.assertIn("HttpOnly", answer.headers["Set-Cookie"])
        self.assertIn("SameSite=Strict", answer.headers["Set-Cookie"])
        self.assertIn("default-src 'self'", answer.headers["Content-Security-Policy"])

    def test_every_route_with_rubbish(self):
        """Wrong types, sizes, encodings, path tricks: an error of the document each time, and the server goes on."""
        record = self.save(consultation())
        bodies = [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe{}", b'{"a":1,"a":2}', b'{"fields":[]}', b'{"fields":{"on":{}}}',
                  b'{"id":5,"fields":{}}', b'{"user":[],"password":{}}', b'{"user":"\\u0000","password":"x"}', b'{"reason":7}',
                  b'{"password":"\\ud800"}', b"{" * 5000, b'{"fields":{"x":' + b"[" * 500 + b"]" * 500 + b"}}",
                  json.dumps({"id": uuid7(), "fields": {"on": "x" * 70000}}).encode(), b'{"fields":{"on":1e999}}', b"{}" + b" " * 900000]
        texts = ["..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00", "%ff", "'%20OR%201=1--", "x" * 900, "person", record["id"]]
        headers = {"Cookie": self.api.cookie, "Content-Type": "application/json"}
        for path, methods in self.api.document["paths"].items():
            for method in methods:
                if "events" in path or (path == "/api/v1/session" and method == "delete") or path.endswith("/lock"):
                    continue
                for text in texts if "{" in path else [""]:
                    real = path.replace("{type}", text).replace("{id}", text).replace("{key}", text).replace("{name}", text)
                    for body in bodies if method != "get" else [None]:
                        answer = self.api.raw(method.upper(), real, body, headers)
                        if answer.status == 0 and len(body or b"") > 100000:
                            continue  # a head that was refused: the long body was not waited for
                        self.assertIn(answer.status, (200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 413, 422), f"{method} {real} {body!r:.80}: {answer}")
                        if answer.status >= 400:
                            self.assertTrue(answer.json["error"]["text"], answer)
                        if "Set-Cookie" in answer.headers:
                            self.fail(f"{method} {real} {body!r:.80} logged in")
                for query in ("?limit=99999999999999999999", "?q=%ff", "?sort=%27", "?f.on=%00", "?offset=1e3"):
                    if method == "get":
                        answer = self.api.raw("GET", path.replace("{type}", "person") + query, None, headers)
                        self.assertLess(answer.status, 500, f"{path}{query}: {answer}")
        self.assertEqual(self.api("GET", f"records/{record['id']}", status=200).json["id"], record["id"])
        self.assertEqual(self.node.server.http("/healthz")[0], 200)
