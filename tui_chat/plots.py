"""Plots as plain text, by plotext: bars, histograms, trends. No colours: whoever shows them has a theme."""
