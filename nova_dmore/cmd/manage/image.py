# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage image``: the images of Domain R on this host."""

import argparse
import collections
from typing import Any

from nova_dmore.cmd.manage import output
from nova_dmore import exception

_COLUMNS = {'digest': 'Digest', 'version': 'Version', 'size_mib': 'MiB',
            'pairs': 'Pairs', 'is_newest': 'Newest', 'used_at': 'Used at'}


def add(nouns: output.Nouns) -> None:
    """Add the parser."""
    noun = nouns.add_parser(
        'image', help='the images of Domain R on this host')
    actions = noun.add_subparsers(dest='action', required=True)
    listed = actions.add_parser(
        'list', help='list the images in [dmore] image_cache_dir, with the '
        'number of pairs that use each, and whether new pairs get it')
    listed.set_defaults(run=_list)
    prune = actions.add_parser(
        'prune', help='remove those that no pair uses, that new pairs do not '
        'get, and that nobody has used for an hour')
    prune.set_defaults(run=_prune)
    for action in (listed, prune):
        output.with_json(action)


def _list(arguments: argparse.Namespace) -> output.Table:
    from nova_dmore.cmd.manage import compute
    return listed(compute.read_only(arguments.config_file).pairs)


def listed(pairs: Any) -> output.Table:
    """What ``image list`` answers.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :raises nova_dmore.exception.DMoreError: the images cannot be read.
    """
    users = collections.Counter(
        record.digest for record in pairs.records.all())
    newest = _newest(pairs)
    rows: list[dict[str, Any]] = [{
        'digest': image.digest, 'version': image.version,
        'size_mib': image.size >> 20, 'pairs': users[image.digest],
        'is_newest': None if newest is None else image.digest == newest,
        'used_at': output.utc(image.used_at),
    } for image in pairs.images.cached()]
    here = {row['digest'] for row in rows}
    rows += [{'digest': digest, 'version': None, 'size_mib': None,
              'pairs': users[digest], 'is_newest': digest == newest,
              'used_at': None}
             for digest in sorted({*users, *filter(None, [newest])} - here)]
    return output.Table(_COLUMNS, rows)


def _newest(pairs: Any) -> str | None:
    """None: Glance does not tell."""
    try:
        newest: str = pairs.images.newest()
        return newest
    except exception.DMoreError:
        return None


def _prune(arguments: argparse.Namespace) -> output.Table:
    from nova_dmore.cmd.manage import compute
    return pruned(compute.read_only(arguments.config_file).pairs)


def pruned(pairs: Any) -> output.Table:
    """What ``image prune`` answers.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :raises nova_dmore.exception.DMoreError: nobody can tell which are used:
        nothing was removed.
    """
    used = {record.digest for record in pairs.records.all()}
    used.add(pairs.images.newest())
    return output.Table({'digest': 'Removed'}, [
        {'digest': digest} for digest in pairs.images.prune(used)])
