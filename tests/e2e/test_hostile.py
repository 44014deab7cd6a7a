"""Strangers, traitors and broken clients against a real hub, spoken from proto/PROTOCOL.md alone (adversary.py).

P11: only a station's own replica writes its records, only fields its level may edit; a stranger gets no byte in. P12: every message
has limits. P4: every acked change has a verdict. After each test the hub answers others, and verify is clean.
"""
import os
import random
import time

import adversary
from adversary import (ACK, APPLIED, BATCH_BYTES, BATCH_CHANGES, CREATE, DELETE, DUPLICATE, EDIT, ENROL, ENROLLED, ERROR, FRAME_MAX, HELD, HELLO, INVALID, NEWS,
                       PULL, PUSH, REFUSED, WANT, WELCOME, Client, batch, body_of, chain_start, client_of, hash32, hlc_now, pack, read_kit, uid,
                       version_of, zstd_bomb, zstd_raw)
from harness import Case, Town, consultation, facility, notice, person, uuid7, village_code, visit, wait_for


class Hostile(Case):
    """A town whose village 1 is an honest node, and clients of the test's own for the others."""
    villages = 6
    weight = 3

    @classmethod
    def prepare(cls, town):
        cls.hub, cls.node = town.hub, town.v[1]
        cls.kit_no = 0

    def setUp(self):
        super().setUp()
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.close()
        super().tearDown()
        self.assertTrue(self.hub.alive(), "the hub has ended")
        made = self.node.add_ids([consultation()])[0]  # it still answers others
        self.node.sync(timeout_s=30)
        self.assertEqual(len(self.hub.rows("history", made)), 1)
        self.hub.verify()

    def client(self, v=2):
        """An installation of village v, enrolled and greeted."""
        type(self).kit_no += 1
        client = client_of(self.t.new_kit(v, f"hostile-{self.kit_no}"))
        self.clients.append(client)
        return client

    def stranger(self, **kw):
        kit = read_kit(self.t.kits[1])
        client = Client(kit["endpoint"], kit["hub_public_key"].encode(), **kw)
        self.clients.append(client)
        return client

    def journal(self):
        return self.hub.entries()

    # ---- who ----

    def test_unknown_key_gets_no_byte_in(self):
        """P11: a key that the hub does not know is refused in the handshake"""
        before = self.journal()
        stranger = self.stranger().connect()
        stranger.send(HELLO, stranger.hello_body())
        stranger.send(PUSH, stranger.push_body([stranger.consultation()]))
        self.assertIsNone(stranger.receive(1.5))
        self.assertEqual(self.journal(), before)

    def test_no_curve(self):
        """P11: without CURVE there is no handshake"""
        import zmq
        context = zmq.Context()
        s = context.socket(zmq.DEALER)
        s.setsockopt(zmq.LINGER, 0)
        s.connect(self.hub.endpoint)
        s.send_multipart([bytes([HELLO]), b"\x90"])
        self.assertEqual(s.poll(1000), 0)
        s.close()
        context.destroy(linger=0)

    def test_garbage_on_the_port(self):
        import socket
        random.seed(7)
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" + b"\0" * 8 + b"\x7f\x03\x01CURVE" + b"\0" * 40 + os.urandom(5000), os.urandom(20000), b""):
            with socket.create_connection(("127.0.0.1", self.hub.port), timeout=5) as s:
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    s.settimeout(5)
                    while s.recv(4096):
                        pass
                except OSError:
                    pass

    def test_revoked_in_mid_connection(self):
        """P11: after `station revoke` the next message has no effect, on the open connection too"""
        c = self.client(3)
        c.push([c.consultation()])
        self.hub.run("station", "revoke", village_code(3), "--replica", str(c.replica))
        before = self.journal()
        c.send(PUSH, c.push_body([c.consultation()]))
        self.assertEqual(c.error(), "revoked")
        self.assertEqual(self.journal(), before)
        c.connect()
        c.send(HELLO, c.hello_body())
        self.assertIsNone(c.receive(1.5), "a revoked key was let in again")
        rows = {s["code"]: s for s in self.hub.json("station", "list")}
        self.assertTrue(any(r["revoked"] for r in rows[village_code(3)]["replicas"]))

    def test_one_time_key_enrols_only(self):
        """P11: a kit's key used for HELLO, PUSH, PULL has no effect, before and after enrolment"""
        kit = read_kit(self.t.new_kit(4, "kit-misused"))
        c = self.stranger()
        for _ in range(2):
            before = self.journal()
            c.connect(kit["enrol_public_key"].encode(), kit["enrol_secret_key"].encode())
            for kind, body in ((HELLO, c.hello_body()), (PUSH, c.push_body([c.consultation()])), (PULL, [1, [0, None], 1000])):
                c.send(kind, body)
                self.assertEqual(c.expect(ERROR)[0], ERROR)
            self.assertEqual(self.journal(), before)
            if _ == 0:
                kind, body = c.enrol(kit)
                self.assertEqual(kind, ENROLLED, body)

    def test_malformed_enrol(self):
        kit = read_kit(self.t.new_kit(4, "kit-malformed"))
        c = self.stranger()
        c.connect(kit["enrol_public_key"].encode(), kit["enrol_secret_key"].encode())
        good = [1, 1, c.raw_public, os.urandom(16), "m", "p"]
        for i, bad in ((2, c.raw_public[:31]), (2, "text"), (3, b""), (0, 0), (4, "m" * 65), (5, None), (4, "\0")):
            body = list(good)
            body[i] = bad
            c.send(ENROL, body)
            self.assertEqual(c.error(), "malformed", (i, bad))
        c.send(ENROL, [3, 9] + good[2:])
        self.assertEqual(c.error(), "protocol")

    # ---- what: valid frames, changes that are not allowed ----

    def verdict(self, client, body):
        verdicts = client.push([body])
        return verdicts[client.seq]

    def test_another_stations_record(self):
        """P11: an edit or delete of another station's record is refused and changes nothing"""
        made = self.node.add_ids([consultation(item_count=7)])[0]
        self.node.sync()
        history = self.hub.rows("history", made)
        base = [int(history[0]["hlc"]), int(history[0]["replica"])]
        c = self.client(2)
        self.assertEqual(self.verdict(c, c.change("consultation", made, EDIT, {"item_count": 999}, bases=base)), (REFUSED, "not_your_record"))
        self.assertEqual(self.verdict(c, c.change("consultation", made, DELETE, {"delete_reason": "恶意"}, bases=base, seen=1))[0], REFUSED)
        row = next(r for r in self.hub.rows("records", "consultation") if r["id"] == made)
        self.assertEqual((row["fields"]["item_count"], row["village_code"]), (7, village_code(1)))
        entries, verdicts = c.pull_all()
        self.assertNotIn(made, [body_of(e[2])["id"] for e in entries.values() if e[0] == 0], "another station's record was shown")

    def test_creation_in_anothers_name(self):
        """P11: station, village and author come from the key, never from the message"""
        c = self.client(2)
        for field, value in (("village_code", village_code(1)), ("station", village_code(1)), ("created_at", "2020-01-01T00:00:00.000Z"),
                             ("created_by", uuid7()), ("device_id", uuid7())):
            with self.subTest(field=field):
                body = c.change("consultation", uuid7(), CREATE, {**consultation()["fields"], "state": "submitted", field: value})
                self.assertEqual(self.verdict(c, body), (REFUSED, "system_field"))

    def test_town_only_and_system_fields(self):
        """P11: a village's replica sets no town field and no system field"""
        c = self.client(2)
        fields = {**person(village_code(2))["fields"], "sex": "1", "birth_on": "1950-01-02", "state": "submitted"}
        number = fields["id_no"]
        fields["sex"], fields["birth_on"] = "1", f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
        made = uuid7()
        self.assertEqual(self.verdict(c, c.change("person", made, CREATE, fields)), (APPLIED, ""))
        base = [c.hlc, c.replica]
        for field, value, code in (("bank_account", "6222000000000", "town_field"), ("registered_on", "2025-01-01", "system_field"),
                                   ("dup_key", "0" * 64, "system_field"), ("merged_into", uuid7(), "system_field"), ("deleted_at", "2025-01-01T00:00:00.000Z", "system_field")):
            with self.subTest(field=field):
                self.assertEqual(self.verdict(c, c.change("person", made, EDIT, {field: value}, bases=base)), (REFUSED, code))
        self.assertEqual(self.verdict(c, c.change("person", made, EDIT, {"state": "active"}, bases=base, seen=1))[0], REFUSED)
        row = next(r for r in self.hub.rows("records", "person") if r["id"] == made)
        self.assertEqual(row["state"], "submitted")
        self.assertIsNone(row["fields"].get("bank_account"))
        returned = [r for r in self.hub.rows("returned") if r["id"] == made]
        self.assertEqual(len(returned), 6, "each refusal is on the list with its reason")
        entries, verdicts = c.pull_all()
        codes = {v[1] for (i, _), v in verdicts.items() if i == made.replace("-", "")}
        self.assertLessEqual({"town_field", "system_field"}, codes, "the feed tells the reasons")

    def test_types_of_the_town(self):
        c = self.client(2)
        self.assertEqual(self.verdict(c, c.change("notice", uuid7(), CREATE, {**notice()["fields"], "need_receipt": False, "state": "submitted"})),
                         (REFUSED, "not_your_type"))
        self.assertEqual([r for r in self.hub.rows("records", "notice")], [])

    def test_unknown_type_field_and_values(self):
        """P4: an unknown type, field or value of our own catalogue is refused; of a newer one, a type waits and a field is kept"""
        c = self.client(2)
        now = c.catalogue
        fields = {**consultation()["fields"], "state": "submitted"}
        cases = ((("no_such_type", fields, now), REFUSED), (("no_such_type", fields, now + 1), HELD),
                 (("consultation", {**fields, "no_such_field": 1}, now), REFUSED), (("consultation", {**fields, "no_such_field": 1}, now + 1), APPLIED),
                 (("consultation", {**fields, "item_count": "many"}, now), REFUSED), (("consultation", {**fields, "on": "2025-02-30"}, now), REFUSED),
                 (("consultation", {**fields, "channel": "telepathy"}, now), REFUSED))
        for (type_name, f, catalogue), wanted in cases:
            with self.subTest(type_name=type_name, catalogue=catalogue - now, fields=str(f)[-40:]):
                got = self.verdict(c, c.change(type_name, uuid7(), CREATE, f, catalogue=catalogue))
                self.assertEqual(got[0], wanted, got)
                if wanted == HELD:
                    self.assertEqual(got[1], "catalogue")

    def test_field_of_a_newer_catalogue_is_forwarded(self):
        """P6: a field that the hub does not know yet is kept and forwarded"""
        c, other = self.client(2), self.client(2)
        made = uuid7()
        self.verdict(c, c.change("consultation", made, CREATE, {**consultation()["fields"], "state": "submitted", "a_new_field": "新"}, catalogue=c.catalogue + 1))
        entries, _ = other.pull_all()
        self.assertEqual(body_of(entries[made.replace("-", "")][2])["unknown"], {"a_new_field": "新"})

    def test_older_catalogue(self):
        """What an older catalogue did not have is not asked of a change made with it: it is taken"""
        c = self.client(2)
        got = self.verdict(c, c.change("consultation", uuid7(), CREATE, {**consultation()["fields"], "state": "submitted"}, catalogue=0))
        self.assertIn(got[0], (APPLIED, INVALID), got)

    def test_record_of_another_type(self):
        made = self.node.add_ids([facility()])[0]
        self.node.sync()
        c = self.client(1)
        got = self.verdict(c, c.change("consultation", made, EDIT, {"item_count": 2}, bases=[hlc_now() - 1, c.replica]))
        self.assertEqual(got[0], REFUSED, got)

    def test_waiting_for_a_record(self):
        """P4: an edit whose record is still on its way from another PC is held, and driven when that comes"""
        c, other = self.client(2), self.client(2)
        made = uuid7()
        create = other.change("consultation", made, CREATE, {**consultation()["fields"], "state": "submitted"})
        edit = c.change("consultation", made, EDIT, {"item_count": 5}, bases=[other.hlc, other.replica], hlc=c.next_hlc(other.hlc))
        self.assertEqual(self.verdict(c, edit)[0], HELD)
        self.assertIn(made, [r["id"] for r in self.hub.rows("held")])
        self.assertEqual(self.verdict(other, create)[0], APPLIED)
        wait_for(lambda: made not in [r["id"] for r in self.hub.rows("held")], "the held edit to be driven", 10)
        row = next(r for r in self.hub.rows("records", "consultation") if r["id"] == made)
        self.assertEqual(row["fields"]["item_count"], 5)

    def test_hlc_must_rise(self):
        """P3: a replica's HLC that does not rise is no new change"""
        c = self.client(2)
        first = c.next_hlc()
        c.push([c.consultation()])
        got = self.verdict(c, c.change("consultation", uuid7(), CREATE, {**consultation()["fields"], "state": "submitted"}, hlc=first))
        self.assertEqual(got[0], REFUSED, got)

    def test_base_from_the_future(self):
        c = self.client(2)
        made = uuid7()
        c.push([c.consultation(made)])
        got = self.verdict(c, c.change("consultation", made, EDIT, {"item_count": 5}, bases=[c.hlc + 1000, 12345], hlc=c.next_hlc(c.hlc + 2000)))
        self.assertEqual(got[0], HELD, got)

    def test_clock_years_ahead(self):
        """P9: an HLC years ahead is taken, and outranks nothing that comes later"""
        c = self.client(2)
        made = uuid7()
        far = (int(time.time() * 1000) + 5 * 365 * 86400000) << 16
        got = self.verdict(c, c.change("consultation", made, CREATE, {**consultation()["fields"], "state": "submitted"}, hlc=far))
        self.assertIn(got[0], (APPLIED, INVALID), got)
        self.hub.add([{"id": made, "fields": {"item_count": 77}}])
        row = next(r for r in self.hub.rows("records", "consultation") if r["id"] == made)
        self.assertEqual(row["fields"]["item_count"], 77)

    # ---- how: order and repetition ----

    def test_doubled_and_overlapping(self):
        """P3: the same batch twice, and one that overlaps, take effect once"""
        c = self.client(2)
        ids = [uuid7() for _ in range(6)]
        bodies = [c.consultation(i) for i in ids]
        before = self.journal()
        start = c.hash
        first = c.push_body(bodies[:4])
        for _ in range(3):
            c.send(PUSH, first)
        c.push(bodies[:4])
        c.send(PUSH, c.push_body(bodies[2:], first=3, before=hash32(hash32(start, bodies[0]), bodies[1])))
        for body in bodies[4:]:
            c.hash = hash32(c.hash, body)
        c.seq = 6
        c.acked_to(6, 1)
        self.assertEqual(self.journal(), before + 6)
        for record in ids:
            self.assertEqual(len(self.hub.rows("history", record)), 1)

    def test_gap(self):
        """A batch that starts too high is answered with what the hub has; then all goes on"""
        c = self.client(2)
        bodies = [c.consultation() for _ in range(4)]
        before = self.journal()
        hashes = [c.hash]
        for body in bodies:
            hashes.append(hash32(hashes[-1], body))
        c.send(PUSH, c.push_body(bodies[2:], first=3, before=hashes[2]))
        ack = c.expect(ACK)[1]
        self.assertEqual(ack[1], [0, chain_start(c.replica, 1)])
        self.assertEqual(self.journal(), before)
        c.push(bodies)
        self.assertEqual(self.journal(), before + 4)

    def test_reordered(self):
        c = self.client(2)
        bodies = [c.consultation() for _ in range(3)]
        hashes = [c.hash]
        for body in bodies:
            hashes.append(hash32(hashes[-1], body))
        for i in (2, 0, 1):
            c.send(PUSH, c.push_body([bodies[i]], first=i + 1, before=hashes[i]))
        c.seq, c.hash = 0, hashes[0]
        c.push(bodies)
        self.assertEqual(len(self.hub.rows("records", "consultation", "--station", village_code(2), "--where", "state=submitted")) >= 3, True)

    def test_another_history(self):
        """A PUSH whose chain differs from what is committed is not taken: rolled_back"""
        c = self.client(2)
        c.push([c.consultation(), c.consultation()])
        before = self.journal()
        c.send(PUSH, c.push_body([c.consultation()], first=2, before=os.urandom(32)))
        self.assertEqual(c.error(), "rolled_back")
        self.assertEqual(self.journal(), before)

    def test_same_identity_other_branch(self):
        """P3: a change sent again under a new branch is a duplicate"""
        c = self.client(2)
        body = c.consultation()
        c.push([body])
        before = self.journal()
        c.branch, c.seq, c.hash = 2, 0, chain_start(c.replica, 2)
        c.hello()
        self.assertEqual(self.verdict(c, body)[0], DUPLICATE)
        self.assertEqual(len([r for r in self.hub.rows("records", "consultation") if r["village_code"] == village_code(2)]) >= 1, True)
        self.assertGreaterEqual(self.journal(), before)

    def test_clone(self):
        """P8: two installations on one key are found out by the lease"""
        c = self.client(5)
        c.push([c.consultation()])
        lease = list(c.lease)
        c.send(PULL, [c.session, [0, None], 1000])
        c.expect(adversary.FEED)
        twin = Client(c.endpoint, c.hub_key, c.public, c.secret)
        self.clients.append(twin)
        twin.connect()
        twin.send(HELLO, c.hello_body(lease=[lease[0], lease[1] ^ 1]))
        self.assertEqual(twin.error(), "clone")

    # ---- how: broken messages ----

    def test_before_hello(self):
        kit = read_kit(self.t.new_kit(2, "kit-silent"))
        c = self.stranger()
        c.enrol(kit)
        for kind, body in ((PUSH, c.push_body([c.consultation()])), (PULL, [1, [0, None], 1000]), (WANT, [1, []])):
            c.send(kind, body)
            self.assertEqual(c.error(), "hello_first")

    def test_cut_messages(self):
        """Every cut of every message is refused without effect, and the client can go on"""
        c = self.client(2)
        before = self.journal()
        body = pack(c.push_body([c.consultation()]))
        for n in [*range(0, len(body), 7), len(body) - 1]:
            c.send(PUSH, body[:n])
            self.assertEqual(c.error(), "malformed", n)
        for kind, good in ((HELLO, c.hello_body()), (PULL, [c.session, [0, None], 1000]), (WANT, [c.session, [uid(uuid7())]])):
            whole = pack(good)
            for n in range(len(whole)):
                c.send(kind, whole[:n])
                self.assertEqual(c.error(), "malformed", (kind, n))
        self.assertEqual(self.journal(), before)
        c.hello()
        c.push([c.consultation()])

    def test_flipped_bits(self):
        """Random damage: an error, an ACK or silence, never more than the change that was sent"""
        random.seed(11)
        c = self.client(2)
        good = pack(c.push_body([c.consultation()]))
        before = self.journal()
        for _ in range(150):
            bad = bytearray(good)
            for _ in range(random.randint(1, 4)):
                bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
            c.send(PUSH, bytes(bad))
        c.connect()
        welcome = c.hello()
        self.assertLessEqual(self.journal(), before + 2)
        c.seq, c.hash = welcome[5]

    def test_wrong_elements(self):
        c = self.client(2)
        good = c.push_body([c.consultation()])
        for i, bad in ((0, 0), (0, -1), (0, 2**63), (1, 0), (2, b"short"), (2, None), (3, 8193), (3, -1), (4, BATCH_BYTES + 1), (5, "text"), (6, [1]), (6, None),
                       (7, -1), (7, 1.5)):
            body = list(good)
            body[i] = bad
            c.send(PUSH, body)
            self.assertEqual(c.error(), "malformed", (i, bad))
        for body in (good + [1], good[:-1], {}, 5, None, "x", [good]):
            c.send(PUSH, pack(body))
            self.assertEqual(c.error(), "malformed", str(body)[:40])
        c.send(PUSH, pack(good) + b"\xc0")
        self.assertEqual(c.error(), "malformed")

    def test_msgpack_bombs(self):
        """P12: headers that promise gigabytes, deep nesting, a million values"""
        c = self.client(2)
        for bomb in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\x91" * 100000, b"\x81\xa1a" * 50000,
                     b"\xdd\x00\x0f\xff\xf0" + b"\xc0" * 1048560, b"\xdc\xff\xff" + b"\xc0" * 65535, b"\xc1", b"\xc7\x05\x01AAAAA", b"\xd6\xff\0\0\0\0",
                     b"\xca\x3f\x80\x00\x00", b"\x82\xa1a\x01\xa1a\x02"):
            for kind in (HELLO, PUSH, PULL, WANT):
                c.send(kind, bomb)
                self.assertEqual(c.error(), "malformed", bomb[:10])

    def test_bombs_inside_changes(self):
        """The same inside a batch: the change is refused or the batch is, the rest goes on"""
        c = self.client(2)
        fine = uuid7()
        deep = b"\x91" * 60 + b"\xc0"
        evil = [b"\xdd\xff\xff\xff\xff", deep, b"", b"\x9c", pack([1, "consultation"]), c.change("consultation", uuid7(), CREATE, {"item_count": 1}) + b"\xc0"]
        for body in evil:
            c.send(PUSH, c.push_body([body, c.consultation()]))
            kind, answer = c.expect(ACK, ERROR)
            if kind == ACK:  # taken with a verdict: the chain goes on over its bytes
                self.assertEqual(answer[4][0][1], REFUSED)
            c.connect()
            welcome = c.hello()
            c.seq, c.hash = welcome[5]
        self.assertEqual(self.verdict(c, c.consultation(fine))[0], APPLIED)

    def test_too_big_message(self):
        """P12: more than 1 MiB costs the connection; a new one works"""
        c = self.client(2)
        c.send(PUSH, os.urandom(FRAME_MAX + 1000))
        c.connect()
        c.hello()
        c.push([c.consultation()])

    def test_too_many_frames(self):
        """P12: a message is two frames; more is hostile, also endlessly many"""
        c = self.client(2)
        before = self.journal()
        for n in (1, 3, 4, 5, 500):
            c.send_frames(*([bytes([HELLO])] + [b"x"] * (n - 1)))
        c.send_frames(b"", b"")
        c.send_frames(bytes([HELLO, HELLO]), pack(c.hello_body()))
        c.connect()
        c.hello()
        self.assertEqual(self.journal(), before)
        c.push([c.consultation()])

    def test_reserved_kinds(self):
        """P12: kinds that nobody has, and those that only a hub sends, are passed over; what could not be read is told, and the session goes on"""
        c = self.client(2)
        for kind in (0, 2, 4, 6, 8, 10, 15, 100, 200, 255):
            c.send(kind, [1])
        c.hello()
        for kind in range(11, 24):
            c.send(kind, [1])
        c.send(HELLO, c.hello_body())
        kind, body = c.expect(WELCOME, ERROR)
        while kind == ERROR:
            self.assertEqual(body[0], "malformed")
            kind, body = c.expect(WELCOME, ERROR)
        c.connect()
        c.hello()
        c.push([c.consultation()])

    def test_incompressible_batch_at_the_limit(self):
        """P12: 786,432 bytes of noise fit a frame and are taken; a byte more is not"""
        c = self.client(2)
        c.push([c.consultation()])
        size, bodies, used = 60000, [], 0
        while used + size + 3 <= BATCH_BYTES:
            bodies.append(b"\xc1" + os.urandom(size - 1))  # a byte that msgpack never uses: else noise may pass for a newer format
            used += size + 3
        rest = BATCH_BYTES - used
        if rest > 3:
            bodies.append(b"\xc1" + os.urandom(rest - 4))
        data = batch(bodies)
        self.assertEqual(len(data), BATCH_BYTES)
        c.send(PUSH, c.push_body(bodies))
        kind, body = c.expect(ACK, ERROR, timeout_s=30)
        if kind == ACK:
            self.assertEqual({v[1] for v in body[4]}, {REFUSED}, body[4])
        c.connect()
        welcome = c.hello()
        c.seq, c.hash = welcome[5]
        too_big = bodies + [b"x"]
        c.send(PUSH, c.push_body(too_big))
        self.assertEqual(c.error(timeout_s=30), "malformed")

    def test_largest_batch_of_changes(self):
        """P12: 8,192 real changes in one PUSH are taken; 8,193 are not"""
        c = self.client(6)
        bodies = [c.consultation(uuid7(), item_count=1 + i % 9) for i in range(BATCH_CHANGES)]
        if len(batch(bodies)) > BATCH_BYTES:
            bodies = bodies[:BATCH_BYTES // (len(bodies[0]) + 8)]
        before = self.journal()
        c.send(PUSH, c.push_body(bodies))
        for body in bodies:
            c.hash = hash32(c.hash, body)
        c.seq = len(bodies)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            ack = c.expect(ACK, timeout_s=120)[1]
            if ack[1][0] == c.seq:
                break
        self.assertEqual(ack[1], [c.seq, c.hash])
        self.assertEqual(self.journal(), before + len(bodies))
        c.send(PUSH, c.push_body([b"\xc0"] * (BATCH_CHANGES + 1)))
        self.assertEqual(c.error(), "malformed")

    def test_zstd_bombs(self):
        """P12: what unpacks to more than it declares or may, or is no single frame, is refused"""
        c = self.client(2)
        body = c.consultation()
        data = batch([body])
        good = zstd_raw(data)
        before = self.journal()
        for packed, raw in ((zstd_bomb(8000, BATCH_BYTES), BATCH_BYTES), (zstd_bomb(8000, 8000 * 131072), BATCH_BYTES), (zstd_bomb(6, 6 * 131072), BATCH_BYTES),
                            (zstd_bomb(8000, len(data)), len(data)), (zstd_raw(data, declared=len(data) + 1), len(data)), (good + good, len(data)),
                            (good + b"x", len(data)), (good[:-3], len(data)), (b"", len(data)), (os.urandom(100), len(data)),
                            (b"\x28\xb5\x2f\xfd\x00\x58" + b"\x01\x00\x00", len(data)), (b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + good, len(data))):
            c.send(PUSH, c.push_body([body], packed=packed, raw=raw))
            self.assertEqual(c.error(), "malformed", packed[:16])
        c.send(PUSH, c.push_body([body], count=2))
        self.assertEqual(c.error(), "malformed")
        self.assertEqual(self.journal(), before)
        c.connect()
        c.hello()
        c.push([body])

    def test_change_at_the_limits(self):
        """P12: a change of 64 KiB, texts of 4,000 characters, lists of 400, 128 fields; one more is refused"""
        c = self.client(2)
        fields = {**consultation()["fields"], "state": "submitted"}
        for evil in ({**fields, "topic": "字" * 4001}, {**fields, **{f"f{i}": 1 for i in range(130)}}, {**fields, "x": ["a"] * 401}):
            got = self.verdict_or_error(c, c.change("consultation", uuid7(), CREATE, evil, catalogue=c.catalogue + 1))
            self.assertIn(got, (REFUSED, "malformed"))
        got = self.verdict_or_error(c, c.change("consultation", uuid7(), CREATE, {**fields, "x": "a" * 66000}, catalogue=c.catalogue + 1))
        self.assertIn(got, (REFUSED, "malformed"))

    def verdict_or_error(self, c, body):
        c.send(PUSH, c.push_body([body]))
        kind, answer = c.expect(ACK, ERROR)
        c.connect()
        welcome = c.hello()
        c.seq, c.hash = welcome[5]
        return answer[4][0][1] if kind == ACK else answer[0]

    def test_pull_of_nonsense(self):
        c = self.client(2)
        c.send(PULL, [c.session, [2**62, uid(uuid7())], 1000])  # no position can be so far
        self.assertEqual(c.error(), "malformed")
        c.hello()
        c.send(PULL, [c.session, [2**62 - 1, uid(uuid7())], 1000])
        body = c.expect(adversary.FEED)[1]
        self.assertEqual(body[8], [])
        c.send(PULL, [c.session ^ 1, [0, None], 1000])
        self.assertEqual(c.error(), "hello_first")
        c.hello()
        stranger_ids = [uid(uuid7()) for _ in range(500)]
        c.send(WANT, [c.session, stranger_ids])
        body = c.expect(adversary.BODIES)[1]
        self.assertEqual({e[0] for e in body[8]} - {2, 3}, set(), "what is not there comes as GONE or ABSENT")
        c.send(WANT, [c.session, stranger_ids + [uid(uuid7())]])
        self.assertEqual(c.error(), "malformed")

    def test_want_of_anothers_record(self):
        """P11: asking for another station's record by id shows nothing of it"""
        made = self.node.add_ids([person()])[0]
        self.node.sync()
        c = self.client(2)
        c.send(WANT, [c.session, [uid(made)]])
        body = c.expect(adversary.BODIES)[1]
        self.assertEqual([(e[0], e[4]) for e in body[8]], [(2, None)])

    def test_history_of_anothers_record(self):
        """P11, P12: nothing of the past of a record that the station does not see; questions out of range are refused, many do not stop the others"""
        made = self.node.add_ids([person()])[0]
        self.node.sync()
        c = self.client(2)
        for asked in (uid(made), b"\x01\x93\x2f\x00\x11\x11\x72\x22\x83\x33" + b"\x44" * 6):
            c.send(11, [c.session, asked, 0, 262144])
            self.assertEqual(c.expect(11)[1][1:], [asked, 0, True, []])
        for bad in ([c.session, uid(made), 0, 0], [c.session, uid(made), 0, 262145], [c.session, uid(made), -1, 1], [c.session, None, 0, 1],
                    [c.session, uid(made), 0], [c.session, uid(made), 1 << 63, 1]):
            c.send(11, bad)
            self.assertEqual(c.expect(adversary.ERROR)[1][0], "malformed", bad)
        c.send(11, [c.session ^ 1, uid(made), 0, 1])
        self.assertEqual(c.expect(adversary.ERROR)[1][0], "hello_first")
        for _ in range(3000):
            c.send_frames(bytes([11]), pack([c.session, uid(made), 0, 262144]))
        made = self.node.add_ids([consultation()])[0]
        self.node.sync(timeout_s=30)
        self.assertEqual(len(self.hub.rows("history", made)), 1)

    def test_compare(self):
        """P11, P12: digests are of one's own scope only; questions out of range are refused; thousands of them do not stop the others"""
        made = self.node.add_ids([person()])[0]
        self.node.sync()
        c = self.client(2)
        c.send(16, [c.session, None, 4000])
        digests = c.expect(17)[1]
        self.assertTrue(digests[4], "done")
        self.assertNotIn(uid(made), [item[0] for item in digests[5]])
        for bad in ([c.session, None, 0], [c.session, None, 4001], [c.session, "x", 10], [c.session, None], [c.session, None, 1, 1], [c.session, b"x", 1]):
            c.send(16, bad)
            self.assertEqual(c.expect(adversary.ERROR)[1][0], "malformed", bad)
        c.send(16, [c.session ^ 1, None, 10])
        self.assertEqual(c.expect(adversary.ERROR)[1][0], "hello_first")
        for _ in range(3000):
            c.send_frames(bytes([16]), pack([c.session, None, 1]))
        made = self.node.add_ids([consultation()])[0]
        self.node.sync(timeout_s=30)
        self.assertEqual(len(self.hub.rows("history", made)), 1)

    def test_flood(self):
        """P12: a client that sends without reading does not stop the others"""
        c = self.client(2)
        hello = pack(c.hello_body())
        for i in range(3000):
            c.send_frames(bytes([PULL if i % 3 else HELLO]), pack([c.session, [0, None], 262144]) if i % 3 else hello)
        made = self.node.add_ids([consultation()])[0]
        self.node.sync(timeout_s=30)
        self.assertEqual(len(self.hub.rows("history", made)), 1)

    def test_many_connections(self):
        c = self.client(2)
        extra = []
        for _ in range(60):
            e = Client(c.endpoint, c.hub_key)
            self.clients.append(e)
            extra.append(e.connect())
            e.send(HELLO, e.hello_body())
        c.hello()
        c.push([c.consultation()])


class Protocol(Case):
    """P3, P5: an honest client written from the document"""
    villages = 2

    def test_enrol_push_pull(self):
        hub, kits = self.t.hub, self.t
        c = client_of(kits.new_kit(2, "kit-honest"))
        self.addCleanup(c.close)
        made = uuid7()
        verdicts = c.push([c.consultation(made, item_count=12)])
        self.assertEqual(verdicts, {1: (APPLIED, "")})
        row = next(r for r in hub.rows("records", "consultation") if r["id"] == made)
        self.assertEqual((row["fields"]["item_count"], row["village_code"], row["state"]), (12, village_code(2), "submitted"))
        entries, _ = c.pull_all()
        kind, type_name, payload = entries[made.replace("-", "")]
        self.assertEqual(kind, 1, "an own change applied as sent comes back as a digest")
        own = [body_of(e[2]) for e in entries.values() if e[0] == 0]
        self.assertIn("station", {b["type"] for b in own})
        self.assertIn("area_unit", {b["type"] for b in own})
        c.send(WANT, [c.session, [uid(made)]])
        body = body_of(c.expect(adversary.BODIES)[1][8][0][4])
        self.assertEqual(body["fields"]["item_count"], 12)
        self.assertIsNone(body["issue"])
        hub.add([{"id": made, "fields": {"item_count": 13}}])
        self.assertEqual(c.expect(NEWS)[0], NEWS)
        entries, _ = c.pull_all()
        record = body_of(entries[made.replace("-", "")][2])
        self.assertEqual(record["fields"]["item_count"], 13)
        edit = c.change("consultation", made, EDIT, {"item_count": 14}, bases=version_of(record), hlc=c.next_hlc(version_of(record)[0]))
        self.assertEqual(c.push([edit]), {2: (APPLIED, "")})
        hub.verify()
        self.assertEqual(hub.rows("conflicts"), [])

    def test_as_of_gives_coverage(self):
        """P10: complete through the time that the replica named, never later than receipt"""
        hub = self.t.hub
        self.t.v[2].sync()
        c = client_of(self.t.new_kit(1, "kit-coverage"))
        self.addCleanup(c.close)
        c.push([c.consultation()], as_of=int(time.time() * 1000) + 10**9)  # from the future
        replica = next(r for r in hub.json("status")["replicas"] if r["replica"] == str(c.replica))
        self.assertLess(replica["complete_through"], hub.json("count", "I19v")["as_of"])
        ahead = c.push_body([], head=[c.seq + 5, os.urandom(32)])
        c.send(PUSH, ahead)  # names a head that the hub has not
        c.expect(ACK)
        doc = hub.json("count", "I19v")
        self.assertLessEqual(doc["coverage"]["complete"], doc["coverage"]["stations"])
        replica = next(r for r in hub.json("status")["replicas"] if r["replica"] == str(c.replica))
        self.assertEqual(replica["lag"], 5)

    def test_protocol_versions(self):
        kit = self.t.new_kit(1, "kit-versions")
        c = client_of(kit)
        self.addCleanup(c.close)
        c.send(HELLO, c.hello_body(min=3, max=9))
        self.assertEqual(c.error(), "protocol")
        welcome = c.hello(min=1, max=9)
        self.assertEqual((welcome[0], len(welcome)), (2, 17))
        self.assertEqual(welcome[16][0], None)
        welcome = c.hello(min=1, max=1)  # a node of before there were key words
        self.assertEqual((welcome[0], len(welcome)), (1, 16))
