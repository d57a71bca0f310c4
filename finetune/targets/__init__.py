"""The benchmarks: which videos and classes each lists, where its files come from, how it is tested."""
