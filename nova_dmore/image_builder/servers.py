# SPDX-License-Identifier: Apache-2.0
"""Which servers Domain R's image gets, and the files that they are made of.

A server is a plug-in: a module that an entry point of RMS_GROUP names, of
this package or of any other that is installed where the image is built. This
machine's Python runs nothing of it: Domain R has another one, with other
packages. So entry points are listed and not loaded, and imports are looked
for in the sources.
"""

import importlib.machinery
import importlib.util
import modulefinder
import pathlib
import re
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any

from stevedore import named

import nova_dmore
from nova_dmore import exception

RMS_GROUP = 'nova_dmore.rms'
AGENT_MODULE = 'nova_dmore.domr.agent'
#: So many bytes of source the servers of other packages may have together:
#: far more than a server needs, and nothing to an image file, which is
#: limited (``image_file.FILE_MAX``), or to the memory of a Domain R.
OTHERS_MAX = 4 << 20

_OWN = nova_dmore.__name__
#: Names are keys of the SERVING message, beside ``type`` and others, which
#: have underscores.
_NAME = re.compile(r'(?!type$)[A-Za-z][A-Za-z0-9-]{0,63}')
_MODULE = re.compile(r'\w+(\.\w+)*', re.ASCII)
#: Of this package, what servers may import: nothing else of it works in
#: Domain R.
_IN_DOMAIN_R = re.compile(
    rf'{_OWN}(\.exception|\.(channel|domr|wire)(\..+)?)?')


def lines_for(entry_points: Iterable[metadata.EntryPoint]) -> list[str]:
    """The list of servers in the image, in which the agent looks them up.

    :returns: ``name = module`` and a line's end for each, sorted
    :raises ImageError: none is of this package; or one cannot be a server, or
        has the name of another
    """
    found: dict[str, str] = {}
    for point in entry_points:
        line = f'{point.name} = {point.value}'
        if not _NAME.fullmatch(point.name):
            raise _refused(line, 'its name is to be of letters, digits and '
                           'hyphens, at most 64, and not "type"')
        if not _MODULE.fullmatch(point.value):
            raise _refused(line, 'it is to name a module and nothing in it; '
                           'the agent calls the coroutine "start" there')
        if found.setdefault(point.name, point.value) != point.value:
            raise _refused(line, f'{found[point.name]} has the same name; '
                           'uninstall one, or give it another name')
    if not any(_package(module) == _OWN for module in found.values()):
        raise exception.ImageError(
            f'no entry points {RMS_GROUP} of {_OWN}: install nova-dmore (pip '
            'install), do not run it from its source tree alone')
    return sorted(f'{name} = {module}\n' for name, module in found.items())


def installed() -> list[str]:
    """As :func:`lines_for`, of all packages that are installed here.

    :raises ImageError: as it says
    """
    # It loads those that are asked for, and lists all.
    points: list[metadata.EntryPoint] = named.NamedExtensionManager(
        RMS_GROUP, names=[]).list_entry_points()
    return lines_for(points)


def module_of(line: str) -> str:
    """The module that a line names."""
    return line.partition('=')[2].strip()


def files(lines: Sequence[str]) -> dict[pathlib.PurePath, pathlib.Path]:
    """The agent and the servers, with all that they import of their own
    packages: a package's other modules and its data are left out.

    :param lines: as of :func:`lines_for`
    :returns: where each file is to be below a directory of Python's path, and
        where it is here; sorted
    :raises ImageError: a server cannot be put into an image
    """
    finder = _Finder()
    finder.import_hook(AGENT_MODULE)
    for line in lines:
        known = set(finder.modules)
        _find(finder, line.strip())
        for name in sorted(set(finder.modules) - known):
            _check(line.strip(), finder.modules[name])
    found = dict(sorted(map(finder.place, finder.modules.values())))
    size = sum(path.stat().st_size for place, path in found.items()
               if place.parts[0] != _OWN)
    if size > OTHERS_MAX:
        others = ', '.join(line.strip() for line in lines
                           if _package(module_of(line)) != _OWN)
        raise exception.ImageError(
            f'the servers of other packages ({others}) and what they import '
            f'of these have {size} bytes, and an image takes {OTHERS_MAX}: '
            'let them import less, or uninstall one')
    return found


class _Finder(modulefinder.ModuleFinder):
    """Follows imports inside of packages that it is told of, and of this one.

    What this machine does not have (asyncssh) does not matter, and what it
    has beside them changes nothing.
    """

    def __init__(self) -> None:
        super().__init__(path=[])
        #: Where the top packages are.
        self.folders = {_OWN: pathlib.Path(nova_dmore.__file__).parents[1]}

    def find_module(self, name: str, path: Any, parent: Any = None) -> Any:
        if path is None:
            if name not in self.folders:
                raise ImportError(f'{name} is not followed')
            path = [str(self.folders[name])]
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.origin is None:
            # A directory alone, on which ModuleFinder fails.
            raise ImportError(f'{name} has no __init__.py')
        return super().find_module(name, path, parent)

    def place(self, module: Any) -> tuple[pathlib.PurePath, pathlib.Path]:
        """A module's path below the folder of its package, and here."""
        path = pathlib.Path(module.__file__)
        return path.relative_to(self.folders[_package(module.__name__)]), path


def _find(finder: _Finder, line: str) -> None:
    """Follow the imports of a line's server.

    :raises ImageError: it is not there, or in no package
    """
    module = module_of(line)
    package = _package(module)
    try:
        if package not in finder.folders:
            finder.folders[package] = _folder(package)
        finder.import_hook(module)
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        raise _refused(
            line, f'{module} cannot be imported ({error}). Install its '
            'package for the Python that runs nova-dmore-image, as files in '
            'directories that have an __init__.py each; or uninstall what '
            'has the entry point') from error


def _folder(package: str) -> pathlib.Path:
    """The folder that a top package is in; it is not imported.

    :raises ImportError: it is none
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ImportError(f'there is no {package}')
    path = pathlib.Path(spec.origin or '')
    # A directory without an __init__.py is a namespace package, whose parts
    # may lie in several places; a module in one file may hide a directory of
    # the same name.
    if not spec.submodule_search_locations or not path.is_file():
        raise ImportError(f'{package} is no directory with an __init__.py')
    return path.parents[1]


def _check(line: str, module: Any) -> None:
    """Whether a server may have such a module.

    :raises ImageError: it may not
    """
    name, path = module.__name__, str(module.__file__)
    if not path.endswith('.py'):
        raise _refused(
            line, f'{path} is compiled for this machine, and Domain R has '
            "another Python: write it in Python, or do without; of Debian's "
            'packages, Domain R has python3-asyncssh and what that needs')
    if _package(name) == _OWN and not _IN_DOMAIN_R.fullmatch(name):
        raise _refused(
            line, f'it imports {name}, which is not in Domain R: a server '
            f'may import {_OWN}.domr, {_OWN}.channel and {_OWN}.wire')


def _package(module: str) -> str:
    return module.partition('.')[0]


def _refused(line: str, reason: str) -> exception.ImageError:
    return exception.ImageError(
        f'the entry point "{line}" of {RMS_GROUP} cannot be a server of '
        f'Domain R: {reason}')
