// Small parts that every page is made of.
import type { ComponentChildren, ComponentType, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from './i18n';

export function Button(props: JSX.HTMLAttributes<HTMLButtonElement> & { kind?: 'main' | 'plain' | 'danger'; disabled?: boolean; type?: 'button' | 'submit' }) {
  const { kind = 'plain', type = 'button', children, ...rest } = props;
  return (
    <button type={type} class={`button ${kind}`} {...rest}>
      {children}
    </button>
  );
}

export function Note(props: { kind: 'good' | 'bad' | 'info'; children: ComponentChildren }) {
  const mark = { good: '✓', bad: '!', info: 'i' }[props.kind]; // never colour alone
  return (
    <div class={`note ${props.kind}`} role={props.kind === 'bad' ? 'alert' : 'status'}>
      <span class="mark" aria-hidden="true">
        {mark}
      </span>
      <div>{props.children}</div>
    </div>
  );
}

/** A window over the page. Esc closes it, the keyboard stays inside, and goes back where it was. */
export function Dialog(props: { title: string; onClose?: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const first = box.current?.querySelector<HTMLElement>('input, textarea, select, button');
    first?.focus();
    return () => before?.focus();
  }, []);
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === 'Escape' && !e.isComposing) props.onClose?.();
    if (e.key !== 'Tab') return;
    const all = Array.from(box.current?.querySelectorAll<HTMLElement>('input, textarea, select, button, a[href]') ?? []);
    const last = all[all.length - 1];
    if (e.shiftKey ? document.activeElement === all[0] : document.activeElement === last) {
      e.preventDefault();
      (e.shiftKey ? last : all[0])?.focus();
    }
  };
  return (
    <div class="veil">
      <div class="dialog" role="dialog" aria-modal="true" aria-label={props.title} ref={box} onKeyDown={onKeyDown}>
        <h2>{props.title}</h2>
        {props.children}
      </div>
    </div>
  );
}

const watching = new Set<() => void>();
/** Whatever is shown is asked for again. */
export function somethingChanged(): void {
  watching.forEach((reload) => reload());
}

/** Told when something changed elsewhere on the page, and when the screen was unlocked. */
export function useChanged(told: () => void): void {
  const latest = useRef(told);
  latest.current = told;
  useEffect(() => {
    const call = () => latest.current();
    watching.add(call);
    return () => void watching.delete(call);
  }, []);
}

/** What a request gave: waiting, failed with words and a way on, or there. */
export function useData<T>(load: () => Promise<T>, keys: unknown[]): { data?: T; error?: Error; reload: () => void } {
  const [state, set] = useState<{ data?: T; error?: Error }>({});
  const [round, next] = useState(0);
  useEffect(() => {
    let here = true;
    load().then(
      (data) => here && set({ data }),
      (error: Error) => here && set((was) => ({ data: was.data, error })),
    );
    return () => {
      here = false;
    };
  }, [...keys, round]);
  useChanged(() => next((n) => n + 1));
  return { ...state, reload: () => next((n) => n + 1) };
}

export function Waiting(props: { error?: Error; reload: () => void }) {
  if (!props.error) return <p class="quiet">{t('loading')}</p>;
  return (
    <Note kind="bad">
      <p>{props.error.message}</p>
      <Button onClick={props.reload}>{t('retry')}</Button>
    </Note>
  );
}

/** Said at the bottom of the page, and to screen readers: for some seconds, or with something to do about it for half a minute, which
 * does not pass while the pointer or the keyboard is there. */
export interface Deed {
  text: string; // on the button
  undo: () => Promise<string>; // what is said when it is done
}
const SAID_MS = 4000;
const DEED_MS = 30000;
let say: (text: string, deed?: Deed, keep?: boolean) => void = () => undefined;
/** keep: it stays until it was closed. */
export function toast(text: string, deed?: Deed, keep?: boolean): void {
  say(text, deed, keep);
}
export function Toasts() {
  const [said, set] = useState<{ text: string; deed?: Deed; keep?: boolean }>({ text: '' });
  const [held, hold] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    say = (text, deed, keep) => set({ text, deed, keep });
  }, []);
  useEffect(() => {
    if (!said.text || said.keep || held) return undefined;
    const timer = setTimeout(() => set({ text: '' }), said.deed ? DEED_MS : SAID_MS);
    return () => clearTimeout(timer);
  }, [said, held]);
  const close = () => {
    if (box.current?.contains(document.activeElement)) document.getElementById('content')?.focus();
    set({ text: '' });
    hold(false);
  };
  const run = () => {
    const { deed } = said;
    if (!deed) return;
    close();
    deed.undo().then(
      (text) => {
        somethingChanged();
        toast(text);
      },
      (e: Error) => toast(e.message, undefined, true),
    );
  };
  useEffect(() => {
    const onKeyDown = (e: KeyboardEvent) => {
      if (!(e.ctrlKey || e.metaKey) || e.shiftKey || e.altKey || e.key.toLowerCase() !== 'z' || !said.deed) return;
      const at = document.activeElement as HTMLElement | null;
      if (at && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName))) return; // there it takes back what was typed
      e.preventDefault();
      run();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [said]);
  return (
    <div class={said.text ? 'toast shown' : 'toast'} ref={box} onMouseEnter={() => hold(true)} onMouseLeave={() => hold(false)} onFocusIn={() => hold(true)} onFocusOut={() => hold(false)}>
      <span role="status" aria-live="polite">
        {said.text}
      </span>
      {said.deed && (
        <button type="button" class="button" aria-keyshortcuts="Control+Z" onClick={run}>
          {said.deed.text}
        </button>
      )}
      {(said.deed || said.keep) && (
        <button type="button" class="button plain" aria-label={t('close')} onClick={close}>
          ×
        </button>
      )}
    </div>
  );
}

/** What moves the page while the pointer is pressed takes the click away from what it was aimed at: it waits until the click is over, or
 * for PRESSED_MS when that is never heard of. */
const PRESSED_MS = 1500;
let pressed = false;
let waiting: (() => void)[] = [];
const released = () => {
  pressed = false;
  const all = waiting;
  waiting = [];
  all.forEach((what) => what());
};
addEventListener('pointerdown', () => (pressed = true), true);
for (const end of ['pointerup', 'pointercancel']) addEventListener(end, () => setTimeout(released, 0), true);
export function afterClick(what: () => void): void {
  if (!pressed) return what();
  if (waiting.length === 0) setTimeout(released, PRESSED_MS);
  waiting.push(what);
}

/** Enter goes to the next field, never while an input method is composing. */
export function enterGoesOn(e: KeyboardEvent): void {
  const target = e.target as HTMLElement;
  if (e.key !== 'Enter' || e.isComposing || e.keyCode === 229 || e.ctrlKey || target.tagName === 'TEXTAREA' || target.tagName === 'BUTTON' || target.tagName === 'A') return;
  if (target.dataset.enter === 'own') return;
  e.preventDefault();
  goOn(target);
}

/** To the next field, or to what saves the form: other buttons are reached by Tab. */
export function goOn(target: HTMLElement | null | undefined): void {
  if (!target) return;
  const form = target.closest('form');
  const all = Array.from(form?.querySelectorAll<HTMLElement>('input:not([type=hidden]), select, textarea, button[type=submit]') ?? []).filter(
    (el) => el.tabIndex >= 0 && !(el as HTMLInputElement).disabled && el.offsetParent !== null,
  );
  const at = all.indexOf(target);
  // A group of radio buttons is one stop: go on behind its last.
  const name = (target as HTMLInputElement).type === 'radio' ? (target as HTMLInputElement).name : '';
  const next = all.slice(at + 1).find((el) => !name || (el as HTMLInputElement).name !== name);
  next?.focus();
}

/** The browser's own words name a file. */
function fetched<M>(load: () => Promise<M>): Promise<M> {
  return load().catch(() => Promise.reject(new Error(t('partGone'))));
}

/** Code that is fetched when it is wanted first. What failed is tried again the next time. */
export interface PartOf<M> {
  here?: M;
  load: () => Promise<M>;
}
export function part<M>(load: () => Promise<M>): PartOf<M> {
  const self: PartOf<M> = { load: () => (self.here ? Promise.resolve(self.here) : fetched(load).then((found) => (self.here = found))) };
  return self;
}

/** A page made of such code: at once where it is here. */
export function Part<M>(props: { of: PartOf<M>; show: (found: M) => ComponentChildren }) {
  const there = props.of.here;
  const found = useData(() => (there ? Promise.resolve(there) : props.of.load()), []);
  const now = props.of.here ?? found.data;
  return now ? <>{props.show(now)}</> : <Waiting error={found.error} reload={found.reload} />;
}

const IDLE_MS = 1000;
/** Fetches them one after the other, each when the browser has nothing to do. Gives what stops it. */
export function whenIdle(all: PartOf<unknown>[]): () => void {
  let stopped = false;
  const next = (i: number) => {
    if (stopped || i === all.length) return;
    const go = () => void (stopped || all[i]!.load().then(() => next(i + 1), () => undefined)); // who opens the page hears why it failed
    setTimeout(() => requestIdleCallback(go), i ? 0 : IDLE_MS);
  };
  next(0);
  return () => {
    stopped = true;
  };
}

/** A page, or a part of one, whose code is fetched when it is opened. */
export function Later<P extends object>(props: { load: () => Promise<ComponentType<P>>; given?: P }) {
  const found = useData(() => fetched(props.load), []);
  const Found = found.data;
  return Found ? <Found {...(props.given as P)} /> : <Waiting error={found.error} reload={found.reload} />;
}
