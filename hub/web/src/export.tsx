// Lists taken away as Excel or CSV; the audit log is told first. The writer is loaded when it is first used.
import { api, get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, stateText, typeOf, valueText } from '@common/catalog';
import { t } from '@common/i18n';
import { Button, toast } from '@common/ui';
import { type Rows, type TownCatalog, useModel } from './model';
import { w } from './messages';

const MOST = 5000;
const PAGE = 500;

async function all(address: (offset: number) => string): Promise<Rows> {
  const whole: Rows = { total: 0, records: [], labels: {} };
  for (let offset = 0; offset < MOST; offset += PAGE) {
    const page = await get<Rows>(address(offset));
    whole.records.push(...page.records);
    Object.assign(whole.labels!, page.labels ?? {});
    whole.total = page.total;
    if (whole.records.length >= page.total || page.records.length === 0) break;
  }
  return whole;
}

function table(catalog: TownCatalog, name: string, rows: RecordRow[], labels: Record<string, string>, station: (code: string | null) => string): string[][] {
  const type = typeOf(catalog, name)!;
  const fields = type.fields.filter((f) => !f.common && !f.retired && f.type !== 'map' && f.type !== 'file' && f.type !== 'hex');
  const cell = (r: RecordRow, field: string) => valueText(catalog, fieldOf(type, field)!, r.fields[field], labels);
  return [[w('stations'), ...fields.map((f) => fieldLabel(f)), w('state')], ...rows.map((r) => [station(r.village_code), ...fields.map((f) => cell(r, f.name)), stateText(catalog, type, r.state)])];
}

export async function note(what: 'export' | 'print', object: string, detail: string): Promise<void> {
  await api('POST', 'audit/note', { what, object, detail });
}

/** query: the address of a page of the list, offset and limit missing. */
export function ExportButton(props: { type: string; query: string; name: string }) {
  const { catalog, stations } = useModel();
  const run = async (kind: 'xlsx' | 'csv') => {
    const { csv, save, xlsx } = await import('@common/sheet');
    const list = await all((offset) => `${props.query}&limit=${PAGE}&offset=${offset}`);
    await note('export', props.name, `${kind} ${list.records.length}`);
    const rows = table(catalog, props.type, list.records, list.labels ?? {}, (code) => stations.find((s) => s.code === code)?.name ?? code ?? '');
    save(kind === 'csv' ? csv(rows) : await xlsx([{ name: props.name, rows }]), `${props.name}.${kind}`);
    if (list.total > list.records.length) toast(w('cutAt', list.records.length, list.total));
  };
  const start = (kind: 'xlsx' | 'csv') => () => void run(kind).catch((e: Error) => toast(e.message));
  return (
    <>
      <Button onClick={start('xlsx')}>{w('toExcel')}</Button>
      <Button onClick={start('csv')}>{t('toCsv')}</Button>
    </>
  );
}
