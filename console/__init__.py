"""What people touch: the `tailrace` command and its reports."""
