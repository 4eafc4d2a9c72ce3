"""What alerts add to the pages of the floors below: notices, a section of the run page, and their history in the admin."""

from notifications import historyadmin, notices
from notifications.views import runsection
from runs.notices import register_notice
from runs.sections import register_section


def show() -> None:
    """Add it. Once per process, when apps start."""
    register_notice(notices.failing_channels)
    register_notice(notices.lost_alerts)
    register_notice(notices.waiting_alerts)
    register_section(runsection.SECTION)
    historyadmin.register()
