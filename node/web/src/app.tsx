// The frame: who is logged in, the menu, which page the address names, the line to the town.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { api, brought, get, onSession, TRAINING } from '@common/api';
import { areas, type Catalog, villages } from '@common/catalog';
import { keepDrafts, stopDrafts } from '@common/draft';
import { t } from '@common/i18n';
import { useHash } from '@common/route';
import { loadStaff } from '@common/staff';
import { Button, Dialog, Note, Part, part, somethingChanged, toast, Toasts, Waiting, whenIdle } from '@common/ui';
import { LockScreen } from '@common/lock';
import { Door, FirstPassword } from './door';
import { Guide } from './guide';
import { Home } from './home';
import { grouped, kindName } from './menu';
import { EMPTY, type Front, ModelContext, type Session, type Status } from './model';
import { VillageBand } from './village';

const LOOK_MS = 15000;

function Menu(props: { catalog: Catalog; here: string }) {
  const link = (to: string, text: string) => (
    <li key={to}>
      <a href={`#/${to}`} aria-current={props.here === to ? 'page' : undefined}>
        {text}
      </a>
    </li>
  );
  return (
    <nav class="menu" aria-label={t('appName')}>
      <ul>
        {link('', t('home'))}
        {link('list/person', t('people'))}
      </ul>
      {grouped(props.catalog.types).map(({ title, types }, i) => {
        const list = <ul>{types.map((type) => link(`list/${type.name}`, kindName(type)))}</ul>;
        return i === 0 ? (
          <>
            <h2>{t(title)}</h2>
            {list}
          </>
        ) : (
          <details key={title} open={types.some((type) => props.here === `list/${type.name}`)}>
            <summary>{t(title)}</summary>
            {list}
          </details>
        );
      })}
      <ul>
        {!TRAINING && link('usb', t('usb'))}
        {link('bin', t('bin'))}
        {link('settings', t('settings'))}
        {link('help', t('help'))}
        {!TRAINING && (
          <li>
            <a href="/training/">{t('training')}</a>
          </li>
        )}
      </ul>
    </nav>
  );
}

/** The line at the top: always there, in words. */
function StatusLine(props: { status: Status | null; gone: boolean }) {
  const s = props.status;
  if (props.gone) return <Note kind="bad">{t('programGone')}</Note>;
  if (TRAINING) return <span class="line">{t('trainingStays')}</span>;
  if (!s) return null;
  return (
    <a class={`line ${s.state}`} href="#/pending">
      <span class="dot" aria-hidden="true">
        {s.state === 'online' ? '●' : s.state === 'offline' ? '○' : '✕'}
      </span>{' '}
      {t(s.state)} · {s.pending ? t('toSend', s.pending_records) : t('allSent')}
      {s.returned > 0 && <b class="alarm"> · {t('returnedItems', s.returned)}</b>}
    </a>
  );
}

/** On every page of the training copy, on the screen and on paper. */
function TrainingMark(props: { inside: boolean }) {
  const [sure, setSure] = useState(false);
  const [error, setError] = useState('');
  const reset = () =>
    api('POST', 'training/reset').then(
      () => {
        location.hash = '#/';
        setSure(false);
        toast(t('trainingAgain'));
        somethingChanged();
      },
      (e: Error) => setError(e.message),
    );
  return (
    <div class="training-mark" role="region" aria-label={t('trainingMark')}>
      <b>{t('trainingMark')}</b>
      <span>{t('trainingText')}</span>
      <span class="spread" />
      {props.inside && <Button onClick={() => setSure(true)}>{t('trainingReset')}</Button>}
      <a class="button plain" href="/">
        {t('trainingOut')}
      </a>
      {sure && (
        <Dialog title={t('trainingReset')} onClose={() => setSure(false)}>
          <p>{t('trainingResetSure')}</p>
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="danger" onClick={() => void reset()}>
              {t('trainingReset')}
            </Button>
            <Button onClick={() => setSure(false)}>{t('cancel')}</Button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

// Pages come when they are opened, or when there is nothing else to do: the script of the first page is small.
const lists = part(() => import('./lists'));
const records = part(() => import('./record'));
const conflicts = part(() => import('./conflicts'));
const settings = part(() => import('./settings'));
const batch = part(() => import('./batch'));
const household = part(() => import('./household'));
const rows = part(() => import('./import'));
const sheets = part(() => import('./sheets'));
const paper = part(() => import('./paper'));
const tally = part(() => import('./tally'));
const usb = part(() => import('./usb'));
const help = part(() => import('./help'));

function Page(props: { parts: string[]; home: ComponentChildren }) {
  const [page, a] = props.parts;
  switch (page) {
    case '':
      return <>{props.home}</>;
    case 'list':
      return <Part of={lists} key={`list ${a}`} show={(m) => <m.ListPage type={a ?? ''} />} />;
    case 'new':
      return <Part of={records} key={location.hash} show={(m) => <m.NewPage type={a ?? ''} />} />;
    case 'record':
      return <Part of={records} key={`record ${a}`} show={(m) => <m.RecordPage id={a ?? ''} />} />;
    case 'edit':
      return <Part of={records} key={`edit ${a}`} show={(m) => <m.EditPage id={a ?? ''} />} />;
    case 'batch':
      return a === 'visit' ? <Part of={batch} key={location.hash} show={(m) => <m.BatchPage />} /> : <p>{t('notFound')}</p>;
    case 'tally':
      return <Part of={tally} key="tally" show={(m) => <m.TallyPage />} />;
    case 'household':
      return <Part of={household} key={location.hash} show={(m) => <m.HouseholdPage no={a ?? ''} />} />;
    case 'import':
      return <Part of={rows} key={location.hash} show={(m) => <m.ImportPage type={a ?? ''} />} />;
    case 'print':
      return <Part of={sheets} key={location.hash} show={(m) => <m.PrintPage type={a ?? ''} />} />;
    case 'paper':
      return <Part of={paper} key={location.hash} show={(m) => <m.PaperPage id={a ?? ''} />} />;
    case 'usb':
      return <Part of={usb} key="usb" show={(m) => <m.UsbPage />} />;
    case 'pending':
      return <Part of={lists} key="pending" show={(m) => <m.PendingPage />} />;
    case 'returned':
      return <Part of={lists} key="returned" show={(m) => <m.ReturnedPage />} />;
    case 'conflicts':
      return <Part of={conflicts} key="conflicts" show={(m) => <m.ConflictsPage />} />;
    case 'bin':
      return <Part of={lists} key="bin" show={(m) => <m.BinPage type={a ?? ''} />} />;
    case 'settings':
      return <Part of={settings} key="settings" show={(m) => <m.SettingsPage />} />;
    case 'help':
      return <Part of={help} key="help" show={(m) => <m.HelpPage parts={props.parts} />} />;
    default:
      return <p>{t('notFound')}</p>;
  }
}

function Inside(props: { session: Session; gone: boolean; opened: number; onLock: () => void; onOut: () => void }) {
  const parts = useHash();
  const [catalog, setCatalog] = useState<Catalog>();
  const [error, setError] = useState<Error>();
  const [status, setStatus] = useState<Status | null>(() => brought<Status>('status') ?? null);
  const [merged, setMerged] = useState<{ into: string; on: string } | null>(null);
  const [menu, setMenu] = useState(false);
  const [asks, setAsks] = useState(false); // for help
  const [round, again] = useState(0);
  const [, named] = useState(0);

  // All at once; the search box is there already, and names of villages come into the page. Not in an effect that waits for a picture of a
  // page that has nothing on it yet: on a slow PC each picture takes a tenth of a second.
  useLayoutEffect(() => {
    Promise.all([get<Catalog>('catalog'), status ?? get<Status>('status').catch(() => null)]).then(([found, now]) => {
      setStatus((newer) => newer ?? now);
      setError(undefined);
      setCatalog(found);
      loadStaff().then(() => named((n) => n + 1), () => undefined);
    }, setError);
    get<{ records: { fields: Record<string, string> }[] }>('types/area_unit/records?limit=500').then(
      (page) => {
        for (const r of page.records) {
          const { code, name, level, end_kind } = r.fields;
          if (!code) continue;
          areas[code] = name ?? code;
          if (level === 'village' && !end_kind) villages.add(code);
        }
        // Of several rows of this village (a new name, a new parent) the newest speaks.
        const own = page.records.filter((r) => r.fields['code'] === props.session.station).sort((a, b) => ((a.fields['valid_from'] ?? '') < (b.fields['valid_from'] ?? '') ? 1 : -1))[0]?.fields;
        setMerged(own?.['end_kind'] === 'merged' ? { into: own['successor_code'] ?? '', on: own['valid_to'] ?? '' } : null);
        named((n) => n + 1);
      },
      () => undefined,
    );
  }, [round, props.opened]);
  const refresh = () => {
    get<Status>('status').then(setStatus, () => undefined);
  };
  // The stream costs one of the browser's six connections, so only the page that is looked at has it.
  useEffect(() => {
    if (TRAINING) {
      const timer = setInterval(refresh, 3000); // the streams tell of the real data
      return () => clearInterval(timer);
    }
    let stream: EventSource | null = null;
    const open = () => {
      stream?.close();
      stream = null;
      if (document.hidden) return;
      stream = new EventSource('/api/v1/events');
      stream.addEventListener('status', (e) => setStatus(JSON.parse((e as MessageEvent).data)));
      stream.onerror = refresh; // says whether the program is gone or the session is over
    };
    open();
    document.addEventListener('visibilitychange', open);
    return () => {
      document.removeEventListener('visibilitychange', open);
      stream?.close();
    };
  }, [props.opened]); // a locked screen is told nothing
  // At once: later it would close the help that somebody has just asked for on the new page.
  useLayoutEffect(() => {
    setMenu(false);
    setAsks(false);
  }, [parts.join('/')]);
  useEffect(() => {
    const onKeyDown = (e: KeyboardEvent) => {
      if (e.key !== 'F1') return;
      e.preventDefault(); // the browser's own help is on the network
      if (document.querySelector('.veil')) return; // it would open behind what is asked now
      setAsks(true);
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);

  // The rest of the program comes while nobody waits for it, so that a page opens at once, and opens even when the program is gone by then.
  useEffect(() => (catalog ? whenIdle([lists, records, conflicts, settings, batch, household, paper, help]) : undefined), [catalog]);

  const reload = () => again((n) => n + 1);
  if (!catalog && parts[0] !== '') return <Waiting error={error} reload={reload} />;
  // Before the catalogue is here this draws what early.js drew, element by element: it is taken over, not replaced.
  return (
    <ModelContext.Provider value={{ session: props.session, catalog: catalog ?? EMPTY, status, refresh }}>
      {TRAINING && <TrainingMark inside />}
      <header class="top">
        <button class="burger" type="button" aria-expanded={menu} aria-label={t('appName')} onClick={() => setMenu(!menu)}>
          ☰
        </button>
        {!(props.session.front && !TRAINING) && <strong>{props.session.station_name}</strong>}
        <StatusLine status={status} gone={props.gone} />
        <span class="spread" />
        <span class="quiet">{props.session.shown}</span>
        <button type="button" class="button plain" onClick={() => setAsks(true)}>
          {`? ${t('help')}`}
        </button>
        <button type="button" class="button plain" onClick={() => keepDrafts().then(() => api('POST', 'session/lock')).then(props.onLock, () => undefined)}>
          {t('lock')}
        </button>
        <button type="button" class="button plain" onClick={() => keepDrafts().then(() => api('DELETE', 'session')).then(props.onOut, () => undefined)}>
          {t('logout')}
        </button>
      </header>
      <div class={menu ? 'frame menu-open' : 'frame'}>
        {catalog ? <Menu catalog={catalog} here={parts.slice(0, 2).join('/')} /> : <nav class="menu" aria-label={t('appName')} />}
        <main id="content" tabIndex={-1}>
          {catalog && <Guide />}
          {merged && !TRAINING && (
            <div class="no-print">
              <Note kind="info">{t('villageMerged', merged.on, areas[merged.into] ?? merged.into)}</Note>
            </div>
          )}
          {catalog && asks && <Part of={help} show={(m) => <m.HelpDialog parts={parts} onClose={() => setAsks(false)} />} />}
          <Page parts={parts} home={<Home ready={!!catalog} error={error} reload={reload} />} />
        </main>
      </div>
    </ModelContext.Provider>
  );
}

export function App() {
  const [session, setSession] = useState<Session | null | undefined>(() => brought<Session>('session'));
  const [locked, setLocked] = useState(session?.locked ?? false);
  const [over, setOver] = useState(false); // the session is, not by her doing: the page stays below until she, or somebody else, logs in
  const [gone, setGone] = useState(false);
  const [given, setGiven] = useState(''); // a first password, as it was typed at the door
  const [village, setVillage] = useState<{ name: string; front: Front | null }>({ name: session?.station_name ?? '', front: session?.front ?? null });
  const [opened, again] = useState(0); // how often the screen was unlocked: whatever was asked for behind the lock was refused
  const enter = (s: Session) => {
    setSession(s);
    setVillage({ name: s.station_name, front: s.front });
  };
  const open = (entered: Session | null) => {
    if (entered) enter(entered);
    setLocked(false);
    setOver(false);
    again((n) => n + 1);
    void keepDrafts();
    somethingChanged();
  };
  const leave = () => {
    stopDrafts();
    setOver(false);
    setSession(null);
  };
  useLayoutEffect(() => {
    onSession((what) => {
      if (what === 'out') {
        stopDrafts();
        setSession((now) => now ?? null);
        setOver(true);
      }
      if (what === 'locked') setLocked(true);
      if (what === 'out' || what === 'locked') toast(''); // nobody undoes what another one did
      if (what === 'gone') setGone(true);
      if (what === 'back') setGone(false);
    });
    if (session !== undefined) return; // it came with the document
    get<Session>('session').then(
      (s) => {
        enter(s);
        setLocked(s.locked);
      },
      () => setSession((now) => (now === undefined ? null : now)),
    );
  }, []);
  // Nobody there: the program locks the session, and what is on the screen is covered without anybody asking for anything.
  useEffect(() => {
    if (!session || locked || over) return undefined;
    const look = () =>
      get<Session>('session').then(
        (s) => {
          if (s.user !== session.user) return leave(); // another one logged in, in another window
          if (s.locked) {
            toast('');
            setLocked(true);
          }
          // The first neighbour came, or the last one left.
          if (s.front?.mark !== session.front?.mark || s.front?.port !== session.front?.port) enter(s);
        },
        () => undefined,
      );
    const timer = setInterval(look, Math.min(LOOK_MS, session.idle_ms / 4));
    return () => clearInterval(timer);
  }, [session, locked, over]);
  return (
    <>
      {session && !session.must_change && (
        <a class="skip" href="#content" onClick={(e) => (e.preventDefault(), document.getElementById('content')?.focus())}>
          ↓
        </a>
      )}
      <VillageBand name={village.name} front={village.front} />
      {TRAINING && !session && <TrainingMark inside={false} />}
      {session === undefined ? <p class="quiet">{t('loading')}</p> : null}
      {session === null ? (
        <Door
          gone={gone}
          onVillage={(name, front) => setVillage({ name, front })}
          onIn={(s, password) => {
            void keepDrafts(); // from now on
            enter(s);
            setGiven(s.must_change ? password : '');
            setLocked(false);
            setOver(false);
          }}
        />
      ) : null}
      {session?.must_change ? (
        <FirstPassword
          user={session.shown}
          given={given}
          onDone={() => {
            setGiven('');
            location.hash = '#/'; // not where the one before was
            setSession({ ...session, must_change: false });
            toast(t('done'));
          }}
          onOut={() => (setGiven(''), setSession(null))}
        />
      ) : null}
      {session && !session.must_change ? <Inside session={session} gone={gone} opened={opened} onLock={() => (toast(''), setLocked(true))} onOut={() => (toast(''), leave())} /> : null}
      {session && (locked || over) ? <LockScreen key={String(over)} user={session.user} over={over} onOpen={open} onOut={leave} /> : null}
      <Toasts />
    </>
  );
}
