# SPDX-License-Identifier: Apache-2.0
"""A cloud for as long as something is measured or tried in it."""

import contextlib
from collections.abc import Iterator

from laboratory.cloud import api, clouds, standpoint
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from laboratory.testbed.settings import Place


@contextlib.contextmanager
def borrowed(layout: Layout, progress: Progress, keep: bool,
             block: bool = False, plugin: bool = True) -> Iterator[Place]:
    """Have the cloud that is up, or a new one; this thread is where its users
    are meanwhile. After a failure it is left for a look at it.

    :param keep: leave it up in any case; a later run uses it
    :param block, plugin: see :func:`clouds.get`
    :raises Failure: it does not start, or refuses a request
    """
    place = clouds.get(layout, progress, block, plugin)
    try:
        with standpoint.at_the_controller(place), api.requests(place):
            yield place
    except Failure:
        progress.say('the cloud is left as it is; "tools/testbed down" '
                     'removes it')
        raise
    if not keep:
        clouds.testbed('remove the cloud', progress, 'down')
