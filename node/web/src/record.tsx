// One record: its card, its form, what belongs to it, its history.
import { useMemo, useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { codeText, deletable, fieldLabel, fieldOf, stateText, typeOf, valueText, type Field, type RecordType } from '@common/catalog';
import { shownValue } from '@common/fields';
import { RecordForm } from '@common/form';
import { label, t, timeText } from '@common/i18n';
import { Button, Dialog, Note, toast, useData, Waiting } from '@common/ui';
import { hashQuery } from '@common/route';
import { maskId } from './home';
import { Mark, RecordTable } from './lists';
import { Conflicts } from './conflicts';
import { CLAIM, CLAIM_DRAFT, claimForm, isClaim } from './claims';
import { Household } from './household';
import { go, today, useModel } from './model';
import { Receipt } from './notices';
import { Steps } from './steps';
import { toldDeleted, toldRestored, toldSaved } from './undo';

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

interface Change {
  op: string;
  user: string;
  at: string;
  fields?: Record<string, unknown>;
  verdict?: string;
  text?: string;
}

interface Group {
  type: string;
  field: string;
  total: number;
  records: RecordRow[];
}

function ageOn(birth: string, day: string): number {
  const years = Number(day.slice(0, 4)) - Number(birth.slice(0, 4));
  return day.slice(5) < birth.slice(5) ? years - 1 : years;
}

function Values(props: { type: RecordType; record: RecordRow; labels: Record<string, string> }) {
  const { catalog, status } = useModel();
  const [shown, setShown] = useState(false);
  const r = props.record;
  const fields = props.type.fields.filter((f) => !f.common && r.fields[f.name] !== undefined && r.fields[f.name] !== null);
  const hidden = fields.some((f) => f.format === 'idno' || f.name === 'bank_account');
  const text = (name: string): string => {
    const field = fieldOf(props.type, name)!;
    const value = r.fields[name];
    if ((field.format === 'idno' || name === 'bank_account') && !shown) return maskId(String(value));
    const words = shownValue(catalog, field, value) || valueText(catalog, field, value, props.labels);
    return name === 'birth_on' ? `${words}（${t('age', ageOn(words, today(status)))}）` : words;
  };
  return (
    <>
      <dl class="values">
        {fields.map((f) => (
          <div key={f.name}>
            <dt>{fieldLabel(f)}</dt>
            <dd>{text(f.name)}</dd>
          </div>
        ))}
      </dl>
      {hidden && !shown && <Button onClick={() => setShown(true)}>{t('mask')}</Button>}
    </>
  );
}

function History(props: { type: RecordType; id: string; rev: string }) {
  const { catalog } = useModel();
  const history = useData(() => get<{ changes: Change[]; asked: boolean; fetched_at: string }>(`records/${props.id}/history`), [props.id, props.rev]);
  const [asking, setAsking] = useState(false);
  // The hub is asked through the link; its answer is looked for here, for a while.
  const fetchAll = async () => {
    setAsking(true);
    try {
      await api('POST', `records/${props.id}/history`, {});
      for (let i = 0; i < 15; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const now = await get<{ asked: boolean }>(`records/${props.id}/history`);
        if (!now.asked) break;
      }
    } finally {
      setAsking(false);
      history.reload();
    }
  };
  const op: Record<string, string> = { create: t('created'), edit: t('edited'), delete: t('deleted'), undelete: t('undeleted'), again: t('opAgain'), release: t('opRelease'), settle: t('opSettle') };
  if (!history.data) return <Waiting error={history.error} reload={history.reload} />;
  const changes = [...history.data.changes].reverse(); // the newest first
  const words = (field: Field, value: unknown): string => {
    if (value === undefined || value === null) return t('notFilled');
    if (field.format === 'idno' || field.name === 'bank_account') return maskId(String(value));
    if (field.name === 'state') return codeText(catalog, props.type.states, value);
    return shownValue(catalog, field, value) || valueText(catalog, field, value) || t('notFilled');
  };
  /** What the change before this one had set, when this PC knows of one that did; a creation set all that it had. */
  const before = (at: number, name: string): { value: unknown } | null => {
    const found = changes.slice(at + 1).find((c) => c.op === 'create' || (c.fields && name in c.fields));
    return found ? { value: found.fields?.[name] } : null;
  };
  /** It sets just what the change before it had set, to what stood there before that. */
  const putsBack = (at: number): boolean => {
    const [now, last] = [changes[at]!, changes[at + 1]];
    if (now.op !== 'edit' || last?.op !== 'edit' || !now.fields || !last.fields) return false;
    const names = Object.keys(now.fields);
    return names.length === Object.keys(last.fields).length && names.every((n) => n in last.fields! && same(before(at + 1, n)?.value, now.fields![n]) && before(at + 1, n) !== null);
  };
  const told = history.data.fetched_at;
  return (
    <>
    <p class="quiet">
      {changes.length === 0 && <>{t('historyNone')} </>}
      {told ? <>{t('historyTold')} {timeText(told)}. </> : history.data.asked && !asking ? <>{t('historyAsked')} </> : null}
      <Button disabled={asking} onClick={fetchAll}>{asking ? t('historyAsking') : t('historyFetch')}</Button>
    </p>
    <ol class="history">
      {changes.map((c, i) => (
        <li key={i}>
          <span class="quiet">{c.at ? timeText(c.at) : ''}</span> <b>{c.user}</b> {op[c.op] ?? c.op}
          {putsBack(i) ? `（${t('undoOfLast')}）` : ''}
          {c.op !== 'create' && c.fields && (
            <ul>
              {Object.entries(c.fields).map(([name, value]) => {
                const field = fieldOf(props.type, name);
                if (!field) return null;
                const was = c.op === 'edit' ? before(i, name) : null;
                return (
                  <li key={name}>
                    {fieldLabel(field)}: {was ? `${words(field, was.value)} → ` : ''}
                    {words(field, value)}
                  </li>
                );
              })}
            </ul>
          )}
          {c.verdict && c.verdict !== 'applied' && c.text && <Note kind="bad">{c.text}</Note>}
        </li>
      ))}
    </ol>
    </>
  );
}

function Related(props: { record: RecordRow }) {
  const { catalog } = useModel();
  const related = useData(() => get<{ groups: Group[]; labels: Record<string, string> }>(`records/${props.record.id}/related`), [props.record.id]);
  if (!related.data) return <Waiting error={related.error} reload={related.reload} />;
  const owns = (type: RecordType) => type.fields.find((f) => f.entered && f.ref === props.record.type && (f.required || type.natural_key[0] === f.name));
  const addable = catalog.types.filter((type) => type.kept && type.name !== 'notice_receipt' && owns(type));
  return (
    <>
      {addable.length > 0 && (
        <div class="quick">
          {addable.map((type) => (
            <a class="button plain" key={type.name} href={`#/new/${type.name}?${owns(type)!.name}=${props.record.id}`}>
              + {label(type)}
            </a>
          ))}
        </div>
      )}
      {related.data.groups.map((g) => {
        const type = typeOf(catalog, g.type);
        return type ? (
          <section key={`${g.type}.${g.field}`}>
            <h3>
              {label(type)} <small>{t('total', g.total)}</small>
            </h3>
            <RecordTable type={type} page={{ records: g.records, labels: related.data!.labels, total: g.total }} />
          </section>
        ) : null;
      })}
    </>
  );
}

/** The button stays where she looks for it; why it cannot be done is said before she writes a reason. */
function RemoveNot(props: { onClose: () => void }) {
  return (
    <Dialog title={t('removeTitle')} onClose={props.onClose}>
      <p>{t('removeNot')}</p>
      <div class="actions">
        <Button onClick={props.onClose}>{t('close')}</Button>
      </div>
    </Dialog>
  );
}

function Remove(props: { record: RecordRow; onDone: (deleted: RecordRow) => void; onClose: () => void }) {
  const [reason, setReason] = useState('');
  const [error, setError] = useState('');
  return (
    <Dialog title={t('removeTitle')} onClose={props.onClose}>
      <p>{t('removeText')}</p>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          api<RecordRow>('DELETE', `records/${props.record.id}`, { reason }).then(props.onDone, (why: Error) => setError(why.message));
        }}
      >
        <input type="text" aria-label={t('reason')} value={reason} maxLength={200} onInput={(e) => setReason((e.target as HTMLInputElement).value)} />
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="danger" type="submit" disabled={!reason.trim()}>
            {t('remove')}
          </Button>
          <Button onClick={props.onClose}>{t('cancel')}</Button>
        </div>
      </form>
    </Dialog>
  );
}

/** A record with the names of what it refers to. */
function useRecord(id: string) {
  const { status } = useModel();
  return useData(async () => {
    const record = await get<RecordRow>(`records/${id}`);
    const labels: Record<string, string> = {};
    const ids = new Set<string>();
    JSON.stringify(record.fields, (_, v) => {
      if (typeof v === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(v)) ids.add(v);
      return v;
    });
    await Promise.all(
      [...ids].slice(0, 60).map((other) =>
        get<RecordRow>(`records/${other}`).then(
          (r) => (labels[other] = r.label),
          () => undefined,
        ),
      ),
    );
    return { record, labels };
  }, [id, status?.cursor]);
}

export function RecordPage(props: { id: string }) {
  const { catalog } = useModel();
  const data = useRecord(props.id);
  const [removing, setRemoving] = useState(false);
  const record = data.data?.record;
  const type = record ? typeOf(catalog, record.type) : undefined;
  if (!data.data || !record || !type) return <Waiting error={data.error} reload={data.reload} />;
  const editable = type.kept && !record.deleted && (!type.edits_in || !record.state || type.edits_in.includes(record.state));
  return (
    <>
      <div class="head">
        <h1>
          <small>{label(type)}</small> {record.label} <Mark record={record} />
        </h1>
        <div class="actions">
          {editable && (
            <a class="button main" href={`#/edit/${record.id}`}>
              {t('edit')}
            </a>
          )}
          {type.name === 'service_item' && !record.deleted && (
            <a class="button plain" href={`#/paper/${record.id}`}>
              {t('paperPrint')}
            </a>
          )}
          {record.deleted ? (
            <Button
              onClick={() =>
                api<RecordRow>('POST', `records/${record.id}/undelete`).then(
                  (now) => {
                    toldRestored(now, String(record.fields['delete_reason'] ?? ''));
                    data.reload();
                  },
                  (e: Error) => toast(e.message),
                )
              }
            >
              {t('restore')}
            </Button>
          ) : (
            type.kept && <Button onClick={() => setRemoving(true)}>{t('remove')}</Button>
          )}
          <Button onClick={() => history.back()}>{t('back')}</Button>
        </div>
      </div>
      <Conflicts type={type} record={record} reload={data.reload} />
      {record.invalid && <Note kind="bad">{label({ zh: record.invalid.zh, en: record.invalid.en })}</Note>}
      {typeof record.fields['return_note'] === 'string' && record.state === 'returned' && (
        <Note kind="bad">
          {t('townNote')}: {record.fields['return_note']}
        </Note>
      )}
      {record.state === 'transferring' && <Note kind="info">{t('moving')}</Note>}
      {isClaim(record) && record.state === 'submitted' && !record.deleted && <Note kind="info">{t('claimWaits')}</Note>}
      <section class="card">
        {!record.deleted && type.name !== 'notice' && <Steps type={type} record={record} />}
        <Values type={type} record={record} labels={data.data.labels} />
      </section>
      {type.name === 'notice' && <Receipt notice={record} />}
      {type.name === 'person' && !record.deleted && <Household record={record} />}
      <section class="card">
        <h2>{t('related')}</h2>
        <Related record={record} />
      </section>
      <section class="card">
        <h2>{t('history')}</h2>
        <History type={type} id={record.id} rev={record.rev} />
      </section>
      {removing && !deletable(type, record.state) && <RemoveNot onClose={() => setRemoving(false)} />}
      {removing && deletable(type, record.state) && (
        <Remove
          record={record}
          onClose={() => setRemoving(false)}
          onDone={(deleted) => {
            setRemoving(false);
            toldDeleted(deleted);
            data.reload();
          }}
        />
      )}
    </>
  );
}

export function EditPage(props: { id: string }) {
  const { catalog, status } = useModel();
  const [first, setFirst] = useState<{ record: RecordRow; labels: Record<string, string> }>();
  const data = useRecord(props.id);
  if (!first && data.data) setFirst(data.data); // what the form showed stays what it showed
  const type = first ? typeOf(catalog, first.record.type) : undefined;
  if (!first || !type) return <Waiting error={data.error} reload={data.reload} />;
  const asked = hashQuery().get('to');
  const step = type.transitions.find((x) => x.from === first.record.state && x.to === asked && x.village)?.to;
  return (
    <>
      <h1>
        {step ? `${t('stepDo', stateText(catalog, type, step))} · ` : `${t('edit')}: `}
        {label(type)} {first.record.label}
      </h1>
      <RecordForm catalog={catalog} type={type} record={first.record} step={step} {...claimForm(type.name, isClaim(first.record))} labels={first.labels} today={today(status)} onSaved={(r, before) => (toldSaved(r, before, false), go(`/record/${r.id}`))} onCancel={() => go(`/record/${props.id}`)} />
    </>
  );
}

export function NewPage(props: { type: string }) {
  const { catalog, status } = useModel();
  const type = typeOf(catalog, props.type);
  const { session } = useModel();
  const given: Record<string, unknown> = {};
  // Most people live where they are registered: the own village, until somebody says otherwise.
  if (type?.fields.some((f) => f.name === 'household_village')) given['household_village'] = session.station;
  const claim = props.type === 'residency_event' && hashQuery().get(CLAIM) === '1';
  if (claim) Object.assign(given, { kind: 'transfer', to_village: session.station });
  const form = useMemo(() => claimForm(props.type, claim), [props.type, claim]);
  const ids: string[] = [];
  hashQuery().forEach((value, name) => {
    const field = type ? fieldOf(type, name) : undefined;
    if (!field) return;
    given[name] = field.items ? [value] : value;
    if (field.ref) ids.push(value);
  });
  const labels = useData(async () => {
    const names: Record<string, string> = {};
    for (const id of ids) names[id] = (await get<RecordRow>(`records/${id}`)).label;
    return names;
  }, [ids.join()]);
  if (!type) return <p>{t('notFound')}</p>;
  if (!labels.data || !status) return <Waiting error={labels.error} reload={labels.reload} />;
  return (
    <>
      <h1>
        {claim ? t('claim') : `${t('add')}: ${label(type)}`}
      </h1>
      {claim && <p>{t('claimHelp')}</p>}
      <RecordForm catalog={catalog} type={type} {...form} draft={claim ? CLAIM_DRAFT : undefined} labels={labels.data} given={given} today={today(status)} onSaved={(r) => (toldSaved(r, null, true), go(`/record/${r.id}`))} onCancel={() => go(`/list/${type.name}`)} />
    </>
  );
}
