"""The grammar, each rule above its expression. Quantifiers are possessive: no input makes them backtrack."""

from __future__ import annotations

import re

# RFC 9110 §5.6.2: token = 1*tchar
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"

# RFC 9110 §5.5: field-vchar = VCHAR / obs-text. With SP and HTAB in between that is every octet but controls. A bare
# CR, a bare LF and NUL are thereby errors, as §5.5 and RFC 9112 §2.2 allow, and so is a folded line: it would begin
# with a space, which no field name does (RFC 9112 §5.2).
VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*+"

# RFC 9112 §5: field-line = field-name ":" OWS field-value OWS; no space before the colon (§5.1). The groups are the
# name, and the value with what white space follows it.
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):[ \t]*+(" + VALUE + rb")\Z")

# RFC 9112 §3: request-line = method SP request-target SP HTTP-version. Of the target's octets only VCHAR are taken;
# "#" never appears in one (§3.2). Methods of more than 32 octets are nobody's.
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21\x22\x24-\x7e]++) HTTP/1\.([01])\Z")

# The same for what nearly every request is: HTTP/1.1, origin-form (RFC 9112 §3.2.1), and not CONNECT, which has none.
# The groups are the method, the target, and the target's path (RFC 3986 §3.3: up to the "?").
USUAL_LINE = re.compile(
    rb"(?!CONNECT )([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}+) "
    rb"((/[\x21\x22\x24-\x3e\x40-\x7e]*+)(?:\?[\x21\x22\x24-\x7e]*+)?) HTTP/1\.1\r\n"
)

# RFC 9112 §2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT
ANY_VERSION = re.compile(TOKEN + rb" [^ ]++ HTTP/([0-9])\.[0-9]\Z")

# RFC 9112 §4: status-line = HTTP-version SP status-code SP [ reason-phrase ]. Some programs leave out the second SP.
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: " + VALUE + rb")?\r\n")

# RFC 9110 §7.2: Host = uri-host [ ":" port ]; of the reg-name only what a DNS name or an address may hold.
HOST = re.compile(
    rb"([0-9A-Za-z](?:[0-9A-Za-z._-]{0,253}[0-9A-Za-z_])?|\[[0-9A-Fa-f:.]{2,45}\])\.?(?::([0-9]{1,5}))?\Z"
)

# RFC 9112 §3.2.2: absolute-form = absolute-URI, of which only ours are taken.
ABSOLUTE = re.compile(rb"https?://([^/?#@]++)([/?].*)?\Z", re.IGNORECASE)

# RFC 9110 §8.6: Content-Length = 1*DIGIT; 18 digits are an exabyte.
LENGTH = re.compile(rb"[0-9]{1,18}\Z")

# RFC 9112 §7.1: chunk-size = 1*HEXDIG, then chunk-ext (§7.1.1), which we read past. 15 digits stay below 2^63.
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:[ \t]*;" + VALUE + rb")?)\Z")

# RFC 9112 §2.2: a line ends in CRLF. CR alone, or LF alone, is where two parsers part ways.
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
