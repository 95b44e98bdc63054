"""The pages: templates over the same values as the JSON API, style sheet, script and charts."""
