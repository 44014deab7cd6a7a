// Asks for what every page of the program begins with while the program's own script is still on its way and being compiled. data-early of
// this script's element names the paths; src/api.ts takes the answers.
(function () {
  if (window.lastmileEarly) return; // that script was faster, and asks itself
  var base = location.pathname.startsWith('/training/') ? '/training/api/v1/' : '/api/v1/';
  var asked = {};
  document.currentScript.dataset.early.split(' ').forEach(function (path) {
    asked[path] = fetch(base + path, { credentials: 'same-origin' });
    asked[path].catch(function () {}); // who takes it hears of it
  });
  window.lastmileEarly = asked;
})();
