"""A client of a node's API for tests: keeps the cookie, sends JSON, and holds every answer against openapi.json."""
import http.client
import json
import re
import time

import jsonschema

from harness import SLOW


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.raw = status, headers, body
        self.json = json.loads(body) if body and "json" in headers.get("Content-Type", "") else None

    def __str__(self):
        return f"{self.status} {self.raw[:1500]!r}"


class Api:
    def __init__(self, address, source=None):
        """source: the address of this machine that requests come from, for a server that tells them apart."""
        self.address, self.cookie, self.source = address, None, (source, 0) if source else None
        self.document = None
        self.document = self.raw("GET", "/api/v1/openapi.json").json
        self.seen = set()  # (path of the document, method, status) that a test has met
        self.shapes = {}  # the same → what judges such an answer

    def raw(self, method, path, body=None, headers=None):
        """One request as given; no check of the answer. Status 0: the server hung up before all was sent."""
        connection = http.client.HTTPConnection(self.address, timeout=30 * SLOW, source_address=self.source)
        try:
            try:
                connection.request(method, path, body=body, headers=headers or {})
            except BrokenPipeError:
                pass  # refused by its head, and hung up while the body was on its way: the answer may be there
            try:
                reply = connection.getresponse()
                return Answer(reply.status, dict(reply.getheaders()), reply.read())
            except ConnectionResetError:
                return Answer(0, {}, b"")
        finally:
            connection.close()

    def __call__(self, method, path, body=None, status=None):
        """body: a dict, sent as JSON. status: what is expected. Paths are below /api/v1/."""
        headers = {"Cookie": self.cookie} if self.cookie else {}
        data = None
        if method != "GET":
            headers["Content-Type"] = "application/json"
            data = json.dumps(body, ensure_ascii=False).encode() if body is not None else b""
        answer = self.raw(method, "/api/v1/" + path, data, headers)
        for _ in range(20):  # on a slow machine wrong passwords use the budget up: what the server asks for is waited for
            if status in (None, 429) or answer.status != 429:
                break
            time.sleep(int(answer.headers["Retry-After"]))
            answer = self.raw(method, "/api/v1/" + path, data, headers)
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        self.check(method, "/api/v1/" + path.split("?")[0], answer)
        if status is not None and answer.status != status:
            raise AssertionError(f"{method} {path}: expected {status}, got {answer}")
        return answer

    def check(self, method, path, answer):
        """The document knows this answer and it has the shape that the document says."""
        for template, methods in self.document["paths"].items():
            if not re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path):
                continue
            operation = methods.get(method.lower())
            if operation is None:
                continue
            reply = operation["responses"].get(str(answer.status))
            if reply is None:
                raise AssertionError(f"{method} {template}: {answer.status} is not in openapi.json: {answer}")
            self.seen.add((template, method, answer.status))
            schema = reply.get("content", {}).get("application/json", {}).get("schema")
            if schema and answer.json is not None:
                shape = self.shapes.get((template, method, answer.status))
                if not shape:
                    shape = jsonschema.validators.validator_for(schema)({**schema, "components": self.document["components"]})
                    shape.check_schema(shape.schema)
                    self.shapes[template, method, answer.status] = shape
                shape.validate(answer.json)
            return
        raise AssertionError(f"{method} {path} is not in openapi.json")

    def revs(self, *ids):
        """What the records are as they stand: an act names it (0000 for one that there is not)."""
        seen = (self("GET", f"records/{one}") for one in ids)
        return [one.json["rev"] if one.status == 200 else "0" * 16 for one in seen]

    def as_seen(self, *ids):
        return dict(zip(ids, self.revs(*ids)))

    def login(self, user="王秘书", password="135792"):
        return self("POST", "session", {"user": user, "password": password}, status=200)
