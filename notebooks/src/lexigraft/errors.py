"""What can go wrong, in Python and in the page alike."""

from __future__ import annotations

from collections.abc import Mapping

#: Every code an error can carry; the npm package has the same list, and docs/errors.md explains each.
ERROR_CODES = (
    "bad-checkpoint",
    "unsupported-format",
    "unsupported-type",
    "unsupported-architecture",
    "missing-tensor",
    "bad-config",
    "wrong-base-model",
    "bad-tokenizer",
    "tokenizer-missing",
    "tokenizer-mismatch",
    "bad-template",
    "unsupported-tokenizer",
    "no-tokenization",
    "too-many-tokenizations",
    "bad-constraint",
    "contradictory-constraints",
    "no-fill-in-the-middle",
    "prompt-too-long",
    "invalid-argument",
    "not-an-image",
    "empty-image",
    "image-too-large",
    "animated-image",
    "cmyk-image",
    "unknown-method",
    "integrity",
    "network",
    "not-found",
    "http",
    "storage",
    "no-webgpu",
    "device-lost",
    "out-of-memory",
    "aborted",
    "busy",
    "disposed",
    "worker-failed",
    "io",
    "internal",
)


class LexigraftError(Exception):
    """An error with a stable ``code``: switch on it, and show the message to people."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        #: What to do next, where there is more to say than the message does.
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" {self.hint}" if self.hint else "")

    def __repr__(self) -> str:
        return f"LexigraftError({self.code!r}, {self.message!r})"

    def __eq__(self, other: object) -> bool:
        # Traits compare the old value with the new one.
        return isinstance(other, LexigraftError) and self.record() == other.record()

    __hash__ = Exception.__hash__

    def record(self) -> dict[str, str | None]:
        """The error as it travels between Python and the page."""
        return {"code": self.code, "message": self.message, "hint": self.hint}

    @classmethod
    def of_record(cls, record: Mapping[str, str | None]) -> LexigraftError:
        return cls(record.get("code") or "internal", record.get("message") or "", record.get("hint"))
