"""Find the variants of a thing by looking into its folder: one module, one class, no list to edit."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


def discover(package: ModuleType, base: type[T], skip: frozenset[str] = frozenset()) -> dict[str, type[T]]:
    """The one subclass of `base` in each module of `package`, by its `name`.

    Modules whose name starts with an underscore or stands in `skip` hold shared code, not a variant.
    Raises ImproperlyConfigured when a module can't be imported, holds no variant or several, or two share a name.
    """
    found: dict[str, type[T]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("_") or info.name in skip:
            continue
        variant = _only_variant(f"{package.__name__}.{info.name}", base)
        name = str(variant.name)  # type: ignore[attr-defined]
        if name in found:
            raise ImproperlyConfigured(
                f"{variant.__module__} and {found[name].__module__} both call themselves {name!r}; rename one of them."
            )
        found[name] = variant
    return dict(sorted(found.items()))


def _only_variant(module_name: str, base: type[T]) -> type[T]:
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ImproperlyConfigured(f"{module_name} can't be imported: {type(error).__name__}: {error}") from error
    variants = [
        item
        for item in vars(module).values()
        if inspect.isclass(item) and issubclass(item, base) and item is not base and item.__module__ == module_name
    ]
    if len(variants) != 1:
        names = ", ".join(v.__name__ for v in variants) or "none"
        raise ImproperlyConfigured(
            f"{module_name} should define exactly one {base.__name__}, found {names}. "
            "Shared code belongs in a module whose name starts with an underscore."
        )
    return variants[0]
