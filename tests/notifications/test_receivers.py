"""Listening to the floors below."""

from django.test import override_settings

from notifications.receivers import LISTENERS, connect


@override_settings(DEBUG=True)
def test_listening_begins_in_debug_mode_too_and_only_once() -> None:
    counts = [len(signal.receivers) for signal, _ in LISTENERS]
    connect()
    assert [len(signal.receivers) for signal, _ in LISTENERS] == counts
    assert min(counts) >= 1
