# SPDX-License-Identifier: Apache-2.0
"""The graphical console: a VNC server around libvncserver."""
