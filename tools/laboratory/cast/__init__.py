# SPDX-License-Identifier: Apache-2.0
"""``tools/cast``: a short recording of a console that lives on.

``recording`` writes what a terminal shows as an asciinema cast, ``inside``
is the script of what is played.
"""
