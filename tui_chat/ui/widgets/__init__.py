"""The widgets: values in, messages out. They do no I/O and know neither engine, store nor session."""
