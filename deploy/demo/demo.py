"""The demonstration: one hub, 64 village nodes and the town's own, real processes on loopback with CURVE.

Villages enter their rows while the hub is away; the hub comes, is killed with -9 in the middle of the drain, comes again, and all
arrives; town staff verify and enter what is theirs; verdicts reach the villages; the figures of the town's yearly text come out.
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import town as demo_town

SYNC_TIMEOUT_S = 120


def say(text):
    print(text, file=sys.stderr, flush=True)


class Failure(Exception):
    pass


class Demo:
    def __init__(self, bin_dir, seed, work):
        self.hub_bin, self.node_bin = f"{bin_dir}/lastmile-hub", f"{bin_dir}/lastmile-node"
        self.town = demo_town.Town(seed)
        self.work = pathlib.Path(work)
        self.hub_dir = self.work / "hub"
        self.port = self.free_port()
        self.hub_process = None
        self.nodes = {}
        self.wire_bytes = 0
        self.codes = [demo_town.code_of(v) for v in range(1, demo_town.VILLAGES + 1)]
        self.all_codes = self.codes + [demo_town.TOWN]
        self.pool = concurrent.futures.ThreadPoolExecutor(4)

    @staticmethod
    def free_port():
        import socket
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    # ---- processes ------------------------------------------------------------------------------------------

    def run(self, argv, stdin=None, ok=(0,)):
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True)
        if done.returncode not in ok:
            raise Failure(f"{' '.join(argv[:6])} … ended with {done.returncode}:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done.stdout

    def hub(self, *args, stdin=None, ok=(0,)):
        return self.run([self.hub_bin, *args, "--data", str(self.hub_dir), "--user", "演示"], stdin, ok)

    def node_dir(self, code):
        return self.work / f"node-{code}"

    def node(self, code, *args, stdin=None, ok=(0,)):
        return self.run([self.node_bin, *args, "--data", str(self.node_dir(code)), "--user", "演示"], stdin, ok)

    def start(self, argv, log):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=open(log, "ab"), text=True, start_new_session=True)
        line = process.stdout.readline()
        if not line.startswith("ready "):
            process.kill()
            process.wait()
            raise Failure(f"{argv[0]} did not get ready; see {log}:\n{open(log).read()[-1500:]}")
        return process, line.strip()

    def start_hub(self):
        self.hub_process, ready = self.start([self.hub_bin, "serve", "--data", str(self.hub_dir), "--sync", f"tcp://127.0.0.1:{self.port}",
                                              "--http", "127.0.0.1:0"], self.work / "hub.log")
        return ready

    def start_node(self, code):
        self.nodes[code] = self.start([self.node_bin, "serve", "--data", str(self.node_dir(code)), "--http", "127.0.0.1:0"],
                                      self.work / f"node-{code}.log")

    def stop_process(self, process, how=signal.SIGTERM):
        process.send_signal(how)
        process.wait(timeout=30)
        process.stdout.close()

    def stop_all(self):
        for process, _ in self.nodes.values():
            if process.poll() is None:
                process.terminate()
        if self.hub_process and self.hub_process.poll() is None:
            self.hub_process.terminate()
        for process in [p for p, _ in self.nodes.values()] + ([self.hub_process] if self.hub_process else []):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def each(self, codes, what):
        list(self.pool.map(what, codes))

    # ---- entry ------------------------------------------------------------------------------------------------

    @staticmethod
    def check_answers(text, what):
        bad = [line for line in text.splitlines() if '"error"' in line]
        if bad:
            raise Failure(f"{what}: {len(bad)} lines were not saved, first: {bad[0]}")

    def add_at(self, adder, lines, what):
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        out = adder("add", "-", stdin=text, ok=(0, 1))
        self.check_answers(out, what)
        answers = [json.loads(line) for line in out.splitlines()]
        if len(answers) != len(lines):
            raise Failure(f"{what}: {len(lines)} lines, {len(answers)} answers")
        return [answer["id"] for answer in answers]

    def rows(self, text):
        return [json.loads(line) for line in text.splitlines()]

    # ---- traffic ------------------------------------------------------------------------------------------------

    def received_bytes(self):
        """TCP payload that the hub's sync port has received on the connections now open."""
        out = subprocess.run(["ss", "-tinH", f"sport = :{self.port}"], capture_output=True, text=True).stdout
        return sum(int(n) for n in re.findall(r"bytes_received:(\d+)", out))

    # ---- the story ------------------------------------------------------------------------------------------------

    def prepare(self):
        say("1/7 中心建立,登记 64 个村站和镇站,发放入网文件 / hub, registry, kits")
        self.hub("init", "--town", "示例镇", "--code", demo_town.TOWN)
        csv = "code,name,level,office\n" + "".join(
            f"{demo_town.code_of(v)},示例村{v},village,办事处{(v - 1) // 16 + 1}\n" for v in range(1, demo_town.VILLAGES + 1))
        path = self.work / "stations.csv"
        path.write_text(csv, encoding="utf-8")
        self.hub("station", "import", str(path))
        ids = self.add_at(self.hub, self.town.first_lines(), "town")
        self.troupe_id, self.matter_id = ids[0], ids[1]
        for code in self.all_codes:
            self.hub("enrol", code, "--out", str(self.work / f"{code}.kit"), "--endpoint", f"tcp://127.0.0.1:{self.port}")
        self.start_hub()
        self.each(self.all_codes, lambda code: self.node(code, "enrol", str(self.work / f"{code}.kit")))
        say("2/7 65 个节点入网并取得事项目录,然后中心断开 / 65 nodes enrol and pull, then the hub goes away")
        self.each(self.all_codes, lambda code: self.node(code, "sync", "--timeout", str(SYNC_TIMEOUT_S)))
        self.stop_process(self.hub_process)
        for code in self.all_codes:
            self.start_node(code)

    def enter_offline(self):
        started = time.monotonic()

        def enter(code):
            if code == demo_town.TOWN:
                lines = self.town.town_node_lines()
            else:
                v = int(code[-3:]) - 200
                station = self.rows(self.node(code, "list", "station", "--where", f"area_code={code}"))[0]["id"]
                lines = self.town.village_lines(v, station, self.matter_id)
            self.add_at(lambda *a, **k: self.node(code, *a, **k), lines, code)
            return len(lines)

        self.n_entered = sum(self.pool.map(enter, self.all_codes))
        self.n_pending = sum(json.loads(self.node(code, "status", "--json"))["pending"] for code in self.all_codes)
        say(f"3/7 离线录入 {self.n_entered} 行,{self.n_pending} 条待上报,用时 {time.monotonic() - started:.1f} s / entered while the hub is away")

    def hub_entries(self):
        """Committed journal entries, read beside the server: quick enough to kill it in the middle."""
        with contextlib.closing(sqlite3.connect(f"file:{self.hub_dir}/hub.db?mode=ro", uri=True)) as db:
            return db.execute("SELECT coalesce(max(pos), 0) FROM journal").fetchone()[0]

    def await_entries(self, wanted, meanwhile=lambda: False):
        """Time at which that many entries were committed; None when meanwhile() says that nothing more is coming."""
        while self.hub_entries() < wanted:
            if self.hub_process.poll() is not None:
                raise Failure("the hub ended by itself; see " + str(self.work / "hub.log"))
            if meanwhile():
                return None
        return time.monotonic()

    def drain(self):
        before = self.hub_entries()
        self.start_hub()
        # A few at a time, as villages come online, so that there is a middle to be killed in.
        syncs = [self.pool.submit(self.node, code, "sync", "--timeout", str(SYNC_TIMEOUT_S), ok=(0, 1)) for code in self.all_codes]
        first = self.await_entries(before + 1)
        self.await_entries(before + self.n_pending * 2 // 5)
        self.wire_bytes += self.received_bytes()
        self.stop_process(self.hub_process, signal.SIGKILL)
        killed = time.monotonic()
        at_kill = self.hub_entries()
        self.drained_per_s = (at_kill - before) / max(killed - first, 0.001)
        say(f"4/7 上报到 {at_kill - before}/{self.n_pending} 条时,中心被 kill -9,再启动 / hub killed with -9 in the middle of the drain")
        if not 0 < at_kill - before < self.n_pending:
            raise Failure("the hub was not killed in the middle of the drain")
        for sync in syncs:
            sync.cancel()
        self.start_hub()
        syncs = [self.pool_all.submit(self.node, code, "sync", "--timeout", str(SYNC_TIMEOUT_S)) for code in self.all_codes]
        self.await_entries(before + self.n_pending, lambda: all(sync.done() for sync in syncs))
        self.wire_bytes += self.received_bytes()
        for sync in syncs:
            sync.result()
        self.each(self.all_codes, self.check_drained)
        arrived = self.hub_entries() - before
        if arrived < self.n_pending:
            raise Failure(f"{self.n_pending} changes were queued, {arrived} arrived")
        self.bytes_per_change = self.wire_bytes / self.n_pending

    def check_drained(self, code):
        status = json.loads(self.node(code, "status", "--json"))
        if status["pending"]:
            raise Failure(f"{code} still has {status['pending']} changes")

    def town_work(self):
        say("5/7 镇里核定人员、录入镇级和代办事项、退回一条 / town staff verify, enter and send back")
        self.hub("approve", "person_identity")
        self.hub("approve", "service_history")
        left = json.loads(self.hub("approve", "person", "--json"))
        if left["approved"] != 2561 or len(left["left"]) != 5:
            raise Failure(f"approve person: {left['approved']} approved, {len(left['left'])} left alone; 2561 and 5 expected")
        stations = {row["fields"]["area_code"]: row["id"] for row in self.rows(self.hub("records", "station"))}
        persons = {v: [] for v in range(1, demo_town.VILLAGES + 1)}
        for row in self.rows(self.hub("records", "person", "--where", "state=active")):
            name = re.fullmatch(r"测试(\d+)甲(\d+)", row["fields"]["name"])
            if int(name[1]) == int(row["village_code"][-3:]) - 200:
                persons[int(name[1])].append((int(name[2]), row["id"]))
        persons = {v: [pid for _, pid in sorted(ids)] for v, ids in persons.items()}
        lines = self.town.town_lines(stations, persons, self.troupe_id) + self.town.aid_lines(persons) + self.town.petition_lines()
        for row in self.rows(self.hub("records", "contact_plan")):
            if 11 <= int(row["village_code"][-3:]) - 200 <= 20:
                lines.append({"id": row["id"], "fields": {"frequency": "year"}})
        for row in self.rows(self.hub("records", "service_item")):
            if row["fields"]["mode"] in ("onestop", "tolerant"):
                closed = "2025-03-05" if row["fields"]["mode"] == "onestop" else "2025-03-25"
                lines.append({"id": row["id"], "fields": {"state": "closed", "result": "granted", "closed_on": closed}})
            else:
                lines.append({"id": row["id"], "fields": {"state": "handling"}})
        self.add_at(self.hub, lines, "town")
        visit = self.rows(self.hub("records", "visit", "--station", demo_town.code_of(31), "--where", "occasion=army_day"))[0]
        self.hub("send-back", visit["id"], "--note", "请补充走访人员")
        self.sent_back = visit["id"]

    def verdicts_come_down(self):
        self.each(self.all_codes, lambda code: self.node(code, "sync", "--timeout", str(SYNC_TIMEOUT_S)))

        def check(v):
            code = demo_town.code_of(v)
            active = self.rows(self.node(code, "list", "person", "--where", "state=active"))
            if len(active) != 40 + (v == 2):
                raise Failure(f"{code} sees {len(active)} verified people")
            if v == 31:
                visit = self.rows(self.node(code, "get", self.sent_back))[0]
                if visit["state"] != "returned" or visit["fields"].get("return_note") != "请补充走访人员":
                    raise Failure("the visit that was sent back did not come back to its village")
        self.each(range(1, demo_town.VILLAGES + 1), check)
        say("6/7 核定和退回已到各村 / approvals and returns have reached the villages")

    # ---- the result ------------------------------------------------------------------------------------------------

    FIGURES = [("64", "I01", "64"), ("64 (村)", "I01v", "64"), ("18", "I26", "18"), ("28%", "I26p", "28%"), ("3", "I07", "3"), ("120余", "I12", "120余"),
               ("24", "I14", "24"), ("5", "I15", "5"), ("500余", "I17", "500余"), ("2000余", "I19", "2000余"), ("7", "I20", "7"), ("16", "I29a", "16"),
               ("700余", "I25", "700余"), ("1万余元", "I29", "1万余")]

    def result(self):
        say("7/7 统计并核对日志 / counts, and verify")
        self.document = json.loads(self.hub("count", "--json"))
        verify = self.hub("verify").strip()
        wrong = []
        say(f"\n{'原文':<12}{'统计':<12}{'精确值':<12}指标")
        for source, indicator, wanted in self.FIGURES:
            figure = self.document["indicators"][indicator]
            mark = "" if figure["display"] == wanted else "   ← 不符 / differs"
            say(f"{source:<14}{figure['display']:<14}{figure['value']!s:<14}{indicator} {figure['label']}{mark}")
            if mark:
                wrong.append(indicator)
        c = self.document["coverage"]
        say(f"\n覆盖 / coverage: {c['complete']}/{c['stations']} 村完整,至 {c['complete_through']};镇 {c['town']['complete']}/{c['town']['stations']};"
            f"退回 {c['returned']} 待处理 {c['held']} 冲突 {c['conflicts']}")
        say(f"上报 / drained: {self.n_pending} 条,断电前 {self.drained_per_s:,.0f} 条/秒(含连接)/ changes a second until the kill, connecting included;"
            f"TCP 有效载荷 / payload {self.bytes_per_change:.0f} 字节/条")
        say(f"verify: {verify}")
        if wrong:
            raise Failure("figures differ: " + ", ".join(wrong))
        if c["complete"] != c["stations"] or c["stations"] != demo_town.VILLAGES:
            raise Failure("coverage is not complete")

    def all(self):
        self.pool_all = concurrent.futures.ThreadPoolExecutor(len(self.all_codes))
        started = time.monotonic()
        self.prepare()
        self.enter_offline()
        self.drain()
        self.town_work()
        self.verdicts_come_down()
        self.result()
        say(f"用时 / took {time.monotonic() - started:.0f} s")


def main():
    parser = argparse.ArgumentParser(prog="deploy/demo.sh")
    parser.add_argument("--bin", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help="leave the hub and three nodes running")
    parser.add_argument("--leave", metavar="DIR", help="stop everything and leave the data in DIR, which must not exist")
    parser.add_argument("--json", action="store_true", help="print the count --json document last, on stdout")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.leave and (args.keep or os.path.lexists(args.leave)):
        parser.error("--leave takes a path that does not exist, and not --keep")
    work = tempfile.mkdtemp(prefix="lastmile-demo.")
    demo = Demo(args.bin, args.seed, work)
    kept = False
    try:
        demo.all()
        if args.keep:
            keep = [demo_town.code_of(1), demo_town.code_of(2), demo_town.TOWN]
            for code, (process, _) in demo.nodes.items():
                if code not in keep:
                    process.terminate()
            kept = True
            hub_ready = json.loads((demo.hub_dir / "serving.json").read_text())
            say(f"\n保留运行 / left running in {work}:\n  hub   pid {demo.hub_process.pid}  sync {hub_ready['sync']}  http http://{hub_ready['http']}/healthz")
            for code in keep:
                process, ready = demo.nodes[code]
                say(f"  node  pid {process.pid}  {code}  {ready}  --data {demo.node_dir(code)}")
            say(f"  试一试 / try: {demo.hub_bin} count --data {demo.hub_dir}\n  停止 / stop: kill "
                + " ".join(str(p) for p in [demo.hub_process.pid] + [demo.nodes[c][0].pid for c in keep]) + f"; rm -r {work}")
        if args.json:
            print(json.dumps(demo.document, ensure_ascii=False))
        if args.leave:
            demo.stop_all()
            shutil.move(work, args.leave)
            say(f"数据在 / data left in {args.leave}")
        return 0
    except (Failure, subprocess.SubprocessError) as failure:
        say(f"演示失败 / the demonstration failed: {failure}\n数据在 / data kept in {work}")
        kept_dir = True
        return 1
    finally:
        if not kept:
            demo.stop_all()
            if "kept_dir" not in locals():
                shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
