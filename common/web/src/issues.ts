// What is wrong with a form, in words for who sees its fields and not the data under them.
import { type Issue, issueText } from './api';
import { fieldLabel, fieldOf, isMoney, type RecordType } from './catalog';
import { label, t } from './i18n';

export const nameOf = (field: string): string => field.split(/[.[]/)[0] ?? '';

/** What there is to say: of a field that is empty only that, and nothing of what the program works out itself while what it is worked out
 * from is to be mended. */
export function worthSaying(type: RecordType, issues: Issue[], filled: (name: string) => boolean): Issue[] {
  const ours = (i: Issue) => fieldOf(type, nameOf(i.field))?.entered === false;
  const mendable = issues.some((i) => i.level === 'refuse' && !ours(i));
  const lacks = new Set(issues.filter((i) => i.code === 'required' && i.level === 'refuse').map((i) => nameOf(i.field)));
  return issues.filter((i) => (i.code === 'required' ? !(mendable && ours(i)) : filled(nameOf(i.field)) || !lacks.has(nameOf(i.field))));
}

/** One of them, with its field named as it is shown. */
export function issueWords(type: RecordType, issue: Issue): string {
  const field = fieldOf(type, nameOf(issue.field));
  const text = issueText(issue).replace(/，不加引号|, without quotes/, ''); // nobody types any here
  if (!field) return text;
  if (issue.code === 'bad_type' && field.type === 'int' && !field.items) return t(isMoney(field) ? 'writeMoney' : 'writeNumber', fieldLabel(field));
  return isMoney(field) ? text.replace(label(field), fieldLabel(field)) : text;
}

/** The words of an answer that said no: those of one of its issues, where it has any. */
export function refusalWords(type: RecordType, message: string, issues: Issue[]): string {
  const first = issues.find((i) => i.level === 'refuse' && issueText(i) === message) ?? issues.find((i) => i.level === 'refuse');
  return first ? issueWords(type, first) : message;
}
