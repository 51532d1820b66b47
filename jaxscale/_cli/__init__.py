"""The command line: one command calls one public function.

Read `app` (the commands), `arguments` (words into values), `output` (records into text and files).
"""
