/** GPT-2's alphabet: a printable character for each of the 256 bytes. */
function alphabet() {
  const plain = (byte) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    if (plain(byte)) return String.fromCodePoint(byte);
    next += 1;
    return String.fromCodePoint(next - 1);
  });
}

/**
 * A byte-level `tokenizer.json` of a few hundred tokens: the bytes, and what these merges make, each written as
 * "left right" in GPT-2's alphabet ("Ġ" is a space). It gives every text back as it was.
 */
export function tinyTokenizer(merges) {
  const tokens = [...alphabet(), ...merges.map((merge) => merge.replace(" ", ""))];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return JSON.stringify({
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: "BPE", vocab, merges, ignore_merges: false, fuse_unk: false, byte_fallback: false },
  });
}

/** Tokens that SmolLM2 does not have, beside some that it has: "humanbe", "free and", "fzkq". */
export const someMerges = [
  ["h u", "hu m", "hum a", "huma n", "human b", "humanb e"],
  ["f r", "fr e", "fre e", "free Ġ", "freeĠ a", "freeĠa n", "freeĠan d"],
  ["Ġ t", "Ġt h", "Ġth e", "Ġ a", "Ġa n", "Ġan d", "i n", "e r", "Ġ o", "Ġo f"],
  ["f z", "fz k", "fzk q", "q z", "qz x", "z q", "zq v", "v q"],
].flat();
