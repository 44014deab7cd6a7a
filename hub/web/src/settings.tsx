// The town's settings (设置): what each changes, its present value, who changed it last. The words about them come with them.
import { useState } from 'preact/hooks';
import { api, ApiError, get } from '@common/api';
import { fieldLabel, fieldOf, typeOf } from '@common/catalog';
import { label, lang, t, timeText } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { isStaff, keepsDesk, useModel } from './model';
import { w } from './messages';
import { Ask } from './records';
import { BackupsCard } from './backups';
import { Tokens } from './tokens';

interface Setting {
  key: string;
  zh: string;
  en: string;
  note: string;
  note_en: string;
  unit: string;
  value: string | null;
  default: string;
  min?: number;
  max?: number;
  fields?: string[];
  max_chars?: number;
  changed: { at: string; user: string } | null;
}

function One(props: { setting: Setting; may: boolean; done: () => void }) {
  const { catalog } = useModel();
  const s = props.setting;
  const [text, setText] = useState(s.value ?? s.default);
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const person = typeOf(catalog, 'person')!;
  const name = (field: string) => {
    const found = fieldOf(person, field);
    return found ? fieldLabel(found) : field;
  };
  const words = (value: string) => (s.fields ? value.split(',').map(name).join('、') : `${value}${lang() === 'zh' ? ` ${s.unit}` : ''}`);
  const chosen = text.split(',').filter(Boolean);
  const send = (value: string | null) => {
    setBusy(true);
    setError('');
    return api('PUT', `settings/${s.key}`, { value, was: s.value })
      .then(
        () => {
          toast(t('saved'));
          props.done();
        },
        (why: Error) => {
          if (!(why instanceof ApiError && why.code === 'changed_meanwhile')) return setError(why.message);
          toast(why.message); // the present value is shown, and is what the next change is judged by
          props.done();
        },
      )
      .then(() => setBusy(false));
  };
  const choose = (field: string, on: boolean) => setText((s.fields ?? []).filter((f) => (f === field ? on : chosen.includes(f))).join(','));
  return (
    <form
      class="card"
      onSubmit={(e) => {
        e.preventDefault();
        void send(text.trim());
      }}
    >
      <h2 id={`${s.key}-label`}>{label(s)}</h2>
      <p>{lang() === 'zh' ? s.note : s.note_en}</p>
      <p>
        <b>{s.value === null ? w('settingDefault', words(s.default)) : w('settingNow', words(s.value))}</b>
      </p>
      {s.changed && <p class="quiet">{w('settingLast', s.changed.user, timeText(s.changed.at))}</p>}
      {props.may && (
        <>
          {s.fields ? (
            <div class="choices" role="group" aria-labelledby={`${s.key}-label`}>
              {s.fields.map((f) => (
                <label key={f} class={chosen.includes(f) ? 'choice on' : 'choice'}>
                  <input type="checkbox" checked={chosen.includes(f)} disabled={busy} onChange={(e) => choose(f, (e.target as HTMLInputElement).checked)} />
                  {name(f)}
                </label>
              ))}
            </div>
          ) : s.max_chars ? (
            <p>
              <input id={s.key} maxLength={s.max_chars} value={text} disabled={busy} aria-labelledby={`${s.key}-label`} aria-invalid={error !== ''} onInput={(e) => setText((e.target as HTMLInputElement).value)} />
            </p>
          ) : (
            <p>
              <input id={s.key} inputMode="numeric" size={7} value={text} disabled={busy} aria-labelledby={`${s.key}-label`} aria-invalid={error !== ''} onInput={(e) => setText((e.target as HTMLInputElement).value)} />{' '}
              {lang() === 'zh' ? s.unit : ''} <span class="quiet">{w('settingRange', s.min!, s.max!)}</span>
            </p>
          )}
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="main" type="submit" disabled={busy || text.trim() === (s.value ?? s.default)}>
              {t('save')}
            </Button>
            {s.value !== null && (
              <Button disabled={busy} onClick={() => window.confirm(w('settingBackSure', words(s.default))) && void send(null)}>
                {w('settingBack')}
              </Button>
            )}
          </div>
        </>
      )}
    </form>
  );
}

interface Lock {
  id: string;
  rev: string;
  from_on: string;
  to_on: string;
  locked_on: string;
  reason: string;
}

/** Locked reporting periods: a leader who did not lock one opens it, with a reason. */
function Locks(props: { locks: Lock[]; done: () => void }) {
  const { session } = useModel();
  const [open, setOpen] = useState<Lock | null>(null);
  if (props.locks.length === 0 && !isStaff(session)) return null;
  return (
    <section class="card">
      <h2>{w('locks')}</h2>
      <p class="quiet">{w('locksHow')}</p>
      {props.locks.map((l) => (
        <p key={l.id}>
          <b>{w('lockSpan', l.from_on, l.to_on)}</b> {w('lockedOn', l.locked_on)} {l.reason} {session.role === 'leader' && <Button onClick={() => setOpen(l)}>{w('lockOpen')}</Button>}
        </p>
      ))}
      {props.locks.length === 0 && <p>{w('lockNone')}</p>}
      {isStaff(session) && (
        <a class="button plain" href="#/list/period_lock">
          {w('lockNew')}
        </a>
      )}
      {open && (
        <Ask
          title={w('lockOpenTitle', open.from_on, open.to_on)}
          text={w('lockOpenWhy')}
          go={w('lockOpen')}
          onClose={() => setOpen(null)}
          onDone={async (note) => {
            await api('POST', `records/${open.id}/return`, { note, rev: open.rev });
            toast(w('lockOpened'));
            props.done();
          }}
        />
      )}
    </section>
  );
}

export function SettingsPage() {
  const { catalog, session } = useModel();
  const found = useData(() => get<{ settings: Setting[]; locks: Lock[]; idle_ms: number }>('settings'), []);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const may = keepsDesk(session);
  const list = (type: string) => (
    <li>
      <a href={`#/list/${type}`}>{label(typeOf(catalog, type))}</a>
    </li>
  );
  return (
    <>
      <h1>{w('settings')}</h1>
      <p>{may ? w('settingMay') : w('settingRead')}</p>
      {session.role === 'admin' && <BackupsCard />}
      {found.data.settings.map((s) => (
        <One key={`${s.key} ${s.value} ${s.changed?.at}`} setting={s} may={may} done={found.reload} />
      ))}
      {session.role === 'admin' && <Tokens />}
      <Locks locks={found.data.locks} done={found.reload} />
      <section class="card">
        <h2>{w('settingElse')}</h2>
        <ul>
          {isStaff(session) && list('target')}
          <li>{w('settingTown', session.code)}</li>
        </ul>
      </section>
    </>
  );
}
