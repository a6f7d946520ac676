"""Where a platform is, as the client reaches it: by a home's Unix socket, or elsewhere.

Elsewhere means HTTPS with a certificate that is verified, always.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from serai.errors import InvalidError, UnavailableError

USUAL_PORT = 443
MAX_URL = 300  # characters
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Home:
    """The platform of a home on this machine, by its Unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """Return a connection that is not open yet."""
        return _UnixConnection(self._path, timeout)

    def unreachable(self, error: Exception) -> UnavailableError:
        """Say why there is no connection, and what helps."""
        if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
            return UnavailableError(
                f"No platform runs at {self._path.parent.parent}: start it with `serai up`.", socket=str(self._path)
            )
        if isinstance(error, PermissionError):
            text = "This home is another user's: become that user (sudo), say --home, or `serai login` from elsewhere."
            return UnavailableError(text, socket=str(self._path))
        return UnavailableError(f"The platform can't be reached: {error}.", socket=str(self._path))


class Server:
    """Where a platform is: ``https://api.example.test``, with a port where it is not 443.

    ``authority`` is PEM text: who vouches for it in the place of this machine's trust store. `InvalidError` for what is
    no such URL, plain HTTP included: a token is for nobody on the way.
    """

    def __init__(self, url: str, *, authority: str = "") -> None:
        self.host, self.port = _parse(url)
        self.authority = authority
        self._tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return self.url

    @property
    def url(self) -> str:
        """Return the URL in its shortest form."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}" + ("" if self.port == USUAL_PORT else f":{self.port}")

    @property
    def address(self) -> str:
        """Return host and port, the usual one, too."""
        return f"https://{self.host}:{self.port}"

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """Return a connection that is not open yet."""
        if self._tls is None:
            self._tls = _context(self.authority)
        return _TlsConnection(self.host, self.port, self._tls, timeout)

    def unreachable(self, error: Exception) -> UnavailableError:
        """Say why there is no connection, and what helps."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return UnavailableError(
                f"The certificate of {self.host} can't be verified ({error.verify_message}): name the authority that"
                " signed it with --ca FILE; on the platform's machine it is data/tls/ca.pem below its home.",
                temporary=False,
            )
        return UnavailableError(f"The platform at {self.url} can't be reached: {error}.")


class _TlsConnection(http.client.HTTPConnection):
    """HTTP/1.1 over TLS."""

    default_port = USUAL_PORT

    def __init__(self, host: str, port: int, tls: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._tls = tls

    def connect(self) -> None:
        """Open the connection and shake hands."""
        # RFC 6761 section 6.3: names below localhost are this machine's, also where no resolver says so.
        local = self.host == "localhost" or self.host.endswith(".localhost")
        plain = socket.create_connection(("localhost" if local else self.host, self.port), self.timeout)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def _parse(url: str) -> tuple[str, int]:
    text = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or USUAL_PORT
    except ValueError:
        raise InvalidError("That is not a URL.", path="url") from None
    if parts.scheme != "https":
        raise InvalidError("A platform elsewhere is reached by https:// only.", path="url")
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
    if extra or len(url) > MAX_URL or not (_HOST.match(host) or _is_address(host)):
        raise InvalidError("A platform's URL is https://HOST or https://HOST:PORT.", path="url")
    return host.lower(), port


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _context(authority: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=authority or None)
    except (ssl.SSLError, ValueError):
        raise InvalidError("That file holds no certificate of an authority.", path="ca") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
