"""What a selection of cells means in the text that was written. No widget in it, and nothing of the mouse.

`markdown.selected_source` for replies, `plain.selected_plain` for prompts and notices; the other modules serve the first.
"""
