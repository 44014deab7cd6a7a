// The lock over the page, which stays as it is underneath: of a session that is locked, or that is over, the program having been started
// anew meanwhile; and a line of a door's form.
import { useState } from 'preact/hooks';
import { api } from './api';
import { t } from './i18n';
import { Button, Dialog, Note } from './ui';

export function Line(props: { id: string; text: string; type?: string; value: string; auto: string; onInput: (v: string) => void }) {
  return (
    <div class="field">
      <label for={props.id}>{props.text}</label>
      <input id={props.id} type={props.type ?? 'text'} value={props.value} autocomplete={props.auto} data-enter={props.type === 'password' ? 'own' : undefined} onInput={(e) => props.onInput((e.target as HTMLInputElement).value)} />
    </div>
  );
}

/** over: there is no session to be unlocked, so its user logs in again. Then onOpen is given the new one. */
export function LockScreen<S>(props: { user: string; over: boolean; onOpen: (entered: S | null) => void; onOut: () => void }) {
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const submit = async (e: Event) => {
    e.preventDefault();
    try {
      props.onOpen(props.over ? await api<S>('POST', 'session', { user: props.user, password }) : (await api('POST', 'session/unlock', { password }), null));
    } catch (why) {
      setError((why as Error).message);
      setPassword('');
    }
  };
  return (
    <div class="curtain">
      <Dialog title={t(props.over ? 'signedOut' : 'locked')}>
        <p>{t(props.over ? 'signedOutText' : 'lockedText', props.user)}</p>
        <form class="form" onSubmit={submit}>
          <Line id="unlock" text={t('password')} type="password" value={password} auto="current-password" onInput={setPassword} />
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="main" type="submit" disabled={!password}>
              {t(props.over ? 'goOn' : 'unlock')}
            </Button>
            <Button onClick={() => (props.over ? props.onOut() : api('DELETE', 'session').then(props.onOut, props.onOut))}>{t('notYou')}</Button>
          </div>
        </form>
      </Dialog>
    </div>
  );
}
