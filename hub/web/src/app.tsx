// The town's page: who is logged in, the line that is always there, the menu of their role, and the page asked for.
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { api, get, onSession } from '@common/api';
import { areas } from '@common/catalog';
import { lang, setLang, t } from '@common/i18n';
import { LockScreen } from '@common/lock';
import { useHash } from '@common/route';
import { Later, Note, Toasts, Waiting } from '@common/ui';
import { AccountsPage, AuditPage, roleText } from './accounts';
import { Door, PasswordForm } from './door';
import { FigurePage } from './figure';
import { InboxPage, ReviewPage, VerifyPage } from './inbox';
import { type Coverage, isStaff, ModelContext, seesFigures, type Session, type Station, type TownCatalog, type TownStatus } from './model';
import { w } from './messages';
import { coverageText, Overview } from './overview';
import { QualityPage, QualityRowsPage } from './quality';
import { RecordPage, RegistersPage } from './records';
import { StationsPage } from './stations';
import { SummaryPage } from './summary';
import { ChangePage, EnterPage } from './enter';

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
        {seesFigures(s) && link('stations', w('stations'))}
        {(s.role === 'security' || s.role === 'admin') && link('accounts', w('accounts'))}
        {(s.role === 'security' || s.role === 'auditor') && link('audit', w('audit'))}
        {link('password', w('changePassword'))}
      </ul>
      <button type="button" class="button plain" onClick={() => (setLang(lang() === 'zh' ? 'en' : 'zh'), location.reload())}>
        {lang() === 'zh' ? 'English' : '中文'}
      </button>
    </nav>
  );
}

function Page(props: { parts: string[]; session: Session }) {
  const [page, a] = props.parts;
  switch (page) {
    case 'figure':
      return <FigurePage id={a ?? ''} key={a} />;
    case 'summary':
      return a ? <Later key={a} load={() => import('./versions').then((m) => () => <m.VersionPage id={a} />)} /> : <SummaryPage />;
    case 'quality':
      return a ? <QualityRowsPage check={a} key={location.hash} /> : <QualityPage />;
    case 'months':
      return <Later key={location.hash} load={() => import('./months').then((m) => m.MonthsPage)} />;
    case 'assessments':
      return <Later key={location.hash} load={() => import('./assessments').then((m) => m.AssessmentsPage)} />;
    case 'national':
      return <Later key="national" load={() => import('./national').then((m) => m.NationalPage)} />;
    case 'transfers':
      return <Later key="transfers" load={() => import('./transfers').then((m) => m.TransfersPage)} />;
    case 'enter':
      return <EnterPage type={a ?? 'person'} key={a} />;
    case 'change':
      return <ChangePage id={a ?? ''} key={a} />;
    case 'inbox':
      return <InboxPage />;
    case 'verify':
      return <VerifyPage type={a ?? ''} key={a} />;
    case 'review':
      return <ReviewPage kind={a ?? ''} key={a} />;
    case 'list':
      return <RegistersPage type={a ?? 'person'} key={location.hash} />;
    case 'record':
      return <RecordPage id={a ?? ''} key={a} />;
    case 'stations':
      return <StationsPage />;
    case 'station':
      return <StationsPage only={a} key={a} />;
    case 'accounts':
      return <AccountsPage />;
    case 'audit':
      return <AuditPage />;
    case 'password':
      return <PasswordForm must={false} onDone={() => (location.hash = '')} />;
    default:
      return seesFigures(props.session) ? <Overview /> : props.session.role === 'auditor' ? <AuditPage /> : <AccountsPage />;
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
      {props.session.role === 'admin' && (days === null || days >= 7) && <Note kind="info">{days === null ? w('backupNever') : w('backupOld', days)}</Note>}
    </>
  );
}

function Inside(props: { session: Session; gone: boolean; onLock: () => void; onOut: () => void }) {
  const parts = useHash();
  const [catalog, setCatalog] = useState<TownCatalog>();
  const [stations, setStations] = useState<Station[]>([]);
  const [status, setStatus] = useState<TownStatus | null>(null);
  const [error, setError] = useState<Error>();
  const [menu, setMenu] = useState(false);
  const [round, again] = useState(0);
  const figures = seesFigures(props.session);
  useLayoutEffect(() => {
    const board = figures ? get<{ stations: Station[]; coverage: Coverage }>('stations') : Promise.resolve({ stations: [] });
    Promise.all([get<TownCatalog>('catalog'), board]).then(([found, { stations: all }]) => {
      for (const s of all) {
        areas[s.code] = s.name;
        if (s.office) areas[s.office] = s.office_name;
      }
      setStations(all);
      setCatalog(found);
    }, setError);
  }, [round]);
  const refresh = () => {
    get<TownStatus>('status').then(setStatus, () => undefined);
  };
  useEffect(() => {
    refresh();
    const timer = setInterval(() => document.hidden || refresh(), 30000);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => setMenu(false), [parts.join('/')]);
  if (!catalog) return <Waiting error={error} reload={() => again((n) => n + 1)} />;
  const waits = status ? status.conflicts + status.duplicates + status.held + status.salvaged + status.recovered : 0;
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
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const [locked, setLocked] = useState(false);
  const [gone, setGone] = useState(false);
  const take = (s: Session) => {
    setSession(s);
    setLocked(s.locked);
  };
  useLayoutEffect(() => {
    onSession((what) => {
      if (what === 'out') setSession(null);
      if (what === 'locked') setLocked(true);
      if (what === 'gone') setGone(true);
      if (what === 'back') setGone(false);
    });
    get<Session>('session').then(take, () => setSession((now) => (now === undefined ? null : now)));
  }, []);
  if (session === undefined) return <p class="quiet">{t('loading')}</p>;
  return (
    <>
      {session === null && <Door gone={gone} onIn={take} />}
      {session?.must_change && <PasswordForm must onDone={() => setSession({ ...session, must_change: false })} />}
      {session && !session.must_change && <Inside session={session} gone={gone} onLock={() => setLocked(true)} onOut={() => setSession(null)} />}
      {session && locked ? <LockScreen user={session.user} onOpen={() => setLocked(false)} onOut={() => setSession(null)} /> : null}
      <Toasts />
    </>
  );
}
