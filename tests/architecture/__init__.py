"""Rules about the code itself: import order, sizes, clocks, what a tracked file may hold."""
