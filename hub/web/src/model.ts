// What every page of a logged-in person shares.
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Catalog } from '@common/catalog';
import { lang } from '@common/i18n';
import { dayHere } from '@common/time';
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
  unit_en: string;
  value: number | null;
  display: string;
  display_en: string;
  reported: boolean;
  /** Follows no day: what stands now, whatever the period. */
  now?: true;
  opening_unverified?: number;
  groups?: { key: string; label: string; value: number | null; reported?: false }[];
}
/** In the page's language: the unit, the rounded number, and what comes after a number. */
export const unitOf = (f: Figure): string => (lang() === 'zh' ? f.unit : f.unit_en);
export const shownOf = (f: Figure): string => (lang() === 'zh' ? f.display : f.display_en);
export const unitAfter = (f: Figure): string => (f.unit === '%' || lang() === 'zh' ? unitOf(f) : f.unit_en && ` ${f.unit_en}`);
export const listed = (words: string[]): string => words.join(lang() === 'zh' ? '、' : ', ');

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
  /** Files to verify, and petitions near their limit: each counted to 500. */
  to_verify: number;
  petitions_due: number;
  /** All that the list of what waits has. */
  waiting: number;
  /** Where stations' PCs reach the hub. */
  sync_port: number;
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
  returned: number;
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

/** Who works with records. Who keeps the machines, the accounts or the audit log does not (三员分立). */
export const isStaff = (s: Session): boolean => s.role === 'clerk';
export const seesFigures = (s: Session): boolean => isStaff(s) || s.role === 'leader';
export const seesBoard = (s: Session): boolean => seesFigures(s) || s.role === 'admin';
/** Sets what the town may set, and takes sticks in. */
export const keepsDesk = (s: Session): boolean => isStaff(s) || s.role === 'admin';

export { go } from '@common/route';

/** Today in the town (UTC+8). */
export const today = (): string => dayHere();

export function query(values: Record<string, string | number | null | undefined>): string {
  const parts = Object.entries(values).filter(([, v]) => v !== null && v !== undefined && v !== '');
  return parts.map(([k, v]) => `${k}=${encodeURIComponent(String(v))}`).join('&');
}

/** Rows that are made and ended by the registry alone, on the stations board. */
export const ofRegistry = (type: string): boolean => type === 'station' || type === 'area_unit';
