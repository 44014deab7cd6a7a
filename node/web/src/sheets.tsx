// Lists for printing and export. In the browser.
import { useState } from 'preact/hooks';
import { get } from '@common/api';
import { fieldLabel, typeOf, type Field } from '@common/catalog';
import { label, t } from '@common/i18n';
import { Paged } from '@common/paged';
import { csv, save, xlsx } from '@common/sheet';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { cell, type Page } from './lists';
import { today, useModel } from './model';

const PRINT_MAX = 5000;

async function allOf(type: string, query: string): Promise<Page> {
  const whole: Page = { records: [], labels: {}, total: 0 };
  for (let offset = 0; offset < PRINT_MAX; offset += 500) {
    const page = await get<Page>(`types/${type}/records?limit=500&offset=${offset}${query ? `&${query}` : ''}`);
    whole.records.push(...page.records);
    Object.assign(whole.labels, page.labels);
    whole.total = page.total;
    if (whole.records.length >= page.total || page.records.length === 0) break;
  }
  return whole;
}

/** #/print/person?f.state=active: the list of that filter, in columns one chooses, with a column to sign in when it is a 签领表. */
export function PrintPage(props: { type: string }) {
  const { catalog, session, status } = useModel();
  const type = typeOf(catalog, props.type);
  const query = location.hash.split('?')[1] ?? '';
  const list = useData(() => allOf(props.type, query), [props.type, query]);
  const [title, setTitle] = useState('');
  const [columns, setColumns] = useState<string[]>(type ? type.list_columns.filter((c) => c !== 'state' && c !== 'village_code') : []);
  const [sign, setSign] = useState(false);
  const [wide, setWide] = useState(false);
  if (!type) return <p>{t('notFound')}</p>;
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const choices = type.fields.filter((f: Field) => !f.retired && (!f.common || f.name === 'state') && f.type !== 'map' && f.type !== 'file' && f.type !== 'hex' && f.sensitivity < 2) ;
  const shown = [...choices.filter((f) => columns.includes(f.name)), ...type.fields.filter((f) => f.format === 'idno' && columns.includes(f.name))];
  const heads = [t('number'), ...shown.map((f) => fieldLabel(f)), ...(sign ? [t('signature'), t('remark')] : [])];
  const rows = list.data.records.map((r, i) => [String(i + 1), ...shown.map((f) => cell(catalog, type, f.name, r, list.data!.labels)), ...(sign ? ['', ''] : [])]);
  // What is read as one word stays on one line, and there is room for a name in the column to sign in.
  const kinds = ['', ...shown.map((f) => (f.name === 'name' || f.type === 'date' || f.format === 'idno' || f.format === 'phone' ? 'one-line' : '')), ...(sign ? ['to-sign', ''] : [])];
  const name = title || (sign ? t('signSheet', label(type)) : label(type));
  return (
    <>
      <section class="card no-print">
        <div class="filters">
          <label>
            {t('sheetTitle')} <input type="text" value={title} placeholder={name} onChange={(e) => setTitle((e.target as HTMLInputElement).value)} />
          </label>
          <label class={sign ? 'choice on' : 'choice'}>
            <input type="checkbox" checked={sign} onChange={(e) => setSign((e.target as HTMLInputElement).checked)} />
            {t('withSignature')}
          </label>
          <label class={wide ? 'choice on' : 'choice'}>
            <input type="checkbox" checked={wide} onChange={(e) => setWide((e.target as HTMLInputElement).checked)} />
            {t('sheetWide')}
          </label>
        </div>
        <div class="choices" role="group" aria-label={t('columns')}>
          {[...choices, ...type.fields.filter((f) => f.format === 'idno')].map((f) => (
            <label key={f.name} class={columns.includes(f.name) ? 'choice on' : 'choice'}>
              <input type="checkbox" checked={columns.includes(f.name)} onChange={(e) => setColumns((e.target as HTMLInputElement).checked ? [...columns, f.name] : columns.filter((c) => c !== f.name))} />
              {fieldLabel(f)}
            </label>
          ))}
        </div>
        <div class="actions">
          <Button kind="main" onClick={() => window.print()}>
            {t('print')}
          </Button>
          <Button onClick={() => xlsx([{ name: label(type).slice(0, 28), rows: [heads, ...rows] }]).then((b) => save(b, `${name}.xlsx`), (e: Error) => toast(e.message))}>{t('toXlsx')}</Button>
          <Button onClick={() => save(csv([heads, ...rows]), `${name}.csv`)}>{t('toCsv')}</Button>
        </div>
        {list.data.total > list.data.records.length && <Note kind="bad">{t('cutAt', list.data.records.length, list.data.total)}</Note>}
      </section>
      <Paged
        title={name}
        under={`${session.station_name} · ${t('total', rows.length)} · ${today(status)}`}
        heads={heads}
        rows={rows}
        kinds={kinds}
        rowClass={sign ? 'signed' : undefined}
        wide={wide}
      />
    </>
  );
}
