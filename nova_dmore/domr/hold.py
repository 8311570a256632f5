# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Keeps Domain R's pre-copy from converging while the host asks for it."""

import mmap

#: What is kept dirty. The host must set Domain R's migration bandwidth times
#: its downtime limit below this, or QEMU switches over all the same. The stop
#: of Domain R lasts as long as it takes to send this: no more than needed.
HOLD_BYTES = 2 << 20
#: How often every page of it is written, in seconds.
HOLD_PERIOD_S = 0.01


class Holder:
    """Memory that is written all over at each ``step`` while wanted."""

    def __init__(self) -> None:
        self._memory: mmap.mmap | None = None
        self._count = 0

    def step(self, wanted: bool) -> None:
        """Write one byte of each page, or give the memory back."""
        if not wanted:
            if self._memory is not None:
                self._memory.close()
                self._memory = None
            return
        if self._memory is None:
            self._memory = mmap.mmap(-1, HOLD_BYTES)
        pages = HOLD_BYTES // mmap.PAGESIZE
        # Never zero: a zero page is sent as a mark and costs nothing.
        self._count = self._count % 255 + 1
        self._memory[::mmap.PAGESIZE] = bytes([self._count]) * pages
