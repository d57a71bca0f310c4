"""The command `demo`: what it runs, how large for this machine, and the page that it writes."""
