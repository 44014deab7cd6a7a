// Type size, language, one's own password, accounts.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { typeOf } from '@common/catalog';
import { label, lang, setLang, t } from '@common/i18n';
import { keepSize, SIZES } from '@common/kept';
import { Line } from '@common/lock';
import { timeHere } from '@common/time';
import { Button, Dialog, enterGoesOn, Note, toast, useData, Waiting } from '@common/ui';
import { useModel } from './model';

function Looks() {
  const [, redraw] = useState(0);
  const now = document.documentElement.style.fontSize.replace('px', '');
  return (
    <section class="card">
      <h2>{t('fontSize')}</h2>
      <div class="choices" role="radiogroup" aria-label={t('fontSize')}>
        {SIZES.map((s, i) => (
          <label key={s} class={now === s ? 'choice on' : 'choice'}>
            <input
              type="radio"
              name="size"
              checked={now === s}
              onChange={() => {
                keepSize(s);
                redraw((n) => n + 1);
              }}
            />
            <span>{[t('normal'), t('large'), t('huge')][i]}</span>
          </label>
        ))}
      </div>
      <h2>{t('language')}</h2>
      <div class="choices" role="radiogroup" aria-label={t('language')}>
        {(['zh', 'en'] as const).map((l) => (
          <label key={l} class={lang() === l ? 'choice on' : 'choice'}>
            <input
              type="radio"
              name="language"
              checked={lang() === l}
              onChange={() => {
                setLang(l);
                location.reload();
              }}
            />
            <span>{l === 'zh' ? '中文' : 'English'}</span>
          </label>
        ))}
      </div>
    </section>
  );
}

function OwnPassword() {
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  const [error, setError] = useState('');
  const submit = (e: Event) => {
    e.preventDefault();
    api('POST', 'session/password', { old, password: next }).then(
      () => {
        setOld('');
        setNext('');
        setError('');
        toast(t('done'));
      },
      (why: Error) => setError(why.message),
    );
  };
  return (
    <section class="card">
      <h2>{t('changePassword')}</h2>
      <form class="form" onSubmit={submit}>
        <div class="field">
          <label for="old">{t('oldPassword')}</label>
          <input id="old" type="password" autocomplete="current-password" value={old} onInput={(e) => setOld((e.target as HTMLInputElement).value)} />
        </div>
        <div class="field">
          <label for="next">{t('newPassword')}</label>
          <input id="next" type="password" autocomplete="new-password" value={next} onInput={(e) => setNext((e.target as HTMLInputElement).value)} />
        </div>
        <p class="quiet">{t('passwordHint')}</p>
        {error && <Note kind="bad">{error}</Note>}
        <Button type="submit" disabled={!old || !next}>
          {t('save')}
        </Button>
      </form>
    </section>
  );
}

interface User {
  name: string;
  role: string;
  disabled: boolean;
  must_change: boolean;
  of_town: boolean; // made by the town, which disables it and hands it over
  shown: string;
}

/** A new secretary takes over from the old. */
function Successor(props: { old: string; onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const submit = (e: Event) => {
    e.preventDefault();
    api('POST', `users/${encodeURIComponent(props.old)}/successor`, { user: name, password }).then(
      () => {
        toast(t('succeeded', name, props.old), undefined, true);
        props.onDone();
      },
      (why: Error) => setError(why.message),
    );
  };
  return (
    <Dialog title={t('succeedTitle', props.old)} onClose={props.onClose}>
      <p>{t('succeedText', props.old)}</p>
      <form class="form" onSubmit={submit} onKeyDown={enterGoesOn}>
        <Line id="successor" text={t('successor')} value={name} auto="off" onInput={setName} />
        <Line id="successor-password" text={t('firstPassword')} type="password" value={password} auto="new-password" onInput={setPassword} />
        <p class="quiet">{t('firstPasswordHint')}</p>
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={!name || !password}>
            {t('succeed')}
          </Button>
          <Button onClick={props.onClose}>{t('cancel')}</Button>
        </div>
      </form>
    </Dialog>
  );
}

function Accounts() {
  const users = useData(() => get<{ users: User[] }>('users'), []);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState('secretary');
  const [leaving, setLeaving] = useState('');
  const { session } = useModel();
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const title = useRef<HTMLHeadingElement>(null);
  const succeeded = useRef(false);
  // The button that opened the dialog is gone with the account that left.
  useEffect(() => {
    if (succeeded.current) title.current?.focus();
    succeeded.current = false;
  }, [users.data]);
  const going = useRef(false); // at once: a second click comes before the next picture
  const act = (work: () => Promise<unknown>) => {
    if (going.current) return;
    going.current = true;
    setBusy(true);
    void work().then(
      () => {
        setError('');
        setName('');
        setPassword('');
        toast(t('done'));
        users.reload();
      },
      (why: Error) => setError(why.message),
    ).finally(() => {
      going.current = false;
      setBusy(false);
    });
  };
  return (
    <section class="card">
      <h2 ref={title} tabIndex={-1}>
        {t('accounts')}
      </h2>
      {!users.data && <Waiting error={users.error} reload={users.reload} />}
      <ul class="plain-list">
        {users.data?.users.map((u) => (
          <li key={u.name}>
            <b>{u.name}</b> {u.shown && u.shown !== u.name && `（${u.shown}）`} {u.role === 'admin' ? t('roleAdmin') : t('roleSecretary')} {u.disabled && <span class="tag">{t('disabled')}</span>}{' '}
            {u.must_change && !u.disabled && <span class="tag wait">{t('notYetChanged')}</span>}{' '}
            {u.of_town ? (
              <span class="tag">{t('accountOfTown')}</span>
            ) : (
              <>
                {!u.disabled && u.name !== session.user && <Button onClick={() => setLeaving(u.name)}>{t('succeed')}</Button>}{' '}
                <Button disabled={busy} onClick={() => act(() => api('PATCH', `users/${encodeURIComponent(u.name)}`, { disabled: !u.disabled }))}>{u.disabled ? t('enable') : t('disable')}</Button>
              </>
            )}
          </li>
        ))}
      </ul>
      {users.data?.users.some((u) => u.of_town) && <p class="quiet">{t('accountOfTownHint')}</p>}
      {leaving && <Successor old={leaving} onClose={() => setLeaving('')} onDone={() => ((succeeded.current = true), setLeaving(''), users.reload())} />}
      <form
        class="form"
        onSubmit={(e) => {
          e.preventDefault();
          const there = users.data?.users.some((u) => u.name === name);
          act(() => there ? api('PATCH', `users/${encodeURIComponent(name)}`, { password }) : api('POST', 'users', { user: name, password, role }));
        }}
      >
        <h3>
          {t('addAccount')} / {t('resetPassword')}
        </h3>
        <div class="field">
          <label for="account">{t('user')}</label>
          <input id="account" type="text" autocomplete="off" value={name} onInput={(e) => setName((e.target as HTMLInputElement).value)} />
        </div>
        <div class="field">
          <label for="account-password">{t('newPassword')}</label>
          <input id="account-password" type="password" autocomplete="new-password" value={password} onInput={(e) => setPassword((e.target as HTMLInputElement).value)} />
        </div>
        <div class="field">
          <label for="role">{t('accountRole')}</label>
          <select id="role" value={role} onChange={(e) => setRole((e.target as HTMLSelectElement).value)}>
            <option value="secretary">{t('roleSecretary')}</option>
            <option value="admin">{t('roleAdmin')}</option>
          </select>
        </div>
        <p class="quiet">{t('firstPasswordHint')}</p>
        {error && <Note kind="bad">{error}</Note>}
        <Button type="submit" disabled={!name || !password || busy}>
          {t('save')}
        </Button>
      </form>
    </section>
  );
}

interface Reveal {
  no: number;
  at: string;
  user: string;
  type: string | null;
  label: string;
  id: string;
}

const REVEALS = 20;

/** Who looked at whole ID numbers and bank accounts. */
function Reveals() {
  const { catalog } = useModel();
  const [n, setN] = useState(REVEALS);
  const data = useData(() => get<{ reveals: Reveal[] }>(`reveals?limit=${n}`), [n]);
  return (
    <section class="card">
      <h2>{t('reveals')}</h2>
      <p class="quiet">{t('revealsHint')}</p>
      {!data.data && <Waiting error={data.error} reload={data.reload} />}
      {data.data?.reveals.length === 0 && <p>{t('revealsNone')}</p>}
      <ul class="plain-list reveals">
        {data.data?.reveals.map((r) => {
          const type = r.type ? typeOf(catalog, r.type) : undefined;
          return (
            <li key={r.no}>
              <span class="quiet">{timeHere(r.at)}</span> <b>{r.user}</b> {t('revealedRecord', type ? label(type) : '')} {type && <a href={`#/record/${r.id}`}>{r.label}</a>}
            </li>
          );
        })}
      </ul>
      {data.data && data.data.reveals.length === n && n < 500 && <Button onClick={() => setN(Math.min(500, n * 5))}>{t('more')}</Button>}
    </section>
  );
}

export function SettingsPage() {
  const { session } = useModel();
  return (
    <>
      <h1>{t('settings')}</h1>
      <p class="quiet">
        {t('station')}: {session.station_name} ({session.station})
      </p>
      <Looks />
      <OwnPassword />
      {session.role === 'admin' && <Accounts />}
      {session.role === 'admin' && <Reveals />}
    </>
  );
}
