// The first page: one search box, what to record, what to do, and where this PC stands with the town.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { api, get, TRAINING } from '@common/api';
import { stateText, typeOf } from '@common/catalog';
import { label, lang, t, timeText } from '@common/i18n';
import { Button, Note, useData } from '@common/ui';
import { CLAIM_AT, CLAIM_DRAFT } from './claims';
import { DAILY, go, useModel } from './model';
import { type InForce, Notices, useNotices } from './notices';

interface Hit {
  id: string;
  label: string;
  id_no: string;
  phone: string;
  household_no: string;
  birth_on: string;
  state: string;
}

/** All but the first six and the last four are hidden until the card is opened. */
export function maskId(number: string): string {
  return number.length === 18 ? `${number.slice(0, 6)}********${number.slice(14)}` : number;
}

/** Households to open at once: the one that was asked for, and those of which several people were found. */
function households(hits: Hit[], asked: string): [string, number][] {
  const n = new Map<string, number>();
  for (const h of hits) if (h.household_no) n.set(h.household_no, (n.get(h.household_no) ?? 0) + 1);
  return [...n].filter(([no, count]) => count > 1 || no.toLowerCase() === asked.trim().toLowerCase()).slice(0, 3);
}

function Search() {
  const { catalog } = useModel();
  const [text, setText] = useState('');
  const [found, setFound] = useState<{ hits: Hit[]; total: number; of: string } | null>(null);
  const [error, setError] = useState('');
  const box = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => box.current?.focus(), []); // she may type before the rest has come
  useEffect(() => {
    if (!text.trim()) {
      setFound(null);
      return undefined;
    }
    let here = true;
    const timer = setTimeout(() => {
      get<{ hits: Hit[]; total: number }>(`search?q=${encodeURIComponent(text)}`).then(
        (result) => here && (setFound({ ...result, of: text }), setError('')),
        (e: Error) => here && setError(e.message),
      );
    }, 120);
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [text]);
  const person = typeOf(catalog, 'person');
  return (
    <section class="search">
      <form
        role="search"
        onSubmit={(e) => {
          e.preventDefault();
          const first = found?.of === text ? found.hits[0] : undefined;
          if (first) go(`/record/${first.id}`);
        }}
      >
        <label for="search">{t('search')}</label>
        <input id="search" ref={box} type="search" value={text} placeholder={t('searchHint')} autocomplete="off" onInput={(e) => setText((e.target as HTMLInputElement).value)} />
        <Button kind="main" onClick={() => go('/new/person')}>
          {t('newPerson')}
        </Button>
      </form>
      {error && <Note kind="bad">{error}</Note>}
      <div aria-live="polite">
        {found && found.hits.length === 0 && (
          <p>
            {t('noHits', found.of)} <a href={`#${CLAIM_AT}${/[0-9]/.test(found.of) ? '' : `&claim_name=${encodeURIComponent(found.of.trim())}`}`}>{t('claim')}</a>
          </p>
        )}
        {found && households(found.hits, found.of).map(([no, n]) => (
          <p key={no}>
            <a class="button plain" href={`#/household/${encodeURIComponent(no)}`}>
              {t('householdHit', no, n)}
            </a>
          </p>
        ))}
        {found && found.hits.length > 0 && (
          <ul class="hits">
            {found.hits.map((h) => (
              <li key={h.id}>
                <a href={`#/record/${h.id}`}>
                  <b>{h.label}</b>
                  <span>{h.birth_on}</span>
                  <span>{maskId(h.id_no)}</span>
                  <span>{h.household_no}</span>
                  <span class="tag">{person ? stateText(catalog, person, h.state) : ''}</span>
                </a>
              </li>
            ))}
          </ul>
        )}
        {found && found.total > found.hits.length && <p class="quiet">{t('hitsMore', found.total, found.hits.length)}</p>}
      </div>
    </section>
  );
}

interface Task {
  kind: 'contact' | 'materials';
  due: string;
  overdue: boolean;
  record: string;
  person: string;
  name: string;
}
interface Tasks {
  total: number;
  tasks: Task[];
  festival: { occasion: string; until: string; visited: number } | null;
}
const TASKS_SHOWN = 8;

function TaskLine(props: { task: Task }) {
  const k = props.task;
  const to = k.kind === 'contact' ? `#/new/visit?persons=${k.person}` : `#/record/${k.record}`;
  const due = `${Number(k.due.slice(5, 7))}月${Number(k.due.slice(8))}日`;
  return (
    <li class={k.overdue ? 'urgent' : undefined}>
      <a href={to}>
        {k.overdue ? '! ' : ''}
        {t(k.kind === 'contact' ? 'taskContact' : 'taskMaterials', k.name)}
      </a>{' '}
      <span class="quiet">{t(k.overdue ? 'taskOverdue' : 'taskDue', lang() === 'zh' ? due : k.due)}</span>
    </li>
  );
}

function Todo(props: { notices: InForce[] }) {
  const { status, catalog } = useModel();
  const due = useData(() => get<Tasks>('tasks'), [status?.cursor, status?.pending]);
  const [more, setMore] = useState(false);
  const tasks = due.data?.tasks ?? [];
  const festival = due.data?.festival;
  const occasion = festival && catalog.lists['occasion']?.find((c) => c.code === festival.occasion);
  const drafts = useData(() => get<{ drafts: { key: string; saved_at: string; body: { fields: Record<string, unknown> } }[] }>('drafts'), []);
  const list = drafts.data?.drafts ?? [];
  const unread = props.notices.filter((n) => n.waits);
  const nothing = status && unread.length === 0 && !status.returned && !status.held && !status.conflicts && list.length === 0 && tasks.length === 0 && !festival;
  return (
    <section class="card">
      <h2>{t('todo')}</h2>
      {nothing && <p class="quiet">{t('nothingTodo')}</p>}
      <ul class="todo">
        {!!status?.returned && (
          <li class="urgent">
            <a href="#/returned">! {t('returnedItems', status.returned)}</a>
          </li>
        )}
        {unread.map(({ notice }) => (
          <li class="urgent" key={notice.id}>
            <a href={`#/record/${notice.id}`}>! {t('taskReceipt', notice.label)}</a>
          </li>
        ))}
        {(more ? tasks : tasks.slice(0, TASKS_SHOWN)).map((k) => (
          <TaskLine key={k.record} task={k} />
        ))}
        {!more && tasks.length > TASKS_SHOWN && (
          <li>
            <button type="button" class="button plain" onClick={() => setMore(true)}>
              {t('taskMore', (due.data?.total ?? 0) - TASKS_SHOWN)}
            </button>
          </li>
        )}
        {festival && (
          <li>
            <a href={`#/batch/visit?occasion=${festival.occasion}`}>{t('taskFestival', label(occasion ?? undefined), festival.visited)}</a>
          </li>
        )}
        {list.map((d) => (
          <DraftLine key={d.key} draft={d} />
        ))}
        {!!status?.conflicts && <li><a href="#/conflicts">{t('conflictItems', status.conflicts)}</a></li>}
        {!!status?.held && <li>{t('heldItems', status.held)}</li>}
      </ul>
    </section>
  );
}

function DraftLine(props: { draft: { key: string; saved_at: string; body: { fields: Record<string, unknown> } } }) {
  const { catalog } = useModel();
  const { key, saved_at, body } = props.draft;
  const batch = key === 'batch-visit';
  const claim = key === CLAIM_DRAFT;
  const type = key.startsWith('new-') ? typeOf(catalog, key.slice(4)) : undefined;
  const to = batch ? '#/batch/visit' : claim ? `#${CLAIM_AT}` : key.startsWith('new-') ? `#/new/${key.slice(4)}` : `#/edit/${key.slice(5)}`;
  const called = body?.fields?.[claim ? 'claim_name' : 'name'];
  const name = typeof called === 'string' ? called : '';
  return (
    <li>
      <a href={to}>
        {t('draftItems', 1)}: {batch ? t('manyVisits') : claim ? t('claim') : label(type)} {name}
      </a>{' '}
      <span class="quiet">{timeText(saved_at)}</span>
    </li>
  );
}

function offsetText(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / 60000);
  if (minutes < 60) return t('minutes', minutes);
  return minutes < 48 * 60 ? t('hours', Math.round(minutes / 60)) : t('days', Math.round(minutes / 1440));
}

function Sync() {
  const { status, refresh } = useModel();
  const [asked, setAsked] = useState(false);
  if (!status) return null;
  if (TRAINING) {
    return (
      <section class="card">
        <h2>{t('syncTitle')}</h2>
        <p class="large">{t('trainingStays')}</p>
        <p class="quiet">{t('trainingSync')}</p>
      </section>
    );
  }
  const text = lang() === 'en' ? status.state_text_en : status.state_text;
  return (
    <section class="card">
      <h2>{t('syncTitle')}</h2>
      <p class="large">{status.pending ? <a href="#/pending">{t('toSend', status.pending)}</a> : `✓ ${t('allSent')}`}</p>
      {status.pending > 0 && <p>{t('savedHere')}</p>}
      <p class="quiet">{status.last_contact ? t('lastContact', timeText(status.last_contact)) : t('neverContact')}</p>
      {status.state !== 'online' && <Note kind={status.state === 'refused' ? 'bad' : 'info'}>{text}</Note>}
      {Math.abs(status.clock_offset_ms ?? 0) > 5 * 60000 && <Note kind="bad">{t('clockWrong', offsetText(status.clock_offset_ms ?? 0))}</Note>}
      <Button
        disabled={asked}
        onClick={() => {
          setAsked(true);
          setTimeout(() => setAsked(false), 3000);
          api('POST', 'sync').then(refresh, () => undefined);
        }}
      >
        {asked ? t('syncAsked') : t('syncNow')}
      </Button>
    </section>
  );
}

function Quick() {
  const { catalog } = useModel();
  return (
    <section class="card">
      <h2>{t('quick')}</h2>
      <div class="quick">
        {DAILY.map((name) => typeOf(catalog, name))
          .filter((type) => type?.kept)
          .map((type) => (
            <a class="button plain" href={`#/new/${type!.name}`} key={type!.name}>
              {label(type)}
            </a>
          ))}
      </div>
    </section>
  );
}

export function Home() {
  const notices = useNotices();
  return (
    <>
      <h1 class="hidden">{t('home')}</h1>
      <Search />
      <div class="cards">
        <Quick />
        <Todo notices={notices} />
        <Notices list={notices} />
        <Sync />
      </div>
    </>
  );
}

