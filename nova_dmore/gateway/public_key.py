# SPDX-License-Identifier: Apache-2.0
"""Public keys, as OpenSSH writes them: pure functions."""

import base64
import binascii
import re

#: Longest key, in characters: RSA of 16384 bits, the most that OpenSSH takes,
#: has less than 3000.
KEY_MAX = 8192
#: Most keys of a key pair.
KEYS_MAX = 16
_TYPE = re.compile(r'[a-z0-9][a-z0-9@.-]{0,63}')


def normal(kind: str, data: str) -> str:
    """A key as the one text that stands for it: type and data, no comment.

    :param kind: its type, for instance ``ssh-ed25519``
    :param data: in base64
    :raises ValueError: it is no key
    """
    if not _TYPE.fullmatch(kind) or len(data) > KEY_MAX:
        raise ValueError('no public key')
    try:
        blob = base64.b64decode(data.encode('ascii'), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError('no public key') from error
    # What sshd reads of it is what the blob says.
    name = len(kind).to_bytes(4) + kind.encode()
    if not blob.startswith(name) or len(blob) == len(name):
        raise ValueError('no public key of the type that it names')
    return f'{kind} {base64.b64encode(blob).decode()}'


def of_text(text: str) -> list[str]:
    """The keys of a key pair, which Nova takes with more lines than one.

    A line that is no key without options is left out, and so is one more than
    there may be.
    """
    found: dict[str, None] = {}
    for line in re.split(r'[\r\n]+', text[:KEYS_MAX * KEY_MAX]):
        try:
            found[of_line(line)] = None
        except ValueError:
            continue
    return list(found)[:KEYS_MAX]


def of_line(line: str) -> str:
    """The key of a line without options.

    :raises ValueError: it is no key
    """
    words = line[:2 * KEY_MAX].split(None, 2)
    if len(words) < 2:
        raise ValueError('no public key')
    return normal(words[0], words[1])
