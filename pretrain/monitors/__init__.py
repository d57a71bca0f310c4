"""What is measured of a network's features while it trains."""
