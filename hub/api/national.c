/* Files for the national systems: what a clerk uploads there by hand, as XLSX with Chinese
 * headings. A row that lacks something the system asks for is not in the file; it is told apart,
 * with what is missing and whose record lacks it.
 *
 * The file holds whole ID numbers: only clerks get it, for a reason that the audit log has before
 * the file leaves. What is told apart is covered as in any list. */
#include "hub/api/api.h"
#include "hub/api/xlsx.h"

#include <stdio.h>
#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)
#define ROWS_MAX 20000  /* of one file */
#define LACKING_MAX 500 /* told apart in one answer */

enum whose { OF_RECORD, OF_PERSON, IDENTITIES, STATION, HOME, NUMBER };
struct column {
    const char *zh;
    enum whose whose;
    const char *field; /* of the record or the person */
    const char
        *needed_in; /* states in which it must be there: " a b "; "" = always; NULL = never */
};

/* The first ones of each file. */
static const struct column person_columns[] = {
    {"序号", NUMBER, NULL, NULL},
    {"姓名", OF_PERSON, "name", ""},
    {"公民身份号码", OF_PERSON, "id_no", ""},
    {"性别", OF_PERSON, "sex", ""},
    {"出生日期", OF_PERSON, "birth_on", ""},
    {"人员类别", IDENTITIES, NULL, ""},
    {"联系电话", OF_PERSON, "phone", NULL},
    {"户籍地", HOME, NULL, NULL},
    {"常住地址", OF_PERSON, "residence_text", NULL},
    {"服务站", STATION, NULL, NULL},
};
#define N_PERSON (sizeof person_columns / sizeof *person_columns)

static const struct column aid_columns[] = {
    {"帮扶类型", OF_RECORD, "type", ""},
    {"困难情形", OF_RECORD, "situation", ""},
    {"情况说明", OF_RECORD, "reason", ""},
    {"申请日期", OF_RECORD, "applied_on", ""},
    {"村核实日期", OF_RECORD, "village_checked_on", " town_reviewed publicity reported approved "},
    {"村核实意见", OF_RECORD, "village_opinion", " town_reviewed publicity reported approved "},
    {"镇审核日期", OF_RECORD, "town_reviewed_on", " town_reviewed publicity reported approved "},
    {"公示起", OF_RECORD, "publicity_from", " publicity "},
    {"公示止", OF_RECORD, "publicity_to", " publicity "},
    {"申请金额(元)", OF_RECORD, "amount_applied_fen", NULL},
    {"县批文号", OF_RECORD, "county_doc_no", " approved paid closed "},
    {"批准金额(元)", OF_RECORD, "amount_approved_fen", " approved paid closed "},
    {"发放金额(元)", OF_RECORD, "amount_paid_fen", " paid closed "},
    {"发放日期", OF_RECORD, "paid_on", " paid closed "},
    {"帮扶形式", OF_RECORD, "form", " approved paid closed "},
    {"医疗总费用(元)", OF_RECORD, "illness_total_fen", NULL},
    {"各类报销合计(元)", OF_RECORD, "illness_insured_fen", NULL},
    {"个人自付(元)", OF_RECORD, "illness_self_paid_fen", NULL},
    {"办理状态", OF_RECORD, "state", ""},
};
static const struct column confirm_columns[] = {
    {"年度", OF_RECORD, "year", ""},
    {"确认方式", OF_RECORD, "method", ""},
    {"确认结果", OF_RECORD, "result", ""},
    {"确认日期", OF_RECORD, "confirmed_on", ""},
};
static const struct file {
    const char *name, *type, *zh;
    const char *states; /* whose records are of the file: " a b " */
    const char *agreed; /* of those, the ones to which the town has said yes; NULL = all */
    const struct column *columns;
    size_t n_columns;
} files[] = {
    {"aid", "aid_case", "困难帮扶", " town_reviewed publicity reported approved paid closed ", NULL,
     aid_columns, sizeof aid_columns / sizeof *aid_columns},
    {"confirm", "annual_confirm", "年度确认", " submitted verified locked ", " verified locked ",
     confirm_columns, sizeof confirm_columns / sizeof *confirm_columns},
};

struct making {
    struct lm_api_call *call;
    const struct file *file;
    const char *from, *to;
    struct lm_arena arena; /* of one row */
    json_t *rows;          /* of the file, its heading first */
    json_t *lacking;       /* what is told apart */
    size_t ready, n_lacking;
    enum lm_status st;
};

static const struct column *column(const struct file *file, size_t i)
{
    return i < N_PERSON                     ? &person_columns[i]
           : i - N_PERSON < file->n_columns ? &file->columns[i - N_PERSON]
                                            : NULL;
}

static bool named(const char *list, const char *word)
{
    char padded[80];

    (void)snprintf(padded, sizeof padded, " %s ", word);
    return strstr(list, padded) != NULL;
}

/* ---- values, as people read them: codes in words, money in yuan ---- */

static const char *code_text(const struct lm_field *f, const char *code)
{
    const struct lm_code *c = f->list ? lm_list_code(f->list, code) : NULL;

    return c ? c->zh : code;
}

static json_t *value_json(const struct lm_record *rec, const char *name)
{
    const struct lm_field *f = lm_type_field(rec->type, name);
    const struct lm_value *v = f ? &rec->fields[f->index] : NULL;
    size_t n = strlen(name);

    if (!v || v->kind == LM_NULL) {
        return json_string("");
    }
    if (v->kind == LM_INT) {
        return n > 4 && strcmp(name + n - 4, "_fen") == 0 ? json_real((double)v->i / 100)
                                                          : json_integer(v->i);
    }
    return json_string(v->kind == LM_TEXT ? code_text(f, v->text) : "");
}

struct identities {
    char text[400];
};

static bool add_identity(void *arg, const struct lm_record *rec)
{
    struct identities *all = arg;
    const struct lm_field *f = lm_type_field(rec->type, "code");
    size_t at = strlen(all->text);

    if (f && !named(" draft returned cancelled ", lm_record_text(rec, LM_C_STATE))) {
        (void)snprintf(all->text + at, sizeof all->text - at, "%s%s", at ? "、" : "",
                       code_text(f, lm_record_text(rec, f->index)));
    }
    return true;
}

static json_t *identities_json(struct making *m, const struct lm_record *person)
{
    struct lm_lookup lookup = lm_store_lookup(m->call->api->store);
    struct identities all = {.text = ""};

    m->st = lookup.each(lookup.ctx, &m->arena, "person_identity", "person_id", person->id,
                        add_identity, &all);
    return json_string(all.text);
}

static json_t *station_json(struct making *m, const char *code)
{
    struct lm_station station;

    return json_string(code[0] && lm_store_station_get(m->call->api->store, code, &station) == LM_OK
                           ? station.name
                           : code);
}

static json_t *home_json(struct making *m, const struct lm_record *person)
{
    const struct lm_field *village = lm_type_field(person->type, "household_village");
    const char *code = village ? lm_record_text(person, village->index) : "";

    return code[0] ? station_json(m, code) : value_json(person, "household_outside");
}

static json_t *cell_json(struct making *m, const struct column *c, const struct lm_record *rec,
                         const struct lm_record *person)
{
    switch (c->whose) {
    case OF_RECORD:
        return value_json(rec, c->field);
    case OF_PERSON:
        return value_json(person, c->field);
    case IDENTITIES:
        return identities_json(m, person);
    case STATION:
        return station_json(m, lm_record_text(rec, LM_C_VILLAGE_CODE));
    case HOME:
        return home_json(m, person);
    case NUMBER:
        return json_integer((json_int_t)m->ready + 1);
    }
    return json_string("");
}

/* ---- rows ---- */

/* Two files of one person count as the one that stays. */
static enum lm_status person_of(struct making *m, const struct lm_record *rec,
                                struct lm_record **out)
{
    const struct lm_field *f = lm_type_field(rec->type, "person_id");
    const char *id = f ? lm_record_text(rec, f->index) : "";
    enum lm_status st = LM_OK;

    *out = NULL;
    for (int i = 0; i < 8 && st == LM_OK && id[0]; i++) {
        st = lm_store_get(m->call->api->store, &m->arena, "person", id, out);
        f = st == LM_OK ? lm_type_field((*out)->type, "merged_into") : NULL;
        id = f ? lm_record_text(*out, f->index) : "";
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

static void lack(json_t *list, const char *zh, const char *record)
{
    (void)json_array_append_new(list, json_pack("{s:s,s:s}", "what", zh, "record", record));
}

static void tell_apart(struct making *m, const struct lm_record *rec,
                       const struct lm_record *person, json_t *lacks)
{
    char label[400] = "";

    if (person) {
        lm_town_label(m->call->api->store, person, LM_SIGHT_STAFF, label, sizeof label);
    }
    m->n_lacking++;
    if (json_array_size(m->lacking) < LACKING_MAX) {
        (void)json_array_append_new(
            m->lacking, json_pack("{s:s,s:s,s:s,s:O}", "id", rec->id, "label", label, "station",
                                  lm_record_text(rec, LM_C_VILLAGE_CODE), "lacks", lacks));
    }
}

static json_t *row_of(struct making *m, const struct lm_record *rec, const struct lm_record *person,
                      json_t *lacks)
{
    const char *state = lm_record_text(rec, LM_C_STATE);
    json_t *row = json_array();

    for (const struct column *c = column(m->file, 0); c && m->st == LM_OK;
         c = column(m->file, json_array_size(row))) {
        json_t *cell = cell_json(m, c, rec, person);
        bool needed = c->needed_in && (!c->needed_in[0] || named(c->needed_in, state));

        if (needed && json_is_string(cell) && json_string_length(cell) == 0) {
            lack(lacks, c->zh, c->whose == OF_RECORD ? rec->id : person->id);
        }
        (void)json_array_append_new(row, cell);
    }
    return row;
}

static bool take(void *arg, const struct lm_record *rec)
{
    struct making *m = arg;
    const char *date = lm_record_text(rec, rec->type->reporting_date);
    const char *state = lm_record_text(rec, LM_C_STATE);
    struct lm_record *person = NULL;
    json_t *lacks, *row = NULL;

    if (!named(m->file->states, state) || strcmp(date, m->from) < 0 || strcmp(date, m->to) > 0) {
        return true;
    }
    if (m->ready >= ROWS_MAX) {
        m->st =
            lm_fail(&m->call->err, LM_ERR_LIMIT, "too_many", "to", "超过 %d 条，请把时间分成几段。",
                    "More than %d rows: take a shorter period.", ROWS_MAX);
        return false;
    }
    lacks = json_array();
    lm_arena_reset(&m->arena);
    m->st = person_of(m, rec, &person);
    if (m->st == LM_OK && !person) {
        lack(lacks, "对象", rec->id);
    } else if (m->st == LM_OK) {
        row = row_of(m, rec, person, lacks);
    }
    if (rec->invalid) {
        lack(lacks, "内容有误，等村里改正", rec->id);
    } else if (m->file->agreed && !named(m->file->agreed, state)) {
        lack(lacks, "镇里还没核定", rec->id);
    }
    if (m->st == LM_OK && json_array_size(lacks) > 0) {
        tell_apart(m, rec, person, lacks);
    } else if (m->st == LM_OK) {
        (void)json_array_append(m->rows, row);
        m->ready++;
    }
    json_decref(row);
    json_decref(lacks);
    return m->st == LM_OK;
}

static enum lm_status take_date(struct lm_api_call *call, const char *name, const char *text)
{
    int64_t day;

    return text && lm_date_parse(text, strlen(text), &day)
               ? LM_OK
               : lm_fail(&call->err, LM_ERR_INVALID, "bad_date", name,
                         "日期应为 YYYY-MM-DD：起止都要写。",
                         "Both dates are needed, as YYYY-MM-DD.");
}

/* Everything of the period; the caller drops rows and lacking. */
static enum lm_status make(struct lm_api_call *call, const char *from, const char *to,
                           struct making *m)
{
    json_t *head = json_array();
    enum lm_status st = take_date(call, "from", from);

    *m = (struct making){.call = call,
                         .from = from,
                         .to = to,
                         .rows = json_array(),
                         .lacking = json_array(),
                         .st = LM_OK};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        m->file = strcmp(files[i].name, call->request->params[0]) == 0 ? &files[i] : m->file;
    }
    st = st == LM_OK ? take_date(call, "to", to) : st;
    if (st == LM_OK && !m->file) {
        st = lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "file", "没有这种上报文件。",
                     "There is no such file.");
    }
    for (size_t i = 0; st == LM_OK && column(m->file, i); i++) {
        (void)json_array_append_new(head, json_string(column(m->file, i)->zh));
    }
    (void)json_array_append_new(m->rows, head);
    if (st == LM_OK) {
        lm_arena_init(&m->arena, ARENA_BYTES);
        st = lm_store_list(call->api->store, NULL, m->file->type, NULL, NULL, 0, take, m,
                           &call->err);
        lm_arena_free(&m->arena);
    }
    return st == LM_OK ? m->st : st;
}

/* GET national/{file}?from=…&to=…: how much is ready, and what is not. */
enum lm_status lm_town_national(struct lm_api_call *call)
{
    const struct lm_http_request *request = call->request;
    struct making m;
    enum lm_status st =
        make(call, request->query(request, "from"), request->query(request, "to"), &m);

    if (st == LM_OK) {
        call->answer =
            json_pack("{s:s,s:I,s:I,s:O}", "name", m.file->zh, "ready", (json_int_t)m.ready,
                      "lacking", (json_int_t)m.n_lacking, "rows", m.lacking);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    json_decref(m.rows);
    json_decref(m.lacking);
    return st;
}

/* POST national/{file} {"from","to","reason"}: the file. The log has it first. */
enum lm_status lm_town_national_file(struct lm_api_call *call)
{
    const char *from, *to, *reason;
    char detail[80], object[40];
    struct making m = {.rows = NULL};
    size_t chars = 0;
    enum lm_status st = lm_api_text(call, "from", true, &from);

    st = st == LM_OK ? lm_api_text(call, "to", true, &to) : st;
    st = st == LM_OK ? lm_api_text(call, "reason", true, &reason) : st;
    if (st == LM_OK && (!lm_utf8_valid(reason, strlen(reason), &chars) || chars < 2 ||
                        chars > 200 || lm_utf8_has_control(reason, strlen(reason)))) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_text", "reason",
                     "请写明导出的原因（2 至 200 个字）。", "Say why (2 to 200 characters).");
    }
    if (st == LM_OK) {
        st = make(call, from, to, &m);
    }
    if (st == LM_OK && m.ready == 0) {
        st = lm_fail(&call->err, LM_ERR_NOT_FOUND, "nothing", "from",
                     "这段时间没有可以上报的记录。", "Nothing of this period is ready.");
    }
    if (st == LM_OK) {
        (void)snprintf(object, sizeof object, "national %s", m.file->name);
        (void)snprintf(detail, sizeof detail, "%zu, %.10s–%.10s", m.ready, from, to);
        st = lm_town_log(call, "export", object, reason, detail);
    }
    if (st == LM_OK) {
        lm_xlsx(m.file->zh, m.rows, &call->response->body);
        call->response->content_type =
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        (void)snprintf(call->response->disposition, sizeof call->response->disposition,
                       "attachment; filename=\"%s-%.10s-%.10s.xlsx\"", m.file->name, from, to);
        st = call->response->body.status == LM_OK ? LM_OK : lm_api_no_memory(call);
    }
    json_decref(m.rows);
    json_decref(m.lacking);
    return st;
}
