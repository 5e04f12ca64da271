"""The flags by which applications route: how the toolkit looks at them, moves them, and judges what they did."""
