// One version of the annual summary: read and printed by all, edited by clerks while it is a draft, signed by somebody else, and held
// against the other versions of its year. A figure in the text is a token: it can be moved or taken out, never typed over.
import { useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { timeText } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { draftOf, Editor, plain, type Version } from './writing';
import { note } from './export';
import { isStaff, useModel } from './model';
import { w, type Word } from './messages';
import { Choice } from './overview';
import { Parts, stateWord, type VersionRow } from './summary';

function Differences(props: { now: Version; then: Version }) {
  const { now, then } = props;
  const ids = Object.keys({ ...then.figures, ...now.figures }).filter((id) => now.figures[id]?.display !== then.figures[id]?.display);
  const lines = (v: Version) => v.text.split('\n').filter((l) => l && !l.startsWith('!'));
  const read = (line: string, v: Version) => plain(line).replace(/\{(\w+)\}/g, (_, id: string) => v.figures[id]?.display ?? w('unreported'));
  const gone = lines(then).filter((l) => !lines(now).includes(l));
  const come = lines(now).filter((l) => !lines(then).includes(l));
  return (
    <section class="card no-print">
      <h2>{w('differs', then.version)}</h2>
      {ids.length + gone.length + come.length === 0 && <p class="quiet">{w('differsNot')}</p>}
      {ids.length > 0 && (
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{w('figureName')}</th>
                <th scope="col">{w('version', then.version)}</th>
                <th scope="col">{w('version', now.version)}</th>
              </tr>
            </thead>
            <tbody>
              {ids.map((id) => (
                <tr key={id}>
                  <th scope="row">{now.figures[id]?.label ?? then.figures[id]?.label}</th>
                  <td>{then.figures[id]?.display ?? '—'}</td>
                  <td>{now.figures[id]?.display ?? '—'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {([[gone, 'wasText', then], [come, 'isText', now]] as [string[], Word, Version][]).map(
        ([list, word, of]) =>
          list.length > 0 && (
            <div key={word}>
              <h3>{w(word)}</h3>
              {list.map((l, i) => (
                <p key={i}>{read(l, of)}</p>
              ))}
            </div>
          ),
      )}
    </section>
  );
}

export function VersionPage(props: { id: string }) {
  const { session } = useModel();
  const found = useData(() => get<Version>(`summaries/${props.id}`), [props.id]);
  const all = useData(() => get<{ rows: VersionRow[] }>('summaries'), [props.id]);
  const [editing, setEditing] = useState(false);
  const [other, setOther] = useState('');
  const then = useData(() => (other ? get<Version>(`summaries/${other}`) : Promise.resolve(null)), [other]);
  if (!found.data) return <Waiting error={found.error} reload={found.reload} />;
  const v = found.data;
  const act = (method: string, path: string, body: object, said: Word) =>
    api(method, path, body).then(
      () => {
        toast(w(said));
        found.reload();
        all.reload();
      },
      (e: Error) => toast(e.message),
    );
  const draft = v.state === 'draft';
  const unsaved = isStaff(session) ? draftOf(session.user, v) : null;
  const others = (all.data?.rows ?? []).filter((r) => r.year === v.year && r.id !== v.id);
  return (
    <>
      <div class="head">
        <h1>
          {w('summary')} <small>{w('version', v.version)}</small> <span class={draft ? 'tag wait' : 'tag good'}>{stateWord(v)}</span>
        </h1>
        <div class="filters">
          <a class="button plain" href={v.year ? `#/summary?year=${v.year}` : '#/summary'}>
            {w('live')}
          </a>
          {others.length > 0 && (
            <Choice text={w('compareWith')} name="other" value={other} options={[['', '—'], ...others.map((r): [string, string] => [r.id, w('version', r.version)])]} onChange={setOther} />
          )}
          {draft && isStaff(session) && !editing && <Button onClick={() => setEditing(true)}>{w('editText')}</Button>}
          {draft && isStaff(session) && !editing && <Button onClick={() => act('PATCH', `summaries/${v.id}`, { figures: true }, 'figuresTaken')}>{w('figuresAnew')}</Button>}
          {draft && session.role === 'leader' && (
            <Button kind="main" onClick={() => act('POST', `summaries/${v.id}/sign`, { rev: v.rev }, 'signedNow')}>
              {w('sign')}
            </Button>
          )}
          <Button onClick={() => note('print', w('summary'), String(v.version)).then(() => window.print(), (e: Error) => toast(e.message))}>{w('print')}</Button>
          <a class="button plain" href={`/api/v1/summaries/${v.id}?format=docx`}>
            {w('toWord')}
          </a>
        </div>
      </div>
      {draft && (
        <div class="no-print">
          <Note kind="info">{w('signHint')}</Note>
        </div>
      )}
      {draft && !editing && unsaved && (
        <div class="no-print">
          <Note kind="info">
            {w('draftLeft', timeText(unsaved.at))} <Button onClick={() => setEditing(true)}>{w('draftOn')}</Button>
          </Note>
        </div>
      )}
      {then.data && <Differences now={v} then={then.data} />}
      {editing ? (
        <Editor
          version={v}
          onDone={() => {
            setEditing(false);
            found.reload();
          }}
        />
      ) : (
        <article class="paper">
          <Parts parts={v.parts} year={v.year} />
          {v.hash && (
            <p class="quiet">
              {w('checkCode')} {v.hash.replace(/.{8}(?=.)/g, '$& ')}
            </p>
          )}
        </article>
      )}
    </>
  );
}
