"""Whether somebody may follow a channel of the platform's: asked of the API, where all permission is decided.

An answer holds for a while, so that a page with several streams, or one that comes back after its connection broke,
costs one question. Where the API says that rights may have changed, all answers are forgotten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from serai.errors import DeniedError, ExhaustedError, NotFoundError, SeraiError, UnavailableError
from serai.services.push.channels import permit_path, tenant_of
from serai.services.push.front import Front

MOST = 10_000  # answers that are remembered


class Permit(msgspec.Struct, frozen=True):
    """What the API says of who asks: a name to count by; of a task, whose it is."""

    who: str
    tenant: str


class NobodyError(DeniedError):
    """Nobody was recognised: a sign-in may mend that."""


class Permits:
    """Ask, and remember for ``seconds``."""

    def __init__(self, front: Front, seconds: float, monotonic: Callable[[], float]) -> None:
        self._front = front
        self._seconds = seconds
        self._monotonic = monotonic
        self._known: dict[bytes, tuple[float, Permit]] = {}

    def forget(self) -> None:
        """Ask anew from now on; what is on its way holds no more, either."""
        self._known = {}

    async def ask(self, channel: str, shown: Mapping[str, str]) -> Permit:
        """Return who may follow a channel; raise what the API says of who may not, or `UnavailableError`.

        ``shown`` are the header fields that tell who it is, and where from.
        """
        # By a digest: no secret is kept here.
        path = permit_path(channel)
        key = hashlib.sha256(repr((path, sorted(shown.items()))).encode("utf-8", "surrogatepass")).digest()
        now = self._monotonic()
        until, permit = self._known.get(key, (0.0, None))
        if permit is None or until <= now:
            known = self._known
            permit = _judged(*await self._front.get(path, shown))
            if len(known) >= MOST:
                known.clear()
            known[key] = (now + self._seconds, permit)
        if channel.startswith("task/") and permit.tenant != tenant_of(channel):
            raise NotFoundError("Nothing has that name.")
        return permit


def _judged(status: int, body: bytes) -> Permit:
    if status == 200:
        try:
            return msgspec.json.decode(body, type=Permit)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnavailableError("The API's answer can't be understood.") from error
    kind = _ERRORS.get(status, UnavailableError)
    raise kind(_detail(body) or "The API does not answer that now.")


def _detail(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, object]).get("detail", ""))[:500]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


_ERRORS: Mapping[int, type[SeraiError]] = {
    401: NobodyError,
    403: DeniedError,
    404: NotFoundError,
    400: NotFoundError,
    429: ExhaustedError,
}
