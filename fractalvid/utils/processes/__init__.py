"""What processes need beside each other: children, forks, locks, temporary folders."""
