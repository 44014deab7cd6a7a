// The yearly assessment of the villages' stations by the five haves (五有): all stations at once, results set for many in one go. What is
// shown is what stands; what was set here and is not saved yet is marked.
import { useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, typeOf } from '@common/catalog';
import { hashQuery } from '@common/route';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { give, print } from './export';
import { go, isVillage, query, type Rows, today, useModel } from './model';
import { w } from './messages';
import { Choice } from './overview';

const ITEMS = ['has_org', 'has_establishment', 'has_staff', 'has_budget', 'has_guarantee'] as const;
type Item = (typeof ITEMS)[number];
type Results = Partial<Record<Item, boolean>>;

const resultsOf = (record: RecordRow | undefined): Results =>
  Object.fromEntries(ITEMS.filter((i) => typeof record?.fields[i] === 'boolean').map((i) => [i, record?.fields[i] as boolean]));
const whole = (r: Results): boolean => ITEMS.every((i) => typeof r[i] === 'boolean');
const textOf = (value: boolean | undefined): string => (value === undefined ? w('fiveOpen') : w(value ? 'fiveYes' : 'fiveNo'));
const markOf = (value: boolean | undefined): string => (value === undefined ? '—' : `${value ? '✓' : '✕'} ${textOf(value)}`);
const NEXT = (value: boolean | undefined): boolean => !value; // open → has it → has it not → has it

export function AssessmentsPage() {
  const { catalog, stations } = useModel();
  const now = Number(today().slice(0, 4));
  const asked = hashQuery().get('year') ?? '';
  const year = /^\d{4}$/.test(asked) ? Number(asked) : now;
  const load = (of: number) => get<Rows>(`types/station_assessment/records?${query({ 'f.year': of, limit: 500 })}`);
  const found = useData(() => load(year), [year]);
  const [changed, setChanged] = useState<Record<string, Results>>({});
  const [on, setOn] = useState(today());
  const [chosen, setChosen] = useState<string[]>([]);
  const [only, setOnly] = useState<'all' | 'open' | 'lacks'>('all');
  const [failed, setFailed] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const type = typeOf(catalog, 'station_assessment');
  if (!found.data || !type) return <Waiting error={found.error} reload={found.reload} />;
  const records = found.data.records.filter((r) => !r.deleted && r.state !== 'returned');
  const recordOf = (code: string): RecordRow | undefined => records.find((r) => r.village_code === code);
  const villages = stations.filter((s) => isVillage(s, `${year}-01-01`));
  const standing = (code: string): Results => ({ ...resultsOf(recordOf(code)), ...changed[code] });
  const locked = (code: string): boolean => recordOf(code)?.state === 'locked';
  const shown = villages.filter((v) => (only === 'open' ? !whole(standing(v.code)) : only === 'lacks' ? ITEMS.some((i) => standing(v.code)[i] === false) : true));
  const picked = shown.filter((v) => chosen.includes(v.code) && !locked(v.code));
  const waiting = Object.keys(changed).filter((code) => !locked(code));
  const assessed = villages.filter((v) => whole(standing(v.code)));
  const full = assessed.filter((v) => ITEMS.every((i) => standing(v.code)[i]));

  const set = (codes: string[], results: Results) => {
    setFailed({});
    setChanged((before) => {
      const after = { ...before };
      for (const code of codes) {
        const stands = resultsOf(recordOf(code));
        const next = { ...after[code], ...results };
        for (const i of ITEMS) if (next[i] === stands[i]) delete next[i];
        if (Object.keys(next).length > 0) after[code] = next;
        else delete after[code];
      }
      return after;
    });
  };
  /** What stood in the year before, for villages that nobody has assessed yet. */
  const asBefore = async () => {
    const before = await load(year - 1);
    let n = 0;
    for (const v of villages.filter((x) => !recordOf(x.code) && !changed[x.code])) {
      const last = before.records.find((r) => r.village_code === v.code && !r.deleted && r.state !== 'returned');
      if (last) {
        set([v.code], resultsOf(last));
        n++;
      }
    }
    toast(n > 0 ? w('fiveTaken', n) : w('fiveNoneBefore', year - 1));
  };
  const save = async () => {
    const bad: Record<string, string> = {};
    setBusy(true);
    for (const code of waiting) {
      const record = recordOf(code);
      const results = standing(code);
      if (!whole(results)) {
        bad[code] = w('fiveAll');
        continue;
      }
      try {
        if (record) {
          const was = Object.fromEntries(Object.keys(changed[code] ?? {}).map((i) => [i, record.fields[i] ?? null]));
          await api('PATCH', `records/${record.id}`, { fields: { ...changed[code], assessed_on: on }, was });
        } else {
          await api('POST', 'types/station_assessment/records', { station: code, fields: { year, ...results, assessed_on: on } });
        }
      } catch (e) {
        bad[code] = (e as Error).message;
      }
    }
    const done = waiting.filter((code) => !bad[code]);
    setChanged((all) => Object.fromEntries(Object.entries(all).filter(([code]) => !done.includes(code))));
    setFailed(bad);
    setBusy(false);
    if (done.length > 0) toast(w('fiveSaved', done.length));
    found.reload();
  };
  const title = w('fiveTitle', year);
  const out = async () => {
    const { xlsx } = await import('@common/sheet');
    const rows = shown.map((v) => {
      const r = standing(v.code);
      return [v.name, v.office_name, ...ITEMS.map((i) => textOf(r[i])), !whole(r) ? '' : w(ITEMS.every((i) => r[i]) ? 'fiveYes5' : 'fiveNo5'), String(recordOf(v.code)?.fields['assessed_on'] ?? '')];
    });
    const file = xlsx([{ name: title.slice(0, 28), rows: [[w('stations'), w('stationOffice'), ...ITEMS.map((i) => fieldLabel(fieldOf(type, i)!)), w('fiveFull'), fieldLabel(fieldOf(type, 'assessed_on')!)], ...rows] }]);
    await give(file, `${title}.xlsx`, title, String(rows.length));
  };
  const pick = (code: string, is: boolean) => setChosen((all) => (is ? [...all, code] : all.filter((c) => c !== code)));
  return (
    <>
      <div class="head">
        <h1>{title}</h1>
        <div class="filters no-print">
          <Choice text={w('year')} name="year" value={String(year)} options={[0, 1, 2, 3, 4].map((n): [string, string] => [String(now - n), w('yearOf', now - n)])} onChange={(y) => (setChanged({}), setChosen([]), go(`/assessments?year=${y}`))} />
          <Choice
            text={w('fiveShow')}
            name="only"
            value={only}
            options={[
              ['all', w('allVillages')],
              ['open', w('fiveOnlyOpen')],
              ['lacks', w('fiveOnlyLacks')],
            ]}
            onChange={setOnly}
          />
          <Button disabled={waiting.length > 0} onClick={() => void out().catch((e: Error) => toast(e.message))}>
            {w('toExcel')}
          </Button>
          <Button disabled={waiting.length > 0} onClick={() => print(title, '')}>
            {w('print')}
          </Button>
        </div>
      </div>
      <div class="coverage">
        <p>
          <strong>{w('fiveLine', villages.length, assessed.length, full.length)}</strong>
        </p>
        <p class="quiet">{ITEMS.map((i) => `${fieldLabel(fieldOf(type, i)!)} ${villages.filter((v) => standing(v.code)[i]).length}`).join(' · ')}</p>
      </div>
      <div class="filters five-bulk no-print">
        <label class="choice">
          <input type="checkbox" checked={picked.length > 0 && picked.length === shown.filter((v) => !locked(v.code)).length} onChange={(e) => setChosen((e.target as HTMLInputElement).checked ? shown.map((v) => v.code) : [])} />
          <span>{w('fiveChooseAll')}</span>
        </label>
        <Button disabled={picked.length === 0} onClick={() => set(picked.map((v) => v.code), Object.fromEntries(ITEMS.map((i) => [i, true])))}>
          {w('fiveAllYes', picked.length)}
        </Button>
        {ITEMS.map((i) => (
          <span key={i} class="five-pair">
            {fieldLabel(fieldOf(type, i)!)}
            <Button disabled={picked.length === 0} aria-label={`${fieldLabel(fieldOf(type, i)!)}：${w('fiveYes')}`} onClick={() => set(picked.map((v) => v.code), { [i]: true })}>
              {w('fiveYes')}
            </Button>
            <Button disabled={picked.length === 0} aria-label={`${fieldLabel(fieldOf(type, i)!)}：${w('fiveNo')}`} onClick={() => set(picked.map((v) => v.code), { [i]: false })}>
              {w('fiveNo')}
            </Button>
          </span>
        ))}
        <Button onClick={() => void asBefore().catch((e: Error) => toast(e.message))}>{w('fiveAsBefore', year - 1)}</Button>
      </div>
      {Object.keys(failed).length > 0 && <Note kind="bad">{w('fiveFailed', Object.keys(failed).length)}</Note>}
      <div class="scroll" tabIndex={0}>
        <table class="five">
          <thead>
            <tr>
              <td class="no-print" />
              <th scope="col">{w('stations')}</th>
              {ITEMS.map((i) => (
                <th scope="col" key={i}>
                  {fieldLabel(fieldOf(type, i)!)}
                </th>
              ))}
              <th scope="col">{w('fiveFull')}</th>
              <th scope="col">{fieldLabel(fieldOf(type, 'assessed_on')!)}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((v) => {
              const r = standing(v.code);
              const record = recordOf(v.code);
              return (
                <tr key={v.code} class={changed[v.code] ? 'waits' : ''}>
                  <td class="no-print">
                    <input type="checkbox" aria-label={v.name} disabled={locked(v.code)} checked={chosen.includes(v.code)} onChange={(e) => pick(v.code, (e.target as HTMLInputElement).checked)} />
                  </td>
                  <th scope="row">
                    {record ? <a href={`#/record/${record.id}`}>{v.name}</a> : v.name}
                    {failed[v.code] && <div class="error">{failed[v.code]}</div>}
                  </th>
                  {ITEMS.map((i) => (
                    <td key={i}>
                      <button
                        type="button"
                        class={`button five-cell ${r[i] === undefined ? 'open' : r[i] ? 'yes' : 'no'} ${changed[v.code]?.[i] === undefined ? '' : 'new'}`}
                        disabled={locked(v.code)}
                        aria-label={`${v.name}，${fieldLabel(fieldOf(type, i)!)}：${textOf(r[i])}`}
                        onClick={() => set([v.code], { [i]: NEXT(r[i]) })}
                      >
                        {markOf(r[i])}
                      </button>
                      <span class="on-paper" aria-hidden="true">
                        {markOf(r[i])}
                      </span>
                    </td>
                  ))}
                  <td>{!whole(r) ? <span class="quiet">{w('fiveOpen')}</span> : <span class={`tag ${ITEMS.every((i) => r[i]) ? 'good' : 'bad'}`}>{w(ITEMS.every((i) => r[i]) ? 'fiveYes5' : 'fiveNo5')}</span>}</td>
                  <td>{locked(v.code) ? w('fiveLocked') : String(record?.fields['assessed_on'] ?? '')}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {waiting.length > 0 && (
        <div class="five-save no-print">
          <label class="pick">
            <span>{fieldLabel(fieldOf(type, 'assessed_on')!)}</span>
            <input type="date" name="assessed-on" value={on} max={today()} onInput={(e) => setOn((e.target as HTMLInputElement).value)} />
          </label>
          <Button kind="main" disabled={busy || !on} onClick={() => void save()}>
            {w('fiveSave', waiting.length)}
          </Button>
          <Button onClick={() => (setChanged({}), setFailed({}))}>{w('fiveDrop')}</Button>
        </div>
      )}
    </>
  );
}
