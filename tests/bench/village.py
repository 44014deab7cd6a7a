#!/usr/bin/env python3
"""Measures a village's page at size: tests/bench/village.py [--people N] [--bin DIR]

Enters N people into a node and asks as its page does. Prints one JSON document: milliseconds (median and 95th of a hundred of 40) at the
server over HTTP, and what the median is against `bare`, the same rows read by SQLite alone in this process. With Debian's Chromium and
tests/web's playwright-core it also opens the page on a CPU that is slowed 4 times: by the page's own clock till a key that somebody presses
all the time comes into the search box, beside the same on a page that has nothing to do; what is measured is said in village.mjs, which
also compares two builds by turns. Figures of one run belong together: compare ratios, not milliseconds of different machines.
"""
import argparse
import http.client
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

from page import id_number
from run import Hub, run

USER, PASSWORD = "王秘书", "135792"
ROUNDS = 40
SURNAMES = "张王李赵陈刘周吴郑孙马朱胡林郭何高罗"


def people(n, village):
    for i in range(n):
        fields = {"name": f"{SURNAMES[i % len(SURNAMES)]}测{'甲乙丙丁戊己庚辛'[i // 7 % 8]}{i}", "id_status": "valid", "id_no": id_number(i), "household_village": village,
                  "is_resident": True, "household_no": f"H{i // 3}", "difficulty": "none", "notice_at": "2025-01-05", "phone": f"139{i:08d}"}
        yield json.dumps({"type": "person", "fields": fields}, ensure_ascii=False)


def measure(act):
    taken = []
    for _ in range(ROUNDS):
        begun = time.monotonic()
        act()
        taken.append(1000 * (time.monotonic() - begun))
    taken.sort()
    return {"ms": round(statistics.median(taken), 2), "p95_ms": round(taken[int(0.95 * ROUNDS) - 1], 2)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=1500)
    parser.add_argument("--bin", default=".build/release")
    args = parser.parse_args()
    binary = pathlib.Path(args.bin).resolve()
    work = pathlib.Path(tempfile.mkdtemp(prefix="lastmile-village."))
    village, node, child = "999999101201", work / "node", None
    hub = Hub(binary / "lastmile-hub", work, 1)
    try:
        run([binary / "lastmile-node", "enrol", work / "kits" / f"{village}.kit", "--data", node])
        run([binary / "lastmile-node", "user", "add", USER, "-", "--data", node], input=PASSWORD + "\n")
        run([binary / "lastmile-node", "add", "-", "--data", node], input="\n".join(people(args.people, village)) + "\n")
        child = subprocess.Popen([binary / "lastmile-node", "serve", "--data", node, "--http", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = dict(part.split("=") for part in child.stdout.readline().split()[1:])["http"]
        run([binary / "lastmile-node", "sync", "--data", node])  # what is measured is the page, not the first upload
        connection = http.client.HTTPConnection(address, timeout=60)
        cookie = {}

        def ask(method, path, body=None):
            headers = dict(cookie, **({"Content-Type": "application/json"} if body is not None else {}))
            connection.request(method, f"/api/v1/{path}", json.dumps(body).encode() if body is not None else None, headers)
            reply = connection.getresponse()
            data = reply.read()
            if reply.status >= 300:
                sys.exit(f"{path}: {reply.status} {data[:300]}")
            if reply.getheader("Set-Cookie"):
                cookie["Cookie"] = reply.getheader("Set-Cookie").split(";")[0]
            return json.loads(data) if data else None

        ask("POST", "session", {"user": USER, "password": PASSWORD})
        db = sqlite3.connect(f"file:{node / 'node.db'}?mode=ro", uri=True)
        first = {"ms": round(1000 * timed(lambda: ask("GET", f"search?q={urllib.parse.quote('张')}")), 2)}

        def whole():
            rows = [r for offset in range(0, args.people, 500) for r in ask("GET", f"types/person/records?limit=500&offset={offset}")["records"]]
            assert len(rows) == args.people, len(rows)

        def search(text):
            def act():
                assert ask("GET", f"search?q={urllib.parse.quote(text)}")["total"] > 0, text
            return act

        bare_all = "SELECT * FROM r_person WHERE deleted_at IS NULL ORDER BY id"
        bare_page = bare_all + " LIMIT 50"
        bare_like = "SELECT * FROM r_person WHERE deleted_at IS NULL AND (name LIKE ?1 OR id_no LIKE ?1 OR phone LIKE ?1 OR household_no LIKE ?1) LIMIT 20"
        bare = {"all": measure(lambda: db.execute(bare_all).fetchall()), "page": measure(lambda: db.execute(bare_page).fetchall()),
                "like": measure(lambda: db.execute(bare_like, ("%测甲%",)).fetchall())}
        asked = {
            "list_first_50": (lambda: ask("GET", "types/person/records?limit=50"), "page"),
            "list_whole": (whole, "all"),
            "search_name": (search("测甲"), "like"),
            "search_initials": (search("zcj"), "like"),
            "search_id_tail": (search(id_number(args.people // 2)[-4:]), "like"),
            "search_phone": (search(f"139{args.people // 2:08d}"), "like"),
        }
        out = {"people": args.people, "bare": bare, "search_first_builds_its_index": first}
        for name, (act, beside) in asked.items():
            out[name] = measure(act)
            out[name]["against_bare"] = round(out[name]["ms"] / max(bare[beside]["ms"], 0.01), 1)
        page = pathlib.Path(__file__).with_name("village.mjs")
        opened = subprocess.run(["node", page, USER, PASSWORD, f"http://{address}/"], capture_output=True, text=True, env={**os.environ})
        out["page_cpu_slowed_4"] = json.loads(opened.stdout) if opened.returncode == 0 else f"not measured: {opened.stderr.strip()[-300:]}"
        print(json.dumps(out, ensure_ascii=False, indent=1))
    finally:
        if child:
            child.terminate()
            child.wait()
        hub.stop()
        shutil.rmtree(work)


def timed(act):
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
