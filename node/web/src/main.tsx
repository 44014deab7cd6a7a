import { render } from 'preact';
import { TRAINING } from '@common/api';
import { lang, setLang, t } from '@common/i18n';
import { applySize } from '@common/kept';
import '@common/style.css';
import '@common/marks.css';
import { App } from './app';

setLang(lang());
if (TRAINING) {
  document.body.className = 'training';
  document.title = `【${t('trainingMark')}】${document.title}`;
}
applySize();
render(<App />, document.getElementById('page')!);
