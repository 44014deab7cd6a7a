// Files for the national systems: a period, what is ready, what lacks something and where to fill it in, and the file with whole ID numbers
// for a reason that is logged.
import { useState } from 'preact/hooks';
import { get } from '@common/api';
import { t } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { query, today, useModel } from './model';
import { w, type Word } from './messages';
import { Choice } from './overview';

const FILES: [string, Word][] = [
  ['aid', 'nationalAid'],
  ['confirm', 'nationalConfirm'],
];
interface Answer {
  name: string;
  ready: number;
  lacking: number;
  rows: { id: string; label: string; station: string; lacks: { what: string; record: string }[] }[];
}

async function take(file: string, from: string, to: string, reason: string): Promise<void> {
  const reply = await fetch(`/api/v1/national/${file}`, { method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ from, to, reason }) });
  if (!reply.ok) throw new Error(((await reply.json()) as { error: { text: string } }).error.text);
  const { save } = await import('@common/sheet');
  save(await reply.blob(), `${w(FILES.find(([f]) => f === file)?.[1] ?? 'national')}-${from}-${to}.xlsx`);
}

export function NationalPage() {
  const { stations } = useModel();
  const year = today().slice(0, 4);
  const [file, setFile] = useState('aid');
  const [from, setFrom] = useState(`${year}-01-01`);
  const [to, setTo] = useState(today());
  const [reason, setReason] = useState('');
  const [error, setError] = useState('');
  const dated = /^\d{4}-\d\d-\d\d$/.test(from) && /^\d{4}-\d\d-\d\d$/.test(to);
  const found = useData(() => (dated ? get<Answer>(`national/${file}?${query({ from, to })}`) : Promise.reject(new Error(w('nationalDates')))), [file, from, to]);
  const data = found.data;
  const submit = (e: Event) => {
    e.preventDefault();
    setError('');
    take(file, from, to, reason.trim()).then(
      () => {
        setReason('');
        toast(w('nationalTaken'));
      },
      (why: Error) => setError(why.message),
    );
  };
  return (
    <>
      <h1>{w('national')}</h1>
      <p class="quiet">{w('nationalText')}</p>
      <div class="filters">
        <Choice text={w('nationalFile')} name="file" value={file} options={FILES.map(([f, word]): [string, string] => [f, w(word)])} onChange={setFile} />
        <label class="pick">
          <span>{w('nationalFrom')}</span>
          <input type="date" name="from" value={from} onInput={(e) => setFrom((e.target as HTMLInputElement).value)} />
        </label>
        <label class="pick">
          <span>{w('nationalTo')}</span>
          <input type="date" name="to" value={to} onInput={(e) => setTo((e.target as HTMLInputElement).value)} />
        </label>
      </div>
      {!data || !dated ? (
        <Waiting error={found.error} reload={found.reload} />
      ) : (
        <>
          <section class="card">
            <h2>{w('nationalReady', data.ready)}</h2>
            <form class="form" onSubmit={submit}>
              <div class="field">
                <label for="reason">{w('nationalReason')}</label>
                <input id="reason" type="text" maxLength={200} value={reason} onInput={(e) => setReason((e.target as HTMLInputElement).value)} />
              </div>
              {error && <Note kind="bad">{error}</Note>}
              <div class="actions">
                <Button kind="main" type="submit" disabled={data.ready === 0 || reason.trim().length < 2}>
                  {w('nationalTake', data.ready)}
                </Button>
              </div>
            </form>
          </section>
          <section>
            <h2>{w('nationalLacking', data.lacking)}</h2>
            {data.lacking === 0 && <p>{w('nationalNoneLacks')}</p>}
            {data.lacking > 0 && (
              <div class="scroll" tabIndex={0}>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">{w('shownName')}</th>
                      <th scope="col">{t('station')}</th>
                      <th scope="col">{w('nationalMissing')}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {data.rows.map((r) => (
                      <tr key={r.id}>
                        <th scope="row">
                          <a href={`#/record/${r.id}`}>{r.label || w('nationalNobody')}</a>
                        </th>
                        <td>{stations.find((s) => s.code === r.station)?.name ?? r.station}</td>
                        <td>
                          {r.lacks.map((l, i) => (
                            <span key={l.what}>
                              {i > 0 && '、'}
                              <a href={`#/record/${l.record}`}>{l.what}</a>
                            </span>
                          ))}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
            {data.lacking > data.rows.length && <p class="quiet">{w('nationalCut', data.rows.length)}</p>}
          </section>
        </>
      )}
    </>
  );
}
