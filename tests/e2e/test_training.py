"""The training copy: made-up people behind the same door, of which nothing can reach the queue of the real data."""
import pathlib
import random
import re
import shutil
import threading

from api import Api
from harness import SEED, lm_nodes_of_db, person, uuid7
from test_api import WithPage

BASE = "/training"
TRAINEE = ("练习员", "246810")


class Trained(Api):
    """A client of the same API below /training/, held against the same document."""

    def raw(self, method, path, body=None, headers=None):
        return super().raw(method, BASE + path, body, headers)


class Training(WithPage):
    def setUp(self):
        super().setUp()
        self.here = Trained(self.node.server.ready["http"])

    def real_changes(self):
        return lm_nodes_of_db(f"{self.node.dir}/node.db", "SELECT count(*) FROM outbox")[0][0]

    def people(self):
        return self.here("GET", "types/person/records", status=200).json

    def test_nothing_reaches_the_real_queue(self):
        self.save(person())
        before = self.real_changes()
        # A session of the one door opens nothing behind the other, and neither do the accounts.
        self.here.cookie = self.api.cookie
        self.error(self.here("GET", "status", status=401), "no_session")
        self.here.cookie = None
        self.error(self.here("POST", "session", {"user": "王秘书", "password": "135792"}, status=403), "wrong_password")
        self.here.login(*TRAINEE)
        self.assertTrue(self.here.cookie.startswith("lm_training_"))
        self.api.cookie, kept = self.here.cookie, self.api.cookie
        self.error(self.api("GET", "status", status=401), "no_session")
        self.api.cookie = kept
        # Everything that a page does: create, edit, delete, bring back, batches, drafts.
        people = self.people()
        self.assertEqual(people["total"], 12)
        self.assertTrue(all("练" in r["label"] for r in people["records"]), [r["label"] for r in people["records"]])
        made = self.here("POST", "types/person/records", {"id": uuid7(), "fields": person()["fields"]}, status=201).json
        self.here("PATCH", f"records/{made['id']}", {"fields": {"phone": "13900000001"}}, status=200)
        self.here("DELETE", f"records/{made['id']}", {"reason": "练习"}, status=200)
        self.here("POST", f"records/{made['id']}/undelete", {}, status=200)
        visit = {"visit_on": "2025-02-01", "occasion": "daily", "occasion_year": 2025, "persons": [made["id"]], "visitors": "练习书记", "visitor_level": "village"}
        self.here("POST", "types/visit/batches", {"key": uuid7(), "records": [visit]}, status=201)
        self.here("PUT", "drafts/new-person", {"fields": {"name": "练"}})
        returned = self.here("GET", "returned", status=200).json["records"]
        self.assertEqual(len(returned), 1)
        self.here("PATCH", f"records/{returned[0]['id']}", {"fields": {"item_count": 3, "state": "submitted"}}, status=200)
        self.assertEqual(self.here("GET", "returned", status=200).json["records"], [])
        self.assertGreater(self.here("GET", "status", status=200).json["pending"], 4)
        # No way out: no stick, no synchronisation, no events of the real data.
        headers = {"Cookie": self.here.cookie, "Content-Type": "application/json"}
        for method, path in (("POST", "sync"), ("GET", "usb"), ("POST", "usb/export"), ("POST", "usb/import"), ("POST", "usb/backup"), ("POST", "usb/restore"), ("GET", "events")):
            self.assertEqual(self.here.raw(method, f"/api/v1/{path}", b"{}" if method == "POST" else None, headers).status, 404, path)
        # The real data is as it was, here and at the town.
        self.assertEqual(self.real_changes(), before)
        self.assertEqual(self.api("GET", "types/person/records", status=200).json["total"], 1)
        self.error(self.api("GET", f"records/{made['id']}", status=404), "not_found")
        self.assertEqual(self.api("GET", "drafts", status=200).json["drafts"], [])
        self.error(self.api("POST", "training/reset", {}, status=404), "not_training")
        self.node.sync()
        self.assertEqual([len(self.t.hub.rows("records", t)) for t in ("person", "visit", "consultation", "aid_case")], [1, 0, 0, 0])
        self.t.hub.verify()

    def test_no_command_takes_it_for_a_nodes_database(self):
        """Not as a backup to restore, and not in the place of the real database with all keys beside it"""
        self.here.login(*TRAINEE)
        self.node.stop()
        trained = f"{self.node.dir}/training/training.db"
        for table, least in (("outbox", 12), ("r_person", 12)):
            self.assertGreaterEqual(lm_nodes_of_db(trained, f"SELECT count(*) FROM {table}")[0][0], least)
        self.assertNotEqual(self.node.run("restore", trained, check=False).rc, 0)
        thief = self.t.new_node(1, "thief")
        shutil.copytree(self.node.dir, thief.dir, dirs_exist_ok=True)
        for name in ("node.db-wal", "node.db-shm"):
            pathlib.Path(thief.dir, name).unlink(missing_ok=True)
        shutil.copy(trained, f"{thief.dir}/node.db")
        for command in (["sync"], ["status"], ["list", "person"], ["bundle", "export", f"{thief.dir}/x.lmb"], ["backup", f"{thief.dir}/b.db"]):
            failed = thief.run(*command, check=False)
            self.assertNotEqual(failed.rc, 0, command)
        self.assertEqual(self.t.hub.rows("records", "person"), [])

    def test_begun_anew_whatever_happens(self):
        self.here.login(*TRAINEE)
        first = sorted(r["label"] for r in self.people()["records"])
        one = self.people()["records"][0]["id"]
        self.here("PATCH", f"records/{one}", {"fields": {"phone": "13911111111"}}, status=200)
        self.here("POST", "types/person/records", {"id": uuid7(), "fields": person()["fields"]}, status=201)
        self.here("POST", "training/reset", {}, status=204)
        self.assertEqual(sorted(r["label"] for r in self.people()["records"]), first)  # and the session goes on
        moments = random.Random(SEED)
        # Killed while it is made: the next one is whole.
        for _ in range(4):
            asked = threading.Thread(target=lambda: self.quietly("POST", "training/reset"))
            asked.start()
            asked.join(0.02 + moments.random() * 0.3)
            self.node.kill()
            asked.join()
            self.node.serve()
            self.here = Trained(self.node.server.ready["http"])
            self.here.login(*TRAINEE)
            self.assertEqual(sorted(r["label"] for r in self.people()["records"]), first)
            self.assertEqual(len(self.here("GET", "returned", status=200).json["records"]), 1)
        # A file that is nothing is made anew, too: nothing in it matters.
        self.node.stop()
        with open(f"{self.node.dir}/training/training.db", "wb") as f:
            f.write(b"noise" * 4000)
        self.node.serve()
        self.here = Trained(self.node.server.ready["http"])
        self.here.login(*TRAINEE)
        self.assertEqual(self.people()["total"], 12)

    def quietly(self, method, path):
        try:
            self.here(method, path, {})
        except Exception:  # noqa: BLE001: the program was killed under it
            pass

    def test_the_page_is_the_same(self):
        page, real = (self.api.raw("GET", path) for path in ("/training/", "/"))
        text, same = (re.sub(r'(id="first">).*?(</script>)', r"\1\2", answer.raw.decode(), flags=re.S) for answer in (page, real))  # each brings its own data
        self.assertEqual((page.status, text), (200, same))
        for asset in re.findall(r'"\./(assets/[^"]+)"', text):
            self.assertEqual(self.api.raw("GET", f"/training/{asset}").status, 200, asset)
