// The stations: how each stands with the town, and what needs somebody's eye.
import { get } from '@common/api';
import { timeText } from '@common/i18n';
import { Note, useData, Waiting } from '@common/ui';
import { type Coverage, type Station, useModel } from './model';
import { w, type Word } from './messages';
import { CoverageLine, tileOf } from './overview';

const ALARMS: Record<string, Word> = { clone: 'aClone', twin: 'aTwin', went_back: 'aBack' };

function clockText(ms: number | null): string {
  if (ms === null || Math.abs(ms) < 60000) return '';
  const minutes = Math.round(Math.abs(ms) / 60000);
  const sign = ms > 0 ? '-' : '+'; // the hub's clock minus the PC's
  return minutes < 120 ? `${sign}${minutes}′` : minutes < 2880 ? `${sign}${Math.round(minutes / 60)}h` : `${sign}${Math.round(minutes / 1440)}d`;
}

export function StationsPage(props: { only?: string }) {
  const { stations: known } = useModel();
  const board = useData(() => get<{ stations: Station[]; coverage: Coverage }>('stations'), []);
  if (!board.data) return <Waiting error={board.error} reload={board.reload} />;
  const { coverage } = board.data;
  const shown = board.data.stations.filter((s) => !props.only || s.code === props.only);
  return (
    <>
      <h1>{props.only ? (shown[0]?.name ?? props.only) : w('stations')}</h1>
      {!props.only && <CoverageLine coverage={coverage} stations={known} />}
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {(['stations', 'completeThrough', 'lastContact', 'lag', 'clock', 'program', 'alarms'] as Word[]).map((word) => (
                <th scope="col" key={word}>
                  {w(word)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((s) => {
              const [kind, mark, text] = tileOf(s, coverage);
              const pcs = s.replicas.length ? s.replicas : [null];
              return pcs.map((r, i) => (
                <tr key={`${s.code}.${r?.replica ?? ''}`}>
                  {i === 0 && (
                    <th scope="row" rowSpan={pcs.length}>
                      {s.name} {s.level === 'village' && <span class={`tag ${kind}`}>{`${mark} ${text}`}</span>}
                      <br />
                      <small class="quiet">
                        {s.code} {s.office_name}
                      </small>
                    </th>
                  )}
                  {r ? (
                    <>
                      <td>
                        {r.complete_through ? timeText(r.complete_through) : '—'} {r.by_station_clock && <small class="quiet">{w('byStick')}</small>}
                      </td>
                      <td>{r.last_contact ? timeText(r.last_contact) : '—'}</td>
                      <td>{r.lag > 0 ? r.lag : ''}</td>
                      <td>{clockText(r.clock_offset_ms)}</td>
                      <td>
                        {r.program} {r.revoked && <span class="tag bad">{w('revoked')}</span>} {r.in_doubt && <span class="tag wait">{w('tGap')}</span>}
                      </td>
                    </>
                  ) : (
                    <td colSpan={5} class="quiet">
                      {w('noPc')}
                    </td>
                  )}
                  {i === 0 && (
                    <td rowSpan={pcs.length}>
                      {s.alarms.map((a) => (
                        <div key={a.at}>
                          <span class="tag bad">! {w(ALARMS[a.kind] ?? 'tGap')}</span> {timeText(a.at)}
                        </div>
                      ))}
                    </td>
                  )}
                </tr>
              ));
            })}
          </tbody>
        </table>
      </div>
      {shown.length === 0 && <Note kind="info">{w('nothing')}</Note>}
    </>
  );
}
