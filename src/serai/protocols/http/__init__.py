"""HTTP/1.1 as a pure protocol (RFC 9110 semantics, RFC 9112 messages).

Here belongs what follows from octets alone: grammar, heads, body framing, the order of messages on a connection. Here
does not belong anything that waits, routes, balances or logs. `ServerConnection` and `ClientConnection` are the whole
of it for those who are in no hurry; the edge uses the pieces below them: `RequestReader`, `response_heads`
and the body readers.
"""

from serai.protocols.http.body import BodyReader, ChunkedReader, LengthReader, UntilCloseReader, chunk
from serai.protocols.http.connection import ClientConnection, ServerConnection
from serai.protocols.http.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from serai.protocols.http.events import NEED_DATA, PAUSED, ConnectionClosed, Data, EndOfMessage
from serai.protocols.http.fields import Fields
from serai.protocols.http.head import head_end
from serai.protocols.http.limits import Limits
from serai.protocols.http.request import RequestFields, RequestHead, RequestReader, request_head
from serai.protocols.http.response import ResponseHead, response_head, response_heads, status_line

__all__ = [
    "NEED_DATA",
    "PAUSED",
    "BodyReader",
    "ChunkedReader",
    "ClientConnection",
    "ConnectionClosed",
    "Data",
    "EndOfMessage",
    "Fields",
    "LengthReader",
    "Limits",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "RequestFields",
    "RequestHead",
    "RequestReader",
    "ResponseHead",
    "ServerConnection",
    "UntilCloseReader",
    "chunk",
    "head_end",
    "request_head",
    "response_head",
    "response_heads",
    "status_line",
]
