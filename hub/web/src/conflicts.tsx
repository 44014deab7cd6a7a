// What was changed on both sides: the values beside each other, and whose the record has. One that is settled stays on the record's page:
// who chose what and when, and another choice.
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, typeOf, valueText } from '@common/catalog';
import { label, timeText } from '@common/i18n';
import { Button, toast, useData } from '@common/ui';
import { useModel } from './model';
import { w } from './messages';

export interface Sibling {
  n: number;
  value: Record<string, unknown>;
  changed?: Record<string, unknown>; // over a deletion, of the side that keeps the record
  user: string;
  station: string;
  at: string;
  stands: boolean;
}
interface Settled {
  id: string;
  type: string;
  group: string;
  open: boolean;
  siblings?: Sibling[];
  settled?: { user: string; station: string; at: string };
}

/** Over a deletion: what this side means; else nothing. */
function meaning(s: Sibling): string {
  if (s.changed) return w(Object.keys(s.changed).length > 0 ? 'sideKeepsChanged' : 'sideKeeps');
  return s.value['deleted_at'] ? w('sideDeletes') : '';
}

/** The sides; button: what is to be done with one, or nothing. */
function Sides(props: { type: string; siblings: Sibling[]; button: (s: Sibling) => preact.ComponentChildren }) {
  const { catalog, stations } = useModel();
  const type = typeOf(catalog, props.type);
  return (
    <div class="sides">
      {props.siblings.map((s) => (
        <div class={s.stands ? 'side on' : 'side'} key={s.n}>
          {s.stands && <span class="tag good">{w('stands')}</span>}
          {meaning(s) && <p><b>{meaning(s)}</b></p>}
          <dl class="values">
            {Object.entries(s.changed ?? s.value).map(([name, value]) => {
              const field = type && fieldOf(type, name);
              if (name === 'deleted_at') return null; // it stands below, with who did it
              return (
                <div key={name}>
                  <dt>{field ? fieldLabel(field) : name}</dt>
                  <dd>{(field ? valueText(catalog, field, value) : String(value)) || '—'}</dd>
                </div>
              );
            })}
          </dl>
          <p class="quiet">
            {stations.find((x) => x.code === s.station)?.name ?? ''} {s.user} {s.at && timeText(s.at)}
          </p>
          {props.button(s)}
        </div>
      ))}
    </div>
  );
}

export function Conflict(props: { row: { id: string; record?: string; rev?: string; type: string; label?: string; siblings?: Sibling[] }; done: () => void }) {
  const { catalog } = useModel();
  const type = typeOf(catalog, props.row.type);
  const keep = (n: number) =>
    api('POST', `review/conflicts/${encodeURIComponent(props.row.id)}/resolve`, { keep: n, record: props.row.record, rev: props.row.rev }).then(
      () => {
        toast(w('kept'));
        props.done();
      },
      (e: Error) => toast(e.message),
    );
  return (
    <section class="card">
      <h2>
        <a href={`#/record/${props.row.record}`}>{props.row.label ?? label(type)}</a> <small class="quiet">{label(type)}</small>
      </h2>
      <Sides
        type={props.row.type}
        siblings={props.row.siblings ?? []}
        button={(s) => (
          <Button kind={s.stands ? 'main' : 'plain'} onClick={() => keep(s.n)}>
            {w('keepThis')}
          </Button>
        )}
      />
    </section>
  );
}

/** On a record's page: its conflicts that are settled. A state goes its own steps, and is not chosen anew. */
export function SettledConflicts(props: { record: RecordRow; done: () => void }) {
  const { stations, refresh } = useModel();
  const r = props.record;
  const found = useData(() => get<{ rows: Settled[] }>(`review/conflicts?record=${r.id}`), [r.id, r.rev]);
  const rows = found.data?.rows.filter((c) => !c.open && c.settled) ?? [];
  if (rows.length === 0) return null;
  const fixed = (c: Settled) => r.state === 'locked' || r.deleted || c.group === 'state' || c.group === 'deleted';
  const again = (c: Settled, n: number) =>
    window.confirm(w('chooseAgainSure')) &&
    api('POST', `review/conflicts/${encodeURIComponent(c.id)}/resolve`, { keep: n, record: r.id, rev: r.rev, again: true }).then(
      () => {
        toast(w('choseAgain'));
        props.done();
        refresh();
      },
      (e: Error) => {
        toast(e.message);
        props.done();
      },
    );
  return (
    <section class="card no-print">
      <h2>{w('settledConflicts')}</h2>
      {rows.map((c) => (
        <div key={c.id}>
          <p>{w('settledBy', stations.find((x) => x.code === c.settled!.station)?.name ?? '', c.settled!.user || w('rCommand'), timeText(c.settled!.at))}</p>
          {!c.siblings?.some((s) => s.stands) && <p class="quiet">{w('settledSince')}</p>}
          <Sides type={c.type} siblings={c.siblings ?? []} button={(s) => !s.stands && !fixed(c) && <Button onClick={() => again(c, s.n)}>{w('chooseAgain')}</Button>} />
        </div>
      ))}
    </section>
  );
}
