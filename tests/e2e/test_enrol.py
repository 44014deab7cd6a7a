"""Enrolment kits: one-time, expiring, signed. Wrong, late, used and tampered ones are refused with words; the right one works once (P11)."""
import json
import os

from adversary import ENROLLED, ERROR, Client, read_kit
from harness import Case, Hub, Town, TOWN_CODE, consultation, village_code


class Kits(Case):
    villages = 3

    def fresh(self, v=1, name=None):
        return self.watch(type(self.t.v[1])(self.work / (name or "fresh"), self.work / "fresh.log", village_code(v)))

    def still_works(self, node, kit):
        """After the refusal the same directory takes the right kit."""
        node.enrol(kit)
        node.add([consultation()])
        node.sync()
        self.assertEqual(node.status()["pending"], 0)

    def test_right_kit_brings_own_rows(self):
        """The kit brings the station's own area and station rows: offline work can start at once"""
        town = Town(self, villages=1, serve=True)
        node = town.v[1]
        town.hub.stop()
        self.assertEqual(node.station_row()["fields"]["area_code"], village_code(1))
        self.assertEqual([a["fields"]["code"] for a in node.list("area_unit", "--where", f"code={village_code(1)}")], [village_code(1)])
        self.assertEqual(node.status()["station"], village_code(1))

    def test_same_kit_same_directory(self):
        """The same kit again from the same directory is the same enrolment"""
        node, kit = self.fresh(), self.t.new_kit(1, "kit-again")
        node.enrol(kit)
        replica = node.status()["replica"]
        node.add([consultation()])
        result = node.run("enrol", kit, check=False)
        self.assertIn(result.rc, (0, 1), result)
        if result.rc == 1:
            self.cli_refused(result, "already_enrolled")
        self.assertEqual(node.status()["replica"], replica)
        node.sync()

    def test_lost_answer(self):
        """ENROL whose answer was lost: the same kit, key and nonce get the same answer; another nonce does not"""
        kit = read_kit(self.t.new_kit(2, "kit-lost"))
        c = Client(kit["endpoint"], kit["hub_public_key"].encode())
        self.addCleanup(c.close)
        nonce = os.urandom(16)
        kind, first = c.enrol(kit, nonce)
        self.assertEqual(kind, ENROLLED, first)
        kind, again = c.enrol(kit, nonce)
        self.assertEqual((kind, again[:5]), (ENROLLED, first[:5]))
        kind, other = c.enrol(kit, os.urandom(16))
        self.assertEqual((kind, other[0]), (ERROR, "kit_used"))
        replicas = [s for s in self.t.hub.json("station", "list") if s["code"] == village_code(2)][0]["replicas"]
        self.assertEqual(len([r for r in replicas if r["replica"] == str(c.replica)]), 1)

    def test_used_kit_elsewhere(self):
        """A used kit with another machine"""
        kit = self.t.new_kit(1, "kit-used")
        self.fresh(1, "first").enrol(kit)
        node = self.fresh(1, "second")
        self.cli_refused(node.run("enrol", kit, check=False), "kit_used")
        self.still_works(node, self.t.new_kit(1, "kit-instead"))

    def test_known_key_under_another_kit(self):
        one, two = read_kit(self.t.new_kit(1, "kit-k1")), read_kit(self.t.new_kit(2, "kit-k2"))
        c = Client(one["endpoint"], one["hub_public_key"].encode())
        self.addCleanup(c.close)
        self.assertEqual(c.enrol(one)[0], ENROLLED)
        kind, body = c.enrol(two)
        self.assertEqual((kind, body[0]), (ERROR, "key_known"))

    def test_expired(self):
        town = Town(self, villages=1, enrol=False, serve=False)
        town.hub.kits_expire()
        town.hub.serve()
        self.cli_refused(town.v[1].run("enrol", town.kits[1], check=False), "kit_expired")
        self.still_works(town.v[1], town.new_kit(1, "kit-new"))
        for hours in ("0", "-1", "x", "99999"):
            self.assertNotEqual(town.hub.run("enrol", village_code(1), "--out", self.work / f"k{hours}", "--expires", hours, check=False).rc, 0)

    def test_wrong_hub(self):
        """Another hub's kit: that hub is away, or the one that answers there is not the kit's"""
        other = self.watch(Hub(self.work / "other", self.work / "other.log"))
        other.run("init", "--town", "另一镇", "--code", "999998101000")
        other.run("station", "add", "999998101201", "外村")
        other.port = self.t.hub.port  # its kit names the address where our hub answers
        kit = other.kit("999998101201", self.work / "kit-other")
        node = self.fresh()
        result = node.run("enrol", kit, check=False, timeout_s=120)
        self.cli_refused(result)
        self.still_works(node, self.t.new_kit(1, "kit-right"))

    def test_hub_away(self):
        town = Town(self, villages=1, enrol=False, serve=False)
        result = town.v[1].run("enrol", town.kits[1], check=False, timeout_s=120)
        self.cli_refused(result)
        town.hub.serve()
        self.still_works(town.v[1], town.kits[1])

    def test_tampered(self):
        """Each member of a kit is covered by the signature"""
        kit = read_kit(self.t.new_kit(1, "kit-whole"))
        other = read_kit(self.t.new_kit(2, "kit-else"))
        node = self.fresh()
        changes = {"hub_id": "0" * 32, "town": "别的镇", "endpoint": "tcp://127.0.0.1:1", "hub_public_key": other["enrol_public_key"],
                   "hub_sign_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "station": village_code(2), "station_name": "别的村", "level": "town",
                   "enrol_public_key": other["enrol_public_key"], "enrol_secret_key": other["enrol_secret_key"], "expires": "2099-01-01T00:00:00.000Z",
                   "records": other["records"], "signature": other["signature"]}
        self.assertEqual(set(changes) | {"lastmile_kit"}, set(kit))
        for name, value in changes.items():
            with self.subTest(member=name):
                path = self.work / "tampered"
                path.write_text(json.dumps(dict(kit, **{name: value}), ensure_ascii=False))
                self.cli_refused(node.run("enrol", path, check=False), "kit_tampered", "not_a_kit")
        self.still_works(node, self.work_kit("kit-whole"))

    def work_kit(self, name):
        return self.t.work / name

    def test_not_a_kit(self):
        node = self.fresh()
        kit = read_kit(self.t.new_kit(1, "kit-base"))
        good = json.dumps(kit, ensure_ascii=False).encode()
        for bad in (b"", b"hello", b"[]", b"{}", b"\xff\xfe\x00", good[:-10], good + b"x", json.dumps(dict(kit, extra=1)).encode(),
                    json.dumps({k: v for k, v in kit.items() if k != "station"}).encode(), b'{"lastmile_kit":' + b"[" * 10000):
            with self.subTest(bad=bad[:30]):
                path = self.work / "bad"
                path.write_bytes(bad)
                self.cli_refused(node.run("enrol", path, check=False), "not_a_kit", "kit_tampered")
        path.write_bytes(json.dumps(dict(kit, lastmile_kit=2)).encode())
        self.cli_refused(node.run("enrol", path, check=False), "kit_newer")
        path.write_bytes(b"A" * 5_000_000)
        self.cli_refused(node.run("enrol", path, check=False), "not_a_kit", "too_large")
        self.cli_refused(node.run("enrol", self.work / "nowhere", check=False))
        self.assertEqual(node.run("enrol", check=False).rc, 2)

    def test_kit_commands_of_the_hub(self):
        hub = self.t.hub
        self.cli_refused(hub.run("enrol", "999999999999", "--out", self.work / "k", check=False), "unknown_station")
        self.assertEqual(hub.run("enrol", village_code(1), check=False).rc, 2)
        path = self.work / "there"
        path.write_text("x")
        self.cli_refused(hub.run("enrol", village_code(1), "--out", path, check=False), "file_exists")
        self.assertEqual(path.read_text(), "x")
        kit = self.t.new_kit(1, "kit-mode")
        self.assertEqual(os.stat(kit).st_mode & 0o777, 0o600)

    def test_revoked_node(self):
        """A revoked PC shows it and keeps its records; a new kit makes another installation"""
        node = self.fresh(3)
        node.enrol(self.t.new_kit(3, "kit-revoked"))
        node.add([consultation()])
        node.sync()
        node.add([consultation()])
        self.t.hub.run("station", "revoke", village_code(3), "--replica", str(node.status()["replica"]))
        result = node.run("sync", "--timeout", "15", check=False, timeout_s=60)
        self.assertEqual(result.rc, 1, result)
        self.assertEqual(node.status()["pending"], 1)
        self.assertEqual(len(node.list("consultation")), 2)
        again = self.fresh(3, "again")
        self.still_works(again, self.t.new_kit(3, "kit-after"))
