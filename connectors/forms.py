"""The admin's form of one endpoint: its name and the fields of its kind."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django import forms

from connectors.draft import kind_named, make_draft, stored_names
from connectors.kind import Kind
from connectors.models import Connector, Endpoint
from nomaflow_site.lib.config import ConfigError, ConfigForm
from nomaflow_site.lib.sealing import mask, seal

FORGET = "forget_"


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]
    """The model's own fields; `form_for` adds the fields of a kind. Secrets go in and never come out."""

    kind: Kind

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.use_required_attribute = False
        if self.instance.pk:
            self.fields.pop("name", None)
            self.initial.update(self.kind.form.flatten(mask(self.instance.config)))
        self._describe_secrets()

    def _describe_secrets(self) -> None:
        """Say whether a secret is stored, and offer to forget it; nothing to forget where nothing is."""
        stored = stored_names(self.instance) if self.instance.pk else []
        for name in self.kind.form.secret_names():
            if name in stored:
                self.fields[name].help_text = "Stored. Leave empty to keep it."
            else:
                self.fields.pop(FORGET + name)

    def _clean_fields(self) -> None:
        # The kind's fields may hold `${env:...}` where a number is wanted: its own form looks at them, in clean().
        own = self.fields
        try:
            self.fields = {name: field for name, field in own.items() if name not in self.kind.form.base_fields}
            super()._clean_fields()  # type: ignore[misc]
        finally:
            self.fields = own

    def clean(self) -> dict[str, Any]:
        """Check the kind's fields, and that no stored secret would be dropped unsaid."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        model: type[Endpoint] = self._meta.model
        try:
            draft = make_draft(model, self._stored(), self.kind.name, self.settings(), self.forgotten())
        except ConfigError as error:
            self._show(error)
            return data
        for name in draft.dropped:
            why = f"{', '.join(draft.moved)} changed, and the stored one is only sent where it was entered for"
            self.add_error(name, f"Enter it again, or tick to forget it: {why}.")
        # What the history and the preview see; the real save goes through the catalogue.
        self.instance.config = seal(draft.config)
        return data

    def _stored(self) -> Endpoint | None:
        rows = self._meta.model._default_manager
        return rows.filter(pk=self.instance.pk).first() if self.instance.pk else None

    def _show(self, error: ConfigError) -> None:
        for spelled, messages in error.errors.items():
            name = spelled.replace(".", "__") if spelled.replace(".", "__") in self.fields else spelled
            for message in messages:
                self.add_error(
                    name if name in self.fields else None, message if name in self.fields else f"{spelled}: {message}"
                )

    def settings(self) -> Mapping[str, Any]:
        """The kind's fields as typed: the text of each input, read by the field where it can be."""
        form: type[ConfigForm] = self.kind.form
        given = {name: self._given(name, field) for name, field in form.base_fields.items()}
        # A page can't leave a field out: what is empty is not given.
        return form.unflatten({name: value for name, value in given.items() if value not in (None, "")})

    def _given(self, name: str, field: forms.Field) -> Any:
        raw = field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
        return raw.strip() if isinstance(raw, str) and isinstance(field, forms.CharField) and field.strip else raw

    def forgotten(self) -> list[str]:
        """The stored secrets that were ticked."""
        ticks = {name: FORGET + name for name in self.kind.form.secret_names()}
        return [name for name, tick in ticks.items() if tick in self.fields and self.data.get(self.add_prefix(tick))]


class ConnectorForm(EndpointForm):
    """A connector's name and description, and the fields of its kind."""

    class Meta:
        model = Connector
        fields = ["name", "description"]
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}


F = TypeVar("F", bound=EndpointForm)


def form_for(base: type[F], kind: str) -> type[F]:
    """The form `base` with the fields of one kind; ConfigError for an unknown kind."""
    known = kind_named(base._meta.model, kind)
    fields: dict[str, Any] = dict(known.form.base_fields)
    for name in sorted(known.form.secret_names()):
        fields[FORGET + name] = forms.BooleanField(required=False, label=f"Forget the stored {name.replace('_', ' ')}")
    metaclass: Any = type(base)
    made: type[F] = metaclass(
        f"{kind.title()}{base.__name__}", (base,), {**fields, "kind": known, "__module__": base.__module__}
    )
    return made
