// The first page: one search box, what to record, what to do, and where this PC stands with the town.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { api, get, TRAINING, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, stateText, typeName, typeOf } from '@common/catalog';
import { label, lang, t, timeText } from '@common/i18n';
import { timeHere } from '@common/time';
import { Button, Note, useData, Waiting } from '@common/ui';
import { CLAIM_AT, CLAIM_DRAFT } from './claims';
import { DAILY, go, maskId, useModel } from './model';
import { REQUEST_DRAFT } from './request';
import { REQUEST } from '@common/request';
import { type InForce, Notices, RECEIPT_DRAFT, useNotices } from './notices';

interface Other {
  id: string;
  type: string;
  label: string;
  person: string;
  on: string;
  state: string;
}
interface Hit {
  id: string;
  label: string;
  id_no: string;
  phone: string;
  household_no: string;
  birth_on: string;
  state: string;
}

/** Households to open at once: the one that was asked for, and those of which several people were found. */
function households(hits: Hit[], asked: string): [string, number][] {
  const n = new Map<string, number>();
  for (const h of hits) if (h.household_no) n.set(h.household_no, (n.get(h.household_no) ?? 0) + 1);
  return [...n].filter(([no, count]) => count > 1 || no.toLowerCase() === asked.trim().toLowerCase()).slice(0, 3);
}

function Search() {
  const { catalog } = useModel();
  // The box was there before this script (early.js), and she may have typed into it.
  const [text, setText] = useState(() => (document.getElementById('search') as HTMLInputElement | null)?.value ?? '');
  const [found, setFound] = useState<{ hits: Hit[]; total: number; of: string } | null>(null);
  const [error, setError] = useState('');
  const box = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    const drawn = window.lastmileEarly?.drawn;
    if (!drawn) box.current?.focus(); // she may type before the rest has come; where it was there already she may be elsewhere by now
  }, []);
  useLayoutEffect(() => {
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
    }, window.lastmileEarly?.drawn ? 0 : 120); // what was there before this script has waited already
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [text]);
  // Words in other records: asked for when she has stopped typing, so that it never holds up the names.
  const [others, setOthers] = useState<{ rows: Other[]; of: string } | null>(null);
  useEffect(() => {
    if (!found || found.of !== text || text.trim().length < 2) return undefined;
    let here = true;
    const timer = setTimeout(() => {
      get<{ others?: Other[] }>(`search?others=1&q=${encodeURIComponent(text)}`).then(
        (result) => here && setOthers({ rows: result.others ?? [], of: text }),
        () => undefined,
      );
    }, 250);
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [found]);
  const also = others && others.of === text ? others.rows : [];
  const person = typeOf(catalog, 'person');
  return (
    <section class="search">
      <form
        role="search"
        onSubmit={(e) => {
          e.preventDefault();
          const first = found?.of === text ? (found.hits[0] ?? also[0]) : undefined;
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
            {t(also.length ? 'noPerson' : 'noHits', found.of)} <a href={`#${CLAIM_AT}${/[0-9]/.test(found.of) ? '' : `&claim_name=${encodeURIComponent(found.of.trim())}`}`}>{t('claim')}</a>
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
        {found && also.length > 0 && (
          <>
            <h2>{t('searchOthers', found.of)}</h2>
            <ul class="hits others">
              {also.map((o) => {
                const type = typeOf(catalog, o.type);
                return (
                  <li key={o.id}>
                    <a href={`#/record/${o.id}`}>
                      <small>{typeName(type)}</small>
                      <b>
                        {o.person} {o.label}
                      </b>
                      {!o.label.includes(o.on) && <span>{o.on.length > 10 ? timeHere(o.on) : o.on}</span>}
                      <span class="tag">{type ? stateText(catalog, type, o.state) : ''}</span>
                    </a>
                  </li>
                );
              })}
            </ul>
          </>
        )}
        {found && found.total > found.hits.length && <p class="quiet">{t('hitsMore', found.total, found.hits.length)}</p>}
      </div>
    </section>
  );
}

interface DraftRow {
  key: string;
  saved_at: string;
  body: { fields?: Record<string, unknown>; labels?: Record<string, string> };
}

interface Task {
  kind: 'contact' | 'materials' | 'follow_up';
  due: string;
  overdue: boolean;
  record: string;
  person: string;
  name: string;
  missing?: string[];
}
/** What the town said to a change request. */
interface Said {
  record: string;
  at: string;
  agreed: boolean;
  target: string;
  field: string;
  why: string;
}
interface Tasks {
  total: number;
  tasks: Task[];
  festival: { occasion: string; until: string; visited: number; people: number } | null;
  answers: Said[];
  backup: { made_at: string; days: number; due: boolean };
}
const TASKS_SHOWN = 8;

function TaskLine(props: { task: Task }) {
  const k = props.task;
  const to = k.kind === 'contact' ? `#/new/visit?persons=${k.person}` : `#/record/${k.record}`;
  const text = { contact: 'taskContact', materials: 'taskMaterials', follow_up: 'taskFollow' } as const;
  const due = `${Number(k.due.slice(5, 7))}月${Number(k.due.slice(8))}日`;
  return (
    <li class={k.overdue ? 'urgent' : undefined}>
      <a href={to}>
        {k.overdue ? '! ' : ''}
        {t(text[k.kind], k.name)}
      </a>{' '}
      {!!k.missing?.length && <span>{k.missing.join(lang() === 'zh' ? '、' : ', ')}</span>}{' '}
      {k.kind === 'follow_up' && <a href={`#/new/visit?persons=${k.person}`}>{t('taskFollowDo')}</a>}{' '}
      <span class="quiet">{t(k.overdue ? 'taskOverdue' : 'taskDue', lang() === 'zh' ? due : k.due)}</span>
    </li>
  );
}

function AnswerLine(props: { said: Said }) {
  const { catalog } = useModel();
  const { record, at, agreed, target, field, why } = props.said;
  const [kind = '', id = ''] = target.split(':');
  const about = useData(() => get<RecordRow>(`records/${id}`).then((r) => r.label, () => ''), [id]);
  const type = typeOf(catalog, kind);
  const what = type ? fieldLabel(fieldOf(type, field)) : field;
  return (
    <li class={agreed ? undefined : 'urgent'}>
      <a href={`#/record/${record}`}>{agreed ? `✓ ${t('answerYes', about.data ?? '', what)}` : `! ${t('answerNo', about.data ?? '', what, why)}`}</a> <span class="quiet">{timeText(at)}</span>
    </li>
  );
}

function BackupLine(props: { backup: Tasks['backup'] }) {
  const { made_at: at, days } = props.backup;
  return (
    <li class="urgent">
      <a href="#/usb">! {at ? t('backupOld', timeText(at), days) : t('backupNever', days)}</a> · <a href="#/usb?replace=1">{t('replacePc')}</a>
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
  const drafts = useData(() => get<{ drafts: DraftRow[] }>('drafts'), []);
  const list = drafts.data?.drafts ?? [];
  const unread = props.notices.filter((n) => n.waits);
  const nothing = status && unread.length === 0 && !status.returned && !status.held && !status.conflicts && list.length === 0 && tasks.length === 0 && !festival && !due.data?.answers.length && !(due.data?.backup.due && !TRAINING);
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
        {(due.data?.answers ?? []).map((a) => (
          <AnswerLine key={a.record} said={a} />
        ))}
        {(more ? tasks : tasks.slice(0, TASKS_SHOWN)).map((k) => (
          <TaskLine key={`${k.kind} ${k.record} ${k.person}`} task={k} />
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
            <a href={`#/batch/visit?occasion=${festival.occasion}`}>{t(festival.people > festival.visited ? 'taskFestival' : 'taskFestivalDone', label(occasion ?? undefined), festival.people, festival.visited, festival.people - festival.visited)}</a>
          </li>
        )}
        {due.data?.backup.due && !TRAINING && <BackupLine backup={due.data.backup} />}
        {list.map((d) => (
          <DraftLine key={d.key} draft={d} />
        ))}
        {!!status?.conflicts && <li><a href="#/conflicts">{t('conflictItems', status.conflicts)}</a></li>}
        {!!status?.held && <li>{t('heldItems', status.held)}</li>}
      </ul>
    </section>
  );
}

function DraftLine(props: { draft: DraftRow }) {
  const { catalog } = useModel();
  const { key, saved_at, body } = props.draft;
  const [kind = '', more] = key.split('?'); // what it was opened for, and which of several
  const batch = kind === 'batch-visit';
  const claim = kind === CLAIM_DRAFT;
  const asked = kind.startsWith(REQUEST_DRAFT);
  const type = kind.startsWith('new-') ? typeOf(catalog, kind.slice(4)) : undefined;
  const receipt = kind.startsWith(RECEIPT_DRAFT);
  const to = receipt ? `#/record/${kind.slice(RECEIPT_DRAFT.length)}` : asked ? `#/new/${REQUEST}?target=${String(body?.fields?.['target'] ?? '')}&field=${String(body?.fields?.['field'] ?? '')}${more ? `&${more}` : ''}` : batch ? '#/batch/visit' : claim ? `#${CLAIM_AT}${more ? `&${more}` : ''}` : kind.startsWith('new-') ? `#/new/${key.slice(4)}` : `#/edit/${key.slice(5)}`;
  const called = body?.fields?.[claim ? 'claim_name' : 'name'];
  const name = typeof called === 'string' ? called : (Object.values(body?.labels ?? {})[0] ?? '');
  return (
    <li>
      <a href={to}>
        {t('draftItems', 1)}: {batch ? t('manyVisits') : claim ? t('claim') : asked ? t('askChange') : receipt ? t('receipt') : typeName(type)} {name}
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
      <p class="large">{status.pending ? <a href="#/pending">{t('toSend', status.pending_records)}</a> : `✓ ${t('allSent')}`}</p>
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
        {typeOf(catalog, 'consultation')?.kept && (
          <a class="button main" href="#/tally">
            {t('tally')} +1
          </a>
        )}
        {DAILY.map((name) => typeOf(catalog, name))
          .filter((type) => type?.kept)
          .map((type) => (
            <a class="button plain" href={type!.name === 'nil_report' ? '#/list/nil_report' : `#/new/${type!.name}`} key={type!.name}>
              {label(type)}
            </a>
          ))}
      </div>
    </section>
  );
}

/** What takes longer than the box that she types into: none of it has to be there first. */
function Cards() {
  const notices = useNotices();
  return (
    <div class="cards">
      <Quick />
      <Todo notices={notices} />
      <Notices list={notices} />
      <Sync />
    </div>
  );
}

/** ready: the catalogue is here; till then what is waited for, or why it did not come. */
export function Home(props: { ready: boolean; error?: Error; reload: () => void }) {
  return (
    <>
      <h1 class="hidden">{t('home')}</h1>
      <Search />
      {props.ready ? <Cards /> : <Waiting error={props.error} reload={props.reload} />}
    </>
  );
}
