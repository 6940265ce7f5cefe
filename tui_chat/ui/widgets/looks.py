"""Component styles as plain rich styles, with translucent colours blended over the widget's background."""

from rich.style import Style
from textual.widget import Widget


def component_style(widget: Widget, name: str) -> Style:
    """The style of the component class `name`: its own attributes and colours only, so it can be laid over a line's."""
    own = widget.get_component_rich_style(name, partial=True)
    if own.color is None and own.bgcolor is None:
        return own
    blended = widget.get_component_rich_style(name)
    colours = Style(color=blended.color if own.color else None, bgcolor=blended.bgcolor if own.bgcolor else None)
    return own + colours
