"""tests/README.md says which test shows which promise: every test that it names exists."""
import pathlib
import re
import unittest

HERE = pathlib.Path(__file__).resolve().parent
README = HERE.parent / "README.md"


def e2e_names():
    """{"hostile": {"Hostile": {"test_flood", …}}}, read from the sources: nothing is imported."""
    found = {}
    for path in HERE.glob("test_*.py"):
        classes, current = found.setdefault(path.stem[5:], {}), None
        for line in path.read_text(encoding="utf-8").splitlines():
            head = re.match(r"class (\w+)", line)
            test = re.match(r"    def (test_\w+)", line)
            if head:
                current = classes.setdefault(head[1], set())
            elif test and current is not None:
                current.add(test[1])
    return found


def missing(text, found, units):
    """What a cell of the tables names and is not there. "module.Class.test_a, test_b": test_b is of the same class, or a unit
    program; a `*` at the end stands for several."""
    bad, inside = [], set()
    for word in re.findall(r"\b(?:[a-z_]+\.[A-Z]\w+(?:\.test_\w+\*?)?|[a-z_]+\.[a-z]\w*\(\)|test_\w+\*?)", text):
        parts = word.split(".")
        if len(parts) > 1:
            inside = found.get(parts[0], {}).get(parts[1])
            if inside is None:
                bad.append(word)
                inside = set()
                continue
            if len(parts) == 2:
                continue
        name = parts[-1]
        known = inside if len(parts) > 1 else inside | units
        if not any(k.startswith(name[:-1]) if name.endswith("*") else k == name for k in known):
            bad.append(word)
    return bad


class Readme(unittest.TestCase):
    def test_every_named_test_exists(self):
        found, units = e2e_names(), {p.stem for p in (HERE.parent / "unit").glob("test_*.c")}
        rows = [re.sub("`[^`]*`", "", line) for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        self.assertGreater(sum("test_" in row for row in rows), 20, "the tables were not found")
        self.assertEqual([(row.split("|")[1].strip(), bad) for row in rows if (bad := missing(row, found, units))], [])

    def test_the_check_bites(self):
        found, units = {"hostile": {"Hostile": {"test_flood"}}}, {"test_merge"}
        self.assertEqual(missing("hostile.Hostile.test_flood, test_merge; U test_mer*", found, units), [])
        self.assertEqual(missing("hostile.Hostile.test_gone, other.Class; U test_none", found, units), ["hostile.Hostile.test_gone", "other.Class", "test_none"])
