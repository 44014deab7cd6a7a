// How somebody wants this program's pages to look on this PC. It is kept in cookies, which a browser has for all ports of a host: several
// villages on one PC have a port each, and one choice is for all of them. Where an older version kept it, it is still found.
const YEAR_S = 31536000;

export function kept(name: string): string | null {
  try {
    const found = new RegExp(`(?:^|; )lm_look_${name}=(\\w+)`).exec(document.cookie);
    return found ? found[1]! : localStorage.getItem(`lastmile.${name}`);
  } catch {
    return null; // forbidden: the page works all the same
  }
}

export function keep(name: string, value: string): void {
  try {
    document.cookie = `lm_look_${name}=${value}; Path=/; Max-Age=${YEAR_S}; SameSite=Strict`;
    localStorage.setItem(`lastmile.${name}`, value);
  } catch {
    /* for this visit only */
  }
}

export const SIZES = ['18', '20', '24'] as const;

export function applySize(): void {
  const size = kept('size');
  document.documentElement.style.fontSize = `${SIZES.find((s) => s === size) ?? '18'}px`;
}

export function keepSize(size: string): void {
  keep('size', size);
  document.documentElement.style.fontSize = `${size}px`;
}
