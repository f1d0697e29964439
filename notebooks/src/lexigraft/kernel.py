"""What the kernel does with the page's messages while a cell waits for them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from IPython import get_ipython

#: Seconds between two looks at what has come.
EVERY_SECONDS = 0.05


def keep_to_subshell(comm: Any) -> None:
    """Lets the page's answers arrive while a cell runs.

    JupyterLab sends a widget's messages to a subshell, a thread beside the one that runs cells. ipykernel 7.4 sends
    answers back to whoever wrote to the page last instead, which is the cell that now waits for them and takes none.
    A widget of this package can be written to by any thread, so the page's own choice is the right one.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, subshell_id: subshell_id


def is_queue_held() -> bool:
    """Whether messages wait for the end of the cell unless the cell itself takes them, as in ipykernel 6."""
    kernel = getattr(get_ipython(), "kernel", None)
    return threading.current_thread() is threading.main_thread() and hasattr(kernel, "msg_queue")


@contextlib.contextmanager
def messages(arrived: threading.Event) -> Iterator[Callable[[], object]]:
    """Gives what to call again and again while waiting; it returns when something arrived or a moment has passed."""
    if not is_queue_held():
        yield lambda: arrived.wait(EVERY_SECONDS)
        return
    from jupyter_ui_poll import ui_events

    with ui_events() as poll:

        def take() -> None:
            poll(10)
            arrived.wait(EVERY_SECONDS)

        yield take
