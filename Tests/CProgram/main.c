#include <stdio.h>
#include "agent_journal.h"
int main(void) { puts(aj_version()); return 0; }
