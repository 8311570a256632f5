# SPDX-License-Identifier: Apache-2.0
"""Wait until a server answers. Runs inside a host, alone.

``probe.py tcp ADDRESS PORT SECONDS`` or ``probe.py http URL SECONDS``; ends
with 0 as soon as there is an answer, with 1 when the time is over.
"""

import http.client
import socket
import sys
import time
import urllib.parse


def answers_tcp(address: str, port: int) -> bool:
    """Whether a TCP connection can be opened."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def answers_http(url: str) -> bool:
    """Whether an HTTP server answers, with anything but a server's error.

    A WSGI server accepts connections long before it has loaded its
    application.
    """
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request('GET', parts.path or '/')
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(arguments: list[str]) -> int:
    kind, *where, seconds = arguments
    deadline = time.monotonic() + float(seconds)
    while time.monotonic() < deadline:
        if kind == 'tcp' and answers_tcp(where[0], int(where[1])):
            return 0
        if kind == 'http' and answers_http(where[0]):
            return 0
        time.sleep(0.2)
    return 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
