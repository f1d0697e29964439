"""Small transformers in the notebook's own page.

A widget for each job: :class:`Generate`, :class:`Bytes`, :class:`Graft`, :class:`See`. The model runs in the
browser; what it computes comes back as traits of the widget.
"""

from .errors import ERROR_CODES, LexigraftError
from .sources import Source, served
from .widgets import Bytes, Generate, Graft, See

__version__ = "0.1.0"

__all__ = ["ERROR_CODES", "Bytes", "Generate", "Graft", "LexigraftError", "See", "Source", "served"]
