#!/usr/bin/env python3
"""Runs the end-to-end tests: tests/e2e/run.py --bin .build/dev [--release DIR] [--jobs N] [--only PATTERN] [--list] [--verbose]

A class is the unit that runs by itself, in a process of its own (its town is shared by its tests). One line a class; what failed is
printed in full at the end. The last line is `N passed, N failed` (`, N skipped` when there are).
"""
import argparse
import concurrent.futures
import importlib
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CLASS_TIMEOUT_S = int(os.environ.get("LASTMILE_CLASS_TIMEOUT_S", "900"))  # long forms say more


def classes():
    sys.path.insert(0, str(HERE))
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ == path.stem:
                tests = unittest.TestLoader().getTestCaseNames(value)
                if tests:
                    yield path.stem, name, tests, getattr(value, "weight", 1)


class Collector(unittest.TestResult):
    """Counts, and keeps the text of what failed."""

    def __init__(self):
        super().__init__()
        self.rows, self.started = [], 0.0

    def startTest(self, test):
        super().startTest(test)
        self.started, self.current = time.monotonic(), "passed"
        self.subs = []

    def note(self, test, outcome, text=""):
        self.rows.append({"test": str(test.id()), "outcome": outcome, "text": text, "s": round(time.monotonic() - self.started, 2)})

    def addSuccess(self, test):
        if not self.subs:
            self.note(test, "passed")

    def addFailure(self, test, err):
        self.note(test, "failed", self._exc_info_to_string(err, test))

    def addError(self, test, err):  # also of setUpClass and tearDownClass
        self.note(test, "failed", self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.subs.append(subtest)
            self.note(subtest, "failed", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.note(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        self.note(test, "passed")

    def addUnexpectedSuccess(self, test):
        self.note(test, "failed", "was expected to fail")


def run_one(selector, result_path, only):
    """In the process of one class."""
    sys.path.insert(0, str(HERE))
    module, name = selector.split(".")
    case = getattr(importlib.import_module(module), name)
    suite = unittest.TestSuite(case(t) for t in unittest.TestLoader().getTestCaseNames(case)
                               if not only or re.search(only, f"{module}.{name}.{t}"))
    collector = Collector()
    suite.run(collector)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    pathlib.Path(result_path).write_text(json.dumps({"rows": collector.rows, "cpu_s": sum(u.ru_utime + u.ru_stime for u in used)}))


def in_process(args, module, name, env):
    with tempfile.TemporaryDirectory(prefix="lastmile-e2e-run.") as work:
        result, started = pathlib.Path(work, "result.json"), time.monotonic()
        argv = [sys.executable, __file__, "--one", f"{module}.{name}", "--result", str(result)] + (["--only", args.only] if args.only else [])
        try:
            done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=CLASS_TIMEOUT_S)
            said = done.stdout
        except subprocess.TimeoutExpired as late:
            said = f"took longer than {CLASS_TIMEOUT_S} s\n{(late.stdout or b'').decode('utf-8', 'replace')}"
        told = json.loads(result.read_text()) if result.exists() else {"rows": [{"test": f"{module}.{name}", "outcome": "failed", "text": said, "s": 0}], "cpu_s": 0}
        notes = [line for line in said.splitlines() if line.startswith("note: ")]
        return module, name, told["rows"], time.monotonic() - started, told["cpu_s"], notes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=".build/dev")
    parser.add_argument("--release", help="programs without sanitizers, for tests that need their speed (default: --bin)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", help="regular expression over module.Class.test")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="one line a test")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--result", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.result, args.only)
        return 0
    os.environ["LASTMILE_BIN"] = str(pathlib.Path(args.bin).resolve())
    os.environ["LASTMILE_RELEASE"] = str(pathlib.Path(args.release or args.bin).resolve())
    os.environ["LASTMILE_SEED"] = args.seed
    wanted = [(m, c, w) for m, c, tests, w in classes()
              if not args.only or any(re.search(args.only, f"{m}.{c}.{t}") for t in tests)]
    if args.list:
        for m, c, tests, _ in classes():
            for t in tests:
                if not args.only or re.search(args.only, f"{m}.{c}.{t}"):
                    print(f"{m}.{c}.{t}")
        return 0
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    counts, failures, skips = {"passed": 0, "failed": 0, "skipped": 0}, [], []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:  # the long ones first
        futures = [pool.submit(in_process, args, m, c, env) for m, c, _ in sorted(wanted, key=lambda x: -x[2])]
        for future in concurrent.futures.as_completed(futures):
            module, name, rows, seconds, cpu, notes = future.result()
            by = {k: sum(r["outcome"] == k for r in rows) for k in counts}
            for k in counts:
                counts[k] += by[k]
            print(f"  {'FAIL' if by['failed'] else 'ok  '} {module}.{name:<28} {by['passed']:3} passed"
                  + (f", {by['failed']} failed" if by["failed"] else "") + (f", {by['skipped']} skipped" if by["skipped"] else "")
                  + f"  {seconds:5.1f} s, {cpu:.0f} s of processor", flush=True)
            for note in notes:
                print(f"         {note[6:]}")
            if args.verbose:
                for r in rows:
                    print(f"         {r['outcome']:<8} {r['s']:6.1f} s  {r['test'].split('.')[-1]}")
            failures += [r for r in rows if r["outcome"] == "failed"]
            skips += [r for r in rows if r["outcome"] == "skipped"]
    for r in skips:
        print(f"skipped {r['test']}: {r['text']}")
    for r in failures:
        print(f"\nFAILED {r['test']}\n{r['text']}")
    print(f"{counts['passed']} passed, {counts['failed']} failed" + (f", {counts['skipped']} skipped" if counts["skipped"] else ""))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
