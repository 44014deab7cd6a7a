"""What a person or a script reads back: names that stand for nothing, all faults of a line at once, one document with --json, slips in
options."""
import json

from harness import Case, consultation, notice, person, village_code, visit


class Sentences(Case):
    villages = 1

    def test_a_text_may_begin_with_at(self):
        made = self.t.hub.add_ids([notice(body="@所有人 请于周五前报送")])[0]
        row = next(r for r in self.t.hub.rows("records", "notice") if r["id"] == made)
        self.assertEqual(row["fields"]["body"], "@所有人 请于周五前报送")

    def test_a_failed_line_takes_its_name_with_it(self):
        lines = [dict(person(), ref="p"), {"type": "person", "ref": "p", "fields": {"nam": "李四"}}, visit(["@p"])]
        answers = self.t.v[1].add(lines, check=False)
        self.assertIn("id", answers[0])
        self.assertEqual((answers[1]["error"]["code"], answers[2]["error"]["code"]), ("unknown_field", "unknown_ref"), answers)
        self.assertTrue(answers[2]["error"]["field"].startswith("persons"), answers)

    def test_every_fault_of_a_line(self):
        answer = self.t.v[1].add([consultation(channel="窗口", item_count=0)], check=False)[0]
        told = {answer["error"]["field"]} | {e["field"] for e in answer["more"]}
        self.assertEqual(told, {"channel", "item_count"}, answer)

    def test_one_document(self):
        hub, node = self.t.hub, self.t.v[1]
        node.add_ids([consultation(), consultation()])
        for program, argv in ((hub, ("records", "station")), (hub, ("returned",)), (hub, ("held",)), (hub, ("conflicts",)),
                              (node, ("list", "consultation")), (node, ("returned",))):
            with self.subTest(argv=argv):
                self.assertEqual(program.json(*argv), program.rows(*argv))
        result = node.run("add", "--json", stdin=(json.dumps(consultation()) + "\n") * 2)
        self.assertEqual([a["line"] for a in json.loads(result.out)], [1, 2])

    def test_slips(self):
        for argv, code in ((("held", "x"), 2), (("status", "x"), 2), (("records", "person", "--station", village_code(63)), 1),
                           (("returned", "--station", "99"), 1), (("approve", "person", "--station", "99"), 1), (("bundle",), 2),
                           (("summaries",), 2)):
            with self.subTest(argv=argv):
                self.assertEqual(self.t.hub.run(*argv, check=False).rc, code)
