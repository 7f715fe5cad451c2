"""What goes on around a level: attempts, estimates, monitors, what is told of it while it is measured."""
