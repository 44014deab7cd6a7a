// Where a secretary looks for a kind of record. Every kind that may be on this PC is in one group: what the village enters, and what only the
// town does, which is looked at. A kind that a newer catalogue brings stands under the last.
import { type RecordType, typeName } from '@common/catalog';
import { t } from '@common/i18n';
import type { MessageKey } from '@common/messages';
import { DAILY } from './model';

export const GROUPS: { title: MessageKey; types: readonly string[] }[] = [
  { title: 'work', types: DAILY },
  { title: 'menuPeople', types: ['person_identity', 'service_history', 'family_member', 'benefit', 'plaque', 'pref_card', 'annual_confirm', 'residency_event', 'change_request'] },
  { title: 'menuStation', types: ['station', 'staff_post', 'facility', 'signboard', 'asset', 'org_group', 'model_case', 'media_report', 'station_assessment'] },
  { title: 'menuTown', types: ['notice', 'notice_receipt', 'matter', 'target', 'period_lock', 'area_unit', 'setting'] },
  { title: 'other', types: [] },
];

/** These stay at the town: no village has any, and a list of nothing would only be in the way. */
const TOWN_KEEPS = ['report_snapshot', 'opening_balance', 'rights_request', 'station_account'];

export function inMenu(type: RecordType): boolean {
  return !TOWN_KEEPS.includes(type.name);
}

/** What it is called on this page: told from its own settings. */
export function kindName(type: RecordType): string {
  return type.name === 'setting' ? t('townSettings') : typeName(type);
}

/** The groups with their kinds, in the order of the table. */
export function grouped(types: RecordType[]): { title: MessageKey; types: RecordType[] }[] {
  const named = new Set(GROUPS.flatMap((g) => g.types));
  return GROUPS.map((g, i) => ({
    title: g.title,
    types: i + 1 < GROUPS.length ? g.types.map((name) => types.find((type) => type.name === name)).filter((type) => !!type) : types.filter((type) => type.name !== 'person' && inMenu(type) && !named.has(type.name)),
  })).filter((g) => g.types.length > 0);
}

/** The village may begin one; what the town begins, it completes and corrects. */
export function begun(type: RecordType): boolean {
  return type.kept && (type.transitions.length === 0 || type.transitions.some((x) => x.from === null && x.village));
}

/** Entered by hand and from a table at its own list: a receipt belongs to its notice's page, and an attachment is its file, which cannot be
 * put here yet. */
export function enterable(type: RecordType): boolean {
  return begun(type) && type.name !== 'notice_receipt' && type.name !== 'attachment';
}
