"""The admin's forms of a channel and of a routing rule."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from connectors.forms import EndpointForm
from notifications.catalogue import fallback_fault, rule_faults, stored_fallbacks
from notifications.models import Channel, RoutingRule
from notifications.recipients import same_form


def _offer(field: Any, channels: QuerySet[Channel]) -> None:
    """Let a channel be chosen; its secrets stay closed, so that a lost key bars nobody's way."""
    field.queryset = channels


class ChannelForm(EndpointForm):
    """A channel's own fields, and those of its kind."""

    class Meta:
        model = Channel
        fields = ["name", "description", "enabled", "is_default", "fallback"]
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "fallback" in self.fields:
            _offer(self.fields["fallback"], Channel.objects.exclude(pk=self.instance.pk))

    def clean_fallback(self) -> Channel | None:
        """Another channel, without a circle."""
        other: Channel | None = self.cleaned_data["fallback"]
        name = self.instance.name or self.cleaned_data.get("name", "")
        if other and (problem := fallback_fault(name, other.name, stored_fallbacks())):
            raise forms.ValidationError(problem)
        return other


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A rule; its recipient has to be one that the channel can reach."""

    class Meta:
        model = RoutingRule
        fields = ["tag", "channel", "recipient"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "channel" in self.fields:
            _offer(self.fields["channel"], Channel.objects.all())

    def clean_tag(self) -> str:
        """Without spaces around it."""
        return str(self.cleaned_data["tag"]).strip()

    def clean_recipient(self) -> str:
        """As it's kept."""
        return same_form(str(self.cleaned_data["recipient"]).strip())

    def clean(self) -> dict[str, Any]:
        """What the import refuses is refused here, beside the field."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        channel = data.get("channel")
        if channel and "tag" in data and "recipient" in data:
            for field, message in rule_faults(
                data["tag"], channel.name, data["recipient"], {channel.name: channel.kind}
            ):
                self.add_error(field, message)
        return data
