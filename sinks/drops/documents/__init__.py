"""The documents every drop carries: dataset card, Croissant, report; all made from manifest and rows."""
