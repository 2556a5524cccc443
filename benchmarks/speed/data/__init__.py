"""What is searched: functions that return normalised rows and queries, of the numbers that are asked for."""
