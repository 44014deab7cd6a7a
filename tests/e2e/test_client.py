"""The client written from proto/PROTOCOL.md alone (tests/client/) beside a real node of the same village: what either enters the other
shows, and every digest that the hub tells is the one that the document makes (P3, P5)."""
import json
import pathlib
import subprocess
import sys

import adversary
import bundle
from harness import ENV, Case, consultation, facility, person, reception, visit

CLIENT = pathlib.Path(__file__).resolve().parents[1] / "client" / "lastmile_client.py"


class FromTheDocument(Case):
    villages = 1

    def client(self, *args):
        done = subprocess.run([sys.executable, CLIENT, *map(str, args), "--data", self.work / "client"], capture_output=True, text=True, timeout=60, env=ENV)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_side_by_side(self):
        hub, node = self.t.hub, self.t.v[1]
        self.client("enrol", self.t.new_kit(1, "kit-client"))
        lines = self.work / "lines"
        lines.write_text("".join(json.dumps({"type": "consultation", "fields": {**consultation(item_count=n)["fields"], "state": "submitted"}}) + "\n" for n in (3, 4, 5)))
        made = self.client("push", lines)
        self.assertEqual([m["verdict"] for m in made], [adversary.APPLIED] * 3)
        people = node.add_ids([person(), person()])
        others = node.add_ids([visit(people), facility(), reception(), consultation(item_count=9)])
        node.add([{"id": others[3], "fields": {"item_count": 10}}])
        node.sync()
        hub.add([{"id": made[0]["id"], "fields": {"item_count": 30}}, {"id": people[0], "fields": {"phone": "13900000000"}}])
        node.sync()
        seen = {r["id"]: r for r in self.client("pull")}
        self.assertLessEqual({m["id"] for m in made} | set(people) | set(others), set(seen))
        self.assertEqual(seen[made[0]["id"]]["fields"]["item_count"], 30)
        self.assertEqual(seen[others[3]]["fields"]["item_count"], 10)
        at_node = {r["id"]: r["fields"]["item_count"] for r in node.list("consultation")}
        self.assertEqual({i: r["fields"]["item_count"] for i, r in seen.items() if r["type"] == "consultation"}, at_node)
        self.assertEqual({r["id"]: r["fields"]["item_count"] for r in hub.rows("records", "consultation")}, at_node)
        again = self.client("push", lines)  # a second run goes on where the first ended
        self.assertEqual([m["verdict"] for m in again], [adversary.APPLIED] * 3)
        hub.verify()

    def test_a_wrong_digest_is_found(self):
        """The check bites: a digest of another version of the record is not taken"""
        c = adversary.client_of(self.t.new_kit(1, "kit-digest"))
        self.addCleanup(c.close)
        c.push([c.consultation()])
        records = c.pull_checked()
        record = next(r for r in records.values() if r["type"] == "consultation")
        good = adversary.digest(record)
        record["stamps"][0][0] += 1
        self.assertNotEqual(adversary.digest(record), good)

    def test_a_bundle(self):
        """A stick's file written from the document is taken; the hub's reply reads, acks the chain, and brings the feed"""
        kit = self.t.new_kit(1, "kit-bundle")
        c = adversary.client_of(kit)
        self.addCleanup(c.close)
        hub_id = bytes.fromhex(json.loads(pathlib.Path(kit).read_text(encoding="utf-8"))["hub_id"])
        c.seq, c.hash = c.acked
        up, reply = self.work / "up.lmb", self.work / "reply.lmb"
        up.write_bytes(bundle.export(c, [c.consultation(), c.consultation()], 5, hub_id))
        told = self.t.hub.json("bundle", "import", up, "--reply", reply)["files"][0]
        self.assertEqual((told["export"], told["new"], told["complete"]), (5, 2, True))
        welcome, entries = bundle.take(c, reply.read_bytes(), 5)
        self.assertEqual(welcome[5], [c.seq, c.hash])
        self.assertLessEqual(2, sum(e[0] == adversary.DIGEST for e in entries))
        self.t.hub.verify()
