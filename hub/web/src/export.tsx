// Lists taken away as Excel or CSV, and pages printed; the audit log is told first. The writer is loaded when it is first used.
import { useState } from 'preact/hooks';
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, isMoney, stateText, typeOf, valueText } from '@common/catalog';
import { t } from '@common/i18n';
import { Button, toast } from '@common/ui';
import { type Rows, type TownCatalog, useModel } from './model';
import { w } from './messages';

export const MOST = 20000; // rows of a file; its last line says when there are more
const PAGE = 500;

/** A list whole, or its first `most` rows. part: how far it is. */
export async function all(address: (offset: number, limit: number) => string, most: number, part: (n: number, total: number) => void = () => undefined): Promise<Rows> {
  const whole: Rows = { total: 0, records: [], labels: {} };
  for (let offset = 0; offset < most; offset += PAGE) {
    const page = await get<Rows>(address(offset, Math.min(PAGE, most - offset)));
    whole.records.push(...page.records);
    Object.assign(whole.labels!, page.labels ?? {});
    whole.total = page.total;
    part(whole.records.length, page.total);
    if (whole.records.length >= page.total || page.records.length === 0) break;
  }
  return whole;
}

function table(catalog: TownCatalog, name: string, rows: RecordRow[], labels: Record<string, string>, station: (code: string | null) => string, numbers: boolean): (string | number)[][] {
  const type = typeOf(catalog, name)!;
  const fields = type.fields.filter((f) => !f.common && !f.retired && f.type !== 'map' && f.type !== 'file' && f.type !== 'hex');
  /** numbers: what can be added up is one in the file, money in yuan. */
  const cell = (r: RecordRow, name: string): string | number => {
    const field = fieldOf(type, name)!;
    const value = r.fields[name];
    return numbers && typeof value === 'number' && !field.items && (field.type === 'int' || field.type === 'decimal') ? (isMoney(field) ? value / 100 : value) : valueText(catalog, field, value, labels);
  };
  return [[w('stations'), ...fields.map((f) => fieldLabel(f)), w('state')], ...rows.map((r) => [station(r.village_code), ...fields.map((f) => cell(r, f.name)), stateText(catalog, type, r.state)])];
}

// The print that a page is about to begin, and that the log has, is told of by the browser too.
let begun = false;

/** What a page takes away is in the log first; of a print that is logged here, Ctrl+P's listener says nothing more. */
export async function note(what: 'export' | 'print', object: string, detail: string): Promise<void> {
  await api('POST', 'audit/note', { what, object, detail });
  if (what === 'print') begun = true;
}

/** Gives a file away: it is made first, so that the log tells of none that never was, and the log has it before anybody does. */
export async function give(file: Blob | Promise<Blob>, name: string, object: string, detail: string): Promise<void> {
  const made = await file;
  await note('export', object, detail);
  const { save } = await import('@common/sheet');
  save(made, name);
}

/** Prints the page, after the log has it. */
export function print(object: string, detail: string): void {
  note('print', object, detail).then(() => window.print(), (e: Error) => toast(e.message));
}

/** Whoever prints with the browser's own menu or Ctrl+P is logged like with the button: by the address of the page, without what was looked for. */
export function watchPrints(): void {
  window.addEventListener('beforeprint', () => {
    if (!begun) void api('POST', 'audit/note', { what: 'print', object: location.hash.slice(1).split('?')[0] || '/', detail: '' }).catch(() => undefined);
    begun = false;
  });
}

/** query: the address of a page of the list, offset and limit missing. */
export function ExportButton(props: { type: string; query: string; name: string }) {
  const { catalog, stations } = useModel();
  const [busy, setBusy] = useState('');
  const run = async (kind: 'xlsx' | 'csv') => {
    const { csv, xlsx } = await import('@common/sheet');
    const list = await all((offset, limit) => `${props.query}&limit=${limit}&offset=${offset}`, MOST, (n, total) => total > PAGE && setBusy(w('fetching', n, total)));
    const rows = table(catalog, props.type, list.records, list.labels ?? {}, (code) => stations.find((s) => s.code === code)?.name ?? code ?? '', kind === 'xlsx');
    const cut = list.total > list.records.length ? w('cutAt', list.records.length, list.total) : '';
    if (cut) rows.push([cut]);
    await give(kind === 'csv' ? csv(rows as string[][]) : xlsx([{ name: props.name, rows }]), `${props.name}.${kind}`, props.name, `${kind} ${list.records.length}`);
    if (cut) toast(cut, undefined, true);
  };
  const start = (kind: 'xlsx' | 'csv') => () => void run(kind).catch((e: Error) => toast(e.message)).then(() => setBusy(''));
  return (
    <>
      <Button disabled={busy !== ''} onClick={start('xlsx')}>
        {busy || w('toExcel')}
      </Button>
      <Button disabled={busy !== ''} onClick={start('csv')}>
        {t('toCsv')}
      </Button>
    </>
  );
}
