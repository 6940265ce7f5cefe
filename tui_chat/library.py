"""The engine without the screen, for programs of others: `open_session` and what a session tells its subscribers."""
