# SPDX-License-Identifier: Apache-2.0
"""What CONFIG is made from, so that a change of it is noticed."""

import hashlib
import json
import pathlib
from typing import TYPE_CHECKING

from nova_dmore.virt.config import certificate
if TYPE_CHECKING:
    from oslo_config import cfg

#: Options that CONFIG says; each may be changed while nova-compute runs.
OPTIONS = ('ssh_port', 'ssh_networks', 'serial_port', 'serial_proxy_networks',
           'vnc_port', 'vnc_proxy_networks', 'vnc_direct_networks',
           'scrollback_kib', 'serial_stall_ms', 'console_authorized_keys',
           'secret_file', 'vnc_tls_dir', 'console_escape', 'serial_escape',
           'record_serial', 'vnc_exclusive', 'vnc_keymap', 'vnc_paste',
           'vnc_state_banner')
_TLS_FILES = (certificate.SERVER_CA_FILE, certificate.SERVER_CA_KEY_FILE,
              certificate.CLIENT_CA_FILE)


def digest(options: 'cfg.ConfigOpts.GroupAttr', with_vnc: bool) -> str:
    """Another text when an option, or a file that one names, is another.

    Whether they are good is found out when CONFIG is made.

    :param options: the ``[dmore]`` options.
    :param with_vnc: whether Nova's ``[vnc] enabled`` is true.
    """
    made = hashlib.sha256(json.dumps(
        [with_vnc, *(getattr(options, name) for name in OPTIONS)]).encode())
    paths = [options.console_authorized_keys, options.secret_file]
    if options.vnc_tls_dir is not None:
        paths += [str(pathlib.Path(options.vnc_tls_dir, name))
                  for name in _TLS_FILES]
    for path in paths:
        made.update(hashlib.sha256(_content(path)).digest())
    return made.hexdigest()


def _content(path: str | None) -> bytes:
    try:
        return b'' if path is None else pathlib.Path(path).read_bytes()
    except OSError as error:
        return str(error).encode()
