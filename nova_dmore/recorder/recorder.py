# SPDX-License-Identifier: Apache-2.0
"""The recorder of a host, running."""

import dataclasses
import logging
import os
import pathlib
import signal
import socket
import time

from nova_dmore.channel import errors
from nova_dmore.channel.host import tail as tail_module
from nova_dmore.channel import text
from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore.hostd import folders as folders_module
from nova_dmore.posix import locks
from nova_dmore.posix import unix_connect
from nova_dmore.recorder import files as files_module
from nova_dmore.recorder import pair as pair_module
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: How often output is polled for, in seconds: what comes between is one event.
_POLL_S = 0.05
#: How often pairs are listed, and asked whether they are recorded.
_SURVEY_S = 2.0
#: Workers that do not answer are waited for so long in one survey, all
#: together, or the output of others would be written over; each is asked again
#: after a while.
_ANSWER_S = 0.5
#: One has so long at first, and twice as long whenever it did not answer.
_PATIENCE_S = 0.05
_ASK_AGAIN_S = 5.0
#: How long a pair is left alone whose journal cannot be had: its keeper may
#: be of an earlier release, or the disk full.
_BEGIN_AGAIN_S = 60.0
#: How often recordings that are too old are looked for, in seconds.
_PRUNE_S = 3600.0
#: Pieces of one pair that are dealt with before it is another one's turn.
_PIECES = 8


@dataclasses.dataclass(frozen=True)
class Options:
    """What the options say.

    :ivar most: bytes for each instance
    :ivar keep_s: for so long what is of instances that are not here is kept
    """

    run_dir: str
    directory: pathlib.Path
    most: int
    keep_s: float


class _Keepers:
    """Connects to the workers of this host, as this user may; see
    :class:`nova_dmore.client.host_service.HostService`."""

    def __init__(self, folders: folders_module.Folders) -> None:
        self._folders = folders

    def open(self, instance: str, timeout: float) -> socket.socket | None:
        """-> a connection; None: there is no process."""
        try:
            return unix_connect.connect_to(
                os.path.join(self._folders.of_pair(instance),
                             wire.CONTROL_SOCKET),
                self._folders.keeper(instance))
        except OSError:
            return None


@dataclasses.dataclass
class _Known:
    """A pair that is here.

    :ivar pair: None: its journal cannot be had, or not yet
    """

    keeper: int
    client: shadow_client.ShadowClient
    pair: pair_module.Pair | None = None
    patience_s: float = _PATIENCE_S
    #: Not before; who was not asked for longest comes first.
    ask_at: float = 0.0


class Recorder:
    """The one of this host.

    :param options: see there.
    :raises BlockingIOError: another one runs.
    :raises OSError: ``run_dir`` cannot be written.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        #: By which keepers know who it is.
        self._lock: int | None = locks.acquire_as_recorder(options.run_dir)
        self._folders = folders_module.Folders(options.run_dir)
        self._keepers = _Keepers(self._folders)
        self._known: dict[str, _Known] = {}
        self._survey_at = 0.0
        # Not at once: after a boot of the host it takes a while until the
        # pairs of all its instances are here again.
        self._prune_at = time.monotonic() + _PRUNE_S
        self._has_ended = False

    def run(self) -> None:
        """Record until SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        LOG.info('Recording into %s', self._options.directory)
        while not self._has_ended:
            if not self.turn():
                time.sleep(_POLL_S)
        self.close()

    def _end(self, *_ignored: object) -> None:
        self._has_ended = True

    def close(self) -> None:
        """Close everything; the next recorder goes on there."""
        for known in self._known.values():
            if known.pair is not None:
                known.pair.record()
                known.pair.close()
        self._known.clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def turn(self) -> bool:
        """Poll everything once -> whether there may be more at once."""
        now = time.monotonic()
        if now >= self._survey_at:
            self._survey_at = now + _SURVEY_S
            self._survey(now)
        if now >= self._prune_at:
            self._prune_at = now + _PRUNE_S
            self._prune()
        has_more = False
        for known in self._known.values():
            for _piece in range(_PIECES):
                if known.pair is None or not known.pair.record():
                    break
            else:
                has_more = True
        return has_more

    def _survey(self, now: float) -> None:
        """See which pairs there are, and what may be recorded of them.

        Who has answered is asked first, and who was silent for longest last:
        if there is no time left for him, at one of the next surveys.
        """
        keepers = {instance: self._folders.keeper(instance)
                   for instance in self._folders.instances()}
        for instance, known in list(self._known.items()):
            if keepers.get(instance) != known.keeper:
                self._forget(instance)
        for instance, keeper in keepers.items():
            if keeper is not None and instance not in self._known:
                self._add(instance, keeper)
        spent_s = 0.0
        for instance in sorted(self._known, key=lambda each: (
                self._known[each].patience_s, self._known[each].ask_at)):
            began = time.monotonic()
            if not self._ask(instance, now):
                spent_s += time.monotonic() - began
            if spent_s >= _ANSWER_S:
                break

    def _add(self, instance: str, keeper: int) -> None:
        self._known[instance] = _Known(
            keeper, shadow_client.ShadowClient(
                self._keepers, instance, _ANSWER_S))

    def _ask(self, instance: str, now: float) -> bool:
        """Ask a worker whether it is recorded, and begin when it is.

        :returns: whether it has answered, or was not to be asked now.
        """
        known = self._known[instance]
        if now < known.ask_at:
            return True
        try:
            recording = known.client.status(known.patience_s).recording
        except exception.DMoreError as e:
            # Until it answers it is as it was: it may be starting anew.
            LOG.debug('%s', text.printable(e))
            known.ask_at = now + _ASK_AGAIN_S
            known.patience_s = min(2 * known.patience_s, _ANSWER_S)
            return False
        known.ask_at, known.patience_s = now, _PATIENCE_S
        if recording is not None and known.pair is None:
            try:
                self._begin(instance, known)
            except (OSError, errors.JournalError) as e:
                LOG.warning('%s is not recorded now: %s', instance,
                            text.printable(e))
                known.ask_at = now + _BEGIN_AGAIN_S
        if known.pair is not None:
            known.pair.recording = recording
        return True

    def _begin(self, instance: str, known: _Known) -> None:
        memory, name = pair_module.map_journal(
            self._folders.of_pair(instance), known.keeper)
        # Where this fails, the memory goes with the last who has it open.
        files = files_module.Files(
            self._options.directory / instance, self._options.most,
            socket.gethostname())
        try:
            known.pair = pair_module.Pair(memory, name, files)
        except errors.JournalError:
            files.close()
            raise
        LOG.info('%s is recorded', instance)

    def _forget(self, instance: str) -> None:
        """It is gone: its journal, which is still mapped, has the rest."""
        known = self._known.pop(instance)
        if known.pair is None:
            return
        # More cannot be there, whatever the journal says.
        for _piece in range(tail_module.WINDOW // pair_module.PIECE + 2):
            if not known.pair.record(is_last=True):
                break
        known.pair.close()

    def _prune(self) -> None:
        try:
            for instance in self._known:
                files_module.is_here(self._options.directory / instance)
            for instance in files_module.prune(
                    self._options.directory,
                    os.listdir(self._options.directory),
                    time.time() - self._options.keep_s, set(self._known)):
                LOG.info('What was recorded of %s is removed', instance)
        except OSError as e:
            LOG.warning('Old recordings are not removed: %s',
                        text.printable(e))
