"""scgenept info."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from .._settings import settings

PACKAGES = ("scgenept", "anndata", "scanpy", "mudata", "torch", "lightning", "numpy", "scipy", "pandas", "zarr")


def describe_installation() -> str:
    """Return versions, device and cache, one line each."""
    import platform

    from .._device import available_devices, resolve_device
    from ..models import available

    lines = [f"python      {platform.python_version()} on {platform.platform()}"]
    for name in PACKAGES:
        try:
            lines.append(f"{name:<11} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name:<11} not installed")
    models = available()
    lines += [
        f"device      {resolve_device()} (here: {', '.join(available_devices())})",
        f"cache       {settings.cache_dir}{'' if settings.cache_dir.exists() else ' (empty)'}",
        f"offline     {settings.offline}",
        f"models      {len(models)} known, default {settings.default_model}; embedded: scgenept-mini",
    ]
    return "\n".join(lines)
