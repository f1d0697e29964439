import type { Seen } from "lexigraft";
import { Cell } from "../cell.ts";

/** A picture in the tab, and what the model made of it without reduction, for each size and crop. */
export interface Picture {
  readonly name: string;
  readonly bitmap: ImageBitmap;
  /** What the model is given: a file as it is, or what the camera took. */
  readonly source: Blob | ImageBitmap;
  readonly dense: Map<string, Seen>;
}

/** Pictures of the tab, and the one that is looked at. */
export class Album {
  readonly pictures = new Cell<readonly Picture[]>([]);
  readonly chosen = new Cell<Picture | null>(null);

  add(name: string, source: Blob | ImageBitmap, bitmap: ImageBitmap): Picture {
    const picture = { name, source, bitmap, dense: new Map() };
    this.pictures.set([...this.pictures.value, picture]);
    return picture;
  }

  remove(picture: Picture): void {
    const at = this.pictures.value.indexOf(picture);
    const rest = this.pictures.value.filter((other) => other !== picture);
    this.pictures.set(rest);
    if (this.chosen.value === picture) this.chosen.set(rest[Math.min(at, rest.length - 1)] ?? null);
  }
}

/** The cosine of the angle between two vectors. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [product, lengthA, lengthB] = [0, 0, 0];
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    product += value * other;
    lengthA += value * value;
    lengthB += other * other;
  }
  return product / Math.sqrt(lengthA * lengthB);
}

/** The other pictures that were seen at this size, the nearest first. */
export function nearest(
  to: Picture,
  among: readonly Picture[],
  key: string,
): { picture: Picture; cosine: number }[] {
  const own = to.dense.get(key);
  if (!own) return [];
  return among
    .flatMap((picture) => {
      const other = picture === to ? undefined : picture.dense.get(key);
      return other ? [{ picture, cosine: cosine(own.embedding, other.embedding) }] : [];
    })
    .sort((a, b) => b.cosine - a.cosine);
}
