"""Catalogue evolution on real processes: the town publishes a new version while stations are offline with unsent work, online, or in the
middle of a push; old and new stations go on together; kill -9 at any moment leaves one version whole; a hostile or restored hub
takes nothing from a station (P1, P3, P5, P6, P7, P12)."""
import copy
import json
import pathlib
import random
import shutil
import sqlite3
import threading

from harness import SEED, Case, Hub, Town, consultation, facility, wait_for

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "proto" / "catalog"
OWN = json.loads((SOURCE / "catalog.json").read_text(encoding="utf-8"))["number"]  # of the one that the programs bring
BOTH = ["village", "town"]


def text(name, **more):
    return {"name": name, "zh": "新字段", "en": "New field", "type": "text", "max_chars": 40, "sensitivity": 0, "edit_by": BOTH, **more}


class Catalogue:
    """A directory of catalogue files, edited version by version."""

    def __init__(self, directory):
        self.dir, self.number = pathlib.Path(directory), OWN
        shutil.copytree(SOURCE, self.dir)

    def read(self, name):
        return json.loads((self.dir / name).read_text(encoding="utf-8"))

    def write(self, name, value):
        (self.dir / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")

    def next(self, grammar=None):
        self.number += 1
        root = self.read("catalog.json")
        root["number"] = self.number
        if grammar:
            root["grammar"] = grammar
        self.write("catalog.json", root)
        return self

    def add_field(self, type_name, field):
        root = self.read(f"types/{type_name}.json")
        root["fields"].append(field)
        self.write(f"types/{type_name}.json", root)
        return self

    def retire(self, type_name, field):
        root = self.read(f"types/{type_name}.json")
        next(f for f in root["fields"] if f["name"] == field)["retired"] = True
        self.write(f"types/{type_name}.json", root)
        return self

    def add_code(self, list_name, code):
        root = self.read("lists.json")
        next(l for l in root["lists"] if l["name"] == list_name)["codes"].append({"code": code, "zh": "新代码", "en": code})
        self.write("lists.json", root)
        return self

    def add_type(self, name, like):
        root = self.read(f"types/{like}.json")
        root.update(name=name, zh="演练", en="Drill")
        self.write(f"types/{name}.json", root)
        root = self.read("catalog.json")
        root["types"].append(name)
        self.write("catalog.json", root)
        return self

    def pad(self, n, seed=1):
        """A note that does not compress: so many bytes more in parts."""
        root = self.read("catalog.json")
        root["note"] = "".join(random.Random(seed).choices("0123456789abcdef", k=n))
        self.write("catalog.json", root)
        return self

    def copy(self, name):
        other = copy.copy(self)
        other.dir = self.dir.with_name(name)
        shutil.copytree(self.dir, other.dir)
        return other


def node_db(node):
    return sqlite3.connect(node.dir / "node.db", timeout=20)


def has(node, number):
    return node.status()["catalog"] == number


class Versions(Case):
    def start(self, villages=2, **kw):
        town = Town(self, villages=villages, **kw)
        return town, town.hub, Catalogue(self.work / "catalogue")

    def same_everywhere(self, town, types=("consultation",)):
        """Every node's records are the hub's of its scope, and the journal says so too."""
        for node in town.v.values():
            for type_name in types:
                ours = {r["id"]: (r["state"], r["fields"]) for r in node.list(type_name)}
                theirs = {r["id"]: (r["state"], r["fields"]) for r in town.hub.rows("records", type_name, "--station", node.code)}
                self.assertEqual(ours, theirs)
        town.hub.verify()


class Evolution(Versions):
    def test_old_and_new_stations_together(self):
        """P5, P6: a field, a code, a type, a required field and a retired one; a station that was offline with unsent changes loses
        none, is not blamed for what it could not know, and both see the same in the end"""
        town, hub, c = self.start()
        early, late = town.v[1], town.v[2]
        old = late.add_ids([consultation(item_count=i + 1, channel="im") for i in range(3)])
        late.sync()
        unsent = late.add_ids([consultation(item_count=9), facility()])
        c.add_field("consultation", text("mood")).add_field("consultation", text("why", required=True))
        c.add_code("channel", "pigeon").add_type("drill", "facility").retire("facility", "area_sqm").next()
        hub.run("catalog", "check", c.dir)
        hub.run("catalog", "import", c.dir)
        self.assertEqual(hub.json("catalog", "import", c.dir)["again"], True)

        # The one that comes takes it in before it is in step.
        early.sync()
        self.assertTrue(has(early, OWN + 1))
        self.refused(early.add([consultation()], check=False)[0], "required", "why")
        new = early.add_ids([consultation(mood="平静", why="问路", channel="pigeon"),
                             {"type": "drill", "fields": {"kind": "window", "opened_on": "2024-01-01"}}])
        self.refused(early.add([facility(area_sqm=20)], check=False)[0], "retired_field", "area_sqm")
        early.sync()

        # The one that was away sends what it saved by the old one.
        late.sync()
        self.assertTrue(has(late, OWN + 1))
        self.assertEqual(late.status()["pending"], 0)
        self.assertEqual(late.rows("returned"), [])
        self.assertEqual(hub.rows("returned"), [])
        for record in old + unsent[:1]:
            self.assertNotIn("invalid", late.get(record))
        self.refused(late.add([{"id": old[0], "fields": {"item_count": 4}}], check=False)[0], "required", "why")
        late.add([{"id": old[0], "fields": {"item_count": 4, "why": "补"}}])
        late.sync()
        hub.run("approve", "consultation")  # the town is not stopped by what was saved before
        town.sync_all()
        self.assertEqual(early.get(new[0])["fields"]["mood"], "平静")
        self.assertEqual(early.get(new[1])["type"], "drill")
        self.same_everywhere(town, ("consultation", "facility", "drill"))
        seen = {row["number"] for row in hub.rows("catalog", "list") if "replicas" in row}
        self.assertEqual(seen, {OWN + 1})

    def test_what_a_station_can_not_read_yet_is_kept(self):
        """P6: an old station keeps fields and records it does not know, edits beside them, and knows them after its upgrade"""
        town, hub, c = self.start(villages=1)
        node = town.v[1]
        record = node.add_ids([consultation()])[0]
        node.sync()
        c.add_field("consultation", text("mood")).add_type("drill", "facility").next().next(grammar=2)
        refused = hub.run("catalog", "import", c.dir, check=False)  # it needs a newer program
        self.assertEqual(refused.rc, 1)
        self.assertIn("newer_grammar", refused.err)
        c.number -= 1
        c.next(grammar=1)
        hub.run("catalog", "import", c.dir)
        hub.add([{"id": record, "fields": {"mood": "焦急"}}])
        drill = hub.add_ids([{"type": "drill", "station": node.code, "fields": {"kind": "window", "opened_on": "2024-01-01"}}])[0]
        before = self.block(node)
        node.sync()
        self.assertTrue(has(node, OWN + 1))
        self.assertEqual(node.status()["hub_catalog"]["code"], "not_additive")
        self.assertEqual(node.status()["needs_upgrade"], 1)
        self.assertEqual(node.get(drill)["needs_upgrade"], True)
        self.assertNotIn("mood", node.get(record)["fields"])
        node.add([{"id": record, "fields": {"item_count": 7}}])
        node.sync()
        row = hub.rows("records", "consultation")[0]
        self.assertEqual((row["fields"]["mood"], row["fields"]["item_count"]), ("焦急", 7))
        self.assertEqual(hub.rows("conflicts"), [])
        self.unblock(node, before)
        node.sync()
        self.assertTrue(has(node, OWN + 2))
        self.assertEqual(node.status()["needs_upgrade"], 0)
        self.assertEqual(node.get(record)["fields"]["mood"], "焦急")
        self.assertEqual(node.get(drill)["fields"]["kind"], "window")
        self.same_everywhere(town, ("consultation", "drill"))

    def block(self, node):
        """This PC has another town's next catalogue, which the hub's can't follow."""
        other = Catalogue(self.work / "other").add_field("plaque", text("mine")).next()
        maker = self.watch(Hub(self.work / "maker", self.work / "maker.log"))
        maker.run("init", "--town", "示例镇", "--code", "999999102000")
        maker.run("catalog", "import", other.dir)
        with maker.db() as db:
            row = tuple(db.execute("SELECT number, hash, packed FROM catalogs WHERE number = ?", (other.number,)).fetchone())
        db.close()
        with node_db(node) as db:
            before = db.execute("SELECT catalog, catalog_hash FROM me").fetchone()
            db.execute("ALTER TABLE r_plaque ADD COLUMN mine TEXT")
            db.execute("INSERT INTO catalogs(number, hash, packed) VALUES(?, ?, ?)", row)
            db.execute("UPDATE me SET catalog = ?, catalog_hash = ?", row[:2])
        db.close()
        return before

    def unblock(self, node, before):
        with node_db(node) as db:
            db.execute("UPDATE me SET catalog = ?, catalog_hash = ?", before)
        db.close()


class Running(Versions):
    def test_running_servers_take_it_in_at_once(self):
        """P5: both servers run; the import reaches the station without anybody's restart, while it pushes, and `add` uses it at once"""
        town, hub, c = self.start(villages=1)
        node = town.v[1]
        node.serve()
        stop, made, failed = threading.Event(), [], []

        def save():
            while not stop.is_set():
                try:
                    made.extend(node.add_ids([consultation() for _ in range(20)]))
                except AssertionError as e:
                    failed.append(e)
                    return

        saver = threading.Thread(target=save)
        saver.start()
        try:
            for number in range(OWN + 1, OWN + 4):
                c.add_field("consultation", text(f"note_{number}")).pad(200000, number).next()
                hub.run("catalog", "import", c.dir)
                wait_for(lambda: has(node, number), f"catalogue {number} at the node", 60)
                node.add([consultation(**{f"note_{number}": "甲"})])
        finally:
            stop.set()
            saver.join()
        self.assertEqual(failed, [])
        node.stop()
        node.sync()
        self.assertGreaterEqual(len(hub.rows("records", "consultation")), len(made) + 3)
        self.same_everywhere(town)

    def test_killed_at_any_moment(self):
        """P1, P7: kill -9 of hub and node around imports; each opens with one version whole, and everything is there in the end"""
        town, hub, c = self.start(villages=1)
        node, rnd, made = town.v[1], random.Random(SEED), []
        for number in range(OWN + 1, OWN + 5):
            c.add_field("consultation", text(f"note_{number}")).add_type(f"drill_{number}", "facility").pad(150000, number).next()
            made += node.add_ids([consultation(item_count=number)])
            node.serve()
            importer = threading.Thread(target=lambda: hub.run("catalog", "import", c.dir, check=False))
            importer.start()
            victim = hub if rnd.random() < 0.5 else node
            importer.join(rnd.random() * 1.5)
            victim.kill()
            importer.join()
            hub.kill()
            node.kill()
            hub.serve()
            self.assertIn(node.status()["catalog"], range(OWN, number + 1))
            hub.run("catalog", "import", c.dir)
            node.sync()
            self.assertTrue(has(node, number))
            made += node.add_ids([consultation(**{f"note_{number}": "乙"})])
        node.sync()
        self.assertEqual(sorted(r["id"] for r in hub.rows("records", "consultation")), sorted(made))
        self.same_everywhere(town)

    def test_hub_restored_with_an_older_catalogue(self):
        """P7: a hub put back to before an import: stations keep the newer one and say so; what they send waits as unknown fields; the
        import done again makes all of it known"""
        town, hub, c = self.start(villages=1)
        node = town.v[1]
        node.sync()
        hub.stop()
        shutil.copytree(hub.dir, self.work / "backup")
        hub.serve()
        c.add_field("consultation", text("mood")).next()
        hub.run("catalog", "import", c.dir)
        record = node.add_ids([consultation()])[0]
        node.sync()
        self.assertTrue(has(node, OWN + 1))
        hub.stop()
        shutil.rmtree(hub.dir)
        shutil.copytree(self.work / "backup", hub.dir)
        hub.serve()
        node.add([{"id": record, "fields": {"mood": "平静"}}])
        node.sync()
        status = node.status()
        self.assertEqual((status["catalog"], status["hub_catalog"]["code"]), (OWN + 1, "hub_older"))
        self.assertEqual(status["pending"], 0)
        self.assertEqual(node.get(record)["fields"]["mood"], "平静")
        hub.verify()
        rival = c.copy("rival")
        rival.pad(10)
        hub.run("catalog", "import", rival.dir)  # another one of the same number
        node.sync()
        self.assertEqual(node.status()["hub_catalog"]["code"], "rival")
        c.number = OWN + 1
        c.next()
        hub.run("catalog", "import", c.dir)
        node.sync()
        self.assertEqual((node.status()["catalog"], node.status()["hub_catalog"]), (OWN + 2, None))
        self.assertEqual(hub.rows("records", "consultation")[0]["fields"]["mood"], "平静")
        self.same_everywhere(town)
