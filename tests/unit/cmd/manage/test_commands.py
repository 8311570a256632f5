# SPDX-License-Identifier: Apache-2.0
"""What all commands of ``nova-dmore-manage`` have."""

import argparse

from oslotest import base

from nova_dmore.cmd import manage


def _commands(parser, *words):
    """The words of each command -> its parser."""
    deeper = [action for action in parser._actions
              if isinstance(action, argparse._SubParsersAction)]
    if not deeper:
        return {words: parser}
    return {found: each for action in deeper
            for word, inner in action.choices.items()
            for found, each in _commands(inner, *words, word).items()}


class CommandsTest(base.BaseTestCase):

    def test_all_are_for_programs_too(self):
        without = {
            words for words, parser in _commands(manage._parser()).items()
            if '--json' not in parser._option_string_actions}
        # What it prints is a file of another format.
        self.assertEqual({('recording', 'export')}, without)

    def test_all_are_run_by_something(self):
        commands = _commands(manage._parser())
        self.assertLessEqual(
            {('pair', 'rebuild'), ('session', 'end'), ('secrets',)},
            set(commands))
        for words, parser in commands.items():
            self.assertTrue(callable(parser.get_default('run')), words)
