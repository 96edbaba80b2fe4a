"""What every HTML document shares, whoever writes it: templates, look, numbers in words, plain charts."""
