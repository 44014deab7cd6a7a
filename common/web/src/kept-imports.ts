// What was imported, as this browser knows it: for a program that does not keep it (the town's).
import type { Batch, Imports, Made } from './import';

const KEPT = 5;
const BATCHES = 'lastmile.imports';
const UNDONE = 'lastmile.undone';

type Kept = Batch & { saved: Made[] };

function read<T>(key: string, none: T): T {
  try {
    return (JSON.parse(localStorage.getItem(key) ?? 'null') as T | null) ?? none;
  } catch {
    return none;
  }
}
function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    /* then it can be undone only while this page is open */
  }
}
const here: { batches?: Kept[] } = {};
const batches = (): Kept[] => here.batches ?? read<Kept[]>(BATCHES, []).filter((b) => !!b.id);

export const keptImports: Imports = {
  list: () => Promise.resolve(batches()),
  // The program knows of no imports, so it cannot say what an undo deleted and what a person did.
  undoneCode: (type) => (Object.keys(read<Record<string, number>>(UNDONE, {})).some((source) => source.startsWith(`${type}|`)) ? 'deleted' : ''),
  along: () => ({}),
  noted: (batch, made) => {
    const earlier = batches().find((b) => b.id === batch.id);
    const known = new Set(earlier?.saved.map((s) => s.id));
    const saved = [...(earlier?.saved ?? []), ...made.filter((m) => !known.has(m.id))];
    if (saved.length === 0) return;
    here.batches = [{ ...batch, rows: saved.length, saved }, ...batches().filter((b) => b.id !== batch.id)].slice(0, KEPT);
    keep(BATCHES, here.batches);
  },
  open: (batch) => Promise.resolve({ undoable: batches().find((b) => b.id === batch.id)?.saved ?? [], stays: [] }),
  undone: (batch) => {
    here.batches = batches().filter((b) => b.id !== batch.id);
    keep(BATCHES, here.batches);
    const often = read<Record<string, number>>(UNDONE, {});
    keep(UNDONE, { ...often, [batch.source]: (often[batch.source] ?? 0) + 1 });
    return Promise.resolve();
  },
};
