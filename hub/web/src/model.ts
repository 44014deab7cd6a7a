// What every page of a logged-in person shares.
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Catalog } from '@common/catalog';
import type { RecordRow } from '@common/api';

export interface Session {
  user: string;
  role: 'clerk' | 'leader' | 'admin' | 'security' | 'auditor' | 'secretary';
  locked: boolean;
  must_change: boolean;
  town: string;
  code: string;
}
export interface Coverage {
  stations: number;
  complete: number;
  stale: string[];
  never: string[];
  possible_gap: string[];
  complete_through: string | null;
  held: number;
  returned: number;
  conflicts: number;
}
export interface Figure {
  label: string;
  unit: string;
  value: number | null;
  display: string;
  reported: boolean;
  groups?: { key: string; label: string; value: number | null }[];
}
export interface Counts {
  as_of: string;
  from: string | null;
  to: string;
  coverage: Coverage;
  indicators: Record<string, Figure>;
}
export interface Indicator {
  id: string;
  zh: string;
  en: string;
  unit: string;
  flow: boolean;
  type: string | null;
  by: string[];
}
export interface TownCatalog extends Catalog {
  indicators: Indicator[];
}
export interface TownStatus {
  returned: number;
  held: number;
  conflicts: number;
  duplicates: number;
  salvaged: number;
  recovered: number;
  backup_age_s: number | null;
  read_only: boolean;
  coverage: Coverage;
}
export interface Replica {
  replica: string;
  last_contact: string | null;
  complete_through: string | null;
  lag: number;
  clock_offset_ms: number | null;
  program: string;
  revoked: boolean;
  in_doubt: boolean;
  possible_gap: boolean;
  by_station_clock: boolean;
}
export interface Station {
  code: string;
  name: string;
  level: string;
  office: string;
  office_name: string;
  /** Villages merged (撤并): what it is part of now, and its last day. */
  merged: { into: string; on: string } | null;
  replicas: Replica[];
  alarms: { kind: string; at: string }[];
}
export interface Rows {
  total: number;
  type?: string;
  records: RecordRow[];
  labels?: Record<string, string>;
}

export interface Model {
  session: Session;
  catalog: TownCatalog;
  stations: Station[];
  status: TownStatus | null;
  refresh: () => void;
  /** The stations anew, after one was added or merged. */
  reload: () => void;
}
export const ModelContext = createContext<Model | null>(null);
export function useModel(): Model {
  const model = useContext(ModelContext);
  if (!model) throw new Error('no model');
  return model;
}

/** A village on that day (today unless said otherwise). */
export const isVillage = (s: Station, on?: string): boolean => s.level === 'village' && !(s.merged && s.merged.on < (on ?? today()));

export const isStaff = (s: Session): boolean => s.role === 'clerk' || s.role === 'admin';
export const seesFigures = (s: Session): boolean => isStaff(s) || s.role === 'leader';

export { go } from '@common/route';

/** Today in the town (UTC+8). */
export function today(): string {
  return new Date(Date.now() + 8 * 3600000).toISOString().slice(0, 10);
}

export function query(values: Record<string, string | number | null | undefined>): string {
  const parts = Object.entries(values).filter(([, v]) => v !== null && v !== undefined && v !== '');
  return parts.map(([k, v]) => `${k}=${encodeURIComponent(String(v))}`).join('&');
}
