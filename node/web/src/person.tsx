// A person's card: what is known, under the headings by which a secretary thinks of people, with what belongs to each; what is missing, with
// the way to enter it; and what happened to the person, the newest first.
import { useState } from 'preact/hooks';
import { get, type RecordRow } from '@common/api';
import { fieldLabel, fieldOf, stateText, typeOf, type RecordType } from '@common/catalog';
import { label, t } from '@common/i18n';
import type { MessageKey } from '@common/messages';
import { timeHere } from '@common/time';
import { Button, Note, useData, Waiting } from '@common/ui';
import { Household } from './household';
import { RecordTable } from './lists';
import { enterable, kindName } from './menu';
import { today, useModel } from './model';
import { owns, Values, type Change, type Group } from './record-parts';

interface Section {
  title: MessageKey;
  fields: readonly string[];
  types: readonly string[];
}

/** Fields and kinds of record that stand nowhere here, as of a newer catalogue, come under the last. */
const SECTIONS: readonly Section[] = [
  {
    title: 'cardIdentity',
    fields: ['name', 'id_status', 'id_status_reason', 'id_no', 'old_id_no', 'sex', 'birth_on', 'ethnic', 'politics', 'education', 'marriage', 'phone', 'photo', 'registered_on', 'left_on', 'merged_into', 'notice_at', 'consent_at', 'legal_basis', 'dup_key'],
    types: ['person_identity'],
  },
  { title: 'cardService', fields: [], types: ['service_history'] },
  { title: 'cardFamily', fields: ['household_village', 'household_outside', 'is_resident', 'residence_text', 'household_no', 'housing'], types: ['family_member', 'residency_event'] },
  { title: 'cardBenefit', fields: ['bank_name', 'bank_account'], types: ['benefit', 'annual_confirm', 'honor'] },
  { title: 'cardPlaque', fields: [], types: ['plaque'] },
  { title: 'cardCard', fields: [], types: ['pref_card'] },
  { title: 'cardVisits', fields: [], types: ['visit', 'contact_plan', 'reception', 'petition'] },
  { title: 'cardAid', fields: ['employment', 'health', 'insurance', 'difficulty', 'difficulty_reason'], types: ['aid_case', 'service_item'] },
  { title: 'other', fields: [], types: [] },
];
const NAMED_FIELDS = new Set(SECTIONS.flatMap((s) => s.fields));
const NAMED_TYPES = new Set(SECTIONS.flatMap((s) => s.types));
/** Each person has these, or should: their absence is said. Of others it is nothing to be missed. */
const EXPECTED = ['person_identity', 'service_history', 'family_member', 'benefit', 'plaque', 'pref_card', 'visit', 'contact_plan', 'aid_case'];
const ROWS = 5;
const EVENTS = 10;

interface Belongings {
  groups: Group[];
  labels: Record<string, string>;
  changes: Change[];
}

/** What refers to the person; petitions and honours do so in ways of their own. */
async function belongings(person: RecordRow): Promise<Belongings> {
  const { id } = person;
  const house = person.fields['household_no'];
  type Rows = { records: RecordRow[]; labels: Record<string, string>; total: number };
  const none: Rows = { records: [], labels: {}, total: 0 };
  const [related, petitions, honors, plaques, past] = await Promise.all([
    get<{ groups: Group[]; labels: Record<string, string> }>(`records/${id}/related`),
    get<Rows>('types/petition/records?limit=500').catch(() => none),
    get<Rows>(`types/honor/records?limit=100&f.subject=person:${id}`).catch(() => none),
    house ? get<Rows>(`types/plaque/records?limit=100&f.household_no=${encodeURIComponent(String(house))}`).catch(() => none) : none,
    get<{ changes: Change[] }>(`records/${id}/history`).catch(() => ({ changes: [] })),
  ]);
  const his = petitions.records.filter((r) => ((r.fields['petitioners'] as { person_id?: string }[] | undefined) ?? []).some((p) => p.person_id === id));
  const groups = [...related.groups];
  // The plaque of the household may hang there for another of its people.
  const held = groups.find((g) => g.type === 'plaque');
  if (!held && plaques.records.length) groups.push({ type: 'plaque', field: 'household_no', total: plaques.total, records: plaques.records });
  if (his.length) groups.push({ type: 'petition', field: 'petitioners', total: his.length, records: his });
  if (honors.records.length) groups.push({ type: 'honor', field: 'subject', total: honors.total, records: honors.records });
  return { groups, labels: { ...petitions.labels, ...honors.labels, ...plaques.labels, ...related.labels }, changes: past.changes };
}

/** The form for one more of a kind, of this person. */
function wayTo(type: RecordType, person: RecordRow): string {
  const asked = new URLSearchParams();
  const by = owns(type, 'person') ?? type.fields.find((f) => f.entered && f.ref === 'person');
  if (by) asked.set(by.name, person.id);
  else if (type.name === 'honor') asked.set('subject', `person:${person.id}`);
  else if (type.name !== 'petition') return '';
  // A plaque hangs on a household.
  if (type.name === 'plaque' && person.fields['household_no']) asked.set('household_no', String(person.fields['household_no']));
  return `#/new/${type.name}${asked.toString() ? `?${asked.toString()}` : ''}`;
}

function Belonging(props: { type: RecordType; person: RecordRow; group?: Group; labels: Record<string, string> }) {
  const { status } = useModel();
  const { type, group } = props;
  const [all, setAll] = useState(false);
  const to = enterable(type) ? wayTo(type, props.person) : '';
  if (!group) {
    return EXPECTED.includes(type.name) || to ? (
      <p class={EXPECTED.includes(type.name) ? 'no-print' : 'quiet no-print'}>
        {t('cardNone', kindName(type))} {to ? <a href={to}>{t('cardEnter')}</a> : <span class="quiet">{t('cardTown')}</span>}
      </p>
    ) : null;
  }
  const rows = all ? group.records : group.records.slice(0, ROWS);
  return (
    <>
      <h3>
        {kindName(type)} <small>{t('total', group.total)}</small> {to && (
          <a class="no-print" href={to}>
            {`+ ${t('cardEnter')}`}
          </a>
        )}
      </h3>
      {type.name === 'pref_card' &&
        group.records
          .filter((r) => r.state === 'issued' && r.fields['valid_to'] && String(r.fields['valid_to']) < today(status))
          .map((r) => (
            <Note kind="bad" key={r.id}>
              {t('cardExpired', String(r.fields['valid_to']))}
            </Note>
          ))}
      <RecordTable type={type} page={{ records: rows, labels: props.labels, total: group.total }} />
      {rows.length < group.records.length && <Button onClick={() => setAll(true)}>{t('more')}</Button>}
      {all && group.total > group.records.length && <p class="quiet">{t('newestOf', group.records.length, group.total)}</p>}
    </>
  );
}

interface Event {
  on: string; // YYYY-MM-DD
  key: string;
  what: string;
  text: string;
  id?: string; // of a record to open
}

function dayOf(type: RecordType, r: RecordRow): string {
  const at = String(r.fields[type.reporting_date] ?? r.fields['created_at'] ?? '');
  return at.length > 10 ? timeHere(at).slice(0, 10) : at;
}

function Timeline(props: { data: Belongings }) {
  const { catalog } = useModel();
  const [n, setN] = useState(EVENTS);
  const person = typeOf(catalog, 'person')!;
  const events: Event[] = [];
  let known = ''; // before this day not everything is here
  for (const g of props.data.groups) {
    const type = typeOf(catalog, g.type);
    if (!type || g.type === 'person') continue;
    for (const r of g.records) events.push({ on: dayOf(type, r), key: `${g.field} ${r.id}`, what: label(type), text: [r.label, stateText(catalog, type, r.state)].filter(Boolean).join(' · '), id: r.id });
    const last = g.records[g.records.length - 1];
    if (g.total > g.records.length && last && dayOf(type, last) > known) known = dayOf(type, last);
  }
  const ops: Record<string, string> = { create: t('created'), edit: t('edited'), delete: t('deleted'), undelete: t('undeleted') };
  props.data.changes.forEach((c, i) => {
    if (!c.at || !ops[c.op]) return;
    const names = c.op === 'edit' ? Object.keys(c.fields ?? {}).map((name) => (name === 'state' ? label({ zh: '状态', en: 'State' }) : fieldLabel(fieldOf(person, name)) || name)) : [];
    events.push({ on: timeHere(c.at).slice(0, 10), key: `change ${i}`, what: `${t('cardFile')}${ops[c.op]}`, text: [names.join('、'), c.user].filter(Boolean).join(' · ') });
  });
  const shown = events.filter((e) => e.on >= known).sort((a, b) => (a.on < b.on ? 1 : a.on > b.on ? -1 : 0));
  return (
    <section class="card no-print" id="timeline">
      <h2>{t('timeline')}</h2>
      {shown.length === 0 && <p class="quiet">{t('timelineNone')}</p>}
      <ol class="timeline">
        {shown.slice(0, n).map((e) => (
          <li key={e.key}>
            <span class="quiet">{e.on}</span> <b>{e.what}</b> {e.id ? <a href={`#/record/${e.id}`}>{e.text}</a> : e.text}
          </li>
        ))}
      </ol>
      {shown.length > n && <Button onClick={() => setN(n + 2 * EVENTS)}>{`${t('more')}（${shown.length - n}）`}</Button>}
      {shown.length <= n && known && <p class="quiet">{t('timelineCut', known)}</p>}
    </section>
  );
}

export function PersonCard(props: { record: RecordRow; labels: Record<string, string> }) {
  const { catalog, status } = useModel();
  const { record } = props;
  const data = useData(() => belongings(record), [record.id, record.rev, status?.cursor]);
  const person = typeOf(catalog, 'person')!;
  const left = SECTIONS.length - 1;
  const has = (name: string) => record.fields[name] !== undefined && record.fields[name] !== null;
  const sections = SECTIONS.map((s, i) => ({
    ...s,
    fields: i < left ? s.fields.filter((name) => fieldOf(person, name) && has(name)) : person.fields.filter((f) => !f.common && !NAMED_FIELDS.has(f.name) && has(f.name)).map((f) => f.name),
    types: (i < left ? s.types.map((name) => typeOf(catalog, name)) : catalog.types.filter((type) => !NAMED_TYPES.has(type.name) && (data.data?.groups.some((g) => g.type === type.name) || (enterable(type) && owns(type, 'person'))))).filter((type): type is RecordType => !!type),
  })).filter((s) => s.fields.length + s.types.length > 0);
  const count = (types: RecordType[]) => (data.data?.groups ?? []).filter((g) => types.some((type) => type.name === g.type)).reduce((sum, g) => sum + g.total, 0);
  const jump = (id: string) => document.getElementById(id)?.scrollIntoView({ block: 'start' });
  return (
    <>
      <nav class="quick no-print" aria-label={t('cardParts')}>
        {sections.map((s) => (
          <Button key={s.title} onClick={() => jump(`part-${s.title}`)}>{`${t(s.title)}${count(s.types) ? ` ${count(s.types)}` : ''}`}</Button>
        ))}
        <Button onClick={() => jump('timeline')}>{t('timeline')}</Button>
      </nav>
      {data.error && <Waiting error={data.error} reload={data.reload} />}
      {sections.map((s) => (
        <section class="card part" key={s.title} id={`part-${s.title}`}>
          <h2>{t(s.title)}</h2>
          {s.fields.length > 0 && <Values type={person} record={record} labels={props.labels} only={s.fields} />}
          {!data.data && !data.error && s.types.length > 0 && <p class="quiet">{t('loading')}</p>}
          {data.data &&
            s.types.map((type) => {
              const groups = data.data!.groups.filter((g) => g.type === type.name);
              return groups.length === 0 ? (
                <Belonging key={type.name} type={type} person={record} labels={{}} />
              ) : (
                groups.map((g) => <Belonging key={`${g.type}.${g.field}`} type={type} person={record} group={g} labels={data.data!.labels} />)
              );
            })}
          {s.title === 'cardFamily' && !record.deleted && <Household record={record} />}
        </section>
      ))}
      {data.data && <Timeline data={data.data} />}
    </>
  );
}
