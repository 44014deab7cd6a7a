// A household: the people of one number, and those who live at the same address.
import { get, type RecordRow } from '@common/api';
import { typeOf } from '@common/catalog';
import { label, t } from '@common/i18n';
import { useData, Waiting } from '@common/ui';
import { RecordTable, type Page } from './lists';
import { useModel } from './model';

const EMPTY: Page = { records: [], labels: {}, total: 0 };
const list = (type: string, field: string, value: unknown): Promise<Page> => (value ? get<Page>(`types/${type}/records?limit=100&f.${field}=${encodeURIComponent(String(value))}`) : Promise.resolve(EMPTY));
const without = (page: Page, drop: (r: RecordRow) => boolean): Page => {
  const records = page.records.filter((r) => !drop(r));
  return { ...page, records, total: records.length };
};

/** The part of a person's card. */
export function Household(props: { record: RecordRow }) {
  const { catalog } = useModel();
  const { id, fields } = props.record;
  const no = fields['household_no'];
  const found = useData(() => Promise.all([list('person', 'household_no', no), list('person', 'residence_text', fields['residence_text'])]), [id, no, fields['residence_text']]);
  const type = typeOf(catalog, 'person')!;
  const [house, address] = found.data ?? [EMPTY, EMPTY];
  const others = without(house, (r) => r.id === id);
  const neighbours = without(address, (r) => r.id === id || house.records.some((h) => h.id === r.id));
  return (
    <>
      <h3>
        {t('household')}{' '}
        {!!no && (
          <a href={`#/household/${encodeURIComponent(String(no))}`}>
            <small>{t('householdOf', String(no))}</small>
          </a>
        )}
      </h3>
      {!found.data && <Waiting error={found.error} reload={found.reload} />}
      {!no && <p class="quiet no-print">{t('householdNone')}</p>}
      {found.data && !!no && others.total === 0 && <p class="quiet">{t('householdAlone')}</p>}
      {others.total > 0 && <RecordTable type={type} page={others} />}
      {neighbours.total > 0 && (
        <>
          <h4>{t('sameAddress')}</h4>
          <RecordTable type={type} page={neighbours} />
        </>
      )}
    </>
  );
}

export function HouseholdPage(props: { no: string }) {
  const { catalog, status } = useModel();
  const found = useData(() => Promise.all([list('person', 'household_no', props.no), list('plaque', 'household_no', props.no)]), [props.no, status?.cursor]);
  const plaque = typeOf(catalog, 'plaque');
  return (
    <>
      <h1>{t('householdOf', props.no)}</h1>
      {!found.data && <Waiting error={found.error} reload={found.reload} />}
      {found.data && (
        <section class="card">
          <h2>{t('people')}</h2>
          {found.data[0].total ? <RecordTable type={typeOf(catalog, 'person')!} page={found.data[0]} /> : <p class="quiet">{t('noRecords')}</p>}
        </section>
      )}
      {found.data && plaque && found.data[1].total > 0 && (
        <section class="card">
          <h2>{label(plaque)}</h2>
          <RecordTable type={plaque} page={found.data[1]} />
        </section>
      )}
    </>
  );
}
