"""Who is told while a reply comes: callbacks for events, text, blocks, messages, errors and ends."""
