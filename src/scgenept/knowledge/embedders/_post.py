"""One POST request."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.error import HTTPError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Answer(NamedTuple):
    """What came back: status (0 where nothing did), text (or why nothing did), and how long to wait, in seconds."""

    status: int
    text: str
    retry_after: float = 0.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key is for one server: it is carried to no other."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout: float) -> Answer:
    """Send a body and return the answer, whatever it is."""
    opener = urllib.request.build_opener(_NoRedirects)
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")
    try:
        with opener.open(request, timeout=timeout) as response:
            return Answer(response.status, response.read().decode("utf-8", "replace"))
    except HTTPError as error:
        with error:
            text = error.read().decode("utf-8", "replace")
        return Answer(error.code, text, _seconds(error.headers.get("Retry-After")))
    except (HTTPException, OSError) as error:
        return Answer(0, f"no answer ({getattr(error, 'reason', None) or str(error) or type(error).__name__})")


def _seconds(value: str | None) -> float:
    try:
        return max(0.0, float(value or 0))
    except ValueError:  # a date: the doubling waits will do
        return 0.0
