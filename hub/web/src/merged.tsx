// Two files that were made one: which is kept, what was merged into it, and the way back, for as long as anybody needs it.
import { api, get, type RecordRow } from '@common/api';
import { type RecordType } from '@common/catalog';
import { Button, Note, toast, useData } from '@common/ui';
import { type Rows, useModel } from './model';
import { w } from './messages';

const POINTER = 'merged_into';
const MOST = 100;

export function Merged(props: { record: RecordRow & { labels?: Record<string, string> }; type: RecordType; done: () => void }) {
  const { stations } = useModel();
  const { record, type } = props;
  const has = type.fields.some((f) => f.name === POINTER);
  const found = useData(() => (has ? get<Rows>(`types/${type.name}/records?f.${POINTER}=${record.id}&limit=${MOST}`) : Promise.resolve(null)), [record.id]);
  const into = has && record.state === 'merged' ? String(record.fields[POINTER] ?? '') : '';
  const undo = (id: string, name: string) => {
    if (!confirm(w('undoMergeSure', name))) return;
    api('POST', 'review/duplicates/unmerge', { id }).then(
      () => {
        toast(w('unmerged'));
        found.reload();
        props.done();
      },
      (e: Error) => toast(e.message),
    );
  };
  const others = found.data?.records.filter((r) => r.state === 'merged') ?? [];
  if (!into && others.length === 0) return null;
  return (
    <Note kind="info">
      {into && (
        <p>
          {w('isMergedInto')} <a href={`#/record/${into}`}>{record.labels?.[into] ?? w('thatFile')}</a> <Button onClick={() => undo(record.id, record.label)}>{w('undoMerge')}</Button>
        </p>
      )}
      {others.length > 0 && (
        <>
          <p>{w('hasMerged', others.length)}</p>
          <ul class="plain-list">
            {others.map((r) => (
              <li key={r.id}>
                <a href={`#/record/${r.id}`}>{r.label}</a> {stations.find((s) => s.code === r.village_code)?.name ?? ''} <Button onClick={() => undo(r.id, r.label)}>{w('undoMerge')}</Button>
              </li>
            ))}
          </ul>
        </>
      )}
    </Note>
  );
}
