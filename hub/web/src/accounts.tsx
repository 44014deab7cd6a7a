// Accounts (security, administrator) and the audit log (security, auditor).
import { useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { typeOf } from '@common/catalog';
import { label, t, timeText } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { useModel } from './model';
import { isWord, w, type Word } from './messages';
import { Choice } from './overview';
import { Ask } from './records';
import { StationAccounts } from './station_accounts';

/** What an account of the town may be. */
const ROLES: [string, Word][] = [['clerk', 'rClerk'], ['leader', 'rLeader'], ['admin', 'rAdmin'], ['security', 'rSecurity'], ['auditor', 'rAuditor']];
const ALL_ROLES: [string, Word][] = [...ROLES, ['secretary', 'rSecretary'], ['command', 'rCommand']];
export const roleText = (role: string): string => w(ALL_ROLES.find(([r]) => r === role)?.[1] ?? 'role');

interface User {
  name: string;
  role: string;
  disabled: boolean;
}

export function AccountsPage() {
  const { session } = useModel();
  const list = useData(() => get<{ users: User[] }>('users'), []);
  const [name, setName] = useState('');
  const [role, setRole] = useState('clerk');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const [reset, setReset] = useState<string | null>(null);
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const edit = (user: string, body: object) =>
    api('PATCH', `users/${encodeURIComponent(user)}`, body).then(() => {
      toast(w('changed'));
      list.reload();
    });
  const add = async (e: Event) => {
    e.preventDefault();
    setError('');
    try {
      await api('POST', 'users', { user: name, role, password });
      toast(w('made'));
      setName('');
      setPassword('');
      list.reload();
    } catch (why) {
      setError((why as Error).message);
    }
  };
  return (
    <>
      <h1>{w('accounts')}</h1>
      <StationAccounts />
      <h2>{w('townAccounts')}</h2>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t('user')}</th>
              <th scope="col">{w('role')}</th>
              <th scope="col">{w('state')}</th>
              <td />
            </tr>
          </thead>
          <tbody>
            {list.data.users.map((u) => (
              <tr key={u.name}>
                <th scope="row">{u.name}</th>
                <td>{roleText(u.role)}</td>
                <td>{u.disabled ? <span class="tag bad">{w('disabled')}</span> : w('active')}</td>
                <td>
                  {u.name !== session.user && (
                    <>
                      <Button onClick={() => edit(u.name, { disabled: !u.disabled }).catch((e: Error) => toast(e.message))}>{w(u.disabled ? 'enable' : 'disable')}</Button>
                      <Button onClick={() => setReset(u.name)}>{w('resetPassword')}</Button>
                    </>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <section class="card">
        <h2>{w('newAccount')}</h2>
        <form class="form" onSubmit={add}>
          <div class="field">
            <label for="name">{t('user')}</label>
            <input id="name" type="text" autocomplete="off" value={name} onInput={(e) => setName((e.target as HTMLInputElement).value)} />
          </div>
          <Choice text={w('role')} name="role" value={role} options={ROLES.map(([r, word]) => [r, w(word)])} onChange={setRole} />
          <div class="field">
            <label for="first">{w('firstPassword')}</label>
            <input id="first" type="text" autocomplete="off" value={password} onInput={(e) => setPassword((e.target as HTMLInputElement).value)} />
          </div>
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="main" type="submit" disabled={!name || !password}>
              {w('make')}
            </Button>
          </div>
        </form>
      </section>
      {reset && <Ask title={`${w('resetPassword')}：${reset}`} text={w('firstPassword')} go={w('resetPassword')} onClose={() => setReset(null)} onDone={(text) => edit(reset, { password: text })} />}
    </>
  );
}

const whatText = (what: string): string => (isWord(`a_${what}`) ? w(`a_${what}` as Word) : what);

interface Entry {
  n: number;
  at: string;
  user: string;
  role: string;
  what: string;
  object: string;
  reason: string;
  detail: string;
}

export function AuditPage() {
  const { catalog } = useModel();
  /** The program's own words: a type, a role, a number. */
  const detailText = (text: string): string => (typeOf(catalog, text) ? label(typeOf(catalog, text)) : ALL_ROLES.some(([r]) => r === text) ? roleText(text) : text);
  const [before, setBefore] = useState(0);
  const [checked, setChecked] = useState<{ entries: number; first_bad: number | null } | null>(null);
  const log = useData(() => get<{ rows: Entry[] }>(`audit?limit=100&before=${before}`), [before]);
  if (!log.data) return <Waiting error={log.error} reload={log.reload} />;
  const rows = log.data.rows;
  return (
    <>
      <div class="head">
        <h1>{w('audit')}</h1>
        <Button onClick={() => get<{ entries: number; first_bad: number | null }>('audit?limit=1&verify=1').then(setChecked, (e: Error) => toast(e.message))}>{w('check')}</Button>
        <a class="button plain" href="/api/v1/audit/export">
          {w('auditExport')}
        </a>
      </div>
      {checked && <Note kind={checked.first_bad ? 'bad' : 'good'}>{checked.first_bad ? w('chainBad', checked.first_bad) : w('chainGood', checked.entries)}</Note>}
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {(['when', 'who', 'role', 'what', 'object'] as Word[]).map((word) => (
                <th scope="col" key={word}>
                  {w(word)}
                </th>
              ))}
              <th scope="col">{t('reason')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.n}>
                <td>{timeText(r.at)}</td>
                <td>{r.user}</td>
                <td>{r.role ? roleText(r.role) : ''}</td>
                <td>
                  {whatText(r.what)} {detailText(r.detail)}
                </td>
                <td>{/^[0-9a-f-]{36}$/.test(r.object) ? <code>{r.object.slice(0, 8)}…</code> : detailText(r.object)}</td>
                <td>{r.reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length === 100 && <Button onClick={() => setBefore(rows[rows.length - 1]!.n)}>{w('older')}</Button>}
    </>
  );
}
