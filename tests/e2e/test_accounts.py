"""Accounts of the stations, made at the hub and valid at their PCs without a network: first password, reset, disabled, handed over; by
network and by USB; when hub or PC go back in time; and the verifier of a password is shown by nothing (P5, P7, P8, P11)."""
import json
from urllib.parse import quote

from api import Api
from harness import Case, Town, consultation, lm_nodes_of_db, uuid7, village_code
from test_usb import bring, export, take

ADMIN, OWN, OTHER = "admin-Passw0rd", "own-Passw0rd", "other-Passw0rd"


class Accounts(Case):
    def setUp(self):
        super().setUp()
        self.t = Town(self, villages=2)
        self.hub, self.one, self.two = self.t.hub, self.t.v[1], self.t.v[2]
        self.hub.run("user", "add", "管理员", "-", "--role", "security", stdin="start-Passw0rd\n")
        self.admin = self.town_page()

    def town_page(self):
        api = Api(self.hub.server.ready["http"])
        if api("POST", "session", {"user": "管理员", "password": ADMIN}).status != 200:
            api.login("管理员", "start-Passw0rd")
            api("POST", "session/password", {"old": "start-Passw0rd", "password": ADMIN}, status=204)
        return api

    def make(self, name="李秘书", station=1, **more):
        return self.admin("POST", "accounts", {"station": village_code(station), "user": name, **more}, status=201).json

    def page(self, node):
        if not node.server or not node.server.alive():
            node.serve()
        return Api(node.server.ready["http"])

    def error(self, answer, code):
        self.assertEqual(answer.json["error"]["code"], code, answer)

    def refused_login(self, node, name, password, code="wrong_password"):
        answer = self.page(node)("POST", "session", {"user": name, "password": password}, status=403)
        self.error(answer, code)

    def enter(self, node, name, first, own=OWN):
        """The first login: another password, then in."""
        api = self.page(node)
        self.assertTrue(api.login(name, first).json["must_change"])
        self.error(api("GET", "types/person/records", status=403), "must_change")
        self.error(api("POST", "session/password", {"old": first, "password": first}, status=422), "same_password")
        api("POST", "session/password", {"old": first, "password": own}, status=204)
        api("GET", "types/person/records", status=200)
        return api

    def test_made_at_the_hub_and_used_offline(self):
        """made at the hub, one exchange, and the village logs in with no hub there; not at another village"""
        made = self.make(shown="李小明")
        self.assertRegex(made["password"], r"^\d{8}$")
        self.assertNotIn("password", self.admin("GET", "accounts", status=200).json["accounts"][0])
        self.t.sync_all()
        self.hub.server.stop()
        api = self.page(self.one)
        self.assertFalse(api("GET", "setup", status=200).json["needed"])  # the town's account is one
        api = self.enter(self.one, "李秘书", made["password"])
        self.assertEqual([api("GET", "session", status=200).json[k] for k in ("user", "shown", "role")], ["李秘书", "李小明", "secretary"])
        saved = api("POST", "types/consultation/records", {"id": uuid7(), "fields": consultation()["fields"]}, status=201).json["id"]
        self.assertEqual(api("GET", f"records/{saved}/history", status=200).json["changes"][0]["user"], "李秘书")
        api("POST", "session/lock", status=200)
        self.error(api("POST", "session/unlock", {"password": made["password"]}, status=403), "wrong_password")
        api("POST", "session/unlock", {"password": OWN}, status=200)
        # The first password is over here; a restart forgets nothing; wrong ones lock.
        self.one.server.stop()
        self.refused_login(self.one, "李秘书", made["password"])
        self.assertFalse(self.page(self.one).login("李秘书", OWN).json["must_change"])
        for _ in range(5):
            self.refused_login(self.one, "李秘书", "wrong-wrong")
        self.refused_login(self.one, "李秘书", OWN, "locked_out")
        # The other village has no such account: its first visit would make one.
        self.assertTrue(self.page(self.two)("GET", "setup", status=200).json["needed"])
        self.refused_login(self.two, "李秘书", made["password"])
        self.assertEqual(self.two.rows("user", "list"), [])
        self.hub.verify()

    def test_reset_and_disabled_reach_who_is_logged_in(self):
        made = self.make()
        self.one.sync()
        api = self.enter(self.one, "李秘书", made["password"])
        self.admin("PATCH", f"accounts/{made['id']}", {"shown": "李大明"}, status=200)  # leaves the password
        self.one.sync()
        self.assertEqual(api("GET", "session", status=200).json["shown"], "李大明")
        again = self.admin("POST", f"accounts/{made['id']}/password", {}, status=200).json["password"]
        self.one.sync()
        self.error(api("GET", "types/person/records", status=401), "no_session")
        self.refused_login(self.one, "李秘书", OWN)
        api = self.enter(self.one, "李秘书", again, OTHER)
        self.admin("PATCH", f"accounts/{made['id']}", {"disabled": True}, status=200)
        self.one.sync()
        self.error(api("GET", "types/person/records", status=401), "no_session")
        self.refused_login(self.one, "李秘书", OTHER)
        # Nobody at the village opens it again.
        self.assertNotEqual(self.one.run("user", "enable", "李秘书", check=False).rc, 0)
        self.one.run("user", "password", "李秘书", "-", stdin=OWN + "\n")
        self.refused_login(self.one, "李秘书", OWN)
        self.admin("PATCH", f"accounts/{made['id']}", {"disabled": False}, status=200)
        self.one.sync()
        self.assertEqual(self.page(self.one).login("李秘书", OWN).status, 200)
        log = [(r["what"], r["object"]) for r in self.town_log()]
        for what in ("account_add", "account_edit", "account_password", "account_disable", "account_enable"):
            self.assertIn((what, f"{village_code(1)} 李秘书"), log)
        self.hub.verify()

    def town_log(self):
        self.hub.run("user", "add", "审计员", "-", "--role", "auditor", stdin="start-Passw0rd\n")
        api = Api(self.hub.server.ready["http"])
        api.login("审计员", "start-Passw0rd")
        api("POST", "session/password", {"old": "start-Passw0rd", "password": OTHER}, status=204)
        answer = api("GET", "audit?verify=1&limit=500", status=200).json
        self.assertIsNone(answer["first_bad"])
        return answer["rows"]

    def test_another_secretary_takes_over(self):
        made = self.make()
        self.one.sync()
        api = self.enter(self.one, "李秘书", made["password"])
        api("PUT", "drafts/new-person", {"body": {"name": "没填完"}}, status=204)
        self.error(self.admin("POST", f"accounts/{made['id']}/successor", {"user": "李秘书"}, status=409), "user_exists")
        new = self.admin("POST", f"accounts/{made['id']}/successor", {"user": "赵秘书", "shown": "赵小红"}, status=201).json
        self.assertEqual((new["role"], new["replaces"], new["station"]), ("secretary", "李秘书", village_code(1)))
        self.one.sync()
        self.refused_login(self.one, "李秘书", OWN)
        api = self.enter(self.one, "赵秘书", new["password"], OTHER)
        self.assertEqual([d["key"] for d in api("GET", "drafts", status=200).json["drafts"]], ["new-person"])
        self.assertEqual([(a["name"], a["disabled"]) for a in sorted(self.hub.rows("account", "list"), key=lambda a: a["name"])],
                         [("李秘书", True), ("赵秘书", False)])

    def test_by_command(self):
        """The same by command, beside the running server and without it; each act is in the log, and the chain holds."""
        made = self.hub.json("account", "add", village_code(1), "李秘书", "--shown", "李小明", "--role", "admin")
        self.hub.server.stop()
        self.hub.run("account", "add", village_code(2), "钱秘书", "-", stdin="first-Passw0rd\n")
        self.hub.run("account", "disable", village_code(2), "钱秘书")
        self.hub.run("account", "enable", village_code(2), "钱秘书")
        self.hub.serve()
        self.t.sync_all()
        api = self.enter(self.one, "李秘书", made["password"])
        self.assertTrue(api("GET", "users", status=200).json["users"][0]["of_town"])  # an administrator of the PC
        self.error(api("POST", f"users/{quote('李秘书')}/successor", {"user": "x", "password": OTHER}, status=422), "own_account")
        self.enter(self.two, "钱秘书", "first-Passw0rd")
        again = self.hub.json("account", "reset", village_code(2), "钱秘书")["password"]
        new = self.hub.json("account", "replace", village_code(1), "李秘书", "赵秘书")
        self.t.sync_all()
        self.enter(self.two, "钱秘书", again, OTHER)
        self.enter(self.one, "赵秘书", new["password"], OTHER)
        for args, code in ((("add", village_code(1), "赵秘书"), "user_exists"), (("add", village_code(3), "甲"), "unknown_station"),
                           (("add", village_code(1), "a/b"), "bad_text"), (("add", village_code(1), "甲", "--role", "clerk"), "bad_code"),
                           (("disable", village_code(2), "赵秘书"), "no_user"), (("reset", village_code(1), "没有"), "no_user")):
            self.cli_refused(self.hub.run("account", *args, check=False), code)
        self.assertNotEqual(self.hub.run("account", "add", village_code(1), "甲", "-", stdin="12345678\n", check=False).rc, 0)
        self.hub.server.stop()
        self.hub.serve()
        whats = [r["what"] for r in self.town_log() if r["object"].startswith("9999")]  # the villages'; the town's own have no code
        self.assertEqual([whats.count(w) for w in ("account_add", "account_disable", "account_enable", "account_password", "account_hand_over")],
                         [2, 1, 1, 1, 1])
        self.hub.verify()

    def test_wrong_input(self):
        made = self.make()
        for body, status, code in (({"station": village_code(1), "user": "李秘书"}, 409, "user_exists"), ({"station": village_code(9), "user": "甲"}, 422, "unknown_station"),
                                   ({"station": "'; DROP TABLE", "user": "甲"}, 422, "unknown_station"), ({"station": village_code(1), "user": ""}, 422, "bad_text"),
                                   ({"station": village_code(1), "user": "甲", "role": "clerk"}, 422, "bad_code"), ({"station": village_code(1)}, 422, "required"),
                                   ({"station": village_code(1), "user": "甲", "password": "1234567"}, 422, "password_short"),
                                   ({"station": village_code(1), "user": "甲", "shown": "字" * 41}, 422, "bad_text"), ({"station": 1, "user": "甲"}, 422, "bad_type")):
            self.error(self.admin("POST", "accounts", body, status=status), code)
        self.error(self.admin("PATCH", f"accounts/{made['id']}", {"disabled": "ja"}, status=422), "bad_type")
        self.error(self.admin("PATCH", f"accounts/{uuid7()}", {"disabled": True}, status=404), "no_user")
        self.error(self.admin("POST", f"accounts/{uuid7()}/password", {}, status=404), "no_user")
        self.error(self.admin("POST", f"accounts/{uuid7()}/successor", {"user": "乙"}, status=404), "no_user")
        for i in range(19):
            self.make(f"员{i}")
        self.error(self.admin("POST", "accounts", {"station": village_code(1), "user": "多了"}, status=413), "limit")
        # Neither forms nor lines make or change one, at the hub or at a village.
        fields = {"name": "贼", "shown": "贼", "role": "admin", "verifier": "x", "disabled": False}
        self.hub.run("user", "add", "业务员", "-", "--role", "clerk", stdin="start-Passw0rd\n")
        clerk = Api(self.hub.server.ready["http"])
        clerk.login("业务员", "start-Passw0rd")
        clerk("POST", "session/password", {"old": "start-Passw0rd", "password": "second-Passw0rd"}, status=204)
        self.error(clerk("POST", "types/station_account/records", {"id": uuid7(), "fields": fields}, status=404), "unknown_type")
        self.error(clerk("PATCH", f"records/{made['id']}", {"fields": {"disabled": True}}, status=404), "not_found")
        self.refused(self.hub.add([{"type": "station_account", "fields": fields}], check=False)[0], "system_field")
        self.one.sync()
        for line in ({"type": "station_account", "fields": fields}, {"id": made["id"], "fields": {"disabled": True}}):
            self.refused(self.one.add([line], check=False)[0], ("system_field", "not_allowed", "not_your_type", "locked_state"))
        self.one.sync()
        self.assertEqual(self.one.status()["pending"], 0)
        self.assertEqual(len(self.hub.rows("account", "list", village_code(1))), 20)

    def test_by_usb_only(self):
        made = self.make()
        self.hub.server.stop()  # no line between the two
        up, reply = self.work / "a.lmb", self.work / "a-reply.lmb"
        bring(self.hub, *export(self.one, up)["files"], reply=reply)
        take(self.one, reply)
        self.enter(self.one, "李秘书", made["password"])
        self.hub.run("account", "disable", village_code(1), "李秘书")
        self.assertEqual(self.page(self.one).login("李秘书", OWN).status, 200)  # it has not arrived yet
        up, reply = self.work / "b.lmb", self.work / "b-reply.lmb"
        bring(self.hub, *export(self.one, up)["files"], reply=reply)
        take(self.one, reply)
        self.refused_login(self.one, "李秘书", OWN)
        for file in self.work.glob("*.lmb"):
            self.assertNotIn(b"argon2id", file.read_bytes(), file)

    def test_hub_restored_from_an_older_backup(self):
        """P7: the village keeps its account, who was shut out stays out, and one confirmation brings both back to the hub"""
        old = self.make("旧秘书")
        self.t.sync_all()
        self.enter(self.one, "旧秘书", old["password"], OTHER)
        backup = self.work / "hub.backup"
        self.hub.run("backup", backup)
        made = self.make()
        made["password"] = self.admin("POST", f"accounts/{made['id']}/password", {}, status=200).json["password"]
        self.admin("PATCH", f"accounts/{old['id']}", {"disabled": True}, status=200)
        self.t.sync_all()
        self.enter(self.one, "李秘书", made["password"])
        self.hub.run("restore", backup)
        self.t.sync_all()
        self.t.sync_all()
        self.assertEqual(self.page(self.one).login("李秘书", OWN).status, 200)
        self.refused_login(self.one, "旧秘书", OTHER)
        self.admin = self.town_page()
        self.assertEqual([(a["name"], a["disabled"]) for a in self.admin("GET", "accounts", status=200).json["accounts"]], [("旧秘书", False)])
        self.nowhere(made["id"])
        self.hub.run("recovered", "accept", "--all")
        self.assertEqual(self.hub.rows("recovered", "list"), [])
        self.assertEqual(sorted((a["name"], a["disabled"]) for a in self.hub.rows("account", "list")), [("旧秘书", True), ("李秘书", False)])
        self.t.sync_all()
        self.assertFalse(self.page(self.one).login("李秘书", OWN).json["must_change"])
        self.refused_login(self.one, "旧秘书", OTHER)
        # The town goes on from there.
        again = self.admin("POST", f"accounts/{made['id']}/password", {}, status=200).json["password"]
        self.admin("PATCH", f"accounts/{old['id']}", {"disabled": False}, status=200)
        self.t.sync_all()
        self.enter(self.one, "李秘书", again, "third-Passw0rd")
        self.assertEqual(self.page(self.one).login("旧秘书", OTHER).status, 200)
        self.hub.verify()

    def test_village_restored_and_on_another_pc(self):
        """P8: a PC that goes back keeps what it knows of accounts; a new PC with the old one's backup has them, and what was chosen there"""
        made = self.make()
        self.one.sync()
        self.enter(self.one, "李秘书", made["password"])
        backup = self.work / "one.backup"
        self.one.run("backup", backup)
        again = self.admin("POST", f"accounts/{made['id']}/password", {}, status=200).json["password"]
        self.one.sync()
        self.one.server.stop()
        self.one.run("restore", backup)
        self.refused_login(self.one, "李秘书", OWN)  # the backup is older than the town's last word
        self.enter(self.one, "李秘书", again, OTHER)
        self.one.server.stop()
        # Another PC, which has an account of its own already and has never synchronised.
        pc = self.t.new_node(1, "new-pc")
        pc.enrol(self.t.new_kit(1, "kit-new"))
        pc.run("user", "add", "装机员", "-", "--role", "admin", stdin="246813\n")
        pc.run("restore", backup)
        self.assertTrue(self.page(pc).login("李秘书", made["password"]).json["must_change"])
        pc.sync()
        self.refused_login(pc, "李秘书", made["password"])
        self.assertTrue(self.page(pc).login("李秘书", again).json["must_change"])
        self.assertEqual(self.page(pc).login("装机员", "246813").status, 200)
        # And one that has none takes the old PC's with what was chosen there.
        pc = self.t.new_node(1, "third-pc")
        pc.enrol(self.t.new_kit(1, "kit-third"))
        pc.run("restore", backup)
        self.assertFalse(self.page(pc).login("李秘书", OWN).json["must_change"])

    # ---- the verifier ----

    def answers(self, api, record, extra=()):
        """Every answer of a page that is asked about the account: each address that reads, and those that show one record."""
        for path, methods in api.document["paths"].items():
            name = path.removeprefix("/api/v1/").replace("{type}", "station_account").replace("{id}", record).replace("{indicator}", "I12")
            name = name.replace("{check}", "near_duplicates").replace("{kind}", "recovered").replace("{name}", quote("李秘书")).replace("{key}", "k").replace("{upload}", uuid7()).replace("{code}", village_code(1)).replace("{token}", self.token)
            if "get" in methods and not path.endswith("/events"):
                yield path, api.raw("GET", "/api/v1/" + name, None, {"Cookie": api.cookie})
        for method, name, body in (("POST", f"records/{record}/reveal", {"reason": "看看校验值"}), ("POST", f"records/{record}/history", {}), ("PATCH", f"records/{record}", {"fields": {"verifier": "x"}, "was": {"verifier": "y"}}),
                                   ("POST", f"records/{record}/return", {"note": "退回看看"}), ("DELETE", f"records/{record}", {"reason": "删掉看看"}), *extra):
            yield name, api.raw(method, "/api/v1/" + name, json.dumps(body).encode(), {"Cookie": api.cookie, "Content-Type": "application/json"})
        for name in ("types/station_account/records?f.verifier=$argon2id", "types/station_account/records?q=argon2id", "types/station_account/records?sort=verifier", "months?type=station_account", "quality/missing/rows?type=station_account&field=verifier", "search?q=argon2id",
                     *(f"review/{kind}" for kind in ("returned", "held", "conflicts", "duplicates", "salvaged"))):
            yield name, api.raw("GET", "/api/v1/" + name, None, {"Cookie": api.cookie})

    def nowhere(self, record):
        """No answer, row, file or log of either program holds the text of any verifier that there is."""
        self.token = self.hub.json("token", "add", f"Excel {uuid7()}")["token"]
        verifiers = {v for (v,) in lm_nodes_of_db(self.one.dir / "node.db", "SELECT verifier FROM r_station_account")}
        self.assertTrue(verifiers and all(v.startswith("$argon2id$") for v in verifiers))
        secrets = {part for v in verifiers for part in v.split("$")[-2:]} | {"argon2id$"}

        def clean(where, text):
            text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
            for secret in secrets:
                self.assertNotIn(secret, text, where)

        seen = 0
        self.hub.run("user", "add", f"经办{record}", "-", "--role", "clerk", stdin="start-Passw0rd\n")
        clerk = Api(self.hub.server.ready["http"])
        clerk.login(f"经办{record}", "start-Passw0rd")
        clerk("POST", "session/password", {"old": "start-Passw0rd", "password": OTHER}, status=204)
        for api in (self.admin, clerk):
            for where, answer in self.answers(api, record, (("POST", "review/approve", {"type": "station_account", "ids": [record]}),)):
                clean(where, answer.raw)
                seen += answer.status == 200
        self.one.run("user", "add", f"看{record}", "-", "--role", "admin", stdin=OWN + "\n")
        village = self.page(self.one)
        village.login(f"看{record}", OWN)
        for where, answer in self.answers(village, record, (("POST", "types/station_account/check", {"id": record, "fields": {"verifier": "x"}}),
                                                            ("POST", "types/station_account/records", {"id": uuid7(), "fields": {"verifier": "x"}}))):
            clean(where, answer.raw)
            seen += answer.status == 200
        self.assertGreater(seen, 40)
        for program, commands in ((self.hub, (("account", "list"), ("records", "station_account"), ("history", record), ("recovered", "list"), ("returned",), ("conflicts",),
                                              ("held",), ("salvaged",), ("catalog", "show"), ("status",), ("count",), ("duplicates", "list"), ("user", "list"), ("station", "list"), ("verify",))),
                                  (self.one, (("list", "station_account"), ("get", record), ("history", record), ("history", record, "--fetch"), ("returned",), ("status",), ("user", "list")))):
            for command in commands:
                answer = program.run(*command, check=False)
                clean(command, answer.out + answer.err)
            for log in self.work.glob("*.log"):
                clean(log, log.read_bytes())
        for (view,) in lm_nodes_of_db(self.hub.dir / "hub.db", "SELECT name FROM sqlite_master WHERE type = 'view'"):
            for row in lm_nodes_of_db(self.hub.dir / "hub.db", f"SELECT * FROM \"{view}\""):
                clean(view, repr(tuple(row)))

    def test_the_verifier_is_shown_by_nothing(self):
        """P11: lists, cards, exports, counts, history, reveal with a reason, review, logs, spreadsheets, views, on both sides"""
        made = self.make()
        self.admin("POST", f"accounts/{made['id']}/password", {}, status=200)
        self.t.sync_all()
        self.nowhere(made["id"])
        self.assertNotIn("station_account", json.dumps(self.admin("GET", "catalog", status=200).json))
        # Another station's PC never gets it.
        self.assertEqual(lm_nodes_of_db(self.two.dir / "node.db", "SELECT count(*) FROM r_station_account")[0][0], 0)
