"""Serve CGI programs (RFC 3875), PHP by php-cgi, and the files beside them, over HTTP/1.1.

    python3 -I -S gateway --port N --root FOLDER [--cgi-bin FOLDER] [--programs .cgi,.pl] [--php PROGRAM] [--front FILE]

It runs inside a tenant's sandbox, behind the edge, which has parsed each request once already; it refuses on its own
what could be read in two ways. Standard library only.
"""
