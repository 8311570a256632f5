# SPDX-License-Identifier: Apache-2.0
"""A window of tmux: a terminal that answers, and that can be looked at."""

import contextlib
import time
from collections.abc import Iterable, Sequence

from laboratory import command
from laboratory.progress import Failure
from laboratory import waiting

_FIRST = '0'


class Tmux:
    """One window of one or more panes, each with a program.

    :param name: of the server that it is the only window of
    :param argv: runs in the first pane, "0"
    :raises Failure: it does not start
    """

    _KEYS = {'Return': 'Enter'}

    def __init__(self, name: str, argv: Sequence[str], columns: int = 100,
                 rows: int = 40) -> None:
        self._name = name
        self._run('-f', '/dev/null', 'new-session', '-d', '-x', str(columns),
                  '-y', str(rows), *argv)
        self._run('set-option', '-g', 'remain-on-exit', 'on')
        self._run('set-option', '-g', 'status', 'off')

    def _run(self, *words: str) -> str:
        return command.said('tmux', [*self._command(), *words])

    def _command(self) -> list[str]:
        return ['tmux', '-u', '-L', self._name]

    def split(self, rows: int, *argv: str) -> None:
        """A further pane below, of so many rows.

        :raises Failure: there is no room
        """
        self._run('split-window', '-v', '-l', str(rows), *argv)

    def attach(self) -> list[str]:
        """The command line that shows the window at a terminal."""
        return [*self._command(), 'attach-session']

    def type(self, text: Iterable[str], seconds: float = 0.05,
             pane: str = _FIRST) -> None:
        """Type one character after the other."""
        for character in text:
            # An argument that ends with one would end the command, too.
            self._run('send-keys', '-t', f'.{pane}', '-l', '--',
                      character.replace(';', r'\;'))
            time.sleep(seconds)

    def paste(self, text: str) -> None:
        """All at once."""
        self._run('set-buffer', text)
        self._run('paste-buffer', '-r')

    def press(self, name: str, pane: str = _FIRST) -> None:
        """A key as X names it, after ``ctrl+`` perhaps."""
        control, _plus, last = name.rpartition('+')
        self._run('send-keys', '-t', f'.{pane}', f'C-{last}' if control
                  else self._KEYS.get(last, last))

    @property
    def connected(self) -> bool:
        """Whether the program of the first pane runs."""
        return self.shown('#{pane_dead}') == '0'

    def shown(self, what: str) -> str:
        """What tmux tells of the first pane, by one of its formats."""
        return self._run('display-message', '-p', '-t', f'.{_FIRST}',
                         what).strip()

    def text(self, pane: str = _FIRST) -> str:
        """What a pane shows."""
        return self._run('capture-pane', '-p', '-t', f'.{pane}')

    def wait_for(self, what: str, seconds: float, pane: str = _FIRST) -> None:
        """Until a pane shows a line that begins with this.

        :raises Failure: it does not in time
        """
        if not waiting.until(lambda: any(
                line.startswith(what)
                for line in self.text(pane).splitlines()), seconds):
            raise Failure('tmux', f'no {what!r}, but\n{self.text(pane)}')

    def close(self) -> None:
        with contextlib.suppress(Failure):
            self._run('kill-server')
