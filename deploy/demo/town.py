"""The demonstration town: turns records.csv (what is entered, by whom, what must count and what must not) into entry lines.

Everything is made up. Division codes begin with 999999, which no real place has; ID numbers carry right check digits.

records.csv names who enters a row (author), where (village: T = the town station, 1-64, or a range), how many (rows) and the fields.
This module adds what the catalogue asks for besides (reasons, handlers, materials …), so that every line is a valid record.
"""
import csv
import datetime
import pathlib
import random
import uuid

TOWN = "999999101000"
COUNTY = "999999000000"
VILLAGES = 64


def code_of(v):
    return f"999999101{200 + v}"


def id_number(birth, order):
    """GB 11643: place 999999, birth date, order code (odd = male), check character."""
    digits = f"999999{birth:%Y%m%d}{order:03d}"
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    return digits + "10X98765432"[sum(int(d) * w for d, w in zip(digits, weights)) % 11]


class Town:
    """Lines for each station's node, and steps for the town. The seed changes names of places and texts, never a figure."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rows = list(csv.DictReader(open(pathlib.Path(__file__).with_name("records.csv"), encoding="utf-8")))
        self.handler = self.user_id("handler")

    def user_id(self, name):
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "lastmile-demo-" + name))

    # ---- reading records.csv ------------------------------------------------------------------------------

    @staticmethod
    def fields_of(row):
        fields = {}
        for part in filter(None, row["fields"].split(";")):
            name, value = part.split("=", 1)
            fields[name] = value
        return fields

    @staticmethod
    def villages_of(row):
        text = row["village"]
        if "-" in text and text[0].isdigit():
            first, last = text.split("-")
            return range(int(first), int(last) + 1)
        return [int(text)] if text.isdigit() else []

    def select(self, record, author=None, town=None):
        for row in self.rows:
            if row["record"] != record or (author and row["author"] != author):
                continue
            if town is not None and (row["village"] == "T") != town:
                continue
            yield row, self.fields_of(row)

    @staticmethod
    def typed(fields, v=0, i=0):
        """Text of records.csv as JSON values; what only the hub's program sets is left out."""
        integers = {"qty", "amount_fen", "session_count", "head_count", "item_count", "occasion_year", "year", "trip_count",
                    "amount_approved_fen", "amount_paid_fen", "illness_total_fen", "illness_insured_fen", "illness_self_paid_fen"}
        out = {}
        for name, text in fields.items():
            if name in ("dup_key", "level_computed", "deleted_at", "accept_due", "finish_due", "next_due"):
                continue
            text = text.replace("{vet18}", "true" if v <= 18 else "false").replace("{v}", str(v)).replace("{i}", str(i))
            if text in ("true", "false"):
                out[name] = text == "true"
            elif name in integers:
                out[name] = int(text)
            elif name == "value":
                out[name] = float(text) if "." in text else int(text)
            else:
                out[name] = text
        return out

    # ---- what a village enters, offline --------------------------------------------------------------------

    def birth(self, v, i):
        return datetime.date(1955, 3, 2) + datetime.timedelta(days=v)

    def person(self, v, i, ref, extra):
        birth = self.birth(v, i)
        fields = {"name": f"测试{v}甲{i}", "id_status": "valid", "id_no": id_number(birth, 10 + 2 * i + self.sex(v, i)),
                  "household_village": code_of(v), "is_resident": True, "household_no": f"H{i}", "difficulty": "none",
                  "notice_at": "2025-01-05"}
        fields.update(extra)
        return {"type": "person", "ref": ref, "fields": fields}

    @staticmethod
    def sex(v, i):
        return (v + i) % 2

    def village_lines(self, v, station_id, matter_id):
        lines = [{"id": station_id, "fields": {"has_office": True, "has_fulltime": True, "has_rules": True}}]
        for i in range(1, 41):
            lines.append(self.person(v, i, f"p{i}", {}))
            lines.append({"type": "person_identity", "fields": {"person_id": f"@p{i}", "code": "02"}})
            lines.append({"type": "service_history", "fields": {"person_id": f"@p{i}", "enlist_on": "1974-12-01",
                          "discharge_on": "1979-01-15", "branch": "army", "resettlement": "self"}})
        if v == 2:  # person 1 of village 1 again: once in the town's total
            lines.append(self.person(2, 41, "twice", {"name": "测试1甲1", "household_no": "H99",
                         "id_no": id_number(self.birth(1, 1), 12 + self.sex(1, 1))}))
            lines.append({"type": "person_identity", "fields": {"person_id": "@twice", "code": "02"}})
            lines.append({"type": "service_history", "fields": {"person_id": "@twice", "enlist_on": "1974-12-01",
                          "discharge_on": "1979-01-15", "branch": "army", "resettlement": "self"}})
        if v == 3:
            for i in range(1, 6):
                birth = datetime.date(1960, 1, 1)
                lines.append(self.person(3, 50 + i, f"s{i}", {"name": f"待核{i}", "household_no": f"S{i}",
                             "id_no": id_number(birth, 100 + i)}))
        for record in ("visit", "reception", "consultation", "activity", "signboard", "asset", "facility", "contact_plan", "plaque",
                       "annual_confirm", "aid_case", "service_item"):
            for row, fields in self.select(record, "village"):
                if v in self.villages_of(row):
                    lines += self.village_row(record, row, fields, v, matter_id)
        return lines

    def village_row(self, record, row, fields, v, matter_id):
        lines = []
        for i in range(1, int(row["rows"]) + 1):
            f = self.typed(fields, v, i)
            line = {"type": record, "fields": f}
            state = f.pop("state", None)
            if record == "visit":
                f["persons"] = [f"@p{k}" for k in range(1, int(f["persons"]) + 1)]
                if state == "draft":
                    f["state"] = "draft"
                if "deleted_at" in fields:
                    line["ref"] = "deleted-visit"
            elif record == "reception":
                f.pop("level", None)
                f.update(appeal="询问优抚政策", reply="已当场说明", handler=self.handler)
            elif record == "contact_plan":
                f.pop("frequency", None)  # the town's to set
                f.update(person_id=f"@p{i}", owner=self.handler)
            elif record == "annual_confirm":
                f["person_id"] = f"@p{i}"
            elif record == "aid_case":
                f.update(person_id=f"@p{i}", reason="家庭困难,申请一次性帮扶")
            elif record == "service_item":
                for late in ("result", "closed_on"):
                    f.pop(late, None)
                f.update(person_id=f"@p{i}", matter_id=matter_id, state="accepted")
                line["ref"] = f"item-{row['note'][:6]}-{i}"
            lines.append(line)
            if record == "visit" and "deleted_at" in fields:
                lines.append({"id": "@deleted-visit", "delete": True, "reason": "录入重复"})
        return lines

    # ---- what the town's own node enters, offline ------------------------------------------------------------

    def town_node_lines(self):
        lines = []
        for record in ("reception", "consultation", "signboard", "asset", "facility"):
            for row, fields in self.select(record, "town", town=True):
                for i in range(1, int(row["rows"]) + 1):
                    f = self.typed(fields, 0, i)
                    if record == "reception":
                        f.pop("level", None)
                        f.update(appeal="反映诉求", reply="已答复", handler=self.handler)
                    lines.append({"type": record, "fields": f})
        return lines

    # ---- what town staff enter at the hub ----------------------------------------------------------------------

    def first_lines(self):
        """Before any village: what villages choose from."""
        troupe = {"kind": "troupe", "name": "老兵演出队", "members": [{"name": "队长甲", "role": "captain"}, {"name": "队员乙", "role": "member"}]}
        matter = {"name": "优待证申领", "version": 1, "steps": "提交材料,镇站受理,逐级审核", "materials": [
            {"no": 1, "name": "身份证", "form": "both", "count": 1, "may_be_late": False},
            {"no": 2, "name": "退役证", "form": "copy", "count": 1, "may_be_late": True}]}
        county = {"code": COUNTY, "name": "示例县", "level": "county", "valid_from": "2000-01-01"}
        merged = {"code": "999999101265", "name": "撤并村", "level": "village", "parent_code": "999999101904", "valid_from": "2000-01-01",
                  "valid_to": "2021-12-31", "end_kind": "merged", "successor_code": code_of(64)}
        return [{"type": "org_group", "key": "demo-troupe", "fields": troupe}, {"type": "matter", "key": "demo-matter", "fields": matter},
                {"type": "area_unit", "key": "demo-county", "fields": county}, {"type": "area_unit", "key": "demo-merged", "fields": merged}]

    def town_lines(self, station_ids, persons, troupe_id):
        """station_ids: code → id of its station row; persons: village number → ids of its people in order."""
        lines = []
        for v in range(1, VILLAGES + 1):
            lines.append({"id": station_ids[code_of(v)], "fields": {"established_on": "2019-06-01"}})
        lines.append({"id": station_ids[TOWN], "fields": {"name": "镇退役军人服务站", "has_office": True, "has_fulltime": True,
                                                          "has_rules": True, "established_on": "2019-05-01"}})
        for row, fields in self.select("staff_post", "town"):
            places = [0] if row["village"] == "T" else self.villages_of(row)
            for v in places:
                for i in range(1, int(row["rows"]) + 1):
                    f = self.typed(fields, v, i)
                    f["station_id_post"] = station_ids[code_of(v) if v else TOWN]
                    lines.append(self.at("staff_post", f, v))
        for row, fields in self.select("opening_balance", "town"):
            f = self.typed(fields)
            f.update(area_code=TOWN, evidence=self.user_id("evidence-" + f["indicator"]), approved_by=self.user_id("leader"))
            lines.append({"type": "opening_balance", "fields": f})
        for row, fields in self.select("activity", "town"):
            for i in range(int(row["rows"])):
                lines.append({"type": "activity", "fields": dict(self.typed(fields), group_id=troupe_id, place_text=f"广场{i + 1}")})
        for record in ("honor", "media_report", "model_case", "station_assessment", "pref_card", "benefit"):
            for row, fields in self.select(record, "town"):
                for v in ([0] if row["village"] == "T" else self.villages_of(row)):
                    for i in range(1, int(row["rows"]) + 1):
                        f = self.typed(fields, v, i)
                        if record in ("honor", "media_report"):
                            f["subject"] = f"org_group:{troupe_id}"
                        if record in ("pref_card", "benefit"):
                            f["person_id"] = persons[v][i - 1]
                        if record == "pref_card":
                            f["stage_dates"] = [{"stage": "accepted", "on": "2025-04-01"}, {"stage": "issued", "on": f["issued_on"]}]
                        lines.append(self.at(record, f, v))
        return lines

    @staticmethod
    def at(record, fields, v):
        line = {"type": record, "fields": fields}
        if v:
            line["station"] = code_of(v)
        return line

    def aid_lines(self, persons):
        """Aid cases on behalf of villages; those that are not back entries go through their steps."""
        lines, n = [], 0
        for row, fields in self.select("aid_case", "town"):
            for v in self.villages_of(row):
                n += 1
                f = self.typed(fields, v, 1)
                state, form, ref = f.pop("state"), f.pop("form", None), f"aid{n}"
                f.update(person_id=persons[v][n % 40], reason="家庭遇到困难")
                if state in ("paid", "closed"):
                    f.update(state=state, form=form)
                    lines.append(dict(self.at("aid_case", f, v), ref=ref))
                    continue
                approved = {k: f.pop(k) for k in ("amount_approved_fen", "county_doc_no") if k in f}
                lines.append(dict(self.at("aid_case", f, v), ref=ref))
                day = datetime.date.fromisoformat(f["applied_on"])
                steps = [{"state": "village_checked", "village_checked_on": str(day + datetime.timedelta(3)), "village_opinion": "情况属实"},
                         {"state": "town_reviewed", "town_reviewed_on": str(day + datetime.timedelta(6))}]
                reported = {"state": "reported"}
                if f["type"] == "serious_illness":
                    reported.update(illness_total_fen=3000000, illness_insured_fen=2000000, illness_self_paid_fen=1000000)
                steps.append(reported)
                if state == "approved":
                    steps.append(dict(approved, state="approved", form=form))
                if state == "rejected":
                    steps.append(dict(approved, state="rejected", close_note="不符合条件"))
                lines += [{"id": f"@{ref}", "fields": step} for step in steps]
        return lines

    def petition_lines(self):
        lines, n = [], 0
        for row, fields in self.select("petition", "town"):
            for i in range(1, int(row["rows"]) + 1):
                n += 1
                f = self.typed(fields, 0, i)
                state, ref = f.pop("state"), f"petition{n}"
                late = {k: f.pop(k) for k in ("outcome", "resolved_on", "accepted_on", "transfer_to", "final_on") if k in f}
                f.update(petitioners=[{"name": f"来信人{n}"}], demand="反映待遇问题", reg_no=f"示信{n:03d}")
                steps = []
                if late.get("outcome") == "resolved":
                    f.update(state="resolved", **late)
                    steps = [{"state": "archived"}] if state == "archived" else []
                elif state == "handling":
                    steps = [{"state": "accepted", "accepted_on": late["accepted_on"]}, {"state": "handling"}]
                else:
                    steps = [dict(late, state="transferred"), {"state": "archived"}]
                lines.append({"type": "petition", "ref": ref, "fields": f})
                lines += [{"id": f"@{ref}", "fields": step} for step in steps]
        return lines
