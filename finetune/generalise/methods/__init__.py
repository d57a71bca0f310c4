"""What is done for another domain while training in one: a file each, behind one interface (`base.Method`)."""
