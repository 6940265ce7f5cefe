"""Conversations out of the program and into it: files of our own, pages to read, and the exports of other programs.

It knows values, figures and files, and asks a store's library to keep what it read. It must not know the session, the
engine or the screen.
"""
