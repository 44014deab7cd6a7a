// A table cut into sheets of A4 here, not by the printer: each sheet has the title or goes on under the same heads, and says which it is of
// how many. Browsers cut tables too, but none that is in use writes 第1页/共5页. What is on the screen is what comes out of the printer.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from './i18n';

const MM = 96 / 25.4; // px, as CSS has it
const MARGIN_MM = 14; // of @page in style.css
const LONG_MM = 297 - 2 * MARGIN_MM;
const SHORT_MM = 210 - 2 * MARGIN_MM;
const FOOT_MM = 8;
const SLACK_MM = 2; // heights are rounded differently by a printer

interface Cut {
  of: string;
  starts: number[]; // the first row of each sheet
  widths: number[]; // px, the same on every sheet
}

interface PagedProps {
  title: string;
  under: ComponentChildren;
  heads: string[];
  rows: string[][];
  /** Class of each column. */
  kinds?: string[];
  rowClass?: string;
  wide?: boolean;
  /** Only for the printer: takes no room on the screen. */
  unseen?: boolean;
  /** Below the last row. */
  end?: ComponentChildren;
  /** Once, when all is cut. */
  onCut?: () => void;
}

/** Where to begin a new sheet: rows are never cut, and one that is taller than a sheet has its own. Heights in px. */
export function cuts(heights: number[], first: number, later: number): number[] {
  const starts = [0];
  let left = first;
  heights.forEach((height, i) => {
    if (height > left && i > starts[starts.length - 1]!) {
      starts.push(i);
      left = later;
    }
    left -= height;
  });
  return starts;
}

export function Paged(props: PagedProps) {
  const { heads, rows, wide } = props;
  const box = useRef<HTMLElement>(null);
  const [cut, setCut] = useState<Cut>();
  const of = JSON.stringify([props.title, heads, rows, props.rowClass, wide]);
  const known = cut?.of === of ? cut : undefined;
  const [tight, setTight] = useState(''); // what did not fit otherwise
  useLayoutEffect(() => {
    if (known || !box.current) return;
    const table = box.current.querySelector('table')!;
    const page = box.current.querySelector('.one-page')!.getBoundingClientRect();
    if (tight !== of && table.getBoundingClientRect().width > page.width) return setTight(of);
    const high = (e: Element | null | undefined) => e?.getBoundingClientRect().height ?? 0;
    const room = ((wide ? SHORT_MM : LONG_MM) - FOOT_MM - SLACK_MM) * MM - high(table.tHead) - high(box.current.querySelector('.end'));
    const above = table.getBoundingClientRect().top - page.top;
    setCut({
      of,
      starts: cuts([...table.tBodies[0]!.rows].map(high), room - above, room),
      widths: [...table.tHead!.rows[0]!.cells].map((c) => c.getBoundingClientRect().width),
    });
  });
  useEffect(() => {
    if (known) props.onCut?.();
  }, [!!known]);
  const starts = known?.starts ?? [0];
  return (
    <article class={`sheet paged${wide ? ' wide' : ''}${props.unseen ? ' unseen' : ''}`} ref={box} tabIndex={props.unseen ? undefined : 0}>
      {starts.map((start, n) => (
        <section class="one-page" key={n}>
          {n === 0 && <h1>{props.title}</h1>}
          {n === 0 && <p class="quiet">{props.under}</p>}
          <table class={[known && 'fixed', tight === of && 'tight'].filter(Boolean).join(' ')}>
            {known && (
              <colgroup>
                {known.widths.map((w, i) => (
                  <col key={i} style={{ width: `${w}px` }} />
                ))}
              </colgroup>
            )}
            <thead>
              <tr>
                {heads.map((h, i) => (
                  <th scope="col" key={i}>
                    {h}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.slice(start, starts[n + 1]).map((r, i) => (
                <tr key={i} class={props.rowClass}>
                  {r.map((c, k) => (
                    <td key={k} class={props.kinds?.[k]}>
                      {c}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          {n === starts.length - 1 && props.end && <div class="end">{props.end}</div>}
          <p class="foot">{t('pageOf', n + 1, starts.length)}</p>
        </section>
      ))}
    </article>
  );
}
