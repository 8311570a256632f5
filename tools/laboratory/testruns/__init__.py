# SPDX-License-Identifier: Apache-2.0
"""``tools/test``: the layers of tests, run by stestr, and their sum.

``results`` and ``counts`` run with the virtual environment's Python, the rest
before there is one.
"""
