"""What is measured of a network on held-out clips while it trains: accuracy, and what its features tell."""
