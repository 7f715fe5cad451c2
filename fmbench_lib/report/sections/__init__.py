"""The sections of a report, a module each: `section` turns the report's data into blocks of Markdown.

A section without anything to show says why, or is empty.
"""
