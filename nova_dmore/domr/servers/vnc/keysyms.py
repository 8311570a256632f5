# Copyright (c) Individual contributors.
# All rights reserved.
#
# Redistribution and use in source and binary forms, with or without
# modification, are permitted provided that the following conditions are met:
#
#     1. Redistributions of source code must retain the above copyright
#        notice, this list of conditions and the following disclaimer.
#
#     2. Redistributions in binary form must reproduce the above copyright
#        notice, this list of conditions and the following disclaimer in the
#        documentation and/or other materials provided with the distribution.
#
#     3. Neither the name of PyCA Cryptography nor the names of its
#        contributors may be used to endorse or promote products derived from
#        this software without specific prior written permission.
#
# THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"
# AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE
# IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE
# ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT OWNER OR CONTRIBUTORS BE
# LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR
# CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF
# SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS
# INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN
# CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE)
# ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE
# POSSIBILITY OF SUCH DAMAGE.
"""QEMU's key numbers by X11 key symbol, on a US keyboard.

Made by tools/keysyms from keycodemapdb's keymaps.csv, whose data may be used
under the three-clause BSD licence above. Do not edit.
"""

QEMU_NUMBER = {
    0x0020: 0x39,    # XK_space
    0x0021: 0x02,    # XK_exclam
    0x0022: 0x28,    # XK_quotedbl
    0x0023: 0x04,    # XK_numbersign
    0x0024: 0x05,    # XK_dollar
    0x0025: 0x06,    # XK_percent
    0x0026: 0x08,    # XK_ampersand
    0x0027: 0x28,    # XK_apostrophe
    0x0028: 0x0a,    # XK_parenleft
    0x0029: 0x0b,    # XK_parenright
    0x002a: 0x09,    # XK_asterisk
    0x002b: 0x0d,    # XK_plus
    0x002c: 0x33,    # XK_comma
    0x002d: 0x0c,    # XK_minus
    0x002e: 0x34,    # XK_period
    0x002f: 0x35,    # XK_slash
    0x0030: 0x0b,    # XK_0
    0x0031: 0x02,    # XK_1
    0x0032: 0x03,    # XK_2
    0x0033: 0x04,    # XK_3
    0x0034: 0x05,    # XK_4
    0x0035: 0x06,    # XK_5
    0x0036: 0x07,    # XK_6
    0x0037: 0x08,    # XK_7
    0x0038: 0x09,    # XK_8
    0x0039: 0x0a,    # XK_9
    0x003a: 0x27,    # XK_colon
    0x003b: 0x27,    # XK_semicolon
    0x003c: 0x33,    # XK_less
    0x003d: 0x0d,    # XK_equal
    0x003e: 0x34,    # XK_greater
    0x003f: 0x35,    # XK_question
    0x0040: 0x03,    # XK_at
    0x0041: 0x1e,    # XK_A
    0x0042: 0x30,    # XK_B
    0x0043: 0x2e,    # XK_C
    0x0044: 0x20,    # XK_D
    0x0045: 0x12,    # XK_E
    0x0046: 0x21,    # XK_F
    0x0047: 0x22,    # XK_G
    0x0048: 0x23,    # XK_H
    0x0049: 0x17,    # XK_I
    0x004a: 0x24,    # XK_J
    0x004b: 0x25,    # XK_K
    0x004c: 0x26,    # XK_L
    0x004d: 0x32,    # XK_M
    0x004e: 0x31,    # XK_N
    0x004f: 0x18,    # XK_O
    0x0050: 0x19,    # XK_P
    0x0051: 0x10,    # XK_Q
    0x0052: 0x13,    # XK_R
    0x0053: 0x1f,    # XK_S
    0x0054: 0x14,    # XK_T
    0x0055: 0x16,    # XK_U
    0x0056: 0x2f,    # XK_V
    0x0057: 0x11,    # XK_W
    0x0058: 0x2d,    # XK_X
    0x0059: 0x15,    # XK_Y
    0x005a: 0x2c,    # XK_Z
    0x005b: 0x1a,    # XK_bracketleft
    0x005c: 0x2b,    # XK_backslash
    0x005d: 0x1b,    # XK_bracketright
    0x005e: 0x07,    # XK_asciicircum
    0x005f: 0x0c,    # XK_underscore
    0x0060: 0x29,    # XK_grave
    0x0061: 0x1e,    # XK_a
    0x0062: 0x30,    # XK_b
    0x0063: 0x2e,    # XK_c
    0x0064: 0x20,    # XK_d
    0x0065: 0x12,    # XK_e
    0x0066: 0x21,    # XK_f
    0x0067: 0x22,    # XK_g
    0x0068: 0x23,    # XK_h
    0x0069: 0x17,    # XK_i
    0x006a: 0x24,    # XK_j
    0x006b: 0x25,    # XK_k
    0x006c: 0x26,    # XK_l
    0x006d: 0x32,    # XK_m
    0x006e: 0x31,    # XK_n
    0x006f: 0x18,    # XK_o
    0x0070: 0x19,    # XK_p
    0x0071: 0x10,    # XK_q
    0x0072: 0x13,    # XK_r
    0x0073: 0x1f,    # XK_s
    0x0074: 0x14,    # XK_t
    0x0075: 0x16,    # XK_u
    0x0076: 0x2f,    # XK_v
    0x0077: 0x11,    # XK_w
    0x0078: 0x2d,    # XK_x
    0x0079: 0x15,    # XK_y
    0x007a: 0x2c,    # XK_z
    0x007b: 0x1a,    # XK_braceleft
    0x007c: 0x2b,    # XK_bar
    0x007d: 0x1b,    # XK_braceright
    0x007e: 0x29,    # XK_asciitilde
    0x00d7: 0x37,    # XK_multiply
    0xff08: 0x0e,    # XK_BackSpace
    0xff09: 0x0f,    # XK_Tab
    0xff0d: 0x1c,    # XK_Return
    0xff13: 0xc6,    # XK_Pause
    0xff14: 0x46,    # XK_Scroll_Lock
    0xff15: 0x54,    # XK_Sys_Req
    0xff1b: 0x01,    # XK_Escape
    0xff22: 0x7b,    # XK_Muhenkan
    0xff23: 0x79,    # XK_Henkan
    0xff25: 0x77,    # XK_Hiragana
    0xff26: 0x78,    # XK_Katakana
    0xff27: 0x70,    # XK_Hiragana_Katakana
    0xff2a: 0x76,    # XK_Zenkaku_Hankaku
    0xff50: 0xc7,    # XK_Home
    0xff51: 0xcb,    # XK_Left
    0xff52: 0xc8,    # XK_Up
    0xff53: 0xcd,    # XK_Right
    0xff54: 0xd0,    # XK_Down
    0xff55: 0xc9,    # XK_Page_Up
    0xff56: 0xd1,    # XK_Page_Down
    0xff57: 0xcf,    # XK_End
    0xff63: 0xd2,    # XK_Insert
    0xff6a: 0xf5,    # XK_Help
    0xff7f: 0x45,    # XK_Num_Lock
    0xff8d: 0x9c,    # XK_KP_Enter
    0xffab: 0x4e,    # XK_KP_Add
    0xffac: 0x5c,    # XK_KP_Separator
    0xffad: 0x4a,    # XK_KP_Subtract
    0xffae: 0x53,    # XK_KP_Decimal
    0xffaf: 0xb5,    # XK_KP_Divide
    0xffb0: 0x52,    # XK_KP_0
    0xffb1: 0x4f,    # XK_KP_1
    0xffb2: 0x50,    # XK_KP_2
    0xffb3: 0x51,    # XK_KP_3
    0xffb4: 0x4b,    # XK_KP_4
    0xffb5: 0x4c,    # XK_KP_5
    0xffb6: 0x4d,    # XK_KP_6
    0xffb7: 0x47,    # XK_KP_7
    0xffb8: 0x48,    # XK_KP_8
    0xffb9: 0x49,    # XK_KP_9
    0xffbd: 0x59,    # XK_KP_Equal
    0xffbe: 0x3b,    # XK_F1
    0xffbf: 0x3c,    # XK_F2
    0xffc0: 0x3d,    # XK_F3
    0xffc1: 0x3e,    # XK_F4
    0xffc2: 0x3f,    # XK_F5
    0xffc3: 0x40,    # XK_F6
    0xffc4: 0x41,    # XK_F7
    0xffc5: 0x42,    # XK_F8
    0xffc6: 0x43,    # XK_F9
    0xffc7: 0x44,    # XK_F10
    0xffc8: 0x57,    # XK_F11
    0xffc9: 0x58,    # XK_F12
    0xffe1: 0x2a,    # XK_Shift_L
    0xffe2: 0x36,    # XK_Shift_R
    0xffe3: 0x1d,    # XK_Control_L
    0xffe4: 0x9d,    # XK_Control_R
    0xffe5: 0x3a,    # XK_Caps_Lock
    0xffe7: 0xdb,    # XK_Meta_L
    0xffe8: 0xdc,    # XK_Meta_R
    0xffe9: 0x38,    # XK_Alt_L
    0xffea: 0xb8,    # XK_Alt_R
    0xffff: 0xd3,    # XK_Delete
}
