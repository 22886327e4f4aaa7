"""What leaves the program: predictions as CSV, reports as PDF with vector figures."""
