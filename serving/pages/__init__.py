"""The pages: templates over the same values as the JSON API, style sheet, script and charts."""

from serving.pages.routing import router

__all__ = ["router"]
