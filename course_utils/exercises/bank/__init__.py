"""The exercises, one file a lesson: for each the reference, what is looked at, the classic mistakes, the hints."""
