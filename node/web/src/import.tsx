// Import from XLSX and CSV at the village (common/web/src/import.tsx).
import { useMemo } from 'preact/hooks';
import { api, get } from '@common/api';
import { fieldOf, typeOf } from '@common/catalog';
import { CellError, type Find } from '@common/convert';
import { t } from '@common/i18n';
import { ImportPage as Import, type Batch, type Imports, type Undoable } from '@common/import';
import type { Page } from './lists';
import { useModel } from './model';

type Noted = Batch & { undone_at: string | null };
const noted = () => get<{ imports: Noted[] }>('imports').then((found) => found.imports);

/** The program knows which records an import brought, in their own transaction: it is undone in another browser, and another day. */
const imports: Imports = {
  list: () => noted().then((all) => all.filter((b) => !b.undone_at && b.rows > 0)),
  undoneCode: () => 'undone',
  along: ({ id, file, source }) => ({ import: { id, file, source } }),
  noted: () => undefined,
  open: (batch) => get<Undoable>(`imports/${batch.id}`),
  undone: (batch) => api('POST', `imports/${batch.id}/undone`),
};

function usePersons(): Find {
  return useMemo(() => {
    const known = new Map<string, Promise<string>>();
    return (type: string, text: string) => {
      const key = `${type}\u0000${text}`;
      if (!known.has(key)) {
        const name = type === 'person' && /^[\dXx]{15,18}$/.test(text) ? 'id_no' : 'name';
        known.set(
          key,
          get<Page>(`types/${type}/records?f.${name}=${encodeURIComponent(text)}&limit=2`).then((page) => {
            if (page.records.length === 1) return page.records[0]!.id;
            throw new CellError(page.records.length ? t('cellMany', text) : t('cellNone', text));
          }),
        );
      }
      return known.get(key)!;
    };
  }, []);
}

/** What the program takes from an ID number (node/api/lines.c). */
const filledIn = (field: string, map: string[]): boolean => (field === 'birth_on' || field === 'sex') && map.includes('id_no');

export function ImportPage(props: { type: string }) {
  const { catalog, session, refresh } = useModel();
  const type = typeOf(catalog, props.type);
  const find = usePersons();
  if (!type) return <p>{t('notFound')}</p>;
  const complete = (fields: Record<string, unknown>): string[] => {
    // As in the form: who is entered here lives here, unless the table says otherwise.
    if (fieldOf(type, 'household_village') && !fields['household_outside']) fields['household_village'] ??= session.station;
    return [];
  };
  return <Import type={type} catalog={catalog} find={find} complete={complete} place={session.station} filledIn={filledIn} inWords={(n) => t('imported', n)} imports={imports} staff refresh={refresh} />;
}
