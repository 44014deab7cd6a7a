"""Copies put back: a node or a hub that goes back in time, and a node that is cloned (P7, P8). Nothing that was saved is lost, nothing is
doubled, and what happened is shown."""
import shutil

from harness import Case, Town, consultation


def copy_of(program, name):
    """The data directory as a cold copy; the program must be stopped."""
    target = program.dir.with_name(name)
    shutil.copytree(program.dir, target)
    return target


def put_back(program, copy):
    shutil.rmtree(program.dir)
    shutil.copytree(copy, program.dir)


class BackInTime(Case):
    def start(self):
        town = Town(self, villages=2)
        node = town.v[1]
        made = node.add_ids([consultation(item_count=i + 1) for i in range(5)])
        node.sync()
        return town, town.hub, node, made

    def check(self, hub, node, made, again=()):
        """Each record once at both; its creation took effect once, unless it was entered `again`."""
        self.assertEqual(sorted(r["id"] for r in hub.rows("records", "consultation", "--station", node.code)), sorted(made))
        self.assertEqual(sorted(r["id"] for r in node.list("consultation")), sorted(made))
        self.assertEqual(node.status()["pending"], 0)
        for record in made:
            creations = [r["verdict"] for r in hub.rows("history", record) if r["op"] == "create"]
            self.assertEqual(creations.count("applied"), 2 if record in again else 1, creations)
            self.assertLessEqual(set(creations), {"applied", "duplicate"})
        self.assertEqual(hub.rows("conflicts"), [])
        hub.verify()

    def test_node_rolled_back(self):
        """P8: a node restored from an old copy opens a new branch, keeps what is unsent, and gets the rest from the hub"""
        town, hub, node, made = self.start()
        old = copy_of(node, "old")
        made += node.add_ids([consultation(item_count=i + 11) for i in range(5)])
        node.sync()
        put_back(node, old)
        made += node.add_ids([consultation(item_count=i + 21) for i in range(3)])
        node.sync()
        node.sync()
        self.check(hub, node, made)
        self.assertGreater(node.status()["branch"], 1)
        made += node.add_ids([consultation()])
        node.sync()
        self.check(hub, node, made)

    def test_node_rolled_back_without_new_work(self):
        """P8: an old copy with nothing new in it gets everything from the hub"""
        town, hub, node, made = self.start()
        old = copy_of(node, "old")
        made += node.add_ids([consultation(item_count=i + 11) for i in range(5)])
        node.sync()
        put_back(node, old)
        node.sync()
        node.sync()
        self.check(hub, node, made)

    def test_unsent_lost_with_the_copy(self):
        """P8: what was sent before the copy was put back is not made twice when the same keys come again"""
        town, hub, node, made = self.start()
        old = copy_of(node, "old")
        lines = [consultation({"id": m["id"]}, item_count=m["n"]) for m in ({"id": "01932f00-1111-7222-8333-44444444%04d" % i, "n": i} for i in range(1, 6))]
        typed = node.add_ids(lines)
        node.sync()
        put_back(node, old)
        self.assertEqual(node.add_ids(lines), typed)  # the secretary's program sends them again
        node.sync()
        node.sync()
        self.check(hub, node, made + typed, again=typed)

    def test_clone(self):
        """P8: two copies of one installation in use are found out; one of them is refused, and keeps its records"""
        town, hub, node, made = self.start()
        twin = town.new_node(1, "twin")
        shutil.copytree(node.dir, twin.dir)
        made += node.add_ids([consultation()])
        node.sync()
        extra = twin.add_ids([consultation()])
        results = [p.run("sync", "--timeout", "10", check=False, timeout_s=60) for p in (twin, node, twin, node)]
        arrived = {r["id"] for r in hub.rows("records", "consultation")}
        self.assertLessEqual(set(made), arrived)
        if not set(extra) <= arrived:
            self.assertTrue(any(r.rc == 1 and "clone" in r.err for r in results), [str(r) for r in results])
        self.assertIn(extra[0], [r["id"] for r in twin.list("consultation")])
        hub.verify()

    def test_hub_rolled_back_silently(self):
        """P7: the hub's old copy is put back; stations send again what it lacks, once"""
        town, hub, node, made = self.start()
        other = town.v[2]
        theirs = other.add_ids([consultation(item_count=50)])
        other.sync()
        hub.stop()
        old = copy_of(hub, "old-hub")
        hub.serve()
        made += node.add_ids([consultation(item_count=i + 11) for i in range(5)])
        node.sync()
        theirs += other.add_ids([consultation(item_count=60)])
        other.sync()
        hub.stop()
        put_back(hub, old)
        hub.serve()
        made += node.add_ids([consultation(item_count=7)])
        for _ in range(2):
            node.sync(timeout_s=90)
            other.sync(timeout_s=90)
        self.check(hub, node, made)
        self.check(hub, other, theirs)
