// The form of a record, made from the catalogue. What is typed is kept as a draft on disk; every pause is judged by the program
// as a save would be; "saved" is said only after the program has committed it.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, api, uuid7, type Issue, type RecordRow } from './api';
import { fieldLabel, saysWhy, stateText, valueText, type Catalog, type Field, type RecordType } from './catalog';
import { useDraft, useDraftPlace, useKept } from './draft';
import { FieldInput } from './fields';
import { fromText, toText } from './request';
import { t, timeText } from './i18n';
import { issueWords, nameOf, refusalWords, worthSaying } from './issues';
import { namesStaff, staffMe } from './staff';
import { clockHere, monthBefore } from './time';
import { afterClick, Button, Dialog, enterGoesOn, Note } from './ui';

const CHECK_MS = 350;

interface Draft {
  id: string;
  fields: Record<string, unknown>;
  was: Record<string, unknown>;
  labels: Record<string, string>;
  typed?: Record<string, string>; // to find a record by, which was not chosen yet
}

interface Checked {
  good: boolean;
  issues: Issue[];
  derived: Record<string, unknown>;
}

export interface FormProps {
  catalog: Catalog;
  type: RecordType;
  record?: RecordRow; // an edit of it; else a new one
  labels: Record<string, string>;
  given?: Record<string, unknown>; // filled in from the start; of an edit: whatever the record has
  draft?: string; // where it is kept; else by its type
  searched?: Record<string, string>; // what was looked for and not found: a draft that says otherwise is of another one
  place?: number; // the how manieth of those
  hide?: string[]; // fields that this way of entering it has no use for
  must?: string[]; // needed in this way of entering it, whatever the catalogue asks of others
  foremost?: string[]; // optional ones that stand with those that must be filled in
  as?: Record<string, Field>; // a text that is a value of another field: with that one's input and label
  among?: (field: string, code: string) => boolean; // of a field that names a place: which ones make sense
  step?: string; // of an edit: the state that saving it brings the record to
  today: string;
  /** before: what the save replaced, of an edit; null when it cannot simply be put back (a step of the life cycle). */
  onSaved: (record: RecordRow, before: Record<string, unknown> | null) => void;
  onCancel: () => void;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

/** What a new record starts with: presets, today for the date that it is counted by, the last month that is over, and who is entering it where somebody who works here is
 * asked for. */
function startOf(type: RecordType, given: Record<string, unknown>, today: string): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const field of type.fields) {
    if (!field.entered) continue;
    if (field.preset !== undefined) fields[field.name] = field.preset;
    if (field.name === type.reporting_date && field.type === 'date') fields[field.name] = today;
    if (field.format === 'month' && field.required) fields[field.name] = monthBefore(today);
    if (namesStaff(field) && field.required) fields[field.name] = staffMe() || undefined;
  }
  return { ...fields, ...given };
}

function Conflict(props: { catalog: Catalog; type: RecordType; present: RecordRow; names: string[]; mine: Record<string, unknown>; labels: Record<string, string>; onChoose: (mine: boolean) => void }) {
  return (
    <Dialog title={t('changedTitle')}>
      <p>{t('changedText')}</p>
      <table>
        <thead>
          <tr>
            <th />
            <th>{t('theirs')}</th>
            <th>{t('mine')}</th>
          </tr>
        </thead>
        <tbody>
          {props.names.map((name) => {
            const field = props.type.fields.find((f) => f.name === name);
            return field ? (
              <tr key={name}>
                <th>{fieldLabel(field)}</th>
                <td>{valueText(props.catalog, field, props.present.fields[name], props.labels) || t('notFilled')}</td>
                <td>{valueText(props.catalog, field, props.mine[name], props.labels) || t('notFilled')}</td>
              </tr>
            ) : null;
          })}
        </tbody>
      </table>
      <div class="actions">
        <Button kind="main" onClick={() => props.onChoose(false)}>
          {t('useTheirs')}
        </Button>
        <Button onClick={() => props.onChoose(true)}>{t('useMine')}</Button>
      </div>
    </Dialog>
  );
}

export function RecordForm(props: FormProps) {
  const { catalog, type, record } = props;
  const key = record ? `edit-${record.id}` : (props.draft ?? `new-${type.name}`);
  const [id, setId] = useState(() => record?.id ?? uuid7());
  const [was, setWas] = useState<Record<string, unknown>>(record?.fields ?? {});
  const [fields, setFields] = useState<Record<string, unknown>>(() => (record ? { ...record.fields, ...props.given } : startOf(type, props.given ?? {}, props.today)));
  const [touched, setTouched] = useState<Record<string, boolean>>({});
  const [hand, setHand] = useState<Record<string, boolean>>({}); // filled in by the person, not by us
  const [checked, setChecked] = useState<Checked | null>(null);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [kept, setKept] = useState<{ at: string; lost: string | null }>({ at: '', lost: null }); // lost: why what is on the screen is not kept
  const [found, setFound] = useState('');
  const [more, setMore] = useState(false);
  const [named, setNamed] = useState(props.labels);
  const [typed, setTyped] = useState<Record<string, string>>({});
  const [before, setBefore] = useState(''); // the record that the form's id was used for
  const [from, setFrom] = useState(props.place ?? 1);
  const [asked, setAsked] = useState(''); // where a draft was looked for
  const [late, setLate] = useState<{ present: RecordRow; names: string[] } | null>(null);
  const dirty = useRef(false);
  const wanted = useRef(new Set<string>()); // what was asked for once stays where it was typed
  const form = useRef<HTMLFormElement>(null);

  const entered = useMemo(
    () =>
      type.fields.filter((f) => f.entered && f.name !== 'state' && (f.name !== 'close_note' || (props.step && saysWhy(type, props.step))) && !['delete_reason', 'correction_of', 'return_note', 'village_code'].includes(f.name) && f.type !== 'file' && f.type !== 'hex' && !props.hide?.includes(f.name)),
    [type, props.hide, props.step],
  );
  const frozen = (f: Field) => !!record?.state && !!f.frozen_in?.includes(record.state);

  /** Only what differs from what the record has. */
  const changes = (): Record<string, unknown> => {
    const out: Record<string, unknown> = {};
    for (const name of [...entered.map((f) => f.name), ...Object.keys(props.given ?? {})]) if (!same(fields[name], was[name])) out[name] = fields[name] ?? null;
    return out;
  };

  // What was not finished last time. Who is typing already, or came here for another one, keeps it beside that.
  const place = useDraftPlace(key, from, !record);
  useKept<Draft>(place ? `drafts/${encodeURIComponent(place)}` : '', (draft) => {
    const another = Object.entries(props.searched ?? {}).some(([name, value]) => draft?.body.fields[name] !== value);
    if (draft && !record && (dirty.current || another)) {
      setFrom((n) => n + 1);
      return;
    }
    setAsked(place);
    if (!draft || dirty.current) return;
    setNamed((now) => ({ ...draft.body.labels, ...now }));
    if (!record) setId(draft.body.id);
    setFields(draft.body.fields);
    setTyped(draft.body.typed ?? {});
    if (!record) Object.keys(draft.body.fields).forEach((name) => draft.body.fields[name] !== null && wanted.current.add(name)); // nothing of it is folded away
    if (record) setWas(draft.body.was);
    setFound(timeText(draft.saved_at));
    dirty.current = true;
  });

  // Judged at every pause.
  useEffect(() => {
    let here = true;
    const timer = setTimeout(() => {
      const body = record ? { id: record.id, fields: { ...changes(), ...(props.step ? { state: props.step } : {}) } } : { fields };
      api<Checked>('POST', `types/${type.name}/check`, body).then(
        (result) => {
          if (!here) return;
          afterClick(() => here && setChecked(result));
          const fill: Record<string, unknown> = {};
          for (const [name, value] of Object.entries(result.derived)) {
            if (!hand[name] && !same(fields[name], value)) fill[name] = value;
          }
          if (Object.keys(fill).length) setFields((now) => ({ ...now, ...fill }));
        },
        () => undefined,
      );
    }, CHECK_MS);
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [fields]);

  const used = JSON.stringify(fields);
  const labels = Object.fromEntries(Object.entries(named).filter(([of]) => used.includes(of))); // of what the form names
  const keeper = useDraft(asked === place && place ? `drafts/${encodeURIComponent(place)}` : '', { id, fields, was, labels, typed }, dirty, (why) => setKept(why ? (now) => ({ ...now, lost: [0, 401, 423].includes(why.status) ? '' : why.message }) : { at: clockHere(), lost: null }));

  const put = (name: string, value: unknown) => {
    dirty.current = true;
    setHand((h) => ({ ...h, [name]: true }));
    setFields((now) => ({ ...now, [name]: value }));
  };

  const filled = (name: string) => fields[name] !== undefined && fields[name] !== null && fields[name] !== '';
  const all = worthSaying(type, checked?.issues ?? [], filled);
  const issuesOf = (name: string): Issue[] => {
    return all.filter((i) => nameOf(i.field) === name && !(filled(name) && i.code === 'required') && (tried || touched[name] || (i.code !== 'required' && hand[name])));
  };
  const missing = new Set(all.filter((i) => i.code === 'required' && i.level === 'refuse').map((i) => nameOf(i.field)));
  missing.forEach((name) => wanted.current.add(name));
  const isMust = (f: Field) => f.required || missing.has(f.name) || (wanted.current.has(f.name) && filled(f.name)) || type.natural_key.includes(f.name) || f.name === 'close_note' || !!props.must?.includes(f.name);
  const isFirst = (f: Field) => isMust(f) || wanted.current.has(f.name) || !!props.foremost?.includes(f.name);
  const must = entered.filter(isFirst);
  const may = entered.filter((f) => !isFirst(f));
  const nowhere = all.filter((i) => tried && !entered.some((f) => f.name === nameOf(i.field)));

  const focusFirst = (issues: Issue[]) => {
    const refused = entered.find((f) => issues.some((i) => i.level === 'refuse' && nameOf(i.field) === f.name));
    if (refused && may.includes(refused)) setMore(true);
    setTimeout(() => {
      const box = form.current?.querySelector<HTMLElement>(`[data-field="${refused?.name}"]`);
      const input = box?.querySelector<HTMLElement>('input, select, textarea');
      (input ?? box)?.focus();
      box?.scrollIntoView({ block: 'center' });
    }, 0);
  };

  const save = async (seen: Record<string, unknown>, values: Record<string, unknown>, draft: boolean) => {
    setBusy(true);
    setError('');
    setBefore('');
    setTried(true);
    try {
      // What came back is handed in again by saving it.
      const again = record?.state === 'returned' ? type.transitions.find((x) => x.from === 'returned' && x.village && x.to !== 'draft' && x.to !== 'cancelled')?.to : undefined;
      const to = props.step ?? again;
      const body = draft ? { ...values, state: 'draft' } : to ? { ...values, state: to } : values;
      const saved = record
        ? await api<RecordRow>('PATCH', `records/${record.id}`, { fields: body, was: to ? { ...seen, state: record.state } : seen })
        : await api<RecordRow>('POST', `types/${type.name}/records`, { id, fields: body });
      await keeper.end();
      const before = Object.fromEntries(Object.keys(values).map((name) => [name, seen[name] ?? null]));
      props.onSaved(saved, to ? null : before);
    } catch (e) {
      const why = e as ApiError;
      if (why.code === 'changed_meanwhile' && why.present) {
        const present = why.present;
        setLate({ present, names: Object.keys(values).filter((n) => !same(present.fields[n], seen[n])) });
      } else if (why.code === 'key_reused' && !record) {
        setBefore(id); // saved before, from another window or just before the power went, and it has been changed here since
        setId(uuid7());
      } else {
        const issues = why.issues?.length ? why.issues : why.field ? [{ code: why.code, field: why.field, text: why.message, level: 'refuse' as const }] : [];
        if (issues.length) setChecked({ good: false, issues, derived: {} });
        focusFirst(issues);
        setError(refusalWords(type, why.message, worthSaying(type, issues, filled)));
      }
    } finally {
      setBusy(false);
    }
  };

  const choose = (mine: boolean) => {
    if (!late) return;
    const present = late.present.fields;
    const kept = { ...fields };
    for (const f of entered) {
      const touchedIt = !same(fields[f.name], was[f.name]);
      if (!touchedIt || (!mine && late.names.includes(f.name))) kept[f.name] = present[f.name] ?? null;
    }
    setFields(kept);
    setWas(present);
    setLate(null);
  };

  const one = (f: Field) => {
    const issues = issuesOf(f.name);
    const bad = issues.some((i) => i.level === 'refuse');
    const inputId = `f-${f.name}`;
    const as = props.as?.[f.name];
    return (
      <div class={bad ? 'field bad' : 'field'} data-field={f.name} key={f.name}>
        <label id={`${inputId}-label`} for={inputId}>
          {fieldLabel(as ?? f)}
          {isMust(f) && (
            <span class="star" title={t('required')}>
              *
            </span>
          )}
        </label>
        <div>
          <FieldInput
            catalog={catalog}
            field={as ?? f}
            id={inputId}
            value={as ? fromText(as, fields[f.name]) : fields[f.name]}
            labels={named}
            disabled={frozen(f) || busy}
            invalid={bad}
            required={isMust(f)}
            beside={fields}
            among={props.among && ((code) => props.among!(f.name, code))}
            describedBy={issues.length ? `${inputId}-issue` : undefined}
            onInput={(v) => put(f.name, as ? toText(v) : v)}
            typed={typed[f.name] ?? ''}
            onTyped={(text) => {
              dirty.current = true;
              setTyped((now) => ({ ...now, [f.name]: text }));
            }}
            onNamed={(of, name) => setNamed((now) => ({ ...now, [of]: name }))}
            onBlur={() => afterClick(() => setTouched((now) => ({ ...now, [f.name]: true })))}
          />
          {issues.length > 0 && (
            <div class="issues" id={`${inputId}-issue`}>
              {issues.map((i, k) => (
                <p key={k} class={i.level}>
                  {i.code === 'required' && typed[f.name]?.trim() ? t('pickOne', typed[f.name]!.trim()) : issueWords(type, i)} {i.other && <a href={`#/record/${i.other.id}`}>{t('openIt', i.other.label)}</a>}
                </p>
              ))}
            </div>
          )}
        </div>
      </div>
    );
  };

  const wrong = tried ? all.filter((i) => i.level === 'refuse').length : 0;
  const canDraft = !record && type.transitions.some((x) => x.from === null && x.to === 'draft' && x.village);
  return (
    <form
      ref={form}
      class="form"
      noValidate
      onKeyDown={enterGoesOn}
      onSubmit={(e) => {
        e.preventDefault();
        if (!busy) void save(was, record ? changes() : fields, false);
      }}
    >
      {found && (
        <Note kind="info">
          {t('draftFound', found)}{' '}
          <Button
            onClick={() => {
              keeper.discard();
              dirty.current = false;
              setFound('');
              wanted.current.clear();
              setTyped({});
              setHand({});
              setTouched({});
              setTried(false);
              setId(record?.id ?? uuid7());
              setWas(record?.fields ?? {});
              setFields(record ? { ...record.fields, ...props.given } : startOf(type, props.given ?? {}, props.today));
            }}
          >
            {t('draftDrop')}
          </Button>
        </Note>
      )}
      {record && <p class="quiet">{props.step ? t('stepFromTo', stateText(catalog, type, record.state), stateText(catalog, type, props.step)) : stateText(catalog, type, record.state)}</p>}
      <fieldset>
        <legend>{t('mustFill')}</legend>
        {must.map(one)}
      </fieldset>
      {may.length > 0 && (
        <fieldset>
          <legend>
            <button type="button" class="fold" aria-expanded={more || !!record} onClick={() => setMore(!more)}>
              {t('mayFill')} {more || record ? '▾' : '▸'}
            </button>
          </legend>
          {(more || !!record) && may.map(one)}
        </fieldset>
      )}
      {nowhere.map((i, k) => (
        <Note kind={i.level === 'refuse' ? 'bad' : 'info'} key={k}>
          {issueWords(type, i)}
        </Note>
      ))}
      {before && (
        <Note kind="bad">
          {t('savedOther')} <a href={`#/record/${before}`}>{t('savedOtherSee')}</a>
        </Note>
      )}
      {error && (
        <Note kind="bad">
          {error} {wrong > 1 ? t('fixFirst', wrong) : ''}
        </Note>
      )}
      <div class="actions sticky">
        <Button kind="main" type="submit" disabled={busy}>
          {busy ? t('saving') : props.step ? t('stepSave', stateText(catalog, type, props.step)) : t('save')}
        </Button>
        {canDraft && (
          <Button disabled={busy} onClick={() => void save(was, fields, true)}>
            {t('saveDraft')}
          </Button>
        )}
        <Button disabled={busy} onClick={props.onCancel}>
          {t('cancel')}
        </Button>
        {kept.lost !== null && (
          <b class="alarm" role="status">
            {t('draftNotKept', kept.lost)}
          </b>
        )}
        {kept.lost === null && kept.at && <span class="quiet">{t('draftKept', kept.at)}</span>}
      </div>
      {late && <Conflict catalog={catalog} type={type} present={late.present} names={late.names} mine={fields} labels={named} onChoose={choose} />}
    </form>
  );
}
