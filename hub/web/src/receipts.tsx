// Receipts of notices (通知回执): which village has confirmed a notice, which has not, and a reminder to those.
import { useState } from 'preact/hooks';
import { get, type RecordRow } from '@common/api';
import { typeOf } from '@common/catalog';
import { isFor } from '@common/notice';
import { Button, toast, useData, Waiting } from '@common/ui';
import { give } from './export';
import { isVillage, query, type Rows, type Station, today, useModel } from './model';
import { w } from './messages';
import { Remind } from './remind';

const MOST = 500; // receipts of one notice, and notices in force: a town has some hundred villages
const UNSAID = ['draft', 'returned', 'cancelled'];
const stands = (r: RecordRow): boolean => !r.deleted && !r.invalid && !UNSAID.includes(r.state ?? '');
const wanted = (n: RecordRow): boolean => stands(n) && n.fields['need_receipt'] === true;

/** By village: its first receipt. */
async function receiptsOf(id: string): Promise<Record<string, RecordRow>> {
  const page = await get<Rows>(`types/notice_receipt/records?${query({ 'f.notice_id': id, limit: MOST })}`);
  const out: Record<string, RecordRow> = {};
  for (const r of page.records.filter(stands)) {
    const code = r.village_code ?? '';
    if (!out[code] || String(r.fields['received_on']) < String(out[code].fields['received_on'])) out[code] = r;
  }
  return out;
}

/** Those that it is for and that there are still: who was merged away (撤并) confirms nothing. */
const villagesOf = (stations: Station[], notice: RecordRow): Station[] => stations.filter((s) => isVillage(s) && isFor(notice, s.code));

/** Notices that want a receipt and are in force, with how many villages have confirmed. */
export function OpenNotices() {
  const { catalog, stations } = useModel();
  const here = !!typeOf(catalog, 'notice_receipt');
  const found = useData(async () => {
    if (!here) return [];
    const page = await get<Rows>(`types/notice/records?${query({ 'f.need_receipt': 'true', limit: MOST })}`);
    const open = page.records
      .filter((n) => wanted(n) && !(n.fields['expires_on'] && String(n.fields['expires_on']) < today()))
      .sort((a, b) => (String(a.fields['published_on']) < String(b.fields['published_on']) ? 1 : -1))
      .slice(0, 10);
    return Promise.all(open.map(async (n) => ({ n, done: await receiptsOf(n.id) })));
  }, []);
  const line = (n: RecordRow, done: Record<string, RecordRow>): string => {
    const villages = villagesOf(stations, n);
    return w('receiptsLine', villages.filter((v) => done[v.code]).length, villages.length);
  };
  if (!here) return null;
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  return (
    <section class="card">
      <h2>{w('receipts')}</h2>
      {found.data.length === 0 && <p class="quiet">{w('nothing')}</p>}
      <ul class="todo">
        {found.data.map(({ n, done }) => (
          <li key={n.id}>
            <a href={`#/record/${n.id}`}>{n.label}</a> <span class="quiet">{line(n, done)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function RemindOfReceipt(props: { notice: RecordRow; missing: Station[]; onClose: () => void }) {
  const [body, setBody] = useState(w('receiptRemindBody', String(props.notice.fields['published_on'] ?? ''), props.notice.label, props.missing.map((v) => v.name).join('、')).slice(0, 4000));
  const notice = () => ({ title: [...w('receiptRemindTitle', props.notice.label)].slice(0, 80).join(''), state: 'verified' });
  return <Remind title={w('receiptRemind')} to={props.missing.map((v) => v.code)} body={body} onBody={setBody} notice={notice} onClose={props.onClose} />;
}

/** On a notice's page: who has confirmed it, those who have not first. */
export function Receipts(props: { notice: RecordRow }) {
  const { catalog, stations } = useModel();
  const found = useData(() => receiptsOf(props.notice.id), [props.notice.id]);
  const [reminding, setReminding] = useState(false);
  if (!wanted(props.notice) || !typeOf(catalog, 'notice_receipt')) return null;
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const done = found.data;
  const villages = villagesOf(stations, props.notice);
  const missing = villages.filter((v) => !done[v.code]);
  const rows = [...missing, ...villages.filter((v) => done[v.code]).sort((a, b) => (String(done[a.code]!.fields['received_on']) < String(done[b.code]!.fields['received_on']) ? -1 : 1))];
  const said = (v: Station): string => (done[v.code] ? w('receiptOn', String(done[v.code]!.fields['received_on'] ?? '')) : w('receiptNone'));
  const remark = (v: Station): string => String(done[v.code]?.fields['remark'] ?? '');
  const out = async () => {
    const { xlsx } = await import('@common/sheet');
    const name = w('receiptFile', props.notice.label);
    const file = xlsx([{ name: w('receipts'), rows: [[w('stations'), w('receipts'), w('receiptRemark')], ...rows.map((v) => [v.name, said(v), remark(v)])] }]);
    await give(file, `${name}.xlsx`, props.notice.id, `xlsx ${rows.length}`);
  };
  return (
    <section class="card">
      <div class="head">
        <h2>
          {w('receipts')} <small class="quiet">{w('receiptsLine', villages.length - missing.length, villages.length)}</small>
        </h2>
        <div class="no-print">
          <Button onClick={() => void out().catch((e: Error) => toast(e.message))}>{w('toExcel')}</Button>
          <Button kind="main" disabled={missing.length === 0} onClick={() => setReminding(true)}>
            {w('receiptRemind')}
          </Button>
        </div>
      </div>
      <p class="quiet">{w('receiptsText')}</p>
      <div class="scroll" tabIndex={0}>
        <table class="records receipts">
          <thead>
            <tr>
              <th scope="col">{w('stations')}</th>
              <th scope="col">{w('receipts')}</th>
              <th scope="col">{w('receiptRemark')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((v) => (
              <tr key={v.code}>
                <th scope="row">{v.name}</th>
                <td>{done[v.code] ? <a href={`#/record/${done[v.code]!.id}`}>✓ {said(v)}</a> : <span class="tag wait">{said(v)}</span>}</td>
                <td>{remark(v)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {reminding && <RemindOfReceipt notice={props.notice} missing={missing} onClose={() => setReminding(false)} />}
    </section>
  );
}
