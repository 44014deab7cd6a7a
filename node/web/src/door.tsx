// The door: the first account, and logging in.
import { useEffect, useState } from 'preact/hooks';
import { api, brought, get, TRAINING } from '@common/api';
import { t } from '@common/i18n';
import { Line } from '@common/lock';
import { Button, enterGoesOn, Note } from '@common/ui';
import type { Front, Session } from './model';

const TRAINEE = ['练习员', '246810'] as const; // made with the training data; opens nothing else

interface Setup {
  needed: boolean;
  name: string;
  front: Front | null;
}

export function Door(props: { gone: boolean; onVillage: (name: string, front: Front | null) => void; onIn: (s: Session, password: string) => void }) {
  const [setup, setSetup] = useState<Setup | null>(() => brought<Setup>('setup') ?? null);
  const [user, setUser] = useState<string>(TRAINING ? TRAINEE[0] : '');
  const [password, setPassword] = useState<string>(TRAINING ? TRAINEE[1] : '');
  const [again, setAgain] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const take = (found: Setup) => {
      setSetup(found);
      props.onVillage(found.name, found.front);
    };
    if (setup) take(setup);
    else get<Setup>('setup').then(take, (e: Error) => setError(e.message));
  }, []);
  const first = setup?.needed ?? false;
  const submit = async (e: Event) => {
    e.preventDefault();
    if (first && password !== again) {
      setError(t('passwordsDiffer'));
      return;
    }
    setBusy(true);
    setError('');
    try {
      props.onIn(await api<Session>('POST', first ? 'setup' : 'session', { user, password }), password);
    } catch (why) {
      setError((why as Error).message);
      setPassword('');
      setAgain('');
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="door">
      <h1>{t('appName')}</h1>
      <p>{setup?.name}</p>
      {TRAINING && <p>{t('trainingDoor', ...TRAINEE)}</p>}
      {first && (
        <>
          <h2>{t('setupTitle')}</h2>
          <p>{t('setupText')}</p>
        </>
      )}
      <form class="form" onSubmit={submit} onKeyDown={enterGoesOn}>
        <Line id="user" text={t('user')} value={user} auto="username" onInput={setUser} />
        <Line id="password" text={t('password')} type="password" value={password} auto={first ? 'new-password' : 'current-password'} onInput={setPassword} />
        {first && <Line id="again" text={t('passwordAgain')} type="password" value={again} auto="new-password" onInput={setAgain} />}
        {first && <p class="quiet">{t('passwordHint')}</p>}
        {(error || props.gone) && <Note kind="bad">{error || t('programGone')}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={busy || !user || !password}>
            {first ? t('setupDo') : t(TRAINING ? 'trainingStart' : 'login')}
          </Button>
        </div>
      </form>
    </main>
  );
}

/** The password was given by somebody else: nothing goes on before there is one that only its owner knows. `given` is what was typed at the
 * door; after a reload it has to be typed once more. */
export function FirstPassword(props: { user: string; given: string; onDone: () => void; onOut: () => void }) {
  const [old, setOld] = useState(props.given);
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [error, setError] = useState('');
  const submit = (e: Event) => {
    e.preventDefault();
    if (password !== again) {
      setError(t('passwordsDiffer'));
      return;
    }
    api('POST', 'session/password', { old, password }).then(props.onDone, (why: Error) => setError(why.message));
  };
  return (
    <main class="door">
      <h1>{t('firstPasswordTitle')}</h1>
      <p>{t('firstPasswordText', props.user)}</p>
      <form class="form" onSubmit={submit} onKeyDown={enterGoesOn}>
        {!props.given && <Line id="given" text={t('givenPassword')} type="password" value={old} auto="current-password" onInput={setOld} />}
        <Line id="new" text={t('newPassword')} type="password" value={password} auto="new-password" onInput={setPassword} />
        <Line id="again" text={t('passwordAgain')} type="password" value={again} auto="new-password" onInput={setAgain} />
        <p class="quiet">{t('passwordHint')}</p>
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={!old || !password || !again}>
            {t('firstPasswordDo')}
          </Button>
          <Button onClick={() => api('DELETE', 'session').then(props.onOut, props.onOut)}>{t('logout')}</Button>
        </div>
      </form>
    </main>
  );
}
