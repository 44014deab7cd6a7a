// The catalogue as the API gives it: forms, lists and steps are made from it.
import { label, t } from './i18n';
import { namesStaff, staffNames } from './staff';
import { timeHere } from './time';

export interface Code {
  code: string;
  zh: string;
  en: string;
  retired: boolean;
}

export interface Field {
  name: string;
  zh: string;
  en: string;
  type: 'text' | 'code' | 'char' | 'int' | 'decimal' | 'bool' | 'date' | 'datetime' | 'uuid' | 'ref' | 'file' | 'hex' | 'map';
  entered: boolean;
  sensitivity: number;
  required: boolean;
  items?: { min: number; max: number; unique: boolean };
  max_chars?: number;
  min?: number;
  max?: number;
  format?: string;
  codes?: string;
  ref?: string;
  ref_types?: string[];
  conditions?: { when: string; level: string }[];
  preset?: unknown;
  frozen_in?: string[];
  members?: Field[];
  retired?: boolean;
  common?: boolean;
  group?: string;
  asked?: boolean; // a change request may be about it
  by_village?: boolean; // of such a one: the village sets it too, while its record is not frozen
}

export interface RecordType {
  name: string;
  zh: string;
  en: string;
  kept: boolean;
  states: string;
  default_state: string;
  reporting_date: string;
  list_columns: string[];
  natural_key: string[];
  transitions: { from: string | null; to: string; village: boolean; town: boolean }[];
  fields: Field[];
  edits_in?: string[];
}

/** A village deletes what the town has not taken up yet (proto/validate.c, village_deletes). */
export function deletable(type: RecordType, state: string | null | undefined): boolean {
  return type.kept && (!state || state === 'draft' || state === 'returned' || type.transitions.some((x) => x.from === null && x.to === state && x.village));
}

export interface Catalog {
  number: number;
  types: RecordType[];
  lists: Record<string, Code[]>;
}

export function typeOf(catalog: Catalog, name: string): RecordType | undefined {
  return catalog.types.find((type) => type.name === name);
}

/** What a kind of record is called where people read it: without the catalogue's remark that there may be several. */
export function typeName(type: RecordType | undefined, unknown = ''): string {
  return label(type, unknown).replace(/ ?[(（](多值|several|multiple)[)）]$/, '');
}

export function fieldOf(type: RecordType, name: string): Field | undefined {
  return type.fields.find((field) => field.name === name);
}

export function codeText(catalog: Catalog, list: string | undefined, code: unknown): string {
  const found = list ? catalog.lists[list]?.find((c) => c.code === code) : undefined;
  return found ? label(found) : String(code ?? '');
}

export function stateText(catalog: Catalog, type: RecordType, state: string | null): string {
  return state ? codeText(catalog, type.states, state) : '';
}

export function isMoney(field: Field): boolean {
  return field.type === 'int' && field.name.endsWith('_fen');
}

/** What a field is called where its value is shown: money is shown in yuan, whatever it is kept in. */
export function fieldLabel(field: Field | undefined): string {
  const text = label(field);
  return field && isMoney(field) ? text.replace('(分)', '(元)').replace('(fen)', '(yuan)') : text;
}

/** Names of villages and offices by division code, filled once after login. */
export const areas: Record<string, string> = {};

/** Codes of those that are villages today, where the page knows: a person does not move to an office, and no notice goes there. */
export const villages = new Set<string>();

/** Under which a material of the matter is among the labels. */
export const materialKey = (no: unknown): string => `material ${String(no)}`;

/** A value as people read it. labels: names of records referred to. */
export function valueText(catalog: Catalog, field: Field, value: unknown, labels: Record<string, string> = {}): string {
  if (value === null || value === undefined || value === '') return '';
  if (Array.isArray(value)) return value.map((v) => valueText(catalog, { ...field, items: undefined }, v, labels)).join('、');
  if (field.format === 'late_materials') return labels[materialKey(value)] ?? String(value);
  if (field.type === 'code') return codeText(catalog, field.codes, value);
  if (field.type === 'bool') return value ? '✓' : '✗';
  if (isMoney(field)) return (Number(value) / 100).toFixed(2);
  if (field.type === 'uuid' || field.type === 'ref') {
    const id = String(value).split(':').pop() ?? '';
    return labels[id] ?? staffNames[id] ?? (namesStaff(field) ? t('staffOther') : '…');
  }
  if (field.format === 'record_type') return typeName(typeOf(catalog, String(value)), String(value));
  if (field.format === 'division') return areas[String(value)] ?? String(value);
  if (field.type === 'datetime') return timeHere(String(value));
  if (field.type === 'map' && typeof value === 'object') {
    const parts = (field.members ?? []).map((m) => valueText(catalog, m, (value as Record<string, unknown>)[m.name], labels));
    return parts.filter(Boolean).join(' ');
  }
  return String(value);
}

/** A step that ends a record: the catalogue asks why, in close_note. */
export function saysWhy(type: RecordType, to: string): boolean {
  return !!fieldOf(type, 'close_note')?.conditions?.some((c) => c.level === 'enter' && c.when.split(/[^a-z_]+/).includes(to));
}
