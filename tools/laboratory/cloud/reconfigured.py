# SPDX-License-Identifier: Apache-2.0
"""Services of Nova that run with other options for a while."""

import contextlib
from collections.abc import Callable, Iterator

from laboratory.testbed import inifile, settings
from laboratory.testbed.settings import Place


@contextlib.contextmanager
def reconfigured(place: Place, host: str, restart: Callable[[], None],
                 **sections: dict[str, object]) -> Iterator[None]:
    """Run a host's services of Nova so.

    :param restart: has those that are meant read their options again
    :param sections: options, by section
    """
    path = place.config('nova', 'nova.conf' if host == settings.CONTROLLER
                        else f'nova-{host}.conf')
    before = path.read_text()
    try:
        # A section may be there twice, and what comes last stands.
        path.write_text(before + inifile.render(sections))
        restart()
        yield
    finally:
        path.write_text(before)
        restart()
