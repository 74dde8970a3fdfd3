// Moves the leader by keyboard, touch or gamepad. A motion is repeated while a hand is on it: the
// cell releases the leader when no repetition comes.
const PERIOD = 50; // ms
const DEAD_ZONE = 0.15;
const NAMES = { ArrowUp: 'up', ArrowDown: 'down', ArrowLeft: 'left', ArrowRight: 'right', PageUp: 'u', PageDown: 'j' };
const LABELS = {
  up: 'away ↑', down: 'back ↓', left: 'left ←', right: 'right →',
  u: 'up (u)', j: 'down (j)', '.': 'open (.)', ',': 'close (,)',
};
const PLACES = { up: '1/2', left: '2/1', right: '2/3', down: '3/2', u: '1/4', j: '3/4', '.': '1/5', ',': '3/5' };
const PAD_KEYS = { 0: 'i', 1: 'o', 2: 's', 3: 'f' }; // buttons of a standard gamepad

export class Driving {
  constructor(pad, send, press) {
    Object.assign(this, { pad, send, press, directions: {}, held: new Set(), moving: false, pressed: {} });
    document.addEventListener('keydown', event => {
      const key = NAMES[event.key] ?? event.key.toLowerCase();
      if (!(key in this.directions) || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.hold(key);
    });
    document.addEventListener('keyup', event => this.release(NAMES[event.key] ?? event.key.toLowerCase()));
    window.addEventListener('blur', () => this.letGo());
    window.addEventListener('pagehide', () => this.letGo());
    document.addEventListener('visibilitychange', () => this.letGo());
    setInterval(() => this.repeat(), PERIOD);
  }

  begin(directions) {
    this.directions = directions;
    this.pad.replaceChildren(...Object.keys(directions).map(key => {
      const button = document.createElement('button');
      button.textContent = LABELS[key] ?? key;
      button.style.gridArea = `${PLACES[key] ?? 'auto'}`;
      button.dataset.key = key;
      button.addEventListener('pointerdown', event => {
        button.setPointerCapture(event.pointerId);
        this.hold(key);
      });
      for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) {
        button.addEventListener(end, () => this.release(key));
      }
      button.addEventListener('contextmenu', event => event.preventDefault());
      button.addEventListener('keydown', event => { if (event.key === ' ') { event.preventDefault(); this.hold(key); } });
      button.addEventListener('keyup', event => { if (event.key === ' ') this.release(key); });
      button.addEventListener('blur', () => this.release(key));
      return button;
    }));
  }

  hold(key) {
    if (this.held.has(key)) return;
    this.held.add(key);
    this.mark();
    this.repeat();
  }

  release(key) {
    if (!this.held.delete(key)) return;
    this.mark();
    this.repeat();
  }

  letGo() {
    this.held.clear();
    this.mark();
    this.repeat();
  }

  mark() {
    for (const button of this.pad.children) button.classList.toggle('held', this.held.has(button.dataset.key));
  }

  repeat() {
    const axes = [0, 0, 0, 0];
    for (const key of this.held) this.directions[key].forEach((value, i) => { axes[i] += value; });
    if (Object.keys(this.directions).length && document.hasFocus()) this.gamepad(axes);
    const bounded = axes.map(value => Math.max(-1, Math.min(1, value)));
    const moving = bounded.some(value => value);
    if (moving || this.moving) this.send(bounded);
    this.moving = moving;
  }

  // Left stick: away, back, left, right; right stick: up, down; triggers: close, open.
  gamepad(axes) {
    const pad = [...(navigator.getGamepads?.() ?? [])].find(each => each?.connected && each.mapping === 'standard');
    if (!pad) return;
    const stick = number => (Math.abs(pad.axes[number]) > DEAD_ZONE ? pad.axes[number] : 0);
    axes[0] -= stick(1);
    axes[1] -= stick(0);
    axes[2] -= stick(3);
    axes[3] += (pad.buttons[7]?.value ?? 0) - (pad.buttons[6]?.value ?? 0);
    for (const [number, key] of Object.entries(PAD_KEYS)) {
      const down = pad.buttons[number]?.pressed;
      if (down && !this.pressed[number]) this.press(key);
      this.pressed[number] = down;
    }
  }
}
