# SPDX-License-Identifier: Apache-2.0
"""Text of others: printable, whatever it is; and nobody forgets that."""

import ast
import pathlib
import unittest

import hypothesis
from hypothesis import strategies

import nova_dmore
from nova_dmore.channel import text
from tests import examples

ROOT = pathlib.Path(nova_dmore.__file__).parent
LEVELS = {'debug', 'info', 'warning', 'error', 'exception', 'critical', 'log'}
#: Names of what may hold text of others, where nova-compute logs.
SUSPECTS = {'error', 'why', 'reason', 'e'}
#: Who logs by way of a formatter that escapes everything.
ESCAPED_BY_FORMATTER = {'keeper', 'link', 'posix', 'worker'}
#: Errors of Glance and of Neutron, whose text is an operator's.
TRUSTED = {'virt/images/image_store.py', 'virt/network/address_book.py'}


class PrintableTest(unittest.TestCase):

    def test_what_terminals_obey(self):
        self.assertEqual(
            r'a\nb\r\x1b[2J\x1b]0;t\x07\u202e\x85\x9b\x7f\xa0\u2028\U000e0001',
            text.printable('a\nb\r\x1b[2J\x1b]0;t\x07\u202e\x85\x9b\x7f\xa0'
                           '\u2028\U000e0001'))
        self.assertEqual(r'\ud800', text.printable('\ud800'))
        self.assertEqual('it\'s "so"', text.printable('it\'s "so"'))

    def test_length(self):
        shown = text.printable('x' * 10_000_000)
        self.assertEqual('x' * text.TEXT_MAX + '... (of 10000000 characters)',
                         shown)
        self.assertEqual(shown, text.printable(shown))

    def test_other_values(self):
        deep = []
        for _ in range(100_000):
            deep = [deep]
        self.assertEqual('an unreadable list', text.printable(deep))
        self.assertEqual('an unreadable int', text.printable(10 ** 5000))
        self.assertEqual('None', text.printable(None))
        self.assertEqual(r'a\n', text.printable(ValueError('a\n')))
        while deep:     # not by a finalizer that is as deep
            deep = deep.pop()

    @examples.settings()
    @hypothesis.given(strategies.text() | strategies.characters().map(
        lambda each: each * 400), strategies.integers(1, 300))
    def test_any(self, value, limit):
        shown = text.printable(value, limit)
        self.assertTrue(shown.isascii() and shown.isprintable() or not shown)
        self.assertLessEqual(len(shown), limit + 60)
        self.assertEqual(shown, text.printable(shown, limit))


def logged(path):
    """The names that a file hands to its log as they are."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and
                isinstance(node.func, ast.Attribute) and
                node.func.attr in LEVELS and
                isinstance(node.func.value, ast.Name) and
                node.func.value.id == 'LOG'):
            continue
        for argument in node.args[1:]:
            values = (argument.values if isinstance(argument, ast.Dict)
                      else [argument])
            for value in values:
                name = getattr(value, 'attr', getattr(value, 'id', None))
                if name in SUSPECTS:
                    yield node.lineno, name


class LoggedTest(unittest.TestCase):

    def test_no_error_is_logged_as_it_is(self):
        found = {
            f'{path.relative_to(ROOT)}:{line}: {name}'
            for path in ROOT.rglob('*.py')
            if path.relative_to(ROOT).parts[0] not in ESCAPED_BY_FORMATTER
            and str(path.relative_to(ROOT)) not in TRUSTED
            for line, name in logged(path)}
        self.assertEqual(set(), found)
