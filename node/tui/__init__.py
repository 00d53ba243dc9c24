"""The terminal screen. It shows the ledger's tables and calls `node.actions`; it holds no rule of its own.

Nothing outside this folder imports textual.
"""
