// Lexigraft's side of the vision model's measurement. Times are taken in the page, the way to the
// worker and back included.
import { Lexigraft } from "/pkg/dist/index.js";
import { timeEach } from "./time-each.js";

let vision;
const see = (values, size, reduce) =>
  vision.see({ values: values.slice(), width: size, height: size }, reduce ? { reduce } : {});

/** Normalised values of a picture, which both sides are given. */
async function prepare(url, size) {
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  const short = Math.min(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext("2d");
  const [left, top] = [(bitmap.width - short) / 2, (bitmap.height - short) / 2];
  context.drawImage(bitmap, left, top, short, short, 0, 0, size, size);
  const { data } = context.getImageData(0, 0, size, size);
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const count = size * size;
  return Float32Array.from({ length: 3 * count }, (_, at) => {
    const channel = Math.floor(at / count);
    return (data[(at % count) * 4 + channel] / 255 - mean[channel]) / deviation[channel];
  });
}

window.contestant = {
  async load({ model, device, threads }) {
    const start = performance.now();
    const lexigraft = await Lexigraft.create({ device, threads });
    vision = await lexigraft.vision(model);
    const { fileBytes, residentBytes } = vision.info;
    return {
      loadMs: performance.now() - start,
      device: { ...lexigraft.device },
      threads: lexigraft.device.threads,
      fileBytes,
      residentBytes,
    };
  },

  prepare: async (url, size) => [...(await prepare(url, size))],

  /** What was seen, and where the time went inside. */
  async see(values, size, reduce) {
    const seen = await see(Float32Array.from(values), size, reduce);
    const { backboneMs, reduceMs, totalMs, macs, denseMacs } = seen;
    return {
      embedding: [...seen.embedding],
      heat: [...seen.heat],
      backboneMs,
      reduceMs,
      totalMs,
      macs,
      denseMacs,
    };
  },

  async time(values, size, reduce, repeats) {
    const picture = Float32Array.from(values);
    return timeEach(repeats, () => see(picture, size, reduce));
  },
};
