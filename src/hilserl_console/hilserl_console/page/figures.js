// Head, tiles, warnings, keys and trends of a running cell.
const byId = id => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};
const percent = share => (share === null || share === undefined ? '–' : `${Math.round(100 * share)} %`);
const duration = seconds => (seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`);

export function showKeys(keys, press) {
  byId('buttons').replaceChildren(...keys.map(each => {
    const label = each.short || each.text;
    const button = make('button', { title: each.text, className: each.stop ? 'stopping' : '' });
    button.setAttribute('aria-label', each.text);
    if (each.name) {
      button.append(make('kbd', { textContent: each.name }));
      button.setAttribute('aria-keyshortcuts', each.key === ' ' ? 'Space' : each.key);
    }
    button.append(label);
    button.addEventListener('click', () => press(each.key));
    return button;
  }));
}

let mainKeys = '';
function showMain(state, keys, press) {
  const wanted = (state.main ?? []).join('');
  if (wanted === mainKeys) return; // a new button would lose the focus
  mainKeys = wanted;
  byId('main').replaceChildren(...(state.main ?? []).map(key => {
    const each = keys.find(one => one.key === key);
    const button = make('button', { textContent: labelOf(state, each) }, make('small', { textContent: each.name }));
    button.addEventListener('click', () => press(key));
    return button;
  }));
}
const labelOf = (state, each) => (each.key === 'p' && state.mode === 'PAUSED' ? 'go on' : each.short);

function tile(name, value, note = '', bad = false) {
  return make('div', { className: bad ? 'tile bad' : 'tile' },
    make('span', { textContent: name }), make('b', { textContent: value }), make('small', { textContent: note }));
}

function tiles(state) {
  const found = [], { success, learner, policy } = state;
  if (success) {
    const rate = success.whole ? percent(success.part / success.whole) : '–';
    const of = success.whole
      ? `${success.part} of ${success.whole}, 95 %: ${percent(success.low)} to ${percent(success.high)}` : 'no episode yet';
    found.push(tile(state.role === 'record' ? 'succeeded' : 'success of the policy alone', rate, of));
    if (state.role === 'train') {
      found.push(tile('human share', percent(state.human_share), `${state.take_overs} take-overs`));
    }
    found.push(tile('episode', `${state.episode}${state.wanted ? ` of ${state.wanted}` : ''}`,
      `step ${state.step}, ${state.episode_s} s`));
    found.push(tile('robot time', `${state.minutes} min`, `${state.env_steps} steps of ${state.task || 'the task'}`));
    if (policy.sha && !policy.version) found.push(tile('policy', 'LeRobot', policy.sha));
    if (policy.version) found.push(tile('policy', `v${policy.version}`, `${policy.sha}, ${duration(policy.age_s)} old`));
  }
  if (state.judge?.source && state.judge.probability !== null) {
    found.push(tile('seen as success', percent(state.judge.probability), state.judge.source));
  }
  if (learner) {
    const ratio = learner.ratio === null ? learner.text : `${learner.ratio} updates a step`;
    found.push(tile('learner', learner.text, `${ratio} (target ${learner.target}), ${learner.updates} updates`));
  }
  for (const [arm, values] of Object.entries(state.servos)) {
    found.push(tile(arm, `${values.temperature} °C`,
      `${values.hottest}; ${values.supply === null ? '' : `supply ${values.supply} V; `}grip ${percent(values.grip)}; ` +
      `${values.lost} answers lost`, values.hot));
  }
  if (state.period_ms) {
    found.push(tile('loop', `${state.period_ms[0]} ms`, `p99 ${state.period_ms[1]} ms, ${state.missed} missed`));
  }
  return found;
}

const SVG = 'http://www.w3.org/2000/svg';
function curve(name, episodes, value, top) {
  const svg = document.createElementNS(SVG, 'svg'), line = document.createElementNS(SVG, 'polyline');
  svg.setAttribute('viewBox', '0 0 300 90');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  const values = episodes.map(value), highest = top ?? Math.max(1, ...values);
  svg.setAttribute('aria-label', `${name}: ${values.at(-1)?.toFixed(2)} now`);
  const x = i => (values.length > 1 ? (300 * i) / (values.length - 1) : 150);
  line.setAttribute('points', values.map((v, i) => `${x(i).toFixed(1)},${(86 - (82 * v) / highest).toFixed(1)}`).join(' '));
  line.setAttribute('fill', 'none');
  line.setAttribute('stroke', 'var(--blue)');
  line.setAttribute('stroke-width', '2');
  line.setAttribute('vector-effect', 'non-scaling-stroke');
  svg.append(line);
  const last = values.length ? values.at(-1) : NaN;
  const shown = top === 1 ? percent(last) : `${last.toFixed(1)} s`;
  return [svg, make('p', { textContent: `${name}: ${shown} (of ${values.length} episodes here)` })];
}

// Mean of the last ten values, at each one.
const smooth = values => values.map((_, i) => {
  const last = values.slice(Math.max(0, i - 9), i + 1);
  return last.reduce((a, b) => a + b, 0) / last.length;
});

let trendsOf = '';
function showTrends(episodes) {
  const key = JSON.stringify([episodes.length, episodes.at(-1)]);
  if (key === trendsOf) return;
  trendsOf = key;
  if (!episodes.length) {
    byId('trends').textContent = 'After the first episode, the curves begin here.';
    return;
  }
  const alone = smooth(episodes.map(each => each.alone));
  byId('trends').replaceChildren(
    ...curve('successes alone, last 10', episodes, (_, i) => alone[i], 1),
    ...curve('human share', episodes, each => each.human, 1),
    ...curve('length of an episode', episodes, each => each.seconds),
  );
}

// What a first session is at, and what to do now.
let guideOf = '';
function showGuide(guide) {
  const key = JSON.stringify(guide ?? null);
  if (key === guideOf) return; // spoken once
  guideOf = key;
  byId('guide').hidden = !guide;
  if (!guide) return;
  const parts = guide.parts.map((text, i) => make('li', {
    textContent: text, className: i + 1 < guide.part ? 'done' : i + 1 === guide.part ? 'now' : '',
    ariaCurrent: i + 1 === guide.part ? 'step' : null,
  }));
  byId('guide').replaceChildren(
    make('ol', {}, ...parts), make('p', { textContent: guide.now }),
    ...(guide.wanted ? [make('progress', { max: guide.wanted, value: guide.done, ariaLabel: guide.count }),
      make('small', { textContent: guide.count })] : []),
  );
}

export function show(state, keys, press) {
  showGuide(state.guide);
  byId('head').className = state.gone ? 'red' : state.colour || 'white';
  const mode = state.gone ? 'NO STATUS' : state.mode || 'STARTING';
  if (byId('mode').textContent !== mode) byId('mode').textContent = mode;
  byId('text').textContent = state.gone ? '' : state.text || '';
  if (byId('why').textContent !== state.why) byId('why').textContent = state.why === state.text ? '' : state.why;
  showMain(state, keys, press);
  byId('tiles').replaceChildren(...tiles(state));
  const problems = state.warnings.map(each => [each.level, `${each.name}: ${each.text}`]);
  const key = JSON.stringify(problems);
  if (byId('problems').dataset.key !== key) { // spoken once
    byId('problems').dataset.key = key;
    byId('problems').replaceChildren(...problems.map(([level, textContent]) =>
      make('p', { className: `problem ${level}`, textContent })));
  }
  byId('rows').tBodies[0].replaceChildren(...(state.rows ?? []).map(([name, value]) =>
    make('tr', {}, make('th', { textContent: name, scope: 'row' }), make('td', { textContent: value }))));
  byId('log').replaceChildren(...state.log.map(each => make('li', { textContent: each.text })));
  showTrends(state.trends ?? []);
}
