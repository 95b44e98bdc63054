"""The pages: templates over the same values as the JSON API, style sheet, script and charts."""

from serving.pages.errors import error_page
from serving.pages.routing import router

__all__ = ["error_page", "router"]
