// The frame: who is logged in, the menu, which page the address names, the line to the town.
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { api, get, onSession, TRAINING } from '@common/api';
import { areas, type Catalog } from '@common/catalog';
import { label, t } from '@common/i18n';
import { useHash } from '@common/route';
import { Button, Dialog, Later, Note, somethingChanged, toast, Toasts, Waiting } from '@common/ui';
import { LockScreen } from '@common/lock';
import { Door, FirstPassword } from './door';
import { Guide } from './guide';
import { Home } from './home';
import { ConflictsPage } from './conflicts';
import { BinPage, ListPage, PendingPage, ReturnedPage } from './lists';
import { DAILY, type Front, ModelContext, type Session, type Status } from './model';
import { EditPage, NewPage, RecordPage } from './record';
import { HelpPage, SettingsPage } from './settings';
import { VillageBand } from './village';

const LOOK_MS = 15000;

function Menu(props: { catalog: Catalog; here: string }) {
  const daily = DAILY.filter((name) => props.catalog.types.some((type) => type.name === name && type.kept));
  const other = props.catalog.types.filter((type) => type.kept && type.name !== 'person' && !daily.includes(type.name));
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
      <h2>{t('work')}</h2>
      <ul>{daily.map((name) => link(`list/${name}`, label(props.catalog.types.find((type) => type.name === name))))}</ul>
      <details open={other.some((type) => props.here === `list/${type.name}`)}>
        <summary>{t('other')}</summary>
        <ul>{other.map((type) => link(`list/${type.name}`, label(type)))}</ul>
      </details>
      <ul>
        {!TRAINING && link('usb', t('usb'))}
        {link('bin/person', t('bin'))}
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
      {t(s.state)} · {s.pending ? t('toSend', s.pending) : t('allSent')}
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

function Page(props: { parts: string[] }) {
  const [page, a] = props.parts;
  switch (page) {
    case '':
      return <Home />;
    case 'list':
      return <ListPage type={a ?? ''} key={a} />;
    case 'new':
      return <NewPage type={a ?? ''} key={location.hash} />;
    case 'record':
      return <RecordPage id={a ?? ''} key={a} />;
    case 'edit':
      return <EditPage id={a ?? ''} key={a} />;
    case 'batch':
      return a === 'visit' ? <Later key={location.hash} load={() => import('./batch').then((m) => m.BatchPage)} /> : <p>{t('notFound')}</p>;
    case 'household':
      return <Later key={location.hash} load={() => import('./household').then((m) => () => <m.HouseholdPage no={a ?? ''} />)} />;
    case 'import':
      return <Later key={location.hash} load={() => import('./import').then((m) => () => <m.ImportPage type={a ?? ''} />)} />;
    case 'print':
      return <Later key={location.hash} load={() => import('./sheets').then((m) => () => <m.PrintPage type={a ?? ''} />)} />;
    case 'paper':
      return <Later key={location.hash} load={() => import('./paper').then((m) => () => <m.PaperPage id={a ?? ''} />)} />;
    case 'usb':
      return <Later load={() => import('./usb').then((m) => m.UsbPage)} />;
    case 'pending':
      return <PendingPage />;
    case 'returned':
      return <ReturnedPage />;
    case 'conflicts':
      return <ConflictsPage />;
    case 'bin':
      return <BinPage type={a ?? 'person'} key={a} />;
    case 'settings':
      return <SettingsPage />;
    case 'help':
      return <HelpPage />;
    default:
      return <p>{t('notFound')}</p>;
  }
}

function Inside(props: { session: Session; gone: boolean; onLock: () => void; onOut: () => void }) {
  const parts = useHash();
  const [catalog, setCatalog] = useState<Catalog>();
  const [error, setError] = useState<Error>();
  const [status, setStatus] = useState<Status | null>(null);
  const [menu, setMenu] = useState(false);
  const [round, again] = useState(0);
  const [, named] = useState(0);

  // All at once; the page is drawn with the first two, and names of villages come into it. Not in an effect that waits for a picture of a page
  // that has nothing on it yet: on a slow PC each picture takes a tenth of a second.
  useLayoutEffect(() => {
    Promise.all([get<Catalog>('catalog'), get<Status>('status').catch(() => null)]).then(([found, now]) => {
      setStatus(now);
      setCatalog(found);
    }, setError);
    get<{ records: { fields: Record<string, string> }[] }>('types/area_unit/records?limit=500').then(
      (page) => {
        for (const r of page.records) if (r.fields['code']) areas[r.fields['code']] = r.fields['name'] ?? r.fields['code'];
        named((n) => n + 1);
      },
      () => undefined,
    );
  }, [round]);
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
  }, []);
  useEffect(() => setMenu(false), [parts.join('/')]);

  if (!catalog) return <Waiting error={error} reload={() => again((n) => n + 1)} />;
  return (
    <ModelContext.Provider value={{ session: props.session, catalog, status, refresh }}>
      {TRAINING && <TrainingMark inside />}
      <header class="top">
        <button class="burger" type="button" aria-expanded={menu} aria-label={t('appName')} onClick={() => setMenu(!menu)}>
          ☰
        </button>
        {!(props.session.front && !TRAINING) && <strong>{props.session.station_name}</strong>}
        <StatusLine status={status} gone={props.gone} />
        <span class="spread" />
        <span class="quiet">{props.session.shown}</span>
        <button type="button" class="button plain" onClick={() => api('POST', 'session/lock').then(props.onLock, () => undefined)}>
          {t('lock')}
        </button>
        <button type="button" class="button plain" onClick={() => api('DELETE', 'session').then(props.onOut, () => undefined)}>
          {t('logout')}
        </button>
      </header>
      <div class={menu ? 'frame menu-open' : 'frame'}>
        <Menu catalog={catalog} here={parts.slice(0, 2).join('/')} />
        <main id="content" tabIndex={-1}>
          <Guide />
          <Page parts={parts} />
        </main>
      </div>
    </ModelContext.Provider>
  );
}

export function App() {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const [locked, setLocked] = useState(false);
  const [gone, setGone] = useState(false);
  const [given, setGiven] = useState(''); // a first password, as it was typed at the door
  const [village, setVillage] = useState<{ name: string; front: Front | null }>({ name: '', front: null });
  const enter = (s: Session) => {
    setSession(s);
    setVillage({ name: s.station_name, front: s.front });
  };
  useLayoutEffect(() => {
    onSession((what) => {
      if (what === 'out') setSession(null);
      if (what === 'locked') setLocked(true);
      if (what === 'out' || what === 'locked') toast(''); // nobody undoes what another one did
      if (what === 'gone') setGone(true);
      if (what === 'back') setGone(false);
    });
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
    if (!session || locked) return undefined;
    const look = () =>
      get<Session>('session').then(
        (s) => {
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
  }, [session, locked]);
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
            enter(s);
            setGiven(s.must_change ? password : '');
            setLocked(false);
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
      {session && !session.must_change ? <Inside session={session} gone={gone} onLock={() => (toast(''), setLocked(true))} onOut={() => (toast(''), setSession(null))} /> : null}
      {session && locked ? <LockScreen user={session.user} onOpen={() => setLocked(false)} onOut={() => setSession(null)} /> : null}
      <Toasts />
    </>
  );
}
