"""Real hub and node processes for the end-to-end tests.

Everything lives in a temporary directory of the test and on loopback ports of its own. Nothing waits a fixed time: `wait_for`
polls a condition until a deadline. Processes are ended by their id. A sanitizer's report on any stderr, or a server that ended
by itself, fails the test that was running.
"""
import atexit
import collections
import ctypes
import datetime
import json
import os
import pathlib
import random
import re
import resource
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid

BIN = pathlib.Path(os.environ.get("LASTMILE_BIN", ".build/dev"))
RELEASE = pathlib.Path(os.environ.get("LASTMILE_RELEASE", ".build/release"))
LIGHT = {"approve", "conflicts", "count", "get", "held", "history", "init", "key", "list", "records", "returned", "send-back", "station", "status", "summary",
         "sync", "verify"}
SLOW = float(os.environ.get("LASTMILE_SLOW", "1"))  # deadlines are multiplied by this
SEED = int(os.environ.get("LASTMILE_SEED", "1"))

TOWN_CODE = "999999101000"
# What was freed waits 8 MiB long to be seen when it is used again (256 by default: a server then touches new memory all the time), and a
# report names eight callers of who asked for it (30 by default).
ENV = dict(os.environ, LC_ALL="C.UTF-8", ASAN_OPTIONS="exitcode=99:detect_leaks=1:allocator_may_return_null=1:quarantine_size_mb=8:malloc_context_size=8",
           UBSAN_OPTIONS="exitcode=99:print_stacktrace=1", TSAN_OPTIONS="exitcode=99:second_deadlock_stack=1")
ENV.pop("LASTMILE_DATA", None)
_shapes = collections.Counter()  # commands of one program with the same words and options
if os.environ.get("LASTMILE_TSAN_SUPPRESSIONS"):
    ENV["TSAN_OPTIONS"] += ":suppressions=" + os.environ["LASTMILE_TSAN_SUPPRESSIONS"]
SANITIZER = re.compile(r"(ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer|\.c:\d+: check failed:)")

_libc = ctypes.CDLL(None)


def child_setup(fsize=None):
    """In a new process before its program starts: it dies with us (PR_SET_PDEATHSIG), and perhaps no file may grow beyond fsize."""
    def setup():
        _libc.prctl(1, signal.SIGKILL)
        if fsize is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (fsize, fsize))
    return setup


_all = []  # every server of this process, so that none outlives it


@atexit.register
def _kill_the_rest():
    for server in _all:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def village_code(v):
    return f"999999101{200 + v}"


def free_port():
    """Outside the range from which the kernel gives ports to clients, so that a server can come back to its port."""
    for _ in range(1000):
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def wait_for(condition, what, timeout_s=20, pause_s=0.02):
    """The first true value of condition(). Fails with what was waited for."""
    deadline = time.monotonic() + timeout_s * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s * SLOW:.0f} s in vain for: {what}")
        time.sleep(pause_s)


class Result:
    """What a command did."""

    def __init__(self, argv, rc, out, err):
        self.argv, self.rc, self.raw, self.err = argv, rc, out, err
        self.out = out.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.out)

    def rows(self):
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    def __str__(self):
        return f"{' '.join(map(str, self.argv))}\n  exit {self.rc}\n  stdout: {self.out[-1500:]}\n  stderr: {self.err[-3000:]}"


def check_stderr(text, who):
    found = SANITIZER.search(text)
    if found:
        raise AssertionError(f"{who}: {text[max(0, found.start() - 200):found.start() + 5000]}")


def lighten(argv, stdin):
    """Starting a program with sanitizers takes three times as long as the short command that it then runs, and looking for leaks at its
    end as long again. So of the commands that take in nothing from outside the first of a shape in each class is run so, and every
    tenth; the others by the release build. What reads a stdin or files always has them, and every server. → (argv, environment)"""
    shape = (pathlib.Path(argv[0]).name, *(a for a in argv[1:3] if not a.startswith(("-", "/"))), *sorted(a for a in argv if a.startswith("--")))
    _shapes[shape] += 1
    if _shapes[shape] == 1 or _shapes[shape] % 10 == 0:
        return argv, ENV
    light = RELEASE / pathlib.Path(argv[0]).name
    if BIN.name == "dev" and pathlib.Path(argv[0]).parent == BIN and not stdin and light.exists() and (
            argv[1] in LIGHT or (argv[1] == "enrol" and light.name == "lastmile-hub")):
        return [str(light), *argv[1:]], ENV
    return argv, dict(ENV, ASAN_OPTIONS=ENV["ASAN_OPTIONS"] + ":detect_leaks=0")


def run(argv, stdin=None, timeout_s=90, check=True, uid=None, fsize=None):
    """A command to its end. stdin: text, bytes or None. check: exit 0 is expected. uid: as another user (needs root). fsize:
    no file may grow beyond so many bytes."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    argv = [str(a) for a in argv]
    argv, env = lighten(argv, stdin)
    if uid is not None:
        argv = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] + argv

    done = subprocess.run(argv, input=stdin if stdin is not None else b"", capture_output=True, timeout=timeout_s * SLOW, env=env,
                          preexec_fn=child_setup(fsize) if fsize is not None else None)
    err = done.stderr.decode("utf-8", "replace")
    result = Result(argv, done.returncode, done.stdout, err)
    check_stderr(err, " ".join(argv[:4]))
    if done.returncode < 0:
        raise AssertionError(f"ended by signal {-done.returncode}: {result}")
    if check and done.returncode != 0:
        raise AssertionError(f"failed: {result}")
    return result


class Server:
    """A running `serve`. expected_end: whoever stops or kills it says so first."""

    def __init__(self, argv, log, uid=None, fsize=None):
        self.argv, self.log = [str(a) for a in argv], pathlib.Path(log)
        if uid is not None:
            self.argv = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] + self.argv
        self.start_offset = self.log.stat().st_size if self.log.exists() else 0

        with open(self.log, "ab") as err:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, env=ENV,
                                            start_new_session=True, preexec_fn=child_setup(fsize))
        self.expected_end = False
        _all.append(self)
        self.ready = self._read_ready()

    def _read_ready(self):
        deadline, line = time.monotonic() + 30 * SLOW, b""
        fd = self.process.stdout.fileno()
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                break
            piece = os.read(fd, 4096)
            if not piece:
                break
            line += piece
        text = line.decode("utf-8", "replace").strip()
        if not text.startswith("ready "):
            self.expected_end = True
            self.process.kill()
            rc = self.process.wait()
            raise AssertionError(f"{' '.join(self.argv)} did not get ready (exit {rc}): {text}\n{self.stderr()[-3000:]}")
        return dict(part.split("=", 1) for part in text.split()[1:])

    def stderr(self):
        with open(self.log, "rb") as f:
            f.seek(self.start_offset)
            return f.read().decode("utf-8", "replace")

    def alive(self):
        return self.process.poll() is None

    def http(self, path):
        """(status, body) of a GET."""
        try:
            with urllib.request.urlopen(f"http://{self.ready['http']}{path}", timeout=20 * SLOW) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def stop(self):
        """SIGTERM and a clean end (leak check included)."""
        if self.process.poll() is None:
            self.process.terminate()
        rc = self.process.wait(timeout=40 * SLOW)
        self.process.stdout.close()
        ended_by_itself, self.expected_end = not self.expected_end and rc not in (0, -signal.SIGTERM), True
        check_stderr(self.stderr(), " ".join(self.argv[:4]))
        if ended_by_itself:
            raise AssertionError(f"{' '.join(self.argv)} ended with {rc}:\n{self.stderr()[-3000:]}")
        return rc

    def kill(self):
        """kill -9."""
        self.expected_end = True
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=20 * SLOW)
        self.process.stdout.close()
        check_stderr(self.stderr(), " ".join(self.argv[:4]))

    def wait_end(self, timeout_s=30):
        """Its own end, which the test expects."""
        self.expected_end = True
        rc = self.process.wait(timeout=timeout_s * SLOW)
        check_stderr(self.stderr(), " ".join(self.argv[:4]))
        return rc


class Program:
    program = ""

    def __init__(self, directory, log, bin_dir=None):
        self.dir, self.log = pathlib.Path(directory), pathlib.Path(log)
        self.bin = pathlib.Path(bin_dir or BIN) / self.program
        self.server = None

    def run(self, *args, **kw):
        return run([self.bin, *args, "--data", self.dir, "--user", kw.pop("user", "测试员")], **kw)

    def json(self, *args, **kw):
        return self.run(*args, "--json", **kw).json()

    def rows(self, *args, **kw):
        return self.run(*args, **kw).rows()

    def add(self, lines, check=True, **kw):
        """Runs `add`; lines: dicts, or text as it is. Answers in order. check: every line must have been saved."""
        text = lines if isinstance(lines, (str, bytes)) else "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        result = self.run("add", stdin=text, check=check, **kw)
        answers = result.rows()
        if check and any("error" in a for a in answers):
            raise AssertionError(f"a line was refused: {result}")
        return answers

    def add_ids(self, lines, **kw):
        return [a["id"] for a in self.add(lines, **kw)]

    def status(self):
        return self.json("status")

    def alive(self):
        return self.server is not None and self.server.alive()

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None

    def kill(self):
        if self.server:
            self.server.kill()
            self.server = None


class Hub(Program):
    program = "lastmile-hub"

    def __init__(self, directory, log, bin_dir=None, port=None):
        super().__init__(directory, log, bin_dir)
        self.port, self.host = port or free_port(), "127.0.0.1"

    @property
    def endpoint(self):
        return f"tcp://{self.host}:{self.port}"

    def serve(self, more=(), **kw):
        self.server = Server([self.bin, "serve", "--data", self.dir, "--sync", self.endpoint, "--http", "127.0.0.1:0", *more], self.log, **kw)
        return self.server

    def kit(self, code, path, *more):
        self.run("enrol", code, "--out", path, "--endpoint", self.endpoint, *more)
        return path

    def entries(self):
        return self.status()["journal"]["entries"]

    def verify(self):
        """Fails unless verify is clean."""
        return self.run("verify")

    def db(self):
        db = sqlite3.connect(self.dir / "hub.db", timeout=20)
        db.row_factory = sqlite3.Row
        return db

    def kits_expire(self):
        """Every open kit is late from now on (no test waits an hour). For a hub that does not run."""
        with self.db() as db:
            db.execute("UPDATE kits SET expires_ms = made_ms + 1 WHERE used_ms = 0")
        db.close()


class Node(Program):
    program = "lastmile-node"

    def __init__(self, directory, log, code="", bin_dir=None):
        super().__init__(directory, log, bin_dir)
        self.code = code
        self.prefix = []  # what its networked commands are started through (a network namespace)

    def serve(self, **kw):
        self.server = Server([*self.prefix, self.bin, "serve", "--data", self.dir, "--http", "127.0.0.1:0"], self.log, **kw)
        return self.server

    def enrol(self, kit, **kw):
        return run([*self.prefix, self.bin, "enrol", kit, "--data", self.dir], **kw)

    def sync(self, timeout_s=60, **kw):
        return self.run("sync", "--timeout", str(int(timeout_s * SLOW)), timeout_s=timeout_s + 30, **kw)

    def get(self, record_id):
        rows = self.rows("get", record_id)
        return rows[0] if rows else None

    def list(self, type_name, *more):
        return self.rows("list", type_name, *more)

    def station_row(self):
        return self.list("station", "--where", f"area_code={self.code}")[0]


class Town:
    """A hub, `villages` village nodes (town.v[1], town.v[2] …) and, when asked for, the town's own node (town.v[0])."""

    def __init__(self, case, villages=2, own_node=False, bin_dir=None, enrol=True, serve=True):
        self.case, self.bin, self.work = case, bin_dir, case.work
        self.hub = case.watch(Hub(self.work / "hub", self.work / "hub.log", bin_dir))
        self.hub.run("init", "--town", "示例镇", "--code", TOWN_CODE)
        csv = self.work / "stations.csv"
        csv.write_text("code,name,level,office\n" + "".join(f"{village_code(v)},示例村{v},village,办事处{(v - 1) // 2 + 1}\n"
                                                            for v in range(1, villages + 1)), encoding="utf-8")
        self.hub.run("station", "import", csv)
        self.v, self.kits = {}, {}
        for v in ([0] if own_node else []) + list(range(1, villages + 1)):
            self.kits[v] = self.hub.kit(self.code(v), self.work / f"kit-{v}")
            self.v[v] = self.new_node(v)
        if serve:
            self.hub.serve()
        if serve and enrol:
            for v, node in self.v.items():
                node.enrol(self.kits[v])

    @staticmethod
    def code(v):
        return village_code(v) if v else TOWN_CODE

    def new_node(self, v, name=None):
        name = name or f"node-{v}"
        return self.case.watch(Node(self.work / name, self.work / f"{name}.log", self.code(v), self.bin))

    def new_kit(self, v, name, *more):
        return self.hub.kit(self.code(v), self.work / name, *more)

    def sync_all(self):
        for node in self.v.values():
            node.sync()


class Case(unittest.TestCase):
    """A test with a temporary directory, whose processes are watched. Makes one town a class when `villages` is set (town in
    cls.t); a test that needs one of its own calls Town(self, …)."""

    villages = 0
    own_node = False
    maxDiff = 4000

    def watch(self, program):
        self.programs.append(program)
        return program

    @classmethod
    def setUpClass(cls):
        cls.class_work, cls.t = None, None
        if cls.villages:
            shared = _Shared()
            cls.class_work, cls.shared = shared.work, shared
            try:
                cls.t = Town(shared, cls.villages, cls.own_node)
                cls.prepare(cls.t)
            except BaseException:
                shared.close(keep=True)
                raise

    @classmethod
    def prepare(cls, town):
        """What a class adds to its town."""

    @classmethod
    def tearDownClass(cls):
        if cls.villages:
            try:
                cls.shared.finish()
            finally:
                cls.shared.close()

    def setUp(self):
        self.programs = []
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="lastmile-e2e."))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)

    def tearDown(self):
        finish(self.programs)
        if self.villages:
            watch(self.shared.programs)

    # ---- what many tests say ----

    def refused(self, answer, code, field=None):
        """An answer line is an error with this code, about this field, and a text in both languages."""
        self.assertIn("error", answer, answer)
        error = answer["error"]
        codes = (code,) if isinstance(code, str) else code
        self.assertIn(error["code"], codes, answer)
        if field is not None:
            self.assertIn(field, error["field"], answer)
        self.assertTrue(error["text"], answer)
        return error

    def cli_refused(self, result, *codes):
        """A command ended with 1 and said why, with one of these codes, without a stack trace or the like."""
        self.assertEqual(result.rc, 1, result)
        self.assertTrue(result.err.strip(), f"no message: {result}")
        if codes:
            self.assertTrue(any(f"({code})" in result.err for code in codes), f"none of {codes} in: {result}")


def watch(programs):
    """Servers that should run do, and no stderr has a sanitizer's report."""
    problems = []
    for program in programs:
        server = program.server
        try:
            if server and not server.expected_end and not server.alive():
                raise AssertionError(f"{' '.join(server.argv)} ended by itself with {server.process.returncode}:\n{server.stderr()[-3000:]}")
            if program.log.exists():
                check_stderr(program.log.read_text("utf-8", "replace"), str(program.log))
        except AssertionError as problem:
            problems.append(str(problem))
    if problems:
        raise AssertionError("\n".join(problems))


def finish(programs):
    """Stops every server, nodes first, and checks what they left."""
    problems = []
    try:
        watch(programs)
    except AssertionError as problem:
        problems.append(str(problem))
    for program in reversed(programs):
        server = program.server
        if server is None:
            continue
        try:
            if server.alive():
                server.stop()
        except (AssertionError, subprocess.TimeoutExpired) as problem:
            problems.append(str(problem))
            server.expected_end = True
            server.process.kill()
            server.process.wait()
    if problems:
        raise AssertionError("\n".join(dict.fromkeys(problems)))


class _Shared:
    """Stands for a Case where a town belongs to a class."""

    def __init__(self):
        self.programs = []
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="lastmile-e2e."))

    def watch(self, program):
        self.programs.append(program)
        return program

    def finish(self):
        finish(self.programs)

    def close(self, keep=False):
        for program in self.programs:
            if program.server and program.server.alive():
                program.server.process.kill()
                program.server.process.wait()
        shutil.rmtree(self.work, ignore_errors=True)


# ---- records -------------------------------------------------------------------------------------------------------------------
# Made-up people: places 999999, names 测试…, right check digits.

_serial = 0
_serial_lock = threading.Lock()


def serial():
    global _serial
    with _serial_lock:
        _serial += 1
        return _serial


def check_digit(digits17):
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    return "10X98765432"[sum(int(d) * w for d, w in zip(digits17, weights)) % 11]


def id_number(birth, order):
    """GB 11643; order odd = male."""
    digits = f"999999{birth:%Y%m%d}{order:03d}"
    return digits + check_digit(digits)


def uuid7(ms=None, serial_no=None):
    ms = int(time.time() * 1000) if ms is None else ms
    value = (ms & (2**48 - 1)) << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)
    return str(uuid.UUID(int=value))


def line(type_name, fields, changes, **members):
    fields = dict(fields)
    for name, value in changes.items():
        if value is ...:
            fields.pop(name, None)
        else:
            fields[name] = value
    return {"type": type_name, **members, "fields": fields}


def person(code=None, members=None, **changes):
    """A person line; keyword arguments replace fields, ... leaves one out."""
    n = serial()
    birth = datetime.date(1950, 1, 1) + datetime.timedelta(days=n % 12000)
    fields = {"name": f"测试{n}", "id_status": "valid", "id_no": id_number(birth, (n // 12000) * 2 + 101), "household_village": code or village_code(1),
              "is_resident": True, "household_no": f"H{n}", "difficulty": "none", "notice_at": "2025-01-05"}
    return line("person", fields, changes, **(members or {}))


def consultation(members=None, **changes):
    return line("consultation", {"on": "2025-03-01", "channel": "phone", "topic": "policy", "item_count": 1}, changes, **(members or {}))


def visit(persons, members=None, **changes):
    fields = {"visit_on": "2025-02-01", "occasion": "spring", "occasion_year": 2025, "persons": persons, "visitors": "书记甲",
              "visitor_level": "village", "gift_kind": ["money"], "gift_fen": 50000}
    return line("visit", fields, changes, **(members or {}))


def facility(members=None, **changes):
    return line("facility", {"kind": "window", "opened_on": "2020-01-01"}, changes, **(members or {}))


def reception(members=None, **changes):
    fields = {"at": "2025-03-01T01:00:00.000Z", "head_count": 1, "visitor_name": "来访人甲", "matter_kind": "policy", "appeal": "询问政策", "reply": "已说明",
              "outcome": "done", "handler": "01932f00-1111-7222-8333-444444444444"}
    return line("reception", fields, changes, **(members or {}))


def aid_case(person_id, members=None, **changes):
    fields = {"type": "one_off", "person_id": person_id, "situation": "s1", "reason": "家庭困难", "applied_on": "2025-02-01"}
    return line("aid_case", fields, changes, **(members or {}))


def notice(members=None, **changes):
    return line("notice", {"title": "通知", "body": "请各村及时上报", "published_on": "2025-01-01"}, changes, **(members or {}))


def lm_nodes_of_db(path, sql, *args):
    """Rows of a query on a copy-free read-only connection to a program's database."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
    try:
        return db.execute(sql, args).fetchall()
    finally:
        db.close()
