"""The operator console: a page in the browser that shows a run, and whose buttons ask what the commands ask."""
