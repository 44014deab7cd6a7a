// Who works at a station: the people that a record names as the one who received somebody or who keeps in touch. In the catalogue such a
// field is a uuid that refers to no type: it is a post of the station or an account, which is all that a village without posts has.
import { get } from './api';
import type { Field } from './catalog';

export interface Staff {
  id: string;
  name: string;
  post: string; // a code of the list "post"; empty: an account
  now: boolean;
}

/** Names by id, for every page that shows a record; filled by whoever asked. */
export const staffNames: Record<string, string> = {};
let known: { me: string; list: Staff[] } = { me: '', list: [] };

export async function loadStaff(station = ''): Promise<void> {
  const found = await get<{ me: string; staff: Staff[] }>(`staff${station ? `?station=${encodeURIComponent(station)}` : ''}`);
  known = { me: found.me, list: found.staff };
  for (const s of found.staff) staffNames[s.id] = s.name;
}

export function namesStaff(field: Field): boolean {
  return field.type === 'uuid' && !field.ref && !field.items && !field.common;
}

/** Each person once: who has a post and an account is the post, which the town knows too. */
export function staffNow(): Staff[] {
  const seen = new Set<string>();
  return known.list.filter((s) => s.now && !seen.has(s.name) && seen.add(s.name));
}

/** Who is at the keyboard, among staffNow(). */
export function staffMe(): string {
  const name = staffNames[known.me];
  return staffNow().find((s) => s.name === name)?.id ?? '';
}
