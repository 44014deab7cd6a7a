// The language of the page: Chinese unless the person chose English on this PC.
import { keep, kept } from './kept';
import { messages, type MessageKey } from './messages';

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

export function t(key: MessageKey, ...values: (string | number)[]): string {
  return messages[key][language === 'zh' ? 0 : 1].replace(/\{(\d)\}/g, (_, i) => String(values[Number(i)] ?? ''));
}

/** The label of something that the catalogue names in both languages. */
export function label(of: { zh: string; en: string } | undefined, otherwise = ''): string {
  return of ? (language === 'zh' ? of.zh : of.en) : otherwise;
}

/** "今天 09:12", "昨天 …", "11月3日 …", with the year when it is another one. */
export function timeText(iso: string): string {
  const at = new Date(iso);
  const now = new Date();
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86400000);
  const clock = `${String(at.getHours()).padStart(2, '0')}:${String(at.getMinutes()).padStart(2, '0')}`;
  const zh = language === 'zh';
  if (days === 0) return `${zh ? '今天' : 'today'} ${clock}`;
  if (days === 1) return `${zh ? '昨天' : 'yesterday'} ${clock}`;
  const year = at.getFullYear() === now.getFullYear() ? '' : zh ? `${at.getFullYear()}年` : `${at.getFullYear()}-`;
  return zh ? `${year}${at.getMonth() + 1}月${at.getDate()}日 ${clock}` : `${year}${at.getMonth() + 1}-${at.getDate()} ${clock}`;
}
