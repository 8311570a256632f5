# Copyright 1996 by Joseph Moss, 2002-2007 Free Software Foundation, Inc.,
# Dmitry Golubev, 2004 Gregory Mokhin, 2006 Erdal Ronahi, and others: see
# COPYING of xkeyboard-config.
#
# Permission is hereby granted, free of charge, to any person obtaining a
# copy of this software and associated documentation files (the "Software"),
# to deal in the Software without restriction, including without limitation
# the rights to use, copy, modify, merge, publish, distribute, sublicense,
# and/or sell copies of the Software, and to permit persons to whom the
# Software is furnished to do so, subject to the following conditions:
#
# The above copyright notice and this permission notice (including the next
# paragraph) shall be included in all copies or substantial portions of the
# Software.
#
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
# IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
# FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
# AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
# LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING
# FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
# IN THE SOFTWARE.
"""Keymaps; see ``keymaps``.

Made by tools/keymaps from xkeyboard-config's data, which may be used under
the licence above. Do not edit.
"""

#: Keymap -> its keys: QEMU's number, then what it prints alone, with Shift,
#: with AltGr and with both; a combining character is a dead key.
KEYS = {
    'ar': (
        '021!\u0661 032@\u0662 043#\u0663 054$\u0664 065%\u0665\u2030 '
        '076^\u0666 087&\u0667 098*\u0668 0a9)\u0669 0b0(\u0660 '
        '0c-_\u2013\u2011 0d=+\u2260\u2248 10\u0636\u064e\ufffd\u2066 '
        '11\u0635\u064b\ufffd\u2067 12\u062b\u064f\ufffd\u2068 '
        '13\u0642\u064c\ufffd\u2069 14\u0641\ufef9\u06a4 '
        '15\u063a\u0625\ufffd\u202a 16\u0639`\ufffd\u202b '
        '17\u0647÷\ufffd\u202c 18\u062e× 19\u062d\u061b\ufffd\u200e '
        '1a\u062c<\u0686\u200f 1b\u062f>\ufffd\u061c 1e\u0634\u0650 '
        '1f\u0633\u064d 20\u064a] 21\u0628[\u067e 22\u0644\ufef7 '
        '23\u0627\u0623\u0671 24\u062a\u0640 25\u0646\u060c\u066b 26\u0645/ '
        '27\u0643:\u06af 28\u0637"\u27e9\u200d 29\u0630\u0651\u066a\u0609 '
        '2b\\\u2026\u27e8\u202f 2c\u0626~»\u203a 2d\u0621\u0652«\u2039 '
        '2e\u0624} 2f\u0631{ 30\ufefb\ufef5 31\u0649\u0622\u0670 32\u0629\' '
        '33\u0648,\u066c 34\u0632.\u0698 35\u0638\u061f\u066d\u200c 56|¦|¦'
    ),
    'bepo': (
        '02=1 03/2± 04-3¼ 05è4½ 06\\5¾ 07\u03026 08(7 09\ufffd8` 0a)9 0b"0 '
        '0c[+ 0d]% 10:?æÆ 11\'<$ 12é>É 13gG\u20ac 14.!° 15hH 16vV 17cCçÇ '
        '18mMµ 19kK 1azZ 1b\u0308& 1eoOòÒ 1faAàÀ 20uUùÙ 21eEèÈ 22bB 23fF '
        '24sS« 25tT 26nN» 27dD 28wW 29_* 2b~# 2c;|œŒ 2dqQ{ 2e,@} 2fiIìÌ 30yY£ '
        '31xX 32rRº 33lL 34pP§ 35jJ 56àçÀÇ'
    ),
    'cz': (
        '02+1!\u0303 03ě2@\u030c 04š3#\u0302 05č4$\u0306 06ř5%\u030a '
        '07ž6^\u0328 08ý7&\u0300 09á8*\u0307 0aí9{\u0301 0bé0}\u030b '
        '0c=%\\\u0308 0d\u0301\u030c\u0304\u0327 10qQ\\Ω 11wW|§ 12eE\u20acE '
        '13rR¶® 14tTŧŦ 15zZ\u2190¥ 16uU\u2193\u2191 17iI\u2192ı 18oOøØ 19pPþÞ '
        '1aú/[÷ 1b)(]× 1eaA~Æ 1fsSđ\u1e9e 20dDĐÐ 21fF[ª 22gG]Ŋ 23hH`Ħ '
        '24jJ\'\u031b 25kKł& 26lLŁŁ 27ů"$\u030b 28§!\'ß 29;\u030a`~ '
        '2b\u0308\'\\| 2cyY°< 2dxX#> 2ecC&© 2fvV@\u201a 30bB{\u2018 '
        '31nN}\u2019 32mM^º 33,?<× 34.:>÷ 35-_*\u0307 56\\|/¦'
    ),
    'da': (
        '021!¡¹ 032"@² 043#£³ 054¤$¼ 065%½¢ 076&¥\u215d 087/{÷ 098([« 0a9)]» '
        '0b0=}° 0c+?±¿ 0d\u0301\u0300|¦ 10qQ@Ω 11wWſ§ 12eE\u20ac¢ 13rR®® '
        '14tTþÞ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı 18oOœŒ 19pPþÞ '
        '1aåÅ\u0308\u030a 1b\u0308\u0302\u0303\u030c 1eaAªº 1fsSß\u1e9e '
        '20dDðÐ 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ '
        '27æÆ\u0301\u030b 28øØ\u0302\u030c 29½§¾¶ 2b\'*\u030b× 2czZ«< 2dxX»> '
        '2ecC©© 2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 32mMµº '
        '33,;\u0327\u0328 34.:·\u0307 35-_\u0323\u0307 56<>\\¬'
    ),
    'de': (
        '021!¹¡ 032"²\u215b 043§³£ 054$¼¤ 065%½\u215c 076&¬\u215d 087/{\u215e '
        '098([\u2122 0a9)]± 0b0=}° 0cß?\\¿ 0d´`¸¸ 10qQ@Ω 11wWſ§ '
        '12eE\u20ac\u20ac 13rR¶® 14tTŧŦ 15zZ\u2190¥ 16uU\u2193\u2191 '
        '17iI\u2192ı 18oOøØ 19pPþÞ 1aüÜ¨¨ 1b+*~¯ 1eaAæÆ 1fsSſ\u1e9e 20dDðÐ '
        '21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0323\u0307 25kKĸ& 26lLłŁ 27öÖ˝˝ 28äÄ^^ '
        '29^°¬¬ 2b#\'\u2019` 2cyY»\u203a 2dxX«\u2039 2ecC¢© 2fvV\u201e\u201a '
        '30bB\u201c\u2018 31nN\u201d\u2019 32mMµº 33,;·× 34.:\u2026÷ '
        '35-_\u2013\u2014 56<>|'
    ),
    'de-ch': (
        '021+|¡ 032"@\u215b 043*#£ 054ç¼$ 065%½\u215c 076&¬\u215d 087/|\u215e '
        '098(¢\u2122 0a9)]± 0b0=}° 0c\'?\u0301¿ 0d\u0302\u0300\u0303\u0328 '
        '10qQ@Ω 11wWſ§ 12eE\u20acE 13rR¶® 14tTŧŦ 15zZ\u2190¥ 16uU\u2193\u2191 '
        '17iI\u2192ı 18oOœŒ 19pPþÞ 1aüè[\u030a 1b\u0308!]\u0304 1eaAæÆ '
        '1fsSß\u1e9e 20dDðÐ 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& '
        '26lLłŁ 27öé\u0301\u030b 28äà{\u030c 29§°¬¬ 2b$£}\u0306 2cyY«< 2dxX»> '
        '2ecC¢© 2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 32mMµº '
        '33,;\u2022× 34.:·÷ 35-_\u0323\u0307 56<>\\¦'
    ),
    'en-gb': (
        '021!¹¡ 032"²\u215b 043£³£ 054$\u20ac¼ 065%½\u215c 076^¾\u215d '
        '087&{\u215e 098*[\u2122 0a9(]± 0b0)}° 0c-_\\¿ 0d=+\u0327\u0328 '
        '10qQ@Ω 11wWſ§ 12eEeE 13rR¶® 14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 '
        '17iI\u2192ı 18oOøØ 19pPþÞ 1a[{\u0308\u030a 1b]}\u0303\u0304 1eaAæÆ '
        '1fsSß\u1e9e 20dDðÐ 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& '
        '26lLłŁ 27;:\u0301\u030b 28\'@\u0302\u030c 29`¬|| 2b#~\u0300\u0306 '
        '2czZ«< 2dxX»> 2ecC¢© 2fvV\u201e\u201a 30bB\u201c\u2018 '
        '31nN\u201d\u2019 32mMµº 33,<\u2022× 34.>·÷ 35/?\u0323\u0307 56\\||¦'
    ),
    'en-us': (
        '021! 032@ 043# 054$ 065% 076^ 087& 098* 0a9( 0b0) 0c-_ 0d=+ 10qQ '
        '11wW 12eE 13rR 14tT 15yY 16uU 17iI 18oO 19pP 1a[{ 1b]} 1eaA 1fsS '
        '20dD 21fF 22gG 23hH 24jJ 25kK 26lL 27;: 28\'" 29`~ 2b\\| 2czZ 2dxX '
        '2ecC 2fvV 30bB 31nN 32mM 33,< 34.> 35/? 56<>|¦'
    ),
    'es': (
        '021!|¡ 032"@\u215b 043·#£ 054$~$ 065%½\u215c 076&¬\u215d 087/{\u215e '
        '098([\u2122 0a9)]± 0b0=}° 0c\'?\\¿ 0d¡¿\u0327\u0328 10qQ@Ω 11wWſ§ '
        '12eE\u20ac¢ 13rR¶® 14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı '
        '18oOøØ 19pPþÞ 1a\u0300\u0302[\u030a 1b+*]\u0304 1eaAæÆ 1fsSß\u1e9e '
        '20dDðÐ 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ '
        '27ñÑ\u0303\u030b 28\u0301\u0308{\u030c 29ºª\\\\ 2bçÇ}\u0306 2czZ«< '
        '2dxX»> 2ecC¢© 2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 '
        '32mMµº 33,;\u2022× 34.:·÷ 35-_\u0323\u0307 56<>|¦'
    ),
    'et': (
        '021!¹¡ 032"@\u215b 043#££ 054¤$$ 065%½\u215c 076&¬\u215d 087/{\u215e '
        '098([\u2122 0a9)]± 0b0=}° 0c+?\\¿ 0d\u0301\u0300`\' 10qQ@Ω 11wWſ§ '
        '12eE\u20ac¢ 13rR¶® 14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı '
        '18oOøØ 19pPþÞ 1aüÜ\u0308\u030a 1bõÕ§\u0304 1eaAæÆ 1fsSšŠ 20dDðÐ '
        '21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ 27öÖ\u0301\u030b '
        '28äÄ^\u030c 29\u030c\u0303¬¬ 2b\'*½\u0306 2czZžŽ 2dxX»> 2ecC¢© '
        '2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 32mMµº 33,;<× '
        '34.:>÷ 35-_|˙ 56<>|¦'
    ),
    'fi': (
        '021!\ufffd¡ 032"@\u201d 043#£» 054¤$« 065%\u2030\u201c '
        '076&\u201a\u201e 087/{ 098([< 0a9)]> 0b0=}° 0c+?\\¿ '
        '0d\u0301\u0300\u0327\u0328 10qQqQ 11wWwW 12eE\u20ac 13rRrR 14tTþÞ '
        '15yYyY 16uUuU 17iIı| 18oOœŒ 19pP\u031b\u0309 1aåÅ\u030b\u030a '
        '1b\u0308\u0302\u0303\u0304 1eaAəƏ 1fsSß\u1e9e 20dDðÐ 21fFfF 22gGgG '
        '23hHhH 24jJjJ 25kKĸ 26lL 27öÖøØ 28äÄæÆ 29§½ 2b\'*\u030c\u0306 2czZʒƷ '
        '2dxX×· 2ecCcC 2fvVvV 30bBbB 31nNŋŊ 32mMµ\u2014 33,;\u2019\u2018 '
        '34.:\u0323\u0307 35-_\u2013\u0326 56<>|¦'
    ),
    'fo': (
        '021!¡¹ 032"@² 043#£³ 054¤$¼ 065%½¢ 076&¥\u215d 087/{÷ 098([« 0a9)]» '
        '0b0=}° 0c+?±¿ 0d\u0301\u0300|¦ 10qQ@Ω 11wWſ§ 12eE\u20ac¢ 13rR®® '
        '14tTþÞ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı 18oOœŒ 19pPþÞ '
        '1aåÅ\u0308\u0302 1bðÐ\u0303\u030c 1eaAªº 1fsSß\u1e9e 20dDðÐ 21fFđª '
        '22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ 27æÆ\u0301\u030b '
        '28øØ\u0302\u030c 29½§¾¶ 2b\'*\u030b× 2czZ«< 2dxX»> 2ecC©© '
        '2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 32mMµº '
        '33,;\u0327\u0328 34.:·\u0307 35-_\u00ad¯ 56<>\\¬'
    ),
    'fr': (
        '02&1¹¡ 03é2~\u215b 04"3#£ 05\'4{$ 06(5[\u215c 07-6|\u215d '
        '08è7`\u215e 09_8\\\u2122 0aç9^± 0bà0@° 0c)°]¿ 0d=+}˛ 10aAæÆ 11zZ«< '
        '12eE\u20ac¢ 13rR¶® 14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı '
        '18oOøØ 19pPþÞ 1a^¨\u0308\u030a 1b$£¤¯ 1eqQ@Ω 1fsSß\u1e9e 20dDðÐ '
        '21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ 27mMµº 28ù%^ˇ '
        '29²~¬¬ 2b*µ`˘ 2cwWłŁ 2dxX»> 2ecC¢© 2fvV\u201e\u201a 30bB\u201c\u2018 '
        '31nN\u201d\u2019 32,?´˝ 33;.\u2022× 34:/·÷ 35!§\u0323˙ 56<>|¦'
    ),
    'fr-be': (
        '02&1|¡ 03é2@\u215b 04"3#£ 05\'4¼$ 06(5½\u215c 07§6^\u215d '
        '08è7{\u215e 09!8[\u2122 0aç9{± 0bà0}° 0c)°\\¿ 0d-_\u0327\u0328 '
        '10aA@Ω 11zZſ§ 12eE\u20ac¢ 13rR¶® 14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 '
        '17iI\u2192ı 18oOœŒ 19pPþÞ 1a\u0302\u0308[\u030a 1b$*]\u0304 1eqQæÆ '
        '1fsSß\u1e9e 20dDðÐ 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& '
        '26lLłŁ 27mM\u0301\u030b 28ù%\u0301\u030c 29²³¬¬ 2bµ£\u0300\u0306 '
        '2cwW«< 2dxX»> 2ecC¢© 2fvV\u201e\u201a 30bB\u201c\u2018 '
        '31nN\u201d\u2019 32,?\u0327º 33;.\u2022× 34:/·÷ 35=+\u0303\u0307 '
        '56<>\\\\'
    ),
    'fr-ca': (
        '021!± 032"@ 043/£ 054$¢ 065%¤ 076?¬ 087&¦ 098*² 0a9(³ 0b0)¼ 0c-_½ '
        '0d=+¾ 10qQ 11wW 12eE 13rR 14tT 15yY 16uU 17iI 18oO§ 19pP¶ '
        '1a\u0302\u0302[ 1b\u0327\u0308] 1eaA 1fsS 20dD 21fF 22gG 23hH 24jJ '
        '25kK 26lL 27;:~ 28\u0300\u0300{ 29#|\\ 2b<>} 2czZ 2dxX 2ecC 2fvV '
        '30bB 31nN 32mMµ 33,\'¯ 34..\u00ad 35éÉ\u0301 56«»°¦'
    ),
    'fr-ch': (
        '021+|¡ 032"@\u215b 043*#£ 054ç¼$ 065%½\u215c 076&¬\u215d 087/|\u215e '
        '098(¢\u2122 0a9)]± 0b0=}° 0c\'?\u0301¿ 0d\u0302\u0300\u0303\u0328 '
        '10qQ@Ω 11wWſ§ 12eE\u20acE 13rR¶® 14tTŧŦ 15zZ\u2190¥ 16uU\u2193\u2191 '
        '17iI\u2192ı 18oOœŒ 19pPþÞ 1aèü[\u030a 1b\u0308!]\u0304 1eaAæÆ '
        '1fsSß\u1e9e 20dDðÐ 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& '
        '26lLłŁ 27éö\u0301\u030b 28àä{\u030c 29§°¬¬ 2b$£}\u0306 2cyY«< 2dxX»> '
        '2ecC¢© 2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 32mMµº '
        '33,;\u2022× 34.:·÷ 35-_\u0323\u0307 56<>\\¦'
    ),
    'hr': (
        '021!~\u0303 032"\u030cˇ 043#^\u0302 054$\u0306˘ 065%°\u030a '
        '076&\u0328˛ 087/`\u0300 098(\u0307˙ 0a9)\u0301\' 0b0=\u030b˝ '
        '0c\'?\u0308¨ 0d+*\u0327¸ 10qQ\\Ω 11wW|Ł 12eE\u20ac\u20ac 13rR¶® '
        '14tTŧŦ 15zZ\u2190¥ 16uU\u2193\u2191 17iI\u2192ı 18oOøØ 19pPþÞ '
        '1ašŠ÷\u030a 1bđĐ×\u0304 1eaAæÆ 1fsS\u201e» 20dD\u201d« 21fF[ª 22gG]Ŋ '
        '23hHħĦ 24jJ\u0309\u031b 25kKł& 26lLłŁ 27čČ\u0301\u030b 28ćĆß\u030c '
        '29`~¬¬ 2bžŽ¤\u0306 2cyY\u2018» 2dxX\u2019« 2ecC¢© 2fvV@` 30bB{\' '
        '31nN}} 32mM§º 33,;<× 34.:>÷ 35-_\u0323\u0307 56<>|¦'
    ),
    'hu': (
        '021\'~\u0303 032"\u030cˇ 043+^\u0302 054!\u0306˘ 065%\u030a° '
        '076/\u0328˛ 087=`\u0300 098(\u0307˙ 0a9)\u0301´ 0böÖ\u030b˝ '
        '0cüÜ\u0308¨ 0dóÓ\u0327¸ 10qQ\\Ω 11wW|§ 12eEÄE 13rR¶® 14tTŧŦ '
        '15zZ\u2013¥ 16uU\u20ac\u2191 17iIÍí 18oO\u201eØ 19pP\u201dÞ '
        '1aőŐ÷\u030a 1búÚ×\u0304 1eaAäÄ 1fsSđ\u1e9e 20dDĐÐ 21fF[ª 22gG]Ŋ '
        '23hHħĦ 24jJíÍ 25kKł& 26lLŁŁ 27éÉ$¢ 28áÁß\u1e9e 290§¬¬ 2bűŰ¤\u0306 '
        '2cyY>< 2dxX#> 2ecC&© 2fvV@\u201a 30bB{\u2018 31nN}\u2019 32mM<º '
        '33,?;× 34.:>÷ 35-_*\u0307 56íÍ<>'
    ),
    'is': (
        '021!¹¡ 032"²\u215b 043#³£ 054$¼¤ 065%½\u215c 076&¬\u215d 087/{\u215e '
        '098([\u2122 0a9)]± 0b0=}° 0cöÖ\\¿ 0d-_\u0327\u0328 10qQ@Ω 11wWſ§ '
        '12eE\u20ac¢ 13rR¶® 14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı '
        '18oOøØ 19pP|π 1aðÐ\u0308\u030a 1b\'?~\u0304 1eaAæÆ 1fsSß\u1e9e '
        '20dD\u201e\u201c 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ '
        '27æÆ^\u030b 28\u0301\u0301\u0302\u030c 29\u030a\u0308¬\u00ad '
        '2b+*`\u0306 2czZ«< 2dxX»> 2ecC¢© 2fvV\u201e\u201a 30bB\u201c\u2018 '
        '31nN\u201d\u2019 32mMµº 33,;\u2022× 34.:·÷ 35þÞ\u0323\u0307 56<>|¦'
    ),
    'it': (
        '021!¹¡ 032"²\u030b 043£³\u0303 054$¼\u215b 065%½\u215c 076&¬\u215d '
        '087/{\u215e 098([\u2122 0a9)]± 0b0=}\u0328 0c\'?`¿ 0dì^~\u0302 '
        '10qQ@Ω 11wWſ§ 12eE\u20ac¢ 13rR¶® 14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 '
        '17iI\u2192ı 18oOøØ 19pPþÞ 1aèé[{ 1b+*]} 1eaAæÆ 1fsSß\u1e9e 20dDðÐ '
        '21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ 27òç@\u0327 '
        '28à°#\u030a 29\\|¬¦ 2bù§\u0300\u0306 2czZ«< 2dxX»> 2ecC¢© '
        '2fvV\u201c\u2018 30bB\u201d\u2019 31nNñÑ 32mMµº 33,;\u0301× '
        '34.:·\u0308 35-_\u0304÷ 56<>«»'
    ),
    'ja': (
        '021! 032" 043# 054$ 065% 076& 087\' 098( 0a9) 0b0~ 0c-= 0d^~ 10qQ '
        '11wW 12eE 13rR 14tT 15yY 16uU 17iI 18oO 19pP 1a@` 1b[{ 1eaA 1fsS '
        '20dD 21fF 22gG 23hH 24jJ 25kK 26lL 27;+ 28:* 2b]} 2czZ 2dxX 2ecC '
        '2fvV 30bB 31nN 32mM 33,< 34.> 35/? 56<>|¦ 73\\_ 7d\\|'
    ),
    'lt': (
        '02ąĄ1! 03čČ2@ 04ęĘ3# 05ėĖ4$ 06įĮ5% 07šŠ6^ 08ųŲ7& 09ūŪ8* 0a\u201e(9( '
        '0b\u201c)0) 0c-_\u2013¿ 0džŽ=+ 10qQ@Ω 11wWſ§ 12eE\u20ac£ 13rR¶® '
        '14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı 18oOøØ 19pPþÞ '
        '1a[{\u0308\u030a 1b]}\u0303\u0304 1eaAæÆ 1fsSß\u1e9e 20dDðÐ 21fFđª '
        '22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ 27;:\u0301\u030b '
        '28\'"\u0302\u030c 29`~´¬ 2b\\|\u0300\u0306 2czZ«< 2dxX»> 2ecC¢© '
        '2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 32mMµº '
        '33,<\u2022× 34.>·÷ 35/?\u0323\u0307 56\u2013\u20ac|¦'
    ),
    'lv': (
        '021!¹¡ 032@²\u215b 043#³£ 054$\u20ac¢ 065%½\u215c 076^¾\u215d '
        '087&{\u215e 098*[\u2122 0a9(]± 0b0)}° 0c-_\\¿ 0d=+\u2013\u2014 '
        '10qQqQ 11wWwW 12eEēĒ 13rRŗŖ 14tTtT 15yYyY 16uUūŪ 17iIīĪ 18oOōŌ '
        '19pPpP 1a[{«\u201c 1b]}»\u201d 1eaAāĀ 1fsSšŠ 20dDdD 21fFfF 22gGģĢ '
        '23hHhH 24jJjJ 25kKķĶ 26lLļĻ 27;:;: 28\'"\u201c\u201e 29`~´~ 2b\\|`˘ '
        '2czZžŽ 2dxXxX 2ecCčČ 2fvVvV 30bBbB 31nNņŅ 32mMmM 33,<\u2022× 34.>·÷ '
        '35/?/˙ 56<>|¦'
    ),
    'mk': (
        '021! 032\u201e 043\u201c 054$ 065% 076^ 087& 098* 0a9( 0b0) 0c-_ '
        '0d=+ 10љЉ 11њЊ 12еЕ 13рР 14тТ 15ѕЅ 16уУ 17иИ 18оО 19пП 1aшШ 1bѓЃ '
        '1eаА 1fсС 20дД 21фФ 22гГ 23хХ 24јЈ 25кК 26лЛ 27чЧ 28ќЌ 29\u0300~ '
        '2bжЖ 2cзЗ 2dџЏ 2eцЦ 2fвВ 30бБ 31нН 32мМ 33,; 34.: 35/? 56<>|¦'
    ),
    'nl': (
        '021!¹¡ 032"²\u215b 043#³£ 054$¼$ 065%½\u215c 076&¾\u215d 087_£\u215e '
        '098({[ 0a9)}] 0b0\'°\u2122 0c/?\\¿ 0d°\u0303\u0327\u0328 10qQ@Ω '
        '11wWſ§ 12eE\u20ac¢ 13rR¶® 14tTþÞ 15yYÿ¥ 16uUüÜ 17iIïÏ 18oOòÒ 19pP¶Þ '
        '1a\u0308\u0302~^ 1b*|\u0303\u0304 1eaAáÁ 1fsSß\u1e9e 20dDðÐ 21fFªª '
        '22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ 27+±\u0301\u030b '
        '28\u0301\u0300\'` 29@§¬¬ 2b<>\u0300\u0306 2czZ«< 2dxX»> 2ecC¢© '
        '2fvV\u201c\u2018 30bB\u201d\u2019 31nNñÑ 32mMμº 33,;¸« 34.:·» '
        '35-=\u00ad\u0307 56][|¦'
    ),
    'no': (
        '021!¡¹ 032"@² 043#£³ 054¤$¼ 065%½\u2030 076&¥\u215d 087/{÷ 098([« '
        '0a9)]» 0b0=}° 0c+?±¿ 0d\\\u0300\u0301¬ 10qQ@Ω 11wWſ§ 12eE\u20ac¢ '
        '13rR®\u2122 14tTþÞ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı 18oOœŒ '
        '19pPπΠ 1aåÅ\u0308\u030a 1b\u0308\u0302\u0303\u030c 1eaAªº '
        '1fsSß\u1e9e 20dDðÐ 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& '
        '26lLłŁ 27øØ\u0301\u030b 28æÆ\u0302\u030c 29|§¦¶ 2b\'*\u030b× 2czZ«< '
        '2dxX»> 2ecC©© 2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 '
        '32mMµº 33,;\u0327\u0328 34.:\u2026· 35-_\u2013\u2014 56<>½¾'
    ),
    'pl': (
        '021!\u2260¡ 032@²¿ 043#³£ 054$¢¼ 065%\u20ac\u2030 076^½\u2227 '
        '087&§\u2248 098*·¾ 0a9(«± 0b0)»° 0c-_\u2013\u2014 0d=+\u0327\u0328 '
        '10qQπΩ 11wWœŒ 12eEęĘ 13rR©® 14tTß\u2122 15yY\u2190¥ 16uU\u2193\u2191 '
        '17iI\u2192\u2194 18oOóÓ 19pPþÞ 1a[{\u0308\u030a 1b]}\u0303\u0304 '
        '1eaAąĄ 1fsSśŚ 20dDðÐ 21fFæÆ 22gGŋŊ 23hH\u2019\u2022 24jJəƏ '
        '25kK\u2026 26lLłŁ 27;:\u0301\u030b 28\'"\u0302\u030c 29`~¬\u2228 '
        '2b\\|\u0300\u0306 2czZżŻ 2dxXźŹ 2ecCćĆ 2fvV\u201e\u2018 '
        '30bB\u201d\u201c 31nNńŃ 32mMµ\u221e 33,<\u2264× 34.>\u2265÷ '
        '35/?\u0323\u0307 56<>|¦'
    ),
    'pt': (
        '021!¹¡ 032"@\u215b 043#££ 054$§$ 065%½\u215c 076&¬\u215d 087/{\u215e '
        '098([\u2122 0a9)]± 0b0=}° 0c\'?\\¿ 0d«»\u0327\u0328 10qQ@Ω 11wWſ§ '
        '12eE\u20ac¢ 13rR¶® 14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı '
        '18oOøØ 19pPþÞ 1a+*\u0308\u030a 1b\u0301\u0300\u0303\u0304 1eaAæÆ '
        '1fsSß\u1e9e 20dDðÐ 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& '
        '26lLłŁ 27çÇ\u0301\u030b 28ºª\u0302\u030c 29\\|¬¬ '
        '2b\u0303\u0302\u0300\u0306 2czZ«< 2dxX»> 2ecC¢© 2fvV\u201e\u201a '
        '30bB\u201c\u2018 31nN\u201d\u2019 32mMµº 33,;\u2022× 34.:·÷ '
        '35-_\u0323\u0307 56<>\\\\'
    ),
    'pt-br': (
        '021!¹¡ 032@²½ 043#³¾ 054$£¼ 065%¢\u215c 076\u0308¬¨ 087&{\u215e '
        '098*[\u2122 0a9(]± 0b0)}° 0c-_\\¿ 0d=+§\u0328 10qQ// 11wW?? 12eE°° '
        '13rR®® 14tTŧŦ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı 18oOøØ 19pPþÞ '
        '1a\u0301\u0300´` 1b[{ª\u0304 1eaAæÆ 1fsSß\u1e9e 20dDðÐ 21fFđª 22gGŋŊ '
        '23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ 27çÇ\u0301\u030b '
        '28\u0303\u0302~^ 29\'"¬¬ 2b]}ºº 2czZ«< 2dxX»> 2ecC©© '
        '2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 32mMµµ '
        '33,<\u2022× 34.>·÷ 35;:\u0323\u0307 56\\|\u030c\u0306 73/?°¿'
    ),
    'ru': (
        '021! 032" 043\u2116 054; 065% 076: 087? 098*\u20bd 0a9( 0b0) 0c-_ '
        '0d=+ 10йЙ 11цЦ 12уУ 13кК 14еЕ 15нН 16гГ 17шШ 18щЩ 19зЗ 1aхХ 1bъЪ '
        '1eфФ 1fыЫ 20вВ 21аА 22пП 23рР 24оО 25лЛ 26дД 27жЖ 28эЭ 29ёЁ 2b\\/ '
        '2cяЯ 2dчЧ 2eсС 2fмМ 30иИ 31тТ 32ьЬ 33бБ 34юЮ 35., 56/||¦'
    ),
    'sl': (
        '021!\u0303~ 032"\u030cˇ 043#\u0302^ 054$\u0306˘ 065%\u030a° '
        '076&\u0328˛ 087/\u0300` 098(\u0307˙ 0a9)\u0301\' 0b0=\u030b˝ '
        '0c\'?\u0308¨ 0d+*\u0327¸ 10qQ\\Ω 11wW|Ł 12eE\u20ac\u20ac 13rR¶® '
        '14tTŧŦ 15zZ\u2190¥ 16uU\u2193\u2191 17iI\u2192ı 18oOøØ 19pPþÞ '
        '1ašŠ÷\u030a 1bđĐ×\u0304 1eaAæÆ 1fsS\u201e» 20dD\u201c« 21fF[ª 22gG]Ŋ '
        '23hHħĦ 24jJ\u0309\u031b 25kKł& 26lLłŁ 27čČ\u0301\u030b 28ćĆß\u030c '
        '29¸¨ 2bžŽ¤\u0306 2cyY\u2018» 2dxX\u2019« 2ecC¢© 2fvV@` 30bB{\' '
        '31nN}} 32mM§º 33,;<× 34.:>÷ 35-_\u2014\u2013 56<>|¦'
    ),
    'sv': (
        '021!¡¹ 032"@² 043#£³ 054¤$¼ 065%\u20ac¢ 076&¥\u215d 087/{÷ 098([« '
        '0a9)]» 0b0=}° 0c+?\\¿ 0d\u0301\u0300±¬ 10qQ@Ω 11wWſ§ 12eE\u20ac¢ '
        '13rR®® 14tTþÞ 15yY\u2190¥ 16uU\u2193\u2191 17iI\u2192ı 18oOœŒ 19pPþÞ '
        '1aåÅ\u0308\u030a 1b\u0308\u0302\u0303\u030c 1eaAªº 1fsSß\u1e9e '
        '20dDðÐ 21fFđª 22gGŋŊ 23hHħĦ 24jJ\u0309\u031b 25kKĸ& 26lLłŁ 27öÖøØ '
        '28äÄæÆ 29§½¶¾ 2b\'*´× 2czZ«< 2dxX»> 2ecC©© 2fvV\u201e\u201a '
        '30bB\u201c\u2018 31nN\u201d\u2019 32mMµº 33,;\u0327\u0328 '
        '34.:·\u0307 35-_\u0323\u0307 56<>|¦'
    ),
    'th': (
        '02\u0e45+ 03/\u0e51 04-\u0e52 05\u0e20\u0e53 06\u0e16\u0e54 '
        '07\u0e38\u0e39 08\u0e36\u0e3f 09\u0e04\u0e55 0a\u0e15\u0e56 '
        '0b\u0e08\u0e57 0c\u0e02\u0e58 0d\u0e0a\u0e59 10\u0e46\u0e50 '
        '11\u0e44" 12\u0e33\u0e0e 13\u0e1e\u0e11 14\u0e30\u0e18 '
        '15\u0e31\u0e4d 16\u0e35\u0e4a 17\u0e23\u0e13 18\u0e19\u0e2f '
        '19\u0e22\u0e0d 1a\u0e1a\u0e10 1b\u0e25, 1e\u0e1f\u0e24 '
        '1f\u0e2b\u0e06 20\u0e01\u0e0f 21\u0e14\u0e42 22\u0e40\u0e0c '
        '23\u0e49\u0e47 24\u0e48\u0e4b 25\u0e32\u0e29 26\u0e2a\u0e28 '
        '27\u0e27\u0e0b 28\u0e07. 29_% 2b\u0e03\u0e05 2c\u0e1c( 2d\u0e1b) '
        '2e\u0e41\u0e09 2f\u0e2d\u0e2e 30\u0e34\u0e3a 31\u0e37\u0e4c '
        '32\u0e17? 33\u0e21\u0e12 34\u0e43\u0e2c 35\u0e1d\u0e26 56<>|¦'
    ),
    'tr': (
        '021!>¡ 032\'£² 043^#³ 054+$¼ 065%½\u215c 076&¾ 087/{ 098([ 0a9)]± '
        '0b0=}° 0c*?\\¿ 0d-_| 10qQ@Ω 11wW 12eE\u20ac 13rR¶® 14tT\u20ba '
        '15yY\u2190¥ 16uUûÛ 17ıIîÎ 18oOôÔ 19pP 1ağĞ\u0308\u030a 1büÜ~\u0304 '
        '1eaAâÂ 1fsSß 20dD 21fFª 22gG 23hH 24jJ\u0309\u031b 25kK 26lL '
        '27şŞ´\u0301 28iİ\'\u030c 29"é<° 2b,;`\u0300 2czZ«< 2dxX»> 2ecC¢© '
        '2fvV\u201e\u201a 30bB\u201c\u2018 31nN\u201d\u2019 32mMµº 33öÖ× '
        '34çÇ·÷ 35.:\u0307\u0307 56<>|¦'
    ),
}

#: Symbols that are no Unicode: number and what it prints.
LEGACY = (
    '01a1Ą 01a2˘ 01a3Ł 01a6Ś 01a9Š 01aaŞ 01acŹ 01aeŽ 01afŻ 01b1ą 01b2˛ 01b3ł '
    '01b6ś 01b7ˇ 01b9š 01baş 01bcź 01bd˝ 01bež 01bfż 01c6Ć 01c8Č 01caĘ 01d0Đ '
    '01d1Ń 01d5Ő 01dbŰ 01e6ć 01e8č 01eaę 01ecě 01f0đ 01f1ń 01f5ő 01f8ř 01f9ů '
    '01fbű 01ff˙ 02a1Ħ 02a9İ 02abĞ 02b1ħ 02b9ı 02bbğ 03a2ĸ 03a3Ŗ 03a6Ļ 03aaĒ '
    '03abĢ 03acŦ 03b3ŗ 03b6ļ 03baē 03bbģ 03bcŧ 03bdŊ 03bfŋ 03c0Ā 03c7Į 03ccĖ '
    '03cfĪ 03d1Ņ 03d2Ō 03d3Ķ 03d9Ų 03deŪ 03e0ā 03e7į 03ecė 03efī 03f1ņ 03f2ō '
    '03f3ķ 03f9ų 03feū 05ac\u060c 05bb\u061b 05bf\u061f 05c1\u0621 05c2\u0622 '
    '05c3\u0623 05c4\u0624 05c5\u0625 05c6\u0626 05c7\u0627 05c8\u0628 '
    '05c9\u0629 05ca\u062a 05cb\u062b 05cc\u062c 05cd\u062d 05ce\u062e '
    '05cf\u062f 05d0\u0630 05d1\u0631 05d2\u0632 05d3\u0633 05d4\u0634 '
    '05d5\u0635 05d6\u0636 05d7\u0637 05d8\u0638 05d9\u0639 05da\u063a '
    '05e0\u0640 05e1\u0641 05e2\u0642 05e3\u0643 05e4\u0644 05e5\u0645 '
    '05e6\u0646 05e7\u0647 05e8\u0648 05e9\u0649 05ea\u064a 05eb\u064b '
    '05ec\u064c 05ed\u064d 05ee\u064e 05ef\u064f 05f0\u0650 05f1\u0651 '
    '05f2\u0652 06a2ѓ 06a3ё 06a5ѕ 06a8ј 06a9љ 06aaњ 06acќ 06afџ 06b0\u2116 '
    '06b2Ѓ 06b3Ё 06b5Ѕ 06b8Ј 06b9Љ 06baЊ 06bcЌ 06bfЏ 06c0ю 06c1а 06c2б 06c3ц '
    '06c4д 06c5е 06c6ф 06c7г 06c8х 06c9и 06caй 06cbк 06ccл 06cdм 06ceн 06cfо '
    '06d0п 06d1я 06d2р 06d3с 06d4т 06d5у 06d6ж 06d7в 06d8ь 06d9ы 06daз 06dbш '
    '06dcэ 06ddщ 06deч 06dfъ 06e0Ю 06e1А 06e2Б 06e3Ц 06e4Д 06e5Е 06e6Ф 06e7Г '
    '06e8Х 06e9И 06eaЙ 06ebК 06ecЛ 06edМ 06eeН 06efО 06f0П 06f1Я 06f2Р 06f3С '
    '06f4Т 06f5У 06f6Ж 06f7В 06f8Ь 06f9Ы 06faЗ 06fbШ 06fcЭ 06fdЩ 06feЧ 06ffЪ '
    '07d0Π 07d9Ω 07ecμ 07f0π 08bc\u2264 08bd\u2260 08be\u2265 08c2\u221e '
    '08de\u2227 08df\u2228 08fb\u2190 08fc\u2191 08fd\u2192 08fe\u2193 '
    '0aa9\u2014 0aaa\u2013 0aae\u2026 0ac3\u215b 0ac4\u215c 0ac5\u215d '
    '0ac6\u215e 0ac9\u2122 0ad0\u2018 0ad1\u2019 0ad2\u201c 0ad3\u201d '
    '0ad5\u2030 0afd\u201a 0afe\u201e 0da1\u0e01 0da2\u0e02 0da3\u0e03 '
    '0da4\u0e04 0da5\u0e05 0da6\u0e06 0da7\u0e07 0da8\u0e08 0da9\u0e09 '
    '0daa\u0e0a 0dab\u0e0b 0dac\u0e0c 0dad\u0e0d 0dae\u0e0e 0daf\u0e0f '
    '0db0\u0e10 0db1\u0e11 0db2\u0e12 0db3\u0e13 0db4\u0e14 0db5\u0e15 '
    '0db6\u0e16 0db7\u0e17 0db8\u0e18 0db9\u0e19 0dba\u0e1a 0dbb\u0e1b '
    '0dbc\u0e1c 0dbd\u0e1d 0dbe\u0e1e 0dbf\u0e1f 0dc0\u0e20 0dc1\u0e21 '
    '0dc2\u0e22 0dc3\u0e23 0dc4\u0e24 0dc5\u0e25 0dc6\u0e26 0dc7\u0e27 '
    '0dc8\u0e28 0dc9\u0e29 0dca\u0e2a 0dcb\u0e2b 0dcc\u0e2c 0dcd\u0e2d '
    '0dce\u0e2e 0dcf\u0e2f 0dd0\u0e30 0dd1\u0e31 0dd2\u0e32 0dd3\u0e33 '
    '0dd4\u0e34 0dd5\u0e35 0dd6\u0e36 0dd7\u0e37 0dd8\u0e38 0dd9\u0e39 '
    '0dda\u0e3a 0ddf\u0e3f 0de0\u0e40 0de1\u0e41 0de2\u0e42 0de3\u0e43 '
    '0de4\u0e44 0de5\u0e45 0de6\u0e46 0de7\u0e47 0de8\u0e48 0de9\u0e49 '
    '0dea\u0e4a 0deb\u0e4b 0dec\u0e4c 0ded\u0e4d 0df0\u0e50 0df1\u0e51 '
    '0df2\u0e52 0df3\u0e53 0df4\u0e54 0df5\u0e55 0df6\u0e56 0df7\u0e57 '
    '0df8\u0e58 0df9\u0e59 13bcŒ 13bdœ 20ac\u20ac'
)

#: Keys that print nothing, the space bar and the key pad: symbol -> QEMU's
#: numbers, the one that counts first.
OTHERS = {
    0x0020: (0x39,),  # space
    0xfe03: (0xb8,),  # ISO_Level3_Shift
    0xfe20: (0xf,),  # ISO_Left_Tab
    0xff08: (0xe,),  # BackSpace
    0xff09: (0xf,),  # Tab
    0xff0a: (0x5b,),  # Linefeed
    0xff0d: (0x1c,),  # Return
    0xff13: (0xc6,),  # Pause
    0xff14: (0x46,),  # Scroll_Lock
    0xff15: (0x54,),  # Sys_Req
    0xff1b: (0x1,),  # Escape
    0xff22: (0x7b,),  # Muhenkan
    0xff23: (0x79,),  # Henkan_Mode
    0xff25: (0x77,),  # Hiragana
    0xff27: (0x70,),  # Hiragana_Katakana
    0xff50: (0xc7,),  # Home
    0xff51: (0xcb,),  # Left
    0xff52: (0xc8,),  # Up
    0xff53: (0xcd,),  # Right
    0xff54: (0xd0,),  # Down
    0xff55: (0xc9,),  # Prior
    0xff56: (0xd1,),  # Next
    0xff57: (0xcf,),  # End
    0xff61: (0x54,),  # Print
    0xff62: (0x54,),  # Execute
    0xff63: (0xd2,),  # Insert
    0xff65: (0x87,),  # Undo
    0xff66: (0x85,),  # Redo
    0xff67: (0xdd,),  # Menu
    0xff68: (0xc1,),  # Find
    0xff69: (0xe8,),  # Cancel
    0xff6a: (0xf5,),  # Help
    0xff7e: (0xb8,),  # Mode_switch
    0xff7f: (0x45,),  # Num_Lock
    0xff8d: (0x9c,),  # KP_Enter
    0xff95: (0x47,),  # KP_Home
    0xff96: (0x4b,),  # KP_Left
    0xff97: (0x48,),  # KP_Up
    0xff98: (0x4d,),  # KP_Right
    0xff99: (0x50,),  # KP_Down
    0xff9a: (0x49,),  # KP_Prior
    0xff9b: (0x51,),  # KP_Next
    0xff9c: (0x4f,),  # KP_End
    0xff9d: (0x4c,),  # KP_Begin
    0xff9e: (0x52,),  # KP_Insert
    0xff9f: (0x53,),  # KP_Delete
    0xffaa: (0x37,),  # KP_Multiply
    0xffab: (0x4e,),  # KP_Add
    0xffac: (0x53,),  # KP_Separator
    0xffad: (0x4a,),  # KP_Subtract
    0xffae: (0x53, 0x7e,),  # KP_Decimal
    0xffaf: (0xb5,),  # KP_Divide
    0xffb0: (0x52,),  # KP_0
    0xffb1: (0x4f,),  # KP_1
    0xffb2: (0x50,),  # KP_2
    0xffb3: (0x51,),  # KP_3
    0xffb4: (0x4b,),  # KP_4
    0xffb5: (0x4c,),  # KP_5
    0xffb6: (0x4d,),  # KP_6
    0xffb7: (0x47,),  # KP_7
    0xffb8: (0x48,),  # KP_8
    0xffb9: (0x49,),  # KP_9
    0xffbd: (0x59,),  # KP_Equal
    0xffbe: (0x3b,),  # F1
    0xffbf: (0x3c,),  # F2
    0xffc0: (0x3d,),  # F3
    0xffc1: (0x3e,),  # F4
    0xffc2: (0x3f,),  # F5
    0xffc3: (0x40,),  # F6
    0xffc4: (0x41,),  # F7
    0xffc5: (0x42,),  # F8
    0xffc6: (0x43,),  # F9
    0xffc7: (0x44,),  # F10
    0xffc8: (0x57,),  # F11
    0xffc9: (0x58,),  # F12
    0xffe1: (0x2a,),  # Shift_L
    0xffe2: (0x36,),  # Shift_R
    0xffe3: (0x1d,),  # Control_L
    0xffe4: (0x9d,),  # Control_R
    0xffe5: (0x3a,),  # Caps_Lock
    0xffe7: (0x38,),  # Meta_L
    0xffe8: (0xb8,),  # Meta_R
    0xffe9: (0x38,),  # Alt_L
    0xffea: (0xb8,),  # Alt_R
    0xffeb: (0xdb,),  # Super_L
    0xffec: (0xdc,),  # Super_R
    0xffff: (0xd3,),  # Delete
    0x1005ff70: (0x86,),  # SunProps
    0x1005ff71: (0x8c,),  # SunFront
    0x1008ff11: (0xae,),  # XF86AudioLowerVolume
    0x1008ff12: (0xa0,),  # XF86AudioMute
    0x1008ff13: (0xb0,),  # XF86AudioRaiseVolume
    0x1008ff14: (0xa2,),  # XF86AudioPlay
    0x1008ff15: (0xa4,),  # XF86AudioStop
    0x1008ff16: (0x90,),  # XF86AudioPrev
    0x1008ff17: (0x99,),  # XF86AudioNext
    0x1008ff18: (0xb2,),  # XF86HomePage
    0x1008ff19: (0xec,),  # XF86Mail
    0x1008ff1d: (0xa1,),  # XF86Calculator
    0x1008ff26: (0xea,),  # XF86Back
    0x1008ff27: (0xe9,),  # XF86Forward
    0x1008ff2a: (0xde,),  # XF86PowerOff
    0x1008ff2b: (0xe3,),  # XF86WakeUp
    0x1008ff2c: (0xa4,),  # XF86Eject
    0x1008ff2f: (0xdf,),  # XF86Sleep
    0x1008ff30: (0xe6,),  # XF86Favorites
    0x1008ff31: (0xa2,),  # XF86AudioPause
    0x1008ff32: (0xed,),  # XF86AudioMedia
    0x1008ff33: (0xeb,),  # XF86MyComputer
    0x1008ff57: (0xf8,),  # XF86Copy
    0x1008ff58: (0xbc,),  # XF86Cut
    0x1008ff65: (0x9e,),  # XF86MenuKB
    0x1008ff6b: (0x64,),  # XF86Open
    0x1008ff6d: (0x65,),  # XF86Paste
    0x1008ff73: (0xe7,),  # XF86Reload
}
