// The program's API. An error always has words for the person in front of the screen.
import { lang, t } from './i18n';

/** The training copy hangs below /training/: the same page and API over people that nobody is. */
export const TRAINING = location.pathname.startsWith('/training/');
const BASE = TRAINING ? '/training/api/v1/' : '/api/v1/';

export interface Issue {
  code: string;
  field: string;
  text: string;
  text_en?: string;
  level: 'warn' | 'refuse';
  other?: { id: string; label: string }; // the record that is there already
}

/** One of the versions that are to be decided between; without user and values while they are not known here. */
export interface Sibling {
  hlc: string;
  group: string;
  fields: string[];
  stands: boolean;
  deletes?: boolean; // of group "deleted"
  user?: string;
  at?: string;
  station?: string;
  values?: Record<string, unknown>;
}

export interface RecordRow {
  id: string;
  type: string;
  village_code: string | null;
  state: string | null;
  fields: Record<string, unknown>;
  rev: string;
  label: string;
  pending?: boolean;
  refused?: boolean;
  deleted?: boolean;
  origin?: 'town'; // entered there, on the village's behalf
  invalid?: { code: string; field: string; zh: string; en: string };
  issues?: Issue[];
  conflicts?: Sibling[];
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly field: string,
    text: string,
    readonly issues: Issue[] = [],
    readonly present?: RecordRow,
    readonly rows?: { row: number; issues: Issue[] }[], // of a batch: what is wrong with which
  ) {
    super(text);
  }
}

export function issueText(issue: { text: string; text_en?: string }): string {
  return lang() === 'en' && issue.text_en ? issue.text_en : issue.text;
}

/** What happens to the session while a page is open. */
type Listener = (what: 'out' | 'locked' | 'gone' | 'back') => void;
let listener: Listener = () => undefined;
let gone = false;
export function onSession(heard: Listener): void {
  listener = heard;
}
const ENTERS = ['session', 'session/unlock', 'setup'];
let entries = 0; // how often somebody came in: a refusal of what was asked before that says nothing of now

/** What the document brought along and what early.js asked for. Each counts once, while it is fresh, and only when it is the data: who was
 * not logged in at the time asks again. */
const EARLY_MS = 10000;
declare global {
  interface Window {
    lastmileEarly?: { came: Record<string, unknown>; asked: Record<string, Promise<Response>>; pressed: HTMLElement | null; drawn?: boolean };
  }
}
const early = (window.lastmileEarly ??= { came: {}, asked: {}, pressed: null });
async function askedEarly(path: string): Promise<Response | null> {
  const waiting = early.asked[path];
  if (!waiting) return null;
  delete early.asked[path];
  const reply = performance.now() < EARLY_MS ? await waiting.catch(() => null) : null;
  return reply?.ok ? reply : null;
}

/** An answer that came with the document: null that nobody is logged in (session), undefined that it did not come. */
export function brought<T>(path: string): T | null | undefined {
  const found = early.drawn || performance.now() < EARLY_MS ? early.came[path] : undefined;
  delete early.came[path];
  return found as T | null | undefined;
}

async function failure(reply: Response): Promise<ApiError> {
  const document = await reply.json().catch(() => null);
  const error = document?.error ?? { code: 'http', field: '', text: `${t('failed')} (${reply.status})` };
  return new ApiError(reply.status, error.code, error.field, issueText(error), document?.issues, document?.present, document?.rows);
}

/** keepalive: carried out even when the window is closed meanwhile (64 KiB at most). */
export async function api<T>(method: string, path: string, body?: unknown, keepalive = false): Promise<T> {
  let reply: Response;
  const since = entries;
  try {
    const sent = method === 'GET' ? undefined : JSON.stringify(body ?? {});
    const there = method === 'GET' ? await askedEarly(path) : null;
    reply =
      there ??
      (await fetch(`${BASE}${path}`, {
        method,
        keepalive: keepalive && (sent?.length ?? 0) < 16384, // at most 3 bytes a character, and others may be on their way
        credentials: 'same-origin',
        headers: method === 'GET' ? {} : { 'Content-Type': 'application/json' },
        body: sent,
      }));
  } catch {
    gone = true;
    listener('gone');
    throw new ApiError(0, 'gone', '', t('programGone'));
  }
  if (gone) {
    gone = false;
    listener('back');
  }
  if (reply.ok && method === 'POST' && ENTERS.includes(path)) entries++;
  if (reply.ok) return (reply.status === 204 ? undefined : await reply.json()) as T;
  const error = await failure(reply);
  if (reply.status === 401 && since === entries) listener('out');
  if (reply.status === 423 && since === entries) listener('locked');
  throw error;
}

export const get = <T>(path: string): Promise<T> => api<T>('GET', path);

/** RFC 9562 version 7: made when a form is opened, so that a save sent twice is one save. */
export function uuid7(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const now = Date.now();
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(now / 2 ** (8 * (5 - i))) & 255;
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
