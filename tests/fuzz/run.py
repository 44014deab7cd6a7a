#!/usr/bin/env python3
"""Fuzzes with what clang's libFuzzer sees of the code's edges; one target after the other, at low priority.

  tests/fuzz/run.py [--minutes N] [--only REGEX]   N minutes of each target (10 unless told); prints a table, one line a target
  tests/fuzz/run.py --minimise [--only REGEX]      the smallest set of inputs, of corpus and found, that reaches all that they reach: the corpus then
  tests/fuzz/run.py --coverage                     lines of proto/, common/, node/ and hub/ that the corpora run through (gcov)

Inputs found are kept in .build/fuzz/found/TARGET. A finding stops its target and the exit code is 1: the input is .build/fuzz/found/TARGET-crash-…;
it belongs into tests/fuzz/corpus/TARGET with a name that says what it was, and from there is replayed by ctest.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOUND = ROOT / ".build/fuzz/found"
CORPUS = ROOT / "tests/fuzz/corpus"
LENGTH_MAX = {"fuzz_node_session": 800, "fuzz_hub_session": 2000, "fuzz_http_node": 1500, "fuzz_http_hub": 1500}
SHEET = "sheet"  # tests/fuzz/sheet.mjs: TypeScript, led by V8's coverage
DICTIONARY = {"fuzz_http_node": "http.dict", "fuzz_http_hub": "http.dict"}


def targets(only):
    return [name for name in [*sorted(p.stem for p in (ROOT / "tests/fuzz").glob("fuzz_*.c")), SHEET] if re.search(only, name)]


def build(preset, names):
    names = [name for name in names if name != SHEET]
    if not names:
        return
    subprocess.run([ROOT / "deploy/build.sh", preset, *names], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count())})


def command(name, *arguments):
    return ["nice", "-n", "19", str(ROOT / ".build/fuzz/tests" / name), *[str(a) for a in arguments]]


def fuzz(name, seconds):
    """The table's row, and whether nothing was found."""
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-max_len={LENGTH_MAX.get(name, 4096)}", f"-artifact_prefix={found}-", "-print_final_stats=1", "-timeout=600"]
    if name in DICTIONARY:
        options.append(f"-dict={ROOT / 'tests/fuzz' / DICTIONARY[name]}")
    log = FOUND / f"{name}.log"
    start = time.monotonic()
    argv = command(name, found, CORPUS / name, *options)
    if name == SHEET:
        argv = ["nice", "-n", "19", "node", ROOT / "tests/fuzz/sheet.mjs", "--seconds", str(seconds), "--found", found, CORPUS / name]
    with open(log, "wb") as out:
        code = subprocess.run(argv, stdout=out, stderr=subprocess.STDOUT).returncode
    text = log.read_text(errors="replace")
    took = max(1, round(time.monotonic() - start))
    runs = int((re.findall(r"number_of_executed_units: *(\d+)", text) or ["0"])[0])
    edges = (re.findall(r"cov: (\d+)", text) or ["?"])[-1]
    print(f"{name:<20} {took:>6} s {runs:>12,} {runs // took:>8} {edges:>8} {len(list((CORPUS / name).iterdir())):>8}", flush=True)
    if code != 0:
        print(text[-4000:])
        print(f"{name}: a finding; the input is {found}-*", file=sys.stderr)
    return code == 0


def minimise(name):
    corpus = CORPUS / name
    named = {p.name for p in corpus.iterdir() if not re.fullmatch(r"[0-9a-f]{40}", p.name)}
    with tempfile.TemporaryDirectory() as out:
        sources = [d for d in (corpus, FOUND / name) if d.is_dir()]
        argv = ["node", ROOT / "tests/fuzz/sheet.mjs", "--minimise", out, *sources] if name == SHEET else command(name, "-set_cover_merge=1", out, *sources)
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        chosen = {p.name: p.read_bytes() for p in pathlib.Path(out).iterdir()}
    kept = {(corpus / n).read_bytes() for n in named}  # seeds and former findings stay
    for p in corpus.iterdir():
        if p.name not in named:
            p.unlink()
    for digest, content in chosen.items():
        if content not in kept:
            (corpus / digest).write_bytes(content)
    print(f"{name:<20} {len(list(corpus.iterdir())):>6} inputs {sum(p.stat().st_size for p in corpus.iterdir()):>10,} bytes", flush=True)


def coverage(names):
    """Lines run of lines there are, by folder and for each file of proto/, of the plain programs that replay the corpora."""
    build("coverage", names)
    folder = ROOT / ".build/coverage"
    for old in folder.rglob("*.gcda"):
        old.unlink()
    for name in names:
        if name == SHEET:
            continue
        subprocess.run([folder / "tests" / name, CORPUS / name], check=True, stdout=subprocess.DEVNULL)
    lines = collections.defaultdict(dict)
    with tempfile.TemporaryDirectory() as out:
        for data in folder.rglob("*.gcda"):
            text = subprocess.run(["gcov", "--json-format", "--stdout", str(data)], cwd=out, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
            for document in text.splitlines():
                for file in json.loads(document)["files"]:
                    path = os.path.relpath(os.path.normpath(os.path.join(folder, file["file"])), ROOT)
                    for line in file["lines"]:
                        lines[path][line["line_number"]] = lines[path].get(line["line_number"], 0) + line["count"]
    sums = collections.Counter()
    total = collections.Counter()
    for path, counted in sorted(lines.items()):
        part = path.split("/")[0]
        if part not in ("proto", "common", "node", "hub") or path.endswith(".h"):
            continue
        run = sum(1 for n in counted.values() if n > 0)
        sums[part] += run
        total[part] += len(counted)
        if part == "proto" or run * 4 > len(counted):
            print(f"{path:<40} {run:>5} of {len(counted):>5} {100 * run // max(1, len(counted)):>4} %")
    for part in total:
        print(f"{part + '/ (of files with data)':<40} {sums[part]:>5} of {total[part]:>5} {100 * sums[part] // total[part]:>4} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", default="")
    parser.add_argument("--minimise", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    options = parser.parse_args()
    names = targets(options.only)
    if not names:
        parser.error("no target of that name")
    if options.coverage:
        coverage(names)
        return 0
    if not shutil.which("clang"):
        parser.error("clang is missing")
    build("fuzz", names)
    if options.minimise:
        for name in names:
            minimise(name)
        return 0
    print(f"{'target':<20} {'time':>8} {'executions':>12} {'a second':>8} {'edges':>8} {'corpus':>8}")
    good = [fuzz(name, max(1, round(options.minutes * 60))) for name in names]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
