import { hydrate, render } from 'preact';
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

const page = document.getElementById('page')!;
const early = window.lastmileEarly;
if (early?.drawn) {
  // What is there stays there, with what was typed, the cursor and an input method at work; what was pressed meanwhile is done now.
  hydrate(<App />, page);
  early.drawn = false;
  if (early.pressed?.isConnected) early.pressed.click();
} else {
  render(<App />, page);
}
