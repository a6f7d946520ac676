"""How much of everything push takes."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the source of events takes."""

    channels: Annotated[int, Meta(ge=1, le=1_000_000, description="Channels that are followed, in all.")] = 100_000
    channels_each: Annotated[int, Meta(ge=1, le=1_000_000, description="The same of one tenant.")] = 20_000
    events_per_second: Annotated[
        float, Meta(gt=0, le=1e6, description="Events that the applications of one tenant may publish, for long.")
    ] = 200.0
    octets_per_second: Annotated[float, Meta(gt=0, le=1e9, description="Octets of these events' data, for long.")] = (
        1_000_000.0
    )


class PushConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the clients of one worker may take."""

    clients: Annotated[int, Meta(ge=1, le=1_000_000, description="Open streams, per worker.")] = 15_000
    clients_per_tenant: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Those of the visitors of one tenant, per worker.")
    ] = 10_000
    clients_per_address: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Those of one client address, per worker.")
    ] = 1000
    clients_per_user: Annotated[
        int, Meta(ge=1, le=100_000, description="Those of one user or token at the platform's own names, per worker.")
    ] = 64
    channels: Annotated[int, Meta(ge=1, le=1024, description="Channels that one stream may follow.")] = 64
    unsent_octets: Annotated[
        int, Meta(ge=1024, le=1 << 24, description="Octets that a client may leave unread, beside the kernel's buffer.")
    ] = 65536
    unsent_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Time for which it may leave so many unread; then it is dropped.")
    ] = 5.0
    alive_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="Time between two signs of life on a quiet stream.")
    ] = 25.0
    permit_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="Time after which it is asked again whether a client still may follow.")
    ] = 60.0
    send_octets: Annotated[
        int, Meta(ge=4096, le=1 << 24, description="The kernel's buffer for what a client has not taken.")
    ] = 65536
    front: Annotated[
        str, Meta(min_length=1, max_length=90, description="The API's socket, below the home, that says who may.")
    ] = "run/front.sock"
