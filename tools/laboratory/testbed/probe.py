# SPDX-License-Identifier: Apache-2.0
"""Whether a server answers, from the network that the thread is on."""

import http.client
import socket
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
