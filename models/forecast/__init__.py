"""The simulated forecast: a book of what is open, drawn with common shocks; scenarios; change."""
