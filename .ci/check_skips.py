"""Print every skipped test; fail where the reason is not on the list, or where no test ran."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path


def main() -> int:
    """Check the JUnit reports against the list of allowed reasons."""
    allowed_file, *reports = map(Path, sys.argv[1:])
    lines = allowed_file.read_text().splitlines()
    allowed = [re.compile(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    n_passed = n_failed = 0
    reasons: Counter[tuple[str, str]] = Counter()
    for report in reports:
        for case in ET.parse(report).iter("testcase"):
            skipped = case.find("skipped")
            if skipped is not None:
                reasons[report.stem, skipped.get("message", "")] += 1
            elif case.find("failure") is not None or case.find("error") is not None:
                n_failed += 1
            else:
                n_passed += 1
    unknown = 0
    for (environment, reason), count in sorted(reasons.items()):
        known = any(pattern.fullmatch(reason) for pattern in allowed)
        unknown += not known
        print(f"{environment}: {count} skipped{'' if known else ' WITHOUT PERMISSION'}: {reason}")
    print(f"{n_passed} passed, {n_failed} failed, {sum(reasons.values())} skipped")
    return int(bool(unknown or n_failed or not n_passed))


if __name__ == "__main__":
    sys.exit(main())
