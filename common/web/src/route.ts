// Addresses behind the hash: #/page/argument?name=value.
import { useEffect, useState } from 'preact/hooks';

/** The parts of the address, which change with it. */
export function useHash(): string[] {
  const [hash, set] = useState(location.hash);
  useEffect(() => {
    const heard = () => {
      set(location.hash);
      window.scrollTo(0, 0);
    };
    const stayed = () => set(location.hash);
    window.addEventListener('hashchange', heard);
    window.addEventListener('stayed', stayed);
    set(location.hash); // it may have changed while the page was drawn for the first time
    return () => {
      window.removeEventListener('hashchange', heard);
      window.removeEventListener('stayed', stayed);
    };
  }, []);
  return hash
    .replace(/^#\/?/, '')
    .split('?')[0]!
    .split('/')
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part; // typed by hand
      }
    });
}

export function hashQuery(): URLSearchParams {
  return new URLSearchParams(location.hash.split('?')[1] ?? '');
}

export function go(to: string): void {
  location.hash = to;
}

/** What was chosen on this page goes into its address, so that Back, a reload and a copied address find it again; nothing scrolls.
 * Empty values are left out. step: Back undoes this choice, too. */
export function alter(values: Record<string, string | number | null>, step = false): void {
  const asked = hashQuery();
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === '' || value === 0) asked.delete(name);
    else asked.set(name, String(value));
  }
  const to = `${location.hash.split('?')[0] || '#/'}${asked.toString() ? `?${asked.toString()}` : ''}`;
  if (step) history.pushState(null, '', to);
  else history.replaceState(null, '', to);
  window.dispatchEvent(new Event('stayed'));
}
