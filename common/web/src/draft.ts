// What somebody types is on the program's disk within DRAFT_MS, also while she goes on typing without a pause; and what is younger goes
// there when she leaves the page or closes the window.
import { useEffect, useRef } from 'preact/hooks';
import { api } from './api';

const DRAFT_MS = 1500;

export interface DraftKeeper {
  /** Saved or given up: the draft is deleted, and none comes after. */
  end(): Promise<void>;
  /** The page goes on with another one. */
  again(): void;
}

/** dirty: somebody has typed; before that nothing is kept. onKept: after each time it came to the disk. */
export function useDraft(path: string, body: unknown, dirty: { current: boolean }, onKept: () => void = () => undefined): DraftKeeper {
  const latest = useRef({ path, body });
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const over = useRef(false);
  const sending = useRef<Promise<unknown>>(Promise.resolve());
  latest.current = { path, body };

  const keep = () => {
    clearTimeout(timer.current);
    timer.current = undefined;
    if (over.current || !dirty.current || latest.current.path !== path) return;
    // One after the other: an older one must not come last.
    sending.current = sending.current.then(() => (over.current ? undefined : api('PUT', path, latest.current.body, true).then(onKept, () => undefined)));
  };
  useEffect(() => {
    if (dirty.current && !over.current) timer.current ??= setTimeout(keep, DRAFT_MS);
  }, [JSON.stringify(body)]); // its values: an object is another one each time the page is drawn
  useEffect(() => {
    const leave = () => timer.current !== undefined && keep();
    addEventListener('pagehide', leave);
    return () => {
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
      await api('DELETE', path).catch(() => undefined);
    },
    again: () => {
      over.current = false;
    },
  };
}
