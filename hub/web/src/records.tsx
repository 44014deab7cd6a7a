// Registers: lists of every type with filters; one record with its history, what is covered shown for a reason.
import { useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, stateText, typeOf, valueText } from '@common/catalog';
import { label, t, timeText } from '@common/i18n';
import { Button, Dialog, Note, toast, useData, Waiting } from '@common/ui';
import { hashQuery } from '@common/route';
import { go, isStaff, query, type Rows, useModel } from './model';
import { w } from './messages';
import { Choice } from './overview';
import { ExportButton } from './export';
import { PAGE, Pager } from './figure';
import { Steps } from './enter';
import { Receipts } from './receipts';

export function RecordTable(props: { type: string; rows: RecordRow[]; labels: Record<string, string>; chosen?: Set<string>; onChoose?: (id: string, on: boolean) => void }) {
  const { catalog, stations } = useModel();
  const type = typeOf(catalog, props.type);
  if (!type || props.rows.length === 0) return <p class="quiet">{w('nothing')}</p>;
  const columns = type.list_columns.map((name) => fieldOf(type, name)).filter((f) => f && f.name !== 'village_code' && f.name !== 'state');
  return (
    <div class="scroll" tabIndex={0}>
      <table class="records">
        <thead>
          <tr>
            {props.onChoose && <td />}
            <th scope="col">{w('stations')}</th>
            {columns.map((f) => (
              <th scope="col" key={f!.name}>
                {fieldLabel(f)}
              </th>
            ))}
            <th scope="col">{w('state')}</th>
          </tr>
        </thead>
        <tbody>
          {props.rows.map((r) => (
            <tr key={r.id} onClick={() => go(`/record/${r.id}`)}>
              {props.onChoose && (
                <td onClick={(e) => e.stopPropagation()}>
                  <input type="checkbox" aria-label={r.label} checked={props.chosen?.has(r.id)} onChange={(e) => props.onChoose?.(r.id, (e.target as HTMLInputElement).checked)} />
                </td>
              )}
              <td>{stations.find((s) => s.code === r.village_code)?.name ?? r.village_code ?? ''}</td>
              {columns.map((f, i) => (
                <td key={f!.name}>{i === 0 ? <a href={`#/record/${r.id}`}>{valueText(catalog, f!, r.fields[f!.name], props.labels) || r.label}</a> : valueText(catalog, f!, r.fields[f!.name], props.labels)}</td>
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

interface View {
  name: string;
  to: string;
}

/** Filters that somebody keeps, in this browser, for themselves. */
function Views(props: { here: string }) {
  const { session } = useModel();
  const place = `views.${session.user}`;
  const [views, setViews] = useState<View[]>(() => JSON.parse(localStorage.getItem(place) ?? '[]') as View[]);
  const [asking, setAsking] = useState(false);
  const put = (next: View[]) => {
    localStorage.setItem(place, JSON.stringify(next.slice(0, 30)));
    setViews(next);
  };
  return (
    <p class="no-print">
      {views.length > 0 && <span class="quiet">{w('views')}：</span>}
      {views.map((v) => (
        <span class="picked" key={v.name}>
          <a href={`#${v.to}`}>{v.name}</a>
          <button type="button" aria-label={`${w('dropView')} ${v.name}`} onClick={() => put(views.filter((x) => x !== v))}>
            ×
          </button>
        </span>
      ))}
      <Button onClick={() => setAsking(true)}>{w('keepView')}</Button>
      {asking && <Ask title={w('keepView')} text={w('viewName')} go={w('keepView')} onClose={() => setAsking(false)} onDone={async (name) => put([...views.filter((v) => v.name !== name), { name, to: props.here }])} />}
    </p>
  );
}

export function RegistersPage(props: { type: string }) {
  const { catalog } = useModel();
  const asked = hashQuery();
  const type = typeOf(catalog, props.type) ?? typeOf(catalog, 'person')!;
  const [station, setStation] = useState(asked.get('station') ?? '');
  const [state, setState] = useState(asked.get('state') ?? '');
  const [typed, setTyped] = useState(asked.get('q') ?? '');
  const [q, setQ] = useState(asked.get('q') ?? '');
  const month = asked.get('month') ?? '';
  const [offset, setOffset] = useState(0);
  const list = useData(() => get<Rows>(`types/${type.name}/records?${query({ station, 'f.state': state, month, q, limit: PAGE, offset })}`), [type.name, station, state, month, q, offset]);
  const move = (set: (v: string) => void) => (v: string) => {
    set(v);
    setOffset(0);
  };
  return (
    <>
      <div class="head">
        <h1>{label(type)}</h1>
        {type.transitions.some((x) => x.from === null && x.town) && type.name !== 'report_snapshot' && (
          <a class="button main" href={`#/enter/${type.name}${station ? `?station=${station}` : ''}`}>
            {w('enter')}
          </a>
        )}
      </div>
      <form
        class="filters"
        onSubmit={(e) => {
          e.preventDefault();
          move(setQ)(typed);
        }}
      >
        <Choice text={w('registers')} name="type" value={type.name} options={catalog.types.map((x): [string, string] => [x.name, label(x)])} onChange={(name) => go(`/list/${name}`)} />
        <StationChoice value={station} onChange={move(setStation)} />
        <Choice text={w('state')} name="state" value={state} options={[['', w('allStates')], ...(catalog.lists[type.states] ?? []).map((c): [string, string] => [c.code, label(c)])]} onChange={move(setState)} />
        <label class="pick">
          <span>{w('find')}</span>
          <input type="search" value={typed} onInput={(e) => setTyped((e.target as HTMLInputElement).value)} />
        </label>
        <Button type="submit">{w('find')}</Button>
      </form>
      <Views here={`/list/${type.name}?${query({ station, state, month, q })}`} />
      {!list.data ? (
        <Waiting error={list.error} reload={list.reload} />
      ) : (
        <>
          <p class="quiet">
            {month && <span class="tag">{month}</span>} {w('items', list.data.total)} <ExportButton type={type.name} name={label(type)} query={`types/${type.name}/records?${query({ station, 'f.state': state, month, q })}`} />
          </p>
          <RecordTable type={type.name} rows={list.data.records} labels={list.data.labels ?? {}} />
          <Pager total={list.data.total} offset={offset} onMove={setOffset} />
        </>
      )}
    </>
  );
}

/** Asks for one line of text. */
export function Ask(props: { title: string; text: string; go: string; onDone: (text: string) => Promise<void>; onClose: () => void }) {
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const submit = async (e: Event) => {
    e.preventDefault();
    try {
      await props.onDone(text.trim());
      props.onClose();
    } catch (why) {
      setError((why as Error).message);
    }
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form onSubmit={submit}>
        <label for="ask">{props.text}</label>
        <textarea id="ask" rows={3} maxLength={200} value={text} onInput={(e) => setText((e.target as HTMLTextAreaElement).value)} />
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={text.trim().length < 2}>
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
}

function History(props: { id: string; type: string }) {
  const { catalog, stations } = useModel();
  const past = useData(() => get<{ changes: Change[] }>(`records/${props.id}/history`), [props.id]);
  const type = typeOf(catalog, props.type);
  if (!past.data || !type) return <Waiting error={past.error} reload={past.reload} />;
  return (
    <ol class="history" reversed>
      {[...past.data.changes].reverse().map((c) => (
        <li key={c.position}>
          <b>{timeText(c.at)}</b> <bdi>{stations.find((s) => s.code === c.station)?.name ?? ''}</bdi> <bdi>{c.user}</bdi>{' '}
          {c.verdict !== 'applied' && <span class="tag wait">{c.text || c.verdict}</span>}
          <div>
            {Object.entries(c.fields ?? {}).map(([name, value]) => {
              const field = fieldOf(type, name);
              return (
                <div key={name}>
                  {field ? fieldLabel(field) : name}：{field ? (name === 'state' ? stateText(catalog, type, String(value)) : valueText(catalog, field, value)) : String(value)}
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
  const found = useData(() => get<RecordRow & { masked?: boolean; labels: Record<string, string> }>(`records/${props.id}`), [props.id]);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const r = full ?? found.data;
  const type = typeOf(catalog, r.type);
  if (!type) return null;
  const staff = isStaff(session);
  return (
    <>
      <div class="head">
        <h1>
          <bdi>{r.label}</bdi> <small>{label(type)}</small>
        </h1>
        <div>
          {staff && found.data.masked && !full && <Button onClick={() => setAsking('reveal')}>{w('reveal')}</Button>}
          {staff && !r.deleted && <Steps record={r} type={type} done={found.reload} />}
          {staff && !r.deleted && r.type !== 'report_snapshot' && (
            <a class="button plain" href={`#/change/${r.id}`}>
              {w('change')}
            </a>
          )}
          {staff && !r.deleted && <Button onClick={() => setAsking('remove')}>{w('remove')}</Button>}
          {staff && r.deleted && (
            <Button
              onClick={() =>
                api('PATCH', `records/${r.id}`, { undelete: true }).then(
                  () => {
                    toast(w('broughtBack'));
                    found.reload();
                  },
                  (e: Error) => toast(e.message),
                )
              }
            >
              {w('bringBack')}
            </Button>
          )}
          {staff && type.transitions.some((x) => x.from === r.state && x.to === 'returned' && x.town) && <Button onClick={() => setAsking('return')}>{w('sendBack')}</Button>}
          <Button onClick={() => window.print()}>{w('print')}</Button>
        </div>
      </div>
      <p>
        <span class="tag">{stateText(catalog, type, r.state)}</span> {stations.find((s) => s.code === r.village_code)?.name ?? ''}
      </p>
      {r.invalid && <Note kind="bad">{r.invalid.zh}</Note>}
      {found.data.masked && !full && staff && <Note kind="info">{w('masked')}</Note>}
      <section class="card">
        <dl class="values">
          {type.fields
            .filter((f) => !f.common && f.type !== 'hex' && f.name in r.fields && valueText(catalog, f, r.fields[f.name], r.labels) !== '')
            .map((f) => (
              <div key={f.name}>
                <dt>{fieldLabel(f)}</dt>
                <dd>{valueText(catalog, f, r.fields[f.name], r.labels)}</dd>
              </div>
            ))}
        </dl>
      </section>
      {staff && r.type === 'notice' && !r.deleted && <Receipts notice={r} />}
      {staff && (
        <section class="card no-print">
          <h2>{w('history')}</h2>
          <History id={props.id} type={r.type} />
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
            await api('PATCH', `records/${props.id}`, { delete_reason });
            toast(w('removed'));
            found.reload();
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
            await api('POST', `records/${props.id}/return`, { note });
            toast(w('sentBack'));
            found.reload();
          }}
        />
      )}
    </>
  );
}
