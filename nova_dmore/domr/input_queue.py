# SPDX-License-Identifier: Apache-2.0
"""What the clients of a serial console have typed, until there is room for it.

It goes out in the order in which it came, whoever typed it.
"""

import collections
import dataclasses
from collections.abc import Callable

from nova_dmore.domr import console_client
from nova_dmore.domr import ports

#: Bytes of one client's input that wait for room before it is held back.
INPUT_LIMIT = 1 << 14
#: And in how many pieces: each takes memory beside its content, and time when
#: what waits is counted.
PIECES_LIMIT = 1 << 8
#: A key sends no more bytes than these.
_KEY_MAX = 8
#: A break that waits counts as so many bytes: of memory.
_BREAK_SIZE = 512
#: Memory that waiting input of clients that are gone may take, in bytes; and
#: what each piece takes beside its content.
LEFT_LIMIT = 1 << 20
_PIECE_SIZE = 256

Client = console_client.Client


@dataclasses.dataclass
class _Queued:
    """Input of one client that is not sent yet.

    :ivar client: None: it is gone
    :ivar data: None: a break
    """

    client: Client | None
    data: bytes | None

    @property
    def size(self) -> int:
        """In bytes."""
        return _BREAK_SIZE if self.data is None else len(self.data)


def _whole(data: bytes, room: int) -> int:
    """How many bytes of input to send if there is room for so many.

    What a key sends (``ESC [ A``) comes in one piece: a boot loader takes an
    ESC that nothing follows at once for the key of that name.
    """
    if room >= len(data):
        return len(data)
    start = data.rfind(b'\x1b', max(0, room - _KEY_MAX), room)
    return start if start >= 0 else room


class InputQueue:
    """The waiting input of one console's clients; used by
    :class:`nova_dmore.domr.console.Console`.

    :param line: takes what is sent
    """

    def __init__(self, line: ports.Line) -> None:
        self._line = line
        self._items: collections.deque[_Queued] = collections.deque()

    def put(self, client: Client, data: bytes | None) -> bool:
        """Send input of a client, or a break (None), when its turn comes.

        :returns: False: a client that is held back has asked for a break,
            which is not sent. Holding it back does not keep it from asking.
        """
        if data is None and client.input_paused:
            return False
        last = self._items[-1] if self._items else None
        if (last is not None and last.client is client
                and last.data is not None and data is not None):
            last.data += data
        else:
            self._items.append(_Queued(client, data))
        self.flush()
        # While a connection is held back, what it has sent lies in the
        # kernel, and is lost if the client closes it. So only one that sends
        # a lot is held back.
        if (self._waiting(client) > INPUT_LIMIT
                or self._pieces(client) > PIECES_LIMIT):
            client.input_paused = True
            client.port.pause_input(True)
        return True

    def flush(self) -> None:
        """Send what there is room for; called when room has grown."""
        while self._items:
            item = self._items[0]
            if item.data is None:
                if not self._line.send_break():
                    return
            else:
                size = _whole(item.data, self._line.sendable())
                if size == 0:
                    return
                self._line.send(item.data[:size])
                if size < len(item.data):
                    item.data = item.data[size:]
                    return
            self._items.popleft()
            if item.client is not None:
                self._release(item.client)

    def drop(self, tell: Callable[[Client], None]) -> None:
        """What was typed and not sent is for nobody.

        :param tell: called with each client whose it was and that is there
        """
        clients = {item.client for item in self._items
                   if item.client is not None}
        for client in clients:
            tell(client)
        self._items.clear()
        for client in clients:
            self._release(client)

    def leave(self, client: Client) -> bool:
        """A client is gone: what it has typed is still sent, but the client is
        not kept for it; nor is more than a part of the memory.

        :returns: False: it is not sent, for too much was left already
        """
        left = sum(item.size + _PIECE_SIZE for item in self._items
                   if item.client is None or item.client is client)
        is_kept = left <= LEFT_LIMIT
        if not is_kept:
            self._items = collections.deque(
                item for item in self._items if item.client is not client)
        for item in self._items:
            if item.client is client:
                item.client = None
        return is_kept

    def _release(self, client: Client) -> None:
        if client.input_paused and self._waiting(client) == 0:
            client.input_paused = False
            client.port.pause_input(False)

    def _waiting(self, client: Client) -> int:
        return sum(item.size for item in self._items
                   if item.client is client)

    def _pieces(self, client: Client) -> int:
        return sum(item.client is client for item in self._items)
