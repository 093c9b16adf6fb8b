"""The one logger of the package.

It gets no handler and no level, and changes nothing of anyone else's. Without any set-up Python itself prints its
warnings to the error stream; ``logging.basicConfig(level="INFO")`` also shows what each step found.
"""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("scgenept")
