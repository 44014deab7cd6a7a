// One record: its card, its form, what belongs to it, its history.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { codeText, deletable, fieldLabel, fieldOf, stateText, typeOf, valueText, type Field, type RecordType } from '@common/catalog';
import { offerForNobody, shownValue } from '@common/fields';
import { RecordForm } from '@common/form';
import { t, timeText } from '@common/i18n';
import { namesStaff, loadStaff } from '@common/staff';
import { Button, Dialog, Note, toast, useData, Waiting } from '@common/ui';
import { hashQuery } from '@common/route';
import { Mark, RecordTable } from './lists';
import { Conflicts } from './conflicts';
import { labelsOf } from './labels';
import { CLAIM, CLAIM_AT, CLAIM_DRAFT, claimForm, isClaim } from './claims';
import { PersonCard } from './person';
import { CameBack, holdsCovered, noteReveal, owns, Values, type Change, type Group } from './record-parts';
import { begun, enterable, kindName } from './menu';
import { go, maskId, today, useModel } from './model';
import { askPath, canAsk, RequestCard, RequestEdit, RequestPage } from './request';
import { askedOf, askedText, REQUEST } from '@common/request';
import { Receipt } from './notices';
import { Steps } from './steps';
import { toldDeleted, toldRestored, toldSaved } from './undo';

/** A name goes along to the form, a number does not: it may be of anything. */
const asName = (field: string, text: string): string => (/[0-9]/.test(text) ? '' : `${field}=${encodeURIComponent(text)}`);
offerForNobody([
  { text: 'newPerson', to: (text) => `#/new/person?${asName('name', text)}` },
  { text: 'claim', to: (text) => `#${CLAIM_AT}&${asName('claim_name', text)}` },
]);

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

function History(props: { type: RecordType; record: RecordRow; labels: Record<string, string> }) {
  const { id, rev } = props.record;
  const { catalog } = useModel();
  const history = useData(async () => {
    const told = await get<{ changes: Change[]; asked: boolean; fetched_at: string }>(`records/${id}/history`);
    return { ...told, labels: await labelsOf(told.changes.map((c) => c.fields), props.labels) };
  }, [id, rev]);
  const request = props.type.name === REQUEST ? askedOf(catalog, props.record.fields)?.field : undefined;
  const [asking, setAsking] = useState(false);
  // The hub is asked through the link; its answer is looked for here, for a while.
  const fetchAll = async () => {
    setAsking(true);
    try {
      await api('POST', `records/${id}/history`, {});
      for (let i = 0; i < 15; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const now = await get<{ asked: boolean }>(`records/${id}/history`);
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
    if (request && field.name === 'field') return fieldLabel(request);
    if (request && (field.name === 'old_value' || field.name === 'new_value')) {
      const said = askedText(catalog, request, value);
      return request.format === 'idno' || request.name === 'bank_account' ? maskId(said) : said;
    }
    if (field.name === 'state') return codeText(catalog, props.type.states, value);
    return shownValue(catalog, field, value) || valueText(catalog, field, value, history.data!.labels) || t('notFilled');
  };
  /** What its author saw there: set by the change that it names as its base, when this PC knows what that set; a creation set all that
   * the record had, and the state that a new one begins with. */
  const before = (at: number, name: string): { value: unknown } | null => {
    const base = changes[at]!.bases?.[name];
    const found = changes.find((c) => c.hlc === base && (c.op === 'create' || (c.fields && name in c.fields)));
    return found ? { value: found.fields?.[name] ?? (name === 'state' ? props.type.default_state : undefined) } : null;
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
      {props.record.origin === 'town' && <>{t('townEnteredOn', timeText(String(props.record.fields['created_at'] ?? '')))} </>}
      {changes.length === 0 && <>{t(props.record.origin === 'town' ? 'townEnteredMore' : 'historyNone')} </>}
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
  const own = (type: RecordType) => owns(type, props.record.type);
  const addable = catalog.types.filter((type) => enterable(type) && own(type));
  return (
    <>
      {addable.length > 0 && (
        <div class="quick">
          {addable.map((type) => (
            <a class="button plain" key={type.name} href={`#/new/${type.name}?${own(type)!.name}=${props.record.id}`}>
              + {kindName(type)}
            </a>
          ))}
        </div>
      )}
      {related.data.groups.map((g) => {
        const type = typeOf(catalog, g.type);
        return type ? (
          <section key={`${g.type}.${g.field}`}>
            <h3>
              {kindName(type)} <small>{t('total', g.total)}</small>
            </h3>
            <RecordTable type={type} page={{ records: g.records, labels: related.data!.labels, total: g.total }} />
            {g.total > g.records.length && <p class="quiet">{t('newestOf', g.records.length, g.total)}</p>}
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
        <input type="text" aria-label={t('reason')} value={reason} onInput={(e) => setReason((e.target as HTMLInputElement).value)} />
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
    return { record, labels: await labelsOf(record.fields) };
  }, [id, status?.cursor]);
}

export function RecordPage(props: { id: string }) {
  const { catalog, session, status } = useModel();
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
          <small>{kindName(type)}</small> {record.label} <Mark record={record} />
        </h1>
        <div class="actions">
          {editable && (
            <a class="button main" href={`#/edit/${record.id}`}>
              {t('edit')}
            </a>
          )}
          {canAsk(catalog, type, record) && (
            <a class="button plain" href={`#${askPath(record)}`}>
              {t('askChange')}
            </a>
          )}
          {type.name === 'service_item' && !record.deleted && (
            <a class="button plain" href={`#/paper/${record.id}`}>
              {t('paperPrint')}
            </a>
          )}
          {(type.name === 'person' || type.name === 'notice') && !record.deleted && <Button onClick={() => window.print()}>{t('print')}</Button>}
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
      <p class="quiet print-only">
        {session.station_name} · {today(status)}
      </p>
      <Conflicts type={type} record={record} reload={data.reload} />
      <CameBack record={record} />
      {record.state === 'transferring' && <Note kind="info">{t('moving')}</Note>}
      {isClaim(record) && record.state === 'submitted' && !record.deleted && <Note kind="info">{t('claimWaits')}</Note>}
      {type.name === 'person' && !record.deleted && (
        <section class="card no-print">
          <Steps type={type} record={record} />
        </section>
      )}
      {type.name === 'person' && <PersonCard record={record} labels={data.data.labels} />}
      {type.name !== 'person' && <section class="card">
        {!record.deleted && type.name !== 'notice' && <Steps type={type} record={record} />}
        {type.name === REQUEST ? <RequestCard record={record} labels={data.data.labels} /> : <Values type={type} record={record} labels={data.data.labels} />}
      </section>}
      {type.name === 'notice' && <Receipt notice={record} />}
      {type.name !== 'person' && (
        <section class="card">
          <h2>{t('related')}</h2>
          <Related record={record} />
        </section>
      )}
      <section class="card no-print">
        <h2>{t('history')}</h2>
        <History type={type} record={record} labels={data.data.labels} />
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
  const { catalog, status, session } = useModel();
  const [first, setFirst] = useState<{ record: RecordRow; labels: Record<string, string> }>();
  const data = useRecord(props.id);
  if (!first && data.data) setFirst(data.data); // what the form showed stays what it showed
  // The form shows whole numbers. It is not held up by the note, as a reader is: what is typed must never depend on it.
  useEffect(() => {
    const covers = first && typeOf(catalog, first.record.type);
    if (covers && holdsCovered(covers, first.record)) noteReveal(first.record.id).catch((e: Error) => toast(e.message));
  }, [first?.record.id]);
  const type = first ? typeOf(catalog, first.record.type) : undefined;
  if (!first || !type) return <Waiting error={data.error} reload={data.reload} />;
  if (type.name === REQUEST) return <RequestEdit record={first.record} />;
  const asked = hashQuery().get('to');
  const step = type.transitions.find((x) => x.from === first.record.state && x.to === asked && x.village)?.to;
  return (
    <>
      <h1>
        {step ? `${t('stepDo', stateText(catalog, type, step))} · ` : `${t('edit')}: `}
        {kindName(type)} {first.record.label}
      </h1>
      <CameBack record={first.record} />
      <RecordForm catalog={catalog} type={type} record={first.record} step={step} {...claimForm(type.name, isClaim(first.record), session.station)} labels={first.labels} today={today(status)} onSaved={(r, before) => (toldSaved(r, before, false), go(`/record/${r.id}`))} onCancel={() => go(`/record/${props.id}`)} />
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
  const form = useMemo(() => claimForm(props.type, claim, session.station), [props.type, claim]);
  const ids: string[] = [];
  const asked = new URLSearchParams();
  const searched: Record<string, string> = {};
  hashQuery().forEach((value, name) => {
    const field = type ? fieldOf(type, name) : undefined;
    if (!field) return;
    given[name] = field.items ? [value] : value;
    if (field.type === 'text') searched[name] = value;
    if (field.ref || field.type === 'ref') ids.push(value.split(':').pop()!);
    if (field.ref || field.type === 'ref') asked.append(name, value);
  });
  // What was asked for another person is another draft. Its key is the address behind #/new/, 80 characters at most.
  const key = `new-${props.type}${ids.length === 1 ? `?${decodeURIComponent(asked.toString())}` : ''}`;
  const labels = useData(async () => {
    const names: Record<string, string> = {};
    if (type?.fields.some(namesStaff)) await loadStaff();
    for (const id of ids) names[id] = (await get<RecordRow>(`records/${id}`)).label;
    return names;
  }, [ids.join()]);
  if (!type) return <p>{t('notFound')}</p>;
  if (!type.kept) return <Note kind="info">{t('townKeeps')}</Note>; // an address typed by hand, or a bookmark
  if (!begun(type)) return <Note kind="info">{t('townBegins')}</Note>;
  if (type.name === REQUEST) return <RequestPage />;
  if (!labels.data || !status) return <Waiting error={labels.error} reload={labels.reload} />;
  return (
    <>
      <h1>
        {claim ? t('claim') : `${t('add')}: ${kindName(type)}`}
      </h1>
      {claim && <p>{t('claimHelp')}</p>}
      <RecordForm catalog={catalog} type={type} {...form} draft={claim ? CLAIM_DRAFT : key} place={Number(hashQuery().get('draft')) || 1} labels={labels.data} given={given} searched={searched} today={today(status)} onSaved={(r) => (toldSaved(r, null, true), go(`/record/${r.id}`))} onCancel={() => go(`/list/${type.name}`)} />
    </>
  );
}
