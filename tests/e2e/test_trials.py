"""What people do at the wrong moment: a clone is settled while both installations talk; a secretary is replaced while logged in (P1, P8, P11)."""
import shutil
import threading

from api import Api
from harness import Case, Town, consultation, person, uuid7, wait_for
from test_api import SECRETARY, WithPage


class SettledWhileBothTalk(Case):
    def test_settled_too_early(self):
        """P1, P3, P8: `station settle` again and again while a PC and its copy both save and synchronise: whichever the hub takes, nothing that
        was saved is lost or doubled, and once the second is enrolled anew all of it is at the town"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        saved = {"node": node.add_ids([consultation(item_count=n + 1) for n in range(3)]), "twin": []}
        node.serve()
        node.sync()
        twin = town.new_node(1, "twin")
        shutil.copytree(node.dir, twin.dir, ignore=shutil.ignore_patterns("*.sock", "control*"))
        node.kill()
        node.serve()
        node.sync()
        twin.serve()
        stop, failures = threading.Event(), []

        def work(name, pc):
            n = 0
            while not stop.is_set():
                try:
                    n += 1
                    saved[name] += pc.add_ids([consultation(item_count=n)])
                    pc.run("sync", "--timeout", "10", check=False)
                except Exception as problem:  # told by the test's thread
                    failures.append(problem)
                    return

        threads = [threading.Thread(target=work, args=pair) for pair in (("node", node), ("twin", twin))]
        for t in threads:
            t.start()
        try:
            for _ in range(3):
                wait_for(lambda: failures or any(a["kind"] == "clone" for s in hub.json("station", "list") for a in s["alarms"]), "the copy to be noticed", 90)
                hub.run("station", "settle", node.code, "--note", "以为只剩一台")
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(failures, [])
        hub.verify()
        # Nothing is lost or doubled at any moment: each is at the town, or waits where it was made.
        for name, pc in (("node", node), ("twin", twin)):
            self.assertLessEqual(set(saved[name]), {r["id"] for r in pc.list("consultation")})
        # A person acts: who is refused is enrolled anew, and that is settled.
        for n in range(4):
            refused = [pc for pc in (node, twin) if pc.run("sync", "--timeout", "20", check=False).rc]
            if not refused:
                break
            pc = refused[-1]
            pc.stop()
            pc.run("enrol", town.new_kit(1, f"kit-anew-{n}"), "--renew")
            pc.serve()
            hub.run("station", "settle", node.code, "--note", "第二台已换发登记")
        for _ in range(2):
            node.sync(timeout_s=90)
            twin.sync(timeout_s=90)
        there = [r["id"] for r in hub.rows("records", "consultation")]
        self.assertEqual(sorted(there), sorted(saved["node"] + saved["twin"]))
        for record in there:
            creations = [r["verdict"] for r in hub.rows("history", record) if r["op"] == "create"]
            self.assertEqual(creations.count("applied"), 1, creations)
        for pc in (node, twin):
            self.assertEqual(sorted(r["id"] for r in pc.list("consultation")), sorted(there))
            self.assertEqual(pc.status()["pending"], 0)
        self.assertEqual((hub.rows("conflicts"), hub.rows("held"), hub.rows("returned")), ([], [], []))
        hub.verify()


class AccountsChangedMeanwhile(WithPage):
    """P1, P11: accounts are changed by command, in another process than the server that knows who is logged in."""

    def test_replaced_while_logged_in(self):
        """The old secretary's session ends at once; what was saved stays under the old name, the unfinished form is the new one's, and nothing more
        is written under an account that is closed"""
        made = self.save(person())
        self.api("PUT", "drafts/new-person", {"fields": {"name": "没填完"}}, status=204)
        self.node.run("user", "replace", SECRETARY[0], "李秘书", "-", stdin="642975\n")
        self.error(self.api("PUT", "drafts/new-person", {"fields": {"name": "还在打字"}}, status=401), "no_session")
        late = uuid7()
        self.error(self.api("POST", "types/person/records", {"id": late, "fields": person()["fields"]}, status=401), "no_session")
        self.error(self.api("GET", "session", status=401), "no_session")
        self.assertIsNone(self.node.get(late) if late in [r["id"] for r in self.node.list("person")] else None)
        self.error(self.api("POST", "session", {"user": SECRETARY[0], "password": SECRETARY[1]}, status=403), "wrong_password")
        new = Api(self.node.server.ready["http"])
        new.login("李秘书", "642975")
        self.assertEqual([d["body"]["fields"]["name"] for d in new("GET", "drafts", status=200).json["drafts"]], ["没填完"])
        self.assertEqual([c["user"] for c in new("GET", f"records/{made['id']}/history", status=200).json["changes"]], [SECRETARY[0]])
        self.save({"type": "person", "id": late, "fields": person()["fields"]}, api=new)
        self.assertEqual([c["user"] for c in new("GET", f"records/{late}/history", status=200).json["changes"]], ["李秘书"])
        self.node.sync()
        self.assertEqual(len(self.t.hub.rows("records", "person")), 2)

    def test_disabled_and_a_new_password_by_command(self):
        admin = Api(self.node.server.ready["http"])
        admin.login("管理员", "246813")
        self.node.run("user", "disable", SECRETARY[0])
        self.error(self.api("GET", "status", status=401), "no_session")
        self.node.run("user", "enable", SECRETARY[0])
        self.error(self.api("GET", "status", status=401), "no_session")
        self.api.login(*SECRETARY)
        self.node.run("user", "password", SECRETARY[0], "-", stdin="753951\n")
        self.error(self.api("GET", "status", status=401), "no_session")
        self.api.login(SECRETARY[0], "753951")
        # One's own new password, by the page, leaves one where one is; and an administrator's of the own account.
        self.api("POST", "session/password", {"old": "753951", "password": "861942"}, status=204)
        self.api("GET", "status", status=200)
        admin("PATCH", "users/%E7%AE%A1%E7%90%86%E5%91%98", {"password": "846213"}, status=204)
        admin("GET", "users", status=200)

    def test_the_towns_accounts(self):
        """At the hub as well: `user disable` ends what is open"""
        hub = self.t.hub
        given = hub.json("user", "add", "钱职员", "--role", "clerk")["password"]
        page = Api(hub.server.ready["http"])
        page("POST", "session", {"user": "钱职员", "password": given}, status=200)
        page("POST", "session/password", {"old": given, "password": "57913864aa"}, status=204)
        page("GET", "stations", status=200)
        hub.run("user", "disable", "钱职员")
        self.error(page("GET", "stations", status=401), "no_session")


if __name__ == "__main__":
    import unittest
    unittest.main()
