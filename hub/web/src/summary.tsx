// The annual work summary: the town's text with figures in it, each of which opens what stands behind it; printed, or taken to Word.
import { api, get } from '@common/api';
import { label } from '@common/i18n';
import { Button, toast, useData, Waiting } from '@common/ui';
import { hashQuery } from '@common/route';
import { type Coverage, go, isStaff, today, useModel } from './model';
import { w } from './messages';
import { print } from './export';
import { Choice, CoverageLine } from './overview';

export interface Piece {
  text?: string;
  indicator?: string;
  display?: string;
}
export interface Part {
  kind: 'title' | 'note' | 'heading' | 'text';
  pieces: Piece[];
}
export interface VersionRow {
  id: string;
  year: number;
  version: number;
  state: 'draft' | 'locked';
  as_of: string;
  signed_by: string;
}
interface Summary {
  year: number;
  coverage: Coverage;
  parts: Part[];
  villages: { columns: { indicator: string; label: string; label_en: string; unit: string }[]; rows: { code: string; name: string; complete: boolean; values: (number | null)[] }[] };
}

/** The text with its figures, each of which opens what stands behind it. */
export function Parts(props: { parts: Part[]; year: number | string }) {
  const pieces = (list: Piece[]) =>
    list.map((p, i) =>
      p.indicator ? (
        <a key={i} href={`#/figure/${p.indicator}?p=${props.year || 'all'}`}>
          {p.display}
        </a>
      ) : (
        p.text
      ),
    );
  return (
    <>
      {props.parts.map((part, i) =>
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
    </>
  );
}

export function stateWord(v: VersionRow): string {
  return v.state === 'locked' ? w('signed') : `${w('draft')} · ${w('waitsSign')}`;
}

function Versions(props: { year: number }) {
  const { session } = useModel();
  const found = useData(() => get<{ rows: VersionRow[] }>('summaries'), []);
  const make = () =>
    api<{ id: string }>('POST', 'summaries', { year: props.year }).then(
      ({ id }) => {
        toast(w('draftMade'));
        go(`/summary/${id}`);
      },
      (e: Error) => toast(e.message),
    );
  const rows = (found.data?.rows ?? []).filter((v) => v.year === props.year);
  return (
    <div class="filters no-print">
      {rows.map((v) => (
        <a class="button plain" key={v.id} href={`#/summary/${v.id}`}>
          {w('version', v.version)} <span class={v.state === 'locked' ? 'tag good' : 'tag wait'}>{stateWord(v)}</span>
        </a>
      ))}
      {isStaff(session) && <Button onClick={make}>{w('makeDraft')}</Button>}
    </div>
  );
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
  return (
    <>
      <div class="head">
        <span />
        <div class="filters">
          <Choice text={w('period')} name="year" value={year} options={years} onChange={(y) => go(y ? `/summary?year=${y}` : '/summary')} />
          <Button onClick={() => print(w('summary'), year)}>{w('print')}</Button>
          <a class="button plain" href={`/api/v1/summary?year=${year || 0}&format=docx`}>
            {w('toWord')}
          </a>
        </div>
      </div>
      <Versions year={Number(year || 0)} />
      <div class="no-print">
        <CoverageLine coverage={s.coverage} stations={stations} />
      </div>
      <article class="paper">
        <Parts parts={s.parts} year={year} />
        <h2>{w('annex')}</h2>
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{w('stations')}</th>
                {s.villages.columns.map((c) => (
                  <th scope="col" key={c.indicator}>
                    {label({ zh: c.label, en: c.label_en })}
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
