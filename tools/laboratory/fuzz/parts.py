# SPDX-License-Identifier: Apache-2.0
"""The targets, and the parts that each consists of."""

import ast
import dataclasses
import importlib
import os
import pathlib
import types
from collections.abc import Iterable

from laboratory.layout import REPOSITORY

HERE = pathlib.Path(__file__).resolve().parent
#: The inputs that are in the source tree, a folder for each part.
CORPUS = REPOSITORY / 'tests' / 'fuzz' / 'corpus'
#: Where parts make files: in memory, if there is such a folder.
FOLDER = '/dev/shm' if os.path.isdir('/dev/shm') else None
#: nova_dmore.link.messages.MESSAGE_MAX: nothing of nova_dmore is imported
#: before the fuzzer watches it.
MESSAGE_MAX = 1 << 16


@dataclasses.dataclass(frozen=True)
class Part:
    """One entry point.

    :ivar name: ``target/part``
    :ivar length: bytes of an input at most
    :ivar watched: packages whose coverage leads the fuzzer
    :ivar native: it is a program of its own, which ``vnc.build`` makes
    """

    name: str
    length: int = 4096
    watched: tuple[str, ...] = ('nova_dmore',)
    native: bool = False

    @property
    def target(self) -> str:
        """The name that ``tools/fuzz`` knows it by."""
        return self.name.partition('/')[0]

    @property
    def file_name(self) -> str:
        """Its name as a part of the names of files and modules."""
        return self.name.replace('/', '_')

    @property
    def corpus(self) -> pathlib.Path:
        """The inputs of it that are in the source tree."""
        return CORPUS / self.name

    @property
    def summary(self) -> str:
        """What it tries, in one line."""
        if self.native:
            return 'client messages and encoders, in C.'
        tree = ast.parse((HERE / f'{self.file_name}.py').read_text())
        return (ast.get_docstring(tree) or '').partition('\n')[0]

    def module(self) -> types.ModuleType:
        """Import it."""
        return importlib.import_module(f'laboratory.fuzz.{self.file_name}')


PARTS = (
    Part('region/host', 2048),
    Part('region/domain_r', 2048),
    Part('rfb/client'),
    Part('rfb/device'),
    Part('control/lines'),
    Part('control/config', 1024),
    Part('control/domain_r', 2048),
    Part('control/ivshmem', 256),
    Part('control/requests', 2048),
    Part('control/answers', 2048),
    Part('control/messages', 2048),
    Part('control/qmp', 2048),
    # The longest request, and the bytes that say what becomes of it.
    Part('control/hostd', MESSAGE_MAX + 8),
    Part('control/carry_over', 2048),
    Part('control/rpc', 1024),
    Part('control/rpc_answers', 1024),
    Part('control/record', 1024),
    Part('control/journal', 1024),
    Part('control/secret', 8192),
    Part('image/file', 16384, ('nova_dmore', 'tarfile')),
    Part('image/manifest', 2048),
    Part('vnc/handshake', 256),
    Part('vnc/messages', 65536, native=True),
)
TARGETS = tuple(dict.fromkeys(part.target for part in PARTS))


def chosen(name: str) -> list[Part]:
    """The parts of a target, of all of them, or one.

    :raises KeyError: there is nothing of that name
    """
    found = [part for part in PARTS
             if name in ('all', part.target, part.name)]
    if not found:
        raise KeyError(name)
    return found


def of_file(path: pathlib.Path, parts: Iterable[Part]) -> Part | None:
    """The part that an input is for, as its name or its folder tells."""
    for part in parts:
        if (path.name.startswith(f'{part.file_name}-')
                or path.resolve().parent == part.corpus.resolve()):
            return part
    return None
