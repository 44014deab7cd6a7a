// The worker of sheet.ts: is given one file, answers with its table or the fault, and is ended.
import { tableOf, TableError } from './table';

addEventListener('message', (e: MessageEvent<Blob>) => {
  tableOf(e.data).then(
    (table) => postMessage({ table }),
    (why: unknown) => postMessage({ fault: why instanceof TableError ? why.fault : 'bad' }),
  );
});
