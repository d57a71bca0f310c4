"""What benchmarks share: listed names and the files behind them, lists and tables, archives to download."""
