# SPDX-License-Identifier: Apache-2.0
"""Every function says what it takes and what it returns: mypy can check
only what is said, and Nova's types, which it does not know, are said too."""

import ast
import pathlib

from oslotest import base

import nova_dmore

ROOT = pathlib.Path(nova_dmore.__path__[0])


def _missing(function):
    """Names of what has no annotation: parameters, and ``return``."""
    given = function.args
    parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs,
                  *filter(None, (given.vararg, given.kwarg))]
    if parameters and parameters[0].arg in ('self', 'cls'):
        del parameters[0]
    return ([each.arg for each in parameters if each.annotation is None]
            + ([] if function.returns else ['return']))


class AnnotationTest(base.BaseTestCase):

    def test_every_function(self):
        seen = 0
        for path in sorted(ROOT.rglob('*.py')):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    seen += 1
                    self.assertEqual(
                        [], _missing(node), f'{path.relative_to(ROOT)}, line '
                        f'{node.lineno}: {node.name}')
        self.assertGreater(seen, 1000)
