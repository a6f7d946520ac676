"""Bodies that are JSON, read strictly: what is a number is no text, and 0 is not false."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler

from serai.errors import InvalidError


class Strict(Request[Any, Any, Any]):
    """A request whose body is decoded as what its handler takes; the framework itself would coerce."""

    async def json(self) -> Any:
        """Return the body, or raise `InvalidError` with the ``path`` of what does not fit."""
        handler = self.scope["route_handler"]
        field = handler.parsed_data_field if isinstance(handler, HTTPRouteHandler) else None
        try:
            return msgspec.json.decode(await self.body(), type=field.annotation if field else Any)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at ")
            raise InvalidError(f"{message}.", path=path.strip("`") or "$") from None
        except RecursionError:
            raise InvalidError("The body is nested too deeply.", path="$") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidError(f"The body is not JSON: {error}.", path="$") from None
