// One notice to all that names those who have not done something: a notice goes to every village.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { api } from '@common/api';
import { t } from '@common/i18n';
import { Button, Dialog, Note, toast } from '@common/ui';
import { today } from './model';
import { w } from './messages';

/** children: what the clerk chooses above the text. notice: what of the notice is not its text. */
export function Remind(props: { title: string; body: string; onBody: (body: string) => void; notice: () => { title: string; state?: string }; onClose: () => void; children?: ComponentChildren }) {
  const [error, setError] = useState('');
  const send = (e: Event) => {
    e.preventDefault();
    const fields = { ...props.notice(), body: props.body, published_on: today(), need_receipt: false };
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
        <label for="remind-body">{w('remindText')}</label>
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
