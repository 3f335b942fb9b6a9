"""MCP servers as sources: found in the files of other tools, asked only after a person's consent.

    places   where Claude, Cursor and VS Code keep their servers    ─► files
    config   what those files say                                   ─► Server
    consent  which servers a person has approved, by what they are
    variables  ${VAR} and the secrets behind them, on starting only ─► Ready
    connection  one task a server; pipes or HTTP; bounded, killed   ─► Answer texts
    cache    answers on disk, with their date
    desk     asks one server, through the cache
    context7, github, tavily, searching, thinking: what each is asked
    source   a server as a `Source` of RESEARCH

The SDK is the extra `mcp`; nothing here imports it before a server is to be started.
"""
