// The door: logging in, the first password that must be changed, and the lock.
import { useState } from 'preact/hooks';
import { api } from '@common/api';
import { t } from '@common/i18n';
import { Line } from '@common/lock';
import { Button, enterGoesOn, Note } from '@common/ui';
import type { Session } from './model';
import { w } from './messages';

export function Door(props: { gone: boolean; onIn: (s: Session) => void }) {
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError('');
    try {
      props.onIn(await api<Session>('POST', 'session', { user, password }));
    } catch (why) {
      setError((why as Error).message);
      setPassword('');
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="door">
      <h1>{w('title')}</h1>
      <form class="form" onSubmit={submit} onKeyDown={enterGoesOn}>
        <Line id="user" text={t('user')} value={user} auto="username" onInput={setUser} />
        <Line id="password" text={t('password')} type="password" value={password} auto="current-password" onInput={setPassword} />
        <p class="quiet">{w('doorHint')}</p>
        {(error || props.gone) && <Note kind="bad">{error || w('offline')}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={busy || !user || !password}>
            {t('login')}
          </Button>
        </div>
      </form>
    </main>
  );
}

/** must: the password was given by somebody else, and nothing else goes on before it is changed. */
export function PasswordForm(props: { must: boolean; onDone: () => void }) {
  const Frame = props.must ? 'main' : 'div';
  const [old, setOld] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [error, setError] = useState('');
  const submit = async (e: Event) => {
    e.preventDefault();
    if (password !== again) {
      setError(t('passwordsDiffer'));
      return;
    }
    try {
      await api('POST', 'session/password', { old, password });
      props.onDone();
    } catch (why) {
      setError((why as Error).message);
    }
  };
  return (
    <Frame class="door">
      <h1>{w('changePassword')}</h1>
      {props.must && <p>{w('mustChange')}</p>}
      <form class="form" onSubmit={submit} onKeyDown={enterGoesOn}>
        <Line id="old" text={w('oldPassword')} type="password" value={old} auto="current-password" onInput={setOld} />
        <Line id="new" text={w('newPassword')} type="password" value={password} auto="new-password" onInput={setPassword} />
        <Line id="again" text={t('passwordAgain')} type="password" value={again} auto="new-password" onInput={setAgain} />
        <p class="quiet">{w('newPasswordHint')}</p>
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={!old || !password || !again}>
            {w('changePassword')}
          </Button>
        </div>
      </form>
    </Frame>
  );
}
