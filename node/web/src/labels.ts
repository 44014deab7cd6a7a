// Names of the records that values refer to, wherever in them the ids stand.
import { staffNames } from '@common/staff';
import { get, type RecordRow } from '@common/api';
import { materialKey } from '@common/catalog';

const LABELS_MAX = 60; // requests for one card
const NO_RECORD = ['created_by', 'device_id']; // an account and a PC: every record has them, and no page shows them

export async function labelsOf(values: unknown, known: Record<string, string> = {}): Promise<Record<string, string>> {
  const labels = { ...known };
  const ids = new Set<string>();
  JSON.stringify(values, (key, v) => {
    if (NO_RECORD.includes(key)) return undefined;
    const id = typeof v === 'string' ? /^(?:\w+:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(v)?.[1] : undefined;
    if (id && !labels[id] && !staffNames[id]) ids.add(id);
    return v;
  });
  // A service item's missing materials are numbers of its matter's list.
  const matter = (values as { matter_id?: unknown } | null)?.matter_id;
  if (typeof matter === 'string') {
    await get<RecordRow>(`records/${matter}`).then(
      (r) => {
        labels[matter] = r.label;
        for (const m of (r.fields['materials'] as { no: number; name: string }[] | undefined) ?? []) labels[materialKey(m.no)] = m.name;
      },
      () => undefined,
    );
    ids.delete(matter);
  }
  await Promise.all(
    [...ids].slice(0, LABELS_MAX).map((id) =>
      get<RecordRow>(`records/${id}`).then(
        (r) => (labels[id] = r.label),
        () => undefined,
      ),
    ),
  );
  return labels;
}
