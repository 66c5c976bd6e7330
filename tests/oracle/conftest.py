"""The script here needs the frameworks; a plain test run must not import it."""

collect_ignore = ["make_answers.py"]
