// Notices of the town: those in force on the first page, and the receipt (回执) that says that this village has read one.
import { useRef, useState } from 'preact/hooks';
import { api, get, type RecordRow, TRAINING, uuid7 } from '@common/api';
import { typeOf } from '@common/catalog';
import { useDraft, useKept } from '@common/draft';
import { t } from '@common/i18n';
import { isFor } from '@common/notice';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { today, useModel } from './model';

const SHOWN = 5;
/** A receipt that was begun, behind which its notice stands. */
export const RECEIPT_DRAFT = 'receipt-';
const UNSAID = ['draft', 'returned', 'cancelled'];

/** By notice: when this village confirmed it. */
async function receipts(station: string): Promise<Record<string, RecordRow>> {
  const page = await get<{ records: RecordRow[] }>('types/notice_receipt/records?limit=500&sort=-received_on');
  const mine = page.records.filter((r) => !r.deleted && !UNSAID.includes(r.state ?? '') && r.village_code === station);
  return Object.fromEntries(mine.map((r) => [String(r.fields['notice_id']), r]));
}

export interface InForce {
  notice: RecordRow;
  waits: boolean; // for this village's receipt
}

/** What is in force: those to be confirmed first, then the newest. */
export function useNotices(): InForce[] {
  const { catalog, session, status } = useModel();
  const data = useData(async () => {
    if (TRAINING || !typeOf(catalog, 'notice')) return [];
    const confirms = !!typeOf(catalog, 'notice_receipt');
    const [page, done] = await Promise.all([get<{ records: RecordRow[] }>('types/notice/records?limit=200&sort=-published_on'), confirms ? receipts(session.station) : ({} as Record<string, RecordRow>)]);
    const day = today(status);
    return page.records
      .filter((n) => !n.deleted && !UNSAID.includes(n.state ?? '') && !(n.fields['expires_on'] && String(n.fields['expires_on']) < day))
      .map((notice) => ({ notice, waits: confirms && notice.fields['need_receipt'] === true && !done[notice.id] }))
      .sort((a, b) => Number(b.waits) - Number(a.waits));
  }, [status?.cursor, status?.pending]);
  return data.data ?? [];
}

export function Notices(props: { list: InForce[] }) {
  const [more, setMore] = useState(false);
  const { list } = props;
  if (list.length === 0) return null;
  return (
    <section class="card notices">
      <h2>{t('notices')}</h2>
      <ul class="todo">
        {(more ? list : list.slice(0, SHOWN)).map(({ notice, waits }) => (
          <li key={notice.id}>
            <a href={`#/record/${notice.id}`}>{notice.label}</a> <span class="quiet">{String(notice.fields['published_on'] ?? '')}</span> {waits && <span class="tag wait">{t('receiptWaits')}</span>}
          </li>
        ))}
      </ul>
      {!more && list.length > SHOWN && <Button onClick={() => setMore(true)}>{t('taskMore', list.length - SHOWN)}</Button>}
    </section>
  );
}

/** On a notice's own page: confirmed when, or the button that confirms it. */
export function Receipt(props: { notice: RecordRow }) {
  const { catalog, session, status } = useModel();
  const done = useData(() => receipts(session.station), [props.notice.id, status?.cursor]);
  const [remark, setRemark] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState(false);
  const dirty = useRef(false);
  const place = `drafts/${RECEIPT_DRAFT}${props.notice.id}`;
  useKept<{ remark: string }>(props.notice.fields['need_receipt'] === true ? place : '', (draft) => {
    setAsked(true);
    if (!dirty.current && draft) setRemark(draft.body.remark);
  });
  const keeper = useDraft(asked ? place : '', { remark, labels: { [props.notice.id]: props.notice.label } }, dirty);
  if (props.notice.fields['need_receipt'] !== true || props.notice.deleted || !typeOf(catalog, 'notice_receipt')) return null;
  if (!isFor(props.notice, session.station)) return <Note kind="info">{t('notForUs')}</Note>;
  if (!done.data) return <Waiting error={done.error} reload={done.reload} />;
  const said = done.data[props.notice.id];
  const confirm = (e: Event) => {
    e.preventDefault();
    setBusy(true);
    const fields = { notice_id: props.notice.id, received_on: today(status), ...(remark.trim() ? { remark: remark.trim() } : {}) };
    api('POST', 'types/notice_receipt/records', { id: uuid7(), fields })
      .then(
        async () => {
          await keeper.end();
          toast(t('receiptSaid'));
          setError('');
          done.reload();
        },
        (why: Error) => setError(why.message),
      )
      .finally(() => setBusy(false));
  };
  return (
    <section class="card">
      <h2>{t('receipt')}</h2>
      {said ? (
        <Note kind="good">
          {t('receiptDone', String(said.fields['received_on'] ?? ''))} <a href={`#/record/${said.id}`}>{t('receipt')}</a>
        </Note>
      ) : (
        <form onSubmit={confirm}>
          <p>{t('receiptAsk')}</p>
          <label for="receipt-remark">{t('receiptRemark')}</label>
          <textarea id="receipt-remark" rows={2} value={remark} onInput={(e) => {
              dirty.current = true;
              setRemark((e.target as HTMLTextAreaElement).value);
            }} />
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="main" type="submit" disabled={busy}>
              {t('receiptGo')}
            </Button>
          </div>
        </form>
      )}
    </section>
  );
}
