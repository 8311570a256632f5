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
from nova_dmore import conf_file
from nova_dmore import exception
from nova_dmore import program
from nova_dmore.virt.checks import result
from nova_dmore.virt.checks import table
from nova_dmore.virt.pair import factory
from nova_dmore.virt.rpc import operator as operator_rpc

CONF = nova.conf.CONF

_PROGRAM = 'nova-dmore-status'
#: The library's own exit status after an error.
_ERROR = 255

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
        try:
            found = check.of(checks.subject)
        except Exception as error:  # noqa: H201
            # What nobody foresaw must not keep the other checks from being
            # made, nor make of the answer what no program can read.
            found = result.not_checked(f'{type(error).__name__}: {error}')
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
    return program.run(
        _PROGRAM, lambda: _command(sys.argv[1:] if argv is None else argv),
        _ERROR)


def _command(argv: Sequence[str]) -> int:
    """What ``upgradecheck.main()`` does, which ends in a traceback where a
    file or an option is wrong."""
    dmore_conf.register(CONF)
    upgradecheck.register_cli_options(CONF, Checks())
    try:
        conf_file.parse(
            CONF, argv, settings.files(), project='nova',
            description='"upgrade check" tells whether this compute host and '
                        'its cloud are as nova-dmore needs them. To be run '
                        'as the user of nova-compute. Exit status: 0 good, '
                        '1 a warning, 2 a failure, 255 an error.')
        dmore_conf.check(CONF)
    except exception.ConfigurationError as error:
        print(f'{_PROGRAM}: {error}', file=sys.stderr)
        return _ERROR
    # Where the library finds --json.
    upgradecheck.CONF = CONF
    status: int = upgradecheck.run(CONF)
    return status


if __name__ == '__main__':
    sys.exit(main())
