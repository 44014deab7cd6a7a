// Two sides changed the same thing: who wrote what and when, and which is right.
import { useEffect, useState } from 'preact/hooks';
import { api, get, type RecordRow, type Sibling } from '@common/api';
import { codeText, fieldLabel, fieldOf, typeOf, valueText, type RecordType } from '@common/catalog';
import { shownValue } from '@common/fields';
import { label, t, timeText } from '@common/i18n';
import { Button, Note, toast, useData, Waiting } from '@common/ui';
import { labelsOf } from './labels';
import { maskId, useModel } from './model';

/** The versions of one group of fields, together: each is chosen as a whole. */
function groupsOf(siblings: Sibling[]): { fields: string[]; versions: Sibling[] }[] {
  const out: { fields: string[]; versions: Sibling[] }[] = [];
  for (const s of siblings) {
    const there = out.find((g) => g.fields.some((f) => s.fields.includes(f)));
    if (there) {
      there.versions.push(s);
      there.fields = [...new Set([...there.fields, ...s.fields])];
    } else {
      out.push({ fields: s.fields, versions: [s] });
    }
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
  const choose = (s: Sibling) => {
    setBusy(true);
    const was = Object.fromEntries(Object.keys(s.values ?? {}).map((name) => [name, props.record.fields[name] ?? null]));
    api('PATCH', `records/${props.record.id}`, { fields: s.values, was })
      .then(
        () => toast(t('conflictChosen')),
        (e: Error) => toast(e.message),
      )
      .finally(() => {
        setBusy(false);
        props.reload();
      });
  };
  return (
    <section class="card conflict">
      <h2>{t('conflictTitle')}</h2>
      <p>{t('conflictHelp')}</p>
      {groupsOf(siblings).map((g) => (
        <div key={g.fields.join()}>
          {g.versions.map((s) => (
            <div class={`version ${s.stands ? 'stands' : ''}`} key={s.hlc}>
              <p>
                {s.values ? (
                  <>
                    <b>{s.user}</b> <span class="quiet">{s.at ? timeText(s.at) : ''}</span>
                  </>
                ) : (
                  <span class="quiet">{t('conflictUnknown')}</span>
                )}{' '}
                {s.stands && <b>({t('conflictStands')})</b>}
              </p>
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
              {s.values && (
                <Button kind={s.stands ? 'plain' : 'main'} disabled={busy} onClick={() => choose(s)}>
                  {s.stands ? t('conflictKeep') : t('conflictTake')}
                </Button>
              )}
            </div>
          ))}
        </div>
      ))}
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
