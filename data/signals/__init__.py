"""What activity texts tell: moments and promises, found by a lexicon that users can edit."""
