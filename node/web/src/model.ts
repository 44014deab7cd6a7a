// What every page of a logged-in person shares.
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Catalog } from '@common/catalog';
import { dayHere } from '@common/time';

export interface Session {
  user: string;
  shown: string; // the person's name, where one is known
  role: 'secretary' | 'admin';
  locked: boolean;
  must_change: boolean; // the password is somebody else's
  station: string;
  station_name: string;
  level: string;
  idle_ms: number;
  front: Front | null;
}

/** The page of all villages of this PC, and the mark by which this one is told from the others. */
export interface Front {
  port: number;
  mark: number;
}

export interface Status {
  pending: number; // changes
  pending_records: number; // that they are of
  returned: number;
  held: number;
  conflicts: number;
  cursor: number;
  last_contact: string | null;
  clock_offset_ms: number | null;
  state: 'online' | 'offline' | 'refused';
  state_code: string;
  state_text: string;
  state_text_en: string;
}

export interface Model {
  session: Session;
  catalog: Catalog; // EMPTY on the first page, until it is here
  status: Status | null;
  refresh: () => void; // ask for the status now
}

export const EMPTY: Catalog = { number: 0, types: [], lists: {} };

export const ModelContext = createContext<Model | null>(null);

export function useModel(): Model {
  const model = useContext(ModelContext);
  if (!model) throw new Error('no model');
  return model;
}

/** Kinds of record that a secretary enters often, in the order of the buttons. */
export const DAILY = ['visit', 'consultation', 'reception', 'aid_case', 'service_item', 'petition', 'activity', 'contact_plan', 'honor', 'nil_report'];

export { go } from '@common/route';

/** Today in the village, as the hub's clock has it when it is known. */
export function today(status: Status | null): string {
  return dayHere(Date.now() + (status?.clock_offset_ms ?? 0));
}

/** All but the first six and the last four are hidden until the card is opened. */
export function maskId(number: string): string {
  return number.length === 18 ? `${number.slice(0, 6)}********${number.slice(14)}` : number;
}
