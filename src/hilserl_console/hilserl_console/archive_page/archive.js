// Finished runs: episodes with their images and labels, and runs side by side.
import { showCurves } from './curves.js';

const byId = id => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};
const percent = share => `${Math.round(100 * share)} %`;
const rate = ({ part, whole, low, high }) => (whole
  ? `${part} of ${whole} (${percent(part / whole)}; 95 %: ${percent(low)} to ${percent(high)})` : '–');
let runs = [], at = null, timer = null; // at: [run, episode] that is shown

const episode = () => runs[at[0]].episodes[at[1]];
const url = (run, number, step) => `image/${run}/${number}/${step}`;

function table() {
  const row = (name, values) => make('tr', {}, make('th', { textContent: name, scope: 'row' }),
    ...values.map(value => (value instanceof Node ? make('td', {}, value) : make('td', { textContent: value }))));
  const rows = [
    row('episodes', runs.map(run => `${run.episodes.length} in ${run.minutes} min`)),
    row('alone, last 20', runs.map(run => rate(run.alone))),
    row('evaluations', runs.map(run => make('div', {}, ...run.evaluations.map(each => make('p', {
      textContent: `${each.world}, seed ${each.seed}: ${each.summary}`,
    }))))),
    row('state', runs.map(run => (run.in_use ? 'in use: labels go to its learner' : 'finished'))),
    row('report', runs.map((run, i) => (run.report
      ? make('a', { href: `report/${i}`, textContent: 'report', target: '_blank' }) : `./cell report ${run.name}`))),
  ];
  const names = new Set(runs.flatMap(run => Object.keys(run.settings)));
  for (const name of runs.length > 1 ? names : []) {
    const values = runs.map(run => run.settings[name] ?? '–');
    if (new Set(values).size > 1) rows.push(row(name, values));
  }
  const head = make('tr', {}, make('th'), ...runs.map(run => make('th', { textContent: run.name, scope: 'col' })));
  const notes = runs.flatMap(run => run.notes).map(textContent => make('p', { className: 'bad', textContent }));
  byId('compare').replaceChildren(make('div', { className: 'wide' }, make('table', {}, head, ...rows)), ...notes);
}

function card(run, number) {
  const each = runs[run].episodes[number];
  const good = { success: 'good', failure: 'bad', timeout: 'bad' }[each.outcome] ?? 'dim';
  const button = make('button', { className: 'episode' },
    make('img', { src: url(run, number, Math.max(0, each.images - 1)), alt: '', loading: 'lazy' }),
    make('b', { textContent: `${number + 1} ${each.outcome}`, className: good }),
    make('span', { textContent: `${each.seconds} s, ${each.human ? `${percent(each.human / each.steps)} human` : 'alone'}` }));
  button.dataset.at = `${run}/${number}`;
  button.addEventListener('click', () => choose(run, number));
  return button;
}

function list() {
  byId('episodes').replaceChildren(...runs.flatMap((run, i) => [
    make('h2', { textContent: run.name }),
    make('div', { className: 'grid' }, ...run.episodes.map((_, number) => card(i, number))),
  ]));
}

function mark() {
  for (const each of document.querySelectorAll('.episode')) {
    each.setAttribute('aria-current', String(at !== null && each.dataset.at === at.join('/')));
  }
}

function choose(run, number) {
  at = [run, number];
  byId('film').hidden = false;
  byId('slider').max = episode().images - 1;
  byId('slider').value = 0;
  const canvas = byId('drivers'), context = canvas.getContext('2d'), { sources } = episode();
  const colours = getComputedStyle(document.documentElement);
  [...sources].forEach((source, i) => {
    context.fillStyle = colours.getPropertyValue(source === '2' ? '--human' : '--line');
    context.fillRect((i * canvas.width) / sources.length, 0, canvas.width / sources.length + 1, canvas.height);
  });
  mark();
  show();
}

function show() {
  const each = episode(), step = Number(byId('slider').value);
  byId('picture').src = url(at[0], at[1], step);
  byId('picture').alt = `episode ${at[1] + 1}, step ${step}`;
  const who = { 1: 'policy', 2: 'human' }[each.sources[step]] ?? 'end';
  byId('what').textContent = `${runs[at[0]].name}, episode ${at[1] + 1} of ${runs[at[0]].episodes.length}: ` +
    `${each.outcome}; step ${step} of ${each.images - 1}, ${who}; ${each.bag}`;
}

async function label(outcome) {
  if (at === null) return;
  const step = outcome === 'success' ? Number(byId('slider').value) : null;
  const answer = await fetch('label', {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ run: at[0], episode: at[1], outcome, at: step }),
  });
  const found = await answer.json();
  byId('said').textContent = answer.ok
    ? `episode ${at[1] + 1}: ${outcome}; the label is beside its bag${found.in_use ? ', and the learner knows it' : ''}`
    : found.error;
  byId('said').className = answer.ok ? 'good' : 'bad';
  if (!answer.ok) return;
  runs[at[0]] = found;
  table();
  showCurves(byId('curves'), runs);
  document.querySelector(`[data-at="${at.join('/')}"]`).replaceWith(card(...at));
  const [run, number] = at;
  choose(run, number);
}

function play() {
  if (timer) { clearInterval(timer); timer = null; } else {
    const slider = byId('slider');
    if (slider.value === slider.max) slider.value = 0;
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (slider.value === slider.max) play();
    }, 100);
  }
  byId('play').textContent = timer ? 'pause' : 'play';
}

byId('slider').addEventListener('input', show);
byId('play').addEventListener('click', play);
for (const button of document.querySelectorAll('[data-outcome]')) {
  button.addEventListener('click', () => label(button.dataset.outcome));
}
document.addEventListener('click', event => { if (event.detail) event.target.closest?.('button')?.blur(); });
document.addEventListener('keydown', event => {
  if (at === null || event.ctrlKey || event.altKey || event.metaKey) return;
  const outcome = { s: 'success', f: 'failure', d: 'discarded' }[event.key];
  const turn = { ArrowUp: -1, ArrowDown: 1 }[event.key], slide = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (outcome && !event.repeat) label(outcome);
  else if (event.key === ' ' && !event.target.closest?.('button')) play();
  else if (turn && runs[at[0]].episodes[at[1] + turn]) choose(at[0], at[1] + turn);
  else if (slide && event.target !== byId('slider')) { byId('slider').value = Number(byId('slider').value) + slide; show(); } else return;
  event.preventDefault();
});

async function read() {
  const found = await (await fetch('runs.json')).json();
  const same = JSON.stringify(found) === JSON.stringify(runs);
  runs = found;
  if (same) return;
  byId('title').textContent = runs.map(run => run.name).join(', ');
  table();
  showCurves(byId('curves'), runs);
  list();
  mark();
}

window.addEventListener('focus', read); // a run in use has new episodes
await read();
