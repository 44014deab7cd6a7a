"""Several villages on one PC: a process, a key and a database for each, and one page that lists them. Nothing is mixed, and what happens to
one happens to no other."""
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import urllib.error
import urllib.request

from api import Api
from harness import BIN, SLOW, Case, Program, Server, Town, consultation, person, run, uuid7, wait_for

UNIT = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "lastmile-villages.service"
SECRETARY = {1: ("王秘书", "135792"), 2: ("李秘书", "246813")}


def free_base(n=9):
    """A port with n - 1 free ones behind it."""
    for _ in range(1000):
        base, held = random.randrange(10000, 31000), []
        try:
            for port in range(base, base + n):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for s in held:
                s.close()
    raise RuntimeError("no free ports")


class Villages(Program):
    """`lastmile-node villages` over a folder."""

    program = "lastmile-node"

    def serve(self, *more, port=None):
        self.port = port or getattr(self, "port", None) or free_base()
        self.server = Server([self.bin, "villages", "--data", self.dir, "--http", f"127.0.0.1:{self.port}", *more], self.log)
        return self.server

    def get(self, path, headers=None, host=None, method="GET"):
        """(status, headers, body); redirections are not followed."""
        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_):
                return None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={**(headers or {}), **({"Host": host} if host else {})}, method=method)
        try:
            with urllib.request.build_opener(Stay).open(request, timeout=20 * SLOW) as r:
                return r.status, r.headers, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()

    def list(self):
        api = Api(f"127.0.0.1:{self.port}")  # holds it against the front's own openapi.json
        return {v["folder"]: v for v in api("GET", "villages", status=200).json["villages"]}

    def stands(self, folder, state):
        """Waits until it does; what is told of it then."""
        return wait_for(lambda: (v := self.list().get(folder)) and v["state"] == state and v, f"{folder} {state}", timeout_s=40)

    def pid(self, folder):
        """Of the process that serves it, by its command line."""
        for at in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                argv = at.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"serve" in argv and str(self.dir / folder).encode() in argv:
                return int(at.parent.name)
        return None


class Tab(Api):
    """A window of a browser: one jar of cookies for all ports of a host."""

    def __init__(self, port, jar):
        self.jar = jar
        super().__init__(f"127.0.0.1:{port}")

    @property
    def cookie(self):
        return "; ".join(f"{name}={value}" for name, value in self.jar.items()) or None

    @cookie.setter
    def cookie(self, text):
        if text:
            name, _, value = text.partition("=")
            self.jar[name] = value
            if not value:
                del self.jar[name]


class OnePc(Case):
    """A town of two villages, both on one PC, whose folder is `pc`."""

    n = 2

    def setUp(self):
        super().setUp()
        self.t = Town(self, villages=self.n, enrol=False)
        self.pc = self.work / "pc"
        self.pc.mkdir()
        self.node = {v: self.t.new_node(v, f"pc/村{v}") for v in range(1, self.n + 1)}
        for v, node in self.node.items():
            node.log = self.work / f"commands-{v}.log"
            node.enrol(self.t.kits[v])
            if v in SECRETARY:
                node.run("user", "add", SECRETARY[v][0], "-", stdin=SECRETARY[v][1] + "\n")
        self.front = self.watch(Villages(self.pc, self.work / "front.log"))

    def begin(self):
        self.front.serve()
        for v in self.node:
            self.front.stands(f"村{v}", "up")
        return self.front.list()

    def enter(self, v, jar=None):
        """A tab in which the secretary of v has logged in."""
        tab = Tab(self.front.list()[f"村{v}"]["port"], {} if jar is None else jar)
        tab.login(*SECRETARY[v])
        return tab

    def error(self, answer, code):
        self.assertEqual(answer.json["error"]["code"], code, answer)
        return answer.json

    def save(self, tab, line, status=201):
        return tab("POST", f"types/{line['type']}/records", {"id": uuid7(), "fields": line["fields"]}, status=status).json

    def total(self, tab, kind="person"):
        return tab("GET", f"types/{kind}/records", status=200).json["total"]


class Apart(OnePc):
    def test_nothing_is_mixed(self):
        told = self.begin()
        self.assertEqual([(v["mark"], v["name"], v["station"], v["port"]) for v in told.values()],
                         [(i, f"示例村{i}", self.node[i].code, self.front.port + i) for i in (1, 2)])
        self.assertEqual(len({self.front.pid(f) for f in told} | {self.front.server.process.pid}), 3)
        one, two = self.enter(1), self.enter(2)
        for v, tab in ((1, one), (2, two)):
            session, setup = tab("GET", "session", status=200).json, tab("GET", "setup", status=200).json
            self.assertEqual((session["station_name"], session["front"], setup["front"]), (f"示例村{v}", {"port": self.front.port, "mark": v}, {"port": self.front.port, "mark": v}))
        made = self.save(one, person(name="测试甲"))
        self.assertEqual((self.total(one), self.total(two)), (1, 0))
        self.error(two("GET", f"records/{made['id']}", status=404), "not_found")
        self.save(two, consultation())
        for v in (1, 2):
            self.node[v].sync()
        self.assertEqual([r["village_code"] for kind in ("person", "consultation") for r in self.t.hub.rows("records", kind)], [self.node[1].code, self.node[2].code])
        self.assertNotEqual(*(self.node[v].status()["replica"] for v in (1, 2)))
        self.front.stop()
        self.t.hub.verify()

    def test_what_waits_is_told(self):
        self.begin()
        self.t.hub.stop()
        self.save(self.enter(1), consultation())
        told = wait_for(lambda: (all_ := self.front.list())["村1"]["pending"] == 1 and all_, "one that waits")
        self.assertEqual(told["村2"]["pending"], 0)
        wait_for(lambda: {v["link"] for v in self.front.list().values()} == {"offline"}, "both without the town")

    def test_sessions_do_not_mix(self):
        """One browser, whose cookies go to every port: logged in at both, logged out of one; no request of one page is one of the other"""
        self.begin()
        jar = {}
        one, two = self.enter(1, jar), self.enter(2, jar)
        self.assertEqual(len(jar), 2)
        self.assertEqual([tab("GET", "session", status=200).json["user"] for tab in (one, two)], ["王秘书", "李秘书"])
        two("POST", "session/lock", status=200)
        self.assertEqual(self.total(one), 0)
        self.error(two("GET", "status", status=423), "locked")
        two("POST", "session/unlock", {"password": SECRETARY[2][1]}, status=200)
        one("DELETE", "session", status=204)
        self.error(one("GET", "session", status=401), "no_session")
        self.assertEqual(self.total(two), 0)
        one.login(*SECRETARY[1])
        # The one's key opens nothing at the other, whatever name it is given there.
        names = sorted(jar)
        swapped = {names[0]: jar[names[1]], names[1]: jar[names[0]]}
        for tab in (one, two):
            thief = Tab(tab.address.split(":")[1], dict(swapped))
            self.error(thief("GET", "session", status=401), "no_session")
        # A page of one village cannot act at the other: its Origin is another, as any site's is.
        headers = {"Content-Type": "application/json", "Cookie": two.cookie, "Origin": f"http://{one.address}"}
        body = b'{"type":"consultation"}'
        self.assertEqual(two.raw("POST", "/api/v1/types/consultation/records", body, headers).status, 403)
        self.assertEqual(two.raw("POST", "/api/v1/session/lock", b"{}", {**headers, "Origin": f"http://127.0.0.1:{self.front.port}"}).status, 403)
        self.assertEqual(two.raw("GET", "/api/v1/status", None, {"Cookie": two.cookie, "Host": "village.example"}).status, 403)
        two("GET", "status", status=200)
        # The training copies neither.
        for v, tab in ((1, one), (2, two)):
            answer = tab.raw("POST", "/training/api/v1/session", '{"user":"练习员","password":"246810"}'.encode(), {"Content-Type": "application/json"})
            self.assertTrue(answer.headers["Set-Cookie"].startswith(f"lm_training_{self.node[v].status()['replica']}="), answer)

    def test_the_front_itself(self):
        """Its page, its document, its checks; it changes nothing and knows no other address"""
        self.begin()
        status, headers, page = self.front.get("/")
        self.assertEqual((status, headers["Content-Encoding"]), (200, "gzip"))
        self.assertIn("default-src 'self'", headers["Content-Security-Policy"])
        document = Api(f"127.0.0.1:{self.front.port}").document
        for path, methods in document["paths"].items():
            self.assertEqual(list(methods), ["get"])
            self.assertEqual(self.front.get(path)[0], 200, path)
            self.assertEqual(self.front.get(path, host="village.example")[0], 403, path)
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                self.assertEqual(self.front.get(path, method=method)[0], 405, path)
            self.assertEqual(self.front.get(path, method="POST", headers={"Origin": "http://village.example"})[0], 403, path)
        for path in ("/api/v1/session", "/api/v1/status", "/training/", "/../%E6%9D%911/node.key", "/%2e%2e/%E6%9D%911/node.key", "/api/v1/villages/1", "/api/v1/villages/"):
            self.assertEqual(self.front.get(path)[0], 404, path)
        self.assertEqual(self.front.get("/healthz")[0], 200)
        metrics = self.front.get("/metrics")[2].decode()
        for line in ("lastmile_villages 2", f'lastmile_village_up{{station="{self.node[2].code}"}} 1'):
            self.assertIn(line, metrics)

    def test_a_stick_for_both(self):
        """Each takes of a stick what is its own, and a backup of the other is none"""
        self.front.serve("--sticks", self.work / "sticks")
        stick = self.work / "sticks" / "U盘"
        stick.mkdir(parents=True)
        for v in self.node:
            self.front.stands(f"村{v}", "up")
        self.t.hub.stop()
        tabs = {v: self.enter(v) for v in (1, 2)}
        self.node[2].run("user", "add", "管理员", "-", "--role", "admin", stdin="975318\n")
        backups = {}
        for v, tab in tabs.items():
            self.save(tab, consultation())
            self.assertEqual(tab("POST", "usb/export", {"stick": str(stick)}, status=200).json["changes"], 1)
            backups[v] = tab("POST", "usb/backup", {"stick": str(stick)}, status=200).json["file"]
        files = sorted(stick.glob("*.lmb"))
        self.assertEqual(len(files), 2)
        self.t.hub.run("bundle", "import", *files, "--reply", stick)
        for v, tab in tabs.items():
            seen = tab("GET", "usb", status=200).json["sticks"][0]
            self.assertEqual((len(seen["replies"]), seen["backups"]), (1, [backups[v]]), "only what is ours")
            self.assertIn(self.node[v].code, seen["replies"][0])
            taken = tab("POST", "usb/import", {"stick": str(stick), "file": seen["replies"][0]}, status=200).json
            self.assertEqual((taken["acked"], taken["pending"]), (1, 0))
        two = Tab(tabs[2].address.split(":")[1], {})
        two.login("管理员", "975318")
        self.error(two("POST", "usb/restore", {"stick": str(stick), "file": backups[1]}, status=422), "bad_file")
        renamed = stick / f"lm-backup-{self.node[2].code}-20260101T000000Z.db"
        shutil.copy(stick / backups[1], renamed)  # whatever its name says
        self.error(two("POST", "usb/restore", {"stick": str(stick), "file": renamed.name}, status=422), "other_station")
        # A copy that was cut, flipped or never was one is said to be bad, and this PC's data not to be.
        whole = (stick / backups[2]).read_bytes()
        for i, bytes_ in enumerate((whole[: len(whole) // 2], whole[:100] + bytes(b ^ 0x5A for b in whole[100:20000]) + whole[20000:], b"", b"x" * 5000)):
            bad = stick / f"lm-backup-{self.node[2].code}-2026010{i + 2}T000000Z.db"
            bad.write_bytes(bytes_)
            said = self.error(two("POST", "usb/restore", {"stick": str(stick), "file": bad.name}, status=422), "bad_backup")
            self.assertIn("本机的数据没有动", said["error"]["text"])
        self.assertEqual(self.total(two, "consultation"), 1)


class Alone(OnePc):
    """What happens to one happens to no other."""

    def others_work(self, tab, saved):
        """The other village saves, shows what it has, and the front answers."""
        self.save(tab, consultation())
        saved.append(1)
        self.assertEqual(self.total(tab, "consultation"), len(saved))

    def test_one_is_killed(self):
        told = self.begin()
        one, two, saved = self.enter(1), self.enter(2), []
        made = self.save(one, person())
        first = self.front.pid("村1")
        os.kill(first, signal.SIGKILL)
        down = wait_for(lambda: (v := self.front.list()["村1"])["state"] != "up" and v, "the front knows it")
        self.assertEqual((down["port"], down["pending"], down["name"]), (None, None, "示例村1"))
        self.others_work(two, saved)
        self.assertEqual(two("GET", "session", status=200).json["user"], "李秘书")
        again = self.front.stands("村1", "up")
        self.assertEqual((again["port"], again["mark"]), (told["村1"]["port"], 1))
        self.assertNotEqual(self.front.pid("村1"), first)
        self.others_work(two, saved)
        self.error(one("GET", "session", status=401), "no_session")  # sessions are in memory: a new login
        one.login(*SECRETARY[1])
        one("GET", f"records/{made['id']}", status=200)

    def test_a_damaged_database(self):
        """The front says which village does not run, and why; mended, it runs again without anybody starting it"""
        self.begin()
        two, saved = self.enter(2), []
        db, aside = self.pc / "村1" / "node.db", self.work / "aside"
        aside.mkdir()
        pid = self.front.pid("村1")
        os.kill(pid, signal.SIGSTOP)
        for name in ("node.db", "node.db-wal", "node.db-shm"):
            if (self.pc / "村1" / name).exists():
                shutil.move(self.pc / "村1" / name, aside / name)
        db.write_bytes(b"noise" * 4000)
        os.kill(pid, signal.SIGKILL)
        down = wait_for(lambda: (v := self.front.list()["村1"])["state"] == "down" and "意外停止" not in v["text"] and v, "the reason", timeout_s=40)
        self.assertIn("数据库文件已损坏", down["text"])
        self.assertIn("damaged", down["text_en"])
        status, _, body = self.front.get("/healthz")
        self.assertEqual((status, b"1 of 2" in body), (503, True))
        self.assertIn(f'lastmile_village_up{{station="{self.node[1].code}"}} 0', self.front.get("/metrics")[2].decode())
        self.others_work(two, saved)
        for found in aside.iterdir():
            shutil.move(found, self.pc / "村1" / found.name)
        self.front.stands("村1", "up")
        self.others_work(two, saved)

    def test_one_hangs(self):
        self.begin()
        two, saved = self.enter(2), []
        pid = self.front.pid("村1")
        os.kill(pid, signal.SIGSTOP)
        try:
            silent = self.front.stands("村1", "silent")
            self.assertIn("没有回应", silent["text"])
            for _ in range(5):
                self.others_work(two, saved)
                self.assertEqual(self.front.list()["村2"]["state"], "up")
            self.assertEqual(self.front.pid("村1"), pid, "it may be at work: nobody ends it")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.front.stands("村1", "up")

    def test_a_locked_database(self):
        self.begin()
        one, two, saved = self.enter(1), self.enter(2), []
        db = sqlite3.connect(self.pc / "村1" / "node.db", timeout=20, isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        try:
            line = consultation()
            refused = one("POST", "types/consultation/records", {"id": uuid7(), "fields": line["fields"]})
            self.assertEqual(refused.status, 503, refused)
            for _ in range(3):
                self.others_work(two, saved)
        finally:
            db.execute("ROLLBACK")
            db.close()
        self.save(one, consultation())
        self.front.stands("村1", "up")


class Changes(OnePc):
    def test_one_village_sees_no_list_and_a_second_one_comes_and_goes(self):
        away = self.work / "away"
        shutil.move(self.pc / "村1", away)
        self.front.serve()
        only = self.front.stands("村2", "up")
        for host, there in ((None, "127.0.0.1"), (f"localhost:{self.front.port}", "localhost"), (f"[::1]:{self.front.port}", "[::1]")):
            status, headers, _ = self.front.get("/", host=host)
            self.assertEqual((status, headers["Location"]), (302, f"//{there}:{only['port']}/"))
        self.assertEqual(only["mark"], 1)
        tab = self.enter(2)
        self.assertIsNone(tab("GET", "session", status=200).json["front"])
        # Another one, whose name stands before it: it appears by itself, and takes nobody's place.
        shutil.move(away, self.pc / "村1")
        second = self.front.stands("村1", "up")
        self.assertEqual((second["mark"], second["port"]), (2, self.front.port + 2))
        self.assertEqual((self.front.list()["村2"]["mark"], self.front.list()["村2"]["port"]), (1, only["port"]))
        self.assertEqual(self.front.get("/")[0], 200)
        wait_for(lambda: tab("GET", "session", status=200).json["front"] == {"port": self.front.port, "mark": 1}, "the first one learns of its neighbour")
        # And goes.
        pid = self.front.pid("村1")
        shutil.move(self.pc / "村1", away)
        wait_for(lambda: "村1" not in self.front.list(), "it is off the list", timeout_s=40)
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "its process has ended")
        wait_for(lambda: self.front.get("/")[0] == 302, "straight to the only one")

    def test_marks_and_ports_stay(self):
        first = {f: (v["mark"], v["port"]) for f, v in self.begin().items()}
        pids = [self.front.pid(f) for f in first]
        self.front.stop()
        for pid in pids:
            self.assertFalse(pathlib.Path(f"/proc/{pid}").exists(), "it ends its villages")
        self.assertEqual({f: (v["mark"], v["port"]) for f, v in self.begin().items()}, first)
        pids = [self.front.pid(f) for f in first]
        self.front.kill()
        wait_for(lambda: not any(self.front.pid(f) for f in first), "none outlives a front that was killed")
        # What it keeps of marks is damaged: they are given anew, and it says so.
        (self.pc / "villages.json").write_text('{"marks":{"村1":2,"村2":2}}', encoding="utf-8")
        self.assertEqual({f: (v["mark"], v["port"]) for f, v in self.begin().items()}, first)
        self.assertIn("villages.json cannot be read", self.front.server.stderr())

    def test_somebody_else_serves_one(self):
        self.node[1].serve()
        port = int(self.node[1].server.ready["http"].split(":")[1])
        told = self.begin()
        self.assertEqual((told["村1"]["port"], told["村2"]["port"]), (port, self.front.port + 2))
        tab = Tab(port, {})
        tab.login(*SECRETARY[1])
        wait_for(lambda: tab("GET", "session", status=200).json["front"] == {"port": self.front.port, "mark": 1}, "it is told of the front")
        self.node[1].stop()
        wait_for(lambda: self.front.list()["村1"]["port"] == self.front.port + 1, "the front goes on with it", timeout_s=40)


class Beginnings(Case):
    def test_no_village_yet(self):
        pc = self.work / "home" / "pc"
        front = self.watch(Villages(pc, self.work / "front.log"))
        self.assertEqual(front.serve().ready["villages"], "0")
        (pc / "nothing").mkdir()
        (pc / "file").write_text("no folder", encoding="utf-8")
        self.assertEqual(front.list(), {})
        self.assertEqual((front.get("/")[0], front.get("/healthz")[0]), (200, 200))
        second = run([BIN / "lastmile-node", "villages", "--data", pc, "--http", "127.0.0.1:0"], check=False)
        self.cli_refused(second, "locked")
        # One whose key was damaged is not passed over in silence.
        (pc / "nothing" / "node.key").write_text("{}", encoding="utf-8")
        down = wait_for(lambda: (v := front.list().get("nothing")) and "意外停止" not in v["text"] and v["state"] == "down" and v, "the reason", timeout_s=40)
        self.assertEqual((down["name"], down["station"], down["port"]), ("nothing", "", None))
        self.assertIn("node.key", down["text"])

    def test_what_is_no_folder_of_villages(self):
        town = Town(self, villages=1)
        command = [BIN / "lastmile-node", "villages", "--http", "127.0.0.1:0", "--data"]
        self.cli_refused(run([*command, town.v[1].dir], check=False), "is_a_village")
        (self.work / "file").write_text("", encoding="utf-8")
        self.cli_refused(run([*command, self.work / "file"], check=False))
        (self.work / "pc").mkdir()
        for address in ("127.0.0.1:65530", "here", "127.0.0.1:x"):
            self.cli_refused(run([BIN / "lastmile-node", "villages", "--data", self.work / "pc", "--http", address], check=False), "bad_address")
        self.assertEqual(run([BIN / "lastmile-node", "villages", "--data", self.work / "pc", "extra"], check=False).rc, 2)
        self.assertEqual(town.v[1].status()["pending"], 0)


class Unit(OnePc):
    n = 1

    def test_the_systemd_unit_starts_them(self):
        """deploy/systemd: its command, with %h in its place"""
        command = re.search(r"^ExecStart=(.*)$", UNIT.read_text(encoding="utf-8"), re.M)[1].split()
        self.assertEqual(command[0], "/usr/local/bin/lastmile-node")
        home = self.work / "home"
        home.mkdir()
        shutil.move(self.pc, home / "lastmile")
        self.front.dir = home / "lastmile"
        argv = [str(BIN / "lastmile-node"), *(word.replace("%h", str(home)) for word in command[1:])]
        self.front.port = free_base()
        self.front.server = Server([*argv, "--http", f"127.0.0.1:{self.front.port}"], self.front.log)
        self.front.stands("村1", "up")
