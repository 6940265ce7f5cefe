"""Turns written to files with every byte and its timing, and played again."""
