// Whose page this is, where a PC serves several villages: the name on the village's colour, on every page, at the door and over the lock;
// and in the window's title and its sign, by which one tells the tabs apart. A PC with one village has none of it.
import { useEffect, useRef } from 'preact/hooks';
import { TRAINING } from '@common/api';
import { t } from '@common/i18n';
import type { Front } from './model';

const escaped = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function sign(name: string, colour: string): string {
  const first = escaped([...name][0] ?? '');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="${colour}"/><text x="16" y="24" font-size="22" text-anchor="middle" fill="#fff">${first}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

export function VillageBand(props: { name: string; front: Front | null }) {
  const { name, front } = props;
  const band = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!band.current) return;
    document.title = `${name} · ${t('appName')}`;
    document.querySelector('link[rel=icon]')?.setAttribute('href', sign(name, getComputedStyle(band.current).backgroundColor));
  }, [name, front?.mark]);
  if (!front || TRAINING) return null; // the training copy is nobody's village
  return (
    <div class={`village mark-${front.mark}`} role="region" aria-label={t('thisVillage')} ref={band}>
      <b>{name}</b>
      <span class="spread" />
      <a href={`${location.protocol}//${location.hostname}:${front.port}/`}>{t('otherVillages')}</a>
    </div>
  );
}
