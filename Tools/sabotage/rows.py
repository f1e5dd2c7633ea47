"""All rows, in the order of the table."""

import checksum_rows
import keeping_rows
import rule_rows
import sharing_rows
import sync_rows

ROWS = sync_rows.ROWS + checksum_rows.ROWS + rule_rows.ROWS + sharing_rows.ROWS + keeping_rows.ROWS
