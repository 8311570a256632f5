# SPDX-License-Identifier: Apache-2.0
"""``tools/demo``: what a live migration does to a console, counted."""
