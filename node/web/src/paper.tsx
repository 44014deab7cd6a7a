// The one-time notice of materials (一次性告知单) of a service item, for one sheet of A4: what is to be brought, what may come later and by
// when, what happens then, and who said it to whom.
import { get, type RecordRow } from '@common/api';
import { codeText, fieldOf, typeOf, valueText } from '@common/catalog';
import { type Material } from '@common/fields';
import { lang, t } from '@common/i18n';
import { timeHere } from '@common/time';
import { Button, useData, Waiting } from '@common/ui';
import { maskId, useModel } from './model';

export function PaperPage(props: { id: string }) {
  const { catalog, session } = useModel();
  const data = useData(async () => {
    const item = await get<RecordRow>(`records/${props.id}`);
    const [matter, person, stations] = await Promise.all([
      get<RecordRow>(`records/${String(item.fields['matter_id'])}`),
      get<RecordRow>(`records/${String(item.fields['person_id'])}`),
      get<{ records: RecordRow[] }>(`types/station/records?f.area_code=${session.station}&limit=1`).catch(() => ({ records: [] })),
    ]);
    return { item, matter, person, phone: String(stations.records[0]?.fields['phone'] ?? '') };
  }, [props.id]);
  const type = typeOf(catalog, 'service_item');
  if (!data.data || !type) return <Waiting error={data.error} reload={data.reload} />;
  const { item, matter, person, phone } = data.data;
  const materials = (matter.fields['materials'] as Material[] | undefined) ?? [];
  const missing = (item.fields['missing_materials'] as number[] | undefined) ?? [];
  const forms = fieldOf(typeOf(catalog, 'matter')!, 'materials')?.members?.find((m) => m.name === 'form')?.codes;
  const text = (of: RecordRow, name: string): string => String(of.fields[name] ?? '');
  const shown = (name: string): string => valueText(catalog, fieldOf(type, name)!, item.fields[name]);
  const when = timeHere(text(item, 'notice_given_at'));
  const sep = lang() === 'zh' ? '、' : ', ';
  return (
    <>
      <div class="actions no-print">
        <Button kind="main" onClick={() => window.print()}>
          {t('print')}
        </Button>
        <Button onClick={() => history.back()}>{t('back')}</Button>
      </div>
      <article class="sheet paper">
        <h1>{t('paperTitle')}</h1>
        <p class="quiet">
          {session.station_name} · {t('paperGiven', when)}
        </p>
        <dl class="values">
          <div>
            <dt>{t('paperWho')}</dt>
            <dd>{text(person, 'name')}</dd>
          </div>
          <div>
            <dt>{t('paperId')}</dt>
            <dd>{maskId(text(person, 'id_no'))}</dd>
          </div>
          <div>
            <dt>{t('paperWhat')}</dt>
            <dd>{text(matter, 'name')}</dd>
          </div>
          <div>
            <dt>{t('paperHow')}</dt>
            <dd>
              {shown('mode')} {shown('place')}
            </dd>
          </div>
          {text(matter, 'limit_days') && (
            <div>
              <dt>{t('paperLimit')}</dt>
              <dd>{t('paperDays', text(matter, 'limit_days'))}</dd>
            </div>
          )}
          {text(matter, 'legal_basis_text') && (
            <div>
              <dt>{t('paperBasis')}</dt>
              <dd>{text(matter, 'legal_basis_text')}</dd>
            </div>
          )}
        </dl>
        <h2>{t('paperMaterials')}</h2>
        <table>
          <thead>
            <tr>
              {[t('number'), t('paperMaterial'), t('paperForm'), t('paperCount'), t('paperState')].map((h) => (
                <th key={h} scope="col">
                  {h}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {materials.map((m) => (
              <tr key={m.no}>
                <td>{m.no}</td>
                <td>{m.name}</td>
                <td>{codeText(catalog, forms, m.form)}</td>
                <td>{m.count}</td>
                <td>{missing.includes(m.no) ? <b>{t('paperMissing')}</b> : m.may_be_late ? t('paperMayBeLate') : ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {missing.length > 0 && (
          <p>
            <b>{t('paperLacks', missing.map((no) => materials.find((m) => m.no === no)?.name ?? `#${no}`).join(sep), shown('missing_due') || t('notFilled'))}</b>
          </p>
        )}
        <h2>{t('paperSteps')}</h2>
        <p>{text(matter, 'steps')}</p>
        <p>{t('paperSaid')}</p>
        <p class="signs">
          <span>{t('paperSigner')}</span>
          <span>{t('paperTaker')}</span>
          <span>{t('paperDate')}</span>
        </p>
        {phone && <p>{t('paperPhone', phone)}</p>}
      </article>
    </>
  );
}
