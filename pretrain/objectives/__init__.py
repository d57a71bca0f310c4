"""What a network is trained for: a module that holds it and turns a batch into a loss."""
