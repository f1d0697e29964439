"""Kinds of traits: files, texts that may be bytes, and numbers that travel as they are in memory."""

from __future__ import annotations

import struct
from typing import Any

import traitlets

from .errors import LexigraftError
from .sources import Source, picture


def output(trait: Any) -> Any:
    """A trait that the page computes. It is not sent back to the page, which has it."""
    return trait.tag(sync=True, echo_update=False, output=True)


class File(traitlets.TraitType[Source, Any]):
    """A file: an address, a path, bytes, or what ``lexigraft.served`` gives. Not synchronised itself."""

    info_text = "an address, a path or bytes"

    def __init__(self, **more: Any) -> None:
        super().__init__(default_value=None, allow_none=True, **more)

    def validate(self, obj: Any, value: Any) -> Source:
        return Source.of(value)


class Picture(File):
    """A picture: a file, a PIL image or an array."""

    info_text = "a picture"

    def validate(self, obj: Any, value: Any) -> Source:
        return picture(value)


class ByteText(traitlets.TraitType[Any, Any]):
    """A text, or bytes that need not be text."""

    info_text = "a text or bytes"

    def __init__(self) -> None:
        super().__init__(default_value="")
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> str | bytes:
        if isinstance(value, str):
            return value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        raise LexigraftError("invalid-argument", f"A text is str or bytes, not {type(value).__name__}.")


def _pack(values: list[float], _widget: object) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def _unpack(values: Any, _widget: object) -> list[float]:
    if isinstance(values, list):
        return values
    content = bytes(values)
    return list(struct.unpack(f"<{len(content) // 4}f", content))


def floats() -> traitlets.List:
    """A list of float32, sent as bytes: JSON has no infinity, which logarithms of probabilities are made of."""
    return output(traitlets.List(traitlets.Float())).tag(to_json=_pack, from_json=_unpack)
