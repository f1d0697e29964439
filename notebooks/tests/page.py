"""The page's side of a widget, without a page: what it says is given to the widget as the kernel would."""

import itertools
from typing import Any

import lexigraft

_orders = itertools.count(1)


class Page:
    def __init__(self, widget: lexigraft.Generate) -> None:
        self.widget = widget
        #: What Python sent as messages of its own: contents and buffers.
        self.heard: list[tuple[dict[str, Any], list[bytes]]] = []
        widget.send = lambda content, buffers=None: self.heard.append((content, buffers or []))  # type: ignore[method-assign]

    def say(self, content: Any, buffers: tuple[bytes, ...] = ()) -> None:
        data = {"method": "custom", "content": content}
        self.widget._handle_msg({"content": {"data": data}, "buffers": [memoryview(buffer) for buffer in buffers]})

    def values(
        self,
        values: dict[str, Any],
        *,
        final: bool = False,
        request: int | None = None,
        order: int | None = None,
        binary: dict[str, bytes] | None = None,
    ) -> None:
        binary = binary or {}
        self.say(
            {
                "type": "values",
                "request": self.widget._request if request is None else request,
                "order": next(_orders) if order is None else order,
                "values": values,
                "binary": list(binary),
                "final": final,
            },
            tuple(binary.values()),
        )

    def update(self, state: dict[str, Any]) -> None:
        """A change of traits, as ipywidgets sends it."""
        self.widget._handle_msg(
            {"content": {"data": {"method": "update", "state": state, "buffer_paths": []}}, "buffers": []}
        )
