// Accounts of the villages: made here, valid at their PCs without a network.
import { useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { t, timeText } from '@common/i18n';
import { Button, Dialog, enterGoesOn, Note, toast, useData, Waiting } from '@common/ui';
import { w } from './messages';
import { Choice } from './overview';
import { Text } from './text';

interface StationAccount {
  id: string;
  station: string;
  name: string;
  shown: string;
  role: 'secretary' | 'admin';
  disabled: boolean;
  replaces: string;
  changed: string;
  password?: string; // made just now
}
interface Answer {
  accounts: StationAccount[];
  stations: { code: string; name: string; last_contact: string | null }[];
}
type Doing = { what: 'disable' | 'reset' | 'hand'; account: StationAccount } | { what: 'told'; account: StationAccount } | null;

function Add(props: { stations: Answer['stations']; station: string; done: (made: StationAccount) => void }) {
  const [station, setStation] = useState(props.station);
  const [shown, setShown] = useState('');
  const [user, setUser] = useState('');
  const [role, setRole] = useState<'secretary' | 'admin'>('secretary');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const submit = (e: Event) => {
    e.preventDefault();
    setError('');
    api<StationAccount>('POST', 'accounts', { station, user: user || shown, shown: shown || user, role, ...(password ? { password } : {}) }).then(
      (made) => {
        setShown('');
        setUser('');
        setPassword('');
        props.done(made);
      },
      (why: Error) => setError(why.message),
    );
  };
  return (
    <section class="card no-print">
      <h3>{w('newVillageAccount')}</h3>
      <form class="form" onSubmit={submit} onKeyDown={enterGoesOn}>
        <Choice text={t('station')} name="account-station" value={station} options={[['', t('choose')], ...props.stations.map((s): [string, string] => [s.code, s.name])]} onChange={setStation} />
        <Text id="account-shown" text={w('shownName')} value={shown} onInput={setShown} />
        <Text id="account-user" text={w('accountName')} hint={w('accountNameHint')} value={user} onInput={setUser} />
        <Choice
          text={w('role')}
          name="account-role"
          value={role}
          options={[
            ['secretary', w('rStaff')],
            ['admin', w('rPc')],
          ]}
          onChange={setRole}
        />
        <Text id="account-first" text={w('passwordIs')} hint={w('firstMade')} value={password} onInput={setPassword} />
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={!station || !(shown || user)}>
            {w('make')}
          </Button>
        </div>
      </form>
    </section>
  );
}

function HandOver(props: { old: StationAccount; onClose: () => void; done: (made: StationAccount) => void }) {
  const [shown, setShown] = useState('');
  const [user, setUser] = useState('');
  const [error, setError] = useState('');
  const submit = (e: Event) => {
    e.preventDefault();
    api<StationAccount>('POST', `accounts/${props.old.id}/successor`, { user: user || shown, shown: shown || user }).then(props.done, (why: Error) => setError(why.message));
  };
  return (
    <Dialog title={w('handOverTitle', props.old.shown)} onClose={props.onClose}>
      <p>{w('handOverText', props.old.shown)}</p>
      <form class="form" onSubmit={submit} onKeyDown={enterGoesOn}>
        <Text id="hand-shown" text={w('shownName')} value={shown} onInput={setShown} />
        <Text id="hand-user" text={w('handOverWho')} hint={w('accountNameHint')} value={user} onInput={setUser} />
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={!(shown || user)}>
            {w('handOver')}
          </Button>
          <Button onClick={props.onClose}>{t('cancel')}</Button>
        </div>
      </form>
    </Dialog>
  );
}

/** One question before something is done; what it refuses is said there. */
export function Sure(props: { title: string; text: string; go: string; onClose: () => void; onDone: () => Promise<unknown> }) {
  const [error, setError] = useState('');
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <p>{props.text}</p>
      {error && <Note kind="bad">{error}</Note>}
      <div class="actions">
        <Button kind="main" onClick={() => props.onDone().catch((e: Error) => setError(e.message))}>
          {props.go}
        </Button>
        <Button onClick={props.onClose}>{t('cancel')}</Button>
      </div>
    </Dialog>
  );
}

export function StationAccounts() {
  const list = useData(() => get<Answer>('accounts'), []);
  const [station, setStation] = useState('');
  const [doing, setDoing] = useState<Doing>(null);
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const { accounts, stations } = list.data;
  const stationOf = (code: string) => stations.find((s) => s.code === code);
  const rows = accounts.filter((a) => !station || a.station === station).sort((a, b) => a.station.localeCompare(b.station) || Number(a.disabled) - Number(b.disabled) || a.name.localeCompare(b.name, 'zh'));
  const waits = (a: StationAccount) => (stationOf(a.station)?.last_contact ?? '') < a.changed;
  const done = (account: StationAccount) => {
    setDoing(account.password ? { what: 'told', account } : null);
    if (!account.password) toast(w('changed'));
    list.reload();
  };
  const close = () => setDoing(null);
  return (
    <section>
      <h2>{w('stationAccounts')}</h2>
      <p class="quiet">{w('stationAccountsText')}</p>
      <div class="pickers no-print">
        <Choice text={w('showVillage')} name="station" value={station} options={[['', w('allVillages')], ...stations.map((s): [string, string] => [s.code, s.name])]} onChange={setStation} />
      </div>
      {rows.length === 0 && <p>{w('stationAccountsNone')}</p>}
      {rows.length > 0 && (
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t('station')}</th>
                <th scope="col">{w('accountName')}</th>
                <th scope="col">{w('shownName')}</th>
                <th scope="col">{w('role')}</th>
                <th scope="col">{w('state')}</th>
                <td />
              </tr>
            </thead>
            <tbody>
              {rows.map((a) => (
                <tr key={a.id}>
                  <td>{stationOf(a.station)?.name ?? a.station}</td>
                  <th scope="row">{a.name}</th>
                  <td>
                    {a.shown} {a.replaces && <span class="quiet">{w('tookOver', a.replaces)}</span>}
                  </td>
                  <td>{w(a.role === 'admin' ? 'rPc' : 'rStaff')}</td>
                  <td>
                    {a.disabled ? <span class="tag bad">{w('disabled')}</span> : w('active')} <span class="quiet">{timeText(a.changed)}</span> {waits(a) && <span class="tag wait">{w('notArrived')}</span>}
                  </td>
                  <td>
                    {a.disabled ? (
                      <Button onClick={() => api<StationAccount>('PATCH', `accounts/${a.id}`, { disabled: false }).then(done, (e: Error) => toast(e.message))}>{w('enable')}</Button>
                    ) : (
                      <>
                        <Button onClick={() => setDoing({ what: 'reset', account: a })}>{w('resetPassword')}</Button>
                        <Button onClick={() => setDoing({ what: 'hand', account: a })}>{w('handOver')}</Button>
                        <Button onClick={() => setDoing({ what: 'disable', account: a })}>{w('disable')}</Button>
                      </>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rows.some(waits) && <p class="quiet">{w('notArrivedHint')}</p>}
      <Add key={station} stations={stations} station={station} done={done} />
      {doing?.what === 'disable' && (
        <Sure title={w('disable')} text={w('disableSure', doing.account.shown)} go={w('disable')} onClose={close} onDone={() => api<StationAccount>('PATCH', `accounts/${doing.account.id}`, { disabled: true }).then(done)} />
      )}
      {doing?.what === 'reset' && (
        <Sure title={w('resetPassword')} text={w('resetText', doing.account.shown)} go={w('resetPassword')} onClose={close} onDone={() => api<StationAccount>('POST', `accounts/${doing.account.id}/password`, {}).then(done)} />
      )}
      {doing?.what === 'hand' && <HandOver old={doing.account} onClose={close} done={done} />}
      {doing?.what === 'told' && (
        <Dialog title={`${stationOf(doing.account.station)?.name ?? ''} ${doing.account.shown}`} onClose={close}>
          <p>{w('passwordOnce')}</p>
          <dl class="once">
            <dt>{w('accountName')}</dt>
            <dd>{doing.account.name}</dd>
            <dt>{w('passwordIs')}</dt>
            <dd>
              <strong class="secret">{doing.account.password}</strong>
            </dd>
          </dl>
          <div class="actions">
            <Button kind="main" onClick={close}>
              {w('noted')}
            </Button>
          </div>
        </Dialog>
      )}
    </section>
  );
}
