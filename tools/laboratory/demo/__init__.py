# SPDX-License-Identifier: Apache-2.0
"""The demonstration: what a live migration does to a console, counted.

``cli`` prepares and reports with the standard library alone; ``inside`` runs
in the test cloud's controller, with the virtual environment's Python.
"""
