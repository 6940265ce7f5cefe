"""A prompt in, events out: the request, the decoder, the retry, the figures' stamps. No Textual, no SQLite."""
