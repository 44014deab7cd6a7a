// One version of the annual summary: read and printed by all, edited by clerks while it is a draft, signed by somebody else, and held
// against the other versions of its year. A figure in the text is a token: it can be moved or taken out, never typed over.
import { useMemo, useRef, useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { label } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { note } from './export';
import { isStaff, useModel } from './model';
import { w, type Word } from './messages';
import { Choice } from './overview';
import { type Part, Parts, stateWord, type VersionRow } from './summary';

interface Kept {
  label: string;
  unit: string;
  display: string;
  value: number | null;
}
interface Version extends VersionRow {
  text: string;
  parts: Part[];
  figures: Record<string, Kept>;
}

/** A paragraph on screen back into the notation of the text. */
function written(node: Node): string {
  if (node.nodeType === Node.TEXT_NODE) return (node.textContent ?? '').replace(/[{}\n\r]/g, '');
  const token = (node as HTMLElement).dataset?.token;
  if (token) return `{${token}}`;
  return Array.from(node.childNodes).map(written).join('');
}

function tokenOf(id: string, figures: Record<string, Kept>): HTMLElement {
  const span = document.createElement('span');
  span.className = 'token';
  span.contentEditable = 'false';
  span.dataset.token = id;
  span.title = `${id} ${figures[id]?.label ?? ''}`;
  span.textContent = figures[id]?.display ?? w('unreported');
  return span;
}

function fill(box: HTMLElement, text: string, figures: Record<string, Kept>): void {
  box.textContent = '';
  for (const piece of text.split(/(\{\w+\})/)) {
    const id = /^\{(\w+)\}$/.exec(piece)?.[1];
    box.append(id ? tokenOf(id, figures) : piece);
  }
}

function Editor(props: { version: Version; onDone: () => void }) {
  const { catalog } = useModel();
  const { text, figures } = props.version;
  const lines = useMemo(() => text.split('\n').filter(Boolean), [text]);
  const boxes = useRef<(HTMLElement | null)[]>([]);
  const filled = useRef(new Set<number>());
  const last = useRef<HTMLElement | null>(null);
  const [error, setError] = useState('');
  const [figure, setFigure] = useState('I09');
  const mark = (line: string) => /^(## |= |# )/.exec(line)?.[0] ?? '';
  const keep = async () => {
    const next = lines.map((line, i) => (boxes.current[i] ? mark(line) + written(boxes.current[i]!).trim() : line)).filter((line) => line.length > mark(line).length);
    try {
      await api('PATCH', `summaries/${props.version.id}`, { text: `${next.join('\n')}\n` });
      toast(w('textKept'));
      props.onDone();
    } catch (e) {
      setError((e as Error).message);
    }
  };
  const insert = () => {
    const box = last.current;
    const chosen = window.getSelection();
    if (!box) return;
    const at = chosen?.rangeCount && box.contains(chosen.getRangeAt(0).startContainer) ? chosen.getRangeAt(0) : null;
    const token = tokenOf(figure, figures);
    if (at) at.insertNode(token);
    else box.append(token);
  };
  return (
    <>
      <div class="filters">
        <Choice text={w('figureName')} name="figure" value={figure} options={catalog.indicators.map((i): [string, string] => [i.id, `${i.id} ${label(i)}`])} onChange={setFigure} />
        <Button onMouseDown={(e) => e.preventDefault()} onClick={insert}>
          {w('insertFigure')}
        </Button>
        <Button kind="main" onClick={keep}>
          {w('keepText')}
        </Button>
      </div>
      {error && <Note kind="bad">{error}</Note>}
      <article class="paper">
        {lines.map((line, i) =>
          line.startsWith('!') ? (
            <p key={i} class="quiet">
              {line.slice(2)}
            </p>
          ) : (
            <div
              key={i}
              class={line.startsWith('=') ? 'writing' : 'writing heading'}
              contentEditable
              role="textbox"
              aria-multiline="false"
              aria-label={w('editText')}
              ref={(el) => {
                boxes.current[i] = el;
                if (el && !filled.current.has(i)) {
                  filled.current.add(i);
                  fill(el, line.slice(mark(line).length), figures);
                }
              }}
              onFocus={(e) => (last.current = e.currentTarget as HTMLElement)}
              onKeyDown={(e) => e.key === 'Enter' && !e.isComposing && e.preventDefault()}
              onPaste={(e) => {
                e.preventDefault();
                document.execCommand('insertText', false, (e.clipboardData?.getData('text/plain') ?? '').replace(/[\r\n{}]+/g, ' '));
              }}
            />
          ),
        )}
      </article>
    </>
  );
}

function Differences(props: { now: Version; then: Version }) {
  const { now, then } = props;
  const ids = Object.keys({ ...then.figures, ...now.figures }).filter((id) => now.figures[id]?.display !== then.figures[id]?.display);
  const lines = (v: Version) => v.text.split('\n').filter((l) => l && !l.startsWith('!'));
  const gone = lines(then).filter((l) => !lines(now).includes(l));
  const come = lines(now).filter((l) => !lines(then).includes(l));
  const plain = (l: string) => l.replace(/^(## |= |# )/, '');
  return (
    <section class="card no-print">
      <h2>{w('differs', then.version)}</h2>
      {ids.length + gone.length + come.length === 0 && <p class="quiet">{w('differsNot')}</p>}
      {ids.length > 0 && (
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{w('figureName')}</th>
                <th scope="col">{w('version', then.version)}</th>
                <th scope="col">{w('version', now.version)}</th>
              </tr>
            </thead>
            <tbody>
              {ids.map((id) => (
                <tr key={id}>
                  <th scope="row">{now.figures[id]?.label ?? then.figures[id]?.label}</th>
                  <td>{then.figures[id]?.display ?? '—'}</td>
                  <td>{now.figures[id]?.display ?? '—'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {([[gone, 'wasText'], [come, 'isText']] as [string[], Word][]).map(
        ([list, word]) =>
          list.length > 0 && (
            <div key={word}>
              <h3>{w(word)}</h3>
              {list.map((l, i) => (
                <p key={i}>{plain(l)}</p>
              ))}
            </div>
          ),
      )}
    </section>
  );
}

export function VersionPage(props: { id: string }) {
  const { session } = useModel();
  const found = useData(() => get<Version>(`summaries/${props.id}`), [props.id]);
  const all = useData(() => get<{ rows: VersionRow[] }>('summaries'), [props.id]);
  const [editing, setEditing] = useState(false);
  const [other, setOther] = useState('');
  const then = useData(() => (other ? get<Version>(`summaries/${other}`) : Promise.resolve(null)), [other]);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const v = found.data;
  const act = (method: string, path: string, body: object, said: Word) =>
    api(method, path, body).then(
      () => {
        toast(w(said));
        found.reload();
        all.reload();
      },
      (e: Error) => toast(e.message),
    );
  const draft = v.state === 'draft';
  const others = (all.data?.rows ?? []).filter((r) => r.year === v.year && r.id !== v.id);
  return (
    <>
      <div class="head">
        <h1>
          {w('summary')} <small>{w('version', v.version)}</small> <span class={draft ? 'tag wait' : 'tag good'}>{stateWord(v)}</span>
        </h1>
        <div class="filters">
          <a class="button plain" href={v.year ? `#/summary?year=${v.year}` : '#/summary'}>
            {w('live')}
          </a>
          {others.length > 0 && (
            <Choice text={w('compareWith')} name="other" value={other} options={[['', '—'], ...others.map((r): [string, string] => [r.id, w('version', r.version)])]} onChange={setOther} />
          )}
          {draft && isStaff(session) && !editing && <Button onClick={() => setEditing(true)}>{w('editText')}</Button>}
          {draft && isStaff(session) && !editing && <Button onClick={() => act('PATCH', `summaries/${v.id}`, { figures: true }, 'figuresTaken')}>{w('figuresAnew')}</Button>}
          {draft && (session.role === 'leader' || session.role === 'admin') && (
            <Button kind="main" onClick={() => act('POST', `summaries/${v.id}/sign`, {}, 'signedNow')}>
              {w('sign')}
            </Button>
          )}
          <Button onClick={() => note('print', w('summary'), String(v.version)).then(() => window.print(), (e: Error) => toast(e.message))}>{w('print')}</Button>
          <a class="button plain" href={`/api/v1/summaries/${v.id}?format=html`}>
            {w('toWord')}
          </a>
        </div>
      </div>
      {draft && (
        <div class="no-print">
          <Note kind="info">{w('signHint')}</Note>
        </div>
      )}
      {then.data && <Differences now={v} then={then.data} />}
      {editing ? (
        <Editor
          version={v}
          onDone={() => {
            setEditing(false);
            found.reload();
          }}
        />
      ) : (
        <article class="paper">
          <Parts parts={v.parts} year={v.year} />
        </article>
      )}
    </>
  );
}
