"""What one's own history says of models, servers and days: exact figures only."""
