"""What the widgets share: a request to the page, the files for it, and its answer."""

from __future__ import annotations

import asyncio
import pathlib
import threading
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from . import kernel
from .errors import LexigraftError
from .sources import Source
from .traits import output

if TYPE_CHECKING:
    from typing_extensions import Self

_STATIC = pathlib.Path(__file__).parent / "static"

#: Seconds after which a page that has said nothing at all is taken to be unable to answer.
FIRST_ANSWER_SECONDS = 20.0


def _error_to_json(error: LexigraftError | None, _widget: object) -> dict[str, str | None] | None:
    return None if error is None else error.record()


def _error_from_json(record: dict[str, str | None] | None, _widget: object) -> LexigraftError | None:
    return None if record is None else LexigraftError.of_record(record)


class Job(anywidget.AnyWidget):
    """A job that the page does with a model; see the subclasses.

    Inputs are synchronised as any widget's are. What the page computes comes as messages of its own: of a widget's
    traits ipywidgets sends no second change before the kernel has told that it is idle after the first, and a kernel
    that runs a cell does not.
    """

    _esm = _STATIC / "widget.js"
    _css = pathlib.Path(__file__).parent / "widget.css"
    #: The traits that are files; the page knows them by the same names.
    _file_traits: tuple[str, ...] = ("model",)

    _job = traitlets.Unicode().tag(sync=True)
    #: Goes up with each request; `_finished` is the last one whose answer is complete.
    _request = traitlets.Int(0).tag(sync=True)
    _finished = output(traitlets.Int(0))
    #: The last request that is to end early.
    _stop = traitlets.Int(0).tag(sync=True)
    #: By name, what the page may read for this request.
    _files = traitlets.Dict().tag(sync=True)

    status = output(traitlets.Enum(["idle", "waiting", "loading", "running", "done", "failed"], "idle"))
    #: ``{"phase", "loaded", "total"}`` while files are read; ``total`` may be None.
    progress = output(traitlets.Dict())
    #: One plain sentence on the device that computes.
    device = output(traitlets.Unicode())
    #: What went wrong with the last request: a LexigraftError, or None.
    error = output(traitlets.Instance(LexigraftError, allow_none=True)).tag(
        to_json=_error_to_json, from_json=_error_from_json
    )

    def __init__(self, **traits: Any) -> None:
        self._sources: dict[str, Source] = {}
        # The page's messages may come in another thread than the cell's.
        self._lock = threading.RLock()
        self._answered = threading.Event()
        self._asked_at = self._heard_at = 0.0
        #: By the name of a value, the order of the message that it came with.
        self._orders: dict[str, int] = {}
        self._check_names(traits)
        super().__init__(**traits)
        self.on_msg(self._receive)
        self.observe(lambda _change: self._offer(), names=list(self._file_traits))
        self._offer()

    def _check_names(self, traits: dict[str, Any]) -> None:
        unknown = sorted(set(traits) - set(self.trait_names()))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no trait {', '.join(unknown)}")

    def _offer(self) -> None:
        """Tells the page of the files, so that a press of its button finds them too."""
        given = {name: getattr(self, name) for name in self._file_traits}
        offered: dict[str, Source] = {name: source for name, source in given.items() if source is not None}
        engine = Source.of_path(_STATIC / "engine.js")
        self._sources = {source.key: source for source in (engine, *offered.values())}
        self._files = {name: source.record() for name, source in {**offered, "engine": engine}.items()}

    def run(self, **traits: Any) -> Self:
        """Sets traits, and asks the page to begin; a request under way ends first. Returns the widget at once.

        To wait for the answer: ``widget.run().wait()``, or ``await widget.run()``.
        """
        self._check_names(traits)
        with self._lock, self.hold_sync():
            for name, value in traits.items():
                setattr(self, name, value)
            # What was computed before is not this request's.
            for name, trait in self.traits(output=True).items():
                if name not in ("_finished", "device"):
                    self.set_trait(name, trait.default(self))
            self.status = "waiting"
            self._begin(max(self._request, self._finished) + 1)
        return self

    def _begin(self, request: int) -> None:
        self._answered.clear()
        self._orders.clear()
        self._asked_at = time.monotonic()
        self._request = request

    def wait(self, timeout: float = 600.0) -> Self:
        """Waits for the page's answer and returns the widget; the error, if there is one, is raised.

        An interrupt of the cell ends the request too. Raises TimeoutError after ``timeout`` seconds, and at once when
        it is clear that no page hears.
        """
        self._check_asked()
        ends = time.monotonic() + timeout
        try:
            with kernel.messages(self._answered) as take:
                while self._is_waiting():
                    take()
                    if time.monotonic() > ends:
                        raise TimeoutError(f"The page has not finished in {timeout:g} seconds; it is {self.status}.")
        except KeyboardInterrupt:
            self.stop()
            raise
        return self._outcome()

    def __await__(self) -> Generator[Any, None, Self]:
        """``await widget`` waits as ``wait()`` does, and leaves the kernel's loop free meanwhile."""
        return self._wait_async().__await__()

    async def _wait_async(self) -> Self:
        if kernel.is_queue_held():
            # No message comes while the loop is free, so there is nothing to gain from it.
            return self.wait()
        self._check_asked()
        try:
            while self._is_waiting():
                await asyncio.sleep(kernel.EVERY_SECONDS)
        except (asyncio.CancelledError, KeyboardInterrupt):
            # An interrupt of the cell cancels it.
            self.stop()
            raise
        return self._outcome()

    def _check_asked(self) -> None:
        if self._request == 0:
            raise LexigraftError("invalid-argument", "Nothing was asked for yet: call run() first.")

    def _is_waiting(self) -> bool:
        """Whether the answer is still to come. Fails when it seems that it never will."""
        if self._finished >= self._request:
            return False
        if self._heard_at < self._asked_at < time.monotonic() - FIRST_ANSWER_SECONDS:
            raise TimeoutError(
                f"Nothing has come from the page in {FIRST_ANSWER_SECONDS:g} seconds. Is the notebook open in a "
                "browser? Where messages do not reach a running cell, `await` in place of `wait()` lets them; else "
                "read the values in the next cell."
            )
        return True

    def _outcome(self) -> Self:
        if self.error is not None:
            # A copy, for a raised error keeps its frames and all that is in them.
            raise LexigraftError.of_record(self.error.record())
        return self

    def stop(self) -> None:
        """Ends the request under way; its error is then ``aborted``."""
        self._stop = self._request

    def set_state(self, sync_data: dict[str, Any]) -> None:
        # The page keeps what it computes as its own values too, and an old one may come along with a changed input.
        outputs = self.trait_names(output=True)
        with self._lock:
            super().set_state({name: value for name, value in sync_data.items() if name not in outputs})

    @traitlets.observe("comm")
    def _on_comm(self, change: dict[str, Any]) -> None:
        kernel.keep_to_subshell(change["new"])

    @traitlets.observe("_finished")
    def _on_finished(self, change: dict[str, Any]) -> None:
        if change["new"] >= self._request:
            self._answered.set()

    def _receive(self, _widget: object, content: Any, buffers: list[memoryview]) -> None:
        if not isinstance(content, dict):
            return
        self._heard_at = time.monotonic()
        if content.get("type") == "read":
            self._send_part(content)
        elif content.get("type") == "values":
            self._take_values(content, buffers)

    def _take_values(self, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """Takes what the page has computed. The same message may come twice, and an older one after a newer."""
        request, order, values = content.get("request"), content.get("order"), content.get("values")
        if not (isinstance(request, int) and isinstance(order, int) and isinstance(values, dict)):
            return
        values = {**values, **dict(zip(content.get("binary") or (), buffers, strict=False))}
        outputs = set(self.trait_names(output=True)) - {"_finished"}
        with self._lock:
            if request < self._request or request <= self._finished:
                return
            if request > self._request:
                # Someone pressed the page's button.
                self._begin(request)
            newer = {name for name in values if name in outputs and self._orders.get(name, 0) < order}
            self._orders.update(dict.fromkeys(newer, order))
            super().set_state({name: values[name] for name in newer})
            if content.get("final") is True:
                # It also tells the page that all has come.
                self._finished = request

    def _send_part(self, content: dict[str, Any]) -> None:
        """Sends the page a part of a file that it was offered."""
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
