// Many records chosen for one act: which, the act's buttons, and what it left alone with the reason.
import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { typeOf } from '@common/catalog';
import { Button, Note } from '@common/ui';
import { type Rows, useModel } from './model';
import { w } from './messages';
import { rowName, StationChoice } from './records';

interface Left {
  id: string;
  text: string;
  name?: string;
}
/** What a bulk act is asked for: which, and as what each was seen, so that what was changed since is left. */
export interface Chosen {
  ids: string[];
  revs: Record<string, string>;
}
export interface Bulk {
  chosen: Set<string>;
  busy: boolean;
  choose: (id: string, on: boolean) => void;
  clear: () => void;
  /** Does it to the chosen ones; the answer's left is shown by name. Afterwards none is chosen, unless it failed: that is shown, and given back. */
  perform: (act: (ids: Chosen) => Promise<{ left: Left[] }>) => Promise<Error | null>;
}
interface Inside extends Bulk {
  all: (ids: string[]) => void;
  left: Left[];
  error: string;
}

/** list: what is shown. One that is chosen stays so on another page of the list, and is known as it was shown. */
export function useBulk(list: Rows | undefined | null): Inside {
  const { catalog } = useModel();
  const known = useRef(new Map<string, { rev: string; name: string }>()).current;
  for (const r of list?.records ?? []) known.set(r.id, { rev: r.rev, name: rowName(typeOf(catalog, r.type), r, list?.labels ?? {}) });
  const [chosen, setChosen] = useState(new Set<string>());
  const [left, setLeft] = useState<Left[]>([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const choose = (id: string, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  const perform: Bulk['perform'] = async (act) => {
    setBusy(true);
    setError('');
    try {
      const ids = [...chosen];
      const names = new Map(ids.map((id) => [id, known.get(id)?.name ?? id])); // what a list says that is read meanwhile is another moment
      const revs = Object.fromEntries(ids.flatMap((id) => (known.has(id) ? [[id, known.get(id)!.rev]] : [])));
      const done = await act({ ids, revs });
      setLeft(done.left.map((l) => ({ ...l, name: names.get(l.id) ?? l.id })));
      setChosen(new Set());
      return null;
    } catch (why) {
      setError((why as Error).message);
      return why as Error;
    } finally {
      setBusy(false);
    }
  };
  return { chosen, busy, choose, clear: () => setChosen(new Set()), perform, all: (ids) => setChosen(new Set(ids)), left, error };
}

/** Above the list: the village, all of this page, and what is done to the chosen ones. */
export function BulkBar(props: { bulk: Inside; ids: string[]; station: string; onStation: (code: string) => void; children?: ComponentChildren }) {
  const { bulk, ids } = props;
  return (
    <>
      <div class="filters">
        <StationChoice
          value={props.station}
          onChange={(v) => {
            bulk.clear();
            props.onStation(v);
          }}
        />
        <label class="choice">
          <input type="checkbox" checked={ids.length > 0 && ids.every((id) => bulk.chosen.has(id))} onChange={(e) => bulk.all((e.target as HTMLInputElement).checked ? ids : [])} />
          {w('chooseAll')}
        </label>
        {props.children}
      </div>
      {bulk.error && <Note kind="bad">{bulk.error}</Note>}
      {bulk.left.length > 0 && (
        <Note kind="bad">
          <p>{w('leftAlone', bulk.left.length)}</p>
          <ul>
            {bulk.left.slice(0, 50).map((l) => (
              <li key={l.id}>
                <bdi>{l.name}</bdi>：{l.text}
              </li>
            ))}
          </ul>
        </Note>
      )}
    </>
  );
}

/** The act's button, with how many it is for. */
export function BulkButton(props: { bulk: Bulk; kind?: 'main'; text: string; onClick: () => void }) {
  return (
    <Button kind={props.kind} disabled={props.bulk.busy || props.bulk.chosen.size === 0} onClick={props.onClick}>
      {props.text}
    </Button>
  );
}
