#!/usr/bin/env python3
"""Measures the town's page at size: tests/bench/page.py [--records N] [--bin DIR]

Enters N records (consultations, a tenth of them people) into a hub of 64 stations and asks as a leader's page does. Prints one JSON
document: milliseconds (median of 5) and what each is against `bare`, one grouped count of the same table by SQLite alone in this
process. Figures are kept while nothing that they are counted from changes, so each is asked again at once (`ms`) and, where it says so,
right after a record of what it counts was entered (`after_change_ms`). Figures of one run belong together: compare ratios, not milliseconds of different machines.
"""
import argparse
import http.client
import json
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from run import Hub

EIGHT = "I09,I10,I12,I14,I17,I19,I21,I30b"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
FIRST, SECOND = "first-Passw0rd", "second-Passw0rd"


def id_number(n):
    digits = f"999999{1930 + n // 336000 % 60}{n // 28000 % 12 + 1:02d}{n // 1000 % 28 + 1:02d}{n % 1000:03d}"
    return digits + "10X98765432"[sum(w * int(d) for w, d in zip(WEIGHTS, digits)) % 11]


def lines(records):
    for i in range(records):
        village = f"9999991{1000 + 201 + i % 64:05d}"
        if i % 10 == 0:
            fields = {"name": f"测试{i}", "id_status": "valid", "id_no": id_number(i // 10), "household_village": village, "is_resident": True, "household_no": f"H{i}",
                      "difficulty": "none", "notice_at": "2025-01-05"}
            yield {"type": "person", "station": village, "fields": fields}
        else:
            fields = {"on": f"2025-{i % 12 + 1:02d}-{i % 28 + 1:02d}", "channel": "phone", "topic": "policy", "item_count": 1}
            yield {"type": "consultation", "station": village, "fields": fields}


def enter(binary, hub, records):
    child = subprocess.Popen([binary, "add", "-", "--data", hub.dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    bad = []
    reader = threading.Thread(target=lambda: bad.extend(line for line in child.stdout if '"error"' in line))
    reader.start()
    for line in lines(records):
        child.stdin.write(json.dumps(line) + "\n")
    child.stdin.close()
    child.wait()
    reader.join()
    if bad:
        sys.exit(f"{len(bad)} lines failed: {bad[0]}")


def median_ms(act, before=lambda: None):
    taken = []
    for _ in range(5):
        before()
        begun = time.monotonic()
        act()
        taken.append(1000 * (time.monotonic() - begun))
    return round(statistics.median(taken), 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=100000)
    parser.add_argument("--bin", default=".build/release")
    args = parser.parse_args()
    binary = pathlib.Path(args.bin).resolve() / "lastmile-hub"
    work = pathlib.Path(tempfile.mkdtemp(prefix="lastmile-page."))
    hub = Hub(binary, work, 64)
    try:
        hub.stop()  # a running server takes 64 MiB of lines at a time
        begun = time.monotonic()
        enter(binary, hub, args.records)
        entered = time.monotonic() - begun
        hub.process = subprocess.Popen([binary, "serve", "--data", hub.dir, "--sync", f"tcp://127.0.0.1:{hub.port}", "--http", "127.0.0.1:0"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = dict(part.split("=") for part in hub.process.stdout.readline().split()[1:])
        cookies = {}

        def ask(method, path, body=None, role="leader"):
            connection = http.client.HTTPConnection(ready["http"], timeout=600)
            headers = {"Cookie": cookies.get(role, "")}
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, f"/api/v1/{path}", json.dumps(body) if body is not None else None, headers)
            reply = connection.getresponse()
            data = reply.read()
            if reply.status >= 300:
                sys.exit(f"{path}: {reply.status} {data[:300]}")
            if reply.getheader("Set-Cookie"):
                cookies[role] = reply.getheader("Set-Cookie").split(";")[0]
            connection.close()
            return data

        for role in ("leader", "clerk"):
            subprocess.run([binary, "user", "add", role, "-", "--role", role, "--data", hub.dir], input=FIRST + "\n", text=True, check=True, capture_output=True)
            ask("POST", "session", {"user": role, "password": FIRST}, role)
            ask("POST", "session/password", {"old": FIRST, "password": SECOND}, role)
        db = sqlite3.connect(f"file:{hub.dir / 'hub.db'}?mode=ro", uri=True)
        bare = median_ms(lambda: db.execute("SELECT village_code, sum(item_count) FROM r_consultation WHERE deleted_at IS NULL GROUP BY 1").fetchall())
        asked = {
            "session": lambda: ask("GET", "session"),
            "leaders_page_eight": lambda: ask("GET", f"counts?indicators={EIGHT}"),
            "leaders_page_all": lambda: ask("GET", "counts"),
            "by_village": lambda: ask("GET", "counts?indicators=I19v&by=village"),
            "drill_down": lambda: ask("GET", "counts/I19v/rows?by=village&key=999999101201&limit=50"),
            "stations": lambda: ask("GET", "stations"),
            "months": lambda: ask("GET", "months?type=consultation&year=2025", role="clerk"),
            "quality": lambda: ask("GET", "quality", role="clerk"),
        }
        more = lines(args.records + 1000)
        entered_of = {"person": [], "consultation": []}

        def enter_one(kind):
            while not entered_of[kind]:
                line = next(more)
                entered_of[line["type"]].append(line)
            subprocess.run([binary, "add", "-", "--data", hub.dir], input=json.dumps(entered_of[kind].pop()) + "\n", text=True, check=True, capture_output=True)

        for _ in range(args.records):
            next(more)
        changes = {"leaders_page_eight": "person", "leaders_page_all": "person", "by_village": "consultation", "months": "consultation"}
        out = {"records": args.records, "entered_s": round(entered, 1), "bare_ms": bare}
        for name, act in asked.items():
            taken = median_ms(act)
            out[name] = {"ms": taken, "against_bare": round(taken / max(bare, 0.01), 2)}
            if name in changes:
                taken = median_ms(act, lambda: enter_one(changes[name]))
                out[name].update(after_change_ms=taken, after_change_against_bare=round(taken / max(bare, 0.01), 2))
        print(json.dumps(out, ensure_ascii=False, indent=1))
    finally:
        hub.stop()
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
