# SPDX-License-Identifier: Apache-2.0
"""Keys and instances, for the tests of the gateway."""

import base64

WEB = '0b3c9a5e-6d5f-4f0e-9a43-0e0d2f3b1a01'
MAIL = '0b3c9a5e-6d5f-4f0e-9a43-0e0d2f3b1a02'
OTHERS = '7f3c9a5e-6d5f-4f0e-9a43-0e0d2f3b1a03'


def key(number: int, kind: str = 'ssh-ed25519') -> str:
    """A key that is of no use to anybody."""
    name = kind.encode()
    blob = len(name).to_bytes(4) + name + (32).to_bytes(4) + bytes(
        [number] * 32)
    return f'{kind} {base64.b64encode(blob).decode()}'
