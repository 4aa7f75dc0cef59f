"""Attribution methods, one file each; every one is a plan of micro-batches."""
