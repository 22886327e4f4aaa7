"""Tables, figures, CSV and PDF."""
