"""kill -9 at random moments: of the process that saves, of a node's server, of the hub, of several at once, while records are
entered, edited and synchronised (P1, P2, P3).

What `add` answered with an id is the list of what was saved. Afterwards each of those is at its node and at the hub, once; a line that
got no answer may have been saved or not, and its repetition under the same key makes it exactly one record.

The moments come from a seed (LASTMILE_SEED, run.py --seed). Runs on the programs without sanitizers, so that rounds are quick.
"""
import json
import os
import random
import subprocess
import threading
import time

from harness import ENV, RELEASE, SEED, Case, Town, consultation, uuid7, wait_for

ROUNDS = int(os.environ.get("LASTMILE_KILL_ROUNDS", "100"))
LINES = 24


class Adder(threading.Thread):
    """`lastmile-node add` again and again, a few lines each (sometimes more than one of its batches), until all lines are in or it is killed.
    answers: index of the line → answer."""

    def __init__(self, node, lines, rng):
        super().__init__()
        self.node, self.lines, self.answers, self.killed, self.process = node, lines, {}, False, None
        self.lock, self.sizes, left = threading.Lock(), [], len(lines)
        while left:
            self.sizes.append(min(left, rng.choice((1, 2, 3, 5, 8))) if len(lines) < 100 else left)
            left -= self.sizes[-1]
        self.codes, self.err = [], ""
        self.start()

    def run(self):
        first = 0
        for size in self.sizes:
            with self.lock:
                if self.killed:
                    return
                self.process = subprocess.Popen([self.node.bin, "add", "--data", self.node.dir, "--user", "测试员"], stdin=subprocess.PIPE,
                                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV)
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines[first:first + size])
            try:
                out, err = self.process.communicate(text.encode())
            except BrokenPipeError:
                out, err = b"", b""
            for raw in out.splitlines(keepends=True):
                if raw.endswith(b"\n"):  # a line cut by the kill was not answered
                    answer = json.loads(raw)
                    self.answers[first + answer["line"] - 1] = answer
            self.codes.append(self.process.returncode)
            self.err += err.decode("utf-8", "replace")
            first += size

    def kill(self):
        with self.lock:
            self.killed = True
            if self.process is not None:
                self.process.kill()

    def end(self):
        self.join()


class Crash(Case):
    weight = 10

    def test_kill_rounds(self):
        """P1, P2, P3: after 100 rounds of kill -9 nothing answered is lost and nothing is doubled"""
        rng = random.Random(SEED)
        town = Town(self, villages=2, bin_dir=RELEASE)
        hub, nodes = town.hub, [town.v[1], town.v[2]]
        for node in nodes:
            node.serve()
        saved = {node.code: {} for node in nodes}     # key → id, as answered
        sent = {node.code: {} for node in nodes}      # key → line
        value = {node.code: {} for node in nodes}     # id → values that may stand: the last answered one and unanswered later ones
        kills = {"add": 0, "node": 0, "hub": 0}
        started, unanswered = time.monotonic(), 0

        for round_no in range(ROUNDS):
            adders = []
            for node in nodes:
                lines, known = [], sorted(saved[node.code].values())
                for i in range(LINES if rng.random() < 0.9 else 250):
                    if known and rng.random() < 0.3:
                        lines.append({"id": rng.choice(known), "fields": {"item_count": rng.randint(1, 90000)}})
                    else:
                        key = f"{round_no}-{i}"
                        line = consultation({"key": key} if rng.random() < 0.5 else {"id": uuid7()}, item_count=rng.randint(1, 90000))
                        sent[node.code][line.get("key") or line["id"]] = line
                        lines.append(line)
                adders.append((node, lines, Adder(node, lines, rng)))
            victims = rng.choice((("add",), ("add",), ("node",), ("node",), ("hub",), ("hub",), ("hub", "node"), ("add", "node"), ("add", "hub", "node")))
            node, _, adder = rng.choice(adders)
            time.sleep(rng.random() ** 2 * 0.15)  # the random moment
            for victim in victims:
                kills[victim] += 1
                if victim == "add":
                    adder.kill()
                elif victim == "node":
                    node.kill()
                else:
                    hub.kill()
            if "hub" in victims:
                hub.serve()
            if "node" in victims:
                node.serve()
            for node, lines, adder in adders:
                adder.end()
                self.assertLessEqual(set(adder.codes), {0, -9}, adder.err)
                for n, line in enumerate(lines):
                    answer = adder.answers.get(n)
                    unanswered += answer is None
                    self.assertFalse(answer and "error" in answer, answer)
                    if "type" in line:
                        record = answer["id"] if answer else line.get("id")
                        if answer:
                            saved[node.code][line.get("key") or line["id"]] = answer["id"]
                        if record:
                            value[node.code].setdefault(record, set()).add(line["fields"]["item_count"])
                    elif answer:
                        value[node.code][line["id"]] = {line["fields"]["item_count"]}
                    else:
                        value[node.code][line["id"]].add(line["fields"]["item_count"])
        took = time.monotonic() - started

        # The same lines again: what was answered has the same id, what was not becomes one record.
        for node in nodes:
            wait_for(lambda: node.status()["pending"] == 0, "all to be synchronised", 120, 0.2)
            keys = list(sent[node.code])
            ids = node.add_ids([sent[node.code][k] for k in keys], timeout_s=120)
            again = dict(zip(keys, ids))
            lost = {k: i for k, i in saved[node.code].items() if again[k] != i}
            self.assertEqual(lost, {}, "saves that were answered and are not there")
            for key, record in again.items():
                value[node.code].setdefault(record, set()).add(sent[node.code][key]["fields"]["item_count"])
            node.sync(timeout_s=120)
            at_node = {r["id"]: r["fields"]["item_count"] for r in node.list("consultation")}
            self.assertEqual(set(at_node), set(ids), "records at the node")
            rows = hub.rows("records", "consultation", "--station", node.code)
            self.assertEqual(len(rows), len(ids), "records at the hub, each once")
            at_hub = {r["id"]: r["fields"]["item_count"] for r in rows}
            self.assertEqual(at_hub, at_node, "node and hub agree")
            wrong = {i: (v, value[node.code][i]) for i, v in at_hub.items() if v not in value[node.code][i]}
            self.assertEqual(wrong, {}, "values that no answered save explains")
            self.assertEqual(node.status()["branch"], 1, "no kill is a reason for a new branch")
        with hub.db() as db:
            twice = db.execute("SELECT count(*) FROM (SELECT 1 FROM journal WHERE replica <> 0 AND kind = 0 GROUP BY replica, hlc HAVING count(*) > 1)").fetchone()[0]
        db.close()
        self.assertEqual(twice, 0, "changes that took effect twice")
        self.assertEqual(hub.rows("conflicts") + hub.rows("held"), [])
        hub.verify()
        print(f"note: {ROUNDS} rounds of kill -9 in {took:.0f} s (seed {SEED}): {kills['add']} of add, {kills['node']} of a node, {kills['hub']} of the hub; "
              f"{sum(map(len, saved.values()))} saves answered, {unanswered} lines cut off, none lost, none doubled", flush=True)


class Load(Case):
    """P2, P3: a few thousand changes of several stations at once through kills of the hub"""
    weight = 4

    def test_drain_through_kills(self):
        rng = random.Random(SEED + 1)
        town = Town(self, villages=4, bin_dir=RELEASE)
        hub = town.hub
        hub.stop()
        made = {}
        for node in town.v.values():
            made[node.code] = node.add_ids([consultation(item_count=i % 90 + 1) for i in range(3000)], timeout_s=120)
            node.serve()
        hub.serve()
        for _ in range(6):
            before = hub.entries()
            wait_for(lambda: hub.entries() > before or all(n.status()["pending"] == 0 for n in town.v.values()), "some progress", 60)
            time.sleep(rng.random() * 0.05)
            hub.kill()
            hub.serve()
        for node in town.v.values():
            wait_for(lambda: node.status()["pending"] == 0, "the drain", 120, 0.2)
            self.assertEqual(sorted(r["id"] for r in hub.rows("records", "consultation", "--station", node.code)), sorted(made[node.code]))
        hub.verify()
