// The stick: bring to the town, bring back, back up. One thing after the other, each with a plain result.
import { useEffect, useState } from 'preact/hooks';
import { api, ApiError, get } from '@common/api';
import { t, timeText } from '@common/i18n';
import { hashQuery } from '@common/route';
import { Button, Dialog, Note, useData, Waiting } from '@common/ui';
import { useModel } from './model';

interface Stick {
  path: string;
  name: string;
  free_bytes: number;
  replies: string[];
  backups: string[];
}

export function UsbPage() {
  const { session, refresh } = useModel();
  const list = useData(() => get<{ sticks: Stick[] }>('usb'), []);
  const due = useData(() => get<{ backup: { made_at: string } }>('tasks'), []);
  const ready = !!list.data;
  useEffect(() => {
    if (ready && hashQuery().get('replace')) document.getElementById('replace')?.scrollIntoView();
  }, [ready]);
  const [chosen, setChosen] = useState('');
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ kind: 'good' | 'bad'; lines: string[] } | null>(null);
  const [back, setBack] = useState<string | null>(null);
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const sticks = list.data.sticks;
  const stick = sticks.find((s) => s.path === chosen) ?? sticks[0];
  const run = async (work: () => Promise<string[] | { kind: 'good' | 'bad'; lines: string[] }>) => {
    setBusy(true);
    setSaid(null);
    try {
      const done = await work();
      setSaid(Array.isArray(done) ? { kind: 'good', lines: done } : done);
    } catch (why) {
      setSaid({ kind: 'bad', lines: [(why as Error).message] });
    }
    setBusy(false);
    list.reload();
    due.reload();
    refresh();
  };
  const bring = () =>
    run(async () => {
      const done = await api<{ changes: number; unsent: number; files: string[] }>('POST', 'usb/export', { stick: stick!.path });
      const before = done.changes - done.unsent;
      return [t('usbExported', done.unsent), ...done.files, t('usbBringAll'), ...(before ? [t('usbBefore', before)] : [])];
    });
  const take = () =>
    run(async () => {
      const lines: string[] = [];
      const bad: string[] = [];
      for (const file of stick!.replies) {
        const done = await api<{ result: string; acked: number; pending: number; records: number; more: boolean; forked: boolean; gives_back: boolean; catalog: number; histories: number }>('POST', 'usb/import', { stick: stick!.path, file }).catch((why: unknown) => {
          if (!(why instanceof ApiError) || [0, 401, 423].includes(why.status)) throw why; // nothing to do with the file
          bad.push(t('usbBadFile', file, why.message));
          return null;
        });
        if (!done) continue;
        if (done.result === 'old') lines.push(t('usbOld', file));
        else lines.push(t('usbTaken', done.acked, done.records, file), done.pending ? t('usbLeft', done.pending) : t('usbNoneLeft'));
        if (done.catalog) lines.push(t('usbCatalog', done.catalog));
        if (done.histories) lines.push(t('usbHistories', done.histories));
        if (done.gives_back) lines.push(t('usbGivesBack'));
        else if (done.more || done.forked) lines.push(t('usbAgain'));
      }
      return bad.length ? { kind: 'bad', lines: [...bad, t('usbBadHint'), ...lines] } : lines;
    });
  const backup = () =>
    run(async () => {
      const done = await api<{ file: string; bytes: number }>('POST', 'usb/backup', { stick: stick!.path });
      return [t('usbBackedUp', done.file, Math.ceil(done.bytes / 1024))];
    });
  const restore = (file: string) =>
    run(async () => {
      const done = await api<{ repeated: number; other_pc: boolean }>('POST', 'usb/restore', { stick: stick!.path, file });
      return [t('usbRestored', done.repeated), ...(done.other_pc ? [t('usbOtherPc')] : []), t('usbRestoredNext')];
    });
  return (
    <>
      <h1>{t('usb')}</h1>
      {!stick && (
        <Note kind="info">
          <p>{t('usbNone')}</p>
          <Button onClick={list.reload}>{t('usbLook')}</Button>
        </Note>
      )}
      {sticks.length > 1 && (
        <div class="choices" role="radiogroup" aria-label={t('usb')}>
          {sticks.map((s) => (
            <label key={s.path} class={s === stick ? 'choice on' : 'choice'}>
              <input type="radio" name="stick" checked={s === stick} onChange={() => setChosen(s.path)} />
              {s.name}
            </label>
          ))}
        </div>
      )}
      {said && (
        <Note kind={said.kind}>
          {said.lines.map((line) => (
            <p key={line}>{line}</p>
          ))}
        </Note>
      )}
      {stick && (
        <div class="cards">
          <section class="card">
            <h2>{t('usbBring')}</h2>
            <p>{t('usbBringText', stick.name, Math.floor(stick.free_bytes / 1048576))}</p>
            <Button kind="main" disabled={busy} onClick={bring}>
              {t('usbExportDo')}
            </Button>
          </section>
          <section class="card">
            <h2>{t('usbTake')}</h2>
            <p>{stick.replies.length ? t('usbReplies', stick.replies.length) : t('usbNoReply')}</p>
            <Button kind="main" disabled={busy || stick.replies.length === 0} onClick={take}>
              {t('usbImportDo')}
            </Button>
          </section>
          <section class="card">
            <h2>{t('usbBackup')}</h2>
            <p>{t('usbBackupText')}</p>
            {due.data && <p>{due.data.backup.made_at ? t('lastBackup', timeText(due.data.backup.made_at)) : t('lastBackupNone')}</p>}
            <Button disabled={busy} onClick={backup}>
              {t('usbBackupDo')}
            </Button>
            {session.role === 'admin' && stick.backups.length > 0 && (
              <ul class="plain-list">
                {stick.backups.map((file) => (
                  <li key={file}>
                    {file}{' '}
                    <Button disabled={busy} onClick={() => setBack(file)}>
                      {t('usbRestoreDo')}
                    </Button>
                  </li>
                ))}
              </ul>
            )}
          </section>
        </div>
      )}
      <section class="card" id="replace">
        <h2>{t('replaceTitle')}</h2>
        <ol>
          {(['replace1', 'replace2', 'replace3', 'replace4', 'replace5'] as const).map((key) => (
            <li key={key}>{t(key)}</li>
          ))}
        </ol>
      </section>
      {back && (
        <Dialog title={t('usbRestoreDo')} onClose={() => setBack(null)}>
          <p>{t('usbRestoreSure', back)}</p>
          <div class="actions">
            <Button
              kind="danger"
              onClick={() => {
                setBack(null);
                void restore(back);
              }}
            >
              {t('usbRestoreDo')}
            </Button>
            <Button onClick={() => setBack(null)}>{t('cancel')}</Button>
          </div>
        </Dialog>
      )}
    </>
  );
}
