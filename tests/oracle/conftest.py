"""The script in this folder needs the frameworks, so a plain test run must not import it."""

collect_ignore = ["make_answers.py"]
