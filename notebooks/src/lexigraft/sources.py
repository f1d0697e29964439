"""Files that the page needs: addresses, paths and bytes, and how their bytes get there."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from .errors import LexigraftError

#: Most bytes of one message to the page.
CHUNK_BYTES = 4 * 2**20
#: Most bytes of one file that is sent through the kernel.
MAX_SENT_BYTES = 2 * 2**30

_ADDRESS = re.compile(r"(?:https?|blob|data):", re.IGNORECASE)


class Source:
    """Something the page can read. Made by the widgets of what they are given, or by :func:`served`.

    ``key`` names the content: two widgets with the same model load it once.
    """

    def __init__(
        self, description: dict[str, Any], open_file: Callable[[], BinaryIO] | None = None, size: int = 0
    ) -> None:
        self.key: str = description["key"]
        self.size = size
        self._description = description
        self._open = open_file

    def record(self) -> dict[str, Any]:
        """What the page is told of it."""
        return {**self._description, **({} if self._open is None else {"size": self.size})}

    def read(self, offset: int, length: int) -> bytes:
        """A part of it. Fails with ``io`` when the file has changed or gone, ``invalid-argument`` out of bounds."""
        if self._open is None:
            raise LexigraftError("invalid-argument", "The page reads this file by itself.")
        if not (0 <= offset <= self.size and 0 < length <= CHUNK_BYTES):
            raise LexigraftError("invalid-argument", f"There are no {length} bytes at {offset}.")
        try:
            with self._open() as file:
                file.seek(offset)
                part = file.read(length)
        except OSError as error:
            raise LexigraftError("io", f"The file cannot be read: {error}") from error
        if len(part) != min(length, self.size - offset):
            raise LexigraftError("io", "The file has become shorter while it was read.")
        return part

    @classmethod
    def of_bytes(cls, content: bytes | bytearray | memoryview, **more: Any) -> Source:
        """Bytes in Python's memory, which are kept as they are now."""
        whole = bytes(content)
        key = f"bytes:{hashlib.sha256(whole).hexdigest()}"
        return _checked(cls({"kind": "sent", "key": key, **more}, lambda: io.BytesIO(whole), len(whole)))

    @classmethod
    def of_path(cls, path: str | os.PathLike[str]) -> Source:
        """A file where Python runs. Fails with ``not-found`` and ``io``."""
        file = Path(path).expanduser()
        try:
            status = file.stat()
            if not file.is_file():
                raise LexigraftError("io", f"{file} is not a file.")
        except FileNotFoundError as error:
            raise LexigraftError("not-found", f"There is no file {file}.") from error
        except OSError as error:
            raise LexigraftError("io", f"{file} cannot be read: {error}") from error
        key = f"path:{file.resolve()}:{status.st_size}:{status.st_mtime_ns}"
        description = {"kind": "sent", "key": key, "name": file.name}
        return _checked(cls(description, lambda: file.open("rb"), status.st_size))

    @classmethod
    def of(cls, given: object) -> Source:
        """Of whatever a widget was given: an address, a path, bytes, or a source."""
        if isinstance(given, Source):
            return given
        if isinstance(given, str) and _ADDRESS.match(given):
            return cls({"kind": "url", "key": given, "url": given})
        if isinstance(given, (bytes, bytearray, memoryview)):
            return cls.of_bytes(given)
        if isinstance(given, (str, os.PathLike)):
            return cls.of_path(given)
        raise LexigraftError(
            "invalid-argument",
            f"A file is an address, a path or bytes, not {type(given).__name__}.",
        )

    def __repr__(self) -> str:
        return f"<Source {self.key}>"


def served(path: str) -> Source:
    """A file below the folder that the notebook server serves, by its path there.

    The page reads it from the server itself, so it does not go through the kernel. It works in JupyterLab and
    Notebook.
    """
    parts = path.replace(os.sep, "/").lstrip("/").split("/")
    if ".." in parts or parts == [""]:
        raise LexigraftError("invalid-argument", f"{path!r} is no path below the server's folder.")
    clean = "/".join(parts)
    return Source({"kind": "served", "key": f"served:{clean}", "path": clean})


def picture(given: object) -> Source:
    """A picture: a PIL image, an array of ``uint8`` (rows, columns[, 3 or 4]), or a file as above."""
    if callable(getattr(given, "convert", None)) and callable(getattr(given, "tobytes", None)):
        rgba = given.convert("RGBA")  # type: ignore[attr-defined]
        width, height = rgba.size
        return _pixels(rgba.tobytes(), height, width)
    if hasattr(given, "__array_interface__"):
        view = memoryview(given)  # type: ignore[arg-type]
        shape = view.shape or ()
        if view.format != "B" or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (3, 4)):
            raise LexigraftError(
                "invalid-argument",
                f"An array of a picture is uint8 of (rows, columns[, 3 or 4]), not {view.format!r} of {shape}.",
            )
        return _pixels(_rgba(view.tobytes(), shape[2] if len(shape) == 3 else 1), shape[0], shape[1])
    return Source.of(given)


def _rgba(values: bytes, channels: int) -> bytes:
    if channels == 4:
        return values
    out = bytearray(b"\xff") * (len(values) // channels * 4)
    for channel in range(3):
        out[channel::4] = values[min(channel, channels - 1) :: channels]
    return bytes(out)


def _pixels(rgba: bytes, height: int, width: int) -> Source:
    if width == 0 or height == 0:
        raise LexigraftError("empty-image", "The picture has no pixels.")
    source = Source.of_bytes(rgba, pixels={"width": width, "height": height})
    source.key = f"{source.key}:{width}x{height}"
    source._description["key"] = source.key
    return source


def _checked(source: Source) -> Source:
    if source.size > MAX_SENT_BYTES:
        raise LexigraftError(
            "invalid-argument",
            f"A file of {source.size} bytes is too large to go through the kernel ({MAX_SENT_BYTES} at most).",
            "Give its address, or lexigraft.served() with its path.",
        )
    if source.size == 0:
        raise LexigraftError("invalid-argument", "The file is empty.")
    return source
