# SPDX-License-Identifier: Apache-2.0
"""What nova-compute says of its host when it starts: a line for each check
that is not good, and none for the others."""

import threading
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import conf as dmore_conf
from nova_dmore import exception
from nova_dmore.virt.checks import result
from nova_dmore.virt.checks import table
if TYPE_CHECKING:
    from oslo_config import cfg

LOG = logging.getLogger(__name__)


def register_options(conf: 'cfg.ConfigOpts') -> None:
    """Have Nova know the ``[dmore]`` options, and say which cannot be used.

    Called by the driver's constructor, of whose errors nova-compute would say
    that the driver is none.

    :raises SystemExit: one cannot be used.
    """
    dmore_conf.register(conf)
    try:
        dmore_conf.check(conf)
    except exception.ConfigurationError as error:
        LOG.critical('%s', text.printable(error))
        raise SystemExit(1) from error
    dmore_conf.warn_of_ignored(conf)


def check(subject: table.Subject) -> str | None:
    """Make the checks that nova-compute's start waits for.

    :returns: why no Domain R can be on this host; None: it can, or nobody
        can tell.
    """
    found = {each.title: _run(each, subject) for each in table.CHECKS
             if each.when is table.When.START}
    return next((found[each.title].text for each in table.NEEDED
                 if found[each.title].level is result.Level.FAILURE), None)


def check_aside(subject: table.Subject) -> threading.Thread:
    """Make those that take longer, in a thread of their own: Neutron or
    Glance may not answer for minutes.

    :returns: the thread, which nobody need wait for.
    """
    thread = threading.Thread(target=_check_aside, args=[subject],
                              name='dmore-checks', daemon=True)
    thread.start()
    return thread


def _check_aside(subject: table.Subject) -> None:
    for each in table.CHECKS:
        if each.when is table.When.ASIDE:
            _run(each, subject)


def _run(each: table.Check, subject: table.Subject) -> result.Result:
    """What a check finds; it is said, if it is not good."""
    try:
        found = each.of(subject)
    except Exception as error:  # noqa: H201
        # It must keep neither nova-compute from its start nor the other
        # checks from being made.
        LOG.exception('Domain R: %s cannot be checked', each.title)
        return result.not_checked(error)
    if found.level is not result.Level.GOOD:
        LOG.log(logging.ERROR if found.level is result.Level.FAILURE
                else logging.WARNING,
                'Domain R: %(title)s: %(text)s',
                {'title': each.title, 'text': found.text})
    return found
