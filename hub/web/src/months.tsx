// Who has reported which month: records, a nil report, or neither; what is missing is reminded of in a notice.
import { useState } from 'preact/hooks';
import { get } from '@common/api';
import { label } from '@common/i18n';
import { Button, toast, useData, Waiting } from '@common/ui';
import { hashQuery } from '@common/route';
import { give } from './export';
import { go, query, today, useModel } from './model';
import { w, type Word } from './messages';
import { Choice } from './overview';
import { Remind } from './remind';

type Status = 'reported' | 'late' | 'nil' | 'nil_late' | 'missing' | 'open' | 'none';
interface Month {
  status: Status;
  rows: number;
  nil?: string;
}
interface Village {
  code: string;
  name: string;
  months: Month[];
}
interface Months {
  type: string;
  year: number;
  due_days: number;
  months: string[];
  villages: Village[];
}
const MARKS: Record<Status, [string, Word, string]> = {
  reported: ['✓', 'mReported', 'good'],
  late: ['✓', 'mLate', 'wait'],
  nil: ['○', 'mNil', 'good'],
  nil_late: ['○', 'mNilLate', 'wait'],
  missing: ['✕', 'mMissing', 'bad'],
  open: ['', 'mOpen', ''],
  none: ['—', 'mNone', ''],
};
const textOf = (m: Month): string => (m.status === 'reported' || m.status === 'late' ? w('mRows', w(MARKS[m.status][1]), m.rows) : w(MARKS[m.status][1]));

function Cell(props: { month: Month; at: string; type: string; village: Village }) {
  const m = props.month;
  const [mark, , kind] = MARKS[m.status];
  const text = (
    <>
      <span aria-hidden="true">{mark} </span>
      {textOf(m)}
    </>
  );
  const to = m.rows > 0 ? `#/list/${props.type}?${query({ station: props.village.code, month: props.at })}` : m.nil ? `#/record/${m.nil}` : '';
  return <td class={`month ${kind}`}>{to ? <a href={to}>{text}</a> : m.status === 'open' ? <span class="quiet">{text}</span> : m.status === 'none' ? <span class="quiet" title={textOf(m)}>—</span> : text}</td>;
}

function RemindOfMonth(props: { data: Months; typeLabel: string; onClose: () => void }) {
  const { data } = props;
  const missing = (i: number) => data.villages.filter((v) => v.months[i]?.status === 'missing');
  const months = data.months.map((name, i): [string, string] => [String(i), `${name}（${missing(i).length}）`]).filter(([i]) => missing(Number(i)).length > 0);
  const [at, setAt] = useState(months[0]?.[0] ?? '0');
  const words = (i: string): string => w('remindBody', data.months[Number(i)] ?? '', props.typeLabel, missing(Number(i)).map((v) => v.name).join('、'));
  const [body, setBody] = useState(words(at));
  return (
    <Remind title={w('remind')} to={missing(Number(at)).map((v) => v.code)} body={body} onBody={setBody} notice={() => ({ title: w('remindTitle', data.months[Number(at)] ?? '', props.typeLabel) })} onClose={props.onClose}>
      <p>
        <Choice
          text={w('month')}
          name="remind-month"
          value={at}
          options={months}
          onChange={(i) => {
            setAt(i);
            setBody(words(i));
          }}
        />
      </p>
    </Remind>
  );
}

export function MonthsPage() {
  const { catalog } = useModel();
  const asked = hashQuery();
  const types = catalog.types.filter((x) => x.reporting_date && x.transitions.some((s) => s.from === null && s.village) && x.transitions.some((s) => s.to === 'locked') && x.name !== 'nil_report');
  const type = types.find((x) => x.name === (asked.get('type') ?? 'visit')) ?? types[0];
  const now = Number(today().slice(0, 4));
  const year = /^\d{4}$/.test(asked.get('year') ?? '') ? Number(asked.get('year')) : now;
  const [reminding, setReminding] = useState(false);
  const found = useData(() => get<Months>(`months?${query({ type: type?.name, year })}`), [type?.name, year]);
  const to = (next: Record<string, string | number>) => go(`/months?${query({ type: type?.name, year, ...next })}`);
  // The newest month first: it is the one that is asked about.
  const data = found.data && { ...found.data, months: [...found.data.months].reverse(), villages: found.data.villages.map((v) => ({ ...v, months: [...v.months].reverse() })) };
  const due = data ? data.months.map((_, i) => data.villages.filter((v) => v.months[i]?.status !== 'open' && v.months[i]?.status !== 'none').length) : [];
  const last = data ? data.months.findIndex((_, i) => (due[i] ?? 0) > 0 && data.villages.every((v) => v.months[i]?.status !== 'open')) : -1;
  const missing = data && last >= 0 ? data.villages.filter((v) => v.months[last]?.status === 'missing') : [];
  const anyMissing = data?.villages.some((v) => v.months.some((m) => m.status === 'missing'));
  const out = async () => {
    if (!data || !type) return;
    const { xlsx } = await import('@common/sheet');
    const name = w('monthsFile', label(type), year);
    const file = xlsx([{ name: name.slice(0, 28), rows: [[w('stations'), ...data.months], ...data.villages.map((v) => [v.name, ...v.months.map(textOf)])] }]);
    await give(file, `${name}.xlsx`, name, String(data.villages.length));
  };
  return (
    <>
      <div class="head">
        <h1>{w('months')}</h1>
        <div class="filters">
          <Choice text={w('registers')} name="type" value={type?.name ?? ''} options={types.map((x): [string, string] => [x.name, label(x)])} onChange={(name) => to({ type: name })} />
          <Choice text={w('year')} name="year" value={String(year)} options={[0, 1, 2, 3, 4].map((n): [string, string] => [String(now - n), w('yearOf', now - n)])} onChange={(y) => to({ year: y })} />
          <Button onClick={() => out().catch((e: Error) => toast(e.message))}>{w('toExcel')}</Button>
          <Button kind="main" disabled={!anyMissing} onClick={() => setReminding(true)}>
            {w('remind')}
          </Button>
        </div>
      </div>
      {!data ? (
        <Waiting error={found.error} reload={found.reload} />
      ) : (
        <>
          <div class="coverage">
            <p>
              <strong>{last >= 0 ? w('monthsLine', data.months[last] ?? '', (due[last] ?? 0) - missing.length, due[last] ?? 0) : w('monthsNone')}</strong>
            </p>
            {missing.length > 0 && <p class="quiet">{w('monthsMissing', missing.slice(0, 10).map((v) => v.name).join('、'), missing.length)}</p>}
            <p class="quiet">{w('monthsText', data.due_days)}</p>
          </div>
          <div class="scroll" tabIndex={0}>
            <table class="months">
              <thead>
                <tr>
                  <th scope="col">{w('stations')}</th>
                  {data.months.map((name) => (
                    <th scope="col" key={name}>
                      {name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {data.villages.map((v) => (
                  <tr key={v.code}>
                    <th scope="row">{v.name}</th>
                    {v.months.map((m, i) => (
                      <Cell key={data.months[i]} month={m} at={data.months[i] ?? ''} type={data.type} village={v} />
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {reminding && type && <RemindOfMonth data={data} typeLabel={label(type)} onClose={() => setReminding(false)} />}
        </>
      )}
    </>
  );
}
