"""Networks that fail: no hub, a wrong key, a captive portal on the port, a hub that is killed. The node recovers by itself (P1, P2, P3)."""
import http.server
import socket
import threading

import zmq

from harness import Case, Hub, Town, TOWN_CODE, consultation, village_code, wait_for
from proxy import Proxy


class Portal:
    """An HTTP server on the hub's port, as a hotel's or a provider's login page."""

    def __init__(self, port):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<html>login</html>")

            def log_message(self, *args):
                pass

        class Reuse(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True
        self.seen = 0
        portal = self

        class Count(Reuse):
            def get_request(self):
                portal.seen += 1
                return super().get_request()

            def handle_error(self, *args):
                pass
        self.server = Count(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Network(Case):
    def start(self, v=1):
        town = Town(self, villages=v)
        town.v[1].sync()
        return town, town.hub, town.v[1]

    def test_a_torn_line_is_greeted_again(self):
        """libzmq makes a torn line again without a word; the node greets on it at once, and nobody is called a second installation (P8)"""
        town = Town(self, enrol=False)
        proxy = Proxy(town.hub.port)
        self.addCleanup(proxy.close)
        node, kit = town.new_node(1, "one"), self.work / "kit"
        town.hub.run("enrol", town.code(1), "--out", kit, "--endpoint", f"tcp://127.0.0.1:{proxy.port}")
        node.enrol(kit)
        node.serve()
        for turn in range(3):
            node.add_ids([consultation()])
            wait_for(lambda: node.status()["pending"] == 0, "the save to be acked")
            proxy.cut()
            node.add_ids([consultation()])
            wait_for(lambda: node.status()["pending"] == 0, "the save to be acked over the new line", 40)
            self.assertEqual(node.server.stderr().count("the line was torn and is there again"), turn + 1)
        self.assertNotIn("earlier connection", town.hub.server.stderr())
        self.assertEqual(town.hub.status()["alarms"], [])

    def test_not_reachable_then_reachable(self):
        """Offline for a while: sync says so, saves go on, serve finds the hub by itself"""
        town, hub, node = self.start()
        hub.stop()
        node.serve()
        made = node.add_ids([consultation() for _ in range(5)])
        result = node.run("sync", "--timeout", "2", check=False)
        self.cli_refused(result)
        self.assertEqual(node.status()["pending"], 5)
        wait_for(lambda: node.status()["state"] != "online", "the node to notice", 60)
        hub.serve()
        wait_for(lambda: node.status()["pending"] == 0, "the node to recover by itself", 90)
        self.assertEqual({r["id"] for r in hub.rows("records", "consultation")}, set(made))

    def test_captive_portal_then_the_hub(self):
        """HTTP answering on the port, then the right hub again"""
        town, hub, node = self.start()
        hub.stop()
        portal = Portal(hub.port)
        try:
            node.serve()
            made = node.add_ids([consultation()])
            wait_for(lambda: portal.seen >= 2, "the node to try the portal", 60)
            self.cli_refused(node.run("sync", "--timeout", "3", check=False))
            self.assertEqual(node.status()["pending"], 1)
            self.assertEqual(node.server.http("/healthz")[0], 200, "it can still save")
        finally:
            portal.close()
        hub.serve()
        wait_for(lambda: node.status()["pending"] == 0, "the node to recover by itself", 120)
        self.assertEqual([r["id"] for r in hub.rows("records", "consultation")], made)

    def test_silent_port(self):
        """A port that accepts and says nothing, then the right hub again"""
        town, hub, node = self.start()
        hub.stop()
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", hub.port))
            s.listen(5)
            node.serve()
            node.add([consultation()])
            self.cli_refused(node.run("sync", "--timeout", "3", check=False))
        hub.serve()
        wait_for(lambda: node.status()["pending"] == 0, "the node to recover by itself", 120)

    def test_wrong_hub_key(self):
        """Another hub's key on the port gets nothing; then the right hub again"""
        town, hub, node = self.start()
        hub.stop()
        other = self.watch(Hub(self.work / "other", self.work / "other.log", port=hub.port))
        other.run("init", "--town", "另一镇", "--code", "999998101000")
        other.serve()
        node.serve()
        node.add([consultation()])
        result = node.run("sync", "--timeout", "5", check=False)
        self.cli_refused(result)
        self.assertEqual(node.status()["pending"], 1)
        self.assertEqual(other.rows("records", "consultation"), [])
        other.stop()
        hub.serve()
        wait_for(lambda: node.status()["pending"] == 0, "the node to recover by itself", 120)

    def test_hub_killed_and_restarted(self):
        """P2: kill -9 of the hub while nodes are in session; nothing acked is lost, nothing doubled"""
        town, hub, node = self.start()
        node.serve()
        made = []
        for _ in range(3):
            made += node.add_ids([consultation() for _ in range(200)])
            hub.kill()
            made += node.add_ids([consultation() for _ in range(20)])
            hub.serve()
            wait_for(lambda: node.status()["pending"] == 0, "the node to come back", 120)
        rows = [r["id"] for r in hub.rows("records", "consultation")]
        self.assertEqual(sorted(rows), sorted(made))
        hub.verify()

    def test_node_stops_promptly(self):
        """SIGTERM while connecting, while offline, while in session"""
        town, hub, node = self.start()
        for _ in range(3):
            node.serve()
            node.stop()
        hub.stop()
        node.serve()
        node.stop()

    def test_hub_stops_with_sessions(self):
        town, hub, node = self.start()
        node.serve()
        wait_for(lambda: node.status()["state"] == "online", "the session", 30)
        hub.stop()
        node.add([consultation()])

    def test_two_villages_do_not_disturb(self):
        """A broken village network does not stop another village"""
        town = Town(self, villages=2)
        one, two = town.v[1], town.v[2]
        one.serve()
        one.kill()
        two.add([consultation()])
        two.sync()
        doc = town.hub.json("count", "I19v", "--by", "village")
        self.assertEqual(doc["indicators"]["I19v"]["value"], 1)


class Processes(Case):
    """P1, P3: several processes at one node: none blocks, none loses, seq and HLC stay in order"""

    def test_four_adders_and_serve(self):
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        node.serve()
        answers, problems = [], []

        def worker(k):
            try:
                for round_no in range(5):
                    answers.extend(node.add_ids([consultation({"key": f"{k}-{round_no}-{i}"}, item_count=i + 1) for i in range(30)]))
            except BaseException as problem:
                problems.append(problem)
        threads = [threading.Thread(target=worker, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(problems, [])
        self.assertEqual(len(set(answers)), 600)
        wait_for(lambda: node.status()["pending"] == 0, "all to be synchronised", 60)
        self.assertEqual({r["id"] for r in hub.rows("records", "consultation")}, set(answers))
        self.assertEqual({r["id"] for r in node.list("consultation")}, set(answers))
        from harness import lm_nodes_of_db
        rows = lm_nodes_of_db(node.dir / "node.db", "SELECT seq, hlc FROM outbox ORDER BY branch, seq")
        self.assertEqual([r[0] for r in rows], list(range(1, 601)))
        self.assertEqual([r[1] for r in rows], sorted({r[1] for r in rows}), "HLCs rise strictly")
        self.assertEqual(node.status()["branch"], 1)
        hub.verify()

    def test_the_same_save_from_four_processes(self):
        """P1: the same keys at the same time are the same saves"""
        town = Town(self, villages=1)
        node = town.v[1]
        lines, answers = [consultation({"key": f"同-{i}"}, item_count=i + 1) for i in range(40)], []
        threads = [threading.Thread(target=lambda: answers.append(tuple(node.add_ids(lines)))) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(answers), 4)
        self.assertEqual(len(set(answers)), 1)
        self.assertEqual(node.status()["pending"], 40)

    def test_hub_commands_while_serving(self):
        """Commands of the hub from several processes while it serves"""
        town = Town(self, villages=1)
        hub, ids, problems = town.hub, [], []

        def worker(k):
            try:
                ids.extend(hub.add_ids([consultation({"key": f"h{k}-{i}"}) for i in range(50)]))
                hub.json("count", "I19")
                hub.json("status")
            except BaseException as problem:
                problems.append(problem)
        threads = [threading.Thread(target=worker, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(problems, [])
        self.assertEqual(len({r["id"] for r in hub.rows("records", "consultation")}), 200)
        hub.verify()

    def test_too_much_for_a_running_hub(self):
        """P12: more than 64 MiB for a running hub is refused whole, with what to do instead"""
        town = Town(self, villages=1)
        before = town.hub.entries()
        line = b'{"type":"consultation","fields":{"on":"2025-03-01","channel":"phone","topic":"policy","item_count":1}}\n'
        self.cli_refused(town.hub.run("add", stdin=line * (65 * 1024 * 1024 // len(line) + 1), check=False), "too_large")
        self.assertEqual(town.hub.entries(), before)
