"""Scores a text with a Llama-family GGUF file in numpy, in float32 and as plainly as it goes: the
reference that quantised kernels are held to (crates/decode/tests/bits_per_byte.rs).

    python3 score_text.py MODEL.gguf IDS.json OUT.json

IDS.json is {"bytes": N, "ids": [...]}: a text's length and its tokens, the first of which is not
scored. Reads F32, Q4_1 and Q8_0 tensors. Needs numpy.
"""

import json
import struct
import sys

import numpy

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, ARRAY = 8, 9
F32, Q4_1, Q8_0 = 0, 3, 8


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def scalar(self, form):
        size = struct.calcsize("<" + form)
        (value,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += size
        return value

    def text(self):
        length = self.scalar("Q")
        self.at += length
        return bytes(self.data[self.at - length : self.at]).decode("utf-8", "replace")

    def value(self, kind):
        if kind == TEXT:
            return self.text()
        if kind == ARRAY:
            inner, count = self.scalar("I"), self.scalar("Q")
            return [self.value(inner) for _ in range(count)]
        return self.scalar(SCALARS[kind])


def dequantise(data, kind, count):
    if kind == F32:
        return numpy.frombuffer(data, "<f4", count).copy()
    if kind == Q4_1:
        blocks = numpy.frombuffer(data, [("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)], count // 32)
        quants = numpy.concatenate([blocks["q"] & 15, blocks["q"] >> 4], axis=1).astype("f4")
        scaled = quants * blocks["d"].astype("f4")[:, None] + blocks["m"].astype("f4")[:, None]
        return scaled.reshape(-1)
    if kind == Q8_0:
        blocks = numpy.frombuffer(data, [("d", "<f2"), ("q", "i1", 32)], count // 32)
        return (blocks["q"].astype("f4") * blocks["d"].astype("f4")[:, None]).reshape(-1)
    raise SystemExit(f"a tensor of type {kind} is not read here")


def load(path):
    data = numpy.memmap(path, mode="r")
    reader = Reader(data)
    assert bytes(data[:4]) == b"GGUF"
    reader.at = 8
    tensors, pairs = reader.scalar("Q"), reader.scalar("Q")
    meta = {}
    for _ in range(pairs):
        key = reader.text()
        meta[key] = reader.value(reader.scalar("I"))
    entries = []
    for _ in range(tensors):
        name = reader.text()
        shape = [reader.scalar("Q") for _ in range(reader.scalar("I"))]
        entries.append((name, shape, reader.scalar("I"), reader.scalar("Q")))
    align = meta.get("general.alignment", 32)
    base = -(-reader.at // align) * align
    weights = {
        name: dequantise(data[base + at :], kind, int(numpy.prod(shape))).reshape(shape[::-1])
        for name, shape, kind, at in entries
    }
    return meta, weights


def rms_norm(x, gain, eps):
    return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + eps) * gain


def rotate(x, base):
    """GGUF's Llama pairs neighbouring elements of a head: x is [tokens, heads, head_dim]."""
    tokens, _, dim = x.shape
    angles = numpy.arange(tokens)[:, None] / base ** (numpy.arange(0, dim, 2) / dim)
    cos, sin = (f(angles).astype("f4")[:, None, :] for f in (numpy.cos, numpy.sin))
    even, odd = x[..., 0::2], x[..., 1::2]
    return numpy.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def softmax(x):
    x = numpy.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def token_nll(meta, weights, ids):
    get = lambda key: meta["llama." + key]
    heads, kv_heads = get("attention.head_count"), get("attention.head_count_kv")
    eps, base = get("attention.layer_norm_rms_epsilon"), get("rope.freq_base")
    x = weights["token_embd.weight"][ids]
    tokens = len(ids)
    hidden = numpy.triu(numpy.full((tokens, tokens), -numpy.inf, "f4"), 1)
    for layer in range(get("block_count")):
        w = lambda name: weights[f"blk.{layer}.{name}.weight"]
        y = rms_norm(x, w("attn_norm"), eps)
        q = rotate((y @ w("attn_q").T).reshape(tokens, heads, -1), base)
        k = rotate((y @ w("attn_k").T).reshape(tokens, kv_heads, -1), base)
        v = (y @ w("attn_v").T).reshape(tokens, kv_heads, -1)
        k, v = (numpy.repeat(t, heads // kv_heads, axis=1) for t in (k, v))
        scores = numpy.einsum("qhd,khd->hqk", q, k) / numpy.sqrt(q.shape[-1]) + hidden
        mixed = numpy.einsum("hqk,khd->qhd", softmax(scores), v).reshape(tokens, -1)
        x = x + mixed @ w("attn_output").T
        y = rms_norm(x, w("ffn_norm"), eps)
        gate = y @ w("ffn_gate").T
        x = x + (gate / (1 + numpy.exp(-gate)) * (y @ w("ffn_up").T)) @ w("ffn_down").T
    x = rms_norm(x, weights["output_norm.weight"], eps)
    logits = (x @ weights.get("output.weight", weights["token_embd.weight"]).T).astype("f8")
    most = logits.max(-1, keepdims=True)
    normaliser = numpy.log(numpy.exp(logits - most).sum(-1)) + most[:, 0]
    return (normaliser - logits[numpy.arange(tokens), numpy.roll(ids, -1)])[:-1]


def main(model, ids, out):
    text = json.load(open(ids))
    meta, weights = load(model)
    nll = token_nll(meta, weights, numpy.array(text["ids"]))
    bits = float(nll.sum() / numpy.log(2) / text["bytes"])
    result = {**text, "bits_per_byte": bits, "token_nll": [round(float(x), 5) for x in nll]}
    json.dump(result, open(out, "w"))
    print(f"{bits:.6f} bits per byte")


if __name__ == "__main__":
    main(*sys.argv[1:])
