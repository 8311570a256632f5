# SPDX-License-Identifier: Apache-2.0
"""``tools/test clients``: the programs that people use, at a stock console and
at one of Domain R, side by side.

``cases`` says what each is tried with, ``users`` opens them, ``subject`` is an
instance with a look into its guest, ``inside`` goes through all, ``report``
prints and saves.
"""
