// Asking the town for a correction (变更申请): whose file, which field by its label, what it says now, and what it should be in that
// field's own input. What the town said about it, in words.
import { useState } from 'preact/hooks';
import { get, type RecordRow } from '@common/api';
import { fieldLabel, typeOf, type Catalog, type Field, type RecordType } from '@common/catalog';
import { FieldInput } from '@common/fields';
import { RecordForm } from '@common/form';
import { label, t } from '@common/i18n';
import { askable, askedOf, askedText, REQUEST, toText } from '@common/request';
import { hashQuery } from '@common/route';
import { Button, Note, useData, Waiting } from '@common/ui';
import { maskId, go, today, useModel } from './model';
import { CameBack } from './record-parts';
import { toldSaved } from './undo';

/** What goes with a person's file and is not hers to change either. */
const WITH_PERSON = ['person_identity', 'benefit'];
const HIDE = ['target', 'field', 'old_value', 'decision'];
/** Not finished: told apart from the requests about other fields. */
export const REQUEST_DRAFT = 'request-';

export const askPath = (record: RecordRow): string => `/new/${REQUEST}?target=${record.type}:${record.id}`;

/** Whether something of it is to be asked for: the town's part, or what is frozen. */
export function canAsk(catalog: Catalog, type: RecordType, record: RecordRow): boolean {
  const requests = typeOf(catalog, REQUEST);
  return !!requests?.kept && !record.deleted && record.state !== 'merged' && askable(type, record.state).length > 0;
}

/** The field as the form shows it: its own input, under a label that says that it is the new value. */
function wanted(field: Field): Record<string, Field> {
  return { new_value: { ...field, zh: t('askNew', field.zh), en: t('askNew', field.en), required: true } };
}

const covered = (field: Field | undefined, text: string): string => (field?.format === 'idno' || field?.name === 'bank_account' ? maskId(text) : text);

function Who() {
  const { catalog } = useModel();
  return (
    <>
      <h1>{t('askChange')}</h1>
      <p>{t('askHelp')}</p>
      <div class="form">
        <div class="field">
          <label id="ask-who-label" for="ask-who">
            {t('askWho')}
          </label>
          <FieldInput
            catalog={catalog}
            field={{ name: 'person', zh: '', en: '', type: 'uuid', ref: 'person', entered: true, sensitivity: 1, required: true }}
            id="ask-who"
            value={null}
            labels={{}}
            onInput={(id) => id && go(`/new/${REQUEST}?target=person:${String(id)}`)}
          />
        </div>
      </div>
    </>
  );
}

interface Choice {
  record: RecordRow;
  type: RecordType;
  text: string;
}

/** The file and what goes with it, as far as there is something to ask for. */
async function choices(catalog: Catalog, type: RecordType, id: string): Promise<{ head: string; all: Choice[] }> {
  const record = await get<RecordRow>(`records/${id}`);
  const all: Choice[] = [{ record, type, text: type.name === 'person' ? t('askOwn') : `${label(type)} ${record.label}` }];
  if (type.name === 'person') {
    const related = await get<{ groups: { type: string; records: RecordRow[] }[] }>(`records/${id}/related`);
    for (const g of related.groups) {
      const other = typeOf(catalog, g.type);
      if (other && WITH_PERSON.includes(g.type)) for (const r of g.records) all.push({ record: r, type: other, text: `${label(other)} ${r.label}` });
    }
  }
  return { head: record.label, all: all.filter((c) => !c.record.deleted && askable(c.type, c.record.state).length > 0) };
}

export function RequestPage() {
  const { catalog, status } = useModel();
  const query = hashQuery();
  const [name, id] = (query.get('target') ?? '').split(':');
  const type = typeOf(catalog, name ?? '');
  const [at, setAt] = useState(id ?? '');
  const [chosen, setChosen] = useState(query.get('field') ?? '');
  const found = useData(async () => (type && id ? choices(catalog, type, id) : null), [id]);
  const requests = typeOf(catalog, REQUEST);
  if (!type || !id) return <Who />;
  if (!found.data || !requests || !status) return <Waiting error={found.error} reload={found.reload} />;
  const choice = found.data.all.find((c) => c.record.id === at) ?? found.data.all[0];
  const fields = choice ? askable(choice.type, choice.record.state) : [];
  const field = fields.find((f) => f.name === chosen);
  const now = field ? toText(choice!.record.fields[field.name]) : null;
  return (
    <>
      <h1>
        {t('askChange')}：{found.data.head}
      </h1>
      <p>{t('askHelp')}</p>
      {!choice && <Note kind="info">{t('askNone')}</Note>}
      {choice && (
        <div class="form">
          {found.data.all.length > 1 && (
            <div class="field">
              <label for="ask-which">{t('askWhich')}</label>
              <div>
                <select
                  id="ask-which"
                  value={choice.record.id}
                  onChange={(e) => {
                    setAt((e.target as HTMLSelectElement).value);
                    setChosen('');
                  }}
                >
                  {found.data.all.map((c) => (
                    <option key={c.record.id} value={c.record.id}>
                      {c.text}
                    </option>
                  ))}
                </select>
              </div>
            </div>
          )}
          <div class="field">
            <label for="ask-what">{t('askWhat')}</label>
            <div>
              <select id="ask-what" value={field?.name ?? ''} onChange={(e) => setChosen((e.target as HTMLSelectElement).value)}>
                <option value="">{t('choose')}</option>
                {fields.map((f) => (
                  <option key={f.name} value={f.name}>
                    {fieldLabel(f)}
                  </option>
                ))}
              </select>
            </div>
          </div>
          {field && (
            <div class="field">
              <span class="label">{t('askNow')}</span>
              <div>
                <b>{covered(field, askedText(catalog, field, now)) || t('notFilled')}</b>
                {field.format === 'idno' && <p class="quiet">{t('askIdNo')}</p>}
              </div>
            </div>
          )}
        </div>
      )}
      {choice && field && (
        <RecordForm
          key={`${choice.record.id}.${field.name}`}
          catalog={catalog}
          type={requests}
          hide={HIDE}
          as={wanted(field)}
          must={['new_value', 'reason']}
          draft={`${REQUEST_DRAFT}${field.name}-${choice.record.id}`}
          place={Number(query.get('draft')) || 1}
          given={{ target: `${choice.record.type}:${choice.record.id}`, field: field.name, old_value: now }}
          labels={{}}
          today={today(status)}
          onSaved={(r) => (toldSaved(r, null, true), go(`/record/${r.id}`))}
          onCancel={() => history.back()}
        />
      )}
      {!(choice && field) && (
        <div class="actions">
          <Button onClick={() => history.back()}>{t('back')}</Button>
        </div>
      )}
    </>
  );
}

/** A request that came back, or waits: the new value and the reason are mended, what the file says is taken from it. */
export function RequestEdit(props: { record: RecordRow }) {
  const { catalog, status } = useModel();
  const asked = askedOf(catalog, props.record.fields);
  const about = useData(async () => (asked ? get<RecordRow>(`records/${asked.id}`).catch(() => null) : null), [props.record.id]);
  const requests = typeOf(catalog, REQUEST);
  if (about.data === undefined || !requests) return <Waiting error={about.error} reload={about.reload} />;
  const now = asked?.field && about.data ? toText(about.data.fields[asked.field.name]) : null;
  return (
    <>
      <h1>
        {t('askChange')}：{props.record.label}
      </h1>
      {asked?.field && about.data && (
        <p>
          {t('askNow')} <b>{covered(asked.field, askedText(catalog, asked.field, now)) || t('notFilled')}</b>
        </p>
      )}
      <CameBack record={props.record} />
      <RecordForm
        catalog={catalog}
        type={requests}
        record={props.record}
        hide={HIDE}
        as={asked?.field ? wanted(asked.field) : undefined}
        given={about.data ? { old_value: now } : undefined}
        labels={{}}
        today={today(status)}
        onSaved={(r, before) => (toldSaved(r, before, false), go(`/record/${r.id}`))}
        onCancel={() => go(`/record/${props.record.id}`)}
      />
    </>
  );
}

/** What is asked for, and what the town said. */
export function RequestCard(props: { record: RecordRow; labels: Record<string, string> }) {
  const { catalog } = useModel();
  const [shown, setShown] = useState(false);
  const r = props.record;
  const asked = askedOf(catalog, r.fields);
  const field = asked?.field;
  const words = (value: unknown) => askedText(catalog, field, value);
  const value = (name: string) => (shown ? words(r.fields[name]) : covered(field, words(r.fields[name]))) || t('notFilled');
  const hidden = !shown && (covered(field, words(r.fields['new_value'])) !== words(r.fields['new_value']) || covered(field, words(r.fields['old_value'])) !== words(r.fields['old_value']));
  const decided = r.state === 'verified';
  return (
    <>
      {decided && r.fields['decision'] === 'approved' && <Note kind="good">{t('askAgreed', fieldLabel(field), value('new_value'))}</Note>}
      {decided && r.fields['decision'] !== 'approved' && <Note kind="bad">{t('askRefused', String(r.fields['return_note'] ?? ''))}</Note>}
      {r.state === 'submitted' && !r.deleted && !r.invalid && <Note kind="info">{t('askWaits')}</Note>}
      <dl class="values">
        <div>
          <dt>{t('askAbout')}</dt>
          <dd>{asked ? <a href={`#/record/${asked.id}`}>{props.labels[asked.id] ?? label(asked.type)}</a> : ''}</dd>
        </div>
        <div>
          <dt>{t('askWhat')}</dt>
          <dd>{field ? fieldLabel(field) : String(r.fields['field'] ?? '')}</dd>
        </div>
        <div>
          <dt>{t('askWas')}</dt>
          <dd>{value('old_value')}</dd>
        </div>
        <div>
          <dt>{t('askTo')}</dt>
          <dd>
            <b>{value('new_value')}</b>
          </dd>
        </div>
        <div>
          <dt>{t('reason')}</dt>
          <dd>{String(r.fields['reason'] ?? '')}</dd>
        </div>
      </dl>
      {hidden && <Button onClick={() => setShown(true)}>{t('mask')}</Button>}
    </>
  );
}
