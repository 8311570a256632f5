# SPDX-License-Identifier: Apache-2.0
"""A small VNC client for measurements: it types, and keeps the picture.

It is told how its bytes travel, so that it works through nova-novncproxy's
WebSocket and at a socket alike, counts them, and needs numpy alone.
"""
