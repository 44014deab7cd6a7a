// The town's page: who is logged in, the line that is always there, the menu of their role, and the page asked for.
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { api, brought, get, onSession } from '@common/api';
import { areas, villages } from '@common/catalog';
import { lang, setLang, t } from '@common/i18n';
import { LockScreen } from '@common/lock';
import { REQUEST } from '@common/request';
import { useHash } from '@common/route';
import { Note, Part, part, somethingChanged, Toasts, Waiting, whenIdle } from '@common/ui';
import { Door, PasswordForm } from './door';
import { type Coverage, isStaff, isVillage, ModelContext, seesBoard, seesFigures, type Session, type Station, type TownCatalog, type TownStatus } from './model';
import { w } from './messages';
import { coverageText, Overview } from './overview';
import { roleText } from './roles';

function Menu(props: { session: Session; here: string; waits: number }) {
  const s = props.session;
  const link = (to: string, text: string) => (
    <li key={to}>
      <a href={`#/${to}`} aria-current={props.here === to ? 'page' : undefined}>
        {text}
      </a>
    </li>
  );
  return (
    <nav class="menu" aria-label={w('title')}>
      <ul>
        {seesFigures(s) && link('', w('overview'))}
        {seesFigures(s) && link('summary', w('summary'))}
        {isStaff(s) && link('inbox', props.waits ? `${w('inbox')} (${props.waits})` : w('inbox'))}
        {isStaff(s) && link('list', w('registers'))}
        {isStaff(s) && link('months', w('months'))}
        {isStaff(s) && link('assessments', w('five'))}
        {s.role === 'clerk' && link('national', w('national'))}
        {isStaff(s) && link('quality', w('quality'))}
        {seesBoard(s) && link('stations', w('stations'))}
        {s.role === 'security' && link('accounts', w('accounts'))}
        {s.role === 'auditor' && link('audit', w('audit'))}
        {s.role !== 'security' && link('settings', w('settings'))}
        {link('password', w('changePassword'))}
      </ul>
      <button type="button" class="button plain" onClick={() => (setLang(lang() === 'zh' ? 'en' : 'zh'), location.reload())}>
        {lang() === 'zh' ? 'English' : '中文'}
      </button>
    </nav>
  );
}

// Pages come when they are opened, or when there is nothing else to do: the script of the first page is small.
const accounts = part(() => import('./accounts'));
const assessments = part(() => import('./assessments'));
const enter = part(() => import('./enter'));
const figure = part(() => import('./figure'));
const inbox = part(() => import('./inbox'));
const months = part(() => import('./months'));
const kits = part(() => import('./kit'));
const national = part(() => import('./national'));
const quality = part(() => import('./quality'));
const records = part(() => import('./records'));
const registers = part(() => import('./registers'));
const requests = part(() => import('./requests'));
const rows = part(() => import('./import'));
const settings = part(() => import('./settings'));
const stationPages = part(() => import('./stations'));
const summary = part(() => import('./summary'));
const transfers = part(() => import('./transfers'));
const versions = part(() => import('./versions'));

const Accounts = () => <Part of={accounts} key="accounts" show={(m) => <m.AccountsPage />} />;
const Audit = () => <Part of={accounts} key="audit" show={(m) => <m.AuditPage />} />;

function Page(props: { parts: string[]; session: Session }) {
  const [page, a] = props.parts;
  switch (page) {
    case 'figure':
      return <Part of={figure} key={`figure ${a}`} show={(m) => <m.FigurePage id={a ?? ''} />} />;
    case 'summary':
      return a ? <Part of={versions} key={a} show={(m) => <m.VersionPage id={a} />} /> : <Part of={summary} key="summary" show={(m) => <m.SummaryPage />} />;
    case 'quality':
      return a ? <Part of={quality} key={`quality ${a}`} show={(m) => <m.QualityRowsPage check={a} />} /> : <Part of={quality} key="quality" show={(m) => <m.QualityPage />} />;
    case 'months':
      return <Part of={months} key={location.hash} show={(m) => <m.MonthsPage />} />;
    case 'assessments':
      return <Part of={assessments} key={location.hash} show={(m) => <m.AssessmentsPage />} />;
    case 'national':
      return <Part of={national} key="national" show={(m) => <m.NationalPage />} />;
    case 'transfers':
      return <Part of={transfers} key="transfers" show={(m) => <m.TransfersPage />} />;
    case 'enter':
      return <Part of={enter} key={`enter ${a}`} show={(m) => <m.EnterPage type={a ?? 'person'} />} />;
    case 'import':
      return <Part of={rows} key="import" show={(m) => <m.ImportPage />} />;
    case 'change':
      return <Part of={enter} key={`change ${a}`} show={(m) => <m.ChangePage id={a ?? ''} />} />;
    case 'inbox':
      return <Part of={inbox} key="inbox" show={(m) => <m.InboxPage />} />;
    case 'verify':
      if (a === REQUEST) return <Part of={requests} key="requests" show={(m) => <m.RequestsPage />} />;
      return <Part of={inbox} key={`verify ${a}`} show={(m) => <m.VerifyPage type={a ?? ''} />} />;
    case 'steps':
      return <Part of={inbox} key={`steps ${a} ${location.hash}`} show={(m) => <m.StepsPage type={a ?? ''} />} />;
    case 'review':
      return <Part of={inbox} key={`review ${a}`} show={(m) => <m.ReviewPage kind={a ?? ''} />} />;
    case 'list':
      return <Part of={registers} key={`list.${a}`} show={(m) => <m.RegistersPage type={a ?? 'person'} />} />;
    case 'record':
      return <Part of={records} key={`record ${a}`} show={(m) => <m.RecordPage id={a ?? ''} />} />;
    case 'village':
      return <Overview station={a} key={a} />;
    case 'stations':
      return <Part of={stationPages} key="stations" show={(m) => <m.StationsPage />} />;
    case 'station':
      return <Part of={stationPages} key={`station ${a}`} show={(m) => <m.StationsPage only={a} />} />;
    case 'kit':
      return <Part of={kits} key={`kit ${a}`} show={(m) => <m.KitPage code={a ?? ''} />} />;
    case 'accounts':
      return <Accounts />;
    case 'audit':
      return <Audit />;
    case 'settings':
      return <Part of={settings} key="settings" show={(m) => <m.SettingsPage />} />;
    case 'password':
      return <PasswordForm must={false} onDone={() => (location.hash = '')} />;
    default:
      if (seesFigures(props.session)) return <Overview key="town" />;
      return props.session.role === 'admin' ? <Part of={stationPages} key="stations" show={(m) => <m.StationsPage />} /> : props.session.role === 'auditor' ? <Audit /> : <Accounts />;
  }
}

/** What the town has to know at once, whatever page is open. */
function Warnings(props: { status: TownStatus | null; session: Session; gone: boolean }) {
  if (props.gone) return <Note kind="bad">{w('offline')}</Note>;
  const s = props.status;
  if (!s) return null;
  const days = s.backup_age_s === null ? null : Math.floor(s.backup_age_s / 86400);
  return (
    <>
      {s.read_only && <Note kind="bad">{w('readOnly')}</Note>}
      {props.session.role === 'admin' && (days === null || days >= 7) && <Note kind="info">
          {days === null ? w('backupNever') : w('backupOld', days)} <a href="#/settings">{w('backupNow')}</a>
        </Note>}
    </>
  );
}

function Inside(props: { session: Session; gone: boolean; opened: number; onLock: () => void; onOut: () => void }) {
  const parts = useHash();
  const [catalog, setCatalog] = useState<TownCatalog>();
  const [stations, setStations] = useState<Station[]>([]);
  const [status, setStatus] = useState<TownStatus | null>(() => brought<TownStatus>('status') ?? null);
  const [error, setError] = useState<Error>();
  const [menu, setMenu] = useState(false);
  const [round, again] = useState(0);
  const figures = seesFigures(props.session);
  useLayoutEffect(() => {
    const board = seesBoard(props.session) ? get<{ stations: Station[]; coverage: Coverage }>('stations') : Promise.resolve({ stations: [] });
    Promise.all([get<TownCatalog>('catalog'), board]).then(([found, { stations: all }]) => {
      for (const s of all) {
        areas[s.code] = s.name;
        if (isVillage(s)) villages.add(s.code);
        else villages.delete(s.code);
        if (s.office) areas[s.office] = s.office_name;
      }
      setStations(all);
      setError(undefined);
      setCatalog(found);
    }, setError);
  }, [round, props.opened]);
  const refresh = () => {
    get<TownStatus>('status').then(setStatus, () => undefined);
  };
  useEffect(() => {
    if (!status) refresh();
    const timer = setInterval(() => document.hidden || refresh(), 30000);
    return () => clearInterval(timer);
  }, [props.opened]);
  useEffect(() => setMenu(false), [parts.join('/')]);
  useEffect(() => (catalog && figures ? whenIdle([inbox, records, figure, stationPages, summary, quality]) : undefined), [catalog]);
  if (!catalog) return <Waiting error={error} reload={() => again((n) => n + 1)} />;
  const waits = status?.waiting ?? 0;
  return (
    <ModelContext.Provider value={{ session: props.session, catalog, stations, status, refresh, reload: () => again((n) => n + 1) }}>
      <a class="skip" href="#content" onClick={(e) => (e.preventDefault(), document.getElementById('content')?.focus())}>
        ↓
      </a>
      <header class="top">
        <button class="burger" type="button" aria-expanded={menu} aria-label={w('title')} onClick={() => setMenu(!menu)}>
          ☰
        </button>
        <strong>{props.session.town}</strong>
        {status && figures && (
          <a class="line" href="#/stations">
            {coverageText(status.coverage)}
          </a>
        )}
        <span class="spread" />
        <span class="quiet">
          {props.session.user} · {roleText(props.session.role)}
        </span>
        <button type="button" class="button plain" onClick={() => api('POST', 'session/lock').then(props.onLock, () => undefined)}>
          {t('lock')}
        </button>
        <button type="button" class="button plain" onClick={() => api('DELETE', 'session').then(props.onOut, () => undefined)}>
          {t('logout')}
        </button>
      </header>
      <div class={menu ? 'frame menu-open' : 'frame'}>
        <Menu session={props.session} here={parts[0] ?? ''} waits={waits} />
        <main id="content" tabIndex={-1}>
          <Warnings status={status} session={props.session} gone={props.gone} />
          <Page parts={parts} session={props.session} />
        </main>
      </div>
    </ModelContext.Provider>
  );
}

export function App() {
  const [session, setSession] = useState<Session | null | undefined>(() => brought<Session>('session'));
  const [locked, setLocked] = useState(session?.locked ?? false);
  const [over, setOver] = useState(false); // the session is, not by one's own doing: the page stays below until somebody logs in
  const [gone, setGone] = useState(false);
  const [opened, again] = useState(0); // how often the screen was unlocked: whatever was asked for behind the lock was refused
  const take = (s: Session) => {
    setSession(s);
    setLocked(s.locked);
    setOver(false);
  };
  const open = (entered: Session | null) => {
    if (entered) take(entered);
    setLocked(false);
    again((n) => n + 1);
    somethingChanged();
  };
  const leave = () => {
    setOver(false);
    setSession(null);
  };
  useLayoutEffect(() => {
    onSession((what) => {
      if (what === 'out') {
        setSession((now) => now ?? null);
        setOver(true);
      }
      if (what === 'locked') setLocked(true);
      if (what === 'gone') setGone(true);
      if (what === 'back') setGone(false);
    });
    // Also when the document said nobody: a link from another site brings it without the cookie (SameSite=Strict).
    if (!session) get<Session>('session').then(take, () => setSession((now) => (now === undefined ? null : now)));
  }, []);
  if (session === undefined) return <p class="quiet">{t('loading')}</p>;
  return (
    <>
      {session === null && <Door gone={gone} onIn={take} />}
      {session?.must_change && <PasswordForm must onDone={() => setSession({ ...session, must_change: false })} />}
      {session && !session.must_change && <Inside session={session} gone={gone} opened={opened} onLock={() => setLocked(true)} onOut={leave} />}
      {session && (locked || over) ? <LockScreen key={String(over)} user={session.user} over={over} onOpen={open} onOut={leave} /> : null}
      <Toasts />
    </>
  );
}
