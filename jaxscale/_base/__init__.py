"""What every wing stands on: errors, words, reports, files, devices. No law, no run, no fit.

Read `errors`, `text` (numbers and names in sentences), `report` (what a record prints), `verdict`, `files` (checked
plain JSON), `validation`, `robust` (scale of residuals), `devices`, `programs` (compiled ones, kept).
"""
