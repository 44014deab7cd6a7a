"""One person whose file was made in two villages: two files, one person in the figures, until people say what they are."""
from harness import Case, Town, person, village_code, visit


class TwoVillages(Case):
    """P5, P6, P10: counted once; two as soon as somebody says that they are two people; one by a merge, which can be undone"""

    def persons(self):
        doc = self.town.hub.json("count", "I10d", "--by", "village")
        return doc["indicators"]["I10d"]["value"], {g["key"]: g["value"] for g in doc["indicators"]["I10d"]["groups"]}

    def test_counted_once_until_said_to_be_two(self):
        town = self.town = Town(self, villages=2)
        hub, one, two = town.hub, town.v[1], town.v[2]
        line = person(members={"ref": "p"})
        a = one.add_ids([line, visit(["@p"])])
        b = two.add_ids([person(village_code(2), members={"ref": "p"}, name="写法不同", id_no=line["fields"]["id_no"]), visit(["@p"]), person(village_code(2))])
        town.sync_all()
        each = {village_code(1): 1, village_code(2): 2}
        self.assertEqual(self.persons(), (2, each), "once in the town, and in each village that has a file")
        pair = hub.rows("duplicates", "list")
        self.assertEqual([sorted(side["id"] for side in row["records"]) for row in pair], [sorted([a[0], b[0]])])
        self.assertEqual(one.get(a[0])["id"], a[0], "neither village loses its file")
        self.assertEqual(two.get(b[0])["fields"]["name"], "写法不同")

        hub.run("duplicates", "dismiss", b[0], a[0])
        self.assertEqual(hub.rows("duplicates", "list"), [])
        self.assertEqual(self.persons(), (3, each))
        one.add([{"id": a[0], "fields": {"phone": "13800000001"}}])
        town.sync_all()
        self.assertEqual(self.persons(), (3, each), "what was decided is not asked again")

        hub.run("duplicates", "merge", b[0], "--into", a[0])
        self.assertEqual(self.persons(), (2, {village_code(1): 1, village_code(2): 1}))
        town.sync_all()
        self.assertEqual(two.get(b[0])["state"], "merged")
        self.assertEqual(hub.json("count", "I12")["indicators"]["I12"]["value"], 2, "both visits stay, in the villages that made them")
        hub.run("duplicates", "unmerge", b[0])
        town.sync_all()
        self.assertEqual(self.persons(), (3, each))
        self.assertEqual(two.get(b[0])["state"], "submitted")
        hub.verify()
