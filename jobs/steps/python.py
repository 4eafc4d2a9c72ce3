"""The step that calls a function of a plugin: for everything that the declarative types can't express."""

import asyncio
import importlib
import importlib.util
import inspect
import json
import re
import stat
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from jobs.context import Context
from jobs.steptype import Result, StepFailed, StepType
from nomaflow_site.lib.config import ConfigForm

# Plain names only, none of them private: no way to `__class__`, `__builtins__` or something a module has imported.
CALLABLE = re.compile(r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*:[A-Za-z][A-Za-z0-9_]*\Z")


class PythonForm(ConfigForm):
    """`callable`: module.path:function in the plugins folders."""

    callable = forms.CharField(max_length=200, help_text="module.path:function, from the plugins folders")

    def clean_callable(self) -> str:
        """Spelled as module.path:function."""
        value = str(self.cleaned_data["callable"])
        if not CALLABLE.match(value) and not (self.tokens and "${" in value):
            raise ValidationError(
                f"Expected module.path:function (names without a leading underscore), found {value!r}."
            )
        return value


class Python(StepType):
    """Calls `function(ctx, **parameters)`."""

    name = "python"
    label = "Python function"
    form = PythonForm

    def run(self, ctx: Context, config: dict[str, Any]) -> Result:
        """Import the plugin afresh, call the function, keep what it returns."""
        function = load_function(config["callable"], ctx.plugins)
        returned = call(function, ctx)
        return as_result(returned, config["callable"])


class Connectors(Mapping[str, Any]):
    """The connectors by name, opened when they're asked for: what a function that names `connectors` gets."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def __getitem__(self, name: str) -> Any:
        return self._ctx.get_connector(name)

    def __iter__(self) -> Any:
        raise TypeError("Connectors can be asked for by name only: connectors['reporting'].")

    def __len__(self) -> int:
        raise TypeError("Connectors can be asked for by name only: connectors['reporting'].")


def load_function(spelled: str, folders: Iterable[Path]) -> Any:
    """The function that `module.path:function` names, from a module inside one of `folders`. Raises StepFailed."""
    module_name, _, function_name = spelled.partition(":")
    folders = [folder.resolve() for folder in folders]
    module = load_module(module_name, folders)
    function = getattr(module, function_name, None)
    if function is None:
        public = [name for name, item in vars(module).items() if inspect.isfunction(item) and not name.startswith("_")]
        raise StepFailed(f"{module.__file__} has no function {function_name!r}; it has {', '.join(public) or 'none'}.")
    original = inspect.unwrap(function) if callable(function) else function
    home = getattr(sys.modules.get(getattr(original, "__module__", "") or ""), "__file__", None)
    if not inspect.isroutine(original) or home is None or not _inside(Path(home), folders):
        raise StepFailed(f"{spelled} is not a function written in the plugins folders; steps may call only those.")
    return function


def load_module(name: str, folders: list[Path]) -> ModuleType:
    """Import a module that must live inside one of `folders`. Raises StepFailed."""
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    places = ", ".join(map(str, folders)) or "none"
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    origin = Path(spec.origin) if spec and spec.origin and spec.has_location else None
    if spec is None or origin is None:
        raise StepFailed(f"There is no plugin module {name!r}; the plugins folders are {places}.")
    if not _inside(origin, folders):
        raise StepFailed(
            f"{name!r} is an installed module ({origin}), not a plugin. Steps may call only functions in the plugins folders "
            f"({places}); if you have a plugin of that name, rename it."
        )
    _refuse_open_file(origin)
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise StepFailed(f"The plugin {origin} can't be imported: {type(error).__name__}: {error}") from error


def _inside(path: Path, folders: list[Path]) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in folders)


def _refuse_open_file(path: Path) -> None:
    """A plugin that anybody may write to is anybody's code."""
    for place in (path, path.parent):
        mode = place.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise StepFailed(
                f"{place} can be written by every user of this host (mode {stat.S_IMODE(mode):o}), so its code is not run. "
                f"chmod o-w {place}"
            )


def call(function: Any, ctx: Context) -> Any:
    """Call a plugin's function with the context and the parameters it names; an async one is run to its end."""
    args, kwargs = arguments(function, ctx)
    returned = function(*args, **kwargs)
    return asyncio.run(_awaited(returned)) if inspect.isawaitable(returned) else returned


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def arguments(function: Any, ctx: Context) -> tuple[list[Any], dict[str, Any]]:
    """What to call `function` with. The first positional parameter gets the context; without `**_` only named ones are passed.

    Raises StepFailed naming required parameters that the run doesn't have.
    """
    parameters = list(inspect.signature(function).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    args: list[Any] = [ctx] if positional else []
    rest = [p for p in parameters if p not in positional[:1]]
    offered = {**ctx.params, "ctx": ctx, "connectors": Connectors(ctx)}
    named = [p for p in rest if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    missing = [p.name for p in named if p.default is p.empty and p.name not in offered]
    if missing:
        have = ", ".join(ctx.params) or "none"
        raise StepFailed(
            f"{function.__name__}() needs the parameter{'s' if len(missing) > 1 else ''} {', '.join(missing)}; the run has "
            f"{have}. Add to the job's params or the step's op_kwargs."
        )
    kwargs = {p.name: offered[p.name] for p in named if p.name in offered}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        taken = {p.name for p in positional[:1]}
        kwargs = {**{name: value for name, value in ctx.params.items() if name not in taken}, **kwargs}
    return args, kwargs


def as_result(returned: Any, spelled: str) -> Result:
    """The step's result from what the function returned: a dict is the output, an int counts rows, None is nothing."""
    if returned is None:
        return Result()
    if isinstance(returned, int) and not isinstance(returned, bool):
        return Result(rows=returned)
    if not isinstance(returned, dict):
        raise StepFailed(
            f"{spelled} returned a {type(returned).__name__}; return a dict (the output), an int (rows affected) or None."
        )
    try:
        json.dumps(returned, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StepFailed(
            f"{spelled} returned something that isn't JSON ({error}); turn dates, decimals and the like into texts first."
        ) from error
    rows = returned.get("rows_affected")
    return Result(returned, rows if isinstance(rows, int) and not isinstance(rows, bool) else None)
