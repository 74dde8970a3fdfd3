// The images of each camera: the whole one with the policy's crop marked, and what the policy sees.
export class Cameras {
  constructor(place, cameras, kinds, seen) {
    this.kinds = kinds;
    this.seen = seen;
    place.replaceChildren();
    this.crops = {};
    this.canvases = cameras.map(name => {
      const box = document.createElement('div');
      box.className = 'camera';
      const found = {};
      for (const [kind, text] of [['live', name.replaceAll('_', ' ')], ['policy', 'what the policy sees']]) {
        const figure = document.createElement('figure'), caption = document.createElement('figcaption');
        const canvas = document.createElement('canvas');
        canvas.className = kind;
        canvas.width = kind === 'live' ? 480 : 64;
        canvas.height = kind === 'live' ? 360 : 64;
        canvas.setAttribute('role', 'img');
        canvas.setAttribute('aria-label', `${name}: ${kind === 'live' ? 'live image' : text}`);
        caption.textContent = text;
        figure.hidden = kind === 'policy'; // until the task uses this camera
        figure.append(canvas, caption);
        box.append(figure);
        found[kind] = { figure, canvas, caption, text };
      }
      place.append(box);
      return { ...found, name };
    });
  }

  // data: number of the camera, number of the kind, JPEG
  async take(data) {
    const [camera, kind] = new Uint8Array(data, 0, 2);
    try {
      const image = await createImageBitmap(new Blob([new Uint8Array(data, 2)], { type: 'image/jpeg' }));
      this.draw(this.canvases[camera], this.kinds[kind], image);
    } finally {
      this.seen();
    }
  }

  draw(views, kind, image) {
    const { figure, canvas, caption, text } = views[kind];
    figure.hidden = false;
    if (canvas.width !== image.width) canvas.width = image.width;
    if (canvas.height !== image.height) canvas.height = image.height;
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    if (kind === 'policy') {
      caption.textContent = `${text}: ${image.width}x${image.height}`;
    } else if (this.crops[views.name]) {
      const [x, y, width, height] = this.crops[views.name];
      context.strokeStyle = '#fff';
      context.setLineDash([6, 4]);
      context.strokeRect(x * image.width + .5, y * image.height + .5, width * image.width - 1, height * image.height - 1);
    }
    image.close();
  }
}
