// Backups (备份), for the administrator: when the last one was made and where, and a button that makes one now, into the folder that the
// technician gave the program. Where it goes is never said here.
import { useEffect, useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { label, timeText } from '@common/i18n';
import { Button, Note, useData, Waiting } from '@common/ui';
import { useModel } from './model';
import { w } from './messages';

const EVERY_MS = 1000;

interface Backups {
  folder: string | null;
  newest: { at: string; checked: boolean; file?: string; user?: string; there?: boolean; bytes?: number | null } | null;
  running: { file: string; user: string; since: string } | null;
  result: { file: string; user: string; at: string; bytes: number; error: { code: string; text: string; text_en: string } | null } | null;
}

const size = (bytes: number) => `${(bytes / 1048576).toFixed(1)} MB`;

function Newest(props: { of: Backups['newest'] }) {
  const last = props.of;
  if (!last) return <p>{w('backupNone')}</p>;
  return (
    <>
      <p>
        <b>{w('backupLast', timeText(last.at))}</b> {(last.user ? w('backupBy', last.user) : '') + (last.checked ? w('backupChecked') : '')}
      </p>
      {last.file && (
        <p>
          <code>{last.file}</code> {last.there ? last.bytes != null && size(last.bytes) : <span class="tag bad">{w('backupGone')}</span>}
        </p>
      )}
    </>
  );
}

export function BackupsCard() {
  const { refresh } = useModel();
  const found = useData(() => get<Backups>('backups'), []);
  const [answer, setAnswer] = useState<Backups | null>(null); // of the button: there before the next look
  const [error, setError] = useState('');
  const [asked, setAsked] = useState(false);
  const now = answer ?? found.data;
  const running = !!now?.running;
  useEffect(() => {
    if (!running) return undefined;
    const look = setInterval(
      () =>
        get<Backups>('backups').then(
          (next) => {
            setAnswer(next);
            if (!next.running) refresh(); // the warning above the page goes
          },
          () => undefined,
        ),
      EVERY_MS,
    );
    return () => clearInterval(look);
  }, [running]);
  if (!now) return <Waiting error={found.error} reload={found.reload} />;
  const make = () => {
    setError('');
    setAsked(true);
    api<Backups>('POST', 'backups')
      .then(setAnswer, (why: Error) => setError(why.message))
      .then(() => setAsked(false));
  };
  const { folder, newest, result } = now;
  return (
    <section class="card" id="backups">
      <h2>{w('backups')}</h2>
      <Newest of={newest} />
      {folder ? (
        <p>
          {w('backupFolder')} <code>{folder}</code>
        </p>
      ) : (
        <Note kind="info">{w('backupNoFolder')}</Note>
      )}
      {now.running && <Note kind="info">{w('backupRunning', now.running.user, timeText(now.running.since))}</Note>}
      {result && !now.running && (result.error ? <Note kind="bad">{w('backupFailed', label({ zh: result.error.text, en: result.error.text_en }))}</Note> : <Note kind="good">{w('backupMade', size(result.bytes))}</Note>)}
      {error && <Note kind="bad">{error}</Note>}
      <p class="quiet">{w('backupHow')}</p>
      <div class="actions">
        <Button kind="main" disabled={!folder || running || asked} onClick={make}>
          {w('backupNow')}
        </Button>
      </div>
    </section>
  );
}
