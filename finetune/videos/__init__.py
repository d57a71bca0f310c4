"""Which videos a target has: lists, splits, leakage, few-shot subsets."""
