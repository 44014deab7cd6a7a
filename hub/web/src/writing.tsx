// The text of a summary's version, written by a person: a paragraph is a box, Enter begins another one, what is pasted keeps its
// paragraphs. A figure in the text is a token: it can be moved or taken out, never typed over.
//
// Invariant: words that were typed are not lost. They are in this browser until they are saved or given up (a text of at most 16 KiB a
// version); who leaves with unsaved words is warned; and what somebody else saved meanwhile is not written over unless that is wanted.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { api, ApiError, get } from '@common/api';
import { label, timeText } from '@common/i18n';
import { Button, Note, toast } from '@common/ui';
import { useModel } from './model';
import { w } from './messages';
import { Choice } from './overview';
import type { Part, VersionRow } from './summary';

interface Kept {
  label: string;
  unit: string;
  display: string;
  value: number | null;
}
export interface Version extends VersionRow {
  rev: string;
  text: string;
  parts: Part[];
  figures: Record<string, Kept>;
  hash?: string; // of a signed one
}

const MARK = /^(## |= |# |! )/;
const PLAIN = '= ';
export const plain = (line: string): string => line.replace(MARK, '');

// ---- words that are not saved yet --------------------------------------------------------------------------------------------------

interface Draft {
  text: string;
  rev: string; // of the version that was opened
  at: string;
}
const DRAFT_MS = 500;
const place = (user: string, id: string) => `summary.${user}.${id}`;

/** What this user wrote in this browser and did not save; null when there is nothing of it. */
export function draftOf(user: string, version: Version): Draft | null {
  try {
    const found = JSON.parse(localStorage.getItem(place(user, version.id)) ?? 'null') as Draft | null;
    return typeof found?.text === 'string' && typeof found.rev === 'string' && typeof found.at === 'string' && found.text !== version.text ? found : null;
  } catch {
    return null;
  }
}

function keepDraft(user: string, id: string, draft: Draft | null): void {
  try {
    if (draft) localStorage.setItem(place(user, id), JSON.stringify(draft));
    else localStorage.removeItem(place(user, id));
  } catch {
    /* a full or forbidden store: the warning at the door remains */
  }
}

// ---- between the notation and the screen -------------------------------------------------------------------------------------------

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

function pieces(text: string, figures: Record<string, Kept>): (Node | string)[] {
  return text.split(/(\{\w+\})/).map((piece) => {
    const id = /^\{(\w+)\}$/.exec(piece)?.[1];
    return id ? tokenOf(id, figures) : piece;
  });
}

/** What is chosen in a box; null: nothing there. */
function chosenIn(box: Node): Range | null {
  const chosen = window.getSelection();
  return chosen?.rangeCount && box.contains(chosen.getRangeAt(0).startContainer) ? chosen.getRangeAt(0) : null;
}

/** Takes what stands behind the caret out of its box, in the notation. */
function cutBehind(box: HTMLElement): string {
  const at = chosenIn(box);
  if (!at) return '';
  at.deleteContents();
  const rest = document.createRange();
  rest.selectNodeContents(box);
  rest.setStart(at.endContainer, at.endOffset);
  return written(rest.extractContents());
}

/** Where the caret goes once a box is drawn: before a child of it, or behind so many characters of its first text. */
interface Place {
  key: number;
  child?: number;
  behind?: number;
}
function caretAt(box: HTMLElement, { child = 0, behind = 0 }: Place): void {
  const at = document.createRange();
  const text = box.firstChild;
  if (behind > 0 && text?.nodeType === Node.TEXT_NODE) at.setStart(text, Math.min(behind, text.textContent!.length));
  else at.setStart(box, Math.min(child, box.childNodes.length));
  at.collapse(true);
  box.focus();
  window.getSelection()?.removeAllRanges();
  window.getSelection()?.addRange(at);
}

/** Nothing but the caret, and nothing before it. */
function atStart(box: HTMLElement): boolean {
  const at = chosenIn(box);
  if (!at?.collapsed) return false;
  const before = document.createRange();
  before.selectNodeContents(box);
  before.setEnd(at.startContainer, at.startOffset);
  return written(before.cloneContents()) === '';
}

interface Block {
  key: number;
  mark: string;
  text: string; // as it was when the box was made
}
let serial = 0;
const blockOf = (line: string): Block => ({ key: ++serial, mark: MARK.exec(line)?.[0] ?? '', text: plain(line) });

// ---- somebody else saved meanwhile --------------------------------------------------------------------------------------------------

function Meanwhile(props: { said: string; theirs: Version; mine: string; onMine: () => void; onTheirs: () => void }) {
  const lines = (text: string) => text.split('\n').filter((l) => l && !l.startsWith('!'));
  const [their, my] = [lines(props.theirs.text), lines(props.mine)];
  const read = (line: string) => plain(line).replace(/\{(\w+)\}/g, (_, id: string) => props.theirs.figures[id]?.display ?? w('unreported'));
  const only = (a: string[], b: string[]) => a.filter((l) => !b.includes(l)).map(read);
  const side = (title: string, list: string[]) => (
    <div class="side">
      <h3>{title}</h3>
      {list.length === 0 && <p class="quiet">{w('differsNot')}</p>}
      {list.map((l, i) => (
        <p key={i}>{l}</p>
      ))}
    </div>
  );
  return (
    <Note kind="bad">
      <p>{props.said}</p>
      <div class="sides">
        {side(w('theirText'), only(their, my))}
        {side(w('myText'), only(my, their))}
      </div>
      <div class="actions">
        <Button onClick={props.onMine}>{w('saveMine')}</Button>
        <Button onClick={props.onTheirs}>{w('takeTheirs')}</Button>
      </div>
    </Note>
  );
}

// ---- the page -----------------------------------------------------------------------------------------------------------------------

export function Editor(props: { version: Version; onDone: () => void }) {
  const { catalog, session } = useModel();
  const { id, figures } = props.version;
  const [left] = useState(() => draftOf(session.user, props.version));
  const [blocks, setBlocks] = useState<Block[]>(() => (left?.text ?? props.version.text).split('\n').filter(Boolean).map(blockOf));
  const [error, setError] = useState('');
  const [meanwhile, setMeanwhile] = useState<{ said: string; theirs: Version } | null>(null);
  const [figure, setFigure] = useState('I09');
  const seen = useRef(left?.rev ?? props.version.rev);
  const boxes = useRef(new Map<number, HTMLElement>());
  const shown = useRef(blocks);
  const last = useRef<HTMLElement | null>(null);
  const dirty = useRef(left !== null);
  const filled = useRef(new WeakSet<HTMLElement>());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const goTo = useRef<Place | null>(null);
  shown.current = blocks;

  const whole = () => {
    const lines = shown.current.map((b) => {
      const box = boxes.current.get(b.key);
      return b.mark + (box ? written(box).trim() : b.text);
    });
    return `${lines.filter((line) => plain(line)).join('\n')}\n`;
  };
  const store = () => {
    clearTimeout(timer.current);
    timer.current = undefined;
    if (dirty.current) keepDraft(session.user, id, { text: whole(), rev: seen.current, at: new Date().toISOString() });
  };
  const typed = () => {
    dirty.current = true;
    timer.current ??= setTimeout(store, DRAFT_MS);
  };
  const over = () => {
    clearTimeout(timer.current);
    timer.current = undefined;
    dirty.current = false;
    keepDraft(session.user, id, null);
  };

  useLayoutEffect(() => {
    const go = goTo.current;
    goTo.current = null;
    const box = go && boxes.current.get(go.key);
    if (go && box) caretAt(box, go);
  }, [blocks]);
  useEffect(() => {
    const closing = (e: BeforeUnloadEvent) => {
      if (!dirty.current) return;
      store();
      e.preventDefault();
      e.returnValue = ''; // what Chromium before 119 asks by
    };
    const leaving = (e: MouseEvent) => {
      const link = (e.target as HTMLElement).closest?.('a[href^="#"]:not(.skip)');
      if (link && dirty.current && !confirm(w('leaveText'))) {
        e.preventDefault();
        e.stopPropagation();
      }
    };
    addEventListener('beforeunload', closing);
    addEventListener('pagehide', store);
    document.addEventListener('click', leaving, true);
    return () => {
      removeEventListener('beforeunload', closing);
      removeEventListener('pagehide', store);
      document.removeEventListener('click', leaving, true);
      if (!dirty.current) return;
      store(); // Back, or a screen that was locked
      toast(w('draftStays'));
    };
  }, []);

  const keep = async (rev = seen.current) => {
    const text = whole();
    setError('');
    try {
      await api('PATCH', `summaries/${id}`, { text, rev });
      over();
      toast(w('textKept'));
      props.onDone();
    } catch (e) {
      store();
      if (!(e instanceof ApiError) || e.code !== 'changed_meanwhile') return setError((e as Error).message);
      const theirs = await get<Version>(`summaries/${id}`).catch((why: Error) => setError(why.message));
      if (theirs) setMeanwhile({ said: e.message, theirs });
    }
  };
  const away = () => {
    if (dirty.current && !confirm(w('giveUpText'))) return;
    over();
    props.onDone();
  };
  const insert = () => {
    const box = last.current;
    if (!box) return;
    const at = chosenIn(box);
    if (at) at.insertNode(tokenOf(figure, figures));
    else box.append(tokenOf(figure, figures));
    typed();
  };

  /** Other boxes behind this one; the last of them ends with what stood behind the caret. */
  const follow = (block: Block, box: HTMLElement, lines: string[]) => {
    const tail = cutBehind(box);
    const more = lines.map((line, i): Block => ({ key: ++serial, mark: PLAIN, text: i === lines.length - 1 ? line + tail : line }));
    const at = blocks.indexOf(block) + 1;
    const end = more[more.length - 1]!;
    goTo.current = { key: end.key, behind: lines[lines.length - 1]!.length };
    setBlocks([...blocks.slice(0, at), ...more, ...blocks.slice(at)]);
    typed();
  };
  const join = (block: Block, box: HTMLElement): boolean => {
    const before = blocks[blocks.indexOf(block) - 1];
    const into = before && boxes.current.get(before.key);
    if (!into || (written(box) !== '' && block.mark !== PLAIN)) return false; // a heading stays one
    goTo.current = { key: before.key, child: into.childNodes.length };
    into.append(...pieces(written(box), figures));
    setBlocks(blocks.filter((b) => b !== block));
    typed();
    return true;
  };
  const onKeyDown = (e: KeyboardEvent, block: Block) => {
    const box = e.currentTarget as HTMLElement;
    if (e.isComposing || e.keyCode === 229) return; // an input method's own Enter
    if (e.key === 'Enter') {
      e.preventDefault();
      follow(block, box, ['']);
    } else if (e.key === 'Backspace' && atStart(box) && join(block, box)) {
      e.preventDefault();
    }
  };
  const onPaste = (e: ClipboardEvent, block: Block) => {
    e.preventDefault();
    const [first = '', ...more] = (e.clipboardData?.getData('text/plain') ?? '').replace(/[{}]/g, '').split(/[\r\n]+/).map((line, i, all) => (i > 0 && i < all.length - 1 ? line.trim() : line));
    document.execCommand('insertText', false, first);
    const rest = more.filter((line, i) => line || i === more.length - 1);
    if (rest.length > 0) follow(block, e.currentTarget as HTMLElement, rest);
    typed();
  };

  return (
    <>
      <div class="filters">
        <Choice text={w('figureName')} name="figure" value={figure} options={catalog.indicators.map((i): [string, string] => [i.id, `${i.id} ${label(i)}`])} onChange={setFigure} />
        <Button onMouseDown={(e) => e.preventDefault()} onClick={insert}>
          {w('insertFigure')}
        </Button>
        <Button kind="main" onClick={() => void keep()}>
          {w('keepText')}
        </Button>
        <Button onClick={away}>{w('giveUp')}</Button>
      </div>
      <p class="quiet">{w('writingHint')}</p>
      {left && <Note kind="info">{w('draftTaken', timeText(left.at))}</Note>}
      {error && <Note kind="bad">{error}</Note>}
      {meanwhile && (
        <Meanwhile
          {...meanwhile}
          mine={whole()}
          onMine={() => {
            seen.current = meanwhile.theirs.rev;
            setMeanwhile(null);
            void keep(meanwhile.theirs.rev);
          }}
          onTheirs={away}
        />
      )}
      <article class="paper">
        {blocks.map((block) =>
          block.mark === '! ' ? (
            <p key={block.key} class="quiet">
              {block.text}
            </p>
          ) : (
            <div
              key={block.key}
              class={block.mark === PLAIN ? 'writing' : 'writing heading'}
              contentEditable
              role="textbox"
              aria-multiline="false"
              aria-label={w('editText')}
              ref={(el) => {
                if (!el || filled.current.has(el)) return; // its words are its own from then on
                filled.current.add(el);
                boxes.current.set(block.key, el);
                el.append(...pieces(block.text, figures));
              }}
              onFocus={(e) => (last.current = e.currentTarget as HTMLElement)}
              onInput={typed}
              onKeyDown={(e) => onKeyDown(e, block)}
              onPaste={(e) => onPaste(e, block)}
            />
          ),
        )}
      </article>
    </>
  );
}
