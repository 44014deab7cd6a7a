// The lock over the page, which stays as it is underneath; and a line of a door's form.
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

export function LockScreen(props: { user: string; onOpen: () => void; onOut: () => void }) {
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const submit = async (e: Event) => {
    e.preventDefault();
    try {
      await api('POST', 'session/unlock', { password });
      props.onOpen();
    } catch (why) {
      setError((why as Error).message);
      setPassword('');
    }
  };
  return (
    <div class="curtain">
      <Dialog title={t('locked')}>
        <p>{t('lockedText', props.user)}</p>
        <form class="form" onSubmit={submit}>
          <Line id="unlock" text={t('password')} type="password" value={password} auto="current-password" onInput={setPassword} />
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="main" type="submit" disabled={!password}>
              {t('unlock')}
            </Button>
            <Button onClick={() => api('DELETE', 'session').then(props.onOut, props.onOut)}>{t('notYou')}</Button>
          </div>
        </form>
      </Dialog>
    </div>
  );
}
