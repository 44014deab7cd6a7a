// A claim (申请转入): somebody has moved here from another village of the town, whose file is not on this PC. She names the person; the
// town finds the file. It is a residency event whose form asks for other fields.
import type { RecordRow } from '@common/api';
import { villages } from '@common/catalog';

export const CLAIM = 'claim';
/** What is not finished of a claim is no draft of another change of residence. */
export const CLAIM_DRAFT = 'claim-residency_event';
export const CLAIM_AT = '/new/residency_event?claim=1';

const HIDE_FOR_CLAIM = ['person_id', 'kind', 'to_village', 'outside_text'];
const HIDE_ELSE = ['claim_name', 'claim_id_no'];
const MUST = ['claim_name'];
const FOREMOST = ['claim_id_no', 'from_village'];

export function isClaim(record: RecordRow | undefined): boolean {
  return record?.type === 'residency_event' && !!record.fields['claim_name'];
}

/** Which fields the form of a residency event shows, and which places it offers: people move between villages, and who is claimed comes
 * from another one. */
export function claimForm(type: string, claim: boolean, station: string): { hide?: string[]; must?: string[]; foremost?: string[]; among?: (field: string, code: string) => boolean } {
  if (type !== 'residency_event') return {};
  const among = (_: string, code: string) => villages.size === 0 || (villages.has(code) && !(claim && code === station));
  return claim ? { hide: HIDE_FOR_CLAIM, must: MUST, foremost: FOREMOST, among } : { hide: HIDE_ELSE, among };
}
