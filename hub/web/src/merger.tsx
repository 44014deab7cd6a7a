// Villages merged (撤并): one village is recorded as part of another. Numbers first, then the village's own name typed by hand: there
// is no way back.
import { useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { typeOf } from '@common/catalog';
import { label, lang, t, timeText } from '@common/i18n';
import { Button, Dialog, Note, toast } from '@common/ui';
import { w } from './messages';
import { isVillage, query, type Station, today, useModel } from './model';

interface Preview {
  into_name: string;
  moves: { type: string; zh: string; en: string; n: number }[];
  posts: number;
  renumbered: number;
  stays: number;
  kept: { type: string; id: string; household_no: string; taken: boolean }[];
  kept_n: number;
  left: { type: string; id: string; text: string; text_en: string }[];
  left_n: number;
  waits: { pcs: number; pending: number; last_contact: string | null; held: number; returned: number };
}

function Numbers(props: { station: Station; found: Preview }) {
  const { found, station } = props;
  const { catalog } = useModel();
  const { waits } = found;
  return (
    <>
      <h3>{w('mergeMoves', found.into_name)}</h3>
      {found.moves.length === 0 ? (
        <p>{w('mergeNothing')}</p>
      ) : (
        <dl class="small-figures">
          {found.moves.map((m) => (
            <div key={m.type}>
              <dt>{label(m)}</dt>
              <dd>{m.n}</dd>
            </div>
          ))}
        </dl>
      )}
      <ul>
        <li>{w('mergeStays', station.name, found.stays)}</li>
        {found.posts > 0 && <li>{w('mergePosts', found.posts)}</li>}
        {found.renumbered > 0 && <li>{w('mergeHouseholds', station.code.slice(9), found.renumbered)}</li>}
        <li>{waits.pcs > 0 ? w('mergeWaits', waits.pcs, waits.last_contact ? timeText(waits.last_contact) : '—', waits.pending) : w('mergeWaitsNone')}</li>
      </ul>
      {found.left_n > 0 && (
        <Note kind="bad">
          {w('mergeLeft', found.left_n)}
          <ul>
            {found.left.map((r) => (
              <li key={r.id}>
                <a href={`#/record/${r.id}`}>{label(typeOf(catalog, r.type), r.type)}</a> {lang() === 'zh' ? r.text : r.text_en}
              </li>
            ))}
          </ul>
        </Note>
      )}
      {found.kept_n > 0 && (
        <Note kind="info">
          {w('mergeKept', station.code.slice(9), found.kept_n)}
          <ul>
            {found.kept.map((r) => (
              <li key={r.id}>
                <a href={`#/record/${r.id}`}>{r.household_no}</a> {label(typeOf(catalog, r.type), r.type)} {r.taken && <b>{w('mergeTaken', found.into_name)}</b>}
              </li>
            ))}
          </ul>
        </Note>
      )}
      {(waits.returned > 0 || waits.held > 0) && <Note kind="info">{w('mergeReturned', waits.returned, waits.held)}</Note>}
    </>
  );
}

export function MergerForm(props: { station: Station; all: Station[]; onClose: () => void; done: () => void }) {
  const { station } = props;
  const [into, setInto] = useState('');
  const [on, setOn] = useState(today());
  const [reason, setReason] = useState('');
  const [found, setFound] = useState<Preview>();
  const [typed, setTyped] = useState('');
  const [error, setError] = useState('');
  const change = (set: (v: string) => void) => (e: Event) => {
    set((e.target as HTMLInputElement).value);
    setFound(undefined); // what was shown was for another question
  };
  const look = () => {
    setError('');
    get<Preview>(`stations/${station.code}/merger?${query({ into, on })}`).then(setFound, (e: Error) => setError(e.message));
  };
  const merge = () => {
    setError('');
    api('POST', `stations/${station.code}/merger`, { into, on, reason }).then(
      () => {
        toast(w('mergeDone'));
        props.onClose();
        props.done();
      },
      (e: Error) => setError(e.message),
    );
  };
  return (
    <Dialog title={w('mergeTitle', station.name)} onClose={props.onClose}>
      <p>{w('mergeText', station.name)}</p>
      <div class="field">
        <label for="into">{w('mergeIntoVillage')}</label>
        <select id="into" value={into} onChange={change(setInto)}>
          <option value="" />
          {props.all
            .filter((s) => isVillage(s) && !s.merged && s.code !== station.code)
            .map((s) => (
              <option key={s.code} value={s.code}>
                {s.name}
              </option>
            ))}
        </select>
      </div>
      <div class="field">
        <label for="on">{w('mergeOn', station.name)}</label>
        <input id="on" type="date" value={on} max={today()} onInput={change(setOn)} />
      </div>
      <div class="field">
        <label for="reason">{w('mergeReason')}</label>
        <input id="reason" type="text" maxLength={200} value={reason} onInput={(e) => setReason((e.target as HTMLInputElement).value)} />
      </div>
      {found && <Numbers station={station} found={found} />}
      {found && (
        <>
          <Note kind="bad">{w('mergeNoWay')}</Note>
          <div class="field">
            <label for="typed">{w('mergeType', station.name)}</label>
            <input id="typed" type="text" autocomplete="off" value={typed} onInput={(e) => setTyped((e.target as HTMLInputElement).value)} />
          </div>
        </>
      )}
      {error && <Note kind="bad">{error}</Note>}
      <div class="actions">
        {found ? (
          <Button kind="danger" disabled={found.left_n > 0 || !reason.trim() || typed.trim() !== station.name} onClick={merge}>
            {w('mergeDo')}
          </Button>
        ) : (
          <Button kind="main" disabled={!into || !on} onClick={look}>
            {w('mergeLook')}
          </Button>
        )}
        <Button onClick={props.onClose}>{t('cancel')}</Button>
      </div>
    </Dialog>
  );
}
