// Lexigraft's side of the encoder's measurement. Times are taken in the page, the way to the worker
// and back included.
import { Lexigraft } from "/pkg/dist/index.js";
import { timeEach } from "./time-each.js";

let encoder;

async function embed(texts) {
  return encoder.embed(texts);
}

window.contestant = {
  async load({ model, device, threads }) {
    const start = performance.now();
    const lexigraft = await Lexigraft.create({ device, threads });
    encoder = await lexigraft.encoder(model);
    const { fileBytes, residentBytes } = encoder.info;
    return {
      loadMs: performance.now() - start,
      device: { ...lexigraft.device },
      threads: lexigraft.device.threads,
      fileBytes,
      residentBytes,
    };
  },

  embed: async (texts) => (await embed(texts)).map((vector) => [...vector]),
  time: (texts, repeats) => timeEach(repeats, () => embed(texts)),

  /** The numbers of tokens, with the two special ones. */
  async lengths(texts) {
    const lengths = [];
    for (const text of texts) lengths.push((await encoder.tokenize(text)).length);
    return lengths;
  },
};
