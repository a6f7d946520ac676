"""The one table from what went wrong to what the visitor gets."""

from __future__ import annotations

from http import HTTPStatus

from serai.errors import SeraiError

#: Codes of the house to HTTP status codes (RFC 9110 §15).
BY_CODE: dict[str, int] = {
    "not_found": 404,
    "already_exists": 409,
    "invalid": 400,
    "conflict": 409,
    "denied": 403,
    "exhausted": 503,
    "unavailable": 503,
    "deadline": 504,
    "unsupported": 501,
    "internal": 500,
}

#: What a visitor reads. Nothing here tells what runs behind the edge, or how.
SENTENCES: dict[int, str] = {
    400: "Your browser sent a request that can't be understood.",
    404: "There is no site at this address.",
    405: "This can't be done here.",
    408: "Your request took too long to arrive.",
    413: "Your request is larger than this site accepts.",
    414: "The address is too long.",
    417: "Your browser expects something that is not offered here.",
    421: "This connection was made for another site.",
    431: "Your request's header is too large.",
    500: "Something went wrong on our side.",
    501: "Your browser asked for something that is not offered here.",
    502: "The site's program failed to answer.",
    503: "The site is not available at the moment. Please try again soon.",
    504: "The site's program took too long to answer.",
    505: "Your browser speaks a version of HTTP that is not offered here.",
}

#: Seconds after which trying again makes sense.
RETRY_AFTER = {503: 5}

_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title><style>body{{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:32rem;"
    "padding:0 1rem}}h1{{font-size:1.4rem}}p+p{{color:#777}}</style>"
    "<h1>{title}</h1><p>{sentence}</p><p>{number}</p></html>\n"
)


def status_of(error: SeraiError) -> int:
    """Return the status that an error of the house is answered with."""
    return BY_CODE[error.code]


def page(status: int, request_id: str, *, html: bool) -> bytes:
    """Return the body of an error: HTML, or one plain line. The ID lets a visitor's report be found in the log."""
    sentence = SENTENCES.get(status, SENTENCES[500 if status >= 500 else 400])
    if not html:
        return f"{sentence}\n".encode()
    phrase = HTTPStatus(status).phrase
    number = f"{status} {request_id}".strip()
    return _PAGE.format(title=phrase, sentence=sentence, number=number).encode()


def fields(status: int, body: bytes, *, html: bool) -> bytes:
    """Return the field lines that go with `page`."""
    kind = b"text/html" if html else b"text/plain"
    retry = b"Retry-After: %d\r\n" % RETRY_AFTER[status] if status in RETRY_AFTER else b""
    return b"Content-Type: %b; charset=utf-8\r\nContent-Length: %d\r\nCache-Control: no-store\r\n%b" % (
        kind,
        len(body),
        retry,
    )
