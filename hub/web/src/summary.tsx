// The annual work summary: the town's text with figures in it, each of which opens what stands behind it; printed, or taken to Word.
import { get } from '@common/api';
import { Button, useData, Waiting } from '@common/ui';
import { hashQuery } from '@common/route';
import { type Coverage, go, today, useModel } from './model';
import { w } from './messages';
import { Choice, CoverageLine } from './overview';

interface Piece {
  text?: string;
  indicator?: string;
  display?: string;
}
interface Summary {
  year: number;
  coverage: Coverage;
  parts: { kind: 'title' | 'note' | 'heading' | 'text'; pieces: Piece[] }[];
  villages: { columns: { indicator: string; label: string; unit: string }[]; rows: { code: string; name: string; complete: boolean; values: (number | null)[] }[] };
}

export function SummaryPage() {
  const { stations } = useModel();
  const year = hashQuery().get('year') ?? '';
  const found = useData(() => get<Summary>(`summary?year=${year || 0}`), [year]);
  const now = Number(today().slice(0, 4));
  const years: [string, string][] = [['', w('pAll')]];
  for (let y = now; y > now - 6; y--) years.push([String(y), w('yearOf', y)]);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const s = found.data;
  const link = (id: string) => `#/figure/${id}?p=${year || 'all'}`;
  const pieces = (list: Piece[]) =>
    list.map((p, i) =>
      p.indicator ? (
        <a key={i} href={link(p.indicator)}>
          {p.display}
        </a>
      ) : (
        p.text
      ),
    );
  return (
    <>
      <div class="head">
        <span />
        <div class="filters">
          <Choice text={w('period')} name="year" value={year} options={years} onChange={(y) => go(y ? `/summary?year=${y}` : '/summary')} />
          <Button onClick={() => window.print()}>{w('print')}</Button>
          <a class="button plain" href={`/api/v1/summary?year=${year || 0}&format=html`}>
            {w('toWord')}
          </a>
        </div>
      </div>
      <div class="no-print">
        <CoverageLine coverage={s.coverage} stations={stations} />
      </div>
      <article class="paper">
        {s.parts.map((part, i) =>
          part.kind === 'title' ? (
            <h1 key={i}>{pieces(part.pieces)}</h1>
          ) : part.kind === 'heading' ? (
            <h2 key={i}>{pieces(part.pieces)}</h2>
          ) : (
            <p key={i} class={part.kind === 'note' ? 'quiet' : undefined}>
              {pieces(part.pieces)}
            </p>
          ),
        )}
        <h2>{w('annex')}</h2>
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{w('stations')}</th>
                {s.villages.columns.map((c) => (
                  <th scope="col" key={c.indicator}>
                    {c.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {s.villages.rows.map((row) => (
                <tr key={row.code}>
                  <th scope="row">
                    {row.name} {!row.complete && <span class="tag wait">{w('tStale')}</span>}
                  </th>
                  {row.values.map((v, i) => (
                    <td key={i}>{v === null ? '—' : s.villages.columns[i]!.unit === '%' ? `${Math.round(v)}%` : v}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </article>
    </>
  );
}
