// Change requests (变更申请): one value of one field of another record, written as text.
import { fieldOf, typeOf, valueText, type Catalog, type Field, type RecordType } from './catalog';
import { shownValue } from './fields';

export const REQUEST = 'change_request';

export interface Asked {
  type: RecordType; // of the record that it is about
  id: string;
  field?: Field;
}

/** What a request is about; undefined while it does not say. */
export function askedOf(catalog: Catalog, fields: Record<string, unknown>): Asked | undefined {
  const [name, id] = String(fields['target'] ?? '').split(':');
  const type = typeOf(catalog, name ?? '');
  return type && id ? { type, id, field: fieldOf(type, String(fields['field'] ?? '')) } : undefined;
}

/** A value as a request writes it. */
export const toText = (value: unknown): string | null => (value === null || value === undefined || value === '' ? null : String(value));

/** And back, as the field's own input takes it. */
export function fromText(field: Field, text: unknown): unknown {
  if (text === null || text === undefined || text === '') return null;
  if (field.type === 'bool') return text === 'true';
  if (field.type === 'int' && /^-?\d{1,15}$/.test(String(text))) return Number(text);
  return text;
}

/** The value in words. */
export function askedText(catalog: Catalog, field: Field | undefined, text: unknown): string {
  if (!field) return String(text ?? '');
  const value = fromText(field, text);
  return shownValue(catalog, field, value) || valueText(catalog, field, value);
}

/** The fields of a record that its village has to ask for, as it stands. */
export function askable(type: RecordType, state: string | null): Field[] {
  const open = !type.edits_in || type.edits_in.includes(state ?? '');
  return type.fields.filter((f) => f.asked && !(f.by_village && open && !f.frozen_in?.includes(state ?? '')));
}
