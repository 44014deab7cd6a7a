// One notice to those who have not done something, which names them.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { api } from '@common/api';
import { t } from '@common/i18n';
import { Button, Dialog, Note, toast } from '@common/ui';
import { today } from './model';
import { w } from './messages';

const MOST = 400; // villages that one notice names: to more of them it goes to all

/** children: what the clerk chooses above the text. notice: what of the notice is not its text. to: the villages that it is for. */
export function Remind(props: { title: string; to: string[]; body: string; onBody: (body: string) => void; notice: () => { title: string; state?: string }; onClose: () => void; children?: ComponentChildren }) {
  const [error, setError] = useState('');
  const send = (e: Event) => {
    e.preventDefault();
    const fields = { ...props.notice(), body: props.body, published_on: today(), need_receipt: false, ...(props.to.length <= MOST && { stations: [...props.to].sort() }) };
    api('POST', 'types/notice/records', { fields }).then(
      () => {
        toast(w('reminded'));
        props.onClose();
      },
      (why: Error) => setError(why.message),
    );
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form onSubmit={send}>
        {props.children}
        <label for="remind-body">{props.to.length <= MOST ? w('remindText', props.to.length) : w('remindAll')}</label>
        <textarea id="remind-body" rows={6} maxLength={4000} value={props.body} onInput={(e) => props.onBody((e.target as HTMLTextAreaElement).value)} />
        {error && <Note kind="bad">{error}</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={props.body.trim().length < 2}>
            {w('remindSend')}
          </Button>
          <Button onClick={props.onClose}>{t('cancel')}</Button>
        </div>
      </form>
    </Dialog>
  );
}
