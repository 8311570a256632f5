# SPDX-License-Identifier: Apache-2.0
"""How many tests passed, failed and were skipped, and which failed."""

import dataclasses
import operator

#: Words of subunit for a test's end, to what each counts as. A test that began
#: and has no end took its process down with it.
_KINDS = {'success': 'passed', 'xfail': 'expected', 'skip': 'skipped',
          'fail': 'failed', 'uxsuccess': 'failed', 'inprogress': 'failed',
          'unknown': 'failed'}


@dataclasses.dataclass(frozen=True)
class Counts:
    """The counts of one layer, or the sum of several.

    :ivar expected: those that failed as it was known they would
    :ivar failures: a line for each that failed, as far as one is known; no
        part of what two counts are compared by
    :ivar ended: names of tests, and whether each passed; likewise
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    expected: int = 0
    failures: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    ended: tuple[tuple[str, bool], ...] = dataclasses.field(
        default=(), compare=False)

    def __add__(self, other: 'Counts') -> 'Counts':
        return Counts(*map(operator.add, dataclasses.astuple(self),
                           dataclasses.astuple(other)))

    def with_one(self, status: str, name: str | None = None) -> 'Counts':
        """With one more test, by subunit's word for how it ended.

        :param name: of the test
        :raises KeyError: this is no end of a test
        """
        kind = _KINDS[status]
        ended = () if name is None else ((name, kind == 'passed'),)
        return self + Counts(**{kind: 1}, ended=ended)

    @property
    def total(self) -> int:
        return self.passed + self.failed + self.skipped + self.expected

    def checked(self, ended_well: bool) -> 'Counts':
        """With one failure more if the run was none though no test failed.

        That is so when none passed or failed as expected, or when stestr, or a
        process of it, ended with an error outside of any test.
        """
        if self.failed or (ended_well and (self.passed or self.expected)):
            return self
        return self + Counts(failed=1, failures=(
            'the run itself, see what it said above',))

    def __str__(self) -> str:
        return f'{self.passed} passed, {self.failed} failed' + ''.join(
            f', {count} {what}' for count, what in (
                (self.skipped, 'skipped'),
                (self.expected, 'failed as expected')) if count)
