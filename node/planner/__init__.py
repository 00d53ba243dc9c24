"""Meals from what is here: snapshots, plans, the greedy planner, the validator, reasons. Private needs in one file."""
