# SPDX-License-Identifier: Apache-2.0
"""The page of the documentation: ``python -m laboratory.operations.page``,
with ``tools`` in PYTHONPATH, writes it."""

import pathlib

from laboratory.layout import REPOSITORY
from laboratory.operations import catalogue

PATH = pathlib.Path(REPOSITORY, 'doc/source/admin/operations.rst')

_HEAD = '''==========
Operations
==========

What becomes of an instance's pair in each operation of Nova, and what who is
logged in at its SSH console, or has its serial or VNC console open,
experiences. This page is made from what ``tools/test operations`` runs
(``tools/laboratory/operations/catalogue.py``); the tests are those of
``tests/functional``.

A session that *lives on* loses no key and no byte. One that *ends* is told
why, where its protocol has a way to say that. *The same address*: the host
key is the same, too, so a client that tries again is where it was.

.. list-table::
   :header-rows: 1
   :widths: 20 15 15 15 15 20

   * - Operation
     - Pair
     - SSH
     - Serial
     - VNC
     - Tests
'''


def text() -> str:
    """The page."""
    return _HEAD + ''.join(
        f'   * - {row.operation}\n     - {row.pair}\n     - {row.ssh}\n'
        f'     - {row.serial}\n     - {row.vnc}\n     - '
        + ' '.join(f'``{test}``' for test in row.tests) + '\n'
        for row in catalogue.OPERATIONS)


if __name__ == '__main__':
    PATH.write_text(text())
