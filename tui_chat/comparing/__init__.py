"""The same prompt with `stream: true` and without, to any set of models: what waiting is like, measured."""
