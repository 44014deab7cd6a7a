// Addresses from which Excel or WPS refreshes figures (administrator): made, with when each was last used, revoked.
//
// An address opens without a login, so it is shown once, to who makes it, and never again.
import { useState } from 'preact/hooks';
import { api, get } from '@common/api';
import { timeText } from '@common/i18n';
import { Button, Dialog, enterGoesOn, Note, toast, useData, Waiting } from '@common/ui';
import { w } from './messages';
import { Sure } from './station_accounts';
import { Text } from './text';

interface Token {
  name: string;
  user: string;
  made: string;
  last_used: string | null;
}
interface Made {
  name: string;
  path: string;
}

/** A text to be copied: chosen whole as soon as it is entered, for there is no clipboard without TLS. */
function Copied(props: { id: string; text: string; value: string }) {
  return (
    <div class="field">
      <label for={props.id}>{props.text}</label>
      <input id={props.id} type="text" readOnly value={props.value} onFocus={(e) => (e.target as HTMLInputElement).select()} />
    </div>
  );
}

function Told(props: { made: Made; onClose: () => void }) {
  const address = (file: string) => `${window.location.origin}${props.made.path}/${file}?by=village`;
  return (
    <Dialog title={w('tokenOf', props.made.name)} onClose={props.onClose}>
      <Note kind="info">{w('tokenOnce')}</Note>
      <Copied id="token-xlsx" text={w('tokenXlsx')} value={address('counts.xlsx')} />
      <Copied id="token-csv" text={w('tokenCsv')} value={address('counts.csv')} />
      <p class="quiet">{w('tokenHow')}</p>
      <div class="actions">
        <Button kind="main" onClick={props.onClose}>
          {w('tokenNoted')}
        </Button>
      </div>
    </Dialog>
  );
}

export function Tokens() {
  const list = useData(() => get<{ tokens: Token[]; max: number }>('tokens'), []);
  const [name, setName] = useState('');
  const [error, setError] = useState('');
  const [made, setMade] = useState<Made | null>(null);
  const [revoked, setRevoked] = useState<string | null>(null);
  if (!list.data) return <Waiting error={list.error} reload={list.reload} />;
  const { tokens, max } = list.data;
  const make = (e: Event) => {
    e.preventDefault();
    setError('');
    api<Made>('POST', 'tokens', { name: name.trim() }).then(
      (answer) => {
        setMade(answer);
        setName('');
        list.reload();
      },
      (why: Error) => setError(why.message),
    );
  };
  return (
    <section>
      <h2>{w('tokens')}</h2>
      <p class="quiet">{w('tokensText', max)}</p>
      {tokens.length === 0 && <p>{w('tokensNone')}</p>}
      {tokens.length > 0 && (
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">{w('tokenFor')}</th>
                <th scope="col">{w('tokenMadeBy')}</th>
                <th scope="col">{w('tokenUsed')}</th>
                <td />
              </tr>
            </thead>
            <tbody>
              {tokens.map((one) => (
                <tr key={one.name}>
                  <th scope="row">{one.name}</th>
                  <td>
                    {one.user} <span class="quiet">{timeText(one.made)}</span>
                  </td>
                  <td>{one.last_used ? timeText(one.last_used) : w('tokenUnused')}</td>
                  <td>
                    <Button onClick={() => setRevoked(one.name)}>{w('tokenRevoke')}</Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <section class="card no-print">
        <h3>{w('tokenNew')}</h3>
        <form class="form" onSubmit={make} onKeyDown={enterGoesOn}>
          <Text id="token-name" text={w('tokenFor')} hint={w('tokenForHint')} value={name} onInput={setName} />
          {error && <Note kind="bad">{error}</Note>}
          <div class="actions">
            <Button kind="main" type="submit" disabled={!name.trim()}>
              {w('make')}
            </Button>
          </div>
        </form>
      </section>
      {made && <Told made={made} onClose={() => setMade(null)} />}
      {revoked && (
        <Sure
          title={w('tokenRevoke')}
          text={w('tokenSure', revoked)}
          go={w('tokenRevoke')}
          onClose={() => setRevoked(null)}
          onDone={() =>
            api('DELETE', `tokens/${encodeURIComponent(revoked)}`).then(() => {
              toast(w('changed'));
              setRevoked(null);
              list.reload();
            })
          }
        />
      )}
    </section>
  );
}
