# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-status``: whether a cloud is as the plug-in needs it.

It reads the configuration of nova-compute, on whose host it is to be called,
as the user who runs nova-compute. What it checks is in
:mod:`nova_dmore.virt.checks`.
"""

import functools
import sys
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import nova.conf
from nova import context as nova_context
from oslo_upgradecheck import upgradecheck

from nova_dmore.cmd import hypervisor
from nova_dmore.cmd import settings
from nova_dmore import conf as dmore_conf
from nova_dmore.virt.checks import result
from nova_dmore.virt.checks import table
from nova_dmore.virt import operator_rpc
from nova_dmore.virt.pair import factory

CONF = nova.conf.CONF

_CODES = {result.Level.GOOD: upgradecheck.Code.SUCCESS,
          result.Level.WARNING: upgradecheck.Code.WARNING,
          result.Level.FAILURE: upgradecheck.Code.FAILURE}


def _ask_hosts() -> dict[str, dict[str, Any] | None]:
    operator_rpc.connect(CONF)
    context = nova_context.get_admin_context()
    return operator_rpc.describe_all(context, CONF.host)


def _as_upgrade_check(check: table.Check
                      ) -> Callable[[Any], upgradecheck.Result]:
    def run(checks: Any) -> upgradecheck.Result:
        found = check.of(checks.subject)
        return upgradecheck.Result(_CODES[found.level], found.text or None)
    return run


# The library has no types.
class Checks(upgradecheck.UpgradeCommands):     # type: ignore[misc]
    """The checks of ``nova-dmore-status upgrade check``."""

    _upgrade_checks = tuple(
        (check.title, _as_upgrade_check(check)) for check in table.CHECKS)

    @functools.cached_property
    def subject(self) -> table.Subject:
        """This host, as its nova-compute sees it; made by the first check, for
        the configuration is read after this is."""
        context = nova_context.get_admin_context()
        return table.Subject(
            CONF, hypervisor.connect,
            factory.make_pairs(CONF, hypervisor.connect, None, context),
            context, _ask_hosts)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns its exit status: 0, 1 if there is
    a warning, 2 if something would not work, 255 after an error."""
    dmore_conf.register(CONF)
    status: int = upgradecheck.main(
        CONF, project='nova', upgrade_command=Checks(),
        argv=list(sys.argv[1:] if argv is None else argv),
        default_config_files=settings.files())
    return status


if __name__ == '__main__':
    sys.exit(main())
