// The heads of a table's columns: in which row they stand, and which field each names. Registers have titles above their heads, heads in
// two rows, and words of their own.
import { fieldLabel, type Field } from './catalog';
import { dateOf } from './convert';
import { fold, halfWidth } from './fold';

/** Rows from the top among which the heads are. */
export const HEAD_ROWS = 10;

/** What registers call a field, beside its name; a record that names a person is found by his number or name. */
const WORDS: Record<string, string[]> = {
  id_no: ['身份证号', '身份证', '身份证号码', '居民身份证号', '居民身份证号码', '公民身份证号码', '公民身份号码', '身份号码', '证件号码', '证件号'],
  name: ['姓名', '名字'],
  phone: ['电话', '手机', '手机号', '手机号码', '电话号码', '联系方式', '联系电话'],
  residence_text: ['家庭住址', '住址', '现住址', '家庭地址', '居住地址', '常住地', '现居住地', '地址'],
  birth_on: ['出生年月', '出生年月日', '出生时间', '生日'],
  household_no: ['户号', '门牌户号'],
  household_village: ['户籍地', '户籍所在村', '所在村', '村'],
  education: ['学历', '文化水平'],
  marriage: ['婚姻', '婚否'],
  health: ['身体状况', '健康'],
  employment: ['就业', '就业状况'],
  bank_account: ['银行卡号', '卡号', '银行账户'],
};
const PERSON = [...WORDS['id_no']!, '姓名', '对象姓名'];

const bare = (text: string) => halfWidth(text).replace(/[*\s()元分:]/g, '').toLowerCase();
const filled = (row: string[] | undefined) => row?.filter((cell) => cell !== '').length ?? 0;

/** What row `at` calls the columns; where it is empty the row above counts (heads in two rows), unless that is a title. */
export function headsAt(rows: string[][], at: number): string[] {
  const above = at > 0 && filled(rows[at - 1]) > 1 ? rows[at - 1]! : [];
  const wide = Math.max(...rows.slice(at, at + 2).map((r) => r.length));
  return Array.from({ length: wide }, (_, c) => rows[at]![c] || above[c] || '');
}

/** The name of the field that each column is, or "": no two are one. sample: the first row below. */
export function mapHeads(fields: Field[], heads: string[], sample: string[] = []): string[] {
  const map = heads.map(() => '');
  const take = (field: Field, at: number) => {
    if (at >= 0 && !map.includes(field.name)) map[at] = field.name;
  };
  for (const field of fields) {
    const words = [field.zh, field.en, field.name, fieldLabel(field)].map(bare);
    take(field, heads.findIndex((head, c) => !map[c] && head !== '' && words.includes(bare(head))));
  }
  for (const field of fields) {
    for (const word of WORDS[field.name] ?? (field.ref === 'person' ? PERSON : [])) {
      // "Year and month of birth" often is no more than that.
      take(field, heads.findIndex((head, c) => !map[c] && bare(head) === bare(word) && (field.type !== 'date' || !sample[c] || dateOf(fold(field, sample[c])) !== null)));
    }
  }
  return map;
}

/** The row of the heads: that of the first ones which names most fields, and where none does the first that is no title. */
export function headRow(fields: Field[], rows: string[][]): number {
  let best = Math.max(0, rows.slice(0, HEAD_ROWS).findIndex((r) => filled(r) > 1));
  let most = 0;
  for (let at = 0; at < Math.min(HEAD_ROWS, rows.length - 1); at++) {
    const named = mapHeads(fields, headsAt(rows, at)).filter(Boolean).length;
    if (named > most) [best, most] = [at, named];
  }
  return Math.min(best, rows.length - 2);
}
