"""Bad input at entry: every line is answered, a bad one says what is wrong and where, and good lines before and after are saved.

Shows P1 (a save repeated is the same save; answered means stored) and P12 (lines, texts and lists have limits). The same lines go to
the node and, where it makes a difference, to the hub's `add`.
"""
import contextlib
import json
import sqlite3
import uuid

from harness import Case, consultation, lm_nodes_of_db, notice, person, reception, uuid7, village_code, visit

SHARED = "01932f00-1111-7222-8333-444444444444"


class BadLines(Case):
    villages = 1

    @classmethod
    def prepare(cls, town):
        cls.node = town.v[1]
        cls.person_id = cls.node.add_ids([person()])[0]

    def many(self, cases, program=None):
        """cases: (line, code or codes, field or None). One `add` of all of them with a good line before, between and after; each bad line is
        answered with its code and field, the good ones are saved, and nothing else is."""
        program = program or self.node
        lines, before = [json.dumps(consultation(item_count=1)).encode()], self.changes(program)
        for n, (bad, _, _) in enumerate(cases):
            lines += [bad if isinstance(bad, bytes) else json.dumps(bad, ensure_ascii=False).encode(), json.dumps(consultation(item_count=n + 2)).encode()]
        result = program.run("add", stdin=b"\n".join(lines) + b"\n", check=False)
        answers = result.rows()
        self.assertEqual(result.rc, 1, result)
        self.assertEqual([a["line"] for a in answers], list(range(1, len(lines) + 1)), result)
        for n, (bad, code, field) in enumerate(cases):
            with self.subTest(bad=str(bad)[:80]):
                self.refused(answers[2 * n + 1], code, field)
        saved = dict(self.counts(program))
        for n, answer in enumerate(answers[::2]):
            self.assertEqual(saved.get(answer.get("id")), n + 1, answer)
        self.assertEqual(self.changes(program), before + len(cases) + 1, "something else was saved as well")
        return answers[1::2]

    def between(self, bad, code, field=None, program=None):
        """The same for one bad line; its error."""
        return self.many([(bad, code, field)], program)[0]["error"]

    @staticmethod
    def db(program, sql):
        return lm_nodes_of_db(program.dir / ("node.db" if program.program == "lastmile-node" else "hub.db"), sql)

    def changes(self, program):
        return self.db(program, f"SELECT count(*) FROM {'outbox' if program is self.node else 'journal'}")[0][0]

    def counts(self, program):
        return [(str(uuid.UUID(bytes=i)) if isinstance(i, bytes) else i, n) for i, n in self.db(program, "SELECT id, item_count FROM r_consultation")]

    # ---- lines ----

    def test_malformed_lines(self):
        """P12: what is not one JSON object is refused, line by line"""
        self.many([(bad, ("bad_json", "too_deep", "bad_text"), None) for bad in
                   (b'{"type":"consultation","fields":{', b'{"type":"consultation"} trailing', b"[1,2,3]", b'"text"', b"42", b"null", b"{'type':1}",
                    b'{"type":"consultation","fields":{"item_count":01}}', b'{"a":NaN}', b"\x00", b"{" * 100, b"[" * 100000)])

    def test_duplicate_keys(self):
        """A key twice is refused: nobody knows which was meant"""
        self.many([(bad, "duplicate_key", None) for bad in (
            b'{"type":"consultation","type":"visit","fields":{}}',
            b'{"type":"consultation","fields":{"on":"2025-03-01","channel":"phone","topic":"policy","item_count":1,"item_count":2}}')])

    def test_invalid_utf8(self):
        """Text that is not UTF-8, lone surrogates and NUL are refused"""
        line = json.dumps(consultation(item_count=1, topic="TOPIC")).encode()
        self.many([(line.replace(b"TOPIC", text), "bad_utf8", None) for text in (b"\xff\xfe", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80")]
                  + [(line.replace(b"TOPIC", text), ("bad_json", "bad_text", "bad_utf8"), None) for text in (b"\\ud800", b"\\u0000")])

    def test_oversized_line(self):
        """P12: a line beyond 256 KiB is skipped to its end and refused; the next line is read"""
        self.many([(json.dumps(consultation(item_count=1)).encode()[:-1] + b',"x":"' + b"a" * size + b'"}', "line_too_long", None)
                   for size in (256 * 1024 + 1, 3 * 1024 * 1024)])

    def test_large_line_within_the_limit(self):
        """A long line that is allowed is taken"""
        padded = json.dumps(visit([self.person_id], findings="字" * 500)).encode() + b" " * (200 * 1024)
        self.assertIn("id", self.node.add(padded + b"\n")[0])

    def test_deep_nesting(self):
        """P12: nesting beyond 8 is refused"""
        self.between(json.dumps(consultation()).encode()[:-2] + b',"note":' + b"[" * 30 + b"]" * 30 + b"}}", ("bad_json", "too_deep"))

    def test_blank_lines_and_no_final_newline(self):
        """Blank lines are no lines; the last line needs no line feed; CR LF is fine"""
        text = "\n\r\n" + json.dumps(consultation()) + "\r\n   \n" + json.dumps(consultation())
        self.assertEqual([a["line"] for a in self.node.add(text)], [3, 5])
        self.assertEqual(self.node.add(b""), [])

    # ---- members of a line ----

    def test_members(self):
        self.many([({}, "required", "type"), ({"type": "no_such_type", "fields": {}}, "unknown_type", "type"), ({"type": "consultation"}, "required", "fields"),
                   ({"type": "consultation", "fields": {}, "felds": {}}, "unknown_member", "felds"),
                   (consultation({"station": village_code(1)}), "unknown_member", "station"), ({"type": 7, "fields": {}}, "bad_type", "type"),
                   ({"type": "consultation", "fields": []}, "bad_type", "fields"), ({"id": "not-a-uuid", "fields": {}}, "bad_uuid", "id"),
                   ({"id": SHARED, "delete": "yes"}, "bad_type", "delete"), ({"id": SHARED, "delete": True, "undelete": True}, "bad_line", "delete"),
                   (consultation({"key": ""}), "bad_type", "key"), (consultation({"key": "k" * 81}), "bad_type", "key"),
                   (consultation({"key": "k", "id": uuid7()}), "bad_line", "key"), ({"id": self.person_id, "key": "k", "fields": {}}, "bad_line", "key")])

    def test_unknown_ref(self):
        """An @ref that no earlier line made is refused, naming its field; also when the line that should have made it was refused"""
        self.many([(visit(["@nobody"]), "unknown_ref", "persons"), (consultation({"ref": "c"}, item_count=0), "out_of_range", "item_count"),
                   (visit([self.person_id], follow_up="@c"), "unknown_ref", "follow_up")])

    # ---- fields ----

    def test_unknown_fields_and_codes(self):
        self.many([(consultation(no_such_field=1), "unknown_field", "no_such_field"), (consultation(channel="telepathy"), "bad_code", "channel"),
                   (visit([self.person_id], gift_kind=["money", "gold"]), "bad_code", "gift_kind")])

    def test_missing_required(self):
        self.many([(consultation(item_count=...), "required", "item_count"), (person(name=None), "required", "name"), (person(name=""), "required", "name"),
                   (person(id_no=...), "required", "id_no"), (visit([]), ("required", "too_few_items"), "persons")])

    def test_wrong_types(self):
        self.many([(consultation(**{name: value}), ("bad_type", "bad_json", "out_of_range", "bad_code", "bad_date"), None if value == 10**30 else name) for name, value in
                   (("item_count", "three"), ("item_count", 1.5), ("item_count", True), ("on", 20250301), ("channel", ["phone"]), ("topic", {}),
                    ("item_count", 10**30))])

    def test_out_of_range(self):
        self.many([(consultation(item_count=n), "out_of_range", "item_count") for n in (0, -1, 100001, 2**62)])

    def test_bad_dates(self):
        """Dates that do not exist, other forms, and days to come once the hub has confirmed the clock"""
        self.node.sync()
        self.many([(consultation(on=date), "bad_date", "on") for date in
                   ("2025-02-29", "2025-13-01", "2025-00-10", "2025-04-31", "2025/03/01", "20250301", "2025-3-1", "昨天", "2025-03-01T00:00:00Z")]
                  + [(visit([self.person_id], visit_on="2999-01-01"), "not_future", "visit_on"), (reception(at="2025-03-01 09:00"), ("bad_time", "bad_date"), "at")])
        self.assertIn("id", self.node.add([consultation(on="2024-02-29")])[0])

    def test_unconfirmed_clock(self):
        """P9: before the hub has confirmed this PC's clock, a date ahead of it is a warning, not a refusal"""
        fresh = self.watch(type(self.node)(self.work / "fresh", self.work / "fresh.log"))
        fresh.enrol(self.t.new_kit(1, "kit-clock"))
        with contextlib.closing(sqlite3.connect(fresh.dir / "node.db", isolation_level=None)) as db:
            db.execute("UPDATE me SET offset_ms = NULL")  # as after an enrolment by USB
        pid = fresh.add_ids([person()])[0]
        warnings = fresh.add([visit([pid], visit_on="2999-01-01")])[0]["warnings"]
        self.assertIn(("not_future", "visit_on"), [(w["code"], w["field"]) for w in warnings])

    def test_id_numbers(self):
        """GB 11643: a wrong check digit, length, date"""
        number = person()["fields"]["id_no"]
        wrong = number[:17] + ("0" if number[17] != "0" else "1")
        self.many([(person(id_no=wrong), "bad_check_digit", "id_no")]
                  + [(person(id_no=bad), ("bad_format", "bad_check_digit", "bad_length", "too_short", "too_long", "bad_date", "bad_birth_date"), "id_no")
                     for bad in (number[:17], number + "1", "99999919550230" + "1010", "x" * 18)])

    def test_text_lengths(self):
        """Lengths count characters, not bytes; 4-byte characters are one each"""
        self.assertIn("id", self.node.add([person(name="𠮷" * 50)])[0])
        self.between(person(name="字" * 51), "too_long", "name")

    def test_references(self):
        """An id known under another type, or not known, names no record of this one"""
        other = self.node.add_ids([consultation()])[0]
        self.many([(visit([SHARED.replace("01932f00", "01932f11")]), "unknown_reference", "persons"), (visit([other]), "bad_reference", "persons"),
                   (visit([self.person_id, self.person_id]), "repeated", "persons"),
                   (consultation({"id": self.person_id}), ("other_type", "key_reused", "exists"), "id"),
                   (consultation({"id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8"}), ("bad_uuid", "bad_format"), "id")])

    def test_edits_of_nothing(self):
        record = self.node.add_ids([consultation(item_count=9)])[0]
        self.many([({"id": uuid7(), "fields": {"item_count": 2}}, ("no_such_record", "not_found"), "id"),
                   ({"id": uuid7(), "delete": True, "reason": "无"}, ("no_such_record", "not_found"), "id"),
                   ({"id": uuid7(), "undelete": True}, ("no_such_record", "not_found"), "id"), ({"id": record, "delete": True}, "required", "delete_reason"),
                   ({"id": record, "fields": {"item_count": 0}}, "out_of_range", "item_count")])
        self.assertEqual(self.node.get(record)["fields"]["item_count"], 9)

    def test_system_and_town_fields(self):
        """P11: what the program or the town sets is refused from a village"""
        self.many([(person(dup_key="0" * 64), "system_field", "dup_key"), (person(registered_on="2025-01-01"), "system_field", "registered_on"),
                   (consultation(village_code=village_code(1)), "system_field", "village_code"), (person(bank_account="1234567890"), "town_field", "bank_account"),
                   (consultation(state="verified"), ("not_allowed", "bad_transition"), "state"), (notice(), "not_your_type", None)])

    def test_natural_key_within_one_replica(self):
        first = person()
        self.node.add([first])
        self.between(person(id_no=first["fields"]["id_no"]), "not_unique", "id_no")

    def test_every_error_has_both_languages(self):
        error = self.between(consultation(channel="telepathy"), "bad_code", "channel")
        self.assertRegex(error["text"], "[\u4e00-\u9fff]")
        self.assertRegex(error["text_en"], "[A-Za-z]")

    # ---- the hub's add ----

    def test_the_same_at_the_hub(self):
        self.many([(b"{", "bad_json", None), (b'{"type":"consultation","fields":{"on":"\xff"}}', "bad_utf8", None),
                   ({"type": "no_such_type", "fields": {}}, "unknown_type", "type"), (consultation(no_such_field=1), "unknown_field", "no_such_field"),
                   (consultation(channel="x"), "bad_code", "channel"), (consultation(on="2025-02-29"), "bad_date", "on"),
                   (consultation(village_code=village_code(1)), "system_field", "village_code"),
                   (consultation({"station": "999999999999"}), ("unknown_station", "no_station"), "station"),
                   (consultation({"station": "12"}), ("unknown_station", "bad_format", "bad_type", "no_station"), "station"),
                   ({"id": uuid7(), "fields": {"item_count": 2}}, ("no_such_record", "not_found"), None),
                   (consultation(reception_id=uuid7()), ("unknown_reference", "no_such_record"), "reception_id"),
                   (consultation({"id": self.person_id}), ("other_type", "key_reused", "exists", "unknown_type"), None)], self.t.hub)
        self.t.hub.verify()


class Repeats(Case):
    """P1, P3: a save repeated by id or key is the same save, also after an edit; other content under it is an error"""
    villages = 1

    def check_repeats(self, program, fetch, by):
        first = consultation(dict(by), item_count=5)
        made = program.add([first])[0]["id"]
        again = program.add([first, first])
        self.assertEqual([a["id"] for a in again], [made, made])
        program.add([{"id": made, "fields": {"item_count": 6}}])
        self.assertEqual(program.add([first])[0]["id"], made)
        self.assertEqual(fetch(made)["fields"]["item_count"], 6, "the repeat undid an edit")
        other = program.add([consultation(dict(by), item_count=7), consultation(item_count=8)], check=False)
        self.refused(other[0], "key_reused")
        self.assertIn("id", other[1])
        self.assertEqual(fetch(made)["fields"]["item_count"], 6)
        return made

    def test_at_the_node(self):
        node = self.t.v[1]
        before = node.status()["pending"]
        for by in ({"key": "收据-1"}, {"id": uuid7()}):
            with self.subTest(by=by):
                made = self.check_repeats(node, node.get, by)
                self.assertEqual(len(node.rows("history", made)), 2, "creation and edit, nothing else")
        self.assertEqual(node.status()["pending"], before + 2 * 3, "creation, edit and another creation each")
        node.sync()
        self.t.hub.verify()

    def test_at_the_hub(self):
        hub = self.t.hub

        def fetch(record_id):
            return next(r for r in hub.rows("records", "consultation") if r["id"] == record_id)
        for by in ({"key": "收据-1"}, {"id": uuid7()}, {"key": "收据-2", "station": village_code(1)}):
            with self.subTest(by=by):
                made = self.check_repeats(hub, fetch, by)
                self.assertEqual(len(hub.rows("history", made)), 2)
        hub.verify()

    def test_repeat_after_delete(self):
        node = self.t.v[1]
        line = consultation({"key": "删-1"})
        made = node.add_ids([line])[0]
        node.add([{"id": made, "delete": True, "reason": "录入重复"}])
        self.assertEqual(node.add_ids([line]), [made])
        self.assertEqual([r for r in node.list("consultation") if r["id"] == made], [], "the repeat brought back what was deleted")

    def test_whole_file_again(self):
        """A browser or script killed between commit and answer sends everything again"""
        node = self.t.v[1]
        lines = [consultation({"key": f"整-{i}"}, item_count=i + 1) for i in range(300)]
        ids = node.add_ids(lines[:170])
        self.assertEqual(node.add_ids(lines)[:170], ids)
        self.assertEqual(len({*node.add_ids(lines)}), 300)


class Usage(Case):
    """Command lines: exit 2 with a message for wrong use, help and version, no data directory"""

    def both(self):
        from harness import Hub, Node
        return (Hub(self.work / "hub", self.work / "hub.log"), Node(self.work / "node", self.work / "node.log"))

    def test_help_and_version(self):
        from harness import run
        for program in self.both():
            self.assertIn("usage", run([program.bin, "--help"]).out.lower())
            self.assertRegex(run([program.bin, "--version"]).out, r"^lastmile-(hub|node) \d+\.\d+")
            self.assertRegex(json.loads(run([program.bin, "--version", "--json"]).out)["version"], r"^\d+\.\d+")

    def test_wrong_use(self):
        from harness import run
        for program in self.both():
            for argv in ([], ["no-such-command"]):
                with self.subTest(program=program.program, argv=argv):
                    result = run([program.bin, *argv], check=False)
                    self.assertEqual(result.rc, 2, result)
                    self.assertTrue(result.err)

    def test_no_data_directory(self):
        from harness import run
        for program in self.both():
            result = run([program.bin, "status"], check=False)
            self.assertIn(result.rc, (1, 2), result)
            self.assertIn("--data", result.err)

