# SPDX-License-Identifier: Apache-2.0
"""The fixed inputs of the fuzzer, without the fuzzer.

What it once found is among them, so that it is not found again.
"""

import unittest

from tests.unit import fuzz  # noqa: F401  (for the path that it sets)
from laboratory.fuzz import again
from laboratory.fuzz import parts


class CorpusTest(unittest.TestCase):

    def check(self, name: str) -> None:
        (part,) = parts.chosen(name)
        inputs = again.inputs(part)
        self.assertGreater(len(inputs), 2)
        self.assertEqual(len(inputs), again.run_all(part, inputs))

    def test_each_folder_is_of_a_part(self) -> None:
        folders = {str(path.parent.relative_to(parts.CORPUS))
                   for path in parts.CORPUS.glob('*/*/*')}
        self.assertGreater(len(folders), 10)
        self.assertEqual(set(), folders - {
            part.name for part in parts.PARTS})


def _add_tests() -> None:
    """One for each part."""
    for part in parts.PARTS:
        if not part.native:
            def test(self, name=part.name):
                self.check(name)
            setattr(CorpusTest, f'test_{part.file_name}', test)


_add_tests()
