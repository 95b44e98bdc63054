"""Challenges: a factor that a seller disputes or corrects, both numbers, and later who was right."""
