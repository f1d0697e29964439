"""The widgets, one for each job."""

from __future__ import annotations

import struct
from typing import Any

import traitlets
from traitlets import Bool, Dict, Enum, Float, Int, List, Unicode

from .job import Job
from .traits import ByteText, File, Picture, floats, output


def _sync(trait: Any) -> Any:
    return trait.tag(sync=True)


class Generate(Job):
    """Continues a prompt, or answers it through the model's chat template.

    ``Generate(model=…, prompt="The capital of France is").run().wait().text``
    """

    _job = Unicode("generate").tag(sync=True)

    #: A GGUF file.
    model = File()
    prompt = _sync(Unicode())
    #: Treat the prompt as a person's message.
    chat = _sync(Bool(False))
    #: Most tokens to generate.
    max_tokens = _sync(Int(128))
    #: 0 always takes the likeliest token.
    temperature = _sync(Float(0.7))
    top_k = _sync(Int(40))
    top_p = _sync(Float(0.95))
    #: None draws one.
    seed = _sync(Int(None, allow_none=True))
    #: Texts to stop before.
    stop_texts = _sync(List(Unicode()))

    #: The text so far, while it is written too.
    text = output(Unicode())
    #: The generated tokens' ids.
    ids = output(List(Int()))
    #: The prompt's tokens' ids.
    prompt_ids = output(List(Int()))
    #: Tokens after the first, over the time from the first to the last; None below two.
    tokens_per_second = output(Float(None, allow_none=True))
    #: ``stop-token``, ``stop-string``, ``max-tokens`` or ``context``; empty before the end.
    reason = output(Unicode())


class Bytes(Job):
    """The model of tokens as a model of bytes: the next byte's probabilities, and a text's score byte by byte."""

    _job = Unicode("bytes").tag(sync=True)

    #: A GGUF file.
    model = File()
    #: What comes before: it may end anywhere, inside a token or a character too.
    prefix = ByteText()
    #: What to score after the prefix; nothing when it is empty.
    text = ByteText()
    #: What a byte's probability is the sum of: tokenizations that the tokenizer itself writes, or all.
    estimand = _sync(Enum(["canonical", "all"], "canonical"))
    #: For ``all``: how many tokenizations are kept; 0 for every one.
    beam = _sync(Int(0))

    #: Natural logarithms of the 256 bytes' probabilities, and at 256 of the text's end.
    log_probs = floats()
    #: Natural logarithm of the scored text's probability; None without one.
    log_prob = output(Float(None, allow_none=True))
    #: Of each byte of it, after those before.
    per_byte = floats()
    bits_per_byte = output(Float(None, allow_none=True))


class Graft(Job):
    """The model under the tokens of another tokenizer, and what that costs on a text."""

    _job = Unicode("graft").tag(sync=True)
    _file_traits = ("model", "tokenizer", "hypernetwork")

    #: A GGUF file.
    model = File()
    #: A ``tokenizer.json``.
    tokenizer = File()
    #: A hypernetwork that was made for this model; the methods of that name need it.
    hypernetwork = File()
    #: How the rows of new tokens are made.
    method = _sync(
        Enum(
            [name + head for head in ("", "+first-piece") for name in ("zero", "mean", "fvt", "hypernetwork")],
            "fvt",
        )
    )
    #: Take a tokenizer that does not give texts back as they were.
    lossy = _sync(Bool(False))
    #: What to score before and after.
    text = _sync(Unicode())

    #: ``method``, ``tokens``, and how many of them are ``shared``, ``special`` and ``made``.
    report = output(Dict())
    bits_before = output(Float(None, allow_none=True))
    bits_after = output(Float(None, allow_none=True))
    #: Tokens that the text takes.
    tokens_before = output(Int(None, allow_none=True))
    tokens_after = output(Int(None, allow_none=True))


class See(Job):
    """A picture as a vector, and where one would look."""

    _job = Unicode("see").tag(sync=True)
    _file_traits = ("model", "image")

    #: An ONNX or safetensors file.
    model = File()
    #: A picture's file, a PIL image, or an array of uint8 (rows, columns, channels).
    image = Picture()
    #: Side of the square that the model sees, in pixels: a multiple of its patch.
    size = _sync(Int(224))
    #: The square in the middle, or all of the picture with black beside.
    crop = _sync(Enum(["center", "pad"], "center"))
    #: A reduction, such as ``tome:r=16``; empty for none.
    reduce = _sync(Unicode())

    #: The picture's vector.
    embedding = floats()
    #: How salient each pixel is, from 0 to 1: float32, little-endian, row by row.
    heat = output(traitlets.Bytes()).tag(from_json=lambda content, _widget: bytes(content))
    #: Rows and columns of ``heat``.
    heat_shape = output(List(Int()))
    #: Before and after each block.
    tokens = output(List(List(Int())))
    #: For each patch, row by row, the token that stands for it at the end; -1 when it was dropped.
    patch_tokens = output(List(Int()))
    #: Multiply-accumulates of the blocks, and what they are without reduction.
    macs = output(Float(None, allow_none=True))
    dense_macs = output(Float(None, allow_none=True))
    milliseconds = output(Float(None, allow_none=True))

    def heat_rows(self) -> list[list[float]]:
        """The heat map as a list of rows; ``numpy.frombuffer(see.heat, "<f4").reshape(see.heat_shape)`` is faster."""
        if not self.heat:
            return []
        rows, columns = self.heat_shape
        values = struct.unpack(f"<{rows * columns}f", self.heat)
        return [list(values[row * columns : (row + 1) * columns]) for row in range(rows)]
