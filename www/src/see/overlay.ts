import type { Seen } from "lexigraft";

/** What happened to the patches up to a block. */
export interface Fates {
  /** Patches that are a token by themselves. */
  kept: number;
  /** Patches that share a token. */
  merged: number;
  /** Tokens that stand for more than one patch. */
  groups: number;
  dropped: number;
}

export function fates(map: Int32Array): Fates {
  const sizes = groupSizes(map);
  const merged = [...sizes.values()].filter((size) => size > 1);
  const dropped = map.reduce((count, token) => count + (token < 0 ? 1 : 0), 0);
  const shared = merged.reduce((sum, size) => sum + size, 0);
  return { kept: map.length - shared - dropped, merged: shared, groups: merged.length, dropped };
}

function groupSizes(map: Int32Array): Map<number, number> {
  const sizes = new Map<number, number>();
  for (const token of map) if (token >= 0) sizes.set(token, (sizes.get(token) ?? 0) + 1);
  return sizes;
}

/** The square that the model saw. */
function drawPicture(context: CanvasRenderingContext2D, { pixels, width, height }: Seen): void {
  if (pixels) context.putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
}

/**
 * Draws the picture with its patches after block `block`: those that share a token have one colour and no line
 * between them, dropped ones are dark and crossed.
 */
export function drawPatches(canvas: HTMLCanvasElement, seen: Seen, block: number): void {
  const map = seen.maps[block];
  const context = prepare(canvas, seen);
  if (!map || !context) return;
  drawPicture(context, seen);
  const sizes = groupSizes(map);
  const side = seen.width / seen.columns;
  const at = (row: number, column: number) =>
    row < seen.rows && column < seen.columns ? map[row * seen.columns + column] : undefined;
  const hues = hueOf(map, seen.columns);
  for (let row = 0; row < seen.rows; row += 1) {
    for (let column = 0; column < seen.columns; column += 1) {
      const token = at(row, column) ?? -1;
      const [x, y] = [column * side, row * side];
      if (token < 0) {
        context.fillStyle = "rgb(8 12 10 / 0.78)";
        context.fillRect(x, y, side, side);
        context.strokeStyle = "rgb(255 255 255 / 0.35)";
        context.lineWidth = 1;
        context.beginPath();
        context.moveTo(x + side * 0.3, y + side * 0.7);
        context.lineTo(x + side * 0.7, y + side * 0.3);
        context.stroke();
      } else if ((sizes.get(token) ?? 0) > 1) {
        context.fillStyle = `hsl(${hues.get(token) ?? 0} 85% 55% / 0.5)`;
        context.fillRect(x, y, side, side);
      }
    }
  }
  // Lines between different tokens only: they show the groups without their colours too.
  context.strokeStyle = "rgb(255 255 255 / 0.8)";
  context.lineWidth = Math.max(1, side / 16);
  context.beginPath();
  for (let row = 0; row < seen.rows; row += 1) {
    for (let column = 0; column < seen.columns; column += 1) {
      const token = at(row, column);
      const [x, y] = [column * side, row * side];
      if (column + 1 < seen.columns && at(row, column + 1) !== token) {
        context.moveTo(x + side, y);
        context.lineTo(x + side, y + side);
      }
      if (row + 1 < seen.rows && at(row + 1, column) !== token) {
        context.moveTo(x, y + side);
        context.lineTo(x + side, y + side);
      }
    }
  }
  context.stroke();
}

/** A hue for each token by its first patch, so that a group keeps its colour from block to block. */
function hueOf(map: Int32Array, columns: number): Map<number, number> {
  const hues = new Map<number, number>();
  for (const [patch, token] of map.entries()) {
    // The golden angle keeps neighbours apart.
    if (!hues.has(token)) hues.set(token, (patch * 137.508 + Math.floor(patch / columns) * 61) % 360);
  }
  return hues;
}

/** Draws the picture darkened where the model finds nothing salient, and warm where it does. */
export function drawHeat(canvas: HTMLCanvasElement, seen: Seen): void {
  const context = prepare(canvas, seen);
  if (!context || !seen.heat || !seen.pixels) return;
  const image = new ImageData(new Uint8ClampedArray(seen.pixels), seen.width, seen.height);
  for (const [pixel, heat] of seen.heat.entries()) {
    const tint = [255, 190 * heat, 60 * heat];
    for (const [channel, warm] of tint.entries()) {
      const index = pixel * 4 + channel;
      const light = (image.data[index] ?? 0) * (0.3 + 0.7 * heat);
      image.data[index] = light + (warm - light) * 0.55 * heat;
    }
  }
  context.putImageData(image, 0, 0);
}

function prepare(canvas: HTMLCanvasElement, { width, height }: Seen): CanvasRenderingContext2D | null {
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext("2d");
}

/** A small square of the middle of a picture. */
export function drawThumbnail(canvas: HTMLCanvasElement, bitmap: ImageBitmap): void {
  const side = 96;
  canvas.width = side;
  canvas.height = side;
  const short = Math.min(bitmap.width, bitmap.height);
  const [left, top] = [(bitmap.width - short) / 2, (bitmap.height - short) / 2];
  canvas.getContext("2d")?.drawImage(bitmap, left, top, short, short, 0, 0, side, side);
}
