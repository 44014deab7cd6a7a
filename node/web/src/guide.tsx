// The first days of a new station, step by step, over the pages where each is done. It begins by itself at the first login while nobody
// is registered, can be left at any step, and opened again from the help.
import { useEffect, useState } from 'preact/hooks';
import { get, TRAINING } from '@common/api';
import { t } from '@common/i18n';
import type { MessageKey } from '@common/messages';
import { Button, useData } from '@common/ui';
import { go, useModel } from './model';

const STEPS: { text: MessageKey; at: string; done?: string }[] = [
  { text: 'guide1', at: '/' },
  { text: 'guide2', at: '/settings' },
  { text: 'guide3', at: '/settings' },
  { text: 'guide4', at: '/import/person', done: 'person' },
  { text: 'guide5', at: '/new/visit', done: 'visit' },
  { text: 'guide6', at: '/pending' },
];
const OVER = 'over';

/** Where this account stands: the number of a step, OVER, or null before the first time. Of this browser; without storage, of this visit. */
const here: Record<string, string> = {};
function kept(user: string): string | null {
  try {
    return localStorage.getItem(`lastmile.guide.${user}`) ?? here[user] ?? null;
  } catch {
    return here[user] ?? null;
  }
}
let tell: (step: string) => void = () => undefined;
function keep(user: string, step: string): void {
  here[user] = step;
  try {
    localStorage.setItem(`lastmile.guide.${user}`, step);
  } catch {
    /* of this visit */
  }
  tell(step);
}

/** From the beginning. */
export function openGuide(user: string): void {
  keep(user, '0');
  go(STEPS[0]!.at);
}

export function Guide() {
  const { session, status } = useModel();
  const [step, set] = useState(() => (TRAINING ? OVER : kept(session.user)));
  useEffect(() => {
    tell = set;
    return () => {
      tell = () => undefined;
    };
  }, []);
  useEffect(() => {
    if (step !== null) return;
    get<{ total: number }>('types/person/records?limit=1').then(
      (page) => keep(session.user, page.total === 0 ? '0' : OVER),
      () => undefined,
    );
  }, [step]);
  const at = step === null || step === OVER ? -1 : Number(step);
  const now = STEPS[at];
  const made = useData(async () => (now?.done ? (await get<{ total: number }>(`types/${now.done}/records?limit=1`)).total : 0), [at, status?.pending, status?.cursor]);
  if (!now) return null;
  const move = (to: number) => {
    keep(session.user, to < STEPS.length ? String(to) : OVER);
    go(to < STEPS.length ? STEPS[to]!.at : '/');
  };
  return (
    <section class="guide no-print" aria-label={t('guide')}>
      <p aria-live="polite">
        <b>{t('guideStep', at + 1, STEPS.length)}</b> {t(now.text)}
        {now.done && !!made.data && <b class="tag good">✓ {t('guideDone', made.data)}</b>}
      </p>
      <div>
        {at > 0 && <Button onClick={() => move(at - 1)}>{t('guideBack')}</Button>}
        <Button kind="main" onClick={() => move(at + 1)}>
          {at + 1 < STEPS.length ? t('guideNext') : t('guideEnd')}
        </Button>
        {location.hash.slice(1).split('?')[0] !== now.at && at > 0 && <Button onClick={() => go(now.at)}>{t('guideThere')}</Button>}
        {at === 0 && (
          <a class="button plain" href="/training/">
            {t('guideTry')}
          </a>
        )}
        {at + 1 < STEPS.length && <Button onClick={() => keep(session.user, OVER)}>{t('guideSkip')}</Button>}
      </div>
    </section>
  );
}
