"""The one logger of the package; it adds no handler and changes no level of anyone else's."""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("scgenept")
logger.addHandler(logging.NullHandler())
