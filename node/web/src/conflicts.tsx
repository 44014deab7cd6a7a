// Two sides changed the same thing: who wrote what and when, and which is right.
import { useEffect, useState } from 'preact/hooks';
import { api, get, type RecordRow, type Sibling } from '@common/api';
import { codeText, fieldLabel, fieldOf, typeOf, valueText, type RecordType } from '@common/catalog';
import { shownValue } from '@common/fields';
import { label, t, timeText } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { labelsOf } from './labels';
import { maskId, useModel } from './model';

/** The versions of one group of fields: one is chosen, whatever becomes of the other groups. */
function groupsOf(siblings: Sibling[]): { group: string; versions: Sibling[] }[] {
  const out: { group: string; versions: Sibling[] }[] = [];
  for (const s of siblings) {
    const there = out.find((g) => g.group === s.group);
    if (there) there.versions.push(s);
    else out.push({ group: s.group, versions: [s] });
  }
  return out;
}

export function Conflicts(props: { type: RecordType; record: RecordRow; reload: () => void }) {
  const { catalog } = useModel();
  const [busy, setBusy] = useState(false);
  const siblings = props.record.conflicts ?? [];
  const unknown = siblings.some((s) => !s.values);
  // What the other side wrote is asked for once; it comes with the next contact, and with it this page's data.
  useEffect(() => {
    if (unknown) api('POST', `records/${props.record.id}/history`).then(() => setTimeout(props.reload, 3000), () => {});
  }, [props.record.id, unknown]);
  const labels = useData(() => labelsOf(siblings.map((s) => s.values)), [props.record.rev, unknown]).data ?? {};
  if (siblings.length === 0) return null;
  const words = (name: string, value: unknown): string => {
    const field = fieldOf(props.type, name);
    if (value === undefined || value === null || !field) return t('notFilled');
    if (field.format === 'idno' || field.name === 'bank_account') return maskId(String(value));
    if (field.name === 'state') return codeText(catalog, props.type.states, value);
    return shownValue(catalog, field, value) || valueText(catalog, field, value, labels) || t('notFilled');
  };
  /** Over a deletion the record is deleted, or kept with what was changed in it: both are acts, also where that is so already. */
  const send = (s: Sibling): Promise<unknown> => {
    const { id, rev, fields } = props.record;
    if (s.deletes) return api('DELETE', `records/${id}`, { reason: s.values?.['delete_reason'], rev });
    if (s.group === 'deleted') return api('POST', `records/${id}/undelete`, { rev });
    return api('PATCH', `records/${id}`, { fields: s.values, was: Object.fromEntries(Object.keys(s.values ?? {}).map((name) => [name, fields[name] ?? null])) });
  };
  const choose = (s: Sibling) => {
    setBusy(true);
    send(s)
      .then(
        () => toast(t('conflictChosen')),
        (e: Error) => toast(e.message),
      )
      .finally(() => {
        setBusy(false);
        props.reload();
      });
  };
  const said = (s: Sibling) => (
    <dl>
      {Object.entries(s.values ?? {}).map(([name, value]) => {
        const field = fieldOf(props.type, name);
        return field ? (
          <div key={name}>
            <dt>{fieldLabel(field)}</dt>
            <dd>{words(name, value)}</dd>
          </div>
        ) : null;
      })}
    </dl>
  );
  const act = (s: Sibling): string => {
    if (s.group !== 'deleted') return t(s.stands ? 'conflictKeep' : 'conflictTake');
    return t(s.deletes ? 'conflictDelete' : 'conflictStay');
  };
  return (
    <section class="card conflict">
      <h2>{t('conflictTitle')}</h2>
      <p>{t('conflictHelp')}</p>
      {groupsOf(siblings).map((g) => {
        const decided = !g.versions.some((s) => s.stands); // set anew here since; the town has not heard of it
        const waits = g.group !== 'deleted' && props.record.deleted;
        return (
          <div key={g.group}>
            {g.versions.map((s) => (
              <div class={`version ${s.stands ? 'stands' : ''}`} key={s.hlc}>
                <p>
                  {s.values && s.group === 'deleted' && <>{t(s.deletes ? 'conflictDeletes' : Object.keys(s.values).length > 0 ? 'conflictKeeps' : 'conflictKeepsOnly')} </>}
                  {s.values ? (
                    <>
                      <b>{s.user}</b> <span class="quiet">{s.at ? timeText(s.at) : ''}</span>
                    </>
                  ) : (
                    <span class="quiet">{t('conflictUnknown')}</span>
                  )}{' '}
                  {s.stands && <b>({t('conflictStands')})</b>}
                </p>
                {said(s)}
                {s.values && !decided && !waits && (
                  <Button kind={s.stands ? 'plain' : 'main'} disabled={busy} onClick={() => choose(s)}>
                    {act(s)}
                  </Button>
                )}
              </div>
            ))}
            {decided && <Note kind="info">{t('conflictChosen')}</Note>}
            {!decided && waits && <p class="quiet">{t('conflictDeleted')}</p>}
          </div>
        );
      })}
    </section>
  );
}

export function ConflictsPage() {
  const { catalog, status } = useModel();
  const rows = useData(() => get<{ records: RecordRow[] }>('conflicts'), [status?.conflicts, status?.cursor]);
  return (
    <>
      <h1>{t('conflictsTitle')}</h1>
      {!rows.data && <Waiting error={rows.error} reload={rows.reload} />}
      {rows.data?.records.length === 0 && <Note kind="good">{t('conflictsNone')}</Note>}
      <ul class="plain-list">
        {rows.data?.records.map((r) => (
          <li key={r.id}>
            <a href={`#/record/${r.id}`}>
              {label(typeOf(catalog, r.type))} {r.label}
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}
