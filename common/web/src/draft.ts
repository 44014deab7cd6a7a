// What somebody types is on the program's disk within DRAFT_MS, also while she goes on typing without a pause; and what is younger goes
// there when she leaves the page or closes the window. While the program is gone, the screen locked or her session over it stays in the form,
// which is told so, and goes to the disk when the program, or she, is back.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { api, type ApiError, get, TRAINING } from './api';
import { useChanged } from './ui';

const DRAFT_MS = 1500;
const AGAIN_MS = 5000;

export interface DraftKeeper {
  /** Saved or given up: the draft is deleted, and none comes after. */
  end(): Promise<void>;
  /** Given up, and the page goes on with another one, at once. */
  discard(): void;
}

const PLACES = 9;
const CLAIM_MS = 400; // who left the page a moment ago still has its place
const placeOf = (base: string, n: number): string => (n === 1 ? base : `${base}${base.includes('?') ? '&' : '?'}draft=${n}`);

/** The first place for a draft of this kind, from the n-th on, that no other tab has open; '' until that is known. Two tabs with one draft
 * would write two records under one id. Where the browser has no locks (a page that is not this PC's own) tabs are not told apart. */
export function useDraftPlace(base: string, from: number, several: boolean): string {
  const locks = several ? navigator.locks : undefined;
  const [place, set] = useState(locks ? '' : placeOf(base, from));
  useEffect(() => {
    if (!locks) return undefined;
    let here = true;
    let leave = () => undefined as void;
    const left = new Promise<void>((resolve) => (leave = resolve));
    const claim = (n: number): Promise<void> => {
      const key = placeOf(base, n);
      const stop = new AbortController();
      const timer = setTimeout(() => stop.abort(), CLAIM_MS);
      const mine = () => {
        clearTimeout(timer);
        if (here) set(key);
        return here ? left : undefined;
      };
      return locks.request(`draft ${TRAINING ? 'training ' : ''}${key}`, { signal: stop.signal }, mine).then(
        () => undefined,
        () => (here && n < from + PLACES ? claim(n + 1) : undefined),
      );
    };
    void claim(from);
    return () => {
      here = false;
      leave();
    };
  }, [base, from]);
  return place;
}

const open = new Set<() => Promise<unknown>>();
let shut = false;

/** Nobody is logged in any more: what is sent from now on would be refused, or be kept as a draft of whoever logs in next. */
export function stopDrafts(): void {
  shut = true;
}

/** What is typed anywhere on the page goes to the disk now: before the door closes, after which nobody may write, and when it opens again. */
export async function keepDrafts(): Promise<void> {
  shut = false;
  await Promise.all([...open].map((keep) => keep()));
}

/** What was not finished last time, told once: null that there is nothing. While the program is gone, the screen locked or the session over
 * nobody knows, so it is asked again: what is typed now must not replace it. */
export function useKept<T>(path: string, told: (draft: { saved_at: string; body: T } | null) => void): void {
  const [round, again] = useState(0);
  const unknown = useRef(false);
  useChanged(() => unknown.current && again((n) => n + 1));
  useEffect(() => {
    if (!path) return undefined;
    let here = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    unknown.current = false;
    get<{ saved_at: string; body: T }>(path).then(
      (draft) => here && told(draft),
      (e: ApiError) => {
        if (!here) return;
        unknown.current = [0, 401, 423].includes(e.status);
        if (!unknown.current) told(null);
        if (e.status === 0) timer = setTimeout(() => again((n) => n + 1), AGAIN_MS);
      },
    );
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [path, round]);
}

/** path '': not known yet, and kept once it is. dirty: somebody has typed; before that nothing is kept. told: after each time it came to the disk, and null;
 * or did not, and why. */
export function useDraft(path: string, body: unknown, dirty: { current: boolean }, told: (why: ApiError | null) => void = () => undefined): DraftKeeper {
  const latest = useRef({ path, body });
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const over = useRef(false);
  const behind = useRef(false); // what was sent last did not come to the disk
  const here = useRef(true);
  const sending = useRef<Promise<unknown>>(Promise.resolve());
  latest.current = { path, body };

  const keep = () => {
    clearTimeout(timer.current);
    timer.current = undefined;
    if (over.current || !path || !dirty.current || latest.current.path !== path) return;
    behind.current ||= shut;
    if (shut) return;
    const kept = () => {
      behind.current = false;
      told(null);
    };
    const failed = (e: ApiError) => {
      behind.current = true;
      if (e.status !== 404) told(e); // 404: this program keeps none
      if ((e.status === 0 || e.status >= 500) && here.current && !over.current) timer.current ??= setTimeout(keep, AGAIN_MS); // else when the door opens
    };
    // One after the other: an older one must not come last.
    sending.current = sending.current.then(() => (over.current ? undefined : api('PUT', path, latest.current.body, true).then(kept, failed)));
  };
  const flush = () => {
    if (timer.current !== undefined || behind.current) keep();
    return sending.current;
  };
  // Not after the next picture: who types and leaves before that would lose it.
  useLayoutEffect(() => {
    if (path && dirty.current && !over.current) timer.current ??= setTimeout(keep, DRAFT_MS);
  }, [path, JSON.stringify(body)]); // its values: an object is another one each time the page is drawn
  // In the same step as above: ending the old path later would stop the timer that the new one has just set.
  useLayoutEffect(() => {
    const leave = () => void flush();
    here.current = true;
    open.add(flush);
    addEventListener('pagehide', leave);
    return () => {
      here.current = false;
      open.delete(flush);
      removeEventListener('pagehide', leave);
      leave();
    };
  }, [path]);
  return {
    end: async () => {
      over.current = true;
      clearTimeout(timer.current);
      timer.current = undefined;
      await sending.current;
      if (path) await api('DELETE', path).catch(() => undefined);
    },
    discard: () => {
      clearTimeout(timer.current);
      timer.current = undefined;
      behind.current = false;
      sending.current = sending.current.then(() => api('DELETE', path).catch(() => undefined)); // what is typed now comes after it
    },
  };
}
