# SPDX-License-Identifier: Apache-2.0
"""Measurements of a console through Domain R against QEMU's own.

``cli`` prepares with the standard library alone; ``inside`` runs in a network
namespace of its own, with the virtual environment's Python.
"""
