# SPDX-License-Identifier: Apache-2.0
"""Read the results of one run of stestr, say them, and count them."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

import subunit
import testtools

from laboratory.progress import Progress
from laboratory.testruns import expected as expected_ones
from laboratory.testruns.counts import Counts

#: Seconds between two lines that tell how far it is.
_TELL_S = 10
#: The most lines that are shown of one thing.
_LINES = 120
#: The most characters of a failure's line at the end.
_LINE = 300
_RULE = '-' * 70


class Reader(testtools.StreamToDict):
    """:param each: say every test, not only what failed
    :param expected: the tests that fail, to the reasons
    """

    def __init__(self, layer: str, each: bool, progress: Progress,
                 expected: Mapping[str, str]) -> None:
        super().__init__(self._ended)
        self.counts = Counts()
        self._layer = layer
        self._each = each
        self._progress = progress
        self._expected = expected
        self._told = time.monotonic()

    def status(self, *args: Any, **kwargs: Any) -> None:
        if (self._each and kwargs.get('test_status') == 'inprogress'
                and kwargs.get('test_id')):
            self._progress.say(f'{self._layer}: {kwargs["test_id"]} ...')
        super().status(*args, **kwargs)

    def _ended(self, test: dict[str, Any]) -> None:
        status = test['status']
        if status == 'exists':
            return
        if test['id'] is None:
            # Not of a test: what a program printed in between.
            self._progress.say(f'{self._layer}: {_text(test)}')
            return
        status = expected_ones.status(self._expected, test['id'], status)
        before = self.counts
        self.counts = before.with_one(status, test['id'])
        if self.counts.failed > before.failed:
            self.counts += Counts(failures=(
                f'{self._layer}: {test["id"]} ({status}): '
                f'{_last_line(test)}',))
            self._progress.say(
                f'{self._layer}: FAILED {test["id"]} ({status})\n{_RULE}\n'
                f'{_text(test)}\n{_RULE}')
        elif self._each or status == 'skip':
            self._progress.say(f'{self._layer}: {test["id"]}: {status}'
                               f'{_seconds(test)}{_reason(test)}')
        if self.counts.failed == before.failed:
            for name, content in sorted(test['details'].items()):
                if name.startswith('note'):
                    self._progress.say(f'{self._layer}: {test["id"]}: '
                                       f'{content.as_text().strip()}')
        self._tell()

    def _tell(self) -> None:
        if time.monotonic() - self._told > _TELL_S:
            self._told = time.monotonic()
            self._progress.say(f'{self._layer}: {self.counts} so far')


def _text(test: dict[str, Any]) -> str:
    """What a test left behind; of a long part, the end."""
    texts = {name: content.as_text().rstrip()
             for name, content in test['details'].items()
             if content.content_type.type == 'text'}
    return '\n'.join(
        f'{name}:\n' + '\n'.join(text.splitlines()[-_LINES:])
        for name, text in sorted(texts.items()) if text)


def _last_line(test: dict[str, Any]) -> str:
    """The last line of its traceback: the exception."""
    trace = test['details'].get('traceback')
    lines = trace.as_text().strip().splitlines() if trace else []
    return lines[-1][:_LINE] if lines else 'no traceback'


def _seconds(test: dict[str, Any]) -> str:
    begin, end = test['timestamps']
    if begin is None or end is None:
        return ''
    return f' in {(end - begin).total_seconds():.1f} s'


def _reason(test: dict[str, Any]) -> str:
    reason = test['details'].get('reason')
    return f': {reason.as_text().strip()}' if reason else ''


def read(stream: BinaryIO, layer: str, each: bool, progress: Progress,
         expected: Mapping[str, str] = MappingProxyType({})) -> Counts:
    """What a subunit stream tells, to its end; failures are said as they come.

    :param each: say every test
    :param expected: the tests that fail, to the reasons
    """
    reader = Reader(layer, each, progress, expected)
    reader.startTestRun()
    subunit.ByteStreamToStreamResult(
        stream, non_subunit_name='stdout').run(reader)
    # Tells what has begun and not ended, too.
    reader.stopTestRun()
    return reader.counts
