"""The report: one HTML file to send to somebody."""
