"""Requests that no page would send, to every route of both pages' APIs, made from openapi.json and a seed and sent byte by byte over real
sockets: wrong types, sizes and encodings, deep and huge JSON, foreign hosts, missing sessions, path tricks, wrong methods, broken heads and
bodies, slow and abandoned ones. The server goes on, says nothing it should not, fails only as the document has it, and nothing that was
stored is lost or changed.

The seed and the number of the request are in every failure: LASTMILE_FUZZ_FROM=NUMBER with the same --seed begins there.
LASTMILE_FUZZ_REQUESTS=100000 LASTMILE_FUZZ_SECONDS=3600 is a long run.
"""
import json
import os
import pathlib
import random
import re
import socket
import time

from api import Api
from test_training import BASE as TRAINING, TRAINEE, Trained
from harness import SEED, SLOW, Case, Town, consultation, person, uuid7, village_code, visit, wait_for

REQUESTS = int(os.environ.get("LASTMILE_FUZZ_REQUESTS", "2500"))
SECONDS = float(os.environ.get("LASTMILE_FUZZ_SECONDS", "22"))
FROM = int(os.environ.get("LASTMILE_FUZZ_FROM", "0"))
GROWTH_MAX_KB = 256 * 1024  # with the sanitizer's shadow
NOBODY = "没有这个人"

VALUES = [None, True, False, 0, -1, 1, 3.5, 1e308, 2**31, 2**53 + 1, 2**63, -2**63 - 1, 10**400, "", "x", "\0", "\ud800", "../../etc/passwd", "甲" * 5000, "x" * 70000, [], {}, [[]], [None] * 600,
          {"a": {"b": {}}}, "2026-13-45", "9999-12-31", "' OR 1=1 --", "<script>", "%s%n", "=1+1", "\u202e", "\ufeff", "１２３", "person", "admin"]
PARTS = ["..", ".", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2f", "%252e%252e%252f", "%00", "a%00b", "%ff", "%c0%af", "%c0%ae%c0%ae", "%ed%a0%80", "%zz", "%", "x" * 200, "x" * 900, "x" * 5000, "'%20OR%201=1--", ";x=1",
         "%0d%0aSet-Cookie:%20a=b", "%5c..%5c", "~", "*", "%e7%94%b2", "person", "visit", "consultation", "I12", "held", "duplicates", "1", "-1", "0", "99999999999999999999", village_code(1)]
QUERIES = ["?", "?limit=-1", "?limit=99999999999999999999", "?limit=1e3&offset=0x10", "?offset=9223372036854775807", "?q=%ff", "?q=%00", "?q=" + "x" * 3000, "?q=%25", "?f.name=%27", "?f.=1", "?sort=%00", "?sort=on&sort=-on", "?by=village&by=x",
           "?" + "&".join(f"a{i}=1" for i in range(150)), "?year=99999", "?from=2026-02-30&to=x", "?indicators=" + "I12," * 300, "?deleted=maybe", "?format=../x", "?=&=&&", "?station=%27", "?key=%c0%80"]
METHODS = ["GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "get", "PROPFIND", "X" * 300, "P\0ST", "CONNECT"]
# What the library that reads the wire refuses by itself, when the wire itself is odd.
WIRE = {400, 405, 408, 411, 413, 414, 431, 501, 505}


def deep(n):
    return b'{"fields":' + b"[" * n + b"]" * n + b"}"


def read_answer(s, wait_s, verb):
    """(status, head, body) of the first answer; None: hung up without one, or none came in this time."""
    s.settimeout(wait_s)
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            piece = s.recv(65536)
            if not piece:
                return None
            data += piece
        while data.startswith(b"HTTP/1.1 100 "):
            data = data.split(b"\r\n\r\n", 1)[1]
            while b"\r\n\r\n" not in data:
                piece = s.recv(65536)
                if not piece:
                    return None
                data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        while length and verb != "HEAD" and len(body) < int(length[1]):
            piece = s.recv(65536)
            if not piece:
                break
            body += piece
    except (TimeoutError, ConnectionError):
        return None
    return int(head.split(b" ", 2)[1]), head, body[:int(length[1])] if length else body


class Sender:
    """Makes the n-th request of a seed for one server."""

    def __init__(self, document, address, cookies, ids, samples):
        self.address, self.cookies, self.ids, self.samples = address, cookies, ids, samples
        self.below = {}  # whose addresses begin with what: the training copy's
        self.operations = [(path, method, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]
        self.document = document

    def body_of(self, rng, operation):
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        body = {}
        for name in schema.get("properties", {"x": {}}):
            sample = self.samples.get(name, "x")
            body[name] = sample(rng) if callable(sample) else sample
        return body

    def twist_body(self, rng, body):
        raw = json.dumps(body, ensure_ascii=False).encode()
        kind = rng.randrange(16)
        if kind < 5 and body:  # a member of another type, or all of them, or an inner one
            target = body
            inner = [v for v in body.values() if isinstance(v, dict) and v]
            if inner and rng.random() < 0.5:
                target = rng.choice(inner)
            for name in list(target) if kind == 0 else [rng.choice(list(target))]:
                target[name] = rng.choice(VALUES)
            return json.dumps(body).encode()
        return [raw[: len(raw) // 2], b"\xef\xbb\xbf" + raw, json.dumps(body).encode("utf-16"), raw.replace(b'"', b'"\xff', 1), raw.replace(b":", b":\xc0\xaf", 1), raw.replace(b"{", b"{\0", 1), deep(rng.choice([5, 9, 60, 3000, 200000])),
                rng.choice([b"", b"[]", b"null", b'"x"', b"7", b"NaN", b"{'a':1}", b"{}{}", b'{"a":1e999}', b'{"a":' + b"9" * 5000 + b"}"]), raw[:-1] + b',"id":1,"id":2}', raw + b" " * rng.choice([10, 900_000, 1_048_576 - len(raw), 1_048_577]),
                b'{"x":"' + b"y" * 1_048_000 + b'"}'][kind - 5 if kind >= 5 else 7]

    def make(self, rng):
        """(pieces to send, what was done: path, method, whether a session goes along, whether the wire is odd, abandon)"""
        path, method, operation = rng.choice(self.operations)
        who, cookie = rng.choice(list(self.cookies.items()))
        base = self.below.get(who, "")
        tricky = rng.random() < 0.3
        target = re.sub(r"\{(\w+)\}", lambda m: rng.choice(PARTS) if rng.random() < 0.5 else self.ids(rng, m[1]), path)
        if tricky and rng.random() < 0.5:
            target = rng.choice([target + "/", target + "/" + rng.choice(PARTS), target.replace("/api", "//api"), "/api/v1/../.." + target, target.upper(), "http://evil.example" + target, "/", "", "*", target + "#x", target.replace("v1", "v%31")])
        if "GET" == method.upper() and rng.random() < 0.6 or tricky:
            target += rng.choice(QUERIES)
        verb, odd, abandon = method.upper(), False, False
        if rng.random() < 0.1:
            verb = rng.choice(METHODS)
            odd = True
        if target.startswith("/"):
            target = base + target
        headers = [("Host", self.address), ("Cookie", cookie)]
        body = b""
        if verb not in ("GET", "HEAD"):
            headers.append(("Content-Type", "application/json"))
            body = self.body_of(rng, operation)
            body = self.twist_body(rng, body) if rng.random() < 0.7 else json.dumps(body).encode()
        kind = rng.randrange(12)
        if kind == 0:
            headers = [h for h in headers if h[0] != "Cookie"]
            who = None
        elif kind == 1:
            who = None
            headers[1] = ("Cookie", rng.choice([cookie[:-1] + ("A" if cookie[-1] != "A" else "B"), cookie.split("=")[0] + "=", "x" * 8000, cookie.replace("=", " = "), cookie.split("=")[0] + "=" + "A" * 43, "\xff\xfe"]))
        elif kind == 2:
            headers[0] = ("Host", rng.choice(["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", "", "localhost:1@evil", "\xff"]))
        elif kind == 3:
            headers.append(("Origin", rng.choice(["http://evil.example", "null", "http://" + self.address + ".evil", "file://", ""])))
        elif kind == 4:
            headers = [h if h[0] != "Content-Type" else ("Content-Type", rng.choice(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/jsonx", "", "x" * 3000])) for h in headers]
        elif kind == 5:
            headers += [("X-" + "y" * rng.choice([10, 1000]), "z" * rng.choice([1, 9000]))] * rng.choice([1, 3, 120])
            odd = True
        head_end, version = b"\r\n", rng.choice(["HTTP/1.1"] * 60 + ["HTTP/1.0", "HTTP/0.9", "HTTP/9.9", "HTTP/1.1 x", "XTTP/1.1"])
        odd = odd or version != "HTTP/1.1" or any(ord(c) > 126 for h in headers for c in h[1])
        framing = rng.randrange(14)
        payload = body
        if framing == 0 and body:
            headers.append(("Transfer-Encoding", "chunked"))
            payload = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 700]), body[i:i + 700]) for i in range(0, len(body[:20000]), 700)) + b"0\r\n\r\n"
        elif framing == 1:
            headers.append(("Transfer-Encoding", rng.choice(["chunked", "gzip, chunked", "x"])))
            payload = rng.choice([b"ZZZ\r\nx\r\n", b"ffffffffffffffff\r\nx", b"5\r\nab\r\n0\r\n\r\n", b"-1\r\n", b"5;" + b"e" * 9000 + b"\r\nabcde\r\n0\r\n\r\n", b""])
            odd = abandon = True
        elif framing == 2:
            headers.append(("Content-Length", rng.choice(["-1", "99999999999999999999999", "x", "1, 2", "0x10", "4294967296", str(len(body) + 50)])))
            odd = abandon = True
        elif framing == 3 and body:
            headers += [("Content-Length", str(len(body))), ("Content-Length", "0")]
            odd = abandon = True
        else:
            if body or verb not in ("GET", "HEAD"):
                headers.append(("Content-Length", str(len(body))))
            if framing == 4:
                headers.append(("Expect", "100-continue"))
                odd = True
        head = f"{verb} {target} {version}\r\n".encode("utf-8", "surrogatepass") + b"".join(f"{k}: {v}\r\n".encode("latin1", "replace") for k, v in headers) + head_end
        pieces = [head + payload]
        slow = rng.randrange(25)
        if slow == 0:
            pieces = [pieces[0][len(pieces[0]) * i // 4:len(pieces[0]) * (i + 1) // 4] for i in range(4)]
        elif slow == 1:
            pieces, abandon = [pieces[0][:rng.randrange(1, len(pieces[0]))]], True
        elif slow == 2:
            pieces, odd = [pieces[0].replace(b"\r\n", b"\n", 3)], True
        elif slow == 3:
            pieces = [pieces[0] + f"GET /healthz HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode()]
        return pieces, {"path": path, "method": method, "target": target, "verb": verb, "who": who, "odd": odd, "abandon": abandon, "operation": operation}

    def send(self, pieces, what):
        host, port = self.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20 * SLOW) as s:
            for i, piece in enumerate(pieces):
                if i > 0:
                    time.sleep(0.02)
                try:
                    s.sendall(piece)
                except ConnectionError:
                    break  # refused by its head
            return read_answer(s, 0.1 if what["abandon"] else 20 * SLOW, what["verb"])


class Fuzz(Case):
    """The part that both servers share; a class below names the server."""

    def answer_is_sound(self, answer, what):
        status, head, body = answer
        allowed = {int(code) for code in what["operation"]["responses"]}
        if status >= 500 and not (status in allowed or (what["odd"] and status in WIRE)):
            self.fail(f"{status} is not in openapi.json: {body[:300]!r}")
        if b"application/json" in head and status >= 400 and what["verb"] != "HEAD":
            error = json.loads(body.decode())["error"]
            self.assertTrue(error["code"] and error["text"])
        elif b"application/json" in head and what["verb"] != "HEAD" and status != 204 and what["method"] == "get":
            json.loads(body.decode())
        self.assertNotIn(b"\nset-cookie", head.lower().replace(b"\nset-cookie: lm_", b"\n-"))
        if what["who"] is None and status < 300 and what["verb"] == what["method"].upper() and what["operation"].get("security") != []:
            self.assertIn(what["target"].split("?")[0].removeprefix(TRAINING), ("/", "/healthz"), "answered without a session")

    def fuzz(self, program, sender, renew, digests):
        kept, before = digests(), self.memory_kb(program)
        met, deadline, n = {}, time.monotonic() + SECONDS * SLOW, FROM
        while n < FROM + REQUESTS and time.monotonic() < deadline:
            rng = random.Random(f"{SEED}:{n}")
            pieces, what = sender.make(rng)
            try:
                answer = sender.send(pieces, what)
                if answer is None and not what["odd"] and not what["abandon"] and len(pieces[0]) < 32000:
                    self.fail("no answer")
                if answer:
                    self.answer_is_sound(answer, what)
                    met[answer[0]] = met.get(answer[0], 0) + 1
                    if answer[0] in (401, 423) and what["who"] is not None:
                        renew(what["who"])
                self.assertTrue(program.alive(), "the server has ended")
            except Exception as why:
                raise AssertionError(f"seed {SEED}, request {n}: {pieces[0][:700]!r}…: {why}") from why
            n += 1
        self.assertEqual(program.server.http("/healthz")[0], 200)
        self.assertEqual(digests(), kept)
        grown = self.memory_kb(program) - before
        self.assertLess(grown, GROWTH_MAX_KB)
        print(f"note: {program.program}: {n - FROM} requests (seed {SEED}), answers {dict(sorted(met.items()))}, grown by {grown // 1024} MiB", flush=True)
        self.assertGreater(met.get(200, 0), 0, met)
        if n - FROM >= 800:  # a slow machine gets less far, but it must get somewhere
            self.assertGreater(min(met.get(200, 0), met.get(422, 0), met.get(401, 0)), (n - FROM) // 200, f"hardly anything was reached: {met}")

    def memory_kb(self, program):
        text = pathlib.Path(f"/proc/{program.server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def setUp(self):
        super().setUp()
        self.t = Town(self, villages=2)
        self.node = self.t.v[1]
        self.kept = self.node.add_ids([person(name="张建国"), person(name="李和平"), consultation()])
        self.kept += self.node.add_ids([visit([self.kept[0]])])
        self.toys = self.node.add_ids([person(name="赵测试"), person(name="钱测试"), consultation(), consultation()])
        self.node.sync()

    def ids(self, rng, name):
        """What a path parameter may name: never a record that must stay as it is."""
        return {"type": rng.choice(["person", "consultation", "visit", "notice"]), "id": rng.choice(self.toys + [uuid7()]), "key": "new:person", "name": NOBODY,
                "indicator": "I12", "token": "x", "check": "missing", "code": village_code(2), "kind": rng.choice(["returned", "held", "conflicts", "duplicates"]), "position": "1"}.get(name, "x")

    def samples(self):
        toy = lambda rng: rng.choice(self.toys)
        return {"user": NOBODY, "password": "x", "old": "x", "role": "clerk", "disabled": False, "stick": "/nowhere", "file": "lm-x.lmb", "id": lambda rng: rng.choice([uuid7(), rng.choice(self.toys)]),
                "fields": lambda rng: dict(consultation()["fields"]), "was": lambda rng: {"item_count": 1}, "reason": "重复录入", "delete_reason": "重复录入", "undelete": True, "key": lambda rng: f"batch-{rng.randrange(10**9)}",
                "records": lambda rng: [dict(consultation()["fields"])], "what": "print", "object": "person", "detail": "x", "code": "999999101299", "name": "测试村", "office": "办事处1", "endpoint": "tcp://127.0.0.1:5800", "replica": "77",
                "station": village_code(2), "note": "请核对", "type": "consultation", "ids": lambda rng: [rng.choice(self.toys)], "keep": 1, "into": toy, "other": toy, "year": 2026, "text": "总结", "figures": True, "accept": True}


class Village(Fuzz):
    def test_every_route(self):
        """P1, P12: no request ends the node, loses or changes what is stored, or is answered without a session; a third of them in the training copy"""
        users = {"管理员": ("admin", "246813"), "王秘书": ("secretary", "135792")}
        for user, (role, password) in users.items():
            self.node.run("user", "add", user, "-", "--role", role, stdin=password + "\n")
        self.node.serve()
        address = self.node.server.ready["http"]
        api, here, cookies = Api(address), Trained(address), {}

        def renew(user):
            client, password = (here, TRAINEE[1]) if user == TRAINEE[0] else (api, users[user][1])
            client.cookie = None
            client.login(user, password)
            cookies[user] = client.cookie
        for user in (*users, TRAINEE[0]):
            renew(user)
        sender = Sender(api.document, address, cookies, self.ids, self.samples())
        sender.below[TRAINEE[0]] = TRAINING

        def digests():
            return {r["id"]: r["fields"] for r in (self.node.get(i) for i in self.kept)}
        self.fuzz(self.node, sender, renew, digests)
        self.node.sync()
        self.assertEqual(self.node.status()["pending"], 0)
        self.t.hub.verify()


class TownPage(Fuzz):
    def test_every_route(self):
        """P1, P11, P12: the same at the hub, in each role; its journal holds"""
        hub = self.t.hub
        address, cookies, apis = hub.server.ready["http"], {}, {}
        first, second = "first-Passw0rd", "second-Passw0rd"
        for role in ("clerk", "leader", "admin", "security", "auditor"):
            hub.run("user", "add", f"{role}1", "-", "--role", role, stdin=first + "\n")
            apis[role] = Api(address)
            apis[role].login(f"{role}1", first)
            apis[role]("POST", "session/password", {"old": first, "password": second}, status=204)
            cookies[role] = apis[role].cookie

        def renew(role):
            apis[role].cookie = None
            apis[role].login(f"{role}1", second)
            cookies[role] = apis[role].cookie
        for role in cookies:
            renew(role)
        sender = Sender(apis["clerk"].document, address, cookies, self.ids, self.samples())

        def digests():
            rows = {r["id"]: r["fields"] for t in ("person", "consultation", "visit") for r in hub.rows("records", t)}
            return {i: rows[i] for i in self.kept}
        self.fuzz(hub, sender, renew, digests)
        hub.verify()
        self.node.sync()


class Slow(Case):
    def test_slow_and_silent_senders(self):
        """P12: 120 connections that dribble a head or promise a body that never comes: others are served at once, and the silent are closed"""
        t = Town(self, villages=1)
        node = t.v[1]
        node.run("user", "add", "王秘书", "-", stdin="135792\n")
        node.serve()
        sockets = []
        for program in (node, t.hub):
            host, port = program.server.ready["http"].rsplit(":", 1)
            for i in range(60):
                s = socket.create_connection((host, int(port)), timeout=10)
                self.addCleanup(s.close)
                s.sendall(b"GET /healthz HT" if i % 2 else f"POST /api/v1/session HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n{{".encode())
                s.setblocking(False)
                sockets.append(s)
        for round_no in range(5):
            for s in sockets:
                try:
                    s.send(b"x")
                except OSError:
                    pass
            start = time.monotonic()
            for program in (node, t.hub):
                self.assertEqual(program.server.http("/healthz")[0], 200)
            Api(node.server.ready["http"]).login()
            self.assertLess(time.monotonic() - start, 5 * SLOW)
        open_ones = set(sockets)

        def closed():
            for s in list(open_ones):
                try:
                    if s.recv(4096) == b"":
                        open_ones.discard(s)
                except BlockingIOError:
                    pass
                except OSError:
                    open_ones.discard(s)
            return not open_ones
        wait_for(closed, "the silent connections to be closed (30 s)", 50, 0.5)
