// Where a record stands in its life cycle, what comes next and who does it. The way is the catalogue's: from the state that a new
// record has, always the first transition that the village or the town makes.
import type { RecordRow } from '@common/api';
import { stateText, type RecordType } from '@common/catalog';
import { t } from '@common/i18n';
import { useModel } from './model';

/** Ends other than the ordinary one, and ways back. */
const ASIDE = ['draft', 'returned', 'withdrawn', 'cancelled', 'merged', 'rejected', 'not_accepted', 'transferred'];
/** On the way of some only. */
const DETOURS = ['tolerant', 'extended', 'review', 'recheck', 'final'];

type Who = 'village' | 'town';
export interface Step {
  state: string;
  who: Who;
}

/** The ordinary way, each step with who makes it. */
export function way(type: RecordType): Step[] {
  const steps: Step[] = [];
  for (let at: string | null = null; ; ) {
    const next: RecordType['transitions'][number] | undefined =
      at === null
        ? type.transitions.find((x) => x.from === null && x.to === type.default_state)
        : type.transitions.find((x) => x.from === at && (x.village || x.town) && !ASIDE.includes(x.to) && !DETOURS.includes(x.to) && !steps.some((s) => s.state === x.to));
    if (!next) return steps;
    steps.push({ state: next.to, who: next.village ? 'village' : 'town' });
    at = next.to;
  }
}

/** What can be done with it now. That the town can go a step back, or reopen what ended aside, is no step that is waited for. */
function choices(type: RecordType, steps: Step[], state: string): { mine: string[]; towns: string[] } {
  const from = type.transitions.filter((x) => x.from === state && x.to !== 'draft' && x.to !== 'returned');
  const at = (code: string) => steps.findIndex((s) => s.state === code);
  const back = (to: string) => (at(to) >= 0 && at(to) < at(state)) || (ASIDE.includes(state) && type.transitions.some((x) => x.from === to && x.to === state));
  return {
    mine: from.filter((x) => x.village).map((x) => x.to),
    towns: from.filter((x) => x.town && !x.village && !ASIDE.includes(x.to) && !back(x.to)).map((x) => x.to),
  };
}

export function Steps(props: { type: RecordType; record: RecordRow }) {
  const { catalog } = useModel();
  const { type, record } = props;
  const state = record.state ?? '';
  const steps = way(type);
  if (!state || steps.length === 0) return null;
  const text = (code: string) => stateText(catalog, type, code);
  const { mine, towns } = choices(type, steps, state);
  // A detour stands behind the state that it is reached from; what was sent back stands at its beginning.
  if (DETOURS.includes(state)) {
    const after = steps.findIndex((s) => type.transitions.some((x) => x.from === s.state && x.to === state));
    steps.splice(after + 1, 0, { state, who: type.transitions.some((x) => x.to === state && x.village) ? 'village' : 'town' });
  }
  const at = steps.findIndex((s) => s.state === state);
  const forward = mine.filter((to) => !['withdrawn', 'cancelled'].includes(to));
  const sentence =
    state === 'returned'
      ? t('stepReturned')
      : forward.length > 0
        ? t('stepMine', forward.map(text).join(t('stepOr')))
        : towns.length > 0
          ? t(record.pending ? 'stepTownLater' : 'stepTown', towns.slice(0, 2).map(text).join(t('stepOr')))
          : t('stepOver');
  return (
    <div class="steps">
      <ol aria-label={t('steps')}>
        {at < 0 && (
          <li class="now" aria-current="step">
            <b>{text(state)}</b>
          </li>
        )}
        {steps.map((s, i) => (
          <li key={s.state} class={i < at ? 'past' : i === at ? 'now' : 'coming'} aria-current={i === at ? 'step' : undefined}>
            {i === at ? <b>{text(s.state)}</b> : <span>{text(s.state)}</span>}
            <small>{i < at ? `✓ ${t(s.who === 'village' ? 'whoHere' : 'whoTown')}` : t(s.who === 'village' ? 'whoHere' : 'whoTown')}</small>
          </li>
        ))}
      </ol>
      <p>
        <b>{sentence}</b>
      </p>
      {type.kept && state !== 'returned' && mine.length > 0 && (
        <div>
          {mine.map((to) => (
            <a key={to} class={`button ${ASIDE.includes(to) ? 'plain' : 'main'}`} href={`#/edit/${record.id}?to=${to}`}>
              {ASIDE.includes(to) ? text(to) : t('stepDo', text(to))}
            </a>
          ))}
        </div>
      )}
    </div>
  );
}
