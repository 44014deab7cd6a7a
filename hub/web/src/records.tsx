// One record with its history, what is covered shown for a reason; and a table of records.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { api, get, issueText, type RecordRow } from '@common/api';
import { type Field, fieldLabel, fieldOf, type RecordType, stateText, typeOf, valueText } from '@common/catalog';
import { label, t, timeText } from '@common/i18n';
import { Button, Dialog, Note, toast, useData, Waiting } from '@common/ui';
import { askedText, REQUEST } from '@common/request';
import { loadStaff, namesStaff } from '@common/staff';
import { go, isStaff, ofRegistry, useModel } from './model';
import { w } from './messages';
import { Choice } from './overview';
import { print } from './export';
import { Steps } from './enter';
import { SettledConflicts } from './conflicts';
import { Merged } from './merged';
import { Receipts } from './receipts';
import { Decide, RequestValues, type RequestRow } from './requests';

/** The columns of a type's lists, on the screen and on paper; the village and the state have their own. */
export const listColumns = (type: RecordType): Field[] => type.list_columns.map((name) => fieldOf(type, name)).filter((f): f is Field => !!f && f.name !== 'village_code' && f.name !== 'state');

/** One row of a list in one line, with whose it is: the label of a card or a case does not say it. */
export function rowName(type: RecordType | undefined, r: RecordRow, labels: Record<string, string>): string {
  const of = type?.fields.filter((f) => f.ref && f.type === 'uuid' && !f.common).map((f) => labels[String(r.fields[f.name])]) ?? [];
  return [...of.filter((one) => one && !r.label.includes(one)), r.label].filter(Boolean).join(' · ') || r.id;
}

function ListHead(props: { columns: Field[]; children?: ComponentChildren }) {
  return (
    <thead>
      <tr>
        {props.children}
        <th scope="col">{w('stations')}</th>
        {props.columns.map((f) => (
          <th scope="col" key={f.name}>
            {fieldLabel(f)}
          </th>
        ))}
        <th scope="col">{w('state')}</th>
      </tr>
    </thead>
  );
}

export function RecordTable(props: { type: string; rows: RecordRow[]; labels: Record<string, string>; chosen?: Set<string>; onChoose?: (id: string, on: boolean) => void }) {
  const { catalog, stations } = useModel();
  const type = typeOf(catalog, props.type);
  if (!type || props.rows.length === 0) return <p class="quiet">{w(props.onChoose ? 'nothing' : 'noRecords')}</p>;
  const columns = listColumns(type);
  /** What a village asks for is said in the words of the field that it is about. */
  const cell = (f: Field, r: RequestRow): string => {
    const about = r.request && typeOf(catalog, r.request.type);
    const asked = about && fieldOf(about, r.request!.field);
    if (asked && f.name === 'target') return r.request!.label;
    if (asked && f.name === 'field') return fieldLabel(asked);
    if (asked && (f.name === 'old_value' || f.name === 'new_value')) return askedText(catalog, asked, f.name === 'old_value' ? r.request!.old : r.request!.new);
    return valueText(catalog, f, r.fields[f.name], props.labels);
  };
  return (
    <div class="scroll" tabIndex={0}>
      <table class="records">
        <ListHead columns={columns}>{props.onChoose && <td />}</ListHead>
        <tbody>
          {props.rows.map((r) => (
            <tr key={r.id} onClick={() => go(`/record/${r.id}`)}>
              {props.onChoose && (
                <td onClick={(e) => e.stopPropagation()}>
                  <input type="checkbox" aria-label={rowName(type, r, props.labels)} checked={props.chosen?.has(r.id)} onChange={(e) => props.onChoose?.(r.id, (e.target as HTMLInputElement).checked)} />
                </td>
              )}
              <td>{stations.find((s) => s.code === r.village_code)?.name ?? r.village_code ?? ''}</td>
              {columns.map((f, i) => (
                <td key={f.name}>{i === 0 ? <a href={`#/record/${r.id}`}>{cell(f, r) || r.label}</a> : cell(f, r)}</td>
              ))}
              <td>{r.invalid ? <span class="tag bad">{r.invalid.zh}</span> : stateText(catalog, type, r.state)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function StationChoice(props: { value: string; onChange: (code: string) => void }) {
  const { stations } = useModel();
  return <Choice text={w('stations')} name="station" value={props.value} options={[['', w('allStations')], ...stations.map((s): [string, string] => [s.code, s.name])]} onChange={props.onChange} />;
}

/** Asks for one line of text. */
export function Ask(props: { title: string; text: string; go: string; onDone: (text: string) => Promise<void>; onClose: () => void; children?: ComponentChildren }) {
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError('');
    try {
      await props.onDone(text.trim());
      props.onClose();
    } catch (why) {
      setError((why as Error).message);
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form onSubmit={submit}>
        {props.children}
        <label for="ask">{props.text}</label>
        <textarea id="ask" rows={3} maxLength={200} value={text} onInput={(e) => setText((e.target as HTMLTextAreaElement).value)} />
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={busy || text.trim().length < 2}>
            {props.go}
          </Button>
          <Button onClick={props.onClose}>{t('cancel')}</Button>
        </div>
      </form>
    </Dialog>
  );
}

interface Change {
  position: number;
  at: string;
  user: string;
  station: string;
  op: string;
  fields: Record<string, unknown>;
  verdict: string;
  text?: string;
  text_en?: string;
}

function History(props: { id: string; type: string; request?: RequestRow['request'] }) {
  const { catalog, stations } = useModel();
  const past = useData(() => get<{ changes: Change[] }>(`records/${props.id}/history`), [props.id]);
  const type = typeOf(catalog, props.type);
  const about = typeOf(catalog, props.request?.type ?? '');
  const words = (field: Field, value: unknown): string => {
    if (field.name === 'state') return stateText(catalog, type!, String(value));
    const asked = about && field.name === 'field' && fieldOf(about, String(value));
    return asked ? fieldLabel(asked) : valueText(catalog, field, value, props.request && { [props.request.id]: props.request.label });
  };
  if (!past.data || !type) return <Waiting error={past.error} reload={past.reload} />;
  return (
    <ol class="history" reversed>
      {[...past.data.changes].reverse().map((c) => (
        <li key={c.position}>
          <b>{timeText(c.at)}</b> <bdi>{stations.find((s) => s.code === c.station)?.name ?? ''}</bdi> <bdi>{c.user}</bdi>{' '}
          {c.verdict !== 'applied' && <span class="tag wait">{c.text ? issueText({ text: c.text, text_en: c.text_en }) : w('bothChanged')}</span>}
          <div>
            {Object.entries(c.fields ?? {}).map(([name, value]) => {
              const field = fieldOf(type, name);
              return (
                <div key={name}>
                  {field ? fieldLabel(field) : name}：{field ? words(field, value) : String(value)}
                </div>
              );
            })}
          </div>
        </li>
      ))}
    </ol>
  );
}

export function RecordPage(props: { id: string }) {
  const { catalog, session, stations } = useModel();
  const [full, setFull] = useState<(RecordRow & { labels: Record<string, string> }) | null>(null);
  const [asking, setAsking] = useState<'reveal' | 'return' | 'remove' | null>(null);
  const found = useData(async () => {
    const row = await get<RecordRow & { masked?: boolean; labels: Record<string, string> }>(`records/${props.id}`);
    if (isStaff(session) && typeOf(catalog, row.type)?.fields.some(namesStaff)) await loadStaff(row.village_code ?? '').catch(() => undefined);
    return row;
  }, [props.id]);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const r = full ?? found.data;
  const type = typeOf(catalog, r.type);
  if (!type) return null;
  // After an act what was shown in full is not what is there.
  const done = () => {
    setFull(null);
    found.reload();
  };
  const staff = isStaff(session);
  return (
    <>
      <div class="head">
        <h1>
          <bdi>{r.label}</bdi> <small>{label(type)}</small>
        </h1>
        <div>
          {staff && found.data.masked && !full && <Button onClick={() => setAsking('reveal')}>{w('reveal')}</Button>}
          {staff && !r.deleted && r.type !== REQUEST && <Steps record={r} type={type} done={done} />}
          {staff && !r.deleted && r.type !== 'report_snapshot' && r.type !== REQUEST && (
            <a class="button plain" href={`#/change/${r.id}`}>
              {w('change')}
            </a>
          )}
          {staff && !r.deleted && r.state === 'locked' && r.type !== 'report_snapshot' && (
            <a class="button plain" href={`#/enter/${r.type}?correction_of=${r.id}`}>
              {w('correct')}
            </a>
          )}
          {staff && !r.deleted && !ofRegistry(r.type) && <Button onClick={() => setAsking('remove')}>{w('remove')}</Button>}
          {staff && r.deleted && (
            <Button
              onClick={() =>
                api('PATCH', `records/${r.id}`, { undelete: true, rev: r.rev }).then(
                  () => {
                    toast(w('broughtBack'));
                    done();
                  },
                  (e: Error) => toast(e.message),
                )
              }
            >
              {w('bringBack')}
            </Button>
          )}
          {staff && r.type !== REQUEST && type.transitions.some((x) => x.from === r.state && x.to === 'returned' && x.town) && <Button onClick={() => setAsking('return')}>{w('sendBack')}</Button>}
          <Button onClick={() => print(r.id, full ? `${r.type} ${w('reveal')}` : r.type)}>{w('print')}</Button>
        </div>
      </div>
      <p>
        <span class="tag">{stateText(catalog, type, r.state)}</span> {stations.find((s) => s.code === r.village_code)?.name ?? ''}
      </p>
      {r.invalid && <Note kind="bad">{r.invalid.zh}</Note>}
      {!!r.fields.correction_of && (
        <Note kind="info">
          {w('isCorrection')} <a href={`#/record/${String(r.fields.correction_of)}`}>{w('theCorrected')}</a>
        </Note>
      )}
      {staff && <Merged key={r.id} record={r} type={type} done={done} />}
      {found.data.masked && !full && staff && <Note kind="info">{w('masked')}</Note>}
      <section class="card">
        {r.type === REQUEST && (
          <>
            <RequestValues row={r} />
            {staff && !r.deleted && <Decide row={r} done={done} />}
          </>
        )}
        {r.type !== REQUEST && (
          <dl class="values">
            {type.fields
              .filter((f) => (!f.common || f.name === 'close_note') && f.type !== 'hex' && f.name in r.fields && valueText(catalog, f, r.fields[f.name], r.labels) !== '')
              .map((f) => (
                <div key={f.name}>
                  <dt>{fieldLabel(f)}</dt>
                  <dd>{valueText(catalog, f, r.fields[f.name], r.labels)}</dd>
                </div>
              ))}
          </dl>
        )}
      </section>
      {staff && r.type === 'notice' && !r.deleted && <Receipts notice={r} />}
      {staff && <SettledConflicts record={found.data} done={done} />}
      {staff && (
        <section class="card no-print">
          <h2>{w('history')}</h2>
          <History id={props.id} type={r.type} request={(r as RequestRow).request} />
        </section>
      )}
      {asking === 'reveal' && (
        <Ask title={w('revealTitle')} text={w('revealReason')} go={w('reveal')} onClose={() => setAsking(null)} onDone={async (reason) => setFull(await api('POST', `records/${props.id}/reveal`, { reason }))} />
      )}
      {asking === 'remove' && (
        <Ask
          title={w('remove')}
          text={w('removeWhy')}
          go={w('remove')}
          onClose={() => setAsking(null)}
          onDone={async (delete_reason) => {
            await api('PATCH', `records/${props.id}`, { delete_reason, rev: r.rev });
            toast(w('removed'));
            done();
          }}
        />
      )}
      {asking === 'return' && (
        <Ask
          title={w('sendBackTitle')}
          text={w('sendBackNote')}
          go={w('sendBack')}
          onClose={() => setAsking(null)}
          onDone={async (note) => {
            await api('POST', `records/${props.id}/return`, { note, rev: r.rev });
            toast(w('sentBack'));
            done();
          }}
        />
      )}
    </>
  );
}
