// The worker of sheet.ts: is given one file, answers with its rows or the fault, and is ended.
import { tableOf, TableError } from './table';

addEventListener('message', (e: MessageEvent<Blob>) => {
  tableOf(e.data).then(
    (rows) => postMessage({ rows }),
    (why: unknown) => postMessage({ fault: why instanceof TableError ? why.fault : 'bad' }),
  );
});
