// Undoing, right after it was done. Each is an ordinary change that stands in the history: what was put in is deleted, what was deleted
// is brought back, an edit is put back. It brings the "rev" that the change to be undone left, so that nothing newer is ever undone.
import { api, type RecordRow } from '@common/api';
import { t } from '@common/i18n';
import { toast, type Deed } from '@common/ui';

const deed = (run: () => Promise<unknown>, text: string = t('undoDone')): Deed => ({ text: t('undo'), undo: () => run().then(() => text) });

/** After a save. before: what an edit replaced. */
export function toldSaved(saved: RecordRow, before: Record<string, unknown> | null, isNew: boolean): void {
  const { id, rev } = saved;
  if (isNew) toast(t('saved'), deed(() => api('DELETE', `records/${id}`, { reason: t('undoNewReason'), rev }), t('undoNewDone')));
  else if (before && Object.keys(before).length > 0) toast(t('saved'), deed(() => api('PATCH', `records/${id}`, { fields: before, rev })));
  else toast(t('saved'));
}

export function toldDeleted(deleted: RecordRow): void {
  toast(t('deletedDone'), deed(() => api('POST', `records/${deleted.id}/undelete`, { rev: deleted.rev })));
}

/** reason: the one that it had been deleted with. */
export function toldRestored(restored: RecordRow, reason: string): void {
  toast(t('restoredDone'), deed(() => api('DELETE', `records/${restored.id}`, { reason: reason || t('undoReason'), rev: restored.rev })));
}

/** What of many was made and nobody touched since is deleted; how many stay. */
export async function undoMany(made: { id: string; rev: string }[], reason: string): Promise<number> {
  let left = 0;
  for (const { id, rev } of made) await api('DELETE', `records/${id}`, { reason, rev }).catch(() => left++);
  return left;
}

export function toldMany(made: { id: string; rev: string }[]): void {
  toast(t('savedMany', made.length), {
    text: t('undo'),
    undo: async () => {
      const left = await undoMany(made, t('undoNewReason'));
      return left ? t('undoneBut', made.length - left, left) : t('undone', made.length);
    },
  });
}
