// The page of a running cell: connects, and hands what arrives to the parts.
import { Arm } from './arm.js';
import { Cameras } from './cameras.js';
import { Driving } from './driving.js';
import { show, showKeys } from './figures.js';

const byId = id => document.getElementById(id);
const LOST = 3000; // ms without a message after which the page says so
let socket = null, heard = 0, arm = null, cameras = null, driving = null, keys = [];

const send = message => {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
};
const say = (text, bad) => {
  byId('said').textContent = text;
  byId('said').classList.toggle('bad', bad);
};
export const press = key => {
  if (key === 'end' && !confirm('End the cell? The arms go to rest.')) return;
  if (!send({ type: 'key', key })) say('not sent: this page has no connection to the cell', true);
};

const receivers = {
  hello(message) {
    keys = message.keys;
    document.title = `SO-101 ${message.cell} console`;
    showKeys(keys, press);
    arm ??= new Arm(byId('arm'), message.model);
    cameras = new Cameras(byId('cameras'), message.cameras, message.kinds, () => send({ type: 'seen' }));
    driving ??= new Driving(byId('pad'), axes => send({ type: 'drive', axes }), press);
    driving.begin(message.drive);
    byId('driving').textContent = message.no_driving ||
      'Hold a key, a button here, or the sticks of a gamepad. Let go, and the arm holds.';
    send({ type: 'show', images: !document.hidden });
  },
  state(message) {
    show(message, keys, press);
    arm?.setBox(message.box);
    if (cameras) cameras.crops = message.crops ?? {};
  },
  pose(message) { arm?.set(message); },
  said(message) { say(message.text, false); },
  error(message) { say(message.text, true); },
};

function connect() {
  const query = new URLSearchParams(location.search).get('token');
  socket = new WebSocket(`ws://${location.host}/ws${query ? `?token=${encodeURIComponent(query)}` : ''}`);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = event => {
    heard = performance.now();
    if (typeof event.data !== 'string') { cameras?.take(event.data); return; }
    const message = JSON.parse(event.data);
    receivers[message.type]?.(message);
  };
  socket.onclose = () => {
    driving?.letGo();
    setTimeout(connect, 1000);
  };
}

setInterval(() => {
  const lost = performance.now() - heard > LOST || socket.readyState !== WebSocket.OPEN;
  byId('connection').textContent = lost
    ? 'No connection to the cell: what you see is old, and no key works here. Use the terminal.' : '';
}, 500);

document.addEventListener('visibilitychange', () => send({ type: 'show', images: !document.hidden }));
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const onButton = event.target.closest?.('button, a, input, select');
  if (onButton && (event.key === ' ' || event.key === 'Enter')) return; // it presses that button
  const key = event.key.toLowerCase();
  if (keys.some(each => each.key === key)) {
    event.preventDefault();
    press(key);
  }
});
// A button that was clicked must not keep the focus: space would press it, not start.
document.addEventListener('click', event => { if (event.detail) event.target.closest?.('button')?.blur(); });
byId('stop').addEventListener('pointerdown', () => press('x'));
byId('stop').addEventListener('click', event => { if (event.detail === 0) press('x'); });
connect();
