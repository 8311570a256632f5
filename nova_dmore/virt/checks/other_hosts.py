# SPDX-License-Identifier: Apache-2.0
"""Checks whether all hosts have the same: an instance takes its address and
its keys along, and its Domain R has to find all else as it was.

Every nova-compute with the plug-in describes itself
(:meth:`nova_dmore.virt.rpc.operator.OperatorAPI.describe`). No secret is sent,
nor anything that leads to one.
"""

import hashlib
from typing import Any, TYPE_CHECKING

from nova_dmore import exception
from nova_dmore.virt.checks import result
from nova_dmore.virt.config import identity
if TYPE_CHECKING:
    from oslo_config import cfg

    from nova_dmore.virt.images import image_store

#: An instance that there is not, so its public key tells which secret it was
#: derived from, and opens nothing.
_NOBODY = '00000000-0000-0000-0000-000000000000'
#: So many hosts are named.
_NAMED_MAX = 8


def describe(conf: 'cfg.ConfigOpts', images: 'image_store.ImageStore'
             ) -> dict[str, Any]:
    """What of this host others can compare theirs with.

    :param conf: Nova's configuration.
    :param images: an :class:`nova_dmore.virt.images.image_store.ImageStore`.
    """
    return {
        'secrets': _fingerprints(conf), 'image': _image(images),
        'run_dir': conf.dmore.run_dir,
        'image_cache_dir': conf.dmore.image_cache_dir,
        'management_network': conf.dmore.management_network}


def _fingerprints(conf: 'cfg.ConfigOpts') -> dict[str, str]:
    try:
        secrets = identity.read_secrets(conf.dmore.secret_file)
    except exception.ConfigurationError:
        return {}       # that host says so itself
    return {str(secret_id): hashlib.sha256(
        identity.public_host_key(secret, _NOBODY).encode()).hexdigest()[:16]
        for secret_id, secret in secrets.by_id.items()}


def _image(images: 'image_store.ImageStore') -> str | None:
    try:
        digest: str = images.newest()
        return digest
    except exception.DMoreError:
        return None


_OPTIONS = {
    'secrets': '[dmore] secret_file has other secrets, so the consoles of '
               'instances that move there or from there change their keys, '
               'or end: copy one file to all hosts',
    'image': 'new pairs get another image ([dmore] image and image_digest)',
    'run_dir': '[dmore] run_dir is another: no instance with a Domain R can '
               'move there',
    'image_cache_dir': '[dmore] image_cache_dir is another: no Domain R can '
                       'move there',
    'management_network': '[dmore] management_network is another',
}
_FAILURES = {'secrets', 'run_dir', 'image_cache_dir'}


def compare(ours: dict[str, Any],
            others: dict[str, dict[str, Any] | None]) -> result.Result:
    """Whether other hosts are as this one.

    :param ours: :func:`describe` of this host.
    :param others: that of the others, by their names; None: one that did not
        answer, or is of an earlier release.
    """
    differs: dict[str, list[str]] = {}
    for host, theirs in sorted(others.items()):
        for name in _OPTIONS:
            if theirs is not None and theirs.get(name) != ours[name]:
                differs.setdefault(name, []).append(host)
    silent = sorted(host for host, theirs in others.items() if theirs is None)
    texts = [f'{_OPTIONS[name]} (on {_some(hosts)})'
             for name, hosts in differs.items()]
    if silent:
        texts.append(f'{_some(silent)} did not tell; see whether nova-compute '
                     'runs there, and is of this release')
    if not texts:
        return result.GOOD
    level = (result.Level.FAILURE if _FAILURES & differs.keys()
             else result.Level.WARNING)
    return result.Result(level, '; '.join(texts))


def _some(hosts: list[str]) -> str:
    named = ', '.join(hosts[:_NAMED_MAX])
    rest = len(hosts) - _NAMED_MAX
    return named if rest <= 0 else f'{named} and {rest} more'
