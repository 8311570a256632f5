# SPDX-License-Identifier: Apache-2.0
"""``tools/test``: the layers of tests, run by stestr, and their sum.

``cli`` and ``counts`` run before there is a virtual environment, the rest with
its Python.
"""
