"""The hub's key changes without new kits: announced, pinned by the nodes, switched to; who was away; the stick; who stole the old one
(PROTOCOL.md "Change of the hub's key"; P11)."""
import json
import shutil
import subprocess
import threading
import time
import unittest

import msgpack
import zmq
import zmq.utils.z85

from adversary import HELLO, WELCOME, client_of, pack
from harness import ENV, Case, Hub, Town, consultation, wait_for


class HubKey(Case):
    def town(self, villages, **kw):
        self.t = Town(self, villages=villages, **kw)
        self.hub = self.t.hub
        return self.hub

    def key(self, *words, **kw):
        return self.hub.json("key", *words, **kw)

    def left_out(self):
        return [row["station"] for row in self.key()["left_out"]]

    def carried(self, node, name, *files):
        """A stick there and back: what the import at the node said."""
        reply = self.work / f"{name}.reply"
        if not files:
            files = node.json("bundle", "export", self.work / f"{name}.lmb")["files"]
        self.hub.run("bundle", "import", *files, "--reply", reply)
        return node.json("bundle", "import", reply)

    def file(self):
        return json.loads((self.hub.dir / "hub.key").read_text(encoding="utf-8"))

    def test_change(self):
        hub = self.town(4)
        self.live, self.calls, self.stick, self.away = (self.t.v[i] for i in (1, 2, 3, 4))
        first = self.key()
        self.assertEqual((first["number"], first["next"], first["left_out"], first["old"]), (1, None, [], []))
        self.cli_refused(hub.run("key", "switch", check=False), "no_next_key")
        self.calls.sync()
        self.calls.run("backup", self.work / "calls.backup")
        self.live.serve()
        self.live.add([consultation()])
        wait_for(lambda: self.live.status()["pending"] == 0, "the first exchange")

        # Announced while nodes are in session: who is connected has it without being asked.
        told = self.key("next")
        self.assertNotEqual(told["next"]["key"], first["key"])
        wait_for(lambda: self.live.code not in self.left_out(), "the live node to pin the next key", 90)
        self.calls.sync()
        # A command that is refused ends nobody's session: the hub still knows both.
        def sessions():
            return [line.split()[1] for line in hub.server.http("/metrics")[1].splitlines() if line.startswith("lastmile_hub_sessions ")]
        wait_for(lambda: sessions() == ["2"], "both to be in session")
        self.cli_refused(hub.run("key", "next", check=False), "next_key_exists")
        self.live.add([consultation()])
        wait_for(lambda: self.live.status()["pending"] == 0, "the live node's next exchange")
        self.assertEqual(sessions(), ["2"])
        self.carried(self.stick, "hears")
        self.assertIn(self.stick.code, self.left_out())
        self.carried(self.stick, "tells")
        self.assertEqual(self.left_out(), [self.away.code])
        self.assertEqual((self.key()["confirmed"], self.key()["active"]), (3, 4))

        # kill -9 in between: announced still. Then the switch names who would be left out, and changes nothing.
        before = (hub.dir / "hub.key").read_bytes()
        hub.kill()
        self.t.new_kit(4, "kit-late")
        hub.serve()
        refused = hub.run("key", "switch", check=False)
        self.cli_refused(refused, "left_out")
        self.assertIn(self.away.code, refused.err)
        self.assertIn("示例村4", refused.err)
        self.assertEqual(len(self.key()["kits"]), 1)
        # Dropping the present key at once leaves the stick behind as well, though it has pinned the next one.
        refused = hub.run("key", "switch", "--drop-old", check=False)
        self.cli_refused(refused, "left_out")
        for code in (self.stick.code, self.away.code):
            self.assertIn(code, refused.err)
        self.assertNotIn(self.calls.code, refused.err)
        self.assertEqual((hub.dir / "hub.key").read_bytes(), before)

        # Files that were made before, and come after.
        self.stick.add([consultation(item_count=3)])
        late = self.stick.json("bundle", "export", self.work / "late.lmb")["files"]
        self.away.add([consultation(item_count=4)])
        lost = self.away.json("bundle", "export", self.work / "lost.lmb")["files"]
        stolen = self.work / "stolen"
        stolen.mkdir()
        shutil.copy(hub.dir / "hub.key", stolen / "hub.key")

        # The switch, beside the running server: live nodes go over by themselves, others with their next call.
        changed = self.key("switch", "--leave-out")
        self.assertEqual((changed["number"], changed["key"], changed["next"]), (2, told["next"]["key"], None))
        self.assertEqual([k["key"] for k in changed["old"]], [first["key"]])
        self.live.add([consultation(item_count=5)])
        wait_for(lambda: self.live.status()["pending"] == 0, "the live node to go over to the new key", 120)
        self.calls.add([consultation(item_count=6)])
        self.calls.sync()
        hub.kill()
        hub.serve()
        self.calls.add([consultation(item_count=7)])
        self.calls.sync()

        # A copy from before, put back: the PC is held to the key that it has learnt since.
        self.calls.run("restore", self.work / "calls.backup")
        self.calls.sync()

        # Who was away is named at the town, and reads what to do; and so is who has pinned the key and not spoken under it.
        self.assertEqual(self.left_out(), [self.stick.code, self.away.code])
        refused = self.away.run("sync", "--timeout", "8", check=False)
        self.cli_refused(refused, "wrong_hub_key")
        self.assertIn("U盘", refused.err)
        shown = self.away.status()
        self.assertEqual((shown["state"], shown["state_code"]), ("refused", "wrong_hub_key"))
        self.assertIn("U盘", shown["state_text"])
        self.assertIn("--renew", refused.err)
        self.assertEqual(self.carried(self.away, "lost", *lost)["pending"], 0)  # sealed for the former key, and so is the answer
        self.assertIn(self.away.code, self.left_out())
        self.away.add([consultation(item_count=8)])
        self.away.sync()
        self.assertEqual(self.carried(self.stick, "late", *late)["pending"], 0)  # for the former key; the answer is under the new one
        refused = hub.run("key", "forget", check=False)
        self.cli_refused(refused, "left_out")
        self.assertIn("示例村3", refused.err)
        self.assertEqual(len(self.key()["old"]), 1)
        self.stick.add([consultation(item_count=9)])
        self.assertEqual(self.carried(self.stick, "new")["pending"], 0)
        self.assertEqual(self.left_out(), [])
        self.assertEqual(sorted(r["fields"]["item_count"] for r in hub.rows("records", "consultation"))[-7:], [3, 4, 5, 6, 7, 8, 9])
        hub.verify()

        # Who stole the old key has nothing for those that went over.
        hub.stop()
        thief = self.watch(Hub(self.work / "thief", self.work / "thief.log", port=hub.port))
        shutil.copytree(hub.dir, thief.dir, ignore=shutil.ignore_patterns("*.sock", "control*", "hub.lock", "serving.json"))
        shutil.copy(stolen / "hub.key", thief.dir / "hub.key")
        thief.run("key", "accept")
        thief.serve()
        self.calls.add([consultation(item_count=10)])
        self.cli_refused(self.calls.run("sync", "--timeout", "4", check=False), "wrong_hub_key")
        self.assertEqual(self.calls.status()["pending"], 1)
        thief.stop()
        hub.serve()
        self.calls.sync()

        # The former key is forgotten: its files open no more, and the text says why.
        self.assertEqual(self.key("forget")["old"], [])
        told = hub.run("bundle", "import", *lost, check=False)
        self.cli_refused(told, "bundle_forged")
        self.assertIn("--renew", told.err)

    def thief(self, pair, word, lies=None):
        """Stands where the hub stood, with this pair and what any enrolled PC has read: WELCOME with the node's own proof, and `word`
        (None: protocol 1); lies: other elements of WELCOME, by number. → (kinds of the messages that came, how to end it)"""
        kinds, stop, context = [], threading.Event(), zmq.Context()
        s = context.socket(zmq.ROUTER)
        s.setsockopt(zmq.LINGER, 0)
        s.setsockopt(zmq.CURVE_SERVER, 1)
        s.setsockopt(zmq.CURVE_SECRETKEY, pair["secret"].encode())
        s.setsockopt(zmq.CURVE_PUBLICKEY, pair["public"].encode())
        s.bind(self.hub.endpoint)

        def serve():
            while not stop.is_set():
                if not s.poll(100):
                    continue
                peer, kind, body = s.recv_multipart()
                kinds.append(kind[0])
                if kind[0] != HELLO:
                    continue
                hello = msgpack.unpackb(body, raw=False)
                inc, mark, signature = hello[7]
                welcome = [2 if word else 1, 9, bytes.fromhex(self.file()["hub_id"]), inc, hello[2], hello[3], 0, [hello[4][0] + 1, 5], mark, hello[8],
                           hello[9], int(time.time() * 1000), 0, 4, mark[0], signature]
                for i, element in (lies or {}).items():
                    welcome[i] = element
                s.send_multipart([peer, bytes([WELCOME]), pack(welcome + ([word] if word else []))])

        thread = threading.Thread(target=serve)
        thread.start()

        def end():
            stop.set()
            thread.join()
            s.close()
            context.term()
        return kinds, end

    def test_stolen_next_key(self):
        """Whoever has a next key's secret before it is in force gets greetings, and no record; nor does who replays what was announced"""
        hub = self.town(2)
        self.calls = self.t.v[2]
        self.key("next")
        self.calls.sync()
        self.assertNotIn(self.calls.code, self.left_out())
        spy = client_of(self.t.new_kit(1, "kit-spy"))
        self.addCleanup(spy.close)
        word = spy.hello(max=2)[16]
        kept = self.file()
        hub.stop()
        self.calls.add([consultation()])
        for said in (None, word, [None, word[1]]):
            with self.subTest(said=said and said[0]):
                kinds, end = self.thief(kept["next"], said)
                try:
                    self.cli_refused(self.calls.run("sync", "--timeout", "4", check=False), "key_unproven", "wrong_hub_key", "unreachable")
                finally:
                    end()
                self.assertEqual(set(kinds), {HELLO})
                self.assertEqual(self.calls.status()["pending"], 1)
        # Who has the key in force, or a former one, and not the signing key, tells no node of another incarnation, head, clock or lease.
        pair = {"public": kept["curve_public"], "secret": kept["curve_secret"]}
        for lies, code in (({3: [99, 7]}, "hub_unproven"), ({7: [2**62, 5], 12: 2**63 - 1}, "bad_answer")):
            with self.subTest(lies=lies):
                kinds, end = self.thief(pair, word, lies)
                try:
                    self.cli_refused(self.calls.run("sync", "--timeout", "4", check=False), code, "unreachable")
                finally:
                    end()
                self.assertEqual(set(kinds), {HELLO})
                self.assertEqual(self.calls.status()["pending"], 1)
        self.assertEqual(self.file(), kept)
        hub.serve()
        self.calls.sync()
        # Withdrawn; the one that is announced then takes its place.
        self.key("withdraw")
        self.assertEqual((self.key()["next"], self.key()["number"]), (None, 1))
        self.calls.sync()
        self.key("next")
        self.assertIn(self.calls.code, self.left_out())
        self.calls.sync()
        self.assertNotIn(self.calls.code, self.left_out())
        self.key("switch", "--leave-out", "--drop-old")
        self.assertEqual(self.key()["old"], [])
        self.calls.sync()

    def test_old_file_put_back(self):
        """A hub.key from before a switch is not taken for the present one; a person may take it on purpose"""
        hub = self.town(1, serve=False, enrol=False)
        hub.run("key", "next")
        old = (hub.dir / "hub.key").read_bytes()
        hub.run("key", "switch", "--leave-out")
        new = (hub.dir / "hub.key").read_bytes()
        (hub.dir / "hub.key").write_bytes(old)
        for words in (("key", "next"), ("serve",), ("station", "add", "999999101209", "示例村9")):
            refused = hub.run(*words, check=False)
            self.cli_refused(refused, "hub_key_older")
        self.assertIn(str(hub.dir / "hub.key"), refused.err)
        self.assertIn("key accept", refused.err)
        self.assertEqual((hub.dir / "hub.key").read_bytes(), old)
        # What only reads goes on, and the right file mends it. So does a database that is older than the file.
        self.assertEqual(self.key()["number"], 1)
        (hub.dir / "hub.key").write_bytes(new)
        hub.run("backup", self.work / "hub.backup")
        hub.run("key", "next")
        hub.run("key", "switch", "--leave-out")
        hub.run("restore", self.work / "hub.backup")
        hub.run("station", "add", "999999101209", "示例村9")
        self.assertEqual(self.key()["number"], 3)
        # On purpose: said once, and in the audit log.
        (hub.dir / "hub.key").write_bytes(old)
        self.cli_refused(hub.run("key", "next", check=False), "hub_key_older")
        self.assertEqual(hub.json("key", "accept")["number"], 1)
        hub.serve()

    def test_killed_at_any_moment(self):
        """kill -9 while the key file is being replaced: it is what it was or what it is to be, and serves"""
        hub = self.town(1, enrol=False, serve=False)
        seen = set()
        for i in range(7):
            words = ["next"] if not self.file().get("next") else ["switch", "--leave-out"]
            process = subprocess.Popen([str(hub.bin), "key", *words, "--data", str(hub.dir)], env=ENV, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            if i < 5:
                time.sleep(0.05 + 0.07 * i)
                process.kill()
            process.wait()
            doc = self.file()
            seen.add((doc["number"], doc.get("next") is not None))
            told = self.key()
            self.assertEqual((told["number"], told["next"] is not None), (doc["number"], doc.get("next") is not None))
            self.assertEqual(zmq.utils.z85.decode(told["key"].encode()), zmq.utils.z85.decode(doc["curve_public"].encode()))
            self.assertEqual((hub.dir / "hub.key").stat().st_mode & 0o777, 0o600)
        self.assertGreater(len(seen), 1)
        hub.serve()


if __name__ == "__main__":
    unittest.main()
