"""What must never be lost, in journal.db."""
