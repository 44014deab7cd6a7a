import { render } from 'preact';
import { lang, setLang } from '@common/i18n';
import '@common/style.css';
import { App } from './app';
import { applySize } from './settings';

setLang(lang());
applySize();
render(<App />, document.getElementById('page')!);
