// Questions answered in passing: a big button a topic, one tap one consultation. Each tap is a record of its own, saved on this PC before
// the number goes up, and undone like any other.
import { useRef, useState } from 'preact/hooks';
import { api, get, type RecordRow, uuid7 } from '@common/api';
import { fieldOf, typeOf, type Code } from '@common/catalog';
import { label, t } from '@common/i18n';
import { keep, kept } from '@common/kept';
import { Note, useData, Waiting } from '@common/ui';
import { today, useModel } from './model';
import type { Page } from './lists';
import { toldSaved } from './undo';

const RECENT = 500; // by which topics come first that this village is asked about

/** Topics in the order in which this village has had them most; those never asked about as the catalogue has them. */
function ordered(codes: Code[], recent: RecordRow[]): Code[] {
  const n: Record<string, number> = {};
  for (const r of recent) n[String(r.fields['topic'])] = (n[String(r.fields['topic'])] ?? 0) + Number(r.fields['item_count'] ?? 0);
  return [...codes].sort((a, b) => (n[b.code] ?? 0) - (n[a.code] ?? 0));
}

export function TallyPage() {
  const { catalog, status } = useModel();
  const type = typeOf(catalog, 'consultation');
  const codes = (field: string): Code[] => (catalog.lists[(type && fieldOf(type, field)?.codes) ?? ''] ?? []).filter((c) => !c.retired);
  const channels = codes('channel');
  const [channel, setChannel] = useState(() => channels.find((c) => c.code === kept('channel'))?.code ?? channels[0]?.code ?? '');
  const [error, setError] = useState('');
  const day = today(status);
  const order = useRef<Code[]>();
  const page = useData(async () => {
    const [recent, now] = await Promise.all([order.current ? null : get<Page>(`types/consultation/records?limit=${RECENT}`), get<Page>(`types/consultation/records?limit=500&f.on=${day}`)]);
    if (recent) order.current = ordered(codes('topic'), recent.records); // buttons stay where they are while she taps
    return now;
  }, [day, status?.cursor, status?.pending]);
  if (!type) return <p>{t('notFound')}</p>;
  if (!page.data || !order.current) return <Waiting error={page.error} reload={page.reload} />;
  const sum = (topic?: string) =>
    page.data!.records.reduce((n, r) => n + (r.state !== 'draft' && (!topic || r.fields['topic'] === topic) ? Number(r.fields['item_count'] ?? 0) : 0), 0);
  const add = (topic: string) =>
    api<RecordRow>('POST', 'types/consultation/records', { id: uuid7(), fields: { on: day, channel, topic, item_count: 1 } }).then(
      (saved) => {
        setError('');
        toldSaved(saved, null, true);
        page.reload();
      },
      (why: Error) => setError(why.message),
    );
  return (
    <>
      <div class="head">
        <h1>{t('tally')}</h1>
        <a class="button plain" href="#/list/consultation">
          {label(type)}
        </a>
      </div>
      <p>{t('tallyHelp')}</p>
      <div class="choices" role="radiogroup" aria-label={label(fieldOf(type, 'channel'))}>
        {channels.map((c) => (
          <label key={c.code} class={channel === c.code ? 'choice on' : 'choice'}>
            <input
              type="radio"
              name="channel"
              checked={channel === c.code}
              onChange={() => {
                setChannel(c.code);
                keep('channel', c.code);
              }}
            />
            {label(c)}
          </label>
        ))}
      </div>
      {error && <Note kind="bad">{error}</Note>}
      <p class="large" role="status">
        {t('tallyToday', sum())}
      </p>
      <div class="tally">
        {order.current.map((c) => (
          <button type="button" class="button plain" key={c.code} onClick={() => void add(c.code)}>
            <b>{label(c)}</b>
            <span>+1</span>
            <small>{t('tallyTopic', sum(c.code))}</small>
          </button>
        ))}
      </div>
    </>
  );
}
