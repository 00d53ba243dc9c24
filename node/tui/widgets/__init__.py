"""The pieces screens are put together from, one file each."""
