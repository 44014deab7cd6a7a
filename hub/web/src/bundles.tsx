// USB bundles of villages: taken in here, and what answers them is carried back on the same stick.
import { useState } from 'preact/hooks';
import { api, uuid7 } from '@common/api';
import { Button, Note, toast } from '@common/ui';
import { useModel } from './model';
import { w } from './messages';

const PART_BYTES = 512 * 1024;
const FILE_BYTES_MAX = 64 * 1024 * 1024;

interface Bundle {
  kind: 'bundle' | 'enrolment';
  station: string;
  export: number;
  parts: number;
  new: number;
  known: number;
  told: number;
  given_back: number;
  complete: boolean;
  part_missing: boolean;
  diverged: boolean;
  more: boolean;
  reply?: string;
}
interface Line {
  name: string;
  upload: string;
  done?: Bundle;
  error?: string;
}

function base64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

async function send(file: File, upload: string): Promise<void> {
  if (file.size > FILE_BYTES_MAX) throw new Error(w('bundleTooLarge'));
  for (let offset = 0; offset < Math.max(1, file.size); offset += PART_BYTES) {
    const part = new Uint8Array(await file.slice(offset, offset + PART_BYTES).arrayBuffer());
    await api('POST', 'bundles/parts', { upload, offset, data: base64(part) });
  }
}

const take = (line: Line): Promise<Line> =>
  api<Bundle>('POST', 'bundles', { upload: line.upload }).then(
    (done) => ({ ...line, done, error: undefined }),
    (e: Error) => ({ ...line, error: e.message }),
  );

async function reply(line: Line): Promise<void> {
  const got = await fetch(`/api/v1/bundles/${line.upload}/reply`, { credentials: 'same-origin' });
  if (!got.ok) throw new Error(((await got.json()) as { error: { text: string } }).error.text);
  const { save } = await import('@common/sheet');
  save(await got.blob(), line.done?.reply ?? 'reply.lmb');
}

function Result(props: { line: Line; station: string }) {
  const { line } = props;
  const b = line.done;
  if (line.error) return <Note kind="bad">{w('bundleRefused', line.name, line.error)}</Note>;
  if (!b) return <p class="quiet">{w('bundleWorking', line.name)}</p>;
  return (
    <Note kind={b.complete ? 'good' : 'info'}>
      <p>
        <strong>{props.station}</strong> {b.kind === 'enrolment' ? w('bundleEnrolled') : w('bundleTaken', b.export, b.new, b.known)}
      </p>
      {b.told > 0 && <p>{w('bundleTold', b.told)}</p>}
      {b.diverged ? <p>{w('bundleDiverged')}</p> : !b.complete && <p>{w('bundlePart', b.parts)}</p>}
      {b.given_back > 0 && <p>{w('bundleBack', b.given_back)}</p>}
      {b.more && <p>{w('bundleMore')}</p>}
      {b.reply && (
        <p>
          <Button kind="main" onClick={() => reply(line).catch((e: Error) => toast(e.message))}>
            {w('bundleReply')}
          </Button>{' '}
          <small class="quiet">{b.reply}</small>
        </p>
      )}
    </Note>
  );
}

export function Bundles(props: { done: () => void }) {
  const { stations } = useModel();
  const [lines, setLines] = useState<Line[]>([]);
  const [busy, setBusy] = useState(false);
  const run = async (files: File[]) => {
    const list: Line[] = files.sort((a, b) => (a.name < b.name ? -1 : 1)).map((f) => ({ name: f.name, upload: uuid7() }));
    const put = (i: number, line: Line) => {
      list[i] = line;
      setLines([...list]);
    };
    setBusy(true);
    setLines([...list]);
    try {
      for (let i = 0; i < files.length; i++) {
        const line = list[i]!;
        put(i, await send(files[i]!, line.upload).then(() => take(line), (e: Error) => ({ ...line, error: e.message })));
      }
      // Parts of one export may have come in any order: what lacked an earlier one is taken again.
      for (let round = 1; round < files.length && list.some((l) => l.done?.part_missing); round++)
        for (let i = 0; i < list.length; i++) if (list[i]!.done?.part_missing) put(i, await take(list[i]!));
    } finally {
      setBusy(false);
      props.done();
    }
  };
  return (
    <section class="card no-print">
      <h2>{w('bundles')}</h2>
      <p class="quiet">{w('bundlesText')}</p>
      <p>
        <label for="bundle-files">{w('bundleChoose')}</label>{' '}
        <input
          id="bundle-files"
          type="file"
          multiple
          accept=".lmb,.req"
          disabled={busy}
          onChange={(e) => {
            const input = e.target as HTMLInputElement;
            const files = [...(input.files ?? [])];
            input.value = '';
            if (files.length) void run(files.slice(0, 8));
            if (files.length > 8) toast(w('bundleMost', 8));
          }}
        />
      </p>
      <div aria-live="polite">
        {lines.map((line) => (
          <Result key={line.upload} line={line} station={stations.find((s) => s.code === line.done?.station)?.name ?? line.done?.station ?? ''} />
        ))}
      </div>
    </section>
  );
}
