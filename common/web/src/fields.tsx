// One input for each kind of field of the catalogue. A value is what the API takes: text, number, true/false, list, or null.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from './api';
import { areas, codeText, isMoney, type Catalog, type Field } from './catalog';
import { label, t } from './i18n';
import { Button } from './ui';

export interface InputProps {
  catalog: Catalog;
  field: Field;
  id: string;
  value: unknown;
  labels: Record<string, string>;
  disabled?: boolean;
  describedBy?: string;
  invalid?: boolean;
  required?: boolean;
  onInput: (value: unknown) => void;
  onBlur?: () => void;
}

const RADIO_MAX = 5;

function shared(p: InputProps) {
  return {
    id: p.id,
    disabled: p.disabled,
    'aria-describedby': p.describedBy,
    'aria-invalid': p.invalid ? true : undefined,
    'aria-required': p.required ? true : undefined,
    onBlur: p.onBlur,
  };
}

function TextInput(p: InputProps) {
  const long = p.field.type === 'text' && (p.field.max_chars ?? 0) > 60;
  const digits = ['idno', 'phone', 'digits', 'division'].includes(p.field.format ?? '');
  const set = (e: Event) => p.onInput((e.target as HTMLInputElement).value || null);
  const value = String(p.value ?? '');
  if (long) return <textarea rows={3} maxLength={p.field.max_chars} value={value} onInput={set} {...shared(p)} />;
  return <input type="text" inputMode={digits ? 'text' : undefined} maxLength={p.field.max_chars} value={value} autocomplete="off" onInput={set} {...shared(p)} />;
}

/** Yuan with two decimals on the screen, whole 分 underneath. */
function MoneyInput(p: InputProps) {
  const shown = p.value === null || p.value === undefined ? '' : typeof p.value === 'number' ? (p.value / 100).toFixed(2) : String(p.value);
  const [text, set] = useState(shown);
  useEffect(() => {
    if (parse(text) !== p.value) set(shown);
  }, [p.value]);
  function parse(from: string): unknown {
    const clean = from.trim().replace(/,/g, '');
    if (clean === '') return null;
    return /^\d{1,12}(\.\d{1,2})?$/.test(clean) ? Math.round(Number(clean) * 100) : clean; // what is no amount is said by the check
  }
  return (
    <span class="with-unit">
      <input
        type="text"
        inputMode="decimal"
        value={text}
        autocomplete="off"
        onInput={(e) => {
          set((e.target as HTMLInputElement).value);
          p.onInput(parse((e.target as HTMLInputElement).value));
        }}
        {...shared(p)}
      />
      <span class="unit">{t('yuan')}</span>
    </span>
  );
}

function NumberInput(p: InputProps) {
  const set = (e: Event) => {
    const text = (e.target as HTMLInputElement).value.trim();
    p.onInput(text === '' ? null : /^-?\d{1,15}$/.test(text) && p.field.type === 'int' ? Number(text) : text);
  };
  return <input type="text" inputMode="decimal" class="short" value={String(p.value ?? '')} autocomplete="off" onInput={set} {...shared(p)} />;
}

function DateInput(p: InputProps) {
  return (
    <input
      type="date"
      class="short"
      max="2100-12-31"
      value={String(p.value ?? '')}
      onInput={(e) => p.onInput((e.target as HTMLInputElement).value || null)}
      {...shared(p)}
    />
  );
}

/** Local time on the screen, an instant underneath. */
function TimeInput(p: InputProps) {
  let shown = '';
  if (typeof p.value === 'string' && !Number.isNaN(Date.parse(p.value))) {
    const at = new Date(p.value);
    shown = new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  }
  return (
    <input
      type="datetime-local"
      value={shown}
      onInput={(e) => {
        const text = (e.target as HTMLInputElement).value;
        p.onInput(text ? new Date(text).toISOString() : null);
      }}
      {...shared(p)}
    />
  );
}

function Choice(p: InputProps & { options: { code: unknown; text: string }[] }) {
  const { disabled, ...group } = shared(p);
  if (p.options.length > RADIO_MAX) {
    return (
      <select value={String(p.value ?? '')} onChange={(e) => p.onInput((e.target as HTMLSelectElement).value || null)} disabled={disabled} {...group}>
        <option value="">{t('choose')}</option>
        {p.options.map((o) => (
          <option key={String(o.code)} value={String(o.code)}>
            {o.text}
          </option>
        ))}
      </select>
    );
  }
  return (
    <div class="choices" role="radiogroup" aria-labelledby={`${p.id}-label`} {...group}>
      {p.options.map((o) => (
        <label key={String(o.code)} class={p.value === o.code ? 'choice on' : 'choice'}>
          <input type="radio" name={p.id} checked={p.value === o.code} disabled={disabled} onChange={() => p.onInput(o.code)} />
          <span>{o.text}</span>
        </label>
      ))}
    </div>
  );
}

function CodeInput(p: InputProps) {
  const codes = (p.catalog.lists[p.field.codes ?? ''] ?? []).filter((c) => !c.retired || c.code === p.value);
  return <Choice {...p} options={codes.map((c) => ({ code: c.code, text: label(c) }))} />;
}

function CodesInput(p: InputProps) {
  const codes = (p.catalog.lists[p.field.codes ?? ''] ?? []).filter((c) => !c.retired);
  const chosen = Array.isArray(p.value) ? (p.value as string[]) : [];
  const toggle = (code: string, on: boolean) => {
    const next = on ? [...chosen, code] : chosen.filter((c) => c !== code);
    p.onInput(next.length ? next : null);
  };
  const { disabled, ...group } = shared(p);
  return (
    <div class="choices" role="group" aria-labelledby={`${p.id}-label`} {...group}>
      {codes.map((c) => (
        <label key={c.code} class={chosen.includes(c.code) ? 'choice on' : 'choice'}>
          <input type="checkbox" checked={chosen.includes(c.code)} disabled={disabled} onChange={(e) => toggle(c.code, (e.target as HTMLInputElement).checked)} />
          <span>{label(c)}</span>
        </label>
      ))}
    </div>
  );
}

interface Option {
  id: string;
  label: string;
  more: string;
}

async function findOptions(type: string, text: string): Promise<Option[]> {
  if (type === 'person') {
    if (!text.trim()) return [];
    const found = await get<{ hits: { id: string; label: string; birth_on: string; household_no: string }[] }>(`search?q=${encodeURIComponent(text)}`);
    return found.hits.slice(0, 10).map((h) => ({ id: h.id, label: h.label, more: [h.birth_on, h.household_no].filter(Boolean).join(' · ') }));
  }
  const page = await get<{ records: { id: string; label: string }[] }>(`types/${type}/records?limit=20${text.trim() ? `&q=${encodeURIComponent(text)}` : ''}`);
  return page.records.map((r) => ({ id: r.id, label: r.label, more: '' }));
}

/** Finds a record by typing; arrow keys and Enter choose (ARIA 1.2 combobox). */
function RefInput(p: InputProps & { many: boolean }) {
  const chosen = p.many ? ((p.value as string[] | null) ?? []) : p.value ? [String(p.value)] : [];
  const [text, setText] = useState('');
  const [options, setOptions] = useState<Option[]>([]);
  const [at, setAt] = useState(0);
  const [open, setOpen] = useState(false);
  const known = useRef<Record<string, string>>({});
  const type = p.field.ref ?? '';
  useEffect(() => {
    if (!open) return undefined;
    let here = true;
    const timer = setTimeout(() => {
      findOptions(type, text).then((found) => {
        if (here) {
          setOptions(found.filter((o) => !chosen.includes(o.id)));
          setAt(0);
        }
      }, () => undefined);
    }, 150);
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [text, open]);
  const choose = (o: Option | undefined) => {
    if (!o) return;
    known.current[o.id] = o.label;
    p.onInput(p.many ? [...chosen, o.id] : o.id);
    setText('');
    setOpen(p.many);
    setOptions([]);
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.isComposing || e.keyCode === 229) return;
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault();
      setOpen(true);
      setAt((n) => Math.max(0, Math.min(options.length - 1, n + (e.key === 'ArrowDown' ? 1 : -1))));
    } else if (e.key === 'Enter' && open && options.length > 0 && (text || !p.many)) {
      e.preventDefault();
      e.stopPropagation();
      choose(options[at]);
    } else if (e.key === 'Escape' && open) {
      e.stopPropagation();
      setOpen(false);
    } else if (e.key === 'Backspace' && !text && chosen.length) {
      p.onInput(p.many ? (chosen.length > 1 ? chosen.slice(0, -1) : null) : null);
    }
  };
  return (
    <div class="picker">
      {chosen.map((id) => (
        <span class="picked" key={id}>
          {known.current[id] ?? p.labels[id] ?? '…'}
          <button
            type="button"
            tabIndex={-1}
            aria-label={`${t('remove')} ${known.current[id] ?? p.labels[id] ?? ''}`}
            disabled={p.disabled}
            onClick={() => {
              const rest = chosen.filter((c) => c !== id);
              p.onInput(p.many ? (rest.length ? rest : null) : null);
            }}
          >
            ×
          </button>
        </span>
      ))}
      {(p.many || chosen.length === 0) && (
        <input
          type="text"
          role="combobox"
          aria-expanded={open && options.length > 0}
          aria-controls={`${p.id}-options`}
          aria-autocomplete="list"
          aria-activedescendant={open && options[at] ? `${p.id}-${at}` : undefined}
          placeholder={type === 'person' ? t('pickPerson') : t('choose')}
          value={text}
          autocomplete="off"
          onFocus={() => setOpen(true)}
          onInput={(e) => {
            setText((e.target as HTMLInputElement).value);
            setOpen(true);
          }}
          onKeyDown={onKeyDown}
          {...shared(p)}
          onBlur={() => {
            setTimeout(() => setOpen(false), 150); // a click on an option comes first
            p.onBlur?.();
          }}
        />
      )}
      {open && options.length > 0 && (
        <ul class="options" role="listbox" id={`${p.id}-options`}>
          {options.map((o, i) => (
            <li key={o.id} id={`${p.id}-${i}`} role="option" aria-selected={i === at} class={i === at ? 'on' : ''} onMouseDown={(e) => e.preventDefault()} onClick={() => choose(o)}>
              {o.label} <small>{o.more}</small>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** A list of plain values or of rows with members. */
function RowsInput(p: InputProps) {
  const rows = Array.isArray(p.value) ? p.value : [];
  const members = p.field.members;
  const single: Field = { ...p.field, items: undefined };
  const put = (next: unknown[]) => p.onInput(next.length ? next : null);
  return (
    <div class="rows" role="group" aria-labelledby={`${p.id}-label`}>
      {rows.map((row, i) => (
        <div class="row" key={i}>
          {members ? (
            members.map((m) => (
              <label key={m.name}>
                <small id={`${p.id}-${i}-${m.name}-label`}>{label(m)}</small>
                <FieldInput
                  {...p}
                  field={m}
                  id={`${p.id}-${i}-${m.name}`}
                  value={(row as Record<string, unknown>)?.[m.name]}
                  onInput={(v) => put(rows.map((r, k) => (k === i ? { ...(r as object), [m.name]: v ?? undefined } : r)))}
                />
              </label>
            ))
          ) : (
            <FieldInput {...p} field={single} id={`${p.id}-${i}`} value={row} onInput={(v) => put(rows.map((r, k) => (k === i ? v : r)))} />
          )}
          <Button disabled={p.disabled} onClick={() => put(rows.filter((_, k) => k !== i))}>
            {t('remove')}
          </Button>
        </div>
      ))}
      {rows.length < (p.field.items?.max ?? 400) && (
        <Button disabled={p.disabled} onClick={() => put([...rows, members ? {} : ''])}>
          {t('addRow')}
        </Button>
      )}
    </div>
  );
}

export function FieldInput(p: InputProps) {
  const { field } = p;
  if (field.items) {
    if (field.type === 'code') return <CodesInput {...p} />;
    if (field.type === 'uuid' && field.ref) return <RefInput {...p} many />;
    return <RowsInput {...p} />;
  }
  if (isMoney(field)) return <MoneyInput {...p} />;
  if (field.format === 'division' && Object.keys(areas).length > 0) {
    return <Choice {...p} options={Object.entries(areas).map(([code, text]) => ({ code, text }))} />;
  }
  switch (field.type) {
    case 'code':
      return <CodeInput {...p} />;
    case 'bool':
      return <Choice {...p} options={[{ code: true, text: t('yes') }, { code: false, text: t('no') }]} />;
    case 'date':
      return <DateInput {...p} />;
    case 'datetime':
      return <TimeInput {...p} />;
    case 'int':
    case 'decimal':
      return <NumberInput {...p} />;
    case 'uuid':
      return field.ref ? <RefInput {...p} many={false} /> : <TextInput {...p} />;
    default:
      return <TextInput {...p} />;
  }
}

/** A value in words, for showing. */
export function shownValue(catalog: Catalog, field: Field, value: unknown): string {
  if (field.type === 'bool' && typeof value === 'boolean') return value ? t('yes') : t('no');
  if (field.type === 'code' && !Array.isArray(value)) return codeText(catalog, field.codes, value);
  return '';
}
