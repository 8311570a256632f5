# SPDX-License-Identifier: Apache-2.0
"""JSON lines in the two control streams."""

import json
import re
from typing import Any

from nova_dmore.channel import errors
from nova_dmore import wire

_LINE = re.compile(rb'[^\n]*\n|[^\n]+')


def encode(message: dict[str, Any],
           limit: int = wire.CONTROL_LINE_MAX) -> bytes:
    """One message as the bytes to produce or send.

    A newline precedes the message: if a gap has cut the line before, only that
    line is lost.

    :param limit: bytes of the line with its newline
    :raises ControlError: the message is too long or cannot be JSON
    """
    try:
        text = json.dumps(message, separators=(',', ':'))
    except (RecursionError, TypeError, ValueError) as error:
        raise errors.ControlError(
            f'message {message.get("type")!a}: {error}') from error
    line = text.encode('ascii') + b'\n'
    if len(line) > limit:
        raise errors.ControlError(
            f'message {message.get("type")!a} has {len(line)} bytes, at most '
            f'{limit} are possible')
    return b'\n' + line


def without_secrets(data: bytes) -> bytes:
    """Bytes of the stream to Domain R as they may leave the host.

    CONFIG holds private keys and passwords. It need not travel, since each
    host sends its own CONFIG to a Domain R that arrives. Only complete GAP
    messages are kept, which hold no secret; all other bytes become blanks. If
    Domain R has read the first part of a line already, that line ends where
    the blanks begin, and Domain R ignores it.

    :param data: may begin and end in the middle of a line
    :returns: as many bytes, so that the offsets of what follows stay
    """
    result = bytearray()
    blank = 0
    for line in _LINE.findall(data):
        message = _parse(line) if line.endswith(b'\n') else None
        if message is not None and message['type'] == wire.GAP:
            result += _blank(blank) + line
            blank = 0
        else:
            blank += len(line)
    return bytes(result + _blank(blank))


def _blank(count: int) -> bytes:
    """So many bytes that say nothing: a newline, and a line of spaces.

    They are not all newlines: each line takes an emulated processor time.
    """
    if count < 2:
        return b'\n' * count
    return b'\n' + b' ' * (count - 2) + b'\n'


class LineCodec:
    """Decodes the lines of one control stream.

    :ivar ignored: lines that were no JSON object with a text ``type``, or
        longer than allowed
    """

    def __init__(self, limit: int = wire.CONTROL_LINE_MAX) -> None:
        """:param limit: bytes of a line with its newline; the host must use
        less than the ring's size, since it takes whole lines only"""
        self._limit = limit
        self._pending = bytearray()
        self._skipping = False
        self.ignored = 0

    def decode(self, available: bytes) -> tuple[list[dict[str, Any]], int]:
        """The messages at the front of what is available.

        :returns: the messages, and how many bytes the caller is to take. An
            incomplete line is not taken, so that it can be carried over.
        """
        messages = []
        used = 0
        while (end := available.find(b'\n', used)) >= 0:
            line = available[used:end]
            used = end + 1
            if self._skipping or len(line) >= self._limit:
                self._skipping = False
                self.ignored += 1
            elif line:
                message = _parse(line)
                if message is None:
                    self.ignored += 1
                else:
                    messages.append(message)
        if self._skipping or len(available) - used >= self._limit:
            self._skipping = True
            used = len(available)
        return messages, used

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that are complete with these bytes.

        This object keeps an incomplete line: it is for Domain R, whose memory
        is migrated with it.
        """
        self._pending += data
        messages, used = self.decode(bytes(self._pending))
        del self._pending[:used]
        return messages


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(message, dict) and isinstance(message.get('type'), str):
        return message
    return None
