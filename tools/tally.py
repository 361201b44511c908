# SPDX-License-Identifier: MIT
"""How every checker and test program here reports: a line per case, a sum at the end.

    ok NAME | not ok NAME | skip NAME        then        N passed, N failed, N skipped

Exit status 0, 1 when a case failed, 77 when all were skipped. Standard library only.
"""

import fnmatch
import os
import unittest

EXIT_SKIPPED = 77


def sum_line(passed, failed, skipped):
    return f"{passed} passed, {failed} failed, {skipped} skipped"


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def ok(self, name):
        self.passed += 1
        print(f"ok {name}", flush=True)

    def fail(self, name, *reasons):
        self.failed += 1
        print(f"not ok {name}", flush=True)
        for reason in reasons:
            for line in str(reason).rstrip("\n").split("\n"):
                print(f"    {line}", flush=True)

    def skip(self, name, reason):
        self.skipped += 1
        print(f"skip {name}: {reason}", flush=True)

    def check(self, name, complaints):
        """One case: it passes when the list of complaints is empty."""
        if complaints:
            self.fail(name, *complaints)
        else:
            self.ok(name)

    def finish(self):
        """Print the sum. Returns the exit status."""
        print(sum_line(self.passed, self.failed, self.skipped), flush=True)
        if self.failed:
            return 1
        return EXIT_SKIPPED if self.skipped and not self.passed else 0


class _UnittestResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.tally = Tally()

    @staticmethod
    def _name(test):
        test = getattr(test, "test_case", test)  # a part of a case has the name of the case
        return getattr(test, "_testMethodName", str(test)).removeprefix("test_")

    def addSuccess(self, test):
        self.tally.ok(self._name(test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tally.fail(self._name(test), self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.tally.fail(self._name(test), self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.tally.fail(self._name(test), subtest, self._exc_info_to_string(err, test))

    def addUnexpectedSuccess(self, test):
        self.tally.fail(self._name(test), "was expected to fail")

    def addSkip(self, test, reason):
        self.tally.skip(self._name(test), reason)


def _cases(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _cases(test)
        else:
            yield test


def run_unittests():
    """Run the test cases of the calling program: those that fit WEFT_TEST_CASE, or all. Returns the exit status."""
    suite = unittest.defaultTestLoader.loadTestsFromName("__main__")
    pattern = os.environ.pop("WEFT_TEST_CASE", None)  # not what programs that they run are to do
    if pattern is not None:
        fitting = (t for t in _cases(suite) if fnmatch.fnmatchcase(_UnittestResult._name(t), pattern))
        suite = unittest.TestSuite(fitting)
    result = _UnittestResult()
    nothing = suite.countTestCases() == 0
    suite.run(result)
    status = result.tally.finish()
    return EXIT_SKIPPED if nothing and pattern is not None else status
