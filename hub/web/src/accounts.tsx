// Accounts (security) and the audit log (auditor).
import { useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { typeOf } from '@common/catalog';
import { label, t, timeText } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { useModel } from './model';
import { isWord, w, type Word } from './messages';
import { ALL_ROLES, ROLES, roleText } from './roles';
import { Choice } from './overview';
import { Ask } from './records';
import { StationAccounts } from './station_accounts';
import { Text } from './text';

interface User {
  name: string;
  person: string;
  role: string;
  disabled: boolean;
}

export function AccountsPage() {
  const { session } = useModel();
  const list = useData(() => get<{ users: User[] }>('users'), []);
  const [name, setName] = useState('');
  const [person, setPerson] = useState('');
  const [role, setRole] = useState('clerk');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const [reset, setReset] = useState<string | null>(null);
  const [whose, setWhose] = useState<string | null>(null);
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
      await api('POST', 'users', { user: name, role, password, ...(person ? { person } : {}) });
      toast(w('made'));
      setName('');
      setPerson('');
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
      <p>{w('duties')}</p>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t('user')}</th>
              <th scope="col">{w('person')}</th>
              <th scope="col">{w('role')}</th>
              <th scope="col">{w('state')}</th>
              <td />
            </tr>
          </thead>
          <tbody>
            {list.data.users.map((u) => (
              <tr key={u.name}>
                <th scope="row">{u.name}</th>
                <td>{u.person}</td>
                <td>{roleText(u.role)}</td>
                <td>{u.disabled ? <span class="tag bad">{w('disabled')}</span> : w('active')}</td>
                <td>
                  {u.name !== session.user && (
                    <>
                      <Button onClick={() => edit(u.name, { disabled: !u.disabled }).catch((e: Error) => toast(e.message))}>{w(u.disabled ? 'enable' : 'disable')}</Button>
                      <Button onClick={() => setWhose(u.name)}>{w('personEdit')}</Button>
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
          <Text id="name" text={t('user')} value={name} onInput={setName} />
          <Choice text={w('role')} name="role" value={role} options={ROLES.map(([r, word]) => [r, w(word)])} onChange={setRole} />
          <Text id="person" text={`${w('person')}（${w('personHow')}）`} value={person} onInput={setPerson} />
          <Text id="first" text={w('firstPassword')} value={password} onInput={setPassword} />
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="main" type="submit" disabled={!name || !password}>
              {w('make')}
            </Button>
          </div>
        </form>
      </section>
      {whose && <Ask title={`${w('personEdit')}：${whose}`} text={w('person')} go={t('save')} onClose={() => setWhose(null)} onDone={(text) => edit(whose, { person: text })} />}
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
  const [checked, setChecked] = useState<{ entries: number; first_bad: number | null; missing_from: number | null } | null>(null);
  const log = useData(() => get<{ rows: Entry[] }>(`audit?limit=100&before=${before}`), [before]);
  if (!log.data) return <Waiting error={log.error} reload={log.reload} />;
  const rows = log.data.rows;
  return (
    <>
      <div class="head">
        <h1>{w('audit')}</h1>
        <Button onClick={() => get<{ entries: number; first_bad: number | null; missing_from: number | null }>('audit?limit=1&verify=1').then(setChecked, (e: Error) => toast(e.message))}>{w('check')}</Button>
        <a class="button plain" href="/api/v1/audit/export">
          {w('auditExport')}
        </a>
      </div>
      {checked && (
        <Note kind={checked.first_bad || checked.missing_from ? 'bad' : 'good'}>
          {checked.first_bad ? w('chainBad', checked.first_bad) : checked.missing_from ? w('chainCut', checked.missing_from) : w('chainGood', checked.entries)}
        </Note>
      )}
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
