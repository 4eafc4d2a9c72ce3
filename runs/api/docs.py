"""The API's description, and the page that shows it."""

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated

from runs.api.identity import IDENTITIES


@extend_schema(exclude=True)
class Schema(SpectacularAPIView):  # type: ignore[misc]
    """OpenAPI 3, for signed-in callers."""

    authentication_classes = IDENTITIES
    permission_classes = [IsAuthenticated]


class Docs(SpectacularSwaggerSplitView):  # type: ignore[misc]
    """The browsable page. Its scripts are files, so that it needs no looser policy than the other pages."""

    authentication_classes = IDENTITIES
    permission_classes = [IsAuthenticated]
    url_name = "runs:api-schema"
    template_name = "runs/api_docs.html"
