#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inline_report.py notices what must not happen at a call site."""

import pathlib
import sys
import tempfile
import unittest

import inline_report
from tally import run_unittests

GOOD = """
0000000000000000 <site_weft_mutex_lock>:
   0:	xor    %eax,%eax
   2:	lock cmpxchg %ecx,(%rdi)
   6:	jne    c <site_weft_mutex_lock+0xc>
   8:	addl   $0x1,(%rbx)
   a:	ret
   c:	call   11 <site_weft_mutex_lock+0x11>
			d: R_X86_64_PLT32	weft_mutex_lock_slow-0x4
  11:	jmp    8 <site_weft_mutex_lock+0x8>
"""
OUTLINED = """
0000000000000000 <site_weft_mutex_lock>:
   0:	mov	x19, x1
   4:	bl	0 <__aarch64_cas4_acq>
			4: R_AARCH64_CALL26	__aarch64_cas4_acq
   8:	cbnz	w0, 14 <site_weft_mutex_lock+0x14>
   c:	ret
  14:	bl	0 <weft_mutex_lock_slow>
			14: R_AARCH64_CALL26	weft_mutex_lock_slow
"""


class InlineReport(unittest.TestCase):
    def complaints(self, disassembly, architecture="x86-64"):
        (site,) = inline_report.sites_of(disassembly)
        return list(site.complaints(architecture))

    def test_inline_report_accepts_one_cold_call_off_the_path(self):
        self.assertEqual([], self.complaints(GOOD))
        (site,) = inline_report.sites_of(GOOD)
        self.assertEqual(["xor", "lock cmpxchg", "jne", "addl", "ret"], [each.name for each in site.path()])

    def test_inline_report_notices_outlined_atomics(self):
        told = self.complaints(OUTLINED, "aarch64")
        self.assertEqual(2, len(told), told)
        self.assertIn("__aarch64_cas4_acq where nothing should be called", told[0])

    def test_inline_report_notices_a_slow_path_that_falls_through(self):
        self.assertIn("where nothing should be called", self.complaints(GOOD.replace("jne    c", "je     c").replace(
            "   8:	addl   $0x1,(%rbx)\n   a:	ret\n", ""))[0])

    def test_inline_report_notices_a_slow_path_that_was_inlined(self):
        without = GOOD.split("   c:")[0]
        self.assertIn("not one call of one slow function but 0", self.complaints(without)[0])
        self.assertIn("not one call", self.complaints(GOOD.replace("weft_mutex_lock_slow", "malloc"))[0])

    def test_inline_report_notices_a_path_that_has_grown(self):
        longer = GOOD.replace("   0:	xor    %eax,%eax\n", "   0:	nop\n" * 30)
        self.assertIn("instructions, more than", self.complaints(longer)[0])

    def test_inline_report_counts_the_part_that_gcc_moved_away(self):
        moved = GOOD.replace("   c:	call", "\n0000000000000000 <site_weft_mutex_lock.cold>:\n   0:	call")
        self.assertEqual([], self.complaints(moved))

    def test_inline_report_wants_a_call_site_for_every_inlined_path(self):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / "include" / "weft").mkdir(parents=True)
            (root / "include" / "weft" / "x.h").write_text(
                "WEFT_PRIV_INLINE int weft_x_get(int *x)\n{\n\treturn *x ? *x : weft_x_get_slow(x);\n}\n"
                "WEFT_PRIV_INLINE int weft_x_twice(int *x)\n{\n\treturn 2 * weft_x_get(x);\n}\n"
                "WEFT_PRIV_INLINE int weft_x_peek(int *x)\n{\n\treturn *x;\n}\n")
            wanted = inline_report.wanted_sites(root)
            self.assertLessEqual({"weft_x_get", "weft_x_twice"}, wanted)
            self.assertNotIn("weft_x_peek", wanted)
            self.assertIn("weft_x_get has no call site in test/inline/call_sites.c",
                          inline_report.judge(root, [], set(), "x86-64"))


if __name__ == "__main__":
    sys.exit(run_unittests())
