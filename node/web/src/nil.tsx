// Nil reports by one tap: of each kind of daily work, whether the month has any, and a button where it has none.
import { useState } from 'preact/hooks';
import { api, get, type RecordRow, uuid7 } from '@common/api';
import { typeOf, type RecordType } from '@common/catalog';
import { label, lang, t } from '@common/i18n';
import { monthBefore } from '@common/time';
import { Button, Note, somethingChanged, useData, Waiting } from '@common/ui';
import { everyRecord, type Page } from './lists';
import { DAILY, today, useModel } from './model';
import { toldSaved } from './undo';

/** A plan is there or not; it does not happen in a month. */
const NOT_COUNTED = ['nil_report', 'contact_plan'];
const LOOKED_AT = 500;

/** The month of a date, or of an instant as the village's clock has it. */
function monthOf(value: unknown): string {
  const text = String(value ?? '');
  return text.includes('T') ? new Date(Date.parse(text) + 8 * 3600000).toISOString().slice(0, 7) : text.slice(0, 7);
}

export function NilCard() {
  const { catalog, status } = useModel();
  const now = today(status);
  const [month, setMonth] = useState(() => monthBefore(now));
  const [busy, setBusy] = useState('');
  const [error, setError] = useState('');
  const kinds = DAILY.filter((name) => !NOT_COUNTED.includes(name))
    .map((name) => typeOf(catalog, name))
    .filter((type): type is RecordType => !!type?.kept);
  const found = useData(async () => {
    const said = new Set((await everyRecord('nil_report', `&f.month=${month}`)).map((r) => String(r.fields['record'])));
    const has = new Set<string>();
    for (const type of kinds) {
      if (said.has(type.name)) continue;
      const page = await get<Page>(`types/${type.name}/records?limit=${LOOKED_AT}&sort=-${type.reporting_date}`); // the newest first
      const months = page.records.map((r) => monthOf(r.fields[type.reporting_date]));
      const further = page.total > LOOKED_AT && (months[months.length - 1] ?? '') >= month;
      if (further || months.includes(month)) has.add(type.name);
    }
    return { said, has, month };
  }, [month, status?.cursor, status?.pending]);
  const report = (type: RecordType) => {
    setBusy(type.name);
    setError('');
    api<RecordRow>('POST', 'types/nil_report/records', { id: uuid7(), fields: { month, record: type.name, reported_on: now } })
      .then(
        (made) => {
          toldSaved(made, null, true);
          somethingChanged();
        },
        (e: Error) => setError(e.message),
      )
      .finally(() => setBusy(''));
  };
  const of = (names: Set<string>) => kinds.filter((type) => names.has(type.name)).map((type) => label(type)).join(lang() === 'zh' ? '、' : ', ');
  const words = t('monthText', month.slice(0, 4), Number(month.slice(5)));
  return (
    <section class="card nil">
      <h2>{t('nilTitle')}</h2>
      <p class="quiet">{t('nilHelp')}</p>
      <p>
        <label>
          {t('nilMonth')} <input type="month" class="short" max={now.slice(0, 7)} value={month} onInput={(e) => (e.target as HTMLInputElement).value && setMonth((e.target as HTMLInputElement).value)} />
        </label>
      </p>
      {month === now.slice(0, 7) && <Note kind="info">{t('nilRunning', words)}</Note>}
      {error && <Note kind="bad">{error}</Note>}
      {!found.data || found.data.month !== month ? (
        <Waiting error={found.error} reload={found.reload} />
      ) : (
        <>
          <div class="quick">
            {kinds
              .filter((type) => !found.data!.said.has(type.name) && !found.data!.has.has(type.name))
              .map((type) => (
                <Button key={type.name} disabled={busy !== ''} onClick={() => report(type)}>
                  {t('nilDo', words, label(type))}
                </Button>
              ))}
          </div>
          {of(found.data.said) && <p>✓ {t('nilSaid', of(found.data.said))}</p>}
          {of(found.data.has) && <p class="quiet">{t('nilHas', of(found.data.has))}</p>}
        </>
      )}
    </section>
  );
}
