import { render } from 'preact';
import { lang, setLang } from '@common/i18n';
import '@common/style.css';
import './town.css';
import { App } from './app';
import { watchPrints } from './export';

setLang(lang());
watchPrints();
render(<App />, document.getElementById('page')!);
