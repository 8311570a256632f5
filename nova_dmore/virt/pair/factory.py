# SPDX-License-Identifier: Apache-2.0
"""Makes the pairs of a host from Nova's configuration.

Called by the driver's constructor, once in each nova-compute.
"""

import functools

from nova_dmore.virt.care import tokens
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.images import credentials
from nova_dmore.virt.images import image_store
from nova_dmore.virt.network import address
from nova_dmore.virt.network import plug
from nova_dmore.virt.network import port_security
from nova_dmore.virt.network import security_group
from nova_dmore.virt.pair import incoming


def make_pairs(conf, connect, vif_driver, context) -> incoming.IncomingPairs:
    """The pairs of this host; connects to nothing yet.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param vif_driver: Nova's ``LibvirtGenericVIFDriver``.
    :param context: an admin ``RequestContext``.
    """
    return incoming.IncomingPairs(
        conf, connect, plug.Plug(vif_driver, conf.libvirt.virt_type),
        address.AddressBook(
            conf.dmore.management_network,
            port_security.PortSecurity(
                conf.dmore.security_groups,
                security_group.OwnGroup(functools.partial(
                    security_group.wanted, conf.dmore, conf.vnc.enabled))),
            context),
        image_store.ImageStore(
            conf.dmore.image, conf.dmore.image_digest,
            conf.dmore.image_cache_dir, credentials.service_context),
        functools.partial(tokens.forget, context),
        functools.partial(host_secrets.note_of, context))
