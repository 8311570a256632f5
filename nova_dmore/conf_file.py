# SPDX-License-Identifier: Apache-2.0
"""Configuration files, as each program of this project reads them.

Runs in the host service (``hostd.conf``), in the recorder (``recorder.conf``)
and in ``nova-dmore-manage``, which finds recordings where that one has
them; in the gateway (``gateway.conf``); and in the programs that read
``nova.conf``, with the options of ``conf.py``.
"""

import re
import types
from collections.abc import Sequence

from oslo_config import cfg
from oslo_config import types as cfg_types

from nova_dmore import exception


# The library has no types.
class AbsolutePath(cfg_types.String):       # type: ignore[misc]
    """The type of an option that names a directory, which a program makes
    where there is none: a relative one would be made where it happens to be
    started, and another program would look for it elsewhere.

    :param may_be_empty: whether an empty value is one.
    """

    def __init__(self, may_be_empty: bool = False) -> None:
        super().__init__()
        self._may_be_empty = may_be_empty

    def __call__(self, value: object) -> str:
        path: str = super().__call__(value)
        if not (path.startswith('/') or self._may_be_empty and not path):
            raise ValueError(f'{path!r} is no absolute path')
        return path


def parse(conf: cfg.ConfigOpts, arguments: Sequence[str],
          default_config_files: Sequence[str], **names: str) -> None:
    """Have a configuration read its files, whose values are not looked at.

    :param arguments: of the command line, without the program.
    :param default_config_files: where ``arguments`` names none.
    :param names: the project, and what else oslo.config is told.
    :raises exception.ConfigurationError: a file cannot be read, or is none of
        configuration.
    """
    try:
        conf(arguments, default_config_files=list(default_config_files),
             **names)
    except cfg.ConfigFilesPermissionDeniedError as error:
        raise exception.ConfigurationError(
            f'{error}; run it as a user who may read them') from error
    except (cfg.Error, OSError) as error:
        raise exception.ConfigurationError(str(error)) from error
    except UnicodeDecodeError as error:
        named = next(filter(_is_no_text, (
            each.removeprefix('--config-file=')
            for each in (*arguments, *default_config_files))),
            'a file of --config-dir')
        raise exception.ConfigurationError(
            f'{named} is no file of configuration: {error}') from error


def _is_no_text(path: str) -> bool:
    try:
        with open(path) as file:
            file.read()
    except UnicodeDecodeError:
        return True
    except OSError:
        pass    # another argument than a file
    return False


def values(conf: cfg.ConfigOpts, group: str, options: Sequence[cfg.Opt]
           ) -> types.SimpleNamespace:
    """-> the values of options, by their names: only now each is checked.

    :raises exception.ConfigurationError: an option cannot be used; with its
        name, and where it is set.
    """
    found = types.SimpleNamespace()
    for option in options:
        try:
            setattr(found, option.dest, conf[group][option.dest])
        except cfg.Error as error:
            place = re.search(r"detail='([^']+)'", str(error))
            _, _, why = str(error).rpartition(' is not valid: ')
            raise exception.ConfigurationError(
                f'[{group}] {option.dest}: {why}' +
                (f' (in {place[1]})' if place else '')) from error
    return found


def read(group: cfg.OptGroup, options: Sequence[cfg.Opt],
         arguments: Sequence[str]) -> types.SimpleNamespace:
    """-> the values of all options of a program that has a file of its own.

    Called once by ``nova-dmore-`` and the name of the group, when it starts.

    :param arguments: of its command line, without the program; without
        ``--config-file`` there the file is NAME.conf where oslo.config finds
        those of nova-dmore.
    :raises exception.ConfigurationError: an option cannot be used.
    """
    conf = cfg.ConfigOpts()
    conf.register_group(group)
    conf.register_opts(options, group=group)
    parse(conf, arguments, cfg.find_config_files(
        project='nova-dmore', prog=group.name),
        project='nova-dmore', prog=f'nova-dmore-{group.name}',
        description=f'{group.title}. Its options are in the group '
                    f'[{group.name}] of its configuration file.')
    return values(conf, group.name, options)
