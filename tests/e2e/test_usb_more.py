"""What a stick brings beside changes and records: what is given back to a hub that went back in time (P7), the catalogue, histories that
were asked for; and files that lie (P11, P12). No node here has a connection after its enrolment."""
import json
import os
import shutil

import adversary
import bundle
from harness import Case, Town, consultation, lm_nodes_of_db, notice, person, village_code
from test_catalogue import OWN, Catalogue, text
from test_transfer import event

CATALOG, RECOVER, HISTORY = 13, 12, 11  # kinds of messages


class Sticks(Case):
    def start(self, villages=1):
        self.t = Town(self, villages=villages)
        self.hub, self.node = self.t.hub, self.t.v[1]
        self.trips = 0

    def bring(self, *files, reply, check=True):
        result = self.hub.run("bundle", "import", *files, "--reply", reply, "--json", check=check)
        return result.json()["files"][-1] if check else result

    def trip(self, node=None, *options):
        """There and back. → (what the export said, the hub, the import), and the files stay as NAME.lmb and NAME.reply."""
        node = node or self.node
        self.trips += 1
        up, reply = self.work / f"trip{self.trips}.lmb", self.work / f"trip{self.trips}.reply"
        out = node.json("bundle", "export", up, *options)
        told = self.bring(*out["files"], reply=reply)
        return out, told, node.json("bundle", "import", reply)

    def file(self, trip, ending="lmb"):
        return self.work / f"trip{trip}.{ending}"

    def secrets(self):
        """The hub's keys, as who stole them has them."""
        return json.loads((self.hub.dir / "hub.key").read_text(encoding="utf-8"))


class GivenBack(Sticks):
    def put_work_in(self):
        """A backup, and what the town did since; the village has it. → ids, what the village shows."""
        self.start()
        hub, node = self.hub, self.node
        self.kept = node.add_ids([consultation(item_count=1)])
        self.trip()
        self.backup = hub.dir.with_name("old.backup")
        hub.run("backup", self.backup)
        made = node.add([person(members={"ref": "p"}), consultation(item_count=2),
                         {"type": "person_identity", "fields": {"person_id": "@p", "code": "02"}},
                         {"type": "service_history", "fields": {"person_id": "@p", "enlist_on": "1974-12-01", "discharge_on": "1979-01-15",
                                                                "branch": "army", "resettlement": "self"}}])
        self.who = [m["id"] for m in made]
        self.trip()
        for t in ("person_identity", "service_history", "consultation", "person"):
            hub.run("approve", t)
        self.told = hub.add_ids([notice(), notice()])
        hub.add([{"id": self.who[0], "fields": {"household_no": "镇里更正"}}])
        self.trip()
        self.assertEqual(node.get(self.who[0])["state"], "active")
        return {r["id"]: r["fields"] for t in ("person", "consultation", "notice") for r in node.list(t)}

    def same_as_before(self, was):
        now = {r["id"]: r["fields"] for t in ("person", "consultation", "notice") for r in self.node.list(t)}
        there = {r["id"]: r["fields"] for t in ("person", "consultation", "notice") for r in self.hub.rows("records", t)}
        self.assertEqual(set(now), set(was))
        for i, fields in was.items():
            for side in (now, there):
                self.assertEqual({k: v for k, v in side[i].items() if k not in ("created_by", "dup_key")},
                                 {k: v for k, v in fields.items() if k != "created_by"})

    def recovered(self):
        return sorted((r["record"], r["op"], r["at"]) for r in self.hub.rows("recovered"))

    def test_town_work_comes_back(self):
        """P7: the hub is restored; the first trip tells the village, the second gives back, the third brings what a person confirmed"""
        was = self.put_work_in()
        hub, node = self.hub, self.node
        before = [self.file(n) for n in (1, 2, 3)]
        self.assertEqual(hub.json("restore", self.backup)["incarnation"], 2)
        out, told, took = self.trip()
        first = self.trips
        self.assertEqual((out["gives_back"], told["given_back"], took["gives_back"]), (False, 0, True))
        self.assertEqual(hub.rows("recovered"), [])
        self.assertEqual(sorted(r["id"] for r in hub.rows("records", "consultation")), sorted([self.kept[0], self.who[1]]), "its own came at once")
        # A stick that is cut or changed gives nothing back; the first trip's again neither.
        up = node.json("bundle", "export", self.work / "damaged.lmb")["files"][0]
        whole = open(up, "rb").read()
        bad = self.work / "bad.lmb"
        for data in (whole[:-1], whole[:len(whole) // 2], whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]):
            bad.write_bytes(data)
            self.cli_refused(self.bring(bad, reply=self.work / "r", check=False), "bundle_cut", "bundle_damaged")
        self.bring(self.file(first), reply=self.work / "r")
        self.assertEqual(hub.rows("recovered"), [])
        # The second stick comes, its answer is lost; it comes again, then the next export comes, and before it an old one.
        self.bring(up, reply=self.work / "lost.reply")
        rows = self.recovered()
        self.assertLessEqual(set(self.told), {r[0] for r in rows})
        self.bring(up, reply=self.work / "lost.reply")
        for old in before:
            self.bring(old, reply=self.work / "r")
        self.assertEqual(self.recovered(), rows)
        out, told, took = self.trip()
        self.assertEqual((out["gives_back"], took["gives_back"]), (True, False))
        self.assertEqual(self.recovered(), rows, "the same from a second stick is one")
        self.assertEqual(node.json("bundle", "import", self.work / "lost.reply")["result"], "old")
        self.assertEqual(node.json("bundle", "import", self.file(first, "reply"))["result"], "old")
        self.assertEqual(node.list("notice"), [], "until a person has confirmed")
        self.assertEqual(hub.json("recovered", "accept", "--all")["left"], 0)
        out, told, took = self.trip()
        self.assertFalse(out["gives_back"])
        self.trip()  # the feed named by digest what the village has otherwise: its bodies
        self.same_as_before(was)
        self.assertEqual(node.status()["pending"], 0)
        # What came before does no harm behind it.
        entries = hub.entries()
        for n in range(1, self.trips + 1):
            self.bring(self.file(n), reply=self.work / "r")
            self.assertEqual(node.json("bundle", "import", self.file(n, "reply"))["result"], "old")
        self.bring(up, reply=self.work / "r")
        self.assertEqual((hub.entries(), hub.rows("recovered")), (entries, []))
        self.same_as_before(was)
        hub.verify()
        # The same once more, from the same backup: and the network, when there is one, finds all well.
        hub.run("restore", self.backup)
        self.trip()
        self.trip()
        hub.run("recovered", "accept", "--all")
        self.trip()
        node.sync(timeout_s=90)
        self.same_as_before(was)
        hub.verify()

    def test_snapshot_put_back_in_silence(self):
        """P7: a virtual machine's snapshot of the whole hub: only the stick knows of what is gone"""
        self.start()
        hub, node = self.hub, self.node
        self.trip()
        hub.stop()
        saved = self.work / "snapshot"
        shutil.copytree(hub.dir, saved, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
        hub.serve()
        told = hub.add_ids([notice()])
        self.trip()
        self.assertEqual(len(node.list("notice")), 1)
        hub.stop()
        shutil.rmtree(hub.dir)
        shutil.copytree(saved, hub.dir)
        hub.serve()
        self.assertEqual(hub.rows("records", "notice"), [])
        hub.add([notice(title="另一条"), notice(title="又一条"), notice(title="再一条")])  # it has grown past it
        before = hub.status()["incarnation"]
        _, _, took = self.trip()
        self.assertGreater(hub.status()["incarnation"], before)
        self.assertTrue(took["gives_back"])
        _, gave, took = self.trip()
        self.assertEqual((gave["given_back"], took["gives_back"]), (1, False))
        hub.run("recovered", "accept", "--all")
        self.trip()
        self.assertIn(told[0], [r["id"] for r in node.list("notice")])
        self.assertEqual(len(node.list("notice")), 4)
        hub.verify()

    def test_in_several_files(self):
        """P7, P12: more than fits a file goes in further parts; a missing one is offered again"""
        self.start()
        hub, node = self.hub, self.node
        self.trip()
        backup = hub.dir.with_name("old.backup")
        hub.run("backup", backup)
        noise = os.urandom(60000).hex()
        told = hub.add_ids([notice(title=f"通知{n}", body=noise[n * 3000:n * 3000 + 3000]) for n in range(40)])
        self.trip()
        hub.run("restore", backup)
        self.trip()
        up = node.json("bundle", "export", self.work / "part.lmb", "--max-bytes", "131072")["files"]
        self.assertGreater(len(up), 1)
        missing = self.bring(*up[:-1], reply=self.work / "r", check=False)
        self.assertIn(missing.rc, (0, 1), missing)
        some = len(hub.rows("recovered"))
        self.assertLess(some, 40)
        out, gave, took = self.trip(None, "--max-bytes", "131072")
        self.assertFalse(took["gives_back"], took)
        self.assertEqual(sorted(r["record"] for r in hub.rows("recovered")), sorted(told))
        hub.run("recovered", "accept", "--all")
        self.trip()
        self.assertEqual(sorted(r["id"] for r in node.list("notice")), sorted(told))
        hub.verify()

    def test_offers_that_lie(self):
        """P11, P12: without this hub's word of an earlier history nothing is filed; too many questions are not answered without end"""
        self.start()
        hub = self.hub
        self.node.add_ids([consultation()])
        self.trip()
        backup = hub.dir.with_name("old.backup")
        hub.run("backup", backup)
        hub.run("restore", backup)  # so that there is an earlier history
        record = self.node.list("consultation")[0]["id"]
        c = adversary.client_of(self.t.new_kit(1, "kit-liar"))
        self.addCleanup(c.close)
        hub_id = bytes.fromhex(json.loads((self.work / "kit-1").read_text(encoding="utf-8"))["hub_id"])
        c.seq, c.hash = c.acked
        import zmq.utils.z85
        secret, hub_key = zmq.utils.z85.decode(c.secret), zmq.utils.z85.decode(c.hub_key)
        body = adversary.pack(["notice", adversary.uid("01932f00-1111-7222-8333-444444444444"), 5, [[1 << 40, 0, 1 << 40, None]],
                               {"title": "假通知", "body": "假的"}, None, None])
        offer = [adversary.uid("01932f00-1111-7222-8333-444444444444"), body]
        true_proof = c.proof
        self.assertEqual(true_proof[0][0], 2)
        false_proof = [[1, c.proof[0][1]], c.proof[1], c.proof[2]]
        made_up = [[1, 1], [5, os.urandom(32)], os.urandom(64)]
        entries = hub.entries()
        for number, proof in enumerate((true_proof, false_proof, made_up), 1):
            up = self.work / f"lie{number}.lmb"
            up.write_bytes(bundle.write([(bundle.HELLO, c.hello_body()), (bundle.PUSH, c.push_body([])), (RECOVER, [0, proof, [offer]])],
                                        number, hub_id, c.raw_public, secret, hub_key))
            told = self.bring(up, reply=self.work / "lie.reply")
            self.assertEqual((told["complete"], told["given_back"]), (True, 0))
            kinds = [k for k, _ in bundle.read((self.work / "lie.reply").read_bytes(), secret, hub_key)[3]]
            self.assertNotIn(RECOVER, kinds)
        self.assertEqual((hub.rows("recovered"), hub.entries()), ([], entries))
        # 600 questions for one record: 500 answers at most.
        asks = [(HISTORY, [0, adversary.uid(record), 0, 262144])] * 600
        up.write_bytes(bundle.write([(bundle.HELLO, c.hello_body()), (bundle.PUSH, c.push_body([])), *asks], 9, hub_id, c.raw_public, secret, hub_key))
        self.bring(up, reply=self.work / "lie.reply")
        answers = [b for k, b in bundle.read((self.work / "lie.reply").read_bytes(), secret, hub_key)[3] if k == HISTORY]
        self.assertEqual(len(answers), 500)
        self.assertEqual([e[6] for e in answers[0][4]], ["create"])
        for junk in ([0, true_proof, []], [0, None, [offer]], [0, true_proof, [offer] * 501], "x"):
            up.write_bytes(bundle.write([(bundle.HELLO, c.hello_body()), (bundle.PUSH, c.push_body([])), (RECOVER, junk)], 10, hub_id, c.raw_public, secret, hub_key))
            result = self.bring(up, reply=self.work / "r", check=False)
            if result.rc:
                self.cli_refused(result, "bad_bundle")
        self.assertEqual((hub.rows("recovered"), hub.entries()), ([], entries))
        hub.verify()


class Replies(Sticks):
    def test_catalogue(self):
        """P5, P12: a new version comes with the reply and is in force before its records; several at once, and 1.5 MB of it"""
        self.start()
        hub, node = self.hub, self.node
        c = Catalogue(self.work / "catalogue")
        unsent = node.add_ids([consultation(item_count=4)])
        c.add_field("consultation", text("mood")).add_type("drill", "facility").next()
        hub.run("catalog", "import", c.dir)
        made = hub.add_ids([{"type": "drill", "station": node.code, "fields": {"kind": "window", "opened_on": "2024-01-01"}}])
        self.assertIn("error", node.add([consultation(mood="平静")], check=False)[0])
        old = node.json("bundle", "export", self.work / "old.lmb")["files"][0]
        _, _, took = self.trip()
        self.assertEqual((took["catalog"], node.status()["catalog"]), (OWN + 1, OWN + 1))
        self.assertEqual([r["id"] for r in node.list("drill")], made)
        self.assertEqual(hub.rows("records", "consultation")[0]["id"], unsent[0])
        mood = node.add_ids([consultation(mood="平静")])
        _, _, took = self.trip()
        self.assertEqual(took["catalog"], 0, "it is there already")
        self.assertEqual({r["id"]: r["fields"].get("mood") for r in hub.rows("records", "consultation")}[mood[0]], "平静")
        # A large one, behind another that this PC never saw; an old stick and an old reply bring nothing back.
        c.add_field("consultation", text("why")).next()
        hub.run("catalog", "import", c.dir)
        c.pad(1500000).next()
        hub.run("catalog", "import", c.dir)
        self.bring(old, reply=self.work / "old.reply")
        self.assertEqual(node.json("bundle", "import", self.work / "old.reply")["result"], "old")
        self.assertEqual(node.status()["catalog"], OWN + 1)
        _, _, took = self.trip()
        self.assertEqual((took["catalog"], node.status()["catalog"]), (OWN + 3, OWN + 3))
        node.add_ids([consultation(why="问路")])
        self.trip()
        hub.verify()

    def test_catalogue_with_other_bytes(self):
        """P11: a reply whose catalogue is not what its hash says, by who has even the hub's keys: the PC keeps its own and says why"""
        self.start()
        hub, node = self.hub, self.node
        c = Catalogue(self.work / "catalogue")
        c.add_field("consultation", text("mood")).next()
        hub.run("catalog", "import", c.dir)
        up, reply = self.work / "a.lmb", self.work / "a.reply"
        node.json("bundle", "export", up)
        self.bring(up, reply=reply)
        keys = self.node_keys(node)
        kind, number, key, frames = bundle.read(reply.read_bytes(), keys["own"], keys["hub"])
        forged = []
        for k, body in frames:
            if k == CATALOG:
                body[4] = body[4][:100] + bytes([body[4][100] ^ 1]) + body[4][101:]
            forged.append((k, body))
        reply.write_bytes(bundle.write(forged, number, keys["hub_id"], key, self.hub_secret(), key, kind=bundle.REPLY))
        took = node.json("bundle", "import", reply)
        self.assertEqual((took["catalog"], node.status()["catalog"]), (0, OWN))
        self.assertIn(node.status()["hub_catalog"]["code"], ("damaged", "malformed"))
        node.add_ids([consultation()])
        _, _, took = self.trip()  # a true one is taken
        self.assertEqual((took["catalog"], took["pending"]), (OWN + 1, 0))

    def node_keys(self, node):
        import zmq.utils.z85
        doc = json.loads((node.dir / "node.key").read_text(encoding="utf-8"))
        hub = json.loads((self.work / "kit-1").read_text(encoding="utf-8"))
        return {"own": zmq.utils.z85.decode(doc["secret_key"].encode()), "hub": zmq.utils.z85.decode(hub["hub_public_key"].encode()), "hub_id": bytes.fromhex(hub["hub_id"])}

    def hub_secret(self):
        import zmq.utils.z85
        return zmq.utils.z85.decode(self.secrets()["curve_secret"].encode())

    def test_false_and_missing_proof(self):
        """P7, P11: a reply sealed with the hub's own box key, whose signature of the journal is false or missing, is not taken; what the
        PC holds as its proof stays true, and the true reply to the same export is taken afterwards"""
        self.start()
        hub, node = self.hub, self.node
        self.trip()
        hub.add_ids([notice()])
        saved = node.add_ids([consultation()])
        up, reply = self.work / "a.lmb", self.work / "a.reply"
        node.json("bundle", "export", up)
        self.bring(up, reply=reply)
        true = reply.read_bytes()
        keys = self.node_keys(node)
        kind, number, key, frames = bundle.read(true, keys["own"], keys["hub"])
        before = node.status()
        proof = lm_nodes_of_db(node.dir / "node.db", "SELECT inc_counter, proof_pos, proof_hash, proof_sig FROM me")
        welcome = frames[0][1]
        lies = {"false": [*welcome[:15], bytes([welcome[15][0] ^ 1]) + welcome[15][1:], *welcome[16:]],
                "missing": [*welcome[:15], bytes(64), *welcome[16:]],
                "of another incarnation": [*welcome[:3], [welcome[3][0] + 1, 99], *welcome[4:]],
                "of another head": [*welcome[:8], [welcome[8][0] + 50, os.urandom(32)], *welcome[9:]]}
        for what, lie in lies.items():
            with self.subTest(what):
                reply.write_bytes(bundle.write([(frames[0][0], lie), *frames[1:]], number, keys["hub_id"], key, self.hub_secret(), key, kind=bundle.REPLY))
                self.cli_refused(node.run("bundle", "import", reply, check=False), "bad_proof")
                self.assertEqual(node.status(), before)
                self.assertEqual(lm_nodes_of_db(node.dir / "node.db", "SELECT inc_counter, proof_pos, proof_hash, proof_sig FROM me"), proof)
        reply.write_bytes(true)
        took = node.json("bundle", "import", reply)
        self.assertEqual((took["result"], took["pending"], took["records"] > 0), ("taken", 0, True))
        self.assertEqual(len(node.list("notice")), 1)
        self.assertEqual([r["id"] for r in hub.rows("records", "consultation")], saved)
        node.sync()
        hub.verify()

    def test_histories(self):
        """P6: what others did to a record comes with the reply when it was asked for: of a person who moved here, and for a new PC"""
        self.start(villages=2)
        hub, one, two = self.hub, self.t.v[1], self.t.v[2]
        who = one.add_ids([person()])[0]
        one.add([{"id": who, "fields": {"phone": "13800000001"}}])
        one.add_ids([event(who, "transfer", from_village=village_code(1), to_village=village_code(2))])
        self.trip(one)
        hub.run("approve", "residency_event", user="clerk")
        self.trip(two)
        self.assertEqual(two.rows("history", who, "--ask"), [], "done elsewhere")
        _, _, took = self.trip(two)
        self.assertEqual(took["histories"], 1)
        told = two.rows("history", who)
        self.assertEqual([(r["op"], r["verdict"]) for r in told][0], ("create", "applied"))
        self.assertIn("13800000001", [r.get("fields", {}).get("phone") for r in told])
        self.assertIn("clerk", [r["user"] for r in told])
        # Asked again: only what is new comes.
        hub.add([{"id": who, "fields": {"phone": "13800000002"}}])
        two.run("history", who, "--ask")
        self.trip(two)
        self.assertEqual(len(two.rows("history", who)), len(told) + 1)
        # A new PC of the same village, and a record that is another village's.
        new = self.t.new_node(2, "new-pc")
        new.enrol(self.t.new_kit(2, "kit-new"))
        theirs = one.add_ids([consultation()])[0]
        self.trip(one)
        self.trip(new)
        new.run("history", who, "--ask")
        _, _, took = self.trip(new)
        self.assertEqual(took["histories"], 1)
        self.assertEqual([r["hlc"] for r in new.rows("history", who)], [r["hlc"] for r in two.rows("history", who)])
        self.assertEqual(new.run("history", theirs, "--ask", check=False).rc, 1)
        hub.verify()


if __name__ == "__main__":
    import unittest
    unittest.main()
