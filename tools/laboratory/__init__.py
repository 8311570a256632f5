# SPDX-License-Identifier: Apache-2.0
"""The laboratory: a cloud on one machine, its users, and what is tried there.

Every command of ``tools/`` is a package of this name: ``bench``, ``demo``,
``fuzz``, ``soak``, ``testbed``, and ``testruns`` for ``tools/test``. What they
share: ``setup`` makes what must be there before; ``cloud`` finds a cloud and
asks it; ``users`` type and read at consoles, by the clients of ``vnc`` and
``browser``; ``faults`` are what can happen meanwhile.

What runs before the virtual environment exists uses the standard library
alone: ``setup``, ``testbed``, each command's ``cli``, and the modules here.
"""
