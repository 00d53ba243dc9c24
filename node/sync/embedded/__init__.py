"""A small broker for the demo and for tests, where no mosquitto is found. Never started on an installed node.

Not the product's broker: a market's computer runs mosquitto. Nothing imports this; `python -m node.sync.embedded`
runs it.
"""
