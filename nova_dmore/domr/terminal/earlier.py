# SPDX-License-Identifier: Apache-2.0
"""The modes of a terminal that was given all of an output.

A program sets them once, when it starts: who attaches later, and is shown the
last of the output alone, would not have them.
"""

import copy
import re

from nova_dmore.domr.terminal import modes

#: What changes a mode. Nothing else is parsed, which is quick: also inside a
#: string a terminal obeys it, for ESC ends that.
_CHANGE = re.compile(rb'\x1b(?:\[\??[0-9;]*[hl]|\[!p|[=>c])')
#: The first part of one, at the end of what there is.
_PARTIAL = re.compile(rb'\x1b(?:\[(?:!|\??[0-9;]{0,64}))?\Z')
#: What ``ESC [ ! p`` does to them, a reset that leaves the screen as it is.
_SOFT_RESET = (b'\x1b[4l', b'\x1b[?1;6l', b'\x1b[?25h')


class Earlier:
    """The modes after what it was fed.

    :ivar modes: those of the terminal
    """

    def __init__(self) -> None:
        """Nothing was printed yet."""
        self.modes = modes.Modes()
        self._part = b''

    def copy(self) -> 'Earlier':
        """One that goes on from here by itself."""
        return copy.deepcopy(self)

    def feed(self, data: bytes) -> None:
        """This was printed, too."""
        data = self._part + data
        self._part = b''
        last = data.rfind(b'\x1b')
        if last < 0:
            return      # as for most output
        for change in _CHANGE.findall(data):
            self._take(change)
        if _PARTIAL.match(data, last):
            self._part = data[last:]

    def _take(self, change: bytes) -> None:
        if change == b'\x1b[!p':
            for each in _SOFT_RESET:
                self.modes.csi(each)
            self.modes.escape(b'\x1b>')
        elif change[1:2] == b'[':
            self.modes.csi(change)
        else:
            self.modes.escape(change)
