"""What one's own history says of models, servers and days: `tui-chat stats` and the screen, from one core.

    store.statistics   rows -> cells (model, server, day, cache hit): read once, in the reader's thread
    figures            cells -> a report: any grouping, any period, percentiles
    text, formats      a report -> lines that people read; JSON, CSV
    cli                arguments, the database as it is, exit codes

Only exact figures enter; what is estimated is counted apart. It must not know the screen.
"""
