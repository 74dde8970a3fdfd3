// Draws the arm's boxes and cylinders in the measured pose, the reference, and the tool's path.
// Frames: base_link (x away from the base, y left, z up), m. Quaternions: w, x, y, z.
const SIDES = 10; // of a drawn cylinder
const PATH = 150; // points

const rotate = ([w, x, y, z], [a, b, c]) => {
  const t = [2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)];
  return [
    a + w * t[0] + y * t[2] - z * t[1],
    b + w * t[1] + z * t[0] - x * t[2],
    c + w * t[2] + x * t[1] - y * t[0],
  ];
};
const multiply = ([a, b, c, d], [e, f, g, h]) => [
  a * e - b * f - c * g - d * h, a * f + b * e + c * h - d * g,
  a * g - b * h + c * e + d * f, a * h + b * g - c * f + d * e,
];
const add = (a, b) => a.map((value, i) => value + b[i]);
const subtract = (a, b) => a.map((value, i) => value - b[i]);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

// The polygons of a geom in its body's frame.
function facesOf({ kind, pos, quat, size }) {
  const place = point => add(pos, rotate(quat, point));
  let faces;
  if (kind === 'box') {
    const corner = (x, y, z) => [x * size[0], y * size[1], z * size[2]];
    faces = [0, 1, 2].flatMap(axis => [1, -1].map(sign => {
      const ring = [[1, 1], [-1, 1], [-1, -1], [1, -1]].map(([u, v]) => {
        const at = [0, 0, 0];
        at[axis] = sign;
        at[(axis + 1) % 3] = u;
        at[(axis + 2) % 3] = v;
        return corner(...at);
      });
      return sign > 0 ? ring : ring.reverse();
    }));
  } else {
    const ring = z => [...Array(SIDES).keys()].map(i => {
      const angle = (2 * Math.PI * i) / SIDES;
      return [size[0] * Math.cos(angle), size[0] * Math.sin(angle), z];
    });
    const top = ring(size[1]), bottom = ring(-size[1]);
    faces = [top, [...bottom].reverse(), ...top.map((point, i) => {
      const next = (i + 1) % SIDES;
      return [bottom[i], bottom[next], top[next], point];
    })];
  }
  return faces.map(face => face.map(place));
}

export class Arm {
  constructor(canvas, model) {
    Object.assign(this, { canvas, model, yaw: -0.95, lift: 0.4, path: [], box: null, joints: null, reference: null });
    this.faces = model.bodies.map(body => body.geoms.map(geom => ({ colour: geom.colour, polygons: facesOf(geom) })));
    let last = null;
    canvas.addEventListener('pointerdown', event => { last = event; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener('pointerup', () => { last = null; });
    canvas.addEventListener('pointermove', event => {
      if (!last) return;
      this.yaw -= (event.clientX - last.clientX) / 150;
      this.lift = Math.max(-0.2, Math.min(1.5, this.lift + (event.clientY - last.clientY) / 150));
      last = event;
      this.draw();
    });
  }

  setBox(box) { this.box = box ?? null; }

  set({ follower, reference }) {
    if (!follower) return;
    this.joints = follower;
    this.reference = reference ?? null;
    const frames = this.frames(follower), { body, pos } = this.model.tool;
    this.path.push(add(frames[body].pos, rotate(frames[body].quat, pos)));
    if (this.path.length > PATH) this.path.shift();
    if (!document.hidden) this.draw();
  }

  // Pose of each body at joint angles (6,) rad.
  frames(q) {
    const found = [];
    for (const body of this.model.bodies) {
      const parent = found[body.parent] ?? { pos: [0, 0, 0], quat: [1, 0, 0, 0] };
      let quat = multiply(parent.quat, body.quat);
      if (body.joint !== undefined) {
        const half = q[body.joint] / 2, sine = Math.sin(half);
        quat = multiply(quat, [Math.cos(half), ...body.axis.map(value => value * sine)]);
      }
      found.push({ pos: add(parent.pos, rotate(parent.quat, body.pos)), quat });
    }
    return found;
  }

  // Canvas coordinates and depth of a point.
  project(point) {
    const [x, y, z] = subtract(point, [0.14, 0, 0.11]);
    const c = Math.cos(this.yaw), s = Math.sin(this.yaw), u = Math.cos(this.lift), v = Math.sin(this.lift);
    const right = c * y - s * x, up = u * z - v * (c * x + s * y);
    const depth = 1.1 - u * (c * x + s * y) - v * z;
    const scale = (this.canvas.height * 2.5) / Math.max(0.2, depth);
    return [this.canvas.width / 2 + right * scale, this.canvas.height / 2 - up * scale, depth];
  }

  draw() {
    if (!this.joints) return;
    const { canvas } = this, context = canvas.getContext('2d');
    const style = getComputedStyle(document.documentElement), colour = name => style.getPropertyValue(name);
    context.fillStyle = colour('--back');
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.grid(context, colour('--line'));
    const polygons = [], light = [0.35, -0.4, 0.85];
    this.frames(this.joints).forEach((frame, number) => {
      for (const geom of this.faces[number]) {
        for (const face of geom.polygons) {
          const world = face.map(point => add(frame.pos, rotate(frame.quat, point)));
          const points = world.map(point => this.project(point));
          const [a, b, c] = points;
          if ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0) continue; // its back
          const normal = cross(subtract(world[1], world[0]), subtract(world[2], world[1]));
          const shade = 0.55 + 0.45 * Math.max(0, dot(normal, light) / Math.hypot(...normal));
          polygons.push({
            points, depth: points.reduce((sum, point) => sum + point[2], 0) / points.length,
            fill: `rgb(${geom.colour.map(value => Math.round(value * shade)).join(' ')})`,
          });
        }
      }
    });
    polygons.sort((a, b) => b.depth - a.depth);
    for (const { points, fill } of polygons) {
      context.fillStyle = context.strokeStyle = fill;
      context.lineWidth = 0.7;
      this.trace(context, points);
      context.closePath();
      context.fill();
      context.stroke();
    }
    if (this.box) this.edges(context, colour('--green'));
    this.line(context, this.path, colour('--magenta'), 2);
    if (this.reference) {
      const frames = this.frames(this.reference), { body, pos } = this.model.tool;
      const chain = [];
      for (let at = body; at >= 0; at = this.model.bodies[at].parent) chain.unshift(frames[at].pos);
      this.line(context, [...chain, add(frames[body].pos, rotate(frames[body].quat, pos))], colour('--cyan'), 3);
    }
  }

  trace(context, points) {
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  }

  line(context, points, colour, width) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    this.trace(context, points.map(point => this.project(point)));
    context.stroke();
  }

  grid(context, colour) {
    for (let i = -3; i <= 3; i += 1) {
      this.line(context, [[-0.1, i / 10, 0], [0.5, i / 10, 0]], colour, 1);
      this.line(context, [[i / 10 + 0.2, -0.3, 0], [i / 10 + 0.2, 0.3, 0]], colour, 1);
    }
  }

  edges(context, colour) {
    const [low, high] = this.box, at = bits => [0, 1, 2].map(i => ((bits >> i) & 1 ? high : low)[i]);
    for (let bits = 0; bits < 8; bits += 1) {
      for (let axis = 0; axis < 3; axis += 1) {
        if (!((bits >> axis) & 1)) this.line(context, [at(bits), at(bits | (1 << axis))], colour, 1);
      }
    }
  }
}
