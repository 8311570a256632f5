# SPDX-License-Identifier: Apache-2.0
"""What Domain R is told about its VNC server: ``vnc`` of CONFIG."""

from typing import Any, TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore.virt.config import certificate
from nova_dmore.virt.config import identity
if TYPE_CHECKING:
    from oslo_config import cfg

    from nova_dmore.virt.pair import record as record_module

LOG = logging.getLogger(__name__)


def build(options: 'cfg.ConfigOpts.GroupAttr',
          record: 'record_module.PairRecord', secret: bytes) -> dict[str, Any]:
    """The ``vnc`` object of :data:`nova_dmore.wire.CONFIG`.

    Passwords and certificate are those of this instance, and open no other
    console. The certificate is a new one each time.

    When the authority has ended that issues them, the proxies can verify no
    certificate: then VNC is closed for them, and for nobody else.

    :param options: the ``[dmore]`` options.
    :param record: a :class:`nova_dmore.virt.pair.record.PairRecord`.
    :param secret: that of the pair
        (:meth:`nova_dmore.virt.config.identity.Secrets.get`).
    :raises nova_dmore.exception.ConfigurationError: an option, or a file
        that it names, cannot be used.
    """
    uuid = record.instance_uuid
    password = view_only = tls = None
    proxy_networks = options.vnc_proxy_networks
    if options.vnc_direct_networks:
        password = identity.vnc_password(secret, uuid)
        view_only = identity.vnc_password(secret, uuid, view_only=True)
    if options.vnc_tls_dir is not None:
        try:
            tls = certificate.read(options.vnc_tls_dir).issue(
                uuid, record.address.ip)
        except certificate.EndedError as error:
            LOG.error('The VNC console of instance %(uuid)s is closed for '
                      'the proxies: %(error)s',
                      {'uuid': uuid, 'error': text.printable(error)})
            # Without a certificate they would be let in in clear.
            proxy_networks = []
    return {
        'port': options.vnc_port,
        'proxy_networks': proxy_networks,
        'direct_networks': options.vnc_direct_networks,
        'password': password,
        'view_only_password': view_only,
        'tls': tls,
        'keymap': record.keymap or options.vnc_keymap,
        'paste': options.vnc_paste,
        'exclusive': options.vnc_exclusive,
        'banner': options.vnc_state_banner,
    }
