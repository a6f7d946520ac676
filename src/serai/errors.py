"""The errors of the house: one base, ten codes, one subclass per code.

Act on the code, never on the message. Each protocol has one table from code to its own reply.
A built-in exception that reaches a worker's top is a bug: the worker dies and another starts.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SeraiError(Exception):
    """Carry what a caller may act on.

    ``public`` is a sentence that may be shown to anyone who was allowed to ask; ``fields`` are for logs and
    machines (never secrets). ``temporary`` says whether the same call may succeed later.
    """

    code: ClassVar[str] = "internal"
    temporary: bool = False

    def __init__(self, public: str, *, temporary: bool | None = None, **fields: Any) -> None:
        super().__init__(public)
        self.public = public
        self.fields = fields
        if temporary is not None:
            self.temporary = temporary


class NotFoundError(SeraiError):
    """Nothing has that name, or the asker may not know that it exists."""

    code = "not_found"


class AlreadyExistsError(SeraiError):
    """That name is taken."""

    code = "already_exists"


class InvalidError(SeraiError):
    """A value is malformed; ``fields["path"]`` says which."""

    code = "invalid"


class ConflictError(SeraiError):
    """Somebody else changed it first: read again, decide again."""

    code = "conflict"


class DeniedError(SeraiError):
    """The principal may not do that."""

    code = "denied"


class ExhaustedError(SeraiError):
    """A quota, a limit or a disk is full."""

    code = "exhausted"


class UnavailableError(SeraiError):
    """A party that is needed does not answer."""

    code = "unavailable"
    temporary = True


class DeadlineError(SeraiError):
    """The time that was given is over."""

    code = "deadline"
    temporary = True


class UnsupportedError(SeraiError):
    """This host, engine or driver can't do that."""

    code = "unsupported"


class InternalError(SeraiError):
    """Our own mistake."""

    code = "internal"


BY_CODE: dict[str, type[SeraiError]] = {
    cls.code: cls
    for cls in (
        NotFoundError,
        AlreadyExistsError,
        InvalidError,
        ConflictError,
        DeniedError,
        ExhaustedError,
        UnavailableError,
        DeadlineError,
        UnsupportedError,
        InternalError,
    )
}
