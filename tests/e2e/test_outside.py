"""Other programs at the database files: a SQLite tool that opens and closes them while the servers run takes nothing away (P1, P2); what
somebody writes there past the program is found (corrosion #366)."""
import os
import sqlite3

from harness import Case, Town, consultation, wait_for


def look_in(path):
    """As a person with DB Browser: opens for writing, reads, closes."""
    db = sqlite3.connect(path, timeout=20)
    try:
        return db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    finally:
        db.close()


def write_in(path, sql, *args):
    db = sqlite3.connect(path, timeout=20)
    try:
        with db:
            return db.execute(sql, args).rowcount
    finally:
        db.close()


class Visitors(Case):
    def taken_away(self, program):
        """Files of its database that the server has open and that are no longer there."""
        fds = f"/proc/{program.server.process.pid}/fd"
        return [link for link in (os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds)) if link.endswith("(deleted)")]

    def test_a_visitor_while_servers_run(self):
        """P1, P2: whoever opens and closes the databases with another program, as its last user too, changes nothing: what is saved and acked
        afterwards is still there after a kill -9"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        node.serve()
        made = node.add_ids([consultation(item_count=1)])
        wait_for(lambda: hub.json("status")["uptime_s"] >= 3, "the hub to have looked after itself more than once")
        for program, name in ((hub, "hub.db"), (node, "node.db")):
            for _ in range(3):
                self.assertGreater(look_in(program.dir / name), 5)
            self.assertEqual(self.taken_away(program), [], "the log that it writes to")
        made += node.add_ids([consultation(item_count=2)])
        wait_for(lambda: node.status()["pending"] == 0, "the ack")
        hub.kill()
        node.kill()
        hub.serve()
        self.assertEqual(sorted(r["id"] for r in hub.rows("records", "consultation")), sorted(made))
        self.assertEqual(sorted(r["id"] for r in node.list("consultation")), sorted(made))
        hub.verify()

    def test_rows_written_past_a_node(self):
        """P5: what somebody changes or deletes in a village's tables with another program (corrosion #366) is found by the scope's sum and mended
        by the hub's bodies; only that, and it is no change of the village's"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        made = node.add_ids([consultation(item_count=n) for n in range(1, 7)])
        node.sync()
        table = node.dir / "node.db"
        self.assertEqual(write_in(table, "UPDATE r_consultation SET item_count = 99, topic = 'aid' WHERE id = ?", made[1]), 1)
        self.assertEqual(write_in(table, "DELETE FROM r_consultation WHERE id = ?", made[2]), 1)
        node.serve()
        wait_for(lambda: {r["id"]: r["fields"]["item_count"] for r in node.list("consultation")} == {i: n for n, i in enumerate(made, 1)},
                 "what was written by hand to be mended", 60, 0.2)
        self.assertEqual(node.get(made[1])["fields"]["topic"], "policy")
        self.assertIn("2 records differ", node.log.read_text())
        self.assertEqual(len(hub.rows("history", made[1])), 1)
        hub.verify()

    def test_a_row_written_past_the_hub(self):
        """P5: a value that somebody typed into the master with another program is found by `verify`, which names it"""
        town = Town(self, villages=1)
        hub, node = town.hub, town.v[1]
        made = node.add_ids([consultation(item_count=7), consultation(item_count=8)])
        node.sync()
        hub.verify()
        self.assertEqual(write_in(hub.dir / "hub.db", "UPDATE r_consultation SET item_count = 70 WHERE item_count = 7"), 1)
        found = hub.run("verify", check=False)
        self.assertEqual(found.rc, 1, found)
        self.assertIn(made[0], found.out + found.err)
        self.assertNotIn(made[1], found.out + found.err)
