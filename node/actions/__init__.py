"""What staff can do: one function is one transaction. Each appends facts and folds them; none edits or deletes one."""
