"""Connectors and their named queries."""

from collections.abc import Mapping
from typing import ClassVar, Self, TypeVar

from django.core.validators import RegexValidator
from django.db import models

from connectors.definition import Definition
from connectors.kind import Kind
from connectors.kinds import kinds
from nomaflow_site.lib.sealing import EncryptedJSONField, SealedJSONField, unseal

E = TypeVar("E", bound="Endpoint")
NAME = RegexValidator(r"^[A-Za-z0-9_-]+\Z", "Use letters, digits, - and _ only.")


class Endpoints(models.Manager[E]):
    """Rows without their secrets, which are opened when somebody asks for them: one lost key must not hide all the others."""

    def get_queryset(self) -> models.QuerySet[E]:
        """All, secrets deferred."""
        return super().get_queryset().defer("secrets")


class Endpoint(models.Model):
    """A named description of how to reach another system. Secrets are one encrypted column; `kinds()` says what there is."""

    name = models.CharField(max_length=100, unique=True, validators=[NAME])
    kind = models.CharField(max_length=20)
    description = models.TextField(blank=True)
    config = SealedJSONField(default=dict, blank=True)
    secrets = EncryptedJSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager[Self]] = Endpoints()  # type: ignore[assignment, misc]

    class Meta:
        abstract = True
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def kinds() -> Mapping[str, Kind]:
        """The kinds that there are, by name."""
        # Abstract: never stored itself; Connector and Channel each look into a folder of their own.
        raise NotImplementedError("an endpoint says which kinds it may be of")

    @classmethod
    def noun(cls) -> str:
        """What people call one: connector, channel."""
        return str(cls._meta.verbose_name)

    def definition(self) -> Definition:
        """The values for the process that connects, secrets opened."""
        hidden = [str(value) for value in self.secrets.values()]
        return Definition(
            name=self.name,
            kind=self.kind,
            config=unseal(self.config, hidden.append),
            secrets=self.secrets,
            hidden=tuple(hidden),
            queries=self.named_queries(),
        )

    def named_queries(self) -> dict[str, str]:
        """SQL texts by name, for kinds that have them."""
        return {}


class Connector(Endpoint):
    """How to reach a database, an HTTP API or a directory."""

    @staticmethod
    def kinds() -> Mapping[str, Kind]:
        """What `connectors/kinds/` holds."""
        return kinds()

    def named_queries(self) -> dict[str, str]:
        """The SQL texts kept with it."""
        return dict(self.queries.values_list("name", "sql")) if self.pk else {}


class NamedQuery(models.Model):
    """SQL kept with its connector and used in steps by name."""

    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, related_name="queries")
    name = models.CharField(max_length=100, validators=[NAME])
    sql = models.TextField("SQL")

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "named queries"
        constraints = [models.UniqueConstraint(fields=["connector", "name"], name="one_query_per_name")]

    def __str__(self) -> str:
        return f"{self.connector}: {self.name}"
