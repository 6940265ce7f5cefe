"""The screens: where events become widgets, and the dialogs."""
