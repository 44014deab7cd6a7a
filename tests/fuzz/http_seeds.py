#!/usr/bin/env python3
"""Writes one request for each operation of an openapi.json as a seed of fuzz_http_node or fuzz_http_hub: tests/fuzz/http_seeds.py [DIR]

DIR is tests/fuzz/corpus unless told. Run it again when a route was added, then minimise (run.py --minimise).
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PERSON, CONSULTATION = "01932f00-1111-7222-8333-444444444401", "01932f00-1111-7222-8333-444444444402"
FIELDS = {"on": "2026-03-02", "channel": "phone", "topic": "policy", "item_count": 3}
PARAMS = {"type": "consultation", "id": CONSULTATION, "key": "new:person", "name": "王秘书", "indicator": "I12", "token": "x", "check": "missing",
          "code": "999999101201", "kind": "duplicates", "position": "1"}
QUERY = {"q": "ce", "sort": "on", "offset": "0", "limit": "5", "deleted": "1", "year": "2026", "format": "html", "by": "village", "indicators": "I12,I19v",
         "indicator": "I12", "from": "2026-01-01", "to": "2026-12-31", "station": "999999101201", "f.FIELD": "x", "type": "person", "field": "phone",
         "before": "9", "what": "login", "user": "x", "verify": "1", "key": "999999101201"}
BODY = {"user": "李同志", "password": "135792", "old": "135792", "role": "secretary", "disabled": True, "stick": "/nowhere", "file": "lm-x-reply-1.lmb",
        "id": PERSON, "fields": FIELDS, "was": {"item_count": 3}, "reason": "重复录入", "delete_reason": "重复录入", "undelete": True,
        "key": "batch-0001", "records": [FIELDS], "what": "print", "object": "person", "detail": "x", "code": "999999101299",
        "name": "示例二村", "office": "第一办事处", "endpoint": "tcp://127.0.0.1:5800", "replica": "77", "station": "999999101201", "note": "请核对",
        "type": "consultation", "ids": [CONSULTATION], "keep": 1, "into": PERSON, "other": CONSULTATION, "year": 2026, "text": "总结", "figures": True,
        "accept": True}
AS = {"users": "~1\n", "restore": "~1\n", "stations": "~1\n", "audit": "~2\n", "sign": "~3\n"}  # whose cookie


def seeds(side):
    document = json.loads((ROOT / side / "api/openapi.json").read_text())
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            target = path
            for name, value in PARAMS.items():
                target = target.replace("{" + name + "}", value)
            query = [QUERY[p["name"]] and f"{p['name'].replace('FIELD', 'state')}={QUERY[p['name']]}" for p in operation.get("parameters", []) if p.get("in") == "query"]
            if query:
                target += "?" + "&".join(query)
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            who = next((n for part, n in AS.items() if part in path and (side, part) != ("node", "stations")), "")
            body = {name: BODY[name] for name in schema.get("properties", {}) if name in BODY}
            text = json.dumps(body, ensure_ascii=False) if method not in ("get", "delete") or body else ""
            yield f"{method}-{path.removeprefix('/api/v1/').replace('/', '-').replace('{', '').replace('}', '')}", f"{method.upper()} {target}\n{who}\n{text}"


def main():
    where = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/fuzz/corpus")
    for side in ("node", "hub"):
        folder = where / f"fuzz_http_{side}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in seeds(side):
            (folder / name).write_text(text)


if __name__ == "__main__":
    main()
