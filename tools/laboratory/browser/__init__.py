# SPDX-License-Identifier: Apache-2.0
"""Users at graphical consoles: browsers, VNC viewers, and what they see.

All of it runs on the network of the thread that starts it. Nothing of it
outlives that thread.
"""
