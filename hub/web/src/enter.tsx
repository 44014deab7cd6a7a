// What staff enter themselves: on behalf of a village, or the town's own records; and corrections of what is there. The program judges
// it when it is saved; what it has against it stands at the field.
import { useMemo, useState } from 'preact/hooks';
import { type ApiError, api, get, type Issue, type RecordRow, uuid7 } from '@common/api';
import { type Field, fieldLabel, type RecordType, saysWhy, stateText, typeOf } from '@common/catalog';
import { FieldInput } from '@common/fields';
import { label, t } from '@common/i18n';
import { issueWords, nameOf, refusalWords, worthSaying } from '@common/issues';
import { Button, enterGoesOn, Note, toast, useData, Waiting } from '@common/ui';
import { hashQuery } from '@common/route';
import { namesStaff, loadStaff, staffMe } from '@common/staff';
import { monthBefore } from '@common/time';
import { go, today, useModel } from './model';
import { w } from './messages';
import { Choice } from './overview';
import { Ask } from './records';

/** The town's own, for all of it or for those that they name: of no village that somebody enters them for. */
const OF_THE_TOWN = ['notice', 'matter', 'setting', 'period_lock'];
const NOT_HERE = ['state', 'village_code', 'delete_reason', 'correction_of', 'return_note', 'close_note', 'merged_into', 'dup_key'];
/** Steps that take a record out of what counts. */
const LAST = ['cancelled', 'withdrawn', 'deceased', 'moved_out', 'rejected', 'not_accepted'];
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

export function enteredFields(type: RecordType): Field[] {
  return type.fields.filter((f) => f.entered && !f.retired && !NOT_HERE.includes(f.name) && f.type !== 'hex' && !(f.type === 'file' && !f.required));
}

/** Who enters for a village did not receive its visitors: that one is chosen. */
function startOf(type: RecordType, station: string): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const f of enteredFields(type)) {
    if (f.preset !== undefined) fields[f.name] = f.preset;
    if (f.name === type.reporting_date && f.type === 'date') fields[f.name] = today();
    if (f.format === 'month' && f.required) fields[f.name] = monthBefore(today());
    if (namesStaff(f) && f.required && !station) fields[f.name] = staffMe() || undefined;
    // A file is named by an id: the paper itself stays in the office until it is scanned.
    if (f.type === 'file') fields[f.name] = f.items ? [uuid7()] : uuid7();
  }
  return fields;
}

/** Shown covered: never written back. */
const isCovered = (value: unknown): boolean => /＊|\*{4}/.test(JSON.stringify(value ?? ''));

/** save: with keep false it is judged only, and what is to be warned of comes back. */
function Form(props: {
  type: RecordType;
  station?: string;
  record?: RecordRow;
  start?: Record<string, unknown>;
  labels: Record<string, string>;
  save: (fields: Record<string, unknown>, keep: boolean) => Promise<RecordRow>;
  onSaved: (saved: RecordRow) => void;
  onCancel: () => void;
}) {
  const { catalog } = useModel();
  const { type, record } = props;
  const [fields, setFields] = useState<Record<string, unknown>>(() => (record ? { ...record.fields } : { ...startOf(type, props.station ?? ''), ...props.start }));
  const [issues, setIssues] = useState<Issue[]>([]);
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const [warned, setWarned] = useState(''); // what the warnings on the screen are about
  const list = useMemo(
    () => enteredFields(type).filter((f) => f.type !== 'file' && !isCovered(record?.fields[f.name])),
    [type, record],
  );
  const changes = (): Record<string, unknown> => {
    const out: Record<string, unknown> = {};
    for (const f of enteredFields(type)) if (record ? !same(fields[f.name], record.fields[f.name]) : fields[f.name] !== undefined) out[f.name] = fields[f.name] ?? null;
    return out;
  };
  const known = warned !== '' && warned === JSON.stringify(changes());
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError('');
    try {
      const out = changes();
      const doubts = known ? [] : ((await props.save(out, false)).issues ?? []).filter((i) => i.level === 'warn');
      setIssues(known ? issues : doubts);
      setWarned(known || doubts.length ? JSON.stringify(out) : '');
      if (doubts.length) return;
      const saved = await props.save(out, true);
      toast(t('saved'));
      props.onSaved(saved);
    } catch (why) {
      const e2 = why as ApiError;
      const all: Issue[] = e2.issues?.length ? e2.issues : e2.field ? [{ code: e2.code, field: e2.field, text: e2.message, level: 'refuse' }] : [];
      const said = worthSaying(type, all, (name) => (fields[name] ?? '') !== '');
      setIssues(said);
      setError(refusalWords(type, e2.message, said));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="form" noValidate onKeyDown={enterGoesOn} onSubmit={submit}>
      <fieldset>
        {list.map((f) => {
          const mine = issues.filter((i) => nameOf(i.field) === f.name);
          const bad = mine.some((i) => i.level === 'refuse');
          return (
            <div class={bad ? 'field bad' : 'field'} data-field={f.name} key={f.name}>
              <label id={`f-${f.name}-label`} for={`f-${f.name}`}>
                {fieldLabel(f)}
                {f.required && <span class="star">*</span>}
              </label>
              <div>
                <FieldInput
                  catalog={catalog}
                  field={f}
                  id={`f-${f.name}`}
                  value={fields[f.name]}
                  labels={props.labels}
                  beside={fields}
                  disabled={busy}
                  invalid={bad}
                  required={f.required}
                  describedBy={mine.length ? `f-${f.name}-issue` : undefined}
                  onInput={(v) => setFields((now) => ({ ...now, [f.name]: v }))}
                />
                {mine.length > 0 && (
                  <div class="issues" id={`f-${f.name}-issue`}>
                    {mine.map((i, k) => (
                      <p key={k} class={i.level}>
                        {issueWords(type, i)}
                      </p>
                    ))}
                  </div>
                )}
              </div>
            </div>
          );
        })}
      </fieldset>
      {error && <Note kind="bad">{error}</Note>}
      {known && !error && (
        <Note kind="info">
          {w('warnedOf')}
          <ul>
            {issues.map((i, k) => (
              <li key={k}>{issueWords(type, i)}</li>
            ))}
          </ul>
        </Note>
      )}
      <div class="actions">
        <Button kind="main" type="submit" disabled={busy}>
          {known ? w('saveAllTheSame') : t('save')}
        </Button>
        <Button disabled={busy} onClick={props.onCancel}>
          {t('cancel')}
        </Button>
      </div>
    </form>
  );
}

type Full = RecordRow & { masked?: boolean; labels: Record<string, string> };

/** A record as it is shown here, and all of it once a reason was given. */
function useShown(id: string): { row: Full | null | undefined; covered: boolean; error?: Error; reload: () => void; reveal: (reason: string) => Promise<void> } {
  const { catalog } = useModel();
  const [full, setFull] = useState<Full | null>(null);
  const found = useData(async () => {
    if (!id) return null;
    const row = await get<Full>(`records/${id}`);
    if (typeOf(catalog, row.type)?.fields.some(namesStaff)) await loadStaff(row.village_code ?? '');
    return row;
  }, [id]);
  return {
    row: full ?? found.data,
    covered: !full && !!found.data?.masked,
    error: found.error,
    reload: found.reload,
    reveal: async (reason) => setFull(await api<Full>('POST', `records/${id}/reveal`, { reason })),
  };
}

/** That some of it is covered, and the way to see it. */
function Covered(props: { text: string; reveal: (reason: string) => Promise<void> }) {
  const [asking, setAsking] = useState(false);
  return (
    <Note kind="info">
      {props.text} <Button onClick={() => setAsking(true)}>{w('reveal')}</Button>
      {asking && <Ask title={w('revealTitle')} text={w('revealReason')} go={w('reveal')} onClose={() => setAsking(false)} onDone={props.reveal} />}
    </Note>
  );
}

/** A correction of a record that is locked with its period: a new one that begins with what that one says. */
function CorrectPage(props: { type: RecordType; of: string }) {
  const { type } = props;
  const { stations } = useModel();
  const shown = useShown(props.of);
  const [id] = useState(uuid7);
  const r = shown.row;
  if (!r || r.type !== type.name) return <Waiting error={shown.error} reload={shown.reload} />;
  const start: Record<string, unknown> = {};
  for (const f of enteredFields(type)) if (r.fields[f.name] !== undefined && !isCovered(r.fields[f.name])) start[f.name] = r.fields[f.name];
  return (
    <>
      <h1>
        {w('correcting', r.label)} <small>{label(type)}</small>
      </h1>
      <Note kind="info">{w('correctMeans')}</Note>
      {shown.covered && <Covered text={w('coverCorrect')} reveal={shown.reveal} />}
      <Form
        key={shown.covered ? 'covered' : 'full'}
        type={type}
        start={start}
        labels={r.labels}
        save={(fields, keep) => api<RecordRow>('POST', `types/${type.name}/records`, { id, keep, fields: { ...fields, correction_of: r.id }, ...(stations.some((s) => s.level === 'village' && s.code === r.village_code) ? { station: r.village_code } : {}) })}
        onSaved={(made) => go(`/record/${made.id}`)}
        onCancel={() => go(`/record/${r.id}`)}
      />
    </>
  );
}

/** A new record; for a village, or for the town itself; or a correction of one that is locked. */
export function EnterPage(props: { type: string }) {
  const { catalog } = useModel();
  const type = typeOf(catalog, props.type);
  const of = hashQuery().get('correction_of') ?? '';
  if (!type) return <p>{w('nothing')}</p>;
  return of ? <CorrectPage key={of} type={type} of={of} /> : <NewPage type={props.type} />;
}

function NewPage(props: { type: string }) {
  const { catalog, stations } = useModel();
  const type = typeOf(catalog, props.type);
  const [station, setStation] = useState(hashQuery().get('station') ?? '');
  const [id] = useState(uuid7);
  const staff = useData(() => loadStaff(station).then(() => station), [station]); // of the village that it is entered for
  if (!type) return <p>{w('nothing')}</p>;
  return (
    <>
      <h1>{w('enterFor', label(type))}</h1>
      {!OF_THE_TOWN.includes(type.name) && <div class="filters">
        <Choice text={w('onBehalf')} name="station" value={station} options={[['', w('theTown')], ...stations.filter((s) => s.level === 'village').map((s): [string, string] => [s.code, s.name])]} onChange={setStation} />
      </div>}
      {staff.data === undefined ? <Waiting error={staff.error} reload={staff.reload} /> : <Form
        type={type}
        station={station}
        labels={{}}
        save={(fields, keep) => {
          // What the town tells the villages waits for nobody's check: it must not stand in the town's own inbox.
          const told = type.name === 'notice' ? { state: 'verified' } : {};
          return api<RecordRow>('POST', `types/${type.name}/records`, { id, keep, fields: { ...fields, ...told }, ...(station ? { station } : {}) });
        }}
        onSaved={(made) => go(`/record/${made.id}`)}
        onCancel={() => history.back()}
      />}
    </>
  );
}

export function ChangePage(props: { id: string }) {
  const { catalog } = useModel();
  const shown = useShown(props.id);
  if (!shown.row) return <Waiting error={shown.error} reload={shown.reload} />;
  const r = shown.row;
  const type = typeOf(catalog, r.type);
  if (!type) return null;
  return (
    <>
      <h1>
        {w('change')}：{r.label} <small>{label(type)}</small>
      </h1>
      {shown.covered && <Covered text={w('coverFirst')} reveal={shown.reveal} />}
      <Form
        key={shown.covered ? 'covered' : 'full'}
        type={type}
        record={r}
        labels={r.labels}
        save={(fields, keep) => {
          const was: Record<string, unknown> = {};
          for (const name of Object.keys(fields)) was[name] = r.fields[name] ?? null;
          return api<RecordRow>('PATCH', `records/${r.id}`, { fields, was, keep });
        }}
        onSaved={() => go(`/record/${r.id}`)}
        onCancel={() => go(`/record/${r.id}`)}
      />
    </>
  );
}

/** A change of residence is verified on a paper, which stays in the office: who verifies it says that it was seen. */
function proofDue(r: RecordRow, to: string): boolean {
  return r.type === 'residency_event' && to === 'verified' && !r.fields.proof && ['out', 'transfer', 'death'].includes(String(r.fields.kind));
}

/** The steps that the town may take from where a record stands. */
export function Steps(props: { record: RecordRow; type: RecordType; done: () => void }) {
  const { catalog } = useModel();
  const r = props.record;
  const steps = props.type.transitions.filter((x) => x.from === r.state && x.town && x.to !== 'returned' && x.to !== 'merged');
  const [ending, setEnding] = useState('');
  const take = async (to: string, note?: string) => {
    // What a step adds (its day, a card's stage, why it ends) the hub adds; a lock is no case, and a paper that was seen is said here.
    if (r.type === 'period_lock' || proofDue(r, to)) {
      await api('PATCH', `records/${r.id}`, { fields: { state: to, ...(proofDue(r, to) ? { proof: uuid7() } : {}) }, rev: r.rev, was: { state: r.state } });
    } else {
      const { left } = await api<{ left: { code: string; text: string }[] }>('POST', 'review/step', { type: r.type, ids: [r.id], revs: { [r.id]: r.rev }, from: r.state, to, note });
      if (left[0]?.code === 'changed_meanwhile') props.done(); // what it is now is shown
      if (left[0]) throw new Error(left[0].text);
    }
    toast(w('stepDone', stateText(catalog, props.type, to)));
    props.done();
  };
  const step = (to: string) => {
    if (saysWhy(props.type, to)) setEnding(to);
    else if ((!LAST.includes(to) || window.confirm(w('stepSure', stateText(catalog, props.type, to)))) && (!proofDue(r, to) || window.confirm(w('proofSeen')))) take(to).catch((e: Error) => toast(e.message));
  };
  return (
    <>
      {steps.map((x) => (
        <Button key={x.to} onClick={() => step(x.to)}>
          {w('step', stateText(catalog, props.type, x.to))}
        </Button>
      ))}
      {ending && (
        <Ask
          title={w('endTitle', stateText(catalog, props.type, ending), r.label)}
          text={w('endNote')}
          go={w('step', stateText(catalog, props.type, ending))}
          onClose={() => setEnding('')}
          onDone={(note) => take(ending, note)}
        />
      )}
    </>
  );
}
