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
    window.addEventListener('hashchange', heard);
    return () => window.removeEventListener('hashchange', heard);
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
