// Curves of finished runs side by side, over the time that the robot moved.
const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 360, HEIGHT = 150, LEFT = 34, BOTTOM = 22, TOP = 8;
const RECENT = 20; // episodes of a mean
const DASHES = ['', '7 4', '2 3', '10 3 2 3']; // a line differs by more than its colour

const node = (tag, attributes, text) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
};
export const colour = run => `var(--run${run % 4})`;

// Points [minute, mean of the last RECENT values] of the episodes that ended by themselves.
function points(run, value) {
  const found = [], values = [];
  let seconds = 0;
  for (const episode of run.episodes) {
    seconds += episode.seconds;
    if (episode.outcome === 'none' || episode.outcome === 'discarded') continue;
    values.push(value(episode));
    const last = values.slice(-RECENT);
    found.push([seconds / 60, last.reduce((a, b) => a + b, 0) / last.length]);
  }
  return found;
}

function chart(title, runs, value, unit, top) {
  const lines = runs.map(run => points(run, value));
  const minutes = Math.max(1, ...lines.flat().map(([x]) => x));
  const highest = top ?? Math.max(1, ...lines.flat().map(([, y]) => y));
  const x = minute => LEFT + ((WIDTH - LEFT - 8) * minute) / minutes;
  const y = height => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * height) / highest;
  const shown = number => (unit === '%' ? `${Math.round(100 * number)} %` : `${number.toFixed(0)} ${unit}`);
  const ends = runs.map((run, i) => `${run.name}: ${lines[i].length ? shown(lines[i].at(-1)[1]) : 'no episode'}`);
  const svg = node('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}; at the end ${ends.join(', ')}` });
  svg.append(
    node('path', { d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - 8}`, fill: 'none', stroke: 'var(--line)' }),
    node('text', { x: LEFT - 4, y: TOP + 8, 'text-anchor': 'end' }, shown(highest)),
    node('text', { x: LEFT - 4, y: HEIGHT - BOTTOM, 'text-anchor': 'end' }, shown(0)),
    node('text', { x: WIDTH - 8, y: HEIGHT - 6, 'text-anchor': 'end' }, `${minutes.toFixed(1)} min of the robot`),
    ...lines.map((line, i) => node('polyline', {
      points: line.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(' '),
      fill: 'none', stroke: colour(i), 'stroke-width': 2, 'stroke-dasharray': DASHES[i % 4],
    })),
  );
  const figure = document.createElement('figure'), caption = document.createElement('figcaption');
  caption.textContent = title;
  figure.append(caption, svg);
  return figure;
}

function legend(runs) {
  const list = document.createElement('ul');
  list.className = 'legend';
  list.append(...runs.map((run, i) => {
    const item = document.createElement('li'), sample = node('svg', { viewBox: '0 0 28 8', width: 28, height: 8, 'aria-hidden': 'true' });
    sample.append(node('path', { d: 'M0 4H28', stroke: colour(i), 'stroke-width': 2, 'stroke-dasharray': DASHES[i % 4] }));
    item.append(sample, ` ${run.name}`);
    return item;
  }));
  return list;
}

export function showCurves(place, runs) {
  place.replaceChildren(
    legend(runs),
    chart(`success alone, mean of the last ${RECENT}`, runs, each => Number(each.alone), '%', 1),
    chart(`human share, mean of the last ${RECENT}`, runs, each => (each.steps ? each.human / each.steps : 0), '%', 1),
    chart(`length of an episode, mean of the last ${RECENT}`, runs, each => each.seconds, 's'),
  );
}
