// A picture of the last steps that moves to the left: a column per step, a row per neuron, the first above.

export class Raster {
  // shade(value): 0 to 1, how much of the ink's colour.
  constructor(canvas, rows, columns, shade) {
    this.canvas = canvas;
    this.shade = shade;
    canvas.width = columns;
    canvas.height = rows;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.column = this.context.createImageData(1, rows);
    this.clear();
  }

  clear() {
    const { canvas, context } = this;
    const ink = getComputedStyle(canvas).color.match(/\d+/g).map(Number);
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.ink = ink.slice(0, 3);
  }

  push(values) {
    const { canvas, context, column } = this;
    const { width, height } = canvas;
    context.globalCompositeOperation = "copy";
    context.drawImage(canvas, -1, 0);
    for (let row = 0; row < height; row++) {
      const at = 4 * row;
      column.data.set(this.ink, at);
      column.data[at + 3] = 255 * Math.min(1, this.shade(values[row]));
    }
    context.putImageData(column, width - 1, 0);
  }
}
