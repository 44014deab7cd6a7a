#!/usr/bin/env python3
"""Measures the main job on this machine: tests/bench/run.py [--changes N] [--nodes N] [--batch N] [--bin DIR]

Prints one JSON document. Figures of one run belong together: compare ratios, not absolute figures of different machines.
  drain          N queued changes of 64 stations into one hub: CURVE, validation, merge, journal, FULL durability
  bare           the same number of rows of that size into two bare SQLite tables, one process, FULL, transactions of 10,000
  save           one durable save at a node (add, one line a transaction) beside one bare SQLite transaction
  idle_node_rss  resident memory of an idle `lastmile-node serve`
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

TOWN = "999999101000"


def run(argv, **kw):
    done = subprocess.run(argv, capture_output=True, text=True, **kw)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv))}: {done.stdout}{done.stderr}")
    return done.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Hub:
    def __init__(self, binary, work, nodes):
        self.binary, self.dir, self.port = binary, work / "hub", free_port()
        run([binary, "init", "--town", "示例镇", "--code", TOWN, "--data", self.dir])
        csv = work / "stations.csv"
        csv.write_text("code,name,level,office\n" + "".join(f"9999991{1000 + i:05d},村{i},village,办事处\n" for i in range(201, 201 + nodes)))
        run([binary, "station", "import", csv, "--data", self.dir])
        (work / "kits").mkdir()
        for i in range(201, 201 + nodes):
            code = f"9999991{1000 + i:05d}"
            run([binary, "enrol", code, "--out", work / "kits" / f"{code}.kit", "--endpoint", f"tcp://127.0.0.1:{self.port}", "--data", self.dir])
        self.process = subprocess.Popen([binary, "serve", "--data", self.dir, "--sync", f"tcp://127.0.0.1:{self.port}", "--http", "127.0.0.1:0"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if not self.process.stdout.readline().startswith("ready"):
            sys.exit("the hub did not start")

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def bare_sqlite(path, rows, size):
    """What the disk and SQLite alone cost: a record and a log row of this size for every change."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE record(id BLOB PRIMARY KEY, village TEXT, day TEXT, body BLOB) STRICT")
    db.execute("CREATE INDEX record_day ON record(village, day)")
    db.execute("CREATE TABLE log(pos INTEGER PRIMARY KEY, id BLOB, body BLOB) STRICT")
    body, started, done = os.urandom(size), time.monotonic(), 0
    while done < rows:
        n = min(10000, rows - done)
        ids = [(time.time_ns().to_bytes(8, "big") + os.urandom(8)) for _ in range(n)]
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO record VALUES(?,?,?,?)", ((i, "999999101201", "2025-01-01", body) for i in ids))
        db.executemany("INSERT INTO log(id,body) VALUES(?,?)", ((i, body) for i in ids))
        db.execute("COMMIT")
        done += n
    took = time.monotonic() - started
    db.close()
    return rows / took


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=int, default=640000, help="in all")
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--bin", default=str(pathlib.Path(__file__).resolve().parents[2] / ".build" / "release"))
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    hub_bin, node_bin, bench = f"{args.bin}/lastmile-hub", f"{args.bin}/lastmile-node", f"{args.bin}/tests"
    work = pathlib.Path(tempfile.mkdtemp(prefix="lastmile-bench."))
    result = {}
    try:
        hub = Hub(hub_bin, work, args.nodes + 1)
        spare = sorted((work / "kits").iterdir())[-1]
        shutil.move(spare, work / "spare.kit")
        before = hub.cpu_s()
        result["drain"] = json.loads(run([f"{bench}/drain", work / "kits", str(args.changes // args.nodes), str(args.batch)]))
        result["drain"]["hub_cpu_s"] = round(hub.cpu_s() - before, 2)
        size = int(result["drain"]["raw_bytes_per_change"])
        result["bare"] = {"rows_per_s": round(bare_sqlite(work / "bare.db", min(args.changes, 200000), size))}
        result["drain_to_bare"] = round(result["drain"]["changes_per_s"] / result["bare"]["rows_per_s"], 3)
        node = work / "node"
        run([node_bin, "enrol", work / "spare.kit", "--data", node])
        result["save"] = json.loads(run([f"{bench}/node_save", node, "500"]))
        serve = subprocess.Popen([node_bin, "serve", "--data", node, "--http", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        serve.stdout.readline()
        run([node_bin, "sync", "--data", node, "--timeout", "60"])
        result["idle_node_rss_mib"] = round(rss_kib(serve.pid) / 1024, 1)
        serve.terminate()
        serve.wait()
        status = json.loads(run([hub_bin, "status", "--json", "--data", hub.dir]))
        result["hub"] = {"journal_entries": status["journal"]["entries"],
                         "bytes_on_disk": sum(f.stat().st_size for f in hub.dir.iterdir() if f.is_file())}
        hub.stop()
        print(json.dumps(result, ensure_ascii=False))
    finally:
        if args.keep:
            print(work, file=sys.stderr)
        else:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
