// Opening balances (期初) from a table (common/web/src/import.tsx); another person verifies them afterwards, many at once.
import { areas, fieldLabel, fieldOf, typeOf } from '@common/catalog';
import { CellError } from '@common/convert';
import { t } from '@common/i18n';
import { ImportPage as Import } from '@common/import';
import { keptImports } from '@common/kept-imports';
import { w } from './messages';
import { useModel } from './model';

const find = () => Promise.reject(new CellError(t('notFound'))); // no column of this table names a record

export function ImportPage() {
  const { catalog, refresh } = useModel();
  const type = typeOf(catalog, 'opening_balance')!;
  const complete = (fields: Record<string, unknown>, newId: (field: string) => string): string[] => {
    // As in the form: the paper itself stays in the office until it is scanned.
    fields['evidence'] = newId('evidence');
    fields['approved_by'] = newId('approved_by');
    const area = fields['area_code'];
    return area !== undefined && !areas[String(area)] ? [`${fieldLabel(fieldOf(type, 'area_code')!)}：${t('cellArea', String(area))}`] : [];
  };
  return (
    <>
      <Import type={type} catalog={catalog} find={find} complete={complete} unique={type.natural_key} note={w('openingSecond')} inWords={(n) => w('openingIn', n)} imports={keptImports} refresh={refresh} />
      <p>
        <a href="#/verify/opening_balance">{w('openingVerify')}</a> · <a href="#/list/opening_balance">{w('registers')}</a>
      </p>
    </>
  );
}
