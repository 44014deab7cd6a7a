// The language of the page: Chinese unless the person chose English on this PC.
import { keep, kept } from './kept';
import { messages, type MessageKey } from './messages';
import { townClock } from './time';

export type Language = 'zh' | 'en';

let language: Language = kept('language') === 'en' ? 'en' : 'zh';

export function lang(): Language {
  return language;
}

export function setLang(to: Language): void {
  language = to;
  document.documentElement.lang = to === 'zh' ? 'zh-CN' : 'en';
  keep('language', to);
}

/** Of a table's line, in the language of the page. A word that did not come with its page's code (vite.config.ts) is better than no page. */
export function said(line: readonly [string, string] | undefined, key: string): string {
  return line?.[language === 'zh' ? 0 : 1] ?? key;
}

export function t(key: MessageKey, ...values: (string | number)[]): string {
  return said(messages[key], key).replace(/\{(\d)\}/g, (_, i) => String(values[Number(i)] ?? ''));
}

/** The label of something that the catalogue names in both languages. */
export function label(of: { zh: string; en: string } | undefined, otherwise = ''): string {
  return of ? (language === 'zh' ? of.zh : of.en) : otherwise;
}

/** "今天 09:12", "昨天 …", "11月3日 …", with the year when it is another one. */
export function timeText(iso: string): string {
  const at = townClock(iso);
  const now = townClock(Date.now());
  const days = Math.floor(now.getTime() / 86400000) - Math.floor(at.getTime() / 86400000);
  const clock = `${String(at.getUTCHours()).padStart(2, '0')}:${String(at.getUTCMinutes()).padStart(2, '0')}`;
  const zh = language === 'zh';
  if (days === 0) return `${zh ? '今天' : 'today'} ${clock}`;
  if (days === 1) return `${zh ? '昨天' : 'yesterday'} ${clock}`;
  const year = at.getUTCFullYear() === now.getUTCFullYear() ? '' : zh ? `${at.getUTCFullYear()}年` : `${at.getUTCFullYear()}-`;
  return zh ? `${year}${at.getUTCMonth() + 1}月${at.getUTCDate()}日 ${clock}` : `${year}${at.getUTCMonth() + 1}-${at.getUTCDate()} ${clock}`;
}
