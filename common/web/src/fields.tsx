// One input for each kind of field of the catalogue. A value is what the API takes: text, number, true/false, list, or null.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from './api';
import { areas, codeText, isMoney, typeName, typeOf, villages, type Catalog, type Field } from './catalog';
import { fold, folds } from './fold';
import { label, t } from './i18n';
import type { MessageKey } from './messages';
import { namesStaff, staffMe, staffNames, staffNow } from './staff';
import { Button, goOn, useData, Waiting } from './ui';
import { instantHere, timeHere } from './time';

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
  beside?: Record<string, unknown>; // what else the form holds
  among?: (code: string) => boolean; // of a place: which ones make sense here
  onInput: (value: unknown) => void;
  typed?: string; // of a picker: what was typed and not chosen
  onTyped?: (text: string) => void;
  onNamed?: (id: string, name: string) => void; // what a record that was chosen is called
  onBlur?: () => void;
}

const RADIO_MAX = 5;
/** Texts that may be longer than this may have lines (proto/validate_internal.h, VX_LONG_TEXT); in others a line break is refused. */
const LINES_FROM = 120;
/** Kinds of record of which a nil report says nothing. */
const NEVER_NIL = ['nil_report', 'attachment', 'change_request', 'notice_receipt'];

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

/** A number of digits, or a name: kept as the programs take it, whatever was pasted. The box shows what was typed until it is left. */
function FoldedInput(p: InputProps) {
  const value = String(p.value ?? '');
  const [text, set] = useState(value);
  useEffect(() => {
    if (fold(p.field, text) !== value) set(value);
  }, [value]);
  return (
    <input
      type="text"
      value={text}
      autocomplete="off"
      onInput={(e) => {
        const typed = (e.target as HTMLInputElement).value;
        set(typed);
        p.onInput(fold(p.field, typed) || null);
      }}
      {...shared(p)}
      onBlur={() => {
        set(value);
        p.onBlur?.();
      }}
    />
  );
}

function TextInput(p: InputProps) {
  if (folds(p.field)) return <FoldedInput {...p} />;
  const long = p.field.type === 'text' && (p.field.max_chars ?? 0) > LINES_FROM;
  const digits = ['idno', 'phone', 'digits', 'division'].includes(p.field.format ?? '');
  const set = (e: Event) => p.onInput((e.target as HTMLInputElement).value || null);
  const value = String(p.value ?? '');
  // No maxLength: what is too long is said by the check, with how long it is. Cut by the browser it would be lost without a word.
  if (long) return <textarea rows={3} value={value} onInput={set} {...shared(p)} />;
  return <input type="text" inputMode={digits ? 'text' : undefined} value={value} autocomplete="off" onInput={set} {...shared(p)} />;
}

/** Yuan with two decimals on the screen, whole 分 underneath. */
function MoneyInput(p: InputProps) {
  const shown = p.value === null || p.value === undefined ? '' : typeof p.value === 'number' ? (p.value / 100).toFixed(2) : String(p.value);
  const [text, set] = useState(shown);
  useEffect(() => {
    if (parse(text) !== p.value) set(shown);
  }, [p.value]);
  function parse(from: string): unknown {
    const clean = fold(p.field, from).replace(/[,元￥¥]/g, '');
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
    const text = fold(p.field, (e.target as HTMLInputElement).value);
    p.onInput(text === '' ? null : /^-?\d{1,15}$/.test(text) && p.field.type === 'int' ? Number(text) : text);
  };
  return <input type="text" inputMode="decimal" class="short" value={String(p.value ?? '')} autocomplete="off" onInput={set} {...shared(p)} />;
}

function DateInput(p: InputProps) {
  const month = p.field.format === 'month';
  return (
    <input
      type={month ? 'month' : 'date'}
      class="short"
      max={month ? '2100-12' : '2100-12-31'}
      value={String(p.value ?? '')}
      onInput={(e) => p.onInput((e.target as HTMLInputElement).value || null)}
      {...shared(p)}
    />
  );
}

/** Local time on the screen, an instant underneath. */
function TimeInput(p: InputProps) {
  const shown = typeof p.value === 'string' && !Number.isNaN(Date.parse(p.value)) ? timeHere(p.value).replace(' ', 'T') : '';
  return (
    <input
      type="datetime-local"
      value={shown}
      onInput={(e) => {
        const text = (e.target as HTMLInputElement).value;
        p.onInput(text ? instantHere(text) : null);
      }}
      {...shared(p)}
    />
  );
}

function Choice(p: InputProps & { options: { code: unknown; text: string }[]; labelledBy?: string }) {
  const { disabled, ...group } = shared(p);
  if (p.options.length > RADIO_MAX) {
    return (
      <select aria-labelledby={p.labelledBy} value={String(p.value ?? '')} onChange={(e) => p.onInput((e.target as HTMLSelectElement).value || null)} disabled={disabled} {...group}>
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
    <div class="choices" role="radiogroup" aria-labelledby={p.labelledBy ?? `${p.id}-label`} {...group}>
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

/** Villages, by name; none is all of them. One that was chosen and is none any more is there to be taken away. */
function VillagesInput(p: InputProps) {
  const chosen = Array.isArray(p.value) ? (p.value as string[]) : [];
  const codes = [...new Set([...villages, ...chosen])].sort();
  const put = (next: string[]) => p.onInput(next.length ? next.sort() : null);
  const { disabled, ...group } = shared(p);
  return (
    <div class="villages" role="group" aria-labelledby={`${p.id}-label`} {...group}>
      <p class="quiet" role="status">
        {chosen.length ? t('villagesChosen', chosen.length) : t('villagesAll')}{' '}
        {chosen.length > 0 && (
          <Button disabled={disabled} onClick={() => put([])}>
            {t('villagesNone')}
          </Button>
        )}
      </p>
      <div class="choices">
        {codes.map((code) => (
          <label key={code} class={chosen.includes(code) ? 'choice on' : 'choice'}>
            <input type="checkbox" checked={chosen.includes(code)} disabled={disabled} onChange={(e) => put((e.target as HTMLInputElement).checked ? [...chosen, code] : chosen.filter((c) => c !== code))} />
            <span>{areas[code] ?? code}</span>
          </label>
        ))}
      </div>
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

/** Ways on from a person who is not found, where the program has any: set once, before a form is shown. */
const waysOn: { text: MessageKey; to: (name: string) => string }[] = [];
export function offerForNobody(ways: typeof waysOn): void {
  waysOn.splice(0, waysOn.length, ...ways);
}

/** Finds a record by typing; arrow keys and Enter choose (ARIA 1.2 combobox). */
function RefInput(p: InputProps & { many: boolean }) {
  const chosen = p.many ? ((p.value as string[] | null) ?? []) : p.value ? [String(p.value)] : [];
  const [own, setOwn] = useState('');
  const text = p.onTyped ? (p.typed ?? '') : own;
  const [none, setNone] = useState(''); // what was looked for in vain
  const [options, setOptions] = useState<Option[]>([]);
  const [at, setAt] = useState(0);
  const [open, setOpen] = useState(false);
  const known = useRef<Record<string, string>>({});
  const box = useRef<HTMLDivElement>(null);
  const moved = useRef(false); // with the arrow keys: Enter takes nothing that she has not asked for
  const found = useRef(''); // what the options are of
  const first = useRef(false); // Enter came before they did
  const type = p.field.ref ?? '';
  const setText = p.onTyped ?? setOwn;
  useEffect(() => {
    if (!open) return undefined;
    let here = true;
    const timer = setTimeout(() => {
      findOptions(type, text).then((all) => {
        if (!here) return;
        const rest = all.filter((o) => !chosen.includes(o.id));
        found.current = text;
        setNone(all.length === 0 ? text : '');
        setOptions(rest);
        setAt(0);
        if (first.current) choose(rest[0]);
      }, () => undefined);
    }, 150);
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [text, open, type]);
  const choose = (o: Option | undefined) => {
    first.current = false;
    moved.current = false;
    if (!o) return;
    known.current[o.id] = o.label;
    p.onNamed?.(o.id, o.label);
    if (!p.many) goOn(box.current?.querySelector('input')); // which is gone when one is chosen
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
      moved.current = true;
      setAt((n) => Math.max(0, Math.min(options.length - 1, n + (e.key === 'ArrowDown' ? 1 : -1))));
    } else if (e.key === 'Enter' && open && (text.trim() || moved.current) && (options.length > 0 || found.current !== text)) {
      e.preventDefault();
      e.stopPropagation();
      if (found.current === text) choose(options[at]);
      else first.current = true;
    } else if (e.key === 'Escape' && open) {
      e.stopPropagation();
      setOpen(false);
    } else if (e.key === 'Backspace' && !text && chosen.length) {
      p.onInput(p.many ? (chosen.length > 1 ? chosen.slice(0, -1) : null) : null);
    }
  };
  return (
    <div class="picker" ref={box}>
      {chosen.map((id) => (
        <span class="picked" key={id}>
          {known.current[id] ?? p.labels[id] ?? '…'}
          <button
            type="button"
            aria-label={`${t('remove')} ${known.current[id] ?? p.labels[id] ?? ''}`}
            disabled={p.disabled}
            onClick={() => {
              const rest = chosen.filter((c) => c !== id);
              p.onInput(p.many ? (rest.length ? rest : null) : null);
              setTimeout(() => box.current?.querySelector('input')?.focus(), 0); // not lost with the button
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
            first.current = false;
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
      {text.trim() !== '' && none === text && (
        <p class="nobody" role="status">
          {t('noHits', text.trim())}{' '}
          {type === 'person' &&
            waysOn.map((way) => (
              <a key={way.text} class="button plain" href={way.to(text.trim())}>
                {t(way.text)}
              </a>
            ))}
        </p>
      )}
    </div>
  );
}

/** A record of one of several kinds, "type:id": first the kind, then which. */
function AnyRefInput(p: InputProps) {
  const value = typeof p.value === 'string' ? p.value : '';
  const at = value.indexOf(':');
  const [kind, setKind] = useState(at > 0 ? value.slice(0, at) : '');
  useEffect(() => {
    if (at > 0) setKind(value.slice(0, at)); // a draft came
  }, [value]);
  const kinds = (p.field.ref_types ?? p.catalog.types.filter((type) => type.kept).map((type) => type.name)).map((name) => ({ code: name, text: typeName(typeOf(p.catalog, name), name) }));
  const which: Field = { ...p.field, type: 'uuid', ref: kind };
  return (
    <>
      <Choice
        {...p}
        id={`${p.id}-kind`}
        labelledBy={`${p.id}-label`}
        options={kinds}
        value={kind}
        onInput={(next) => {
          setKind(String(next ?? ''));
          if (value) p.onInput(null);
        }}
      />
      {kind !== '' && <RefInput {...p} key={kind} field={which} many={false} value={at > 0 ? value.slice(at + 1) : null} onInput={(id) => p.onInput(id ? `${kind}:${String(id)}` : null)} />}
    </>
  );
}

/** Somebody who works here, by name. */
function StaffInput(p: InputProps) {
  const now = staffNow();
  const mine = staffMe();
  const options = now.map((s) => {
    const post = s.post ? codeText(p.catalog, 'post', s.post) : '';
    const name = post ? `${s.name} · ${post}` : s.name;
    return { code: s.id, text: s.id === mine ? t('me', name) : name };
  });
  const value = typeof p.value === 'string' ? p.value : '';
  if (value && !now.some((s) => s.id === value)) options.unshift({ code: value, text: p.labels[value] ?? staffNames[value] ?? t('staffOther') });
  return options.length > 0 ? <Choice {...p} options={options} /> : <p class="quiet">{t('staffNone')}</p>;
}

export interface Material {
  no: number;
  name: string;
  form: string;
  count: number;
  may_be_late: boolean;
}

/** What a matter asks for, by name; a box is ticked for what is missing. What may not follow later cannot be left out. */
function MaterialsInput(p: InputProps) {
  const matter = String(p.beside?.['matter_id'] ?? '');
  const list = useData(async () => (matter ? (await get<{ fields: { materials?: Material[] } }>(`records/${matter}`)).fields.materials ?? [] : []), [matter]);
  const chosen = Array.isArray(p.value) ? (p.value as number[]) : [];
  const ticked = useRef(matter);
  useEffect(() => {
    if (ticked.current && ticked.current !== matter && chosen.length) p.onInput(null); // numbers of another list
    ticked.current = matter;
  }, [matter]);
  if (!matter) return <p class="quiet">{t('materialsFirst')}</p>;
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const { disabled, ...group } = shared(p);
  // A number that the list does not have (another version of the matter) is there to be taken away.
  const all = [...list.data, ...chosen.filter((no) => !list.data!.some((m) => m.no === no)).map((no) => ({ no, name: `#${no}`, may_be_late: true }))];
  const toggle = (no: number, on: boolean) => {
    const next = all.map((m) => m.no).filter((n) => (n === no ? on : chosen.includes(n)));
    p.onInput(next.length ? next : null);
  };
  return (
    <div class="choices materials" role="group" aria-labelledby={`${p.id}-label`} {...group}>
      {all.map((m) => {
        const on = chosen.includes(m.no);
        return (
          <label key={m.no} class={on ? 'choice on' : 'choice'}>
            <input type="checkbox" checked={on} disabled={disabled || (!m.may_be_late && !on)} onChange={(e) => toggle(m.no, (e.target as HTMLInputElement).checked)} />
            <span>{m.name}</span>
            {!m.may_be_late && <small class="quiet">（{t('materialsNow')}）</small>}
          </label>
        );
      })}
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
                  typed={undefined}
                  onTyped={undefined}
                  field={m}
                  id={`${p.id}-${i}-${m.name}`}
                  value={(row as Record<string, unknown>)?.[m.name]}
                  onInput={(v) => put(rows.map((r, k) => (k === i ? { ...(r as object), [m.name]: v ?? undefined } : r)))}
                />
              </label>
            ))
          ) : (
            <FieldInput {...p} typed={undefined} onTyped={undefined} field={single} id={`${p.id}-${i}`} value={row} onInput={(v) => put(rows.map((r, k) => (k === i ? v : r)))} />
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
  if (field.format === 'late_materials') return <MaterialsInput {...p} />;
  if (field.items) {
    if (field.type === 'code') return <CodesInput {...p} />;
    if (field.type === 'uuid' && field.ref) return <RefInput {...p} many />;
    if (field.format === 'division' && villages.size > 0) return <VillagesInput {...p} />;
    return <RowsInput {...p} />;
  }
  if (isMoney(field)) return <MoneyInput {...p} />;
  if (field.format === 'division' && Object.keys(areas).length > 0) {
    const places = Object.entries(areas)
      .filter(([code]) => !p.among || p.among(code) || code === p.value)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return <Choice {...p} options={places.map(([code, text]) => ({ code, text }))} />;
  }
  if (field.format === 'month') return <DateInput {...p} />;
  if (field.format === 'record_type') {
    const kinds = p.catalog.types.filter((type) => (type.kept && !NEVER_NIL.includes(type.name)) || type.name === p.value);
    return <Choice {...p} options={kinds.map((type) => ({ code: type.name, text: typeName(type) }))} />;
  }
  if (namesStaff(field)) return <StaffInput {...p} />;
  switch (field.type) {
    case 'ref':
      return <AnyRefInput {...p} />;
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
