# SPDX-License-Identifier: Apache-2.0
"""What a program shows at a terminal, as an asciinema cast.

Format: https://docs.asciinema.org/manual/asciicast/v2/
"""

import codecs
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from typing import TextIO

_VERSION = 2


class Recording:
    """A context manager; runs a program until it ends or is closed.

    :param columns, rows: of its terminal
    """

    def __init__(self, argv: Sequence[str], stream: TextIO, title: str,
                 columns: int, rows: int) -> None:
        self._stream = stream
        self._begin = time.monotonic()
        self._write({'version': _VERSION, 'width': columns, 'height': rows,
                     'timestamp': int(time.time()), 'title': title,
                     'env': {'TERM': 'xterm-256color'}})
        self._ends = False
        self._file, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ,
                    struct.pack('HHHH', rows, columns, 0, 0))
        self._process = subprocess.Popen(
            argv, stdin=other, stdout=other, stderr=other,
            start_new_session=True,
            env={**os.environ, 'TERM': 'xterm-256color'})
        os.close(other)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _write(self, value: object) -> None:
        self._stream.write(json.dumps(value, ensure_ascii=False) + '\n')

    def _read(self) -> None:
        # An event ends at a character's end.
        decoder = codecs.getincrementaldecoder('utf-8')('replace')
        while True:
            try:
                data = os.read(self._file, 1 << 16)
            except OSError:     # the other side is closed: the program's end
                return
            # What it says of being ended is not what it was to show.
            if (text := decoder.decode(data)) and not self._ends:
                self._write([round(time.monotonic() - self._begin, 3), 'o',
                             text])

    def __enter__(self) -> 'Recording':
        return self

    def __exit__(self, *_why: object) -> None:
        self._ends = True
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        os.close(self._file)
