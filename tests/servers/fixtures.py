"""The servers as pytest fixtures. Each server's module registers its own."""

from importlib import import_module
from pathlib import Path

# A server is one module beside this one; its fixtures become visible by being imported here.
for _path in sorted(Path(__file__).parent.glob("*.py")):
    if _path.stem not in {"__init__", "fixtures"}:
        _module = import_module(f"tests.servers.{_path.stem}")
        globals().update({name: item for name, item in vars(_module).items() if not name.startswith("_")})
