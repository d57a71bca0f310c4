"""What a run asks of the machine: processes, precision, interrupts, clocks."""
