# SPDX-License-Identifier: Apache-2.0
"""``tools/fuzz``: hostile bytes at every boundary, led by coverage.

A part is one entry point: ``region/host`` lies in ``region_host.py``, which
has a function ``run(data)`` and inputs ``SEEDS`` to begin with. What a part
raises is a finding: it swallows the errors that its boundary declares, and no
others. Nothing in a part needs the fuzzer, so that a test runs them, too.
"""
