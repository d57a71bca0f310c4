"""The embedded target `demo`: stick figures that act, drawn on the spot, to try the chain without a download."""
