# SPDX-License-Identifier: Apache-2.0
"""The instance comes first: our errors end where Nova's code goes on."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
if TYPE_CHECKING:
    from nova import objects

LOG = logging.getLogger(__name__)


class Outcome:
    """What became of the steps in :func:`instance_first`."""

    #: Why they were not all taken, None when they were.
    error: Exception | None = None


@contextlib.contextmanager
def instance_first(instance: 'objects.Instance | None', what: str
                   ) -> Iterator[Outcome]:
    """Take steps of ours that Nova must not notice failing.

    :param instance: None: they are taken for no one of them.
    :param what: the steps, for the log.
    :returns: a context manager; its value is an :class:`Outcome`.
    """
    outcome = Outcome()
    try:
        yield outcome
    except Exception as error:  # noqa: H201
        # Nova is in the middle of an operation on the instance. An error of
        # ours that is not foreseen, or that a library does not document,
        # would make that operation fail, or worse, end it half-way; whatever
        # it is, a console is not worth that.
        outcome.error = error
        # One that is foreseen tells what is wrong; of others, where.
        LOG.error('%(what)s: %(error)s',
                  {'what': what, 'error': text.printable(error)},
                  exc_info=not isinstance(error, exception.DMoreError),
                  instance=instance)
