"""Calendars in the admin: days one a line, weekdays, the end of the month, and an ICS file to take days from."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from jobs.calendars import (
    LARGEST_ICS,
    BadIcsFile,
    CalendarInUse,
    calendar_faults,
    delete_calendar,
    import_ics,
    in_words,
    save_calendar,
    used_by,
    users_of_all,
)
from jobs.days import LONGEST_MONTH_END, WEEKDAYS, BadDays, days_of
from jobs.models import Calendar

NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class DaysField(forms.CharField):
    """A calendar's days as text, one a line: the day, a space, its name."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 12, "class": "code", "spellcheck": "false"})
        super().__init__(required=False, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """One line for each day."""
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{day} {label}".rstrip() for day, label in value.items())

    def to_python(self, value: Any) -> Any:
        """Day -> name. ValidationError for a day that's there twice."""
        if isinstance(value, dict):
            return value
        days: dict[str, str] = {}
        for number, line in enumerate(str(value or "").splitlines(), start=1):
            day, _, label = line.strip().partition(" ")
            if day in days:
                raise ValidationError(f"Line {number}: {day} is there already.", code="invalid")
            if day:
                days[day] = label.strip()
        return days


class CalendarForm(forms.ModelForm):  # type: ignore[type-arg]
    """A calendar, and a file to take days from."""

    days = DaysField(
        help_text="One a line: <code>2026-12-25 Christmas Day</code>, or <code>12-25</code> for every year."
    )
    weekdays = forms.MultipleChoiceField(
        choices=list(zip(WEEKDAYS, NAMES, strict=True)), required=False, widget=forms.CheckboxSelectMultiple
    )
    month_end = forms.IntegerField(
        min_value=0,
        max_value=LONGEST_MONTH_END,
        initial=0,
        label="End of the month",
        help_text="The last so many days of every month; 0: none.",
    )
    ics = forms.FileField(
        required=False,
        label="Take days from a file",
        help_text="An ICS file, as calendar programs and public holiday sites export them. "
        "Its days from a year back to ten years ahead are added to those above.",
    )
    ics_replaces = forms.BooleanField(required=False, label="The file's days replace those above")

    class Meta:
        model = Calendar
        fields = ["name", "description", "days", "weekdays", "month_end"]
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}

    def clean_description(self) -> str:
        """Browsers send two characters for the end of a line."""
        return str(self.cleaned_data["description"]).replace("\r\n", "\n")

    def clean_ics(self) -> dict[str, str]:
        """The days in the file."""
        upload = self.cleaned_data["ics"]
        if upload is None:
            return {}
        try:
            return import_ics(upload.read(LARGEST_ICS + 1), timezone.localdate())
        except BadIcsFile as error:
            raise ValidationError(str(error), code="invalid") from error

    def clean(self) -> dict[str, Any]:
        """The file's days in their place; refuse what the import refuses, beside the field."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        if cleaned["ics"]:
            kept = {} if cleaned["ics_replaces"] else cleaned["days"]
            cleaned["days"] = {**kept, **cleaned["ics"]}
        name = cleaned.get("name", self.instance.name)
        values = (cleaned[key] for key in ("description", "days", "weekdays", "month_end"))
        for field, message in calendar_faults(name, *values):
            self.add_error(field if field in self.fields else None, message)
        return cleaned

    def _post_clean(self) -> None:
        """The instance stays what is stored: the verb writes, and it has checked everything."""
        if self.errors or self.instance.pk:
            return
        self.instance.name = self.cleaned_data["name"]
        if Calendar.objects.filter(name=self.instance.name).exists():
            self.add_error("name", "There is a calendar of this name already.")


@admin.register(Calendar)
class CalendarAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Calendars. The name is locked after creation, as schedules and files go by it."""

    form = CalendarForm
    search_fields = ("name", "description")
    fieldsets = [
        (None, {"fields": ["name", "description", "users"]}),
        ("Days", {"fields": ["days", "weekdays", "month_end", "ics", "ics_replaces"]}),
    ]

    class Media:
        css = {"all": ["nomaflow/admin-jobs.css", "nomaflow/admin-schedules.css"]}

    def get_readonly_fields(self, request: HttpRequest, obj: Calendar | None = None) -> list[str]:
        """The name of an existing calendar is locked."""
        return ["name", "users"] if obj else ["users"]

    def get_fieldsets(self, request: HttpRequest, obj: Calendar | None = None) -> Any:
        """No file to choose for whoever may only look."""
        if obj and not self.has_change_permission(request, obj):
            shown = ["name", "description", "users", "days", "weekdays", "month_end"]
            return [(None, {"fields": shown})]
        return self.fieldsets

    def get_list_display(self, request: HttpRequest) -> list[str | Callable[[Any], Any]]:
        """The columns; who uses which calendar is asked once for all rows."""
        users = cache(users_of_all)

        @admin.display(description="used by")
        def used(calendar: Calendar) -> str:
            return in_words(users().get(calendar.name, []), 3) or "-"

        return ["name", "description", "day_count", "next_day_off", used]

    @admin.display(description="days")
    def day_count(self, calendar: Calendar) -> str:
        """How many days it names, and the rules beside them."""
        dates = f"{len(calendar.days):,} listed" if calendar.days else ""
        last = calendar.month_end
        end = f"last {f'{last} days' if last > 1 else 'day'} of the month" if last else ""
        return ", ".join(filter(None, [dates, *calendar.weekdays, end])) or "none"

    @admin.display(description="next day")
    def next_day_off(self, calendar: Calendar) -> str:
        """Its first day from today on."""
        try:
            days = days_of(calendar)
        except BadDays as error:
            return f"can't be used: {error}"
        day = days.next_day(timezone.localdate())
        return f"{day:%a %Y-%m-%d}, {days.label(day)}" if day else "-"

    @admin.display(description="used by")
    def users(self, calendar: Calendar) -> str:
        """The jobs and presets that name it."""
        return in_words(used_by(calendar.name), 50) or "no schedule"

    def save_model(self, request: HttpRequest, obj: Calendar, form: Any, change: bool) -> None:
        """Through the one door."""
        values = {key: form.cleaned_data[key] for key in ("description", "days", "weekdays", "month_end")}
        saved = save_calendar(obj.name, **values, by=request.user.get_username())
        obj.pk, obj._state.adding, obj._state.db = saved.pk, False, saved._state.db
        if form.cleaned_data["ics"]:
            messages.info(request, f"{len(form.cleaned_data['ics'])} day(s) were taken from the file.")

    def delete_model(self, request: HttpRequest, obj: Calendar) -> None:
        """Not while a schedule names it; the page before this one has said so, unless it has changed since."""
        try:
            delete_calendar(obj, by=request.user.get_username())
        except CalendarInUse as error:
            messages.error(request, str(error))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Calendar]) -> None:
        """One by one."""
        for calendar in queryset:
            self.delete_model(request, calendar)
