// The help, offline: of each page and each kind of record what it is for, the three things that one does there, what its words mean, and
// what to do when it does not work. "?" in the frame opens the one of the page that is open, over it, so that a form stays as it is; 帮助 in
// the menu lists all. The texts stay out of messages.ts, which the first page waits for.
import { useEffect, useState } from 'preact/hooks';
import { get, TRAINING, type RecordRow } from '@common/api';
import { typeOf, type Catalog } from '@common/catalog';
import { label, lang, t } from '@common/i18n';
import { Button, Dialog } from '@common/ui';
import { openGuide } from './guide';
import { PAGES, TYPES, type Help, type Pair } from './help-texts';
import { inMenu } from './menu';
import { useModel } from './model';

const say = (pair: Pair): string => pair[lang() === 'en' ? 1 : 0];
const WORDS = {
  what: ['这是做什么的', 'What it is for'],
  todo: ['在这里能做的三件事', 'The three things one does here'],
  words: ['这些词是什么意思', 'What the words mean'],
  fail: ['不行的时候', 'When it does not work'],
  about: ['“{0}”的帮助', 'Help: {0}'],
  all: ['全部帮助', 'All help'],
  pages: ['各个页面', 'Pages'],
  kinds: ['各种登记', 'Kinds of record'],
} as const satisfies Record<string, Pair>;

/** What the help is about: a page of the frame (app.tsx, Page), and of some the kind of record. */
export interface Topic {
  page: string;
  type: string;
}

const WITH_TYPE = ['list', 'new', 'import', 'print'];
/** They have a record's id in their address: of which kind it is is asked. */
const WITH_RECORD = ['record', 'edit', 'paper'];

export function topicOf(parts: string[]): Topic {
  const [page = '', a = ''] = parts;
  if (page === 'help') return { page: a, type: parts[2] ?? '' };
  return { page, type: WITH_TYPE.includes(page) ? a : page === 'batch' ? 'visit' : page === 'tally' ? 'consultation' : '' };
}

/** The texts of a topic, the nearest first. A page nobody wrote about has none: help.test holds the menu and the forms against that. */
export function helpOf(topic: Topic): { key: string; help: Help }[] {
  const found: { key: string; help: Help }[] = [];
  const type = TYPES[topic.type];
  const page = PAGES[topic.page];
  // A list, a card and a form are about their kind of record first; other pages are about themselves.
  if (type && ['list', 'new', 'edit', 'record'].includes(topic.page)) found.push({ key: topic.type, help: type });
  if (page) found.push({ key: topic.page, help: page });
  if (type && found.every((f) => f.key !== topic.type)) found.push({ key: topic.type, help: type });
  return found;
}

function titleOf(catalog: Catalog, key: string, help: Help): string {
  return help.name ? say(help.name) : label(typeOf(catalog, key), key);
}

/** page: it is a part of the page, not of the dialog, which has a heading of its own. */
function Text(props: { title: string; help: Help; page?: boolean }) {
  const { help } = props;
  const [Title, Head] = props.page ? (['h2', 'h3'] as const) : (['h3', 'h4'] as const);
  return (
    <section class="help">
      <Title>{props.title}</Title>
      <p>{say(help.what)}</p>
      <Head>{say(WORDS.todo)}</Head>
      <ol>
        {help.todo.map((p) => (
          <li key={p[0]}>{say(p)}</li>
        ))}
      </ol>
      <Head>{say(WORDS.words)}</Head>
      <ul>
        {help.words.map((p) => (
          <li key={p[0]}>{say(p)}</li>
        ))}
      </ul>
      <Head>{say(WORDS.fail)}</Head>
      <p>{say(help.fail)}</p>
    </section>
  );
}

function useTopic(parts: string[]): Topic {
  const topic = topicOf(parts);
  const id = WITH_RECORD.includes(parts[0] ?? '') ? (parts[1] ?? '') : '';
  const [type, setType] = useState('');
  useEffect(() => {
    if (!id) return;
    get<RecordRow>(`records/${id}`).then(
      (r) => setType(r.type),
      () => undefined, // then the page's own help is what there is
    );
  }, [id]);
  return id ? { ...topic, type } : topic;
}

/** Over the page that is open. */
export function HelpDialog(props: { parts: string[]; onClose: () => void }) {
  const { catalog } = useModel();
  const topic = useTopic(props.parts);
  const texts = helpOf(topic);
  return (
    <Dialog title={say(WORDS.about).replace('{0}', texts[0] ? titleOf(catalog, texts[0].key, texts[0].help) : t('help'))} onClose={props.onClose}>
      {texts.map(({ key, help }) => (
        <Text key={key} title={titleOf(catalog, key, help)} help={help} />
      ))}
      <div class="actions sticky">
        <Button kind="main" onClick={props.onClose}>
          {t('close')}
        </Button>
        <a class="button plain" href="#/help" onClick={props.onClose}>
          {say(WORDS.all)}
        </a>
      </div>
    </Dialog>
  );
}

export function HelpPage(props: { parts: string[] }) {
  const { catalog, session } = useModel();
  const asked = topicOf(props.parts);
  const texts = props.parts[1] === undefined ? [] : helpOf(asked);
  const kinds = catalog.types.filter((type) => inMenu(type) && TYPES[type.name]);
  return (
    <>
      <h1>{t('help')}</h1>
      {!TRAINING && (
        <div class="actions">
          <Button onClick={() => openGuide(session.user)}>{t('guideAgain')}</Button>
          <a class="button plain" href="/training/">
            {t('guideTry')}
          </a>
        </div>
      )}
      {texts.map(({ key, help }) => (
        <section class="card" key={key}>
          <Text title={titleOf(catalog, key, help)} help={help} page />
        </section>
      ))}
      {texts.length === 0 &&
        (['helpText1', 'helpText2', 'helpText3', 'helpText4', 'helpText5'] as const).map((key) => (
          <section class="card" key={key}>
            <p>{t(key)}</p>
          </section>
        ))}
      <section class="card">
        <h2>{say(WORDS.pages)}</h2>
        <div class="quick">
          {Object.entries(PAGES).map(([key, help]) => (
            <a class="button plain" key={key} href={`#/help/${key}`} aria-current={props.parts[1] === key && !props.parts[2] ? 'page' : undefined}>
              {titleOf(catalog, key, help)}
            </a>
          ))}
        </div>
      </section>
      <section class="card">
        <h2>{say(WORDS.kinds)}</h2>
        <div class="quick">
          {kinds.map((type) => (
            <a class="button plain" key={type.name} href={`#/help/list/${type.name}`} aria-current={props.parts[2] === type.name ? 'page' : undefined}>
              {label(type)}
            </a>
          ))}
        </div>
      </section>
    </>
  );
}
