// What a record's page and a person's card share.
import { useState } from 'preact/hooks';
import { api, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, valueText, type Field, type RecordType } from '@common/catalog';
import { shownValue } from '@common/fields';
import { label, t } from '@common/i18n';
import { Button, Note, toast } from '@common/ui';
import { maskId, today, useModel } from './model';

/** Why the record came back: over its card, and over the form that mends it. */
export function CameBack(props: { record: RecordRow }) {
  const { invalid, state, fields } = props.record;
  return (
    <>
      {invalid && <Note kind="bad">{label({ zh: invalid.zh, en: invalid.en })}</Note>}
      {typeof fields['return_note'] === 'string' && state === 'returned' && (
        <Note kind="bad">
          {t('townNote')}: {fields['return_note']}
        </Note>
      )}
    </>
  );
}

/** Numbers that are covered until somebody asks for them. */
export const isCovered = (field: Field): boolean => field.format === 'idno' || field.name === 'bank_account';

export const holdsCovered = (type: RecordType, record: RecordRow): boolean => type.fields.some((f) => isCovered(f) && record.fields[f.name] !== undefined && record.fields[f.name] !== null);

/** Written down before they are seen; rejected when that fails. */
export const noteReveal = (id: string): Promise<void> => api<void>('POST', `records/${id}/reveal`, {});

export interface Change {
  op: string;
  hlc?: string;
  bases?: Record<string, string>; // of an edit: field → hlc of the change that had set it
  user: string;
  at: string;
  fields?: Record<string, unknown>;
  verdict?: string;
  text?: string;
}

export interface Group {
  type: string;
  field: string;
  total: number;
  records: RecordRow[];
}

/** The field by which a kind of record belongs to one of another kind, if it is entered from there. */
export function owns(type: RecordType, of: string): Field | undefined {
  return type.fields.find((f) => f.entered && f.ref === of && (f.required || type.natural_key[0] === f.name));
}

function ageOn(birth: string, day: string): number {
  const years = Number(day.slice(0, 4)) - Number(birth.slice(0, 4));
  return day.slice(5) < birth.slice(5) ? years - 1 : years;
}

/** only: these, in their order. */
export function Values(props: { type: RecordType; record: RecordRow; labels: Record<string, string>; only?: readonly string[] }) {
  const { catalog, status } = useModel();
  const [shown, setShown] = useState(false);
  const r = props.record;
  const asked = props.only ? props.only.map((name) => fieldOf(props.type, name)).filter((f): f is Field => !!f) : props.type.fields.filter((f) => !f.common);
  const fields = asked.filter((f) => r.fields[f.name] !== undefined && r.fields[f.name] !== null);
  const hidden = fields.some(isCovered);
  const text = (name: string): string => {
    const field = fieldOf(props.type, name)!;
    const value = r.fields[name];
    if (isCovered(field) && !shown) return maskId(String(value));
    const words = shownValue(catalog, field, value) || valueText(catalog, field, value, props.labels);
    return name === 'birth_on' ? `${words}（${t('age', ageOn(words, today(status)))}）` : words;
  };
  return (
    <>
      <dl class="values">
        {fields.map((f) => (
          <div key={f.name}>
            <dt>{fieldLabel(f)}</dt>
            <dd>{text(f.name)}</dd>
          </div>
        ))}
      </dl>
      {hidden && !shown && <Button onClick={() => void noteReveal(r.id).then(() => setShown(true), (e: Error) => toast(e.message))}>{t('mask')}</Button>}
    </>
  );
}
