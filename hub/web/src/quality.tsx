// What is not right in the records, to be mended: each check opens its rows.
import { get } from '@common/api';
import { fieldLabel, fieldOf, typeOf } from '@common/catalog';
import { label } from '@common/i18n';
import { useData, Waiting } from '@common/ui';
import { alter, hashQuery } from '@common/route';
import { ExportButton } from './export';
import { offsetOf, PAGE, Pager } from './figure';
import { query, type Rows, type TownCatalog, useModel } from './model';
import { isWord, w } from './messages';
import { RecordTable } from './records';

interface Check {
  check: string;
  type: string;
  field: string;
  n: number;
}

/** A plaque is a household's, not a person's. */
const countOf = (check: string, n: number) => w(check === 'no_plaque' ? 'households' : 'items', n);

function nameOf(catalog: TownCatalog, c: Omit<Check, 'n'>): string {
  const type = typeOf(catalog, c.type);
  const field = type && fieldOf(type, c.field);
  const word = `q_${c.check}`;
  const what = isWord(word) ? w(word) : c.check;
  return c.check === 'no_plaque' ? what : `${what}：${label(type)}${field ? ` · ${fieldLabel(field)}` : ''}`;
}

export function QualityPage() {
  const { catalog } = useModel();
  const found = useData(() => get<{ checks: Check[] }>('quality'), []);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  return (
    <>
      <h1>{w('quality')}</h1>
      <p class="quiet">{w('qualityText')}</p>
      {found.data.checks.length === 0 && <p class="quiet">{w('qualityGood')}</p>}
      <ul class="plain-list">
        {found.data.checks.map((c) => (
          <li key={`${c.check}.${c.type}.${c.field}`}>
            <a href={`#/quality/${c.check}?${query({ type: c.type, field: c.field })}`}>{nameOf(catalog, c)}</a> <span class="tag wait">{countOf(c.check, c.n)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

export function QualityRowsPage(props: { check: string }) {
  const { catalog } = useModel();
  const offset = offsetOf(hashQuery().get('offset'));
  const type = hashQuery().get('type') ?? '';
  const field = hashQuery().get('field') ?? '';
  const address = `quality/${props.check}/rows?${query({ type, field })}`;
  const rows = useData(() => get<Rows>(`${address}&limit=${PAGE}&offset=${offset}`), [address, offset]);
  if (!rows.data) return <Waiting error={rows.error} reload={rows.reload} />;
  const name = nameOf(catalog, { check: props.check, type, field });
  return (
    <>
      <h1>
        {name} <small>{countOf(props.check, rows.data.total)}</small>
      </h1>
      <p>
        <a href="#/quality">{w('quality')}</a> <ExportButton type={type} name={name.replace(/[：·/]/g, ' ')} query={address} />
      </p>
      <RecordTable type={type} rows={rows.data.records} labels={rows.data.labels ?? {}} />
      <Pager total={rows.data.total} offset={offset} onMove={(to) => alter({ offset: to })} />
    </>
  );
}
