"""What the widgets share: a request to the page, the files for it, and its answer."""

from __future__ import annotations

import pathlib
import threading
import time
from typing import Any

import anywidget
import traitlets

from .errors import LexigraftError
from .sources import Source

_STATIC = pathlib.Path(__file__).parent / "static"

#: Seconds after which a page that has said nothing at all is taken to be unable to answer.
FIRST_ANSWER_SECONDS = 60.0


def _error_to_json(error: LexigraftError | None, _widget: object) -> dict[str, str | None] | None:
    return None if error is None else error.record()


def _error_from_json(record: dict[str, str | None] | None, _widget: object) -> LexigraftError | None:
    return None if record is None else LexigraftError.of_record(record)


class Job(anywidget.AnyWidget):
    """A job that the page does with a model; see the subclasses."""

    _esm = _STATIC / "widget.js"
    _css = pathlib.Path(__file__).parent / "widget.css"
    #: The traits that are files; the page knows them by the same names.
    _file_traits: tuple[str, ...] = ("model",)

    _job = traitlets.Unicode().tag(sync=True)
    #: Goes up with each request; `_finished` is the last one that the page has answered.
    _request = traitlets.Int(0).tag(sync=True)
    _finished = traitlets.Int(0).tag(sync=True)
    #: Goes up to end the request under way.
    _stop = traitlets.Int(0).tag(sync=True)
    #: By name, what the page may read for this request.
    _files = traitlets.Dict().tag(sync=True)

    status = traitlets.Enum(["idle", "waiting", "loading", "running", "done", "failed"], "idle").tag(sync=True)
    #: ``{"phase", "loaded", "total"}`` while files are read; ``total`` may be None.
    progress = traitlets.Dict().tag(sync=True)
    #: One plain sentence on the device that computes.
    device = traitlets.Unicode().tag(sync=True)
    #: What went wrong with the last request: a LexigraftError, or None.
    error = traitlets.Instance(LexigraftError, allow_none=True).tag(
        sync=True, to_json=_error_to_json, from_json=_error_from_json
    )

    def __init__(self, **traits: Any) -> None:
        self._sources: dict[str, Source] = {}
        self._answered = threading.Event()
        self._asked_at = self._heard_at = 0.0
        unknown = sorted(set(traits) - set(self.trait_names()))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no trait {', '.join(unknown)}")
        super().__init__(**traits)
        self.on_msg(self._answer)
        self.observe(lambda _change: self._offer(), names=list(self._file_traits))
        self._offer()

    def _offer(self) -> None:
        """Tells the page of the files, so that a press of its button finds them too."""
        given = {name: getattr(self, name) for name in self._file_traits}
        offered: dict[str, Source] = {name: source for name, source in given.items() if source is not None}
        engine = Source.of_path(_STATIC / "engine.js")
        self._sources = {source.key: source for source in (engine, *offered.values())}
        self._files = {name: source.record() for name, source in {**offered, "engine": engine}.items()}

    def run(self, **traits: Any) -> Job:
        """Sets traits, and asks the page to begin; a request under way ends first. Returns the widget at once."""
        unknown = sorted(set(traits) - set(self.trait_names()))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no trait {', '.join(unknown)}")
        self._answered.clear()
        with self.hold_sync():
            for name, value in traits.items():
                setattr(self, name, value)
            self.error = None
            self.status = "waiting"
            self._request = max(self._request, self._finished) + 1
        self._asked_at = time.monotonic()
        return self

    def wait(self, timeout: float = 600.0) -> Job:
        """Waits for the page's answer and returns the widget; the error, if there is one, is raised.

        The page's messages must arrive while a cell runs, which in the cell that called ``run`` they do not with
        ipykernel 7.4.0: read the traits in a later cell, or observe them. Raises TimeoutError after ``timeout`` seconds.
        """
        if self._request == 0:
            raise LexigraftError("invalid-argument", "Nothing was asked for yet: call run() first.")
        ends = time.monotonic() + timeout
        while self._finished < self._request and not self._answered.wait(0.1):
            now = time.monotonic()
            if now > ends:
                raise TimeoutError(f"The page has not finished in {timeout} seconds; it is {self.status}.")
            if self._heard_at < self._asked_at < now - FIRST_ANSWER_SECONDS:
                raise TimeoutError(
                    "Nothing has come from the page while this cell ran. Here its messages may arrive only "
                    "between cells: read the values in the next cell."
                )
        if self.error is not None:
            raise self.error
        return self

    def stop(self) -> None:
        """Ends the request under way; its error is then ``aborted``."""
        self._stop += 1

    def set_state(self, sync_data: dict[str, Any]) -> None:
        self._heard_at = time.monotonic()
        super().set_state(sync_data)

    @traitlets.observe("_finished")
    def _on_finished(self, change: dict[str, Any]) -> None:
        if change["new"] >= self._request:
            self._answered.set()

    def _answer(self, _widget: object, content: Any, _buffers: list[memoryview]) -> None:
        """Sends the page a part of a file that it was offered."""
        if not isinstance(content, dict) or content.get("type") != "read":
            return
        self._heard_at = time.monotonic()
        reply = {"type": "part", "id": content.get("id")}
        try:
            source = self._sources.get(str(content.get("key")))
            if source is None:
                raise LexigraftError("not-found", "The page asked for a file that it was not offered.")
            offset, length = content.get("offset"), content.get("length")
            if not (isinstance(offset, int) and isinstance(length, int)):
                raise LexigraftError("invalid-argument", "A part of a file is an offset and a length.")
            self.send(reply, buffers=[source.read(offset, length)])
        except LexigraftError as error:
            self.send({**reply, "error": error.record()})
