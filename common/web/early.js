// Runs before anything of the page is drawn, while the program's own script is not even asked for. It takes what the program wrote into the
// document (common/assets.h), asks for what is too large for that, and draws of the first page what a person uses at once: on a slow PC the
// script needs its time, and what is typed, focused or pressed meanwhile is there when it takes the page over (main.tsx hydrates what is drawn
// here: each element and attribute is as the components would make it). WORDS is replaced when the page is built.
(function () {
  var here = document.currentScript;
  var block = document.getElementById('first');
  var first = block ? JSON.parse(block.textContent) : {};
  var early = (window.lastmileEarly = { came: first, asked: {}, pressed: null, drawn: false, started: false });
  var cookie = function (name) {
    return (new RegExp('(?:^|; )lm_look_' + name + '=(\\w+)').exec(document.cookie) || [])[1];
  };
  var size = cookie('size');
  if (size === '20' || size === '24') document.documentElement.style.fontSize = size + 'px';

  var start = function () {
    if (early.started) return;
    early.started = true;
    var script = document.createElement('script');
    script.type = 'module';
    script.src = here.dataset.main;
    document.head.append(script);
  };
  var ask = function () {
    var base = location.pathname.startsWith('/training/') ? '/training/api/v1/' : '/api/v1/';
    here.dataset.early.split(' ').forEach(function (path) {
      early.asked[path] = fetch(base + path, { credentials: 'same-origin' });
      early.asked[path].catch(function () {}); // who takes it hears of it
    });
  };
  var session = first.session;
  var inside = session && !session.locked && !session.must_change;
  if (here.dataset.shell !== 'home' || !inside || location.pathname !== '/' || !/^#?\/?$/.test(location.hash)) {
    start();
    if (session) ask();
    return;
  }

  var words = /*WORDS*/ {};
  var say = function (key) {
    return words[key][cookie('language') === 'en' ? 1 : 0];
  };
  if (cookie('language') === 'en') document.documentElement.lang = 'en';
  /** An element: its name, attributes, and what is in it: text or more elements. */
  var make = function (name, attributes, inner) {
    var made = document.createElement(name);
    for (var key in attributes) made.setAttribute(key, attributes[key]);
    if (inner) made.append.apply(made, [].concat(inner));
    return made;
  };
  var button = function (kind, text) {
    return make('button', { type: 'button', class: 'button ' + kind }, text);
  };
  var front = session.front;
  var box = make('input', { id: 'search', type: 'search', placeholder: say('searchHint'), autocomplete: 'off' });
  var form = make('form', { role: 'search' }, [make('label', { for: 'search' }, say('search')), box, button('main', say('newPerson'))]);
  var drawn = [
    make('a', { class: 'skip', href: '#content' }, '↓'),
    front &&
      make('div', { class: 'village mark-' + front.mark, role: 'region', 'aria-label': say('thisVillage') }, [
        make('b', {}, session.station_name),
        make('span', { class: 'spread' }),
        make('a', { href: location.protocol + '//' + location.hostname + ':' + front.port + '/' }, say('otherVillages')),
      ]),
    make(
      'header',
      { class: 'top' },
      [
        make('button', { class: 'burger', type: 'button', 'aria-expanded': 'false', 'aria-label': say('appName') }, '☰'),
        !front && make('strong', {}, session.station_name),
        make('span', { class: 'spread' }),
        make('span', { class: 'quiet' }, session.shown),
        button('plain', '? ' + say('help')),
        button('plain', say('lock')),
        button('plain', say('logout')),
      ].filter(Boolean),
    ),
    make('div', { class: 'frame' }, [
      make('nav', { class: 'menu', 'aria-label': say('appName') }),
      make('main', { id: 'content', tabindex: '-1' }, [make('h1', { class: 'hidden' }, say('home')), make('section', { class: 'search' }, [form, make('div', { 'aria-live': 'polite' })])]),
    ]),
  ].filter(Boolean);
  var page = document.getElementById('page');
  page.append.apply(page, drawn);
  early.drawn = true;
  form.addEventListener('submit', function (e) {
    e.preventDefault(); // the script says what it opens
  });
  page.addEventListener('click', function (e) {
    if (early.drawn) early.pressed = e.target.closest('button');
  });
  box.focus();
  // Compiling the script waits until this is to be seen; a window in the background draws nothing, and must be ready when it is looked at.
  requestAnimationFrame(function () {
    setTimeout(start);
  });
  setTimeout(start, 200);
  ask();
})();
