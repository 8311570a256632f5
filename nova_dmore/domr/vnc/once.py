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
"""Log lines that clients can cause: once each, and not without end."""

from collections.abc import Callable

#: Different lines that are remembered; after these nothing is said.
KEPT = 64


class Once:
    """Says each thing once."""

    def __init__(self, log: Callable[[str, str], None]) -> None:
        """:param log: called with a level and a text"""
        self._log = log
        self._said: set[str] = set()

    def say(self, what: str, level: str, text: str) -> None:
        """Log a text unless the same thing was said.

        :param what: tells one thing from others
        :param text: printable
        """
        if what in self._said or len(self._said) >= KEPT:
            return
        self._said.add(what)
        self._log(level, text)
