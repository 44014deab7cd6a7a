// The villages of this PC at one address: their names, how each stands, and the way into each. Where there is only one, straight to it.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { get } from '@common/api';
import { lang, setLang, t, timeText } from '@common/i18n';
import { applySize } from '@common/kept';
import { Note } from '@common/ui';
import '@common/style.css';
import '@common/marks.css';
import './front.css';
import { v } from './messages';

interface Village {
  mark: number;
  station: string;
  name: string;
  state: 'up' | 'starting' | 'silent' | 'down';
  text: string;
  text_en: string;
  port: number | null;
  pending: number | null;
  returned: number | null;
  conflicts: number | null;
  link: 'online' | 'offline' | 'refused' | null;
  last_contact: string | null;
}
const LOOK_MS = 2000;
const addressOf = (port: number) => `${location.protocol}//${location.hostname}:${port}/`;

function Standing(props: { of: Village }) {
  const { of } = props;
  if (of.state !== 'up') {
    return (
      <>
        <p class="alarm">
          <b>
            {of.state === 'starting' ? '…' : '✕'} {v(of.state)}
          </b>
        </p>
        <p>{lang() === 'en' ? of.text_en : of.text}</p>
      </>
    );
  }
  return (
    <>
      <p class={`line ${of.link ?? 'offline'}`}>
        <span class="dot" aria-hidden="true">
          {of.link === 'online' ? '●' : of.link === 'offline' ? '○' : '✕'}
        </span>{' '}
        {t(of.link ?? 'offline')} · {of.pending ? t('toSend', of.pending) : t('allSent')}
      </p>
      {!!of.returned && (
        <p class="alarm">
          <b>! {t('returnedItems', of.returned)}</b>
        </p>
      )}
      {!!of.conflicts && <p>{t('conflictItems', of.conflicts)}</p>}
      <p class="quiet">{of.last_contact ? t('lastContact', timeText(of.last_contact)) : t('neverContact')}</p>
    </>
  );
}

function Entry(props: { of: Village }) {
  const { of } = props;
  const inside = (
    <>
      <span class={`name mark-${of.mark}`}>
        <b>{of.name}</b>
        {of.port !== null && <span class="into">{v('open')} →</span>}
      </span>
      <span class="quiet code">{of.station}</span>
    </>
  );
  return (
    <li class={of.state === 'up' ? 'village-card' : 'village-card off'}>
      {of.port === null ? <div>{inside}</div> : <a href={addressOf(of.port)}>{inside}</a>}
      <Standing of={of} />
    </li>
  );
}

function Front() {
  const [villages, setVillages] = useState<Village[]>();
  const [gone, setGone] = useState(false);
  useEffect(() => {
    const look = () =>
      document.hidden ||
      get<{ villages: Village[] }>('villages').then(
        (found) => {
          const [only, other] = found.villages;
          if (only && !other && only.port !== null) location.replace(addressOf(only.port));
          setVillages(found.villages);
          setGone(false);
        },
        () => setGone(true),
      );
    void look();
    const timer = setInterval(look, LOOK_MS);
    document.addEventListener('visibilitychange', look);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, []);
  const other = lang() === 'zh' ? 'en' : 'zh';
  return (
    <>
      <header class="top">
        <strong>{t('appName')}</strong>
        <span class="spread" />
        <button type="button" class="button plain" lang={other === 'zh' ? 'zh-CN' : 'en'} onClick={() => (setLang(other), location.reload())}>
          {other === 'zh' ? '中文' : 'English'}
        </button>
      </header>
      <main class="front">
        <h1>{villages?.length === 0 ? v('none') : v('title')}</h1>
        {gone && <Note kind="bad">{v('gone')}</Note>}
        {!villages && !gone && <p class="quiet">{t('loading')}</p>}
        {villages && <p>{villages.length ? v('text') : v('noneText')}</p>}
        {villages && !gone && (
          <ul class="villages" aria-live="polite">
            {villages.map((of) => (
              <Entry of={of} key={of.mark} />
            ))}
          </ul>
        )}
      </main>
    </>
  );
}

setLang(lang());
applySize();
render(<Front />, document.getElementById('page')!);
