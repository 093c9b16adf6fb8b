"""Settings: attributes of one object, each with an environment variable that sets its start value."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_TRUE: Final = frozenset({"1", "true", "yes", "on"})


def _flag(name: str) -> bool:
    return os.environ.get(name, "").strip().casefold() in _TRUE


def _default_cache() -> Path:
    """Return the folder of ``SCGENEPT_CACHE``, or the per-user cache folder of the operating system."""
    if override := os.environ.get("SCGENEPT_CACHE"):
        return Path(override).expanduser()
    with warnings.catch_warnings():
        # pooch looks for the bar of a notebook; without ipywidgets the terminal's will do
        warnings.filterwarnings("ignore", message="IProgress not found")
        import pooch  # most of the time of `import scgenept`, were it needed there

    return Path(pooch.os_cache("scgenept"))


def _mirrors() -> tuple[str, ...]:
    return tuple(os.environ.get("SCGENEPT_MIRRORS", "").split())


def _timeout() -> float:
    value = os.environ.get("SCGENEPT_TIMEOUT", "4")
    try:
        return float(value)
    except ValueError:
        msg = f"SCGENEPT_TIMEOUT={value!r} should be a number of seconds, such as 4."
        raise ValueError(msg) from None


def _progress() -> bool | None:
    value = os.environ.get("SCGENEPT_PROGRESS")
    return None if value is None else value.strip().casefold() in _TRUE


@dataclass(slots=True)
class Settings:
    """Package-wide settings, reached as ``sgp.settings``.

    Every attribute can be assigned; the environment variable in brackets gives its value at import.

    Attributes
    ----------
    cache_dir
        Folder of downloaded files [``SCGENEPT_CACHE``]; the user cache folder otherwise.
    base_url
        Replaces the address of the model bucket [``SCGENEPT_BASE_URL``].
    dataverse_url
        Replaces the address of Harvard Dataverse's file service [``SCGENEPT_DATAVERSE_URL``].
    mirrors
        Further base addresses, tried in order when the first fails [``SCGENEPT_MIRRORS``, blank-separated].
    offline
        Never open a connection; cached files only [``SCGENEPT_OFFLINE``].
    timeout
        Seconds to wait for a connection before giving up [``SCGENEPT_TIMEOUT``]; a download that has begun may
        pause for longer.
    device
        ``"auto"`` (CUDA, then MPS, then CPU) or a torch device name [``SCGENEPT_DEVICE``].
    default_model
        The model that ``tl.predict_perturbation`` takes where none is given [``SCGENEPT_MODEL``].
    progress
        Progress bars: ``True``, ``False``, or ``None`` for "only in a terminal or notebook"
        [``SCGENEPT_PROGRESS``].
    """

    base_url: str | None = field(default_factory=lambda: os.environ.get("SCGENEPT_BASE_URL"))
    dataverse_url: str | None = field(default_factory=lambda: os.environ.get("SCGENEPT_DATAVERSE_URL"))
    mirrors: tuple[str, ...] = field(default_factory=_mirrors)
    offline: bool = field(default_factory=lambda: _flag("SCGENEPT_OFFLINE"))
    timeout: float = field(default_factory=_timeout)
    device: str = field(default_factory=lambda: os.environ.get("SCGENEPT_DEVICE", "auto"))
    default_model: str = field(default_factory=lambda: os.environ.get("SCGENEPT_MODEL", "scgenept_go_c:norman"))
    progress: bool | None = field(default_factory=_progress)
    _cache_dir: Path | None = None

    @property
    def cache_dir(self) -> Path:
        """Folder of downloaded files."""
        if self._cache_dir is None:
            self._cache_dir = _default_cache()
        return self._cache_dir

    @cache_dir.setter
    def cache_dir(self, folder: Path) -> None:
        self._cache_dir = folder

    @property
    def progress_disabled(self) -> bool | None:
        """What to hand to tqdm as ``disable``: ``None`` lets tqdm be silent in pipes."""
        if self.progress is None:
            return None if "ipykernel" not in sys.modules else False
        return not self.progress


settings: Final = Settings()
