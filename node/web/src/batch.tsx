// A festival's visits: what is the same for all is filled in once, people are chosen by filter, each gets a record of his own. One save
// under one key, all or none; the form is kept as a draft with its key, so that a save whose answer was lost is the same save again.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, ApiError, uuid7, type Issue, type RecordRow } from '@common/api';
import { codeText, fieldLabel, typeOf } from '@common/catalog';
import { useDraft, useKept } from '@common/draft';
import { FieldInput } from '@common/fields';
import { issueWords } from '@common/issues';
import { label, t, timeText } from '@common/i18n';
import { hashQuery } from '@common/route';
import { Button, enterGoesOn, Note, useData, Waiting } from '@common/ui';
import { everyRecord } from './lists';
import { go, today, useModel } from './model';
import { toldMany } from './undo';

const MAX = 500; // of the API
const DRAFT = 'drafts/batch-visit';
const NO_VISIT = ['draft', 'returned', 'cancelled', 'merged']; // does not stand: as on the home page (node/api/tasks.c)
const LEFT = ['draft', 'moved_out', 'deceased', 'merged', 'cancelled'];

interface Kept {
  key: string;
  fields: Record<string, unknown>;
  chosen: string[];
}

interface Fault {
  person: string;
  issues: Issue[];
}

const text = (r: RecordRow, name: string): string => String(r.fields[name] ?? '');
const age = (birth: string, day: string): number => Number(day.slice(0, 4)) - Number(birth.slice(0, 4)) - (day.slice(5) < birth.slice(5) ? 1 : 0);

export function BatchPage() {
  const { catalog, status } = useModel();
  const type = typeOf(catalog, 'visit');
  const now = today(status);
  const fresh = (): Kept => ({
    key: uuid7(),
    fields: { visit_on: now, occasion: hashQuery().get('occasion') ?? undefined, occasion_year: Number(now.slice(0, 4)), visitor_level: 'village' },
    chosen: [],
  });
  const [kept, setKept] = useState<Kept>(fresh);
  const [found, setFound] = useState('');
  const [q, setQ] = useState('');
  const [identity, setIdentity] = useState('');
  const [from, setFrom] = useState('');
  const [hard, setHard] = useState(false);
  const [notYet, setNotYet] = useState(true);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [issues, setIssues] = useState<Issue[]>([]);
  const [faults, setFaults] = useState<Fault[]>([]);
  const [again, setAgain] = useState(false); // it was saved before
  const dirty = useRef(false);
  const { fields, chosen } = kept;

  const people = useData(async () => {
    const [rows, identities] = await Promise.all([everyRecord('person'), everyRecord('person_identity')]);
    const codes: Record<string, string[]> = {};
    for (const r of identities) (codes[text(r, 'person_id')] ??= []).push(text(r, 'code'));
    return { rows: rows.filter((r) => !LEFT.includes(r.state ?? '')), codes };
  }, []);
  // Pinyin and the ends of numbers, as in the lists: by the program.
  const asked = q.trim();
  const [late, setLate] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setLate(asked), 200);
    return () => clearTimeout(timer);
  }, [asked]);
  const hits = useData(async () => ({ q: late, ids: new Set(late ? (await everyRecord('person', `&q=${encodeURIComponent(late)}`)).map((r) => r.id) : []) }), [late]).data;
  const occasion = String(fields['occasion'] ?? '');
  const year = String(fields['occasion_year'] ?? '');
  const visited = useData(async () => {
    const rows = occasion && /^\d{4}$/.test(year) ? await everyRecord('visit', `&f.occasion=${occasion}&f.occasion_year=${year}`) : [];
    return new Set(rows.filter((r) => !NO_VISIT.includes(r.state ?? '')).flatMap((r) => (r.fields['persons'] as string[] | undefined) ?? []));
  }, [occasion, year]);

  useKept<Kept>(DRAFT, (draft) => {
    if (dirty.current || !draft?.body?.key) return;
    setKept(draft.body);
    setFound(timeText(draft.saved_at));
  });
  const keeper = useDraft(DRAFT, kept, dirty);

  if (!type) return <p>{t('notFound')}</p>;
  const put = (change: Partial<Kept>) => {
    dirty.current = true;
    setKept((k) => ({ ...k, ...change }));
  };
  const common = type.fields.filter((f) => f.entered && !f.common && f.name !== 'persons');
  const shown = (people.data?.rows ?? []).filter(
    (r) =>
      (!asked || [text(r, 'name'), text(r, 'household_no'), text(r, 'residence_text')].some((v) => v.includes(asked)) || (hits?.q === asked && hits.ids.has(r.id))) &&
      (!identity || people.data!.codes[r.id]?.includes(identity)) &&
      (!/^\d+$/.test(from) || (text(r, 'birth_on') !== '' && age(text(r, 'birth_on'), now) >= Number(from))) &&
      (!hard || (text(r, 'difficulty') !== '' && text(r, 'difficulty') !== 'none')) &&
      (!notYet || !visited.data?.has(r.id) || chosen.includes(r.id)),
  );
  const came = (people.data?.rows ?? []).filter((r) => visited.data?.has(r.id)).length;
  const names = new Map((people.data?.rows ?? []).map((r) => [r.id, text(r, 'name')]));
  const toggle = (id: string, on: boolean) => put({ chosen: on ? [...chosen, id] : chosen.filter((c) => c !== id) });

  const save = async () => {
    setBusy(true);
    setError('');
    setFaults([]);
    setIssues([]);
    try {
      await api('PUT', DRAFT, kept); // with the key under which it is going to be saved
      const records = chosen.map((id) => ({ ...fields, persons: [id] }));
      const done = await api<{ records: { id: string; rev: string }[] }>('POST', 'types/visit/batches', { key: kept.key, records });
      await keeper.end();
      toldMany(done.records);
      go('/list/visit');
    } catch (e) {
      const why = e as ApiError;
      const rows = why.rows ?? [];
      if (why.code === 'key_reused') {
        setAgain(true);
      } else {
        setError(why.message);
        // What is wrong with the common part is wrong with each: said once, beside the field.
        const all = rows[0]?.issues.filter((i) => i.level === 'refuse' && !i.field.startsWith('persons')) ?? [];
        const own = (r: { issues: Issue[] }) => r.issues.filter((i) => i.level === 'refuse' && !all.some((a) => a.field === i.field && a.code === i.code));
        setIssues(all);
        setFaults(rows.map((r) => ({ person: names.get(chosen[r.row] ?? '') ?? '', issues: own(r) })).filter((f) => f.issues.length > 0));
      }
    } finally {
      setBusy(false);
    }
  };
  const anew = () => {
    keeper.discard();
    dirty.current = false;
    setKept(fresh());
    setFound('');
    setAgain(false);
  };

  return (
    <>
      <h1>{t('manyVisits')}</h1>
      <p>{t('manyHelp')}</p>
      {found && (
        <Note kind="info">
          {t('draftFound', found)} <Button onClick={anew}>{t('draftDrop')}</Button>
        </Note>
      )}
      <form
        class="form wide"
        noValidate
        onKeyDown={enterGoesOn}
        onSubmit={(e) => {
          e.preventDefault();
          if (!busy && chosen.length > 0 && chosen.length <= MAX) void save();
        }}
      >
        <fieldset>
          <legend>{t('manyWhat')}</legend>
          {common.map((f) => {
            const bad = issues.filter((i) => i.field.split(/[.[]/)[0] === f.name);
            return (
              <div class={bad.length ? 'field bad' : 'field'} data-field={f.name} key={f.name}>
                <label id={`f-${f.name}-label`} for={`f-${f.name}`}>
                  {fieldLabel(f)}
                  {f.required && (
                    <span class="star" title={t('required')}>
                      *
                    </span>
                  )}
                </label>
                <div>
                  <FieldInput
                    catalog={catalog}
                    field={f}
                    id={`f-${f.name}`}
                    value={fields[f.name]}
                    labels={{}}
                    disabled={busy}
                    invalid={bad.length > 0}
                    required={f.required}
                    describedBy={bad.length ? `f-${f.name}-issue` : undefined}
                    onInput={(v) => put({ fields: { ...fields, [f.name]: v } })}
                  />
                  {bad.length > 0 && (
                    <div class="issues" id={`f-${f.name}-issue`}>
                      {bad.map((i, k) => (
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
        <fieldset>
          <legend>{t('manyWho')}</legend>
          <div class="filters">
            <label>
              {t('search')} <input id="who" type="search" value={q} onInput={(e) => setQ((e.target as HTMLInputElement).value)} />
            </label>
            <label>
              {t('identity')}{' '}
              <select id="who-identity" value={identity} onChange={(e) => setIdentity((e.target as HTMLSelectElement).value)}>
                <option value="">{t('anyOf')}</option>
                {(catalog.lists['identity'] ?? []).map((c) => (
                  <option key={c.code} value={c.code}>
                    {label(c)}
                  </option>
                ))}
              </select>
            </label>
            <label>
              {t('ageFrom')} <input id="who-age" type="text" inputMode="numeric" class="age" value={from} onInput={(e) => setFrom((e.target as HTMLInputElement).value.trim())} />
            </label>
            <label class={hard ? 'choice on' : 'choice'}>
              <input type="checkbox" checked={hard} onChange={() => setHard(!hard)} />
              {t('onlyHard')}
            </label>
            <label class={notYet ? 'choice on' : 'choice'}>
              <input type="checkbox" checked={notYet} onChange={() => setNotYet(!notYet)} />
              {t('notYet')}
            </label>
          </div>
          {people.data && visited.data && occasion && (
            <p>
              <b>{t('festivalOf', people.data.rows.length, came, people.data.rows.length - came)}</b>
            </p>
          )}
          <p>
            <Button disabled={shown.length === 0} onClick={() => put({ chosen: [...new Set([...chosen, ...shown.map((r) => r.id)])] })}>
              {t('pickShown', shown.length)}
            </Button>
            <Button disabled={chosen.length === 0} onClick={() => put({ chosen: [] })}>
              {t('pickNone')}
            </Button>
            <b aria-live="polite">{t('pickedMany', chosen.length)}</b>
          </p>
          {!people.data && <Waiting error={people.error} reload={people.reload} />}
          <ul class="who">
            {shown.map((r) => {
              const on = chosen.includes(r.id);
              return (
                <li key={r.id}>
                  <label class={on ? 'choice on' : 'choice'}>
                    <input type="checkbox" data-enter="own" checked={on} disabled={busy} onChange={() => toggle(r.id, !on)} />
                    <b>{text(r, 'name')}</b>
                    <span>{text(r, 'birth_on') && t('age', age(text(r, 'birth_on'), now))}</span>
                    <span>{text(r, 'household_no')}</span>
                    <span class="quiet">{(people.data!.codes[r.id] ?? []).map((c) => codeText(catalog, 'identity', c)).join('、')}</span>
                    {visited.data?.has(r.id) && <span class="tag">✓ {t('visitedMark')}</span>}
                  </label>
                </li>
              );
            })}
          </ul>
        </fieldset>
        {chosen.length > MAX && <Note kind="bad">{t('tooMany', MAX)}</Note>}
        {again && (
          <Note kind="good">
            {t('savedBefore')}{' '}
            <Button
              onClick={() => {
                anew();
                go('/list/visit');
              }}
            >
              {t('seeVisits')}
            </Button>
          </Note>
        )}
        {error && (
          <Note kind="bad">
            <p>
              {t('nothingSaved')} {error}
            </p>
            {faults.length > 0 && (
              <ul>
                {faults.map((f, k) => (
                  <li key={k}>
                    {f.person}: {f.issues.map((i) => issueWords(type, i)).join(' ')}
                  </li>
                ))}
              </ul>
            )}
          </Note>
        )}
        <div class="actions sticky">
          <Button kind="main" type="submit" disabled={busy || again || chosen.length === 0 || chosen.length > MAX}>
            {busy ? t('saving') : t('saveMany', chosen.length)}
          </Button>
          <Button disabled={busy} onClick={() => go('/list/visit')}>
            {t('cancel')}
          </Button>
        </div>
      </form>
    </>
  );
}
